/* fig_intensity_batch.c - from which batch on is a decoder's forward on the compute side? */
#include <math.h>
#include <stdio.h>

#include "plots/figures.h"

enum { INTENSITY, INTENSITY_LO, INTENSITY_HI, RIDGE };
enum { PHASE, SIDE };

static const char sql[] =
    "SELECT run_id, phase, side, intensity_flop_per_byte, intensity_lo, intensity_hi,"
    " ridge_flop_per_byte FROM v_roofline WHERE work = 'algorithmic' AND evidence <> 'counter'";

static enum err draw_ridge(struct sheet *s, struct chart *c, const struct drawn_roof *r)
{
    const struct line_style dotted = {.colour = "#555555", .width = 0.9, .dash = 3, .back = true};
    const struct panel *p = c->panel;
    struct strbuf *out = sheet_slot(s, "RIDGES");
    double ridge = roof_ridge(r->roof), y = panel_y(p, ridge);
    char text[80], value[24];
    text_quantity(value, sizeof value, ridge, "");
    snprintf(text, sizeof text, "ridge %s%s", value, r->cache ? " (cache)" : "");
    write_line(out, s, p->left, y, p->right, y, &dotted);
    TRY(scene_add_soft(&c->panel->scene, box_segment(p->left, y, p->right, y, 1.2)));
    const struct line_label l = {
        .x0 = p->left, .y0 = y, .x1 = p->right, .y1 = y, .from_end = true, .both_sides = true};
    return chart_line_name(c, s, l, text, "#555555", out);
}

static void write_data(struct sheet *s, const struct chart *c, const struct plot_rows *rows)
{
    strbuf_add(&s->tsv, DATA_RUN_COLUMNS "intensity_flop_per_byte\tintensity_lo\tintensity_hi\t"
                                         "ridge_flop_per_byte\tside\n");
    for (int i = 0; i < c->n; i++) {
        const struct plot_row *r = &rows->row[c->marks[i].row];
        data_run(s, &c->marks[i]);
        for (int k = 0; k <= RIDGE; k++) {
            text_number(&s->tsv, r->v[k]);
            strbuf_add_char(&s->tsv, '\t');
        }
        strbuf_addf(&s->tsv, "%s\n", *r->word[SIDE] ? r->word[SIDE] : "NA");
    }
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct chart *c)
{
    struct roofs roofs;
    roofs_find(s, &roofs);
    chart_include(c);
    for (int i = 0; i < roofs.n; i++) {
        range_include(&c->panel->y, roof_ridge(roofs.roof[i].roof) / 1.5);
        range_include(&c->panel->y, roof_ridge(roofs.roof[i].roof) * 1.5);
    }
    range_binary(&c->panel->x);
    range_snug(&c->panel->y);
    const struct axis_titles titles = {
        "batch (sequences)", {"arithmetic intensity", "(FLOP/byte, analytic DRAM bytes)"}};
    chart_page(c, s, &titles, NULL, 0);
    sheet_slot(s, "RIDGES");
    TRY(chart_obstacles(c, s));
    for (int i = 0; i < roofs.n; i++) TRY(draw_ridge(s, c, &roofs.roof[i]));
    TRY(chart_label(c, s, LABEL_LAST, sheet_slot(s, "LABELS")));
    series_write(&c->series, c->marks, s, "");
    range_binary_tics(&c->panel->x, sheet_slot(s, "XTICS"));
    range_tics(&c->panel->y, sheet_slot(s, "YTICS"));
    write_data(s, c, rows);

    caption_begin(s, "Arithmetic intensity against batch");
    strbuf_add(&s->caption,
               "Every FLOP of matmuls and attention in a forward of the decoder's main phase, over "
               "the DRAM bytes it must move. Both are analytic: counted by the ledger from the "
               "shapes of every call. They do not vary from run to run and have no confidence "
               "interval; bars are the band of the traffic estimate. Above the dotted ridge a "
               "forward is on the compute side of the roofline model; what really bounds it is "
               "found by intervention, not from this figure.\n");
    roofs_describe(&roofs, &s->caption);
    caption_resident(s, c);
    caption_unplaced(s, c->unplaced);
    caption_end(s);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    const struct chart_columns columns = {.x = BATCH_X,
                                          .x_lo = -1,
                                          .x_hi = -1,
                                          .y = INTENSITY,
                                          .y_lo = INTENSITY_LO,
                                          .y_hi = INTENSITY_HI,
                                          .phase_word = PHASE,
                                          .main_only = true,
                                          .ignore = 1u << FIELD_STEPS};
    return chart_draw(rows, s, &columns, lay_out, empty);
}

const struct figure figure_intensity_batch = {
    .name = "intensity-batch",
    .help = "arithmetic intensity against batch, with the ridge",
    .needs = "the database has no finished run",
    .query = {{sql, 2}},
    .draw = draw,
};
