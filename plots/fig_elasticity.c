/* fig_elasticity.c - how far time follows bytes, and how far arithmetic, from few rows in a forward
 * to many: what `regime bound` measured, against the ridge that the roofs promise. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plots/figures.h"

enum { ROWS, EPS, EPS_LO, EPS_HI, RATIO, ROUNDS };
enum { PHASE, VERDICT, BY };

/* Of decoders' main phases, and of prefill, which has many rows at any batch. */
#define OF_FORWARDS                                                                                \
    " FROM v_bound WHERE op = '' AND phase IN ('prefill', 'decode', 'verify', 'denoise')"
static const char bytes_sql[] =
    "SELECT run_id, phase, bound, 'storage', rows, eps_bytes, eps_bytes_lo, eps_bytes_hi,"
    " bytes_ratio, rounds" OF_FORWARDS;
static const char flop_sql[] =
    "SELECT run_id, phase, bound, flop_by, rows, eps_flop, eps_flop_lo, eps_flop_hi,"
    " compute_ratio, rounds" OF_FORWARDS;

/* The shape says the verdict.  gnuplot's point types, filled; one less: the same shape hollow. */
static const struct {
    enum bound verdict;
    int point;
} shapes[] = {{BOUND_MEMORY, 7},
              {BOUND_COMPUTE, 5},
              {BOUND_MIXED, 13},
              {BOUND_OVERHEAD, 9},
              {BOUND_UNDECIDED, 11}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* One of the two panels. */
struct half {
    struct panel panel;
    struct chart chart;
};

/* Forwards of equally many rows would lie on each other: each series moves aside, by a quarter of
 * an octave at most. */
static void set_apart(struct chart *c)
{
    double octaves = fmin(0.16, 0.5 / c->series.n);
    for (int i = 0; i < c->n; i++)
        c->marks[i].x *= exp2(octaves * (c->marks[i].series - (c->series.n - 1) / 2.0));
}

static double ridge_rows(const struct sheet *s, struct roof r)
{
    enum dtype weights = dtype_named(s->subject->field[SUBJECT_DTYPE]);
    return roof_ridge(r) * (double)dtype_row_bytes(weights, INT8_GROUP) / INT8_GROUP / 2;
}

/* Both panels on the same axes.  Intervals may reach out of them, or one that says nothing would
 * leave no room for the others. */
static void set_ranges(struct half half[2], const struct plot_rows *rows, const struct sheet *s,
                       const struct roofs *roofs)
{
    struct axis_range x = {0}, y = {.linear = true};
    range_include(&y, 0);
    range_include(&y, 1);
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < half[p].chart.n; i++) {
            range_include(&x, rows[p].row[half[p].chart.marks[i].row].v[ROWS]);
            range_include(&y, half[p].chart.marks[i].y);
        }
    for (int i = 0; i < roofs->n; i++) range_include(&x, ridge_rows(s, roofs->roof[i].roof));
    range_binary(&x);
    y.lo = floor((y.lo - 0.1) * 4) / 4;
    y.hi = ceil((y.hi + 0.1) * 4) / 4;
    for (int p = 0; p < 2; p++) {
        half[p].panel.x = x;
        half[p].panel.y = y;
    }
}

static void write_y_tics(const struct axis_range *r, struct strbuf *out)
{
    double step = 0.5;
    while ((r->hi - r->lo) / step > 8) step *= 2;
    for (int i = (int)ceil(r->lo / step); i * step <= r->hi; i++)
        strbuf_addf(out, "%s'%g' %g", out->len ? ", " : "", i * step, i * step);
}

