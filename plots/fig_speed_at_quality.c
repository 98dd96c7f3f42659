/* fig_speed_at_quality.c - tokens per second against the divergence of the truth from what is
 * produced: policies on an exact process, at the times that their forwards take on a device, and
 * the least divergence of all that fix beforehand which positions go together. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/figures.h"

enum { PROCESS, STRATEGY, LAW }; /* words */
enum {
    REVERSE,
    REVERSE_LO,
    REVERSE_HI,
    LEAST,
    KL,
    KL_LO,
    KL_HI,
    TOKENS_S,
    TOKENS_S_LO,
    TOKENS_S_HI,
    BLOCK,
    STEPS,
    SETTING,
    TOKENS_FORWARD,
    DRAFTS,
    ACCEPTANCE,
    BATCH,
    PROCESS_TOKENS
};

/* Of a policy the newest judgement; of the runs whose times could serve
 * one with its own number of steps, then the newest. */
static const char sql[] =
    "SELECT run_id, process, COALESCE(strategy, ''), law, reverse, reverse_lo, reverse_hi,"
    " reverse_least, kl, kl_lo, kl_hi, tokens_per_s,"
    " tokens_per_s_lo, tokens_per_s_hi, block_tokens, denoise_steps,"
    " COALESCE(threshold, factor, entropy_bound), tokens_per_forward, draft_tokens, acceptance,"
    " batch_seqs, process_tokens"
    " FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY quality_cell_id, device_id, model, layers,"
    "         dtype, kv_dtype, compute_dtype, threads, isa, prompt_tokens, gen_tokens, evidence"
    "         ORDER BY quality_utc DESC, run_steps IS denoise_steps DESC, recorded_utc DESC,"
    "                  run_id) AS age"
    "       FROM v_speed_at_quality WHERE reverse IS NOT NULL)"
    " WHERE age = 1";

/* A policy's name beside its line: "threshold", "threshold L=8" where block lengths differ,
 * "k=3, a=0.8". */
static void name_policy(const struct plot_row *r, const struct plot_run *run, bool blocks,
                        char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    if (strcmp(run->decoder, "ar") == 0) return;
    if (*r->word[STRATEGY]) used = (size_t)snprintf(out, size, "%s", r->word[STRATEGY]);
    if (used < size && blocks && r->v[BLOCK] > 0)
        used += (size_t)snprintf(out + used, size - used, "%sL=%g", used ? " " : "", r->v[BLOCK]);
    if (used < size && r->v[DRAFTS] >= 0 && r->v[ACCEPTANCE] >= 0)
        snprintf(out + used, size - used, "k=%g, a=%g", r->v[DRAFTS], r->v[ACCEPTANCE]);
}

struct point {
    struct mark mark;
    char decoder[WORD_SIZE], policy[64];
    double batch;
};

static int compare_policy(const struct point *a, const struct point *b)
{
    int c = strcmp(a->decoder, b->decoder);
    if (c == 0) c = strcmp(a->policy, b->policy);
    return c ? c : (a->batch > b->batch) - (a->batch < b->batch);
}

static int compare(const void *pa, const void *pb)
{
    const struct point *a = pa, *b = pb;
    int c = compare_policy(a, b);
    if (c == 0) c = (a->mark.x > b->mark.x) - (a->mark.x < b->mark.x);
    return c ? c : (a->mark.y > b->mark.y) - (a->mark.y < b->mark.y);
}

static bool is_of(const struct plot_row *r, const struct sheet *s)
{
    return &s->data->subject[s->data->run[r->run].subject] == s->subject &&
           strcmp(r->word[PROCESS], s->part) == 0;
}

/* Where an exact policy is drawn: left of the smallest divergence there is. */
static double place_of_zero(const struct plot_rows *rows, const struct sheet *s)
{
    double least = 1;
    for (int i = 0; i < rows->n; i++) {
        const struct plot_row *r = &rows->row[i];
        if (!is_of(r, s)) continue;
        if (r->v[REVERSE] > 0) least = fmin(least, r->v[REVERSE]);
        if (r->v[LEAST] > 1e-9) least = fmin(least, r->v[LEAST]);
    }
    return pow(10, floor(log10(least) + 1e-9)) / 4;
}

