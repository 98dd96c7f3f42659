/* fig_executed.c - how many FLOPs run for every one that was asked for: padding to tiles, mostly.
 * Counted where there are counters, else by the tile model; never both in one figure. */
#include <math.h>
#include <string.h>

#include "plots/figures.h"

enum { RATIO, EXECUTED, ALGORITHMIC };
enum { PHASE };

static const char counted_sql[] =
    "SELECT m.run_id, m.phase, m.counter / m.model_lo, m.counter, m.model_lo"
    " FROM v_model_vs_counter m WHERE m.quantity = 'flop' AND m.l2_state = 'steady'";

static const char modelled_sql[] =
    "SELECT run_id, phase, flop_executed * 1.0 / flop, flop_executed * 1.0 / forwards,"
    " flop * 1.0 / forwards FROM v_phase WHERE flop > 0";

static void write_data(struct sheet *s, const struct chart *c, const struct plot_rows *rows,
                       bool counted)
{
    strbuf_add(&s->tsv, DATA_RUN_COLUMNS
               "executed_per_algorithmic\texecuted_flop\talgorithmic_flop\tevidence\n");
    for (int i = 0; i < c->n; i++) {
        data_run(s, &c->marks[i]);
        for (int k = 0; k <= ALGORITHMIC; k++) {
            text_number(&s->tsv, rows->row[c->marks[i].row].v[k]);
            strbuf_add_char(&s->tsv, '\t');
        }
        strbuf_add(&s->tsv, counted ? "counter\n" : "analytic\n");
    }
}

static void write_caption(struct sheet *s, const struct chart *c, bool counted)
{
    caption_begin(s, "Executed work against algorithmic work");
    strbuf_add(&s->caption, "FLOPs that run in a forward of the decoder's main phase over those of "
                            "the matmuls and attention that it asks for; 1 is no waste. ");
    strbuf_add(&s->caption,
               counted ? "Executed FLOPs are counted: tensor and CUDA cores, so that arithmetic "
                         "the ledger keeps apart (norms, activations) is in them, and padding of "
                         "rows to tiles. Runs without counters are left out.\n"
                       : "Executed FLOPs are modelled, not counted: rows padded to the tile of the "
                         "device's matrix instruction. No run shown here has hardware counters.\n");
    caption_evidence(s);
    caption_resident(s, c);
    caption_unplaced(s, c->unplaced);
    caption_end(s);
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct chart *c,
                        bool counted)
{
    chart_include(c);
    range_include(&c->panel->y, 1);
    range_binary(&c->panel->x);
    range_snug(&c->panel->y);
    const struct axis_titles titles = {
        "batch (sequences)",
        {"executed / algorithmic FLOPs", counted ? "(counted)" : "(tile model)"}};
    chart_page(c, s, &titles, NULL, 0);
    TRY(chart_obstacles(c, s));
    TRY(chart_label(c, s, LABEL_LAST, sheet_slot(s, "LABELS")));
    series_write(&c->series, c->marks, s, "");
    range_binary_tics(&c->panel->x, sheet_slot(s, "XTICS"));
    range_tics(&c->panel->y, sheet_slot(s, "YTICS"));
    write_data(s, c, rows, counted);
    write_caption(s, c, counted);
    return ERR_NONE;
}

static enum err lay_out_counted(const struct plot_rows *rows, struct sheet *s, struct chart *c)
{
    return lay_out(rows, s, c, true);
}

static enum err lay_out_modelled(const struct plot_rows *rows, struct sheet *s, struct chart *c)
{
    return lay_out(rows, s, c, false);
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    const struct chart_columns columns = {.x = BATCH_X,
                                          .x_lo = -1,
                                          .x_hi = -1,
                                          .y = RATIO,
                                          .y_lo = -1,
                                          .y_hi = -1,
                                          .phase_word = PHASE,
                                          .main_only = true,
                                          .ignore = 1u << FIELD_STEPS};
    TRY(chart_draw(&rows[0], s, &columns, lay_out_counted, empty));
    return *empty ? chart_draw(&rows[1], s, &columns, lay_out_modelled, empty) : ERR_NONE;
}

const struct figure figure_executed = {
    .name = "executed-vs-algorithmic",
    .help = "executed over algorithmic FLOPs: counted, or by the tile model",
    .needs = "the database has no finished run",
    .query = {{counted_sql, 1}, {modelled_sql, 1}},
    .draw = draw,
};
