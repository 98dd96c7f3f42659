/* fig_regime.c - the map of batch against block length: which side of the ridge is a forward
 * on?  The map is worked out on paper, the points are counted; where they differ it is said. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plots/figures.h"
#include "roofline/closed_form.h"

enum { INTENSITY, INTENSITY_LO, INTENSITY_HI, ROWS };
enum { PHASE };

/* Rows per sequence: 1 for ar, the block for block, the whole sequence for diffusion. */
static const char sql[] =
    "SELECT f.run_id, f.phase, f.intensity_flop_per_byte, f.intensity_lo, f.intensity_hi,"
    " p.rows * 1.0 / p.forwards / f.batch_seqs"
    " FROM v_roofline f JOIN v_phase p ON p.run_id = f.run_id AND p.phase = f.phase"
    " WHERE f.work = 'algorithmic' AND f.evidence <> 'counter'";

/* Bands of intensity over ridge, and their colours: also ordered in grey, darker on the
 * compute side. */
static const struct {
    double upto; /* times the ridge */
    const char *colour, *text;
} bands[] = {
    {1.0 / 16, "#f2f6fa", "to 1/16"}, {1.0 / 4, "#e3ecf4", "to 1/4"},
    {1, "#d0deeb", "to 1"},           {4, "#f3d9bb", "to 4"},
    {16, "#ebc292", "to 16"},         {INFINITY, "#dfa766", "above"},
};
enum { N_BANDS = sizeof bands / sizeof bands[0], CURVE_POINTS = 97 };

struct map {
    struct closed_model model;
    struct roof roof;
    double cached;      /* positions a block sees before it */
    double prompt, gen; /* of the runs shown */
    int agree, differ, undecided;
};

/* Rows per sequence at which a block forward's intensity is `level` times the ridge; it grows
 * with the rows at every batch. */
static double rows_at(const struct map *m, double batch, double level)
{
    double target = level * roof_ridge(m->roof), lo = 1e-3, hi = 1e6;
    for (int i = 0; i < 80; i++) {
        double middle = sqrt(lo * hi);
        if (closed_block_intensity(&m->model, batch, m->cached, middle) < target)
            lo = middle;
        else
            hi = middle;
    }
    return sqrt(lo * hi);
}

/* False: nothing is known to draw a map from. */
static enum err map_open(const struct sheet *s, const struct drawn_roof *roof, struct map *m)
{
    const struct subject *u = s->subject;
    const struct plot_run *newest = &s->data->run[u->newest];
    struct model_config config;
    int layers = 0;
    sscanf(u->field[SUBJECT_LAYERS], "%d", &layers);
    TRY(model_preset(u->field[SUBJECT_MODEL], layers, &config));
    *m = (struct map){.model = closed_model_of(&config, dtype_named(u->field[SUBJECT_DTYPE]),
                                               dtype_named(u->field[SUBJECT_KV])),
                      .roof = roof->roof,
                      .cached = newest->prompt + newest->gen / 2,
                      .prompt = newest->prompt,
                      .gen = newest->gen};
    return ERR_NONE;
}

static void set_ranges(const struct map *m, struct chart *c)
{
    struct panel *p = c->panel;
    chart_include(c);
    range_include(&p->x, 1);
    range_include(&p->x, 64);
    range_include(&p->y, 1);
    range_include(&p->y, fmin(4096, fmax(64, 1.5 * rows_at(m, 1, 1))));
    range_binary(&p->x);
    range_binary(&p->y);
}

static void write_curves(struct sheet *s, const struct map *m, const struct panel *p)
{
    for (int level = 0; level < N_BANDS - 1; level++) {
        for (int i = 0; i < CURVE_POINTS; i++) {
            double batch = range_value(&p->x, i / (double)(CURVE_POINTS - 1));
            double rows = rows_at(m, batch, bands[level].upto);
            /* Areas are filled up to the curve, so it ends on the frame. */
            double inside = fmin(fmax(rows, p->y.lo), p->y.hi);
            strbuf_addf(&s->tsv, "curve\t%d\t%.7g\t", level + 1, bands[level].upto);
            strbuf_addf(&s->tsv, "NA\tNA\tNA\t%.7g\tNA\tNA\tNA\tNA\tNA\tNA\t%.7g\t%s\t", batch,
                        inside, rows == inside ? "1" : "NA");
            strbuf_add(&s->tsv, "NA\tNA\tNA\n");
        }
    }
}

/* What the map says of a point, from its own formula where the decoder has one. */
static enum side map_side(const struct map *m, const struct mark *k, const struct plot_run *r)
{
    double i = strcmp(r->decoder, "diffusion") == 0
                   ? closed_full_intensity(&m->model, r->batch, k->y)
                   : closed_block_intensity(&m->model, r->batch, m->cached, k->y);
    return roof_side(m->roof, i, i);
}

/* What its counts say, with the band of their traffic, held against the map's roof. */
static enum side counted_side(const struct map *m, const struct plot_row *r)
{
    return roof_side(m->roof, r->v[INTENSITY_LO], r->v[INTENSITY_HI]);
}

