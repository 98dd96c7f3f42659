/* fig_throughput.c - tokens per second against batch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/stats.h"
#include "plots/figures.h"

enum { TOKENS_S, DECODE_TOKENS_S, TOKENS, SAMPLES };
enum { ROUND_NS }; /* of the second query */

static const char sql[] =
    "SELECT run_id, tokens_per_s, decode_tokens_per_s, tokens, samples FROM v_throughput";
static const char rounds_sql[] = "SELECT run_id, total_ns FROM v_round";

/* The rate as each interleaving round saw it, by ranks; given around the rate of the whole
 * decodes.  least, most: number of rounds a run has. */
static enum err add_intervals(struct chart *c, const struct plot_rows *rounds, double *least,
                              double *most)
{
    double *ns = calloc((size_t)rounds->n + 1, sizeof *ns);
    if (!ns) return err_set(ERR_NOMEM, "throughput of %d rounds: out of memory", rounds->n);
    for (int i = 0; i < c->n; i++) {
        struct mark *m = &c->marks[i];
        int32_t n = 0;
        double lo, hi;
        for (int k = 0; k < rounds->n; k++)
            if (rounds->row[k].run == m->run && rounds->row[k].v[ROUND_NS] > 0)
                ns[n++] = rounds->row[k].v[ROUND_NS];
        *least = fmin(*least, n);
        *most = fmax(*most, n);
        if (n == 0) continue;
        stats_sort(ns, n);
        if (!stats_median_ci(ns, n, 0.95, &lo, &hi)) continue;
        double median = stats_median(ns, n);
        m->y_lo = m->y * median / hi;
        m->y_hi = m->y * median / lo;
    }
    free(ns);
    return ERR_NONE;
}

static void write_data(struct sheet *s, const struct chart *c, const struct plot_rows *rows)
{
    strbuf_add(&s->tsv, DATA_RUN_COLUMNS "tokens_per_s\ttokens_per_s_lo\ttokens_per_s_hi\t"
                                         "decode_tokens_per_s\ttokens\tsamples\n");
    for (int i = 0; i < c->n; i++) {
        const struct mark *m = &c->marks[i];
        const struct plot_row *r = &rows->row[m->row];
        const double numbers[] = {m->y,         m->y_lo,      m->y_hi, r->v[DECODE_TOKENS_S],
                                  r->v[TOKENS], r->v[SAMPLES]};
        data_run(s, m);
        for (int k = 0; k < 6; k++) {
            text_number(&s->tsv, numbers[k]);
            strbuf_add_char(&s->tsv, k < 5 ? '\t' : '\n');
        }
    }
}

static void write_caption(struct sheet *s, const struct chart *c, const struct plot_rows *rows,
                          double least, double most)
{
    double lo, hi;
    caption_begin(s, "Throughput against batch");
    strbuf_add(&s->caption, "Tokens per second end to end: all tokens committed over the time of "
                            "whole decodes, prefill included. ");
    caption_evidence(s);
    if (!s->subject->predicted) {
        chart_span(c, rows, SAMPLES, &lo, &hi);
        strbuf_add(&s->caption, "Each point: the ratio of sums over n = ");
        caption_span(&s->caption, lo, hi);
        strbuf_add(&s->caption, " whole decodes. Bars: 95 % confidence interval by ranks of the "
                                "median over ");
        caption_span(&s->caption, least, most);
        strbuf_add(&s->caption, " interleaved rounds, none below 6, hidden where smaller than the "
                                "symbol.\n");
    }
    caption_resident(s, c);
    caption_unplaced(s, c->unplaced);
    caption_end(s);
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct chart *c)
{
    double least = INFINITY, most = -INFINITY; /* rounds of a run */
    TRY(add_intervals(c, &rows[1], &least, &most));
    chart_include(c);
    range_binary(&c->panel->x);
    range_snug(&c->panel->y);
    char title[64];
    snprintf(title, sizeof title, "tokens/s end to end (%s)", evidence_word(s->subject));
    const struct axis_titles titles = {"batch (sequences)", {title, NULL}};
    chart_page(c, s, &titles, NULL, 0);
    TRY(chart_obstacles(c, s));
    TRY(chart_label(c, s, LABEL_LAST, sheet_slot(s, "LABELS")));
    series_write(&c->series, c->marks, s, "");
    range_binary_tics(&c->panel->x, sheet_slot(s, "XTICS"));
    range_tics(&c->panel->y, sheet_slot(s, "YTICS"));
    write_data(s, c, rows);
    write_caption(s, c, rows, least, most);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    const struct chart_columns columns = {.x = BATCH_X,
                                          .x_lo = -1,
                                          .x_hi = -1,
                                          .y = TOKENS_S,
                                          .y_lo = -1,
                                          .y_hi = -1,
                                          .phase_word = -1};
    return chart_draw(rows, s, &columns, lay_out, empty);
}

const struct figure figure_throughput = {
    .name = "throughput",
    .help = "tokens per second against batch",
    .needs = "the database has no finished run with a time or a prediction",
    .query = {{sql, 0}, {rounds_sql, 0}},
    .draw = draw,
};
