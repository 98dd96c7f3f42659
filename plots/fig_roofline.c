/* fig_roofline.c - what each decoder does per byte and per second, held against the machine's
 * roofs: algorithmic work on the left, goodput on the right. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plots/figures.h"

/* Numbers of both queries. */
enum {
    INTENSITY,
    INTENSITY_LO,
    INTENSITY_HI,
    FLOP_S,
    FLOP_S_LO,
    FLOP_S_HI,
    SAMPLES,
    ROOF,
    FRACTION,
    ABOVE
};
/* Words of both queries. */
enum { PHASE, BASIS, SIDE };

static const char algorithmic_sql[] =
    "SELECT f.run_id, f.phase, f.basis, f.side, f.intensity_flop_per_byte, f.intensity_lo,"
    " f.intensity_hi, f.flop_per_s, f.flop_per_s_lo, f.flop_per_s_hi,"
    " COALESCE(s.n, p.samples), f.roof_flop_per_s, f.roof_fraction, f.above_roof"
    " FROM v_roofline f JOIN v_phase p ON p.run_id = f.run_id AND p.phase = f.phase"
    " LEFT JOIN v_step s ON s.run_id = f.run_id AND s.phase = f.phase"
    " WHERE f.work = 'algorithmic' AND f.evidence <> 'counter'";

/* Goodput is of a whole decode: a forward that commits nothing still takes its time. */
static const char goodput_sql[] =
    "SELECT run_id, 'decode', 'whole', NULL, useful / dram, useful / dram_hi, useful / dram_lo,"
    " useful * 1e9 / ns, NULL, NULL, samples, NULL, NULL, NULL"
    " FROM (SELECT run_id, SUM(flop_useful) * 1.0 AS useful, SUM(bytes_dram) AS dram,"
    "              SUM(bytes_dram_lo) AS dram_lo, SUM(bytes_dram_hi) AS dram_hi,"
    "              SUM(iif(evidence = 'analytic', predicted_ns, time_ns)) AS ns,"
    "              MAX(samples) AS samples"
    "       FROM v_phase WHERE phase NOT LIKE 'prefill%' GROUP BY run_id)";

/* One of the two panels. */
struct half {
    struct panel panel;
    struct chart chart;
};

