/* chart.c - see chart.h. */
#include "plots/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double column_value(const struct plot_row *r, const struct plot_run *run, int column)
{
    return column == BATCH_X ? run->batch : column < 0 ? NAN : r->v[column];
}

enum err chart_open(const struct plot_rows *rows, const struct sheet *s, struct panel *panel,
                    const struct chart_columns *columns, struct chart *out)
{
    *out = (struct chart){.panel = panel, .marks = calloc((size_t)rows->n + 1, sizeof *out->marks)};
    if (!out->marks) return err_set(ERR_NOMEM, "figure of %d points: out of memory", rows->n);
    for (int i = 0; i < rows->n; i++) {
        const struct plot_row *r = &rows->row[i];
        const struct plot_run *run = &s->data->run[r->run];
        const char *phase = columns->phase_word < 0 ? "" : r->word[columns->phase_word];
        struct mark m = {.run = r->run,
                         .x = column_value(r, run, columns->x),
                         .x_lo = column_value(r, run, columns->x_lo),
                         .x_hi = column_value(r, run, columns->x_hi),
                         .y = column_value(r, run, columns->y),
                         .y_lo = column_value(r, run, columns->y_lo),
                         .y_hi = column_value(r, run, columns->y_hi),
                         .row = i};
        snprintf(m.phase, sizeof m.phase, "%s", phase);
        if (&s->data->subject[run->subject] != s->subject) continue;
        if (!range_holds(&panel->x, m.x) || !range_holds(&panel->y, m.y)) continue;
        if (columns->main_only && !phase_is_main(phase)) continue;
        out->has_resident |= run->cache_resident;
        out->marks[out->n++] = m;
    }
    return series_group(s->data, out->marks, out->n, columns->ignore, &out->series);
}

void chart_free(struct chart *c)
{
    free(c->marks);
    series_free(&c->series);
    *c = (struct chart){0};
}

static void include(struct axis_range *r, double value, double lo, double hi)
{
    range_include(r, value);
    if (isfinite(lo)) range_include(r, fmax(lo, value / 4));
    if (isfinite(hi)) range_include(r, fmin(hi, value * 4));
}

void chart_include(struct chart *c)
{
    for (int i = 0; i < c->n; i++) {
        const struct mark *m = &c->marks[i];
        include(&c->panel->x, m->x, m->x_lo, m->x_hi);
        include(&c->panel->y, m->y, m->y_lo, m->y_hi);
    }
}

/* Of a symbol, the ring of a run in the cache included. */
static double radius(const struct chart *c, const struct sheet *s, int i)
{
    double size = series_size(&c->series.series[c->marks[i].series]);
    return point_radius(s->data->run[c->marks[i].run].cache_resident ? RING_SIZE * size : size);
}

enum err chart_obstacles(struct chart *c, const struct sheet *s)
{
    const struct panel *p = c->panel;
    struct scene *scene = &c->panel->scene;
    for (int i = 0; i < c->n; i++) {
        const struct mark *m = &c->marks[i];
        double x = panel_x(p, m->x), y = panel_y(p, m->y), d = 2 * radius(c, s, i);
        TRY(scene_add_hard(scene, (struct box){x, y, d, d, 0}));
        if (isfinite(m->x_lo) && isfinite(m->x_hi))
            TRY(scene_add_soft(scene,
                               box_segment(panel_x(p, m->x_lo), y, panel_x(p, m->x_hi), y, 2)));
        if (isfinite(m->y_lo) && isfinite(m->y_hi))
            TRY(scene_add_soft(scene,
                               box_segment(x, panel_y(p, m->y_lo), x, panel_y(p, m->y_hi), 2)));
        if (i > 0 && m[-1].series == m->series)
            TRY(scene_add_soft(scene,
                               box_segment(panel_x(p, m[-1].x), panel_y(p, m[-1].y), x, y, 0.8)));
    }
    return ERR_NONE;
}

static double batch_of(const struct chart *c, const struct sheet *s, int i)
{
    return s->data->run[c->marks[i].run].batch;
}

/* It has the smallest or the largest batch of its series. */
static bool is_first(const struct chart *c, const struct sheet *s, int i)
{
    return batch_of(c, s, i) == batch_of(c, s, c->series.series[c->marks[i].series].first);
}

static bool is_last(const struct chart *c, const struct sheet *s, int i)
{
    const struct series *of = &c->series.series[c->marks[i].series];
    return batch_of(c, s, i) == batch_of(c, s, of->first + of->n - 1);
}

