/* axis.h - an axis, logarithmic unless it says otherwise: its range, its tics, and where a value
 * lies on it. */
#ifndef PLOTS_AXIS_H
#define PLOTS_AXIS_H

#include <stdbool.h>

#include "harness/base/strbuf.h"

struct axis_range {
    double lo, hi; /* both > 0 unless linear                               */
    bool any;      /* something was included                               */
    bool linear;
};

/* It has a place on such an axis: finite, and on a logarithmic one above 0. */
bool range_holds(const struct axis_range *r, double value);
/* Widen the range to take in a value; one that has no place is ignored. */
void range_include(struct axis_range *r, double value);

/* Out to whole decades, at least one. */
void range_decades(struct axis_range *r);
/* Out to 1, 2 or 5 times a power of ten, leaving some room. */
void range_snug(struct axis_range *r);
/* For powers of two: half a step of room on both sides. */
void range_binary(struct axis_range *r);

/* 0 at lo, 1 at hi. */
double range_at(const struct axis_range *r, double value);
/* The value at a fraction of the axis. */
double range_value(const struct axis_range *r, double fraction);

/* The inside of a gnuplot "set xtics (...)": decades, of ranges under two decades also 2 and 5
 * times a decade, labelled with the prefixes of the SI: 10, 100, 1 k. */
void range_tics(const struct axis_range *r, struct strbuf *out);
/* Powers of two. */
void range_binary_tics(const struct axis_range *r, struct strbuf *out);

#endif