static bool blocks_differ(const struct plot_rows *rows, const struct sheet *s)
{
    double block = NAN;
    for (int i = 0; i < rows->n; i++) {
        double own = rows->row[i].v[BLOCK];
        if (!is_of(&rows->row[i], s) || !(own > 0)) continue;
        if (block > 0 && own != block) return true;
        block = own;
    }
    return false;
}

static enum err collect(const struct plot_rows *rows, const struct sheet *s, double zero,
                        struct point **points, int *n)
{
    bool blocks = blocks_differ(rows, s);
    *n = 0;
    *points = calloc((size_t)rows->n + 1, sizeof **points);
    if (!*points) return err_set(ERR_NOMEM, "figure of %d points: out of memory", rows->n);
    for (int i = 0; i < rows->n; i++) {
        const struct plot_row *r = &rows->row[i];
        const struct plot_run *run = &s->data->run[r->run];
        if (!is_of(r, s) || !(r->v[TOKENS_S] > 0)) continue;
        struct point *p = &(*points)[(*n)++];
        bool exact = !(r->v[REVERSE] > 0);
        *p = (struct point){.mark = {.run = r->run,
                                     .x = exact ? zero : r->v[REVERSE],
                                     .x_lo = exact ? NAN : fmax(r->v[REVERSE_LO], zero),
                                     .x_hi = exact ? NAN : r->v[REVERSE_HI],
                                     .y = r->v[TOKENS_S],
                                     .y_lo = r->v[TOKENS_S_LO],
                                     .y_hi = r->v[TOKENS_S_HI],
                                     .row = i},
                            .batch = r->v[BATCH]};
        snprintf(p->decoder, sizeof p->decoder, "%s", run->decoder);
        name_policy(r, run, blocks, p->policy, sizeof p->policy);
    }
    qsort(*points, (size_t)*n, sizeof **points, compare);
    return ERR_NONE;
}

/* A series for each policy, along what it can be set to. */
static enum err open_chart(const struct plot_rows *rows, const struct sheet *s, double zero,
                           struct panel *panel, struct chart *c)
{
    struct point *p;
    *c = (struct chart){.panel = panel};
    TRY(collect(rows, s, zero, &p, &c->n));
    c->marks = calloc((size_t)c->n + 1, sizeof *c->marks);
    c->series.series = calloc((size_t)c->n + 1, sizeof *c->series.series);
    for (int i = 0; c->marks && c->series.series && i < c->n; i++) {
        if (i == 0 || compare_policy(&p[i - 1], &p[i]) != 0) {
            struct series *of = &c->series.series[c->series.n++];
            *of =
                (struct series){.style = style_of_decoder(p[i].decoder), .main = true, .first = i};
            snprintf(of->name, sizeof of->name, "%s", p[i].decoder);
            snprintf(of->variant, sizeof of->variant, "%s", p[i].policy);
        }
        c->series.series[c->series.n - 1].n++;
        c->marks[i] = p[i].mark;
        c->marks[i].series = c->series.n - 1;
    }
    free(p);
    if (c->marks && c->series.series) return ERR_NONE;
    return err_set(ERR_NOMEM, "figure of %d points: out of memory", rows->n);
}

/* How far, on the page, a mark is from those of other series; 0: on one of them. */
static double distance(const struct chart *c, const struct mark *m)
{
    double least = INFINITY;
    for (int i = 0; i < c->n; i++) {
        const struct mark *o = &c->marks[i];
        if (o->series == m->series) continue;
        least = fmin(least, hypot(panel_x(c->panel, o->x) - panel_x(c->panel, m->x),
                                  panel_y(c->panel, o->y) - panel_y(c->panel, m->y)));
    }
    return least;
}

/* ---- the bound ---- */

/* What sets fixed beforehand cannot be below, at the speed of those with as many forwards. */
struct least {
    const char *decoder;
    double batch, block, x, y;
    const char *colour;
};

static int compare_least(const void *pa, const void *pb)
{
    const struct least *a = pa, *b = pb;
    int c = strcmp(a->decoder, b->decoder);
    if (c == 0) c = (a->batch > b->batch) - (a->batch < b->batch);
    if (c == 0) c = (a->block > b->block) - (a->block < b->block);
    if (c == 0) c = (a->y > b->y) - (a->y < b->y);
    return c;
}

