/* precision.h - how well the ratio of two forwards' times is known, and when that is enough.
 *
 * Forwards that take turns one by one share what the machine does meanwhile, so their ratio is
 * known far better than either time.  How many turns that takes is the machine's doing: looks after
 * 24, 48, 96 ... rounds stop once the 95 % interval of the median ratio is narrow enough.  Its
 * width decides, never where it lies, so that stopping does not spoil its confidence (a fixed-width
 * interval, Chow and Robbins 1965); doubling keeps the looks few. */
#ifndef APP_PRECISION_H
#define APP_PRECISION_H

#include "harness/app/measure.h"

enum { PRECISION_FIRST_LOOK = 24, PRECISION_ROUNDS_MAX = 1536 };

struct ratio_interval {
    double median, lo, hi; /* lo, hi: NaN below six rounds */
};
/* Of n > 0 ratios, each of one round; scratch[n] is overwritten. */
struct ratio_interval ratio_interval_of(const double *ratio, int32_t n, double *scratch);
/* Whether both limits are within `most` of the median. */
bool ratio_is_known(const struct ratio_interval *r, double most);

/* Whether to look after so many rounds. */
bool precision_is_look(int32_t rounds);

/* Measuring a group until each partner's ratio to the baseline is known to `most`, or the next look
 * would come after limit_ns. */
struct precision {
    double most;
    int64_t limit_ns, begin_ns; /* begin_ns: of the group, set at its first round */
};
extern const struct measure_limits precision_limits;
/* measure_limits.look, with a struct precision. */
void precision_look(void *ctx, struct arm *arm, int32_t n, int32_t rounds);

#endif