/* The limit from which on an elasticity counts, and the ridge of each roof. */
static enum err draw_lines(struct sheet *s, struct half *h, const struct roofs *roofs,
                           struct strbuf *out)
{
    const struct line_style limit = {.colour = "#999999", .width = 0.7, .dash = 2, .back = true};
    const struct line_style dotted = {.colour = "#555555", .width = 0.9, .dash = 3, .back = true};
    struct panel *p = &h->panel;
    double half = panel_y(p, 0.5);
    write_line(out, s, p->left, half, p->right, half, &limit);
    TRY(scene_add_soft(&p->scene, box_segment(p->left, half, p->right, half, 1)));
    for (int i = 0; i < roofs->n; i++) {
        const struct drawn_roof *r = &roofs->roof[i];
        double rows = ridge_rows(s, r->roof), x = panel_x(p, rows);
        char text[80], value[24];
        text_quantity(value, sizeof value, rows, "");
        snprintf(text, sizeof text, "ridge %s%s", value, r->cache ? " (cache)" : "");
        write_line(out, s, x, p->bottom, x, p->top, &dotted);
        TRY(scene_add_soft(&p->scene, box_segment(x, p->bottom, x, p->top, 1.2)));
        const struct line_label l = {.x0 = x,
                                     .y0 = p->bottom + 2,
                                     .x1 = x,
                                     .y1 = p->top,
                                     .from_end = true,
                                     .both_sides = true};
        TRY(chart_line_name(&h->chart, s, l, text, "#555555", out));
    }
    return ERR_NONE;
}

static enum err draw_half(struct sheet *s, struct half *h, const struct roofs *roofs, int number)
{
    static const char *const names[][3] = {{"PANEL_1", "LINES_1", "LABELS_1"},
                                           {"PANEL_2", "LINES_2", "LABELS_2"}};
    const char *const *slot = names[number - 1];
    const struct axis_titles titles = {
        number == 1 ? "" : "rows of a forward",
        {"elasticity of time", number == 1 ? "in bytes" : "in arithmetic"}};
    panel_open(&h->panel);
    TRY(chart_obstacles(&h->chart, s));
    TRY(draw_lines(s, h, roofs, sheet_slot(s, slot[1])));
    TRY(chart_label(&h->chart, s, LABEL_LAST, sheet_slot(s, slot[2])));
    panel_write(&h->panel, s, sheet_slot(s, slot[0]));
    panel_titles(&h->panel, s, &titles, sheet_slot(s, slot[0]));
    series_write(&h->chart.series, h->chart.marks, s, number == 1 ? "_1" : "_2");
    return ERR_NONE;
}

/* Verdicts by shape, decoders by colour; returns the height it takes. */
static double draw_key(struct sheet *s, const struct half half[2])
{
    enum { ROOM = 16 };
    struct key_item items[N_SHAPES + ROOM + 1];
    const struct series_list *all = &half[half[0].chart.n == 0].chart.series;
    for (int i = 0; i < N_SHAPES; i++) {
        const char *name = bound_name(shapes[i].verdict);
        items[i] = (struct key_item){KEY_POINT, "#555555", shapes[i].point, 0.6, ""};
        snprintf(items[i].text, sizeof items[i].text, "%s", name);
        strbuf_addf(sheet_slot(s, "VERDICTS"), "%s%s", i ? " " : "", name);
        strbuf_addf(sheet_slot(s, "SHAPES"), "%s%d", i ? " " : "", shapes[i].point);
    }
    int n = N_SHAPES + series_key(all, s->subject, items + N_SHAPES, ROOM);
    for (int i = N_SHAPES; i < n; i++) items[i].kind = KEY_SWATCH;
    if (half[0].chart.has_resident || half[1].chart.has_resident)
        items[n++] =
            (struct key_item){KEY_POINT, "#555555", 6, 0.6, "hollow: weights stay in cache"};
    return sheet_key(s, items, n);
}

static void write_data(struct sheet *s, const struct chart *c, const struct plot_rows *rows,
                       int panel)
{
    for (int i = 0; i < c->n; i++) {
        const struct mark *m = &c->marks[i];
        const struct plot_row *r = &rows->row[m->row];
        strbuf_addf(&s->tsv, "%d\t%s\t", panel, panel == 1 ? "bytes" : "arithmetic");
        data_run(s, m);
        text_number(&s->tsv, m->x);
        for (int k = 0; k <= ROUNDS; k++) {
            strbuf_add_char(&s->tsv, '\t');
            text_number(&s->tsv, r->v[k]);
        }
        strbuf_addf(&s->tsv, "\t%s\t%s\n", r->word[BY], r->word[VERDICT]);
    }
}