static void write_points(struct sheet *s, struct map *m, const struct chart *c,
                         const struct plot_rows *rows)
{
    for (int i = 0; i < c->n; i++) {
        const struct mark *k = &c->marks[i];
        const struct plot_row *r = &rows->row[k->row];
        enum side own = counted_side(m, r), map = map_side(m, k, &s->data->run[k->run]);
        if (own == map)
            m->agree++;
        else if (own == SIDE_UNDECIDED)
            m->undecided++;
        else
            m->differ++;
        strbuf_add(&s->tsv, "run\tNA\tNA\t");
        data_run(s, k);
        text_number(&s->tsv, k->y);
        strbuf_add(&s->tsv, "\tNA\t");
        text_number(&s->tsv, r->v[INTENSITY]);
        strbuf_addf(&s->tsv, "\t%s\t%s\n", side_name(own), side_name(map));
    }
}

/* Write text as near to its side's corner of the panel as points and the ridge allow. */
static enum err try_side(struct sheet *s, const struct map *m, struct chart *c, enum side side,
                         const char *text, double size, struct strbuf *out, bool *placed)
{
    enum { STEP = 3, REACH = 60 };
    const struct panel *p = c->panel;
    int up = side == SIDE_MEMORY ? 1 : -1; /* away from the corner, in both directions */
    double w = text_width(text, size) + 6, h = text_height(size) + 3;
    double x0 = up > 0 ? p->left + w / 2 : p->right - w / 2;
    double y0 = up > 0 ? p->bottom + h / 2 : p->top - h / 2;
    for (int k = 0; k < REACH * REACH && !*placed; k++) {
        int away = k / REACH, across = k % REACH;
        struct box b = {x0 + up * across * STEP, y0 + up * (away - across) * STEP, w, h, 0};
        /* The corner of the box that is nearest to the ridge. */
        double fx = (b.x + up * w / 2 - p->left) / (p->right - p->left);
        double fy = (b.y + up * h / 2 - p->bottom) / (p->top - p->bottom);
        if (across > away || !scene_is_free(&p->scene, &b)) continue;
        double i = closed_block_intensity(&m->model, range_value(&p->x, fx), m->cached,
                                          range_value(&p->y, fy));
        if (roof_side(m->roof, i, i) != side) continue;
        write_text(out, s, &b, text, size, "#333333");
        TRY(scene_add_hard(&c->panel->scene, b));
        *placed = true;
    }
    return ERR_NONE;
}

/* Smaller and shorter where there is little room. */
static enum err name_side(struct sheet *s, const struct map *m, struct chart *c, enum side side,
                          struct strbuf *out)
{
    char text[24];
    bool placed = false;
    snprintf(text, sizeof text, "%s side", side_name(side));
    TRY(try_side(s, m, c, side, text, FONT_AXIS, out, &placed));
    if (!placed) TRY(try_side(s, m, c, side, text, FONT_SMALL, out, &placed));
    if (!placed) TRY(try_side(s, m, c, side, side_name(side), FONT_SMALL, out, &placed));
    c->unplaced += !placed;
    return ERR_NONE;
}

/* Along the contour of the ridge itself. */
static enum err name_ridge(struct sheet *s, const struct map *m, struct chart *c,
                           struct strbuf *out)
{
    const struct panel *p = c->panel;
    double x0 = NAN, y0 = NAN, x1 = NAN, y1 = NAN;
    char text[40], value[24];
    for (int i = 0; i < CURVE_POINTS; i++) {
        double batch = range_value(&p->x, i / (double)(CURVE_POINTS - 1));
        double rows = rows_at(m, batch, 1);
        if (rows < p->y.lo || rows > p->y.hi) continue;
        double x = panel_x(p, batch), y = panel_y(p, rows);
        if (!isnan(x1)) TRY(scene_add_soft(&c->panel->scene, box_segment(x1, y1, x, y, 1.6)));
        /* As long as the curve is nearly straight, so is the line the name is written along. */
        if (isnan(x0)) {
            x0 = x;
            y0 = y;
        }
        x1 = x;
        y1 = y;
        if (hypot(x1 - x0, y1 - y0) > 85) break;
    }
    text_quantity(value, sizeof value, roof_ridge(m->roof), "");
    snprintf(text, sizeof text, "ridge %s", value);
    if (!(hypot(x1 - x0, y1 - y0) > 0)) return ERR_NONE;
    const struct line_label l = {.x0 = x0, .y0 = y0, .x1 = x1, .y1 = y1, .both_sides = true};
    return chart_line_name(c, s, l, text, "black", out);
}

/* "?" beside points whose traffic band crosses the ridge, "!" beside those that are counted on
 * the other side than the map's. */
static enum err mark_differences(struct sheet *s, const struct map *m, struct chart *c,
                                 const struct plot_rows *rows, struct strbuf *out)
{
    for (int i = 0; i < c->n; i++) {
        const struct mark *k = &c->marks[i];
        enum side own = counted_side(m, &rows->row[k->row]);
        bool placed, repeated = i > 0 && k[-1].series == k->series && k[-1].x == k->x;
        if (repeated || own == map_side(m, k, &s->data->run[k->run])) continue;
        TRY(write_label(out, s, &c->panel->scene, panel_x(c->panel, k->x), panel_y(c->panel, k->y),
                        point_radius(0.6), own == SIDE_UNDECIDED ? "?" : "!", "black", &placed));
        c->unplaced += !placed;
    }
    return ERR_NONE;
}