/* A dotted line for each decoder, batch and block length. */
static enum err draw_bound(const struct chart *c, const struct plot_rows *rows,
                           const struct sheet *s, double zero, struct strbuf *out)
{
    struct least *all = calloc((size_t)c->n + 1, sizeof *all);
    enum err e = ERR_NONE;
    int n = 0;
    if (!all) return err_set(ERR_NOMEM, "figure of %d points: out of memory", c->n);
    for (int i = 0; i < c->n; i++) {
        const struct plot_row *r = &rows->row[c->marks[i].row];
        if (!(r->v[LEAST] >= 0)) continue;
        all[n++] = (struct least){.decoder = s->data->run[r->run].decoder,
                                  .batch = r->v[BATCH],
                                  .block = r->v[BLOCK],
                                  .x = panel_x(c->panel, fmax(r->v[LEAST], zero)),
                                  .y = panel_y(c->panel, c->marks[i].y),
                                  .colour = c->series.series[c->marks[i].series].style->colour};
    }
    qsort(all, (size_t)n, sizeof *all, compare_least);
    for (int i = 1; i < n && e == ERR_NONE; i++) {
        const struct least *a = &all[i - 1], *b = &all[i];
        const struct line_style style = {.colour = b->colour, .width = 0.9, .dash = 3};
        bool same = strcmp(a->decoder, b->decoder) == 0 && a->batch == b->batch &&
                    (a->block == b->block || isnan(a->block));
        if (!same || hypot(a->x - b->x, a->y - b->y) < 0.1) continue;
        write_line(out, s, a->x, a->y, b->x, b->y, &style);
        e = scene_add_soft(&c->panel->scene, box_segment(a->x, a->y, b->x, b->y, 1.5));
    }
    free(all);
    return e;
}

/* ---- names ---- */

static bool is_bounded(const struct chart *c, const struct plot_rows *rows, const struct series *of)
{
    for (int i = of->first; i < of->first + of->n; i++)
        if (strcmp(rows->row[c->marks[i].row].word[LAW], "bound") == 0) return true;
    return false;
}

/* Each policy's name at the point that is most its own: many have the settings of one step, and of
 * as many as tokens, in common. */
static enum err name_series(struct chart *c, const struct plot_rows *rows, const struct sheet *s,
                            struct strbuf *out)
{
    for (int k = 0; k < c->series.n; k++) {
        const struct series *of = &c->series.series[k];
        const struct mark *best = &c->marks[of->first];
        char text[96];
        bool placed;
        for (int i = of->first + 1; i < of->first + of->n; i++)
            if (distance(c, &c->marks[i]) > distance(c, best) + 1) best = &c->marks[i];
        if (!*of->variant) continue;
        snprintf(text, sizeof text, "%s%s", of->variant,
                 is_bounded(c, rows, of) ? " (at most)" : "");
        TRY(write_label(out, s, &c->panel->scene, panel_x(c->panel, best->x),
                        panel_y(c->panel, best->y), point_radius(series_size(of)), text,
                        of->style->colour, &placed));
        c->unplaced += !placed;
    }
    return ERR_NONE;
}

static void write_tics(const struct axis_range *r, double zero, struct strbuf *out)
{
    strbuf_addf(out, "'0' %.10g", zero);
    for (int d = -9; d <= 3; d++) {
        double value = pow(10, d);
        if (value > zero * 2 && value <= r->hi * (1 + 1e-9))
            strbuf_addf(out, ", '%g' %.10g", value, value);
    }
}

static void write_data(struct sheet *s, const struct chart *c, const struct plot_rows *rows)
{
    strbuf_add(&s->tsv,
               "series\tdecoder\tstrategy\tprocess\tlaw\tdrawn\tlo_drawn\treverse\treverse_lo\t"
               "reverse_hi\treverse_least\tkl\tkl_lo\tkl_hi\ttokens_per_s\ttokens_per_s_lo\ttokens_"
               "per_s_hi\tblock_tokens\t"
               "denoise_steps\tsetting\ttokens_per_forward\tdraft_tokens\tacceptance\t"
               "batch_seqs\trun_id\n");
    for (int i = 0; i < c->n; i++) {
        const struct mark *m = &c->marks[i];
        const struct plot_row *r = &rows->row[m->row];
        const struct plot_run *run = &s->data->run[m->run];
        strbuf_addf(&s->tsv, "%d\t%s\t%s\t", m->series + 1, run->decoder,
                    *r->word[STRATEGY] ? r->word[STRATEGY] : "NA");
        text_field(&s->tsv, r->word[PROCESS]);
        strbuf_addf(&s->tsv, "\t%s\t", r->word[LAW]);
        text_number(&s->tsv, m->x);
        strbuf_add_char(&s->tsv, '\t');
        text_number(&s->tsv, m->x_lo);
        for (int k = REVERSE; k <= BATCH; k++) {
            strbuf_add_char(&s->tsv, '\t');
            text_number(&s->tsv, r->v[k]);
        }
        strbuf_addf(&s->tsv, "\t%s\n", run->run_id);
    }
}

