/* elasticity.h - from how much slower a changed forward was to what limits the base forward.
 *
 * A forward's time depends on how long its bytes take and how long its arithmetic takes.  What
 * is changed multiplies one of the two demands by a known factor; the elasticity is the
 * exponent with which time follows: 1 when nothing else matters, 0 when it does not matter.
 * docs/MEASURING.md derives the limit of a half. */
#ifndef APP_ELASTICITY_H
#define APP_ELASTICITY_H

#include "harness/base/stats.h"
#include "results/store.h"

struct elasticity {
    double value, lo, hi; /* NaN: unknown */
};

/* time: changed over base.  demand: how many times as long the changed cell's bytes take; may be
 * below 1.  Unknown where that is nearer to 1 than a third either way. */
struct elasticity elasticity_of_bytes(const struct ratio_stats *time, double demand);

/* demand: how many times as long the arithmetic takes; bandwidth: how many times as long the same
 * bytes do, which is taken out with the elasticity in bytes.  Unknown where the bytes changed
 * by more than half as many orders of magnitude as the arithmetic. */
struct elasticity elasticity_of_compute(const struct ratio_stats *time, double demand,
                                        double bandwidth, const struct elasticity *bytes);

/* An elasticity counts when all of its interval is at least a half, and does not when all of it
 * is below.  UNDECIDED: an interval reaches across, or one of them is unknown. */
enum bound bound_of(const struct elasticity *bytes, const struct elasticity *compute);

/* What changing one thing at a time came to, for a forward or a class of operations in it. */
struct comparison {
    struct {
        int32_t rounds;          /* 0: not compared   */
        struct ratio_stats time; /* changed over base */
        double bytes_ratio;      /* changed over base */
        double compute_ratio, bandwidth_ratio; /* base over changed */
    } by[CHANGE_COUNT];
};
struct verdict {
    struct elasticity elasticity[CHANGE_COUNT];
    enum change flop_by; /* whose elasticity in arithmetic was taken; CHANGE_COUNT: none is known */
    enum bound bound;
};
struct verdict verdict_of(const struct comparison *c);

/* A comparison is looked at after so many rounds, at most N_LOOKS times, until it decides.  Each look
 * has this confidence, so that all of them together have 95 %. */
enum { N_LOOKS = 3 };
extern const int32_t look_rounds[N_LOOKS];
extern const double look_confidence;

#endif