static void write_caption(struct sheet *s, const struct map *m, const struct chart *c,
                          const struct drawn_roof *roof)
{
    struct strbuf *t = &s->caption;
    char value[24];
    text_quantity(value, sizeof value, roof_ridge(m->roof), "");
    caption_begin(s, "Side of the ridge by batch and block length");
    strbuf_addf(t,
                "Colours: arithmetic intensity of a block forward with %g cached positions over "
                "the ridge (%s FLOP/byte: %s over %s), from closed forms that count linear maps, "
                "attention, weights, keys and values only. Black line: the ridge; above it lies "
                "the compute side of the roofline model.\n",
                m->cached, value, roof->peak, roof->bandwidth);
    strbuf_addf(t,
                "Points: runs with %g prompt and %g generated tokens, at the rows per sequence "
                "that a forward of their main phase computes: 1 for ar, the block for block, "
                "the whole sequence for diffusion, which sees no cached positions. Their side is "
                "counted by the ledger, with the band of the traffic estimate. %d of %d lie on "
                "the side that the closed forms give; %d are undecided because the band crosses "
                "the ridge (?), %d are counted on the other side (!). What really bounds a "
                "forward is found by intervention, not from this figure.\n",
                m->prompt, m->gen, m->agree, c->n, m->undecided, m->differ);
    strbuf_add(t, s->subject->predicted ? "Hollow symbols: nothing was run, only counted.\n"
                                        : "Filled symbols: these cells were run.\n");
    caption_resident(s, c);
    caption_unplaced(s, c->unplaced);
    caption_end(s);
}

static enum err lay_out(const struct plot_rows *rows, struct sheet *s, struct map *m,
                        struct chart *c, const struct drawn_roof *roof)
{
    static const struct axis_titles titles = {"batch (sequences)",
                                              {"block length", "(rows per sequence in a forward)"}};
    struct strbuf *out = sheet_slot(s, "LABELS");
    struct key_item items[N_BANDS + 1] = {{.kind = KEY_TEXT, .text = "intensity / ridge:"}};
    for (int i = 0; i < N_BANDS; i++) {
        items[i + 1] = (struct key_item){.kind = KEY_SWATCH, .colour = bands[i].colour};
        snprintf(items[i + 1].text, sizeof items[i].text, "%s", bands[i].text);
        strbuf_addf(sheet_slot(s, "BANDS"), "%s%s", i ? " " : "", bands[i].colour);
    }
    set_ranges(m, c);
    chart_page(c, s, &titles, items, N_BANDS + 1);
    TRY(chart_obstacles(c, s));
    TRY(name_ridge(s, m, c, out));
    TRY(name_side(s, m, c, SIDE_MEMORY, out));
    TRY(name_side(s, m, c, SIDE_COMPUTE, out));
    TRY(mark_differences(s, m, c, rows, out));
    series_write(&c->series, c->marks, s, "");
    range_binary_tics(&c->panel->x, sheet_slot(s, "XTICS"));
    range_binary_tics(&c->panel->y, sheet_slot(s, "YTICS"));
    strbuf_addf(sheet_slot(s, "BOTTOM"), "%.8g", c->panel->y.lo);
    strbuf_add(&s->tsv, "kind\tcurve\ttimes_ridge\t" DATA_RUN_COLUMNS
                        "rows_per_seq\tinside\tintensity_flop_per_byte\tside\tmap_side\n");
    write_curves(s, m, c->panel);
    write_points(s, m, c, rows);
    write_caption(s, m, c, roof);
    return ERR_NONE;
}

static enum err draw(const struct plot_rows *rows, struct sheet *s, bool *empty)
{
    const struct chart_columns columns = {.x = BATCH_X,
                                          .x_lo = -1,
                                          .x_hi = -1,
                                          .y = ROWS,
                                          .y_lo = -1,
                                          .y_hi = -1,
                                          .phase_word = PHASE,
                                          .main_only = true,
                                          .ignore = ~0u};
    struct panel panel = {0};
    struct chart chart;
    struct roofs roofs;
    struct map map;
    roofs_find(s, &roofs);
    enum err e = chart_open(&rows[0], s, &panel, &columns, &chart);
    *empty = chart.n == 0 || roofs.n == 0;
    if (e == ERR_NONE && !*empty) e = map_open(s, &roofs.roof[0], &map);
    if (e == ERR_NONE && !*empty) e = lay_out(rows, s, &map, &chart, &roofs.roof[0]);
    chart_free(&chart);
    scene_free(&panel.scene);
    return e;
}

const struct figure figure_regime = {
    .name = "regime",
    .help = "map of batch against block length: the side of the ridge",
    .needs = "the database has no finished run with a roof",
    .query = {{sql, 1}},
    .draw = draw,
};
