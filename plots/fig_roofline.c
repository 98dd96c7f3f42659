/* fig_roofline.c - what each decoder does per byte and per second, held against the machine's
 * roofs: algorithmic work on the left, goodput on the right. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/figures.h"

/* Numbers of both queries. */
enum { INTENSITY, INTENSITY_LO, INTENSITY_HI, FLOP_S, FLOP_S_LO, FLOP_S_HI, SAMPLES, ROOF,
       FRACTION, ABOVE };
/* Words of both queries. */
enum { PHASE, BASIS, SIDE };

static const char algorithmic_sql[] =
    "SELECT f.run_id, f.phase, f.basis, f.side, f.intensity_flop_per_byte, f.intensity_lo,"
    " f.intensity_hi, f.flop_per_s, f.flop_per_s_lo, f.flop_per_s_hi,"
    " COALESCE(s.n, p.samples), f.roof_flop_per_s, f.roof_fraction, f.above_roof"
    " FROM v_roofline f JOIN v_phase p ON p.run_id = f.run_id AND p.phase = f.phase"
    " LEFT JOIN v_step s ON s.run_id = f.run_id AND s.phase = f.phase"
    " WHERE f.work = 'algorithmic'";

/* Goodput is of a whole decode: a forward that commits nothing still takes its time. */
static const char goodput_sql[] =
    "SELECT run_id, 'decode', 'decode', NULL, useful / dram, useful / dram_hi, useful / dram_lo,"
    " useful * 1e9 / ns, NULL, NULL, samples, NULL, NULL, NULL"
    " FROM (SELECT run_id, SUM(flop_useful) * 1.0 AS useful, SUM(bytes_dram) AS dram,"
    "              SUM(bytes_dram_lo) AS dram_lo, SUM(bytes_dram_hi) AS dram_hi,"
    "              SUM(iif(evidence = 'analytic', predicted_ns, time_ns)) AS ns,"
    "              MAX(samples) AS samples"
    "       FROM v_phase WHERE phase <> 'prefill' GROUP BY run_id)";

struct drawn_roof {
    struct roof roof;
    bool dashed; /* from the data sheet */
    char bandwidth[64], peak[64];
};
struct roofs {
    struct drawn_roof roof[3];
    int n;
};

/* One of the two panels. */
struct half {
    struct panel panel;
    struct mark *marks; /* owned */
    int n;
    struct series_list series;
    int unplaced; /* labels that found no room */
};

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 0.01 * b;
}

static void add_roof(struct roofs *l, struct roof r, const char *level, const char *source,
                     const char *dtype)
{
    char text[40];
    if (!roof_known(r)) return;
    for (int i = 0; i < l->n; i++)
        if (close_to(r.flop_per_s, l->roof[i].roof.flop_per_s) &&
            close_to(r.bytes_per_s, l->roof[i].roof.bytes_per_s))
            return;
    struct drawn_roof *d = &l->roof[l->n++];
    d->roof = r;
    d->dashed = strcmp(source, "datasheet") == 0;
    text_quantity(text, sizeof text, r.bytes_per_s, "B/s");
    snprintf(d->bandwidth, sizeof d->bandwidth, "%s %s, %s", level, text, source);
    text_quantity(text, sizeof text, r.flop_per_s, "FLOP/s");
    snprintf(d->peak, sizeof d->peak, "%s peak %s, %s", dtype, text, source);
}

/* The newest run's roofs stand for all; runs whose weights stay in the cache have their own. */
static void find_roofs(const struct sheet *s, struct roofs *out)
{
    const struct plot_run *newest[2] = {NULL, NULL};
    const struct plot_data *d = s->data;
    const char *dtype = arithmetic_name(s->subject);
    *out = (struct roofs){.n = 0};
    for (int i = 0; i < d->n_runs; i++) {
        const struct plot_run *r = &d->run[i];
        const struct plot_run **to = &newest[r->cache_resident];
        if (&d->subject[r->subject] != s->subject) continue;
        if (!*to || strcmp(r->recorded_utc, (*to)->recorded_utc) > 0) *to = r;
    }
    if (newest[0]) add_roof(out, newest[0]->ceilings, "DRAM", "measured", dtype);
    if (newest[1]) add_roof(out, newest[1]->ceilings, "cache", "measured", dtype);
    const struct plot_run *any = newest[0] ? newest[0] : newest[1];
    if (any) add_roof(out, any->datasheet, "DRAM", "datasheet", dtype);
}

