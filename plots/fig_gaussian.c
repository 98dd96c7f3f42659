/* fig_gaussian.c - what Gaussian noise on embeddings leaves to be known over time, and what its
 * bounds pay for their steps, beside masks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/figures.h"

enum { SOURCE, CORRUPTION, QUANTITY }; /* words */
enum { WIDTH, X, VALUE, ENTROPY, USEFUL, SEQUENCES, TOKENS };

/* The process of the newest experiment, and the vocabularies beside it. */
static const char sql[] =
    "SELECT NULL, source, corruption, quantity, width, x, value, entropy, useful_time, sequences,"
    " tokens FROM v_corruption"
    " WHERE source LIKE 'uniform-%' OR source = (SELECT source FROM corruption"
    " WHERE process_sha256 IS NOT NULL ORDER BY recorded_utc DESC LIMIT 1)"
    " ORDER BY source LIKE 'uniform-%', corruption, width, quantity, x";

static const struct {
    const char *colour;
    int dash;
} styles[] = {{"#009E73", 1}, {"#AAAAAA", 1}, {"#777777", 1}, {"#222222", 1},
              {"#777777", 3}, {"#222222", 3}, {"#DDCC77", 1}};
enum { N_STYLES = sizeof styles / sizeof styles[0] };

struct lines {
    const struct plot_row *first[N_STYLES]; /* a row of each */
    int n;
};

static bool same_line(const struct plot_row *a, const struct plot_row *b)
{
    bool widths = a->v[WIDTH] == b->v[WIDTH] || (isnan(a->v[WIDTH]) && isnan(b->v[WIDTH]));
    return widths && strcmp(a->word[SOURCE], b->word[SOURCE]) == 0 &&
           strcmp(a->word[CORRUPTION], b->word[CORRUPTION]) == 0;
}

/* The row's line; -1: there are more than can be told apart. */
static int line_of(const struct lines *l, const struct plot_row *r)
{
    for (int i = 0; i < l->n; i++)
        if (same_line(l->first[i], r)) return i;
    return -1;
}

static struct lines find_lines(const struct plot_rows *rows)
{
    struct lines l = {.n = 0};
    bool masks = true; /* first, so that they have the first style */
    for (int pass = 0; pass < 2; pass++, masks = false)
        for (int i = 0; i < rows->n; i++) {
            const struct plot_row *r = &rows->row[i];
            if (isnan(r->v[WIDTH]) == masks && line_of(&l, r) < 0 && l.n < N_STYLES)
                l.first[l.n++] = r;
        }
    return l;
}

static bool is_vocabulary(const struct plot_row *r)
{
    return strncmp(r->word[SOURCE], "uniform-", 8) == 0;
}

static void name_line(const struct plot_row *r, char *out, size_t size)
{
    if (isnan(r->v[WIDTH]))
        snprintf(out, size, "masks");
    else if (is_vocabulary(r))
        snprintf(out, size, "noise, one of %s, d = %g", r->word[SOURCE] + 8, r->v[WIDTH]);
    else
        snprintf(out, size, "noise, d = %g", r->v[WIDTH]);
}

/* The least bound of as many steps; not of one token by itself, which rounding alone can draw. */
static double best_of(const struct plot_rows *rows, const struct plot_row *r)
{
    if (is_vocabulary(r) || isnan(r->v[WIDTH])) return NAN;
    for (int i = 0; i < rows->n; i++) {
        const struct plot_row *o = &rows->row[i];
        if (same_line(o, r) && strcmp(o->word[QUANTITY], "best_bound") == 0 && o->v[X] == r->v[X])
            return o->v[VALUE] - o->v[ENTROPY];
    }
    return NAN;
}

static bool is_drawn(const struct plot_row *r, int panel)
{
    return strcmp(r->word[QUANTITY], panel == 1 ? "uncertainty" : "bound") == 0;
}

static void write_data(struct sheet *s, const struct plot_rows *rows, const struct lines *l)
{
    strbuf_add(&s->tsv, "panel\tseries\tsource\tcorruption\twidth\tx\tvalue\tbest\n");
    for (int line = 0; line < l->n; line++)
        for (int panel = 1; panel <= 2; panel++)
            for (int i = 0; i < rows->n; i++) {
                const struct plot_row *r = &rows->row[i];
                if (line_of(l, r) != line || !is_drawn(r, panel)) continue;
                strbuf_addf(&s->tsv, "%d\t%d\t", panel, line + 1);
                text_field(&s->tsv, r->word[SOURCE]);
                strbuf_addf(&s->tsv, "\t%s", r->word[CORRUPTION]);
                double gap = r->v[VALUE] - r->v[ENTROPY];
                const double numbers[] = {r->v[WIDTH], r->v[X], panel == 1 ? r->v[VALUE] : gap,
                                          panel == 1 ? NAN : best_of(rows, r)};
                for (int k = 0; k < 4; k++) {
                    strbuf_add_char(&s->tsv, '\t');
                    /* A logarithmic axis has no place for a gap of nothing. */
                    bool hidden = panel == 2 && k >= 2 && !(numbers[k] > 0);
                    text_number(&s->tsv, hidden ? NAN : numbers[k]);
                }
                strbuf_add_char(&s->tsv, '\n');
            }
}

