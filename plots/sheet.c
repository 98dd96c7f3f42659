/* sheet.c - see sheet.h. */
#include "plots/sheet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void sheet_free(struct sheet *s)
{
    strbuf_free(&s->tsv);
    strbuf_free(&s->caption);
    for (int i = 0; i < s->n_slots; i++) strbuf_free(&s->slot[i].text);
    s->n_slots = 0;
}

struct strbuf *sheet_slot(struct sheet *s, const char *name)
{
    for (int i = 0; i < s->n_slots; i++)
        if (strcmp(s->slot[i].name, name) == 0) return &s->slot[i].text;
    CHECK(s->n_slots < SHEET_SLOTS);
    snprintf(s->slot[s->n_slots].name, sizeof s->slot[0].name, "%s", name);
    return &s->slot[s->n_slots++].text;
}

void panel_open(struct panel *p)
{
    p->scene.area = (struct box){(p->left + p->right) / 2, (p->bottom + p->top) / 2,
                                 p->right - p->left, p->top - p->bottom, 0};
}

double panel_x(const struct panel *p, double value)
{
    return p->left + (p->right - p->left) * range_at(&p->x, value);
}

double panel_y(const struct panel *p, double value)
{
    return p->bottom + (p->top - p->bottom) * range_at(&p->y, value);
}

void panel_write(const struct panel *p, const struct sheet *s, struct strbuf *out)
{
    strbuf_addf(out, "    set lmargin at screen %.5f\n", p->left / s->width);
    strbuf_addf(out, "    set rmargin at screen %.5f\n", p->right / s->width);
    strbuf_addf(out, "    set bmargin at screen %.5f\n", p->bottom / s->height);
    strbuf_addf(out, "    set tmargin at screen %.5f\n", p->top / s->height);
    if (p->x.any) strbuf_addf(out, "    set xrange [%.8g:%.8g]\n", p->x.lo, p->x.hi);
    if (p->y.any) strbuf_addf(out, "    set yrange [%.8g:%.8g]\n", p->y.lo, p->y.hi);
}

void panel_titles(const struct panel *p, const struct sheet *s, const struct axis_titles *t,
                  struct strbuf *out)
{
    const double line = FONT_AXIS * 1.15, tics = 25;
    double x = (p->left + p->right) / 2, y = (p->bottom + p->top) / 2;
    struct box place = {fmin(x, s->width - text_width(t->x, FONT_AXIS) / 2 - 2), p->bottom - 20, 0,
                        0, 0};
    write_text(out, s, &place, t->x, FONT_AXIS, "black");
    for (int i = 0; i < 2 && t->y[i]; i++) {
        bool outer = i == 0 && t->y[1];
        place = (struct box){p->left - tics - (outer ? 1.5 : 0.5) * line,
                             fmax(y, text_width(t->y[i], FONT_AXIS) / 2 + 2), 0, 0, M_PI / 2};
        write_text(out, s, &place, t->y[i], FONT_AXIS, "black");
    }
}

static void write_place(struct strbuf *out, const struct sheet *s, double x, double y)
{
    strbuf_addf(out, "screen %.5f,%.5f", x / s->width, y / s->height);
}

static void text_command(struct strbuf *out, const struct sheet *s, double x, double y,
                         const char *align, double degrees, const char *text, double size,
                         const char *colour)
{
    strbuf_add(out, "    set label ");
    text_quote(out, text);
    strbuf_add(out, " at ");
    write_place(out, s, x, y);
    strbuf_addf(out, " %s", align);
    if (fabs(degrees) > 0.05) strbuf_addf(out, " rotate by %.2f", degrees);
    strbuf_addf(out, " font ',%g' tc rgb '%s' front\n", size, colour);
}

void write_text(struct strbuf *out, const struct sheet *s, const struct box *place,
                const char *text, double size, const char *colour)
{
    text_command(out, s, place->x, place->y, "center", place->angle * 180 / M_PI, text, size,
                 colour);
}

void write_text_from(struct strbuf *out, const struct sheet *s, double x, double y,
                     const char *text, double size, const char *colour)
{
    text_command(out, s, x, y, "left", 0, text, size, colour);
}

void write_line(struct strbuf *out, const struct sheet *s, double x0, double y0, double x1,
                double y1, const struct line_style *style)
{
    strbuf_add(out, "    set arrow from ");
    write_place(out, s, x0, y0);
    strbuf_add(out, " to ");
    write_place(out, s, x1, y1);
    strbuf_addf(out, " nohead lw %g dt %d lc rgb '%s' %s\n", style->width, style->dash,
                style->colour, style->back ? "back" : "front");
}

