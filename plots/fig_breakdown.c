/* fig_breakdown.c - where the time of a forward goes: one bar per decoder and phase, at the
 * smallest and the largest batch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/figures.h"

enum { REPEATS, TIME_NS };
enum { PHASE, OP };

/* Where a GPU's kernels were traced, their times and what is left of the timed forward; else calls
 * timed one by one. */
static const char sql[] =
    "WITH traced AS MATERIALIZED (SELECT * FROM v_launch_gap WHERE gap_ns > 0) "
    "SELECT run_id, phase, op, n, time_ns FROM v_breakdown "
    "WHERE (run_id, phase) NOT IN (SELECT run_id, phase FROM traced) UNION ALL "
    "SELECT run_id, phase, op, 1, time_ns FROM v_forward_op "
    "WHERE (run_id, phase) IN (SELECT run_id, phase FROM traced) UNION ALL "
    "SELECT run_id, phase, 'gap', 1, gap_ns FROM traced";

/* Operation classes that are shown as one.  Colours are of Tol's muted set, which shares none
 * with the decoders. */
static const struct {
    const char *name, *colour, *ink;
    const char *ops; /* words with spaces around them */
} classes[] = {
    {"linear maps", "#555555", "white", " matmul "},
    {"attention", "#882255", "white", " attention "},
    {"logits", "#999933", "black", " head "},
    {"norms, rotation, SwiGLU", "#88CCEE", "black", " rmsnorm rope swiglu add "},
    {"moves", "#DDCC77", "black", " embed kv_store gather "},
    {"choice", "#DDDDDD", "black", " rowstat guide "},
    {"other", "#FFFFFF", "black", ""},
    {"no kernel runs", "#117733", "white", " gap "},
};
enum {
    N_CLASSES = sizeof classes / sizeof classes[0],
    GAP = N_CLASSES - 1,
    OTHER = N_CLASSES - 2,
    MAX_BARS = 20
};

struct bar {
    const struct mark *mark;
    const struct plot_run *run;
    const char *variant;
    double ns[N_CLASSES], total_ns, repeats;
    char text[96];
};
struct bars {
    struct mark *marks; /* owned; one per run and phase */
    int n_marks;
    struct series_list series;
    struct bar *bar; /* owned */
    int n, dropped;
};

static void bars_free(struct bars *b)
{
    free(b->marks);
    free(b->bar);
    series_free(&b->series);
}

static int class_of(const char *op)
{
    char word[WORD_SIZE + 2];
    snprintf(word, sizeof word, " %.*s ", WORD_SIZE - 1, op);
    for (int i = 0; i < N_CLASSES; i++)
        if (strstr(classes[i].ops, word)) return i;
    return OTHER;
}

static enum err take_marks(const struct plot_rows *rows, const struct sheet *s, struct bars *b)
{
    b->marks = calloc((size_t)rows->n + 1, sizeof *b->marks);
    if (!b->marks) return err_set(ERR_NOMEM, "breakdown of %d rows: out of memory", rows->n);
    for (int i = 0; i < rows->n; i++) {
        const struct plot_row *r = &rows->row[i];
        const struct plot_run *run = &s->data->run[r->run];
        bool known = &s->data->subject[run->subject] != s->subject || !(r->v[TIME_NS] > 0);
        for (int k = b->n_marks - 1; k >= 0 && !known; k--)
            known = b->marks[k].run == r->run && strcmp(b->marks[k].phase, r->word[PHASE]) == 0;
        if (known) continue;
        struct mark *m = &b->marks[b->n_marks++];
        *m = (struct mark){.run = r->run, .x = run->batch, .y = 1};
        snprintf(m->phase, sizeof m->phase, "%s", r->word[PHASE]);
    }
    return series_group(s->data, b->marks, b->n_marks, 1u << FIELD_STEPS, &b->series);
}

static int phase_rank(const char *phase)
{
    static const char *const order[] = {"prefill", "prefill-draft", "refresh", "decode", "draft",
                                        "verify",  "denoise",       "reuse",   "commit", "fused"};
    int n = sizeof order / sizeof order[0];
    for (int i = 0; i < n; i++)
        if (strcmp(order[i], phase) == 0) return i;
    return n;
}