static enum err take_marks(const struct plot_rows *rows, const struct sheet *s, unsigned ignore,
                           struct half *h)
{
    h->marks = calloc((size_t)rows->n + 1, sizeof *h->marks);
    if (!h->marks) return err_set(ERR_NOMEM, "roofline of %d points: out of memory", rows->n);
    for (int i = 0; i < rows->n; i++) {
        const struct plot_row *r = &rows->row[i];
        const struct plot_run *run = &s->data->run[r->run];
        if (&s->data->subject[run->subject] != s->subject) continue;
        if (!(r->v[INTENSITY] > 0) || !(r->v[FLOP_S] > 0)) continue;
        struct mark *m = &h->marks[h->n++];
        *m = (struct mark){.run = r->run,
                           .x = r->v[INTENSITY],
                           .x_lo = r->v[INTENSITY_LO],
                           .x_hi = r->v[INTENSITY_HI],
                           .y = r->v[FLOP_S],
                           .y_lo = r->v[FLOP_S_LO],
                           .y_hi = r->v[FLOP_S_HI],
                           .row = i};
        snprintf(m->phase, sizeof m->phase, "%s", r->word[PHASE]);
    }
    return series_group(s->data, h->marks, h->n, ignore, &h->series);
}

/* Both panels on the same axes, so that a point can be followed from one to the other. */
static void set_ranges(struct half half[2], const struct roofs *roofs)
{
    struct axis_range x = {0}, y = {0};
    for (int p = 0; p < 2; p++) {
        for (int i = 0; i < half[p].n; i++) {
            const struct mark *m = &half[p].marks[i];
            range_include(&x, m->x);
            range_include(&x, fmax(m->x_lo, m->x / 4));
            range_include(&x, fmin(m->x_hi, m->x * 4));
            range_include(&y, m->y);
        }
    }
    for (int i = 0; i < roofs->n; i++) {
        range_include(&x, roof_ridge(roofs->roof[i].roof) * 3);
        range_include(&y, roofs->roof[i].roof.flop_per_s * 1.4);
    }
    range_snug(&x);
    range_snug(&y);
    for (int p = 0; p < 2; p++) {
        half[p].panel.x = x;
        half[p].panel.y = y;
    }
}

/* Of its symbol, the ring of a run in the cache included. */
static double radius_of(const struct sheet *s, const struct half *h, int i)
{
    double size = series_size(&h->series.series[h->marks[i].series]);
    return point_radius(s->data->run[h->marks[i].run].cache_resident ? 1.7 * size : size);
}

/* Symbols, lines and bars of a panel, before anything is written over them. */
static enum err add_obstacles(const struct sheet *s, struct half *h)
{
    struct panel *p = &h->panel;
    for (int i = 0; i < h->n; i++) {
        const struct mark *m = &h->marks[i];
        double x = panel_x(p, m->x), y = panel_y(p, m->y);
        double r = 2 * radius_of(s, h, i);
        TRY(scene_add_hard(&p->scene, (struct box){x, y, r, r, 0}));
        if (isfinite(m->x_lo) && isfinite(m->x_hi))
            TRY(scene_add_soft(&p->scene, box_segment(panel_x(p, m->x_lo), y, panel_x(p, m->x_hi),
                                                      y, 2)));
        if (isfinite(m->y_lo) && isfinite(m->y_hi))
            TRY(scene_add_soft(&p->scene, box_segment(x, panel_y(p, m->y_lo), x,
                                                      panel_y(p, m->y_hi), 2)));
        if (i > 0 && h->marks[i - 1].series == m->series)
            TRY(scene_add_soft(&p->scene, box_segment(panel_x(p, m[-1].x), panel_y(p, m[-1].y), x,
                                                      y, 0.8)));
    }
    return ERR_NONE;
}

/* One line of a roof and what it is called. */
static enum err roof_line(struct sheet *s, struct half *h, struct strbuf *out, double x0, double y0,
                          double x1, double y1, const struct drawn_roof *r)
{
    const struct line_style style = {.colour = r->dashed ? "#777777" : "black",
                                     .width = r->dashed ? 1.0 : 1.4,
                                     .dash = r->dashed ? 2 : 1,
                                     .back = true};
    write_line(out, s, x0, y0, x1, y1, &style);
    return scene_add_soft(&h->panel.scene, box_segment(x0, y0, x1, y1, 1.5));
}