/* An earlier point of the series has the same batch and lies under this one. */
static bool repeats(const struct chart *c, const struct sheet *s, int i)
{
    const struct panel *p = c->panel;
    const struct mark *m = &c->marks[i];
    for (int k = c->series.series[m->series].first; k < i; k++) {
        double dx = panel_x(p, c->marks[k].x) - panel_x(p, m->x);
        double dy = panel_y(p, c->marks[k].y) - panel_y(p, m->y);
        if (batch_of(c, s, k) == batch_of(c, s, i) && hypot(dx, dy) < 6) return true;
    }
    return false;
}

/* "": none. */
static void label_text(const struct chart *c, const struct sheet *s, enum chart_labels kind,
                       bool crowded, int i, char *out, size_t size)
{
    const struct series *of = &c->series.series[c->marks[i].series];
    bool first = is_first(c, s, i), last = is_last(c, s, i), batches = kind == LABEL_BATCHES;
    bool variant = *of->variant && last;
    *out = '\0';
    if (repeats(c, s, i) || (batches ? crowded && !first && !last : !variant)) return;
    if (batches) snprintf(out, size, "%g%s", batch_of(c, s, i), variant ? ", " : "");
    size_t used = batches ? (size_t)snprintf(NULL, 0, "%s", out) : 0;
    if (variant) snprintf(out + used, size - used, "%s", of->variant);
}

enum err chart_label(struct chart *c, const struct sheet *s, enum chart_labels kind,
                     struct strbuf *out)
{
    enum { ALL_UP_TO = 14 }; /* points; of more, only the ends of each series are named */
    int n_main = 0;
    for (int i = 0; i < c->n; i++) n_main += c->series.series[c->marks[i].series].main;
    for (int i = 0; i < c->n; i++) {
        const struct series *of = &c->series.series[c->marks[i].series];
        char text[96];
        bool placed;
        if (!of->main) continue;
        label_text(c, s, kind, n_main > ALL_UP_TO, i, text, sizeof text);
        if (!*text) continue;
        TRY(write_label(out, s, &c->panel->scene, panel_x(c->panel, c->marks[i].x),
                        panel_y(c->panel, c->marks[i].y), radius(c, s, i), text, of->style->colour,
                        &placed));
        c->unplaced += !placed;
    }
    return ERR_NONE;
}

enum err chart_line_name(struct chart *c, const struct sheet *s, struct line_label l,
                         const char *text, const char *colour, struct strbuf *out)
{
    l.w = text_width(text, FONT_SMALL) + 2;
    l.h = text_height(FONT_SMALL);
    TRY(label_along(&c->panel->scene, &l));
    if (l.placed) write_text(out, s, &l.box, text, FONT_SMALL, colour);
    c->unplaced += !l.placed;
    return ERR_NONE;
}

double chart_key(const struct chart *c, struct sheet *s, const struct key_item *more, int n_more)
{
    enum { ROOM = 24 };
    struct key_item items[ROOM];
    int n = series_key(&c->series, s->subject, items, ROOM - 8);
    if (c->has_resident)
        items[n++] = (struct key_item){KEY_RING, "#555555", 6, 1.0, "weights stay in cache"};
    for (int i = 0; i < n_more && n < ROOM; i++) items[n++] = more[i];
    return sheet_key(s, items, n);
}

void chart_page(struct chart *c, struct sheet *s, const struct axis_titles *titles,
                const struct key_item *more, int n_more)
{
    s->width = 3.5 * 72;
    s->height = 2.75 * 72;
    c->panel->left = titles->y[1] ? 46 : 37;
    c->panel->right = s->width - 12; /* half of the widest tic label, "500 M" */
    c->panel->bottom = 28;
    c->panel->top = s->height - chart_key(c, s, more, n_more) - 4;
    panel_open(c->panel);
    panel_write(c->panel, s, sheet_slot(s, "PANEL"));
    panel_titles(c->panel, s, titles, sheet_slot(s, "PANEL"));
}

enum err chart_draw(const struct plot_rows *rows, struct sheet *s,
                    const struct chart_columns *columns, chart_layout *lay_out, bool *empty)
{
    struct panel panel = {0};
    struct chart chart;
    enum err e = chart_open(rows, s, &panel, columns, &chart);
    *empty = chart.n == 0;
    if (e == ERR_NONE && !*empty) e = lay_out(rows, s, &chart);
    chart_free(&chart);
    scene_free(&panel.scene);
    return e;
}

void chart_span(const struct chart *c, const struct plot_rows *rows, int column, double *lo,
                double *hi)
{
    *lo = INFINITY;
    *hi = -INFINITY;
    for (int i = 0; i < c->n; i++) {
        *lo = fmin(*lo, rows->row[c->marks[i].row].v[column]);
        *hi = fmax(*hi, rows->row[c->marks[i].row].v[column]);
    }
}