static void write_caption(struct sheet *s, const struct lines *l)
{
    struct strbuf *c = &s->caption;
    const struct plot_row *first = l->first[0];
    strbuf_addf(c,
                "What it costs to corrupt tokens by Gaussian noise on their embeddings instead of "
                "masking them, with nothing left to learn: posteriors are exact. %g tokens of the "
                "process %s, %g sequences; embeddings of d dimensions are orthogonal, the layout "
                "that is easiest to tell apart. Dashed: one of a model's vocabulary of equally "
                "likely tokens.\n",
                first->v[TOKENS], first->word[SOURCE], first->v[SEQUENCES]);
    strbuf_add(c, "Left: entropy of a token's posterior over that at the end, against time: noise "
                  "with cos^2(pi t / 2) of the variance left to the signal, masks at rate t. "
                  "Between 5 and 95 % for ");
    for (int i = 0; i < l->n; i++) {
        char name[64];
        name_line(l->first[i], name, sizeof name);
        strbuf_addf(c, "%s%.0f %% of the time (%s)", i ? ", " : "", 100 * l->first[i]->v[USEFUL],
                    name);
    }
    strbuf_add(c,
               ".\nRight: what the variational bound of so many steps pays over the entropy of "
               "the tokens, nats per token. Thick: steps of equal time, the last where no token "
               "is misread any more; thin, of the process: the best bound of equal times or equal "
               "log signal-to-noise ratios over any window, where rounding draws what is still "
               "open. All go to 0 with more steps: noise is no wrong corruption, it is a costly "
               "one.\n"
               "Evidence: computed by sampling from exact posteriors; nothing was trained or "
               "timed.\n");
}

static double top_of(const struct plot_rows *rows, const struct lines *l)
{
    double top = 1;
    for (int i = 0; i < rows->n; i++)
        if (line_of(l, &rows->row[i]) >= 0 && is_drawn(&rows->row[i], 2))
            top = fmax(top, rows->row[i].v[VALUE] - rows->row[i].v[ENTROPY]);
    return pow(10, ceil(log10(top)));
}

static void lay_out(struct sheet *s, const struct plot_rows *rows, const struct lines *l)
{
    struct key_item items[N_STYLES];
    s->width = 7.1 * 72;
    s->height = 2.7 * 72;
    s->title = "Corruption of tokens by Gaussian noise on embeddings, beside masks";
    for (int i = 0; i < l->n; i++) {
        items[i] = (struct key_item){KEY_LINE, styles[i].colour, styles[i].dash, 1.2, ""};
        name_line(l->first[i], items[i].text, sizeof items[i].text);
        strbuf_addf(sheet_slot(s, "COLOURS"), "%s%s", i ? " " : "", styles[i].colour);
        strbuf_addf(sheet_slot(s, "DASHES"), "%s%d", i ? " " : "", styles[i].dash);
    }
    double top = s->height - sheet_key(s, items, l->n) - 4, most = top_of(rows, l);
    struct panel left = {.left = 40, .right = s->width / 2 - 12, .bottom = 28, .top = top};
    struct panel right = {
        .left = s->width / 2 + 38, .right = s->width - 14, .bottom = 28, .top = top};
    left.x = left.y = (struct axis_range){.lo = 0, .hi = 1, .any = true, .linear = true};
    right.x = (struct axis_range){.lo = 1, .hi = 1024, .any = true};
    right.y = (struct axis_range){.lo = 1e-3, .hi = most, .any = true};
    const struct axis_titles time = {"time of the corruption",
                                     {"entropy left, share of the end's", NULL}};
    const struct axis_titles steps = {"steps", {"bound - entropy, nats per token", NULL}};
    panel_open(&left);
    panel_open(&right);
    panel_write(&left, s, sheet_slot(s, "PANEL_1"));
    panel_titles(&left, s, &time, sheet_slot(s, "PANEL_1"));
    panel_write(&right, s, sheet_slot(s, "PANEL_2"));
    panel_titles(&right, s, &steps, sheet_slot(s, "PANEL_2"));
    strbuf_add(sheet_slot(s, "XTICS_1"), "'0' 0, '0.25' 0.25, '0.5' 0.5, '0.75' 0.75, '1' 1");
    strbuf_add(sheet_slot(s, "YTICS_1"), "'0' 0, '0.25' 0.25, '0.5' 0.5, '0.75' 0.75, '1' 1");
    strbuf_add(sheet_slot(s, "XTICS_2"), "'1' 1, '4' 4, '16' 16, '64' 64, '256' 256, '1024' 1024");
    for (double y = 1e-3; y <= most * 1.001; y *= 10)
        strbuf_addf(sheet_slot(s, "YTICS_2"), "%s'%g' %g", y > 2e-3 ? ", " : "", y, y);
    scene_free(&left.scene);
    scene_free(&right.scene);
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    struct lines l = find_lines(&rows[0]);
    *empty = l.n == 0;
    if (*empty) return ERR_NONE;
    lay_out(s, &rows[0], &l);
    write_data(s, &rows[0], &l);
    write_caption(s, &l);
    return ERR_NONE;
}

const struct figure figure_gaussian = {
    .name = "gaussian",
    .help = "what Gaussian noise on embeddings costs beside masks",
    .needs = "the database has no experiment with noise (regime gaussian)",
    .of_no_run = true,
    .query = {{sql, 3}},
    .draw = draw,
};
