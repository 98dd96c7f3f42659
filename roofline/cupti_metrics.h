/* cupti_metrics.h - which of CUPTI's metrics fill which of our counters, chip by chip.
 *
 * A name says its roll-up over the units of the chip: "dram__bytes_read" with ".sum".  A set is
 * what one configuration of the hardware collects together, in a known number of passes over
 * the same work; the number is asserted when a set is configured, on a machine without a GPU
 * as on one with. */
#ifndef ROOFLINE_CUPTI_METRICS_H
#define ROOFLINE_CUPTI_METRICS_H

#include <stdbool.h>

#include "harness/base/err.h"
#include "roofline/counter.h"

struct cupti_metric {
    const char *name;   /* "dram__bytes_read.sum"                                     */
    const char *rollup; /* "sum": the part behind the first point                     */
    const char *unit;   /* as CUPTI names it: "byte", "l2_sector", "math_op"          */
    enum counter column;
    int32_t factor; /* the column is the sum of factor x value over its metrics   */
};

struct cupti_set {
    const char *name; /* "base", "vector", "wide"                                   */
    const char *chip; /* as CUPTI names it: "GA100", "GH100"                        */
    int32_t passes;
    bool instrumented; /* adds instructions to kernels: bytes and times are not theirs */
    const struct cupti_metric *metric;
    int32_t n;
    const char *help;
};

enum { CUPTI_SET_MAX = 24 }; /* metrics in one set */

/* Sets in order; NULL past the last. */
const struct cupti_set *cupti_set_at(int32_t i);
/* ERR_UNSUPPORTED names the chips there are sets for, ERR_USAGE the sets of the chip. */
enum err cupti_set_find(const char *chip, const char *name,
                        const struct cupti_set **out) MUST_CHECK;

/* Columns of values[set->n].  ERR_DEVICE names a metric whose value is not a number, negative
 * or past 2^62. */
enum err cupti_set_columns(const struct cupti_set *set, const double *values,
                           struct counters *out) MUST_CHECK;

#endif