static void write_caption(struct sheet *s, const struct half half[2], const struct plot_rows *rows,
                          const struct roofs *roofs)
{
    const struct chart *larger = &half[half[1].chart.n > half[0].chart.n].chart;
    struct strbuf *c = &s->caption;
    int resident = 0, n = larger->n;
    double lo, hi;
    for (int i = 0; i < n; i++) resident += s->data->run[larger->marks[i].run].cache_resident;
    caption_begin(s, "Elasticities of time");
    strbuf_add(c,
               "What limits a forward, by intervention: the exponent with which its time follows "
               "the bytes it moves (above: weights stored in another type) and the time of its "
               "arithmetic (below: slower kernels), everything else left as it is. 1: nothing "
               "else matters, 0: it does not matter. Medians of ratios within a round, n = ");
    chart_span(larger, &rows[larger == &half[1].chart], ROUNDS, &lo, &hi);
    caption_span(c, lo, hi);
    strbuf_add(c, " rounds; bars: 95 % confidence interval by ranks, cut at the frame. An "
                  "elasticity counts if its whole interval is at least a half (dashed); the "
                  "shape of a point is the verdict on both, of the same forward in both panels. "
                  "Series are moved apart a little along the axis, so that forwards of equally "
                  "many rows can be told apart; the data file has their rows.\n");
    strbuf_add(c, "Evidence: times and the kernels' rates are measured by the clock; bytes are "
                  "counted by the ledger. Dotted: rows at which the linear maps of a forward cross "
                  "the ridge of the roofs, which no intervention took part in. ");
    roofs_describe(roofs, c);
    if (resident)
        strbuf_addf(c,
                    "Hollow: the weights of %d of %d forwards stay in the last-level cache; "
                    "memory is that cache there.\n",
                    resident, n);
    caption_unplaced(s, half[0].chart.unplaced + half[1].chart.unplaced);
    caption_end(s);
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct half half[2])
{
    enum { BETWEEN = 18, BOTTOM = 28 };
    struct roofs roofs;
    roofs_find(s, &roofs);
    for (int p = 0; p < 2; p++) set_apart(&half[p].chart);
    set_ranges(half, rows, s, &roofs);
    s->width = 3.5 * 72;
    s->height = 4 * 72;
    double top = s->height - draw_key(s, half) - 4, height = (top - BOTTOM - BETWEEN) / 2;
    for (int p = 0; p < 2; p++) {
        half[p].panel.left = 46;
        half[p].panel.right = s->width - 12;
        half[p].panel.top = p == 0 ? top : BOTTOM + height;
        half[p].panel.bottom = half[p].panel.top - height;
        TRY(draw_half(s, &half[p], &roofs, p + 1));
    }
    range_binary_tics(&half[0].panel.x, sheet_slot(s, "XTICS"));
    write_y_tics(&half[0].panel.y, sheet_slot(s, "YTICS"));
    strbuf_add(&s->tsv, "panel\tdemand\t" DATA_RUN_COLUMNS
                        "drawn_at\trows\telasticity\telasticity_lo\telasticity_hi\tdemand_ratio\t"
                        "rounds\tchanged\tbound\n");
    for (int p = 0; p < 2; p++) write_data(s, &half[p].chart, &rows[p], p + 1);
    write_caption(s, half, rows, &roofs);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    const struct chart_columns columns = {.x = ROWS,
                                          .x_lo = -1,
                                          .x_hi = -1,
                                          .y = EPS,
                                          .y_lo = EPS_LO,
                                          .y_hi = EPS_HI,
                                          .phase_word = PHASE};
    struct half half[2] = {{.panel.y.linear = true}, {.panel.y.linear = true}};
    enum err e = ERR_NONE;
    for (int p = 0; p < 2 && e == ERR_NONE; p++)
        e = chart_open(&rows[p], s, &half[p].panel, &columns, &half[p].chart);
    *empty = half[0].chart.n + half[1].chart.n == 0;
    if (e == ERR_NONE && !*empty) e = lay_out(rows, s, half);
    for (int p = 0; p < 2; p++) {
        chart_free(&half[p].chart);
        scene_free(&half[p].panel.scene);
    }
    return e;
}

const struct figure figure_elasticity = {
    .name = "elasticity",
    .help = "how far time follows bytes and arithmetic, against the rows of a forward",
    .needs = "the database has no interventions (regime bound)",
    .judged_first = true,
    .query = {{bytes_sql, 3}, {flop_sql, 3}},
    .draw = draw,
};
