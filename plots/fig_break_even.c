/* fig_break_even.c - how many tokens must a forward commit to be as fast as autoregressive
 * decoding, and how many does the schedule commit? */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plots/figures.h"

enum { NEEDED, NEEDED_LO, NEEDED_HI, COMMITTED, TIME_RATIO, SAMPLES };
enum { BASIS, BASELINE, MATCH };

/* Per sequence, so that batches can be compared. */
static const char sql[] =
    "SELECT b.run_id, b.basis, b.baseline_run_id, b.match, b.tokens_per_forward_needed_per_seq,"
    " b.tokens_per_forward_needed_per_seq_lo, b.tokens_per_forward_needed_per_seq_hi,"
    " b.tokens_per_forward_per_seq, b.forward_time_ratio,"
    " (SELECT MIN(n) FROM v_step s WHERE s.run_id = b.run_id AND s.phase NOT LIKE 'prefill%')"
    " FROM v_break_even b";

/* Both are of the same rows and on the same panel. */
struct both {
    struct chart needed, committed;
};

static void write_data(struct sheet *s, const struct both *b, const struct plot_rows *rows)
{
    const struct chart *c = &b->committed;
    strbuf_add(&s->tsv, DATA_RUN_COLUMNS
               "tokens_per_forward_needed_per_seq\ttokens_per_forward_needed_per_seq_lo\t"
               "tokens_per_forward_needed_per_seq_hi\ttokens_per_forward_per_seq\t"
               "forward_time_ratio\tsamples\tneeded_series\tbasis\tmatch\tbaseline_run_id\n");
    for (int i = 0; i < c->n; i++) {
        const struct mark *m = &c->marks[i];
        const struct plot_row *r = &rows->row[m->row];
        int needed = -1;
        for (int k = 0; k < b->needed.n; k++)
            if (b->needed.marks[k].row == m->row) needed = b->needed.marks[k].series;
        data_run(s, m);
        for (int k = 0; k <= SAMPLES; k++) {
            text_number(&s->tsv, r->v[k]);
            strbuf_add_char(&s->tsv, '\t');
        }
        strbuf_addf(&s->tsv, "%d\t%s\t", needed + 1, r->word[BASIS]);
        text_field(&s->tsv, *r->word[MATCH] ? r->word[MATCH] : "NA");
        strbuf_addf(&s->tsv, "\t%s\n", r->word[BASELINE]);
    }
}

static void write_caption(struct sheet *s, const struct both *b, const struct plot_rows *rows)
{
    struct strbuf *c = &s->caption;
    const struct chart *n = &b->needed;
    double lo, hi;
    int ahead = 0, pinned = 0;
    for (int i = 0; i < n->n; i++) {
        const struct plot_row *r = &rows->row[n->marks[i].row];
        ahead += r->v[COMMITTED] > r->v[NEEDED];
        pinned += strcmp(r->word[BASIS], "pinned") == 0;
    }
    caption_begin(s, "Tokens per forward needed to match autoregressive decoding");
    strbuf_add(c, "Symbols: tokens that a forward after prefill must commit per sequence to decode "
                  "as fast as the matched autoregressive run at the same batch: the "
                  "baseline's own tokens per forward times how much longer the forward takes. "
                  "Dashes: tokens that the schedule commits per forward, commit and refresh "
                  "forwards counted. A dash above its symbol: the schedule is faster, at that "
                  "schedule's quality, which this figure does not show. ");
    strbuf_addf(c, "%d of %d matched runs are.\n", ahead, n->n);
    caption_evidence(s);
    if (!s->subject->predicted) {
        chart_span(n, rows, SAMPLES, &lo, &hi);
        strbuf_addf(c, "Forward times, %d of %d points: medians of n = ", pinned, n->n);
        caption_span(c, lo, hi);
        strbuf_add(c, " or more repetitions in the middle of each phase, weighted by how often the "
                      "phase occurs, else means over whole decodes. Bars: from the 95 % confidence "
                      "intervals of both arms' medians by ranks, none below n = 6, hidden where "
                      "smaller than the symbol.\n");
    }
    caption_resident(s, n);
    caption_unplaced(s, b->needed.unplaced + b->committed.unplaced);
    caption_end(s);
}

enum { DASH = 5 }; /* half the length of a dash, points */

static enum err dash_obstacles(struct chart *c)
{
    for (int i = 0; i < c->n; i++) {
        double x = panel_x(c->panel, c->marks[i].x), y = panel_y(c->panel, c->marks[i].y);
        TRY(scene_add_hard(&c->panel->scene, (struct box){x, y, 2 * DASH, 2, 0}));
    }
    return ERR_NONE;
}