/* Write a name along the line; what finds no room is counted. */
static enum err line_name(struct sheet *s, struct half *h, struct strbuf *out,
                          struct line_label l, const char *text, const char *colour)
{
    l.w = text_width(text, FONT_SMALL) + 2;
    l.h = text_height(FONT_SMALL);
    TRY(label_along(&h->panel.scene, &l));
    if (l.placed) write_text(out, s, &l.box, text, FONT_SMALL, colour);
    h->unplaced += !l.placed;
    return ERR_NONE;
}

static enum err draw_roof(struct sheet *s, struct half *h, struct strbuf *out,
                          const struct drawn_roof *r, bool name_peak)
{
    struct panel *p = &h->panel;
    double ridge = roof_ridge(r->roof), y = panel_y(p, r->roof.flop_per_s);
    double from = fmax(p->x.lo, p->y.lo / r->roof.bytes_per_s);
    double x0 = panel_x(p, from), y0 = panel_y(p, from * r->roof.bytes_per_s);
    double x1 = panel_x(p, ridge);
    const char *colour = r->dashed ? "#555555" : "black";
    const struct line_style dotted = {.colour = "#777777", .width = 0.7, .dash = 3, .back = true};
    char text[40], value[24];
    text_quantity(value, sizeof value, ridge, "");
    snprintf(text, sizeof text, "ridge %s", value);
    TRY(roof_line(s, h, out, x0, y0, x1, y, r));
    TRY(roof_line(s, h, out, x1, y, p->right, y, r));
    write_line(out, s, x1, p->bottom, x1, y, &dotted);
    TRY(scene_add_soft(&p->scene, box_segment(x1, p->bottom, x1, y, 1)));

    /* Above the roof nothing is drawn, so its name may reach beyond it to the left. */
    const struct line_label peak = {
        .x0 = p->left, .y0 = y, .x1 = p->right, .y1 = y, .from_end = true};
    const struct line_label bandwidth = {.x0 = x0, .y0 = y0, .x1 = x1, .y1 = y};
    const struct line_label at_ridge = {
        .x0 = x1, .y0 = p->bottom + 2, .x1 = x1, .y1 = y, .both_sides = true};
    if (name_peak) TRY(line_name(s, h, out, peak, r->peak, colour));
    TRY(line_name(s, h, out, bandwidth, r->bandwidth, colour));
    return line_name(s, h, out, at_ridge, text, "#555555");
}

static enum err draw_roofs(struct sheet *s, struct half *h, const struct roofs *roofs, int number)
{
    struct strbuf *out = sheet_slot(s, number == 1 ? "ROOFS_1" : "ROOFS_2");
    for (int i = 0; i < roofs->n; i++) {
        const struct drawn_roof *r = &roofs->roof[i];
        bool known = i > 0 && close_to(r->roof.flop_per_s, r[-1].roof.flop_per_s);
        TRY(draw_roof(s, h, out, r, !known));
    }
    return ERR_NONE;
}

static double batch_of(const struct sheet *s, const struct half *h, int i)
{
    return s->data->run[h->marks[i].run].batch;
}

/* It has the smallest or largest batch of its series. */
static bool at_end(const struct sheet *s, const struct half *h, int i)
{
    const struct series *of = &h->series.series[h->marks[i].series];
    double batch = batch_of(s, h, i);
    return batch == batch_of(s, h, of->first) || batch == batch_of(s, h, of->first + of->n - 1);
}

/* The batch beside a point, and at a series' last point what sets the series apart. */
static void point_text(const struct sheet *s, const struct half *h, int i, char *out, size_t size)
{
    const struct series *of = &h->series.series[h->marks[i].series];
    bool last = batch_of(s, h, i) == batch_of(s, h, of->first + of->n - 1);
    snprintf(out, size, "%g%s%s", batch_of(s, h, i), last && *of->variant ? ", " : "",
             last ? of->variant : "");
}

/* An earlier point of the series has the same batch and lies under this one. */
static bool repeats(const struct sheet *s, const struct half *h, int i)
{
    const struct mark *m = &h->marks[i];
    for (int k = h->series.series[m->series].first; k < i; k++) {
        const struct mark *o = &h->marks[k];
        double dx = panel_x(&h->panel, o->x) - panel_x(&h->panel, m->x);
        double dy = panel_y(&h->panel, o->y) - panel_y(&h->panel, m->y);
        if (batch_of(s, h, k) == batch_of(s, h, i) && hypot(dx, dy) < 6)
            return true;
    }
    return false;
}

