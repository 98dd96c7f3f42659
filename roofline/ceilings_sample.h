/* ceilings_sample.h - time the same piece of work again and again on part of a team. */
#ifndef ROOFLINE_CEILINGS_SAMPLE_H
#define ROOFLINE_CEILINGS_SAMPLE_H

#include <stdbool.h>

#include "harness/base/team.h"
#include "roofline/contention.h"

/* What each of n_active members does in one sample. */
typedef void sample_fn(void *ctx, int32_t member, int32_t n_active);

enum { SAMPLES_MAX = 32 };

struct samples {
    int32_t n;
    double ns[SAMPLES_MAX];      /* in order of measurement                        */
    bool preempted[SAMPLES_MAX]; /* some member lost its CPU to another meanwhile  */
    struct contention_found others;
};

/* n samples on the first n_active members; the rest sleep.  All start together; a sample
 * runs from the first member's begin to the last one's end.  `warmup` more come before. */
void samples_take(struct team *team, int32_t n_active, int32_t warmup, int32_t n, sample_fn *fn,
                  void *ctx, struct samples *out);

/* The same, keeping the samples during which no member lost its CPU, and taking n more until
 * there are enough or `attempts` are used up; then the last ones are kept as they are.  What
 * is kept depends on the scheduler alone, never on the times.  False: some were disturbed. */
bool samples_take_quiet(struct team *team, int32_t n_active, int32_t attempts, int32_t n,
                        sample_fn *fn, void *ctx, struct samples *out);

/* Median and 95 % limits of work / time, per second. */
void samples_rate(const struct samples *s, double work, double *median, double *lo, double *hi);
/* Median and 95 % limits of time / parts, nanoseconds. */
void samples_cost(const struct samples *s, double parts, double *median, double *lo, double *hi);

#endif
