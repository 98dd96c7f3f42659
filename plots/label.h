/* label.h - where the words of a figure go, so that none covers another or a point.
 *
 * Everything is in points (1/72 in) on the page, y upwards.  Text is placed here and not by
 * gnuplot, which knows neither the size of its labels nor what else is drawn. */
#ifndef PLOTS_LABEL_H
#define PLOTS_LABEL_H

#include <stdbool.h>

#include "harness/base/err.h"

/* A rectangle by its centre, turned counter-clockwise. */
struct box {
    double x, y, w, h;
    double angle; /* radians */
};

struct box box_segment(double x0, double y0, double x1, double y1, double thickness);
bool box_overlap(const struct box *a, const struct box *b);
/* The whole of inner lies in outer; outer is not turned. */
bool box_inside(const struct box *inner, const struct box *outer);

/* What is on a page, or on a panel of it. */
struct scene {
    struct box area;  /* labels stay inside it                                    */
    struct box *hard; /* owned; nothing may cover these: points, placed labels    */
    struct box *soft; /* owned; avoided where possible: lines                     */
    int n_hard, n_soft, hard_room, soft_room;
};
enum err scene_add_hard(struct scene *s, struct box b) MUST_CHECK;
enum err scene_add_soft(struct scene *s, struct box b) MUST_CHECK;
/* It covers no point and no label, and lies in the area. */
bool scene_is_free(const struct scene *s, const struct box *b);
void scene_free(struct scene *s);

struct label {
    double x, y; /* the point it belongs to                                     */
    double w, h; /* its size                                                    */
    double gap;  /* radius of the point's symbol                                */

    /* results */
    bool placed; /* false: there is no free place near enough                   */
    struct box box;
    bool leader;           /* far enough away to need a line from the point               */
    double x0, y0, x1, y1; /* that line                                           */
};

/* Place one label and add it to the scene: the nearest free one of eight directions at
 * growing distances, one that covers no line if there is such a place. */
enum err label_place(struct scene *s, struct label *l) MUST_CHECK;

/* Text along the line from (x0, y0) to (x1, y1): slides from one end, nearer to the line first,
 * until it covers nothing; failing that, where it covers fewest lines.  False in *placed when
 * points and labels leave no room; nothing is added then. */
struct line_label {
    double x0, y0, x1, y1;
    double w, h;     /* of the text */
    bool from_end;   /* start at the second point */
    bool both_sides; /* also to the right of the line, else to its left only */

    /* results */
    bool placed;
    struct box box;
};
enum err label_along(struct scene *s, struct line_label *l) MUST_CHECK;

#endif