/* By decoder, then in the order a decode goes through its phases. */
static int compare(const void *pa, const void *pb)
{
    const struct bar *a = pa, *b = pb;
    const struct style *sa = style_of_decoder(a->run->decoder);
    const struct style *sb = style_of_decoder(b->run->decoder);
    if (sa != sb) return sa < sb ? -1 : 1;
    int c = strcmp(a->run->decoder, b->run->decoder);
    if (c == 0) c = phase_rank(a->mark->phase) - phase_rank(b->mark->phase);
    if (c == 0) c = a->mark->series - b->mark->series;
    if (c == 0) c = (a->run->batch > b->run->batch) - (a->run->batch < b->run->batch);
    return c;
}

/* Of each series the smallest batch and, where there is room for it, the largest. */
static enum err choose_bars(const struct sheet *s, struct bars *b)
{
    b->bar = calloc(2 * (size_t)b->series.n + 1, sizeof *b->bar);
    if (!b->bar) return err_set(ERR_NOMEM, "breakdown of %d series: out of memory", b->series.n);
    bool both = 2 * b->series.n <= MAX_BARS;
    for (int i = 0; i < b->series.n; i++) {
        const struct series *of = &b->series.series[i];
        for (int end = 0; end < 2; end++) {
            const struct mark *m = &b->marks[end ? of->first + of->n - 1 : of->first];
            const struct plot_run *run = &s->data->run[m->run];
            if (end && (!both || run->batch == b->bar[b->n - 1].run->batch)) continue;
            b->bar[b->n++] = (struct bar){.mark = m, .run = run, .variant = of->variant};
        }
    }
    qsort(b->bar, (size_t)b->n, sizeof *b->bar, compare);
    if (b->n > MAX_BARS) {
        b->dropped = b->n - MAX_BARS;
        b->n = MAX_BARS;
    }
    return ERR_NONE;
}

static void fill_bars(const struct plot_rows *rows, struct bars *b)
{
    for (int i = 0; i < b->n; i++) {
        struct bar *bar = &b->bar[i];
        for (int k = 0; k < rows->n; k++) {
            const struct plot_row *r = &rows->row[k];
            if (r->run != bar->mark->run || strcmp(r->word[PHASE], bar->mark->phase) != 0) continue;
            if (!(r->v[TIME_NS] > 0)) continue;
            bar->ns[class_of(r->word[OP])] += r->v[TIME_NS];
            bar->total_ns += r->v[TIME_NS];
            bar->repeats = r->v[REPEATS];
        }
        snprintf(bar->text, sizeof bar->text, "%s %s%s%s, B=%g", bar->run->decoder,
                 bar->mark->phase, *bar->variant ? ", " : "", bar->variant, bar->run->batch);
    }
}

/* Names on the left, shares in the segments that are wide enough. */
static void write_texts(struct sheet *s, const struct bars *b, const struct panel *p)
{
    struct strbuf *out = sheet_slot(s, "LABELS");
    double step = (p->top - p->bottom) / b->n;
    for (int i = 0; i < b->n; i++) {
        const struct bar *bar = &b->bar[i];
        double y = p->top - (i + 0.5) * step, from = 0;
        write_text_from(out, s, p->left - 4 - text_width(bar->text, FONT_SMALL), y, bar->text,
                        FONT_SMALL, style_of_decoder(bar->run->decoder)->colour);
        for (int c = 0; c < N_CLASSES; c++) {
            double share = bar->ns[c] / bar->total_ns, width = share * (p->right - p->left);
            char text[16];
            snprintf(text, sizeof text, "%.0f", 100 * share);
            struct box place = {p->left + from * (p->right - p->left) + width / 2, y, 0, 0, 0};
            if (width > text_width(text, FONT_SMALL) + 2)
                write_text(out, s, &place, text, FONT_SMALL, classes[c].ink);
            from += share;
        }
    }
}

static void write_data(struct sheet *s, const struct bars *b)
{
    strbuf_add(&s->tsv,
               "bar\tclass\tclass_name\t" DATA_RUN_COLUMNS "repeats\ttime_ns\tshare\tfrom\tto\n");
    for (int i = 0; i < b->n; i++) {
        const struct bar *bar = &b->bar[i];
        double from = 0;
        for (int c = 0; c < N_CLASSES; c++) {
            double share = bar->ns[c] / bar->total_ns;
            const double numbers[] = {bar->repeats, bar->ns[c], share, from, from + share};
            if (share == 0) continue;
            strbuf_addf(&s->tsv, "%d\t%d\t%s\t", i + 1, c + 1, classes[c].name);
            data_run(s, bar->mark);
            for (int k = 0; k < 5; k++) {
                text_number(&s->tsv, numbers[k]);
                strbuf_add_char(&s->tsv, k < 4 ? '\t' : '\n');
            }
            from += share;
        }
    }
}

