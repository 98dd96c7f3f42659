/* roof.h - the roofline's arithmetic: two numbers of a machine, one of the work.
 *
 * Which side of the ridge some work lies on is this model's opinion, no more: what
 * really limits a step is found by changing its bytes or its FLOPs and timing again. */
#ifndef ROOFLINE_ROOF_H
#define ROOFLINE_ROOF_H

struct roof {
    double flop_per_s;  /* compute roof of the dtype of the arithmetic      */
    double bytes_per_s; /* bandwidth roof of the level the operands live in */
};

enum side { SIDE_MEMORY, SIDE_COMPUTE, SIDE_UNDECIDED };

/* FLOP per byte; infinite for FLOPs without bytes, NaN for neither. */
double roof_intensity(double flop, double bytes);

/* FLOP per byte at which both roofs take equally long. */
double roof_ridge(struct roof r);

/* min(compute roof, intensity x bandwidth). */
double roof_attainable(struct roof r, double intensity);

/* Seconds that flop and bytes need at least, when they overlap perfectly. */
double roof_time(struct roof r, double flop, double bytes);

/* The side on which the whole band [lo, hi] of an intensity lies; a point on the ridge
 * is on the compute side.  A NaN end decides nothing. */
enum side roof_side(struct roof r, double intensity_lo, double intensity_hi);

const char *side_name(enum side s); /* "memory" */

#endif
