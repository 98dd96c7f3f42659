/* stats.h - summaries of samples that assume no distribution.
 *
 * Timings are skewed and have outliers, so medians and ranks, never mean and
 * standard deviation.  "sorted" arguments are ascending (stats_sort); n > 0. */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include <stdbool.h>
#include <stdint.h>

void stats_sort(double *x, int32_t n);

/* Quantile p in [0, 1], linear between order statistics (type 7 of Hyndman and Fan). */
double stats_quantile(const double *sorted, int32_t n, double p);
double stats_median(const double *sorted, int32_t n);

/* Median absolute deviation from the median, unscaled. */
double stats_mad(const double *sorted, int32_t n);

/* Ranks (from 1) of the two order statistics that enclose the median with at least the
 * given confidence: the narrowest symmetric pair.  coverage: the exact probability, from
 * Binomial(n, 1/2).  False when n is too small for any pair (below 6 at 0.95). */
bool stats_median_ranks(int32_t n, double confidence, int32_t *lo, int32_t *hi, double *coverage);

/* The same as values.  Valid for independent samples of any continuous distribution. */
bool stats_median_ci(const double *sorted, int32_t n, double confidence, double *lo, double *hi);

/* Lag-1 autocorrelation of a series in the order it was measured; 0 when it is constant or
 * shorter than 3.  Well above 2 / sqrt(n): the samples are not independent. */
double stats_autocorrelation(const double *series, int32_t n);

/* How two arms measured in pairs compare: a[i] and b[i] belong together, all > 0. */
struct ratio_stats {
    double geomean; /* exp of the mean of log(a / b)                           */
    double median;  /* of a / b                                                */
    double lo, hi;  /* confidence limits of the median ratio, by ranks; NaN without has_ci */
    bool has_ci;    /* n was large enough                                      */
};
/* scratch[n] is overwritten. */
void stats_paired_ratio(const double *a, const double *b, int32_t n, double confidence,
                        double *scratch, struct ratio_stats *out);

#endif
