/* fig_levels.c - one forward on the roofline at three levels of memory: the same FLOP/s over the
 * bytes that were counted at DRAM, at L2 and at L1. */
#include <math.h>
#include <stdio.h>

#include "plots/figures.h"

enum { DRAM, L2, L1, FLOP_S, FLOP_S_LO, FLOP_S_HI, SAMPLES };
enum { PHASE };

/* Point types of the levels beside DRAM, whose points have their decoder's. */
enum { POINT_L2 = 4, POINT_L1 = 12 };

static const char sql[] =
    "SELECT k.run_id, k.phase, f.flop / k.dram, f.flop / k.l2, f.flop / k.l1,"
    " f.flop * 1e9 / s.median_ns, f.flop * 1e9 / s.ci_hi_ns, f.flop * 1e9 / s.ci_lo_ns, k.n"
    " FROM (SELECT run_id, run_no, phase, AVG(dram_bytes) AS dram, AVG(l2_bytes) AS l2,"
    "              AVG(l1_bytes) AS l1, COUNT(*) AS n FROM v_pinned_counter"
    "       WHERE l2_state = 'steady' GROUP BY run_id, run_no, phase) k"
    " JOIN (SELECT run_no, phase, AVG(flop_matmul + flop_attention) AS flop FROM forward"
    "       WHERE step_ns IS NOT NULL GROUP BY run_no, phase) f"
    "   ON f.run_no = k.run_no AND f.phase = k.phase"
    " JOIN v_step s ON s.run_id = k.run_id AND s.phase = k.phase";

static enum err draw_roof(struct sheet *s, struct chart *c, const struct drawn_roof *r)
{
    const struct line_style style = {
        .colour = "black", .width = 1.2, .dash = r->dashed ? 2 : 1, .back = true};
    const struct panel *p = c->panel;
    struct strbuf *out = sheet_slot(s, "ROOFS");
    double ridge = fmin(roof_ridge(r->roof), p->x.hi), top = panel_y(p, r->roof.flop_per_s);
    double from = fmax(p->x.lo, p->y.lo / r->roof.bytes_per_s);
    const struct line_label peak = {
        .x0 = p->left, .y0 = top, .x1 = p->right, .y1 = top, .from_end = true};
    const struct line_label slope = {.x0 = panel_x(p, from),
                                     .y0 = panel_y(p, from * r->roof.bytes_per_s),
                                     .x1 = panel_x(p, ridge),
                                     .y1 = panel_y(p, ridge * r->roof.bytes_per_s)};
    write_line(out, s, slope.x0, slope.y0, slope.x1, slope.y1, &style);
    write_line(out, s, slope.x1, top, p->right, top, &style);
    TRY(scene_add_soft(&c->panel->scene, box_segment(slope.x0, slope.y0, slope.x1, slope.y1, 1.2)));
    TRY(scene_add_soft(&c->panel->scene, box_segment(slope.x1, top, p->right, top, 1.2)));
    TRY(chart_line_name(c, s, peak, r->peak, "black", out));
    return chart_line_name(c, s, slope, r->bandwidth, "black", out);
}

static void write_data(struct sheet *s, const struct chart *c, const struct plot_rows *rows)
{
    strbuf_add(&s->tsv, DATA_RUN_COLUMNS
               "intensity_dram\tintensity_l2\tintensity_l1\tflop_per_s\tflop_per_s_lo\t"
               "flop_per_s_hi\tsamples\n");
    for (int i = 0; i < c->n; i++) {
        data_run(s, &c->marks[i]);
        for (int k = 0; k <= SAMPLES; k++) {
            text_number(&s->tsv, rows->row[c->marks[i].row].v[k]);
            strbuf_add_char(&s->tsv, k < SAMPLES ? '\t' : '\n');
        }
    }
}

static void write_caption(struct sheet *s, const struct chart *c, const struct plot_rows *rows,
                          const struct roofs *roofs)
{
    double lo, hi;
    caption_begin(s, "Roofline at three levels of memory");
    strbuf_add(&s->caption,
               "One forward at its pinned context: algorithmic FLOPs at the median of its timed "
               "repetitions, over the bytes counted at DRAM (large symbol), between the "
               "multiprocessors and L2 (square) and at L1 (diamond), which misses bulk copies. "
               "The intensities are measured: means over n = ");
    chart_span(c, rows, SAMPLES, &lo, &hi);
    caption_span(&s->caption, lo, hi);
    strbuf_add(&s->caption,
               " counted decodes. Where a forward's three points lie close together, data "
               "passes through the caches without being used again. The bandwidth of L2 and L1 was "
               "not measured as a roof of its own: points of L2 and L1 are held against none. ");
    roofs_describe(roofs, &s->caption);
    caption_resident(s, c);
    caption_unplaced(s, c->unplaced);
    caption_end(s);
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct chart *c)
{
    const struct key_item levels[] = {{KEY_POINT, "#555555", POINT_L2, 0.5, "L2"},
                                      {KEY_POINT, "#555555", POINT_L1, 0.5, "L1"}};
    struct roofs roofs;
    roofs_find(s, &roofs);
    chart_include(c);
    for (int i = 0; i < c->n; i++) {
        range_include(&c->panel->x, rows->row[c->marks[i].row].v[L2]);
        range_include(&c->panel->x, rows->row[c->marks[i].row].v[L1]);
    }
    for (int i = 0; i < roofs.n; i++) {
        range_include(&c->panel->x, roof_ridge(roofs.roof[i].roof) * 2);
        range_include(&c->panel->y, roofs.roof[i].roof.flop_per_s * 1.4);
    }
    range_snug(&c->panel->x);
    range_snug(&c->panel->y);
    const struct axis_titles titles = {"arithmetic intensity (FLOP/byte, counted bytes)",
                                       {"FLOP/s (timed)", NULL}};
    chart_page(c, s, &titles, levels, 2);
    sheet_slot(s, "ROOFS");
    TRY(chart_obstacles(c, s));
    for (int i = 0; i < roofs.n; i++) TRY(draw_roof(s, c, &roofs.roof[i]));
    TRY(chart_label(c, s, LABEL_BATCHES, sheet_slot(s, "LABELS")));
    series_write(&c->series, c->marks, s, "");
    range_tics(&c->panel->x, sheet_slot(s, "XTICS"));
    range_tics(&c->panel->y, sheet_slot(s, "YTICS"));
    write_data(s, c, rows);
    write_caption(s, c, rows, &roofs);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    const struct chart_columns columns = {.x = DRAM,
                                          .x_lo = -1,
                                          .x_hi = -1,
                                          .y = FLOP_S,
                                          .y_lo = FLOP_S_LO,
                                          .y_hi = FLOP_S_HI,
                                          .phase_word = PHASE,
                                          .main_only = true,
                                          .ignore = 1u << FIELD_STEPS};
    return chart_draw(rows, s, &columns, lay_out, empty);
}

const struct figure figure_levels = {
    .name = "roofline-levels",
    .help = "FLOP/s against intensity at DRAM, L2 and L1, of counted bytes",
    .needs = "the database has no run with hardware counters (regime run --counters)",
    .query = {{sql, 1}},
    .draw = draw,
};