static void write_caption(struct sheet *s, const struct bars *b)
{
    struct strbuf *c = &s->caption;
    double lo = INFINITY, hi = -INFINITY;
    int resident = 0, traced = 0;
    for (int i = 0; i < b->n; i++) {
        const struct bar *bar = &b->bar[i];
        resident += bar->run->cache_resident;
        traced += bar->ns[GAP] > 0;
        if (bar->ns[GAP] > 0) continue;
        lo = fmin(lo, bar->repeats);
        hi = fmax(hi, bar->repeats);
    }
    caption_begin(s, "Where the time of a forward goes");
    strbuf_add(c, "Percent of the time of all calls of a phase, by class of operation, at the "
                  "smallest and largest batch B of each setting. ");
    if (s->subject->predicted) {
        strbuf_add(c, "Each call's time is predicted: the slower of its FLOPs at the peak and its "
                      "DRAM bytes at the bandwidth.\n");
    }
    if (traced)
        strbuf_addf(c,
                    "In %d of %d bars: the times that the kernels of one forward ran, traced in a "
                    "pass of its own, and what is left of the median of the timed forwards, in "
                    "which no kernel runs.\n",
                    traced, b->n);
    if (!s->subject->predicted && traced < b->n) {
        strbuf_add(c, traced ? "In the others each" : "Each");
        strbuf_add(c, " call is timed by itself in a pass of its own, n = ");
        caption_span(c, lo, hi);
        strbuf_add(c, " repetitions of the forward in the middle of the phase; shares are ratios "
                      "of sums, no interval. Time between calls is not in it.\n");
    }
    caption_evidence(s);
    if (resident)
        strbuf_addf(c, "In %d of %d bars the weights stay in the last-level cache.\n", resident,
                    b->n);
    if (b->dropped) strbuf_addf(c, "%d more bars found no room.\n", b->dropped);
    caption_end(s);
}

static void lay_out(struct sheet *s, const struct bars *b)
{
    enum { BAR = 11, BELOW = 28 };
    struct key_item items[N_CLASSES];
    struct panel p = {0};
    char title[80];
    double widest = 0, total[N_CLASSES] = {0};
    int n = 0;
    for (int i = 0; i < b->n; i++) {
        widest = fmax(widest, text_width(b->bar[i].text, FONT_SMALL));
        for (int c = 0; c < N_CLASSES; c++) total[c] += b->bar[i].ns[c];
    }
    for (int c = 0; c < N_CLASSES; c++) {
        strbuf_addf(sheet_slot(s, "CLASSES"), "%s%s", c ? " " : "", classes[c].colour);
        if (total[c] == 0) continue;
        items[n] = (struct key_item){.kind = KEY_SWATCH, .colour = classes[c].colour};
        snprintf(items[n++].text, sizeof items[0].text, "%s", classes[c].name);
    }
    s->width = 3.5 * 72;
    /* The key's height depends on the page's width only. */
    s->height = 1000;
    double key = sheet_key(s, items, n);
    strbuf_clear(sheet_slot(s, "KEY"));
    s->height = BELOW + b->n * BAR + key + 4;
    sheet_key(s, items, n);
    p.left = fmin(widest + 8, s->width / 2);
    p.right = s->width - 10;
    p.bottom = BELOW;
    p.top = s->height - key - 4;
    panel_write(&p, s, sheet_slot(s, "PANEL"));
    snprintf(title, sizeof title, "share of time in a forward (%%, %s)",
             s->subject->predicted ? "predicted"
             : total[GAP] > 0      ? "kernels traced"
                                   : "timed call by call");
    const struct axis_titles titles = {title, {NULL, NULL}};
    panel_titles(&p, s, &titles, sheet_slot(s, "PANEL"));
    strbuf_addf(sheet_slot(s, "BARS"), "%d", b->n);
    write_texts(s, b, &p);
    write_data(s, b);
    write_caption(s, b);
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    struct bars b = {0};
    enum err e = take_marks(&rows[0], s, &b);
    *empty = b.n_marks == 0;
    if (e == ERR_NONE && !*empty) e = choose_bars(s, &b);
    if (e == ERR_NONE && !*empty) {
        fill_bars(&rows[0], &b);
        lay_out(s, &b);
    }
    bars_free(&b);
    return e;
}

const struct figure figure_breakdown = {
    .name = "breakdown",
    .help = "share of time by class of operation within a forward",
    .needs = "the database has no run with traced or predicted calls",
    .query = {{sql, 2}},
    .draw = draw,
};