static enum err draw_labels(struct sheet *s, struct half *h, int number)
{
    enum { ALL_UP_TO = 14 };
    struct strbuf *out = sheet_slot(s, number == 1 ? "LABELS_1" : "LABELS_2");
    int n_main = 0;
    for (int i = 0; i < h->n; i++) n_main += h->series.series[h->marks[i].series].main;
    for (int i = 0; i < h->n; i++) {
        const struct series *of = &h->series.series[h->marks[i].series];
        char text[96];
        bool placed;
        if (!of->main || (n_main > ALL_UP_TO && !at_end(s, h, i)) || repeats(s, h, i)) continue;
        point_text(s, h, i, text, sizeof text);
        TRY(write_label(out, s, &h->panel.scene, panel_x(&h->panel, h->marks[i].x),
                        panel_y(&h->panel, h->marks[i].y), radius_of(s, h, i), text,
                        of->style->colour, &placed));
        h->unplaced += !placed;
    }
    return ERR_NONE;
}

static void write_data(struct sheet *s, const struct half *h, const struct plot_rows *rows,
                       int number)
{
    struct strbuf *t = &s->tsv;
    for (int i = 0; i < h->n; i++) {
        const struct mark *m = &h->marks[i];
        const struct plot_row *r = &rows->row[(int)m->row];
        const struct plot_run *run = &s->data->run[m->run];
        const double numbers[] = {m->x, m->x_lo, m->x_hi, m->y, m->y_lo, m->y_hi, r->v[SAMPLES],
                                  r->v[ROOF], r->v[FRACTION], r->v[ABOVE]};
        strbuf_addf(t, "%d\t%d\t%s\t", number, m->series + 1, number == 1 ? "algorithmic" : "useful");
        text_field(t, run->decoder);
        strbuf_addf(t, "\t%s\t", m->phase);
        text_number(t, run->batch);
        strbuf_add_char(t, '\t');
        text_number(t, run->block);
        strbuf_add_char(t, '\t');
        text_number(t, run->steps);
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
            strbuf_add_char(t, '\t');
            text_number(t, numbers[k]);
        }
        strbuf_addf(t, "\t%s\t%d\t%s\n", *r->word[SIDE] ? r->word[SIDE] : "NA",
                    run->cache_resident, run->run_id);
    }
}

static void write_caption(struct sheet *s, const struct half half[2],
                          const struct plot_rows *rows, const struct roofs *roofs)
{
    struct strbuf *c = &s->caption;
    double n_lo[2] = {INFINITY, INFINITY}, n_hi[2] = {-INFINITY, -INFINITY};
    int above = 0, resident = 0, pinned = 0;
    for (int p = 0; p < 2; p++) {
        for (int i = 0; i < half[p].n; i++) {
            const struct plot_row *r = &rows[p].row[(int)half[p].marks[i].row];
            n_lo[p] = fmin(n_lo[p], r->v[SAMPLES]);
            n_hi[p] = fmax(n_hi[p], r->v[SAMPLES]);
            above += p == 0 && r->v[ABOVE] > 0;
            pinned += p == 0 && strcmp(r->word[BASIS], "pinned") == 0;
            resident += p == 0 && s->data->run[r->run].cache_resident;
        }
    }
    caption_begin(s, "Roofline");
    strbuf_add(c, "Left, algorithmic work: every FLOP of matmuls and attention that the decoder "
                  "asks for. Right, goodput: only the FLOPs that plain autoregressive decoding "
                  "would have spent on the tokens committed; a point is a whole decode after "
                  "prefill, forwards that commit nothing included. Both over the DRAM bytes of "
                  "the same forwards; horizontal bars are the band of that estimate.\n");
    caption_evidence(s);
    if (!s->subject->predicted) {
        if (pinned) {
            strbuf_addf(c, "Left, %d of %d points: median time of one forward in the middle of its "
                           "phase, n = ", pinned, half[0].n);
            caption_span(c, n_lo[0], n_hi[0]);
            strbuf_add(c, " repetitions; vertical bars: 95 % confidence interval of the median by "
                          "ranks, left out below n = 6 and hidden where smaller than the symbol. ");
        }
        strbuf_add(c, "Right: sums over n = ");
        caption_span(c, n_lo[1], n_hi[1]);
        strbuf_add(c, " whole decodes, no interval.\n");
    }
    strbuf_add(c, "Numbers beside points: batch (sequences). Roofs: ");
    for (int i = 0; i < roofs->n; i++)
        strbuf_addf(c, "%s%s and %s", i ? "; " : "", roofs->roof[i].bandwidth,
                    roofs->roof[i].peak);
    strbuf_add(c, roofs->n ? " (solid: measured, dashed: datasheet); those of the newest run.\n"
                           : "none known.\n");
    if (resident)
        strbuf_addf(c, "Ringed: %d of %d points have weights that stay in the last-level cache; "
                       "their bytes come from there, not from DRAM.\n", resident, half[0].n);
    if (above)
        strbuf_addf(c, "%d of %d points lie above their roof: their lower confidence limit is more "
                       "than 5 %% over it.\n", above, half[0].n);
    if (half[0].unplaced + half[1].unplaced)
        strbuf_addf(c, "%d labels found no room; the data file has all points.\n",
                    half[0].unplaced + half[1].unplaced);
    caption_end(s);
}