static void write_caption(struct sheet *s, const struct chart *c, const struct plot_rows *rows,
                          bool bound)
{
    const struct plot_row *r = &rows->row[c->marks[0].row];
    int n_bounds = 0;
    for (int i = 0; i < c->n; i++)
        n_bounds += strcmp(rows->row[c->marks[i].row].word[LAW], "bound") == 0;
    caption_begin(s, "Speed at quality");
    strbuf_addf(&s->caption,
                "Each policy decoded %g tokens on the exact process %s, in the place of the model, "
                "at temperature 1: the horizontal axis is how far the truth is from what it "
                "produced, KL(true || produced), drawn at 0 where it is none; the other "
                "direction is in the data file. The vertical axis is "
                "the tokens of those decodes over their forwards after prefill, each at the time "
                "that such a forward takes in a run of the same decoder, batch and block length. "
                "Lines join settings of one policy: steps per block, or a threshold. ",
                r->v[PROCESS_TOKENS], r->word[PROCESS]);
    strbuf_add(&s->caption,
               "Horizontal bars: 95 % confidence interval of the mean over sequences. ");
    if (bound)
        strbuf_add(&s->caption,
                   "Dotted: the least that fixing beforehand which positions go together can have "
                   "in as many forwards, whatever the model: the expected total correlation of the "
                   "sets, at their best. ");
    if (n_bounds)
        strbuf_addf(&s->caption,
                    "%d of %d divergences are upper bounds (\"at most\"): those given the random "
                    "sets of positions revealed together. ",
                    n_bounds, c->n);
    strbuf_add(&s->caption, "No approximate cache is judged: a process has none.\n");
    caption_evidence(s);
    caption_unplaced(s, c->unplaced);
    caption_end(s);
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct chart *c, double zero)
{
    chart_include(c);
    range_include(&c->panel->x, zero);
    c->panel->x.lo = zero / 1.6;
    c->panel->x.hi = fmax(c->panel->x.hi * 1.5, zero * 40);
    range_snug(&c->panel->y);
    char title[96];
    snprintf(title, sizeof title, "tokens/s after prefill (%s)", evidence_word(s->subject));
    const struct axis_titles titles = {"KL(true || produced), nats per token", {title, NULL}};
    const struct key_item dash = {KEY_LINE, "#555555", 3, 0.9, "least of fixed sets"};
    int n_least = 0;
    for (int i = 0; i < c->n; i++) n_least += rows->row[c->marks[i].row].v[LEAST] >= 0;
    chart_page(c, s, &titles, &dash, n_least > 1);
    TRY(chart_obstacles(c, s));
    TRY(draw_bound(c, rows, s, zero, sheet_slot(s, "LABELS")));
    TRY(name_series(c, rows, s, sheet_slot(s, "LABELS")));
    series_write(&c->series, c->marks, s, "");
    write_tics(&c->panel->x, zero, sheet_slot(s, "XTICS"));
    range_tics(&c->panel->y, sheet_slot(s, "YTICS"));
    write_data(s, c, rows);
    write_caption(s, c, rows, n_least > 1);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    struct panel panel = {0};
    struct chart chart;
    double zero = place_of_zero(&rows[0], s);
    enum err e = open_chart(&rows[0], s, zero, &panel, &chart);
    *empty = chart.n == 0;
    if (e == ERR_NONE && !*empty) e = lay_out(&rows[0], s, &chart, zero);
    chart_free(&chart);
    scene_free(&panel.scene);
    return e;
}

const struct figure figure_speed_at_quality = {
    .name = "speed-at-quality",
    .in_parts = true,
    .help = "tokens per second against the divergence of the truth from what is produced",
    .needs = "the database has no policy judged on a process (regime quality) whose decoder, "
             "batch and block length some run has timed or planned",
    .query = {{sql, 3}},
    .draw = draw,
};