void write_point(struct strbuf *out, const struct sheet *s, double x, double y, int pt, double size,
                 const char *colour)
{
    strbuf_add(out, "    set label '' at ");
    write_place(out, s, x, y);
    strbuf_addf(out, " point pt %d ps %g lc rgb '%s' front\n", pt, size, colour);
}

double point_radius(double pointsize)
{
    return 3.5 * pointsize;
}

enum err write_label(struct strbuf *out, const struct sheet *s, struct scene *scene, double x,
                     double y, double radius, const char *text, const char *colour, bool *placed)
{
    struct label l = {.x = x,
                      .y = y,
                      .w = text_width(text, FONT_SMALL) + 3, /* apart from the next one */
                      .h = text_height(FONT_SMALL),
                      .gap = radius};
    TRY(label_place(scene, &l));
    *placed = l.placed;
    if (!l.placed) return ERR_NONE;
    write_text(out, s, &l.box, text, FONT_SMALL, colour);
    const struct line_style thin = {.colour = "#999999", .width = 0.5, .dash = 1};
    if (l.leader) write_line(out, s, l.x0, l.y0, l.x1, l.y1, &thin);
    return ERR_NONE;
}

/* What the page is about, in one line that fits it. */
static void header(const struct sheet *s, char *out, size_t size)
{
    const struct subject *u = s->subject;
    if (!u) {
        snprintf(out, size, "%s", s->title);
        return;
    }
    const char *layers = u->field[SUBJECT_LAYERS], *threads = u->field[SUBJECT_THREADS];
    const char *isa = u->field[SUBJECT_ISA], *compute = u->field[SUBJECT_COMPUTE];
    snprintf(out, size, "%s%s: %s%s%s%s, %s%s%s%s%s%s%s%s, %s + %s tokens", u->device,
             u->predicted ? " (predicted)" : "", u->field[SUBJECT_MODEL], *layers ? ", " : "",
             layers, *layers ? " layers" : "", u->field[SUBJECT_DTYPE], *compute ? " x " : "",
             compute, *threads ? ", " : "", threads, *threads ? strcmp(threads, "1") == 0 ? " thread" : " threads" : "",
             *isa ? ", " : "", isa,
             u->field[SUBJECT_PROMPT], u->field[SUBJECT_GEN]);
    while (text_width(out, FONT_SMALL) > s->width - 10 && strlen(out) > 4)
        snprintf(out + strlen(out) - 4, 4, "...");
}

static void write_symbol(struct strbuf *out, const struct sheet *s, const struct key_item *k,
                         double x, double y, double width)
{
    const struct line_style line = {.colour = k->colour, .width = k->size, .dash = k->pt};
    switch (k->kind) {
    case KEY_POINT:
    case KEY_RING:
        write_point(out, s, x + width / 2, y, k->pt, k->size, k->colour);
        break;
    case KEY_LINE:
        write_line(out, s, x, y, x + width, y, &line);
        break;
    case KEY_TEXT:
        break;
    case KEY_SWATCH:
        strbuf_addf(out, "    set object rectangle from ");
        write_place(out, s, x, y - 3);
        strbuf_add(out, " to ");
        write_place(out, s, x + width, y + 3);
        strbuf_addf(out, " fs solid 1.0 border lc rgb '#333333' fc rgb '%s' lw 0.4 front\n",
                    k->colour);
        break;
    }
}

double sheet_key(struct sheet *s, const struct key_item *items, int n)
{
    enum { LINE_HEIGHT = 10, MARGIN = 5, GAP = 9 };
    struct strbuf *out = sheet_slot(s, "KEY");
    char text[512];
    double y = s->height - 8, x = MARGIN;
    header(s, text, sizeof text);
    write_text_from(out, s, x, y, text, FONT_SMALL, "#555555");
    y -= LINE_HEIGHT;
    for (int i = 0; i < n; i++) {
        double symbol = items[i].kind == KEY_LINE ? 17 : items[i].kind == KEY_TEXT ? 0 : 10;
        double width = symbol + text_width(items[i].text, FONT_SMALL);
        if (x > MARGIN && x + width > s->width - MARGIN) {
            x = MARGIN;
            y -= LINE_HEIGHT;
        }
        write_symbol(out, s, &items[i], x, y, symbol - 3);
        write_text_from(out, s, x + symbol, y, items[i].text, FONT_SMALL, "black");
        x += width + GAP;
    }
    return s->height - y + LINE_HEIGHT / 2;
}