static enum err draw_half(struct sheet *s, struct half *h, const struct roofs *roofs, int number)
{
    static const char *const headings[] = {"algorithmic work", "goodput: token-useful work"};
    struct panel *p = &h->panel;
    char suffix[] = {'_', (char)('0' + number), '\0'}, slot[16];
    panel_open(p);
    TRY(add_obstacles(s, h));
    TRY(draw_roofs(s, h, roofs, number));
    TRY(draw_labels(s, h, number));
    snprintf(slot, sizeof slot, "PANEL%s", suffix);
    panel_write(p, s, sheet_slot(s, slot));
    snprintf(slot, sizeof slot, "ROOFS%s", suffix);
    write_text_from(sheet_slot(s, slot), s, p->left, p->top + 6, headings[number - 1], FONT_AXIS,
                    "black");
    snprintf(slot, sizeof slot, "LABELS%s", suffix);
    sheet_slot(s, slot);
    series_write(&h->series, s->subject, s, suffix);
    return ERR_NONE;
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct half half[2])
{
    struct key_item items[16];
    struct roofs roofs;
    bool resident = false;
    find_roofs(s, &roofs);
    set_ranges(half, &roofs);
    int n = series_key(&half[0].series, s->subject, items, 15);
    for (int i = 0; i < half[0].n; i++)
        resident |= s->data->run[half[0].marks[i].run].cache_resident;
    if (resident)
        items[n++] = (struct key_item){KEY_RING, "#555555", 6, 1.0, "weights stay in cache"};
    s->width = 7.1 * 72;
    s->height = 3.2 * 72;
    double top = s->height - sheet_key(s, items, n) - 14;
    for (int p = 0; p < 2; p++) {
        half[p].panel.left = p * s->width / 2 + 38;
        half[p].panel.right = (p + 1) * s->width / 2 - 8;
        half[p].panel.bottom = 30;
        half[p].panel.top = top;
        TRY(draw_half(s, &half[p], &roofs, p + 1));
    }
    range_tics(&half[0].panel.x, sheet_slot(s, "XTICS"));
    range_tics(&half[0].panel.y, sheet_slot(s, "YTICS"));
    strbuf_add(sheet_slot(s, "EVIDENCE"), evidence_word(s->subject));
    strbuf_add(&s->tsv, "panel\tseries\twork\tdecoder\tphase\tbatch_seqs\tblock_tokens\t"
                        "denoise_steps\tintensity_flop_per_byte\tintensity_lo\tintensity_hi\t"
                        "flop_per_s\tflop_per_s_lo\tflop_per_s_hi\tsamples\troof_flop_per_s\t"
                        "roof_fraction\tabove_roof\tside\tcache_resident\trun_id\n");
    for (int p = 0; p < 2; p++) write_data(s, &half[p], &rows[p], p + 1);
    write_caption(s, half, rows, &roofs);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    struct half half[2] = {0};
    /* How many steps a schedule has changes what a decode achieves, not what a forward does. */
    enum err e = take_marks(&rows[0], s, 1u << FIELD_STEPS, &half[0]);
    if (e == ERR_NONE) e = take_marks(&rows[1], s, 0, &half[1]);
    *empty = half[0].n == 0;
    if (e == ERR_NONE && !*empty) e = lay_out(rows, s, half);
    for (int p = 0; p < 2; p++) {
        free(half[p].marks);
        series_free(&half[p].series);
        scene_free(&half[p].panel.scene);
    }
    return e;
}

const struct figure figure_roofline = {
    .name = "roofline",
    .help = "FLOP/s against arithmetic intensity, algorithmic work beside goodput",
    .needs = "the database has no finished run with a time or a prediction",
    .query = {{algorithmic_sql, 3}, {goodput_sql, 3}},
    .draw = draw,
};