/* What a schedule commits does not depend on the batch: its name stands along its dashes, or
 * beside the only one. */
static enum err name_schedules(struct sheet *s, struct chart *c, struct strbuf *out)
{
    const struct panel *p = c->panel;
    for (int i = 0; i < c->series.n; i++) {
        const struct series *of = &c->series.series[i];
        const struct mark *m = &c->marks[of->first];
        double y = panel_y(p, m->y), x0 = panel_x(p, m->x) - DASH;
        double x1 = panel_x(p, m[of->n - 1].x) + DASH;
        bool placed;
        if (!*of->variant) continue;
        if (x1 - x0 > text_width(of->variant, FONT_SMALL) + 2) {
            const struct line_label l = {.x0 = x0, .y0 = y, .x1 = x1, .y1 = y, .both_sides = true};
            TRY(chart_line_name(c, s, l, of->variant, of->style->colour, out));
            continue;
        }
        TRY(write_label(out, s, &c->panel->scene, x1, y, 1.2, of->variant, of->style->colour,
                        &placed));
        c->unplaced += !placed;
    }
    return ERR_NONE;
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct both *b)
{
    struct panel *p = b->needed.panel;
    const struct key_item dash = {KEY_LINE, "#555555", 1, 1.6, "committed by the schedule"};
    char title[64];
    snprintf(title, sizeof title, "needed to match ar (%s)", evidence_word(s->subject));
    const struct axis_titles titles = {"batch (sequences)",
                                       {"tokens per forward and sequence", title}};
    chart_include(&b->needed);
    chart_include(&b->committed);
    range_include(&p->y, 1);
    range_binary(&p->x);
    range_binary(&p->y);
    chart_page(&b->needed, s, &titles, &dash, 1);
    TRY(chart_obstacles(&b->needed, s));
    TRY(dash_obstacles(&b->committed));
    strbuf_addf(sheet_slot(s, "HALF"), "%.5f",
                range_value(&p->x, DASH / (p->right - p->left)) / p->x.lo);

    const struct line_style one = {"#999999", 0.7, 3, true};
    struct strbuf *out = sheet_slot(s, "LABELS");
    double y = panel_y(p, 1);
    write_line(out, s, p->left, y, p->right, y, &one);
    TRY(scene_add_soft(&p->scene, box_segment(p->left, y, p->right, y, 1)));
    const struct line_label l = {
        .x0 = p->left, .y0 = y, .x1 = p->right, .y1 = y, .from_end = true, .both_sides = true};
    TRY(chart_line_name(&b->needed, s, l, "ar commits 1", "#555555", out));
    TRY(chart_label(&b->needed, s, LABEL_LAST, out));
    TRY(name_schedules(s, &b->committed, out));

    series_write(&b->needed.series, b->needed.marks, s, "");
    series_write(&b->committed.series, b->committed.marks, s, "_DASH");
    range_binary_tics(&p->x, sheet_slot(s, "XTICS"));
    range_binary_tics(&p->y, sheet_slot(s, "YTICS"));
    write_data(s, b, rows);
    write_caption(s, b, rows);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    struct chart_columns columns = {.x = BATCH_X,
                                    .x_lo = -1,
                                    .x_hi = -1,
                                    .y = NEEDED,
                                    .y_lo = NEEDED_LO,
                                    .y_hi = NEEDED_HI,
                                    .phase_word = -1,
                                    .ignore = 1u << FIELD_STEPS};
    struct panel panel = {0};
    struct both b = {0};
    enum err e = chart_open(&rows[0], s, &panel, &columns, &b.needed);
    columns.y = COMMITTED;
    columns.y_lo = columns.y_hi = -1;
    columns.ignore = 0;
    if (e == ERR_NONE) e = chart_open(&rows[0], s, &panel, &columns, &b.committed);
    *empty = b.needed.n == 0;
    if (e == ERR_NONE && !*empty) e = lay_out(rows, s, &b);
    chart_free(&b.needed);
    chart_free(&b.committed);
    scene_free(&panel.scene);
    return e;
}

const struct figure figure_break_even = {
    .name = "break-even",
    .help = "tokens per forward needed to match ar, and what the schedule commits",
    .needs = "the database has no run that is paired with a finished ar run",
    .query = {{sql, 3}},
    .draw = draw,
};
