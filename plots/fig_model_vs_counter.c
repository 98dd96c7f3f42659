/* fig_model_vs_counter.c - DRAM bytes of a forward: what the ledger says, with its band, against
 * what the hardware counted. */
#include <math.h>

#include "plots/figures.h"

enum { MODEL, MODEL_LO, MODEL_HI, COUNTER, COUNTER_LO, COUNTER_HI, SAMPLES, IN_BAND };
enum { PHASE };

static const char sql[] =
    "SELECT run_id, phase, model, model_lo, model_hi, counter, COALESCE(counter_lo, counter_min),"
    " COALESCE(counter_hi, counter_max), samples, in_band FROM v_model_vs_counter"
    " WHERE quantity = 'dram_bytes' AND l2_state = 'steady'";

/* Where both agree. */
static enum err draw_diagonal(struct sheet *s, struct chart *c)
{
    const struct line_style style = {.colour = "#555555", .width = 0.9, .dash = 3, .back = true};
    const struct panel *p = c->panel;
    struct strbuf *out = sheet_slot(s, "DIAGONAL");
    double x0 = panel_x(p, p->x.lo), x1 = panel_x(p, p->x.hi);
    double y0 = panel_y(p, p->x.lo), y1 = panel_y(p, p->x.hi);
    write_line(out, s, x0, y0, x1, y1, &style);
    TRY(scene_add_soft(&c->panel->scene, box_segment(x0, y0, x1, y1, 1.2)));
    const struct line_label l = {.x0 = x0, .y0 = y0, .x1 = x1, .y1 = y1, .from_end = true};
    return chart_line_name(c, s, l, "counted = ledger", "#555555", out);
}

static void write_data(struct sheet *s, const struct chart *c, const struct plot_rows *rows)
{
    strbuf_add(&s->tsv, DATA_RUN_COLUMNS "ledger_bytes\tledger_bytes_lo\tledger_bytes_hi\t"
                                         "counted_bytes\tcounted_bytes_lo\tcounted_bytes_hi\t"
                                         "samples\tin_band\n");
    for (int i = 0; i < c->n; i++) {
        data_run(s, &c->marks[i]);
        for (int k = 0; k <= IN_BAND; k++) {
            text_number(&s->tsv, rows->row[c->marks[i].row].v[k]);
            strbuf_add_char(&s->tsv, k < IN_BAND ? '\t' : '\n');
        }
    }
}

static void write_caption(struct sheet *s, const struct chart *c, const struct plot_rows *rows)
{
    double lo, hi;
    int inside = 0;
    for (int i = 0; i < c->n; i++) inside += rows->row[c->marks[i].row].v[IN_BAND] > 0;
    caption_begin(s, "Ledger against counters");
    strbuf_add(&s->caption,
               "DRAM bytes, read and written, of one forward at its pinned context. Across, what "
               "the ledger says from the shapes of every call; bars are the band of that estimate. "
               "Up, what the hardware's counters said when the same forward ran in a decode of its "
               "own, L2 as the forward before left it: median over n = ");
    chart_span(c, rows, SAMPLES, &lo, &hi);
    caption_span(&s->caption, lo, hi);
    strbuf_add(&s->caption, " counted decodes; bars are the 95 % confidence interval by ranks, "
                            "below 6 the range. ");
    strbuf_addf(&s->caption, "%d of %d medians lie in the ledger's band.\n", inside, c->n);
    caption_resident(s, c);
    caption_unplaced(s, c->unplaced);
    caption_end(s);
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct chart *c)
{
    struct panel *p = c->panel;
    chart_include(c);
    /* The same axis twice, so that the diagonal is one. */
    range_include(&p->x, p->y.lo);
    range_include(&p->x, p->y.hi);
    range_snug(&p->x);
    p->y = p->x;
    const struct axis_titles titles = {"DRAM bytes of a forward (ledger)",
                                       {"DRAM bytes of a forward (counted)", NULL}};
    chart_page(c, s, &titles, NULL, 0);
    TRY(chart_obstacles(c, s));
    TRY(draw_diagonal(s, c));
    TRY(chart_label(c, s, LABEL_BATCHES, sheet_slot(s, "LABELS")));
    series_write(&c->series, c->marks, s, "");
    range_tics(&p->x, sheet_slot(s, "XTICS"));
    range_tics(&p->y, sheet_slot(s, "YTICS"));
    write_data(s, c, rows);
    write_caption(s, c, rows);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    const struct chart_columns columns = {.x = MODEL,
                                          .x_lo = MODEL_LO,
                                          .x_hi = MODEL_HI,
                                          .y = COUNTER,
                                          .y_lo = COUNTER_LO,
                                          .y_hi = COUNTER_HI,
                                          .phase_word = PHASE,
                                          .ignore = 1u << FIELD_STEPS};
    return chart_draw(rows, s, &columns, lay_out, empty);
}

const struct figure figure_model_vs_counter = {
    .name = "model-vs-counter",
    .help = "DRAM bytes of a forward: the ledger's with its band against counted ones",
    .needs = "the database has no run with hardware counters (regime run --counters)",
    .query = {{sql, 1}},
    .draw = draw,
};
