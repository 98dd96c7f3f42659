/* sheet.h - one page being filled: its data file, its caption and the parts of its script.
 *
 * Lengths are points (1/72 in) from the lower left corner of the page.  Whatever is not a
 * value on an axis is put there by its place on the page, so that nothing depends on how
 * gnuplot lays things out. */
#ifndef PLOTS_SHEET_H
#define PLOTS_SHEET_H

#include "plots/axis.h"
#include "plots/data.h"
#include "plots/label.h"
#include "plots/text.h"

/* Font sizes; journals want at least 7. */
#define FONT_AXIS 8.0
#define FONT_SMALL 7.0

enum { SHEET_SLOTS = 32 };

struct sheet {
    const struct plot_data *data;
    const struct subject *subject; /* NULL: of no run; then there is a title */
    const char *part; /* of a figure in parts: the first word of its rows; NULL: of no parts */
    const char *title;
    double width, height;
    struct strbuf tsv, caption;
    struct {
        char name[24];
        struct strbuf text;
    } slot[SHEET_SLOTS];
    int n_slots;
};
void sheet_free(struct sheet *s);

/* The text that replaces @name@ in the template; empty at first. */
struct strbuf *sheet_slot(struct sheet *s, const char *name);

/* ---- panels ---- */
struct panel {
    double left, right, bottom, top;
    struct axis_range x, y;
    struct scene scene; /* its area is the panel */
};
/* Set the scene's area from the edges. */
void panel_open(struct panel *p);
double panel_x(const struct panel *p, double value);
double panel_y(const struct panel *p, double value);
/* Margins and ranges, as gnuplot commands. */
void panel_write(const struct panel *p, const struct sheet *s, struct strbuf *out);

/* What the axes are called; with units and evidence. */
struct axis_titles {
    const char *x;
    const char *y[2]; /* one or two lines; y[1] NULL: one */
};
/* Below and to the left of the panel, the y title as far out as two lines need. */
void panel_titles(const struct panel *p, const struct sheet *s, const struct axis_titles *t,
                  struct strbuf *out);

/* ---- marks, as gnuplot commands ---- */
void write_text(struct strbuf *out, const struct sheet *s, const struct box *place,
                const char *text, double size, const char *colour);
/* With the left end of the text at x and its middle at y. */
void write_text_from(struct strbuf *out, const struct sheet *s, double x, double y,
                     const char *text, double size, const char *colour);

struct line_style {
    const char *colour;
    double width;
    int dash; /* gnuplot's dashtype; 1: solid */
    bool back;
};
void write_line(struct strbuf *out, const struct sheet *s, double x0, double y0, double x1,
                double y1, const struct line_style *style);
/* pt: gnuplot's point type. */
void write_point(struct strbuf *out, const struct sheet *s, double x, double y, int pt, double size,
                 const char *colour);

/* Radius in points of a point type drawn at a gnuplot pointsize. */
double point_radius(double pointsize);
/* The ring around a symbol, relative to it; templates use the same number. */
#define RING_SIZE 1.7

/* Place a label beside its point and write it, with its leader; *placed tells whether it
 * found room. */
enum err write_label(struct strbuf *out, const struct sheet *s, struct scene *scene, double x,
                     double y, double radius, const char *text, const char *colour,
                     bool *placed) MUST_CHECK;

/* ---- the key: rows of symbols and words along the top of the page ---- */
enum key_kind { KEY_POINT, KEY_LINE, KEY_RING, KEY_SWATCH, KEY_TEXT };
struct key_item {
    enum key_kind kind;
    const char *colour;
    int pt;      /* point type; line: dashtype                */
    double size; /* pointsize or line width                   */
    char text[72];
};
/* Header and key into slot KEY; returns the height they take. */
double sheet_key(struct sheet *s, const struct key_item *items, int n);

#endif