/* Both panels on the same axes, so that a point can be followed from one to the other. */
static void set_ranges(struct half half[2], const struct roofs *roofs)
{
    struct axis_range x = {0}, y = {0};
    for (int p = 0; p < 2; p++) {
        chart_include(&half[p].chart);
        if (half[p].chart.n == 0) continue;
        range_include(&x, half[p].panel.x.lo);
        range_include(&x, half[p].panel.x.hi);
        range_include(&y, half[p].panel.y.lo);
        range_include(&y, half[p].panel.y.hi);
    }
    for (int i = 0; i < roofs->n; i++) {
        /* Enough of the slope to write its name along. */
        range_include(&x, roof_ridge(roofs->roof[i].roof) / 20);
        range_include(&y, roofs->roof[i].roof.flop_per_s / 20);
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

static enum err roof_line(const struct sheet *s, struct half *h, struct strbuf *out,
                          const double from[2], const double to[2], bool dashed)
{
    const struct line_style style = {.colour = dashed ? "#777777" : "black",
                                     .width = dashed ? 1.0 : 1.4,
                                     .dash = dashed ? 2 : 1,
                                     .back = true};
    write_line(out, s, from[0], from[1], to[0], to[1], &style);
    return scene_add_soft(&h->panel.scene, box_segment(from[0], from[1], to[0], to[1], 1.5));
}

static enum err draw_roof(const struct sheet *s, struct half *h, struct strbuf *out,
                          const struct drawn_roof *r, bool name_peak)
{
    struct panel *p = &h->panel;
    double ridge = roof_ridge(r->roof), y = panel_y(p, r->roof.flop_per_s);
    double from = fmax(p->x.lo, p->y.lo / r->roof.bytes_per_s);
    const double foot[] = {panel_x(p, from), panel_y(p, from * r->roof.bytes_per_s)};
    const double corner[] = {panel_x(p, ridge), y}, end[] = {p->right, y};
    const char *colour = r->dashed ? "#555555" : "black";
    const struct line_style dotted = {.colour = "#777777", .width = 0.7, .dash = 3, .back = true};
    char text[40], value[24];
    text_quantity(value, sizeof value, ridge, "");
    snprintf(text, sizeof text, "ridge %s", value);
    TRY(roof_line(s, h, out, foot, corner, r->dashed));
    TRY(roof_line(s, h, out, corner, end, r->dashed));
    write_line(out, s, corner[0], p->bottom, corner[0], y, &dotted);
    TRY(scene_add_soft(&p->scene, box_segment(corner[0], p->bottom, corner[0], y, 1)));

    /* Above the roof nothing is drawn, so its name may reach beyond it to the left. */
    const struct line_label peak = {
        .x0 = p->left, .y0 = y, .x1 = p->right, .y1 = y, .from_end = true};
    const struct line_label bandwidth = {.x0 = foot[0], .y0 = foot[1], .x1 = corner[0], .y1 = y};
    const struct line_label at_ridge = {
        .x0 = corner[0], .y0 = p->bottom + 2, .x1 = corner[0], .y1 = y, .both_sides = true};
    if (name_peak) TRY(chart_line_name(&h->chart, s, peak, r->peak, colour, out));
    TRY(chart_line_name(&h->chart, s, bandwidth, r->bandwidth, colour, out));
    return chart_line_name(&h->chart, s, at_ridge, text, "#555555", out);
}

static void write_data(struct sheet *s, const struct chart *c, const struct plot_rows *rows,
                       int panel)
{
    for (int i = 0; i < c->n; i++) {
        const struct mark *m = &c->marks[i];
        const struct plot_row *r = &rows->row[m->row];
        const double numbers[] = {m->x,    m->x_lo,       m->x_hi,    m->y,           m->y_lo,
                                  m->y_hi, r->v[SAMPLES], r->v[ROOF], r->v[FRACTION], r->v[ABOVE]};
        strbuf_addf(&s->tsv, "%d\t%s\t", panel, panel == 1 ? "algorithmic" : "useful");
        data_run(s, m);
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
            text_number(&s->tsv, numbers[k]);
            strbuf_add_char(&s->tsv, '\t');
        }
        strbuf_addf(&s->tsv, "%s\n", *r->word[SIDE] ? r->word[SIDE] : "NA");
    }
}

static void write_caption(struct sheet *s, const struct half half[2], const struct plot_rows *rows,
                          const struct roofs *roofs)
{
    struct strbuf *c = &s->caption;
    double lo, hi;
    int above = 0, pinned = 0;
    for (int i = 0; i < half[0].chart.n; i++) {
        const struct plot_row *r = &rows[0].row[half[0].chart.marks[i].row];
        above += r->v[ABOVE] > 0;
        pinned += strcmp(r->word[BASIS], "pinned") == 0;
    }
    caption_begin(s, "Roofline");
    strbuf_add(c, "Left, algorithmic work: every FLOP of matmuls and attention that the decoder "
                  "asks for. Right, goodput: only the FLOPs that plain autoregressive decoding "
                  "would have spent on the tokens committed; a point is a whole decode after "
                  "prefill, forwards that commit nothing included. Both over the DRAM bytes of "
                  "the same forwards; horizontal bars are the band of that estimate.\n");
    caption_evidence(s);
    if (!s->subject->predicted) {
        chart_span(&half[0].chart, &rows[0], SAMPLES, &lo, &hi);
        if (pinned) {
            strbuf_addf(c, "Left, %d of %d points: ", pinned, half[0].chart.n);
            caption_pinned(s, lo, hi);
        }
        chart_span(&half[1].chart, &rows[1], SAMPLES, &lo, &hi);
        strbuf_add(c, "Right: sums over n = ");
        caption_span(c, lo, hi);
        strbuf_add(c, " whole decodes, no interval.\n");
    }
    strbuf_add(c, "Numbers beside points: batch (sequences). ");
    roofs_describe(roofs, c);
    caption_resident(s, &half[0].chart);
    if (above)
        strbuf_addf(c,
                    "%d of %d points on the left lie above their roof: their lower confidence "
                    "limit is more than 5 %% over it.\n",
                    above, half[0].chart.n);
    caption_unplaced(s, half[0].chart.unplaced + half[1].chart.unplaced);
    caption_end(s);
}

static enum err draw_half(struct sheet *s, struct half *h, const struct roofs *roofs, int number)
{
    static const char *const headings[] = {"algorithmic work", "goodput: token-useful work"};
    static const char *const names[][3] = {{"PANEL_1", "ROOFS_1", "LABELS_1"},
                                           {"PANEL_2", "ROOFS_2", "LABELS_2"}};
    const char *const *slot = names[number - 1];
    char y[64];
    snprintf(y, sizeof y, "%sFLOP/s (%s)", number == 1 ? "" : "token-useful ",
             evidence_word(s->subject));
    const struct axis_titles titles = {
        number == 1 ? "arithmetic intensity (FLOP/byte, analytic DRAM bytes)"
                    : "goodput intensity (useful FLOP/byte, analytic DRAM bytes)",
        {y, NULL}};
    struct panel *p = &h->panel;
    struct strbuf *out = sheet_slot(s, slot[1]);
    panel_open(p);
    TRY(chart_obstacles(&h->chart, s));
    for (int i = 0; i < roofs->n; i++) {
        const struct drawn_roof *r = &roofs->roof[i];
        TRY(draw_roof(s, h, out, r, i == 0 || !roofs_same_peak(r, r - 1)));
    }
    TRY(chart_label(&h->chart, s, LABEL_BATCHES, sheet_slot(s, slot[2])));
    panel_write(p, s, sheet_slot(s, slot[0]));
    panel_titles(p, s, &titles, sheet_slot(s, slot[0]));
    write_text_from(out, s, p->left, p->top + 6, headings[number - 1], FONT_AXIS, "black");
    series_write(&h->chart.series, h->chart.marks, s, number == 1 ? "_1" : "_2");
    return ERR_NONE;
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct half half[2])
{
    struct roofs roofs;
    roofs_find(s, &roofs);
    set_ranges(half, &roofs);
    s->width = 7.1 * 72;
    s->height = 3.2 * 72;
    double top = s->height - chart_key(&half[0].chart, s, NULL, 0) - 14;
    for (int p = 0; p < 2; p++) {
        half[p].panel.left = p * s->width / 2 + 38;
        half[p].panel.right = (p + 1) * s->width / 2 - 8;
        half[p].panel.bottom = 30;
        half[p].panel.top = top;
        TRY(draw_half(s, &half[p], &roofs, p + 1));
    }
    range_tics(&half[0].panel.x, sheet_slot(s, "XTICS"));
    range_tics(&half[0].panel.y, sheet_slot(s, "YTICS"));
    strbuf_add(&s->tsv, "panel\twork\t" DATA_RUN_COLUMNS
                        "intensity_flop_per_byte\tintensity_lo\tintensity_hi\tflop_per_s\t"
                        "flop_per_s_lo\tflop_per_s_hi\tsamples\troof_flop_per_s\t"
                        "roof_fraction\tabove_roof\tside\n");
    for (int p = 0; p < 2; p++) write_data(s, &half[p].chart, &rows[p], p + 1);
    write_caption(s, half, rows, &roofs);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    struct half half[2] = {0};
    enum err e = ERR_NONE;
    for (int p = 0; p < 2 && e == ERR_NONE; p++) {
        const struct chart_columns columns = {
            .x = INTENSITY,
            .x_lo = INTENSITY_LO,
            .x_hi = INTENSITY_HI,
            .y = FLOP_S,
            .y_lo = FLOP_S_LO,
            .y_hi = FLOP_S_HI,
            .phase_word = PHASE,
            /* The number of steps changes what a decode achieves, not what a forward does. */
            .ignore = p == 0 ? 1u << FIELD_STEPS : 0};
        e = chart_open(&rows[p], s, &half[p].panel, &columns, &half[p].chart);
    }
    *empty = half[0].chart.n == 0;
    if (e == ERR_NONE && !*empty) e = lay_out(rows, s, half);
    for (int p = 0; p < 2; p++) {
        chart_free(&half[p].chart);
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
