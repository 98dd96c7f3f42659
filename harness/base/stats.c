/* stats.c - order statistics and what they say about the median. */
#include "harness/base/stats.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/err.h"

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void stats_sort(double *x, int32_t n)
{
    qsort(x, (size_t)n, sizeof *x, compare);
}

double stats_quantile(const double *sorted, int32_t n, double p)
{
    CHECK(n > 0 && p >= 0 && p <= 1);
    double h = (n - 1) * p;
    int32_t i = (int32_t)h;
    if (i >= n - 1) return sorted[n - 1];
    return sorted[i] + (h - i) * (sorted[i + 1] - sorted[i]);
}

double stats_median(const double *sorted, int32_t n)
{
    CHECK(n > 0);
    /* Half of the sum, not quantile 0.5: exact when the two are equal. */
    return n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

double stats_mad(const double *sorted, int32_t n)
{
    const double median = stats_median(sorted, n);
    /* The deviations below the median and those above are each in order already, nearest
     * first, when walked outward from the middle: merge them up to the middle one. */
    int32_t below = n / 2 - 1, above = n / 2;
    double last = 0, before_last = 0;
    for (int32_t taken = 0; taken <= n / 2; taken++) {
        before_last = last;
        bool take_below = above >= n || (below >= 0 && median - sorted[below] <=
                                                           sorted[above] - median);
        last = take_below ? median - sorted[below--] : sorted[above++] - median;
    }
    return n % 2 ? last : 0.5 * (before_last + last);
}

bool stats_median_ranks(int32_t n, double confidence, int32_t *lo, int32_t *hi, double *coverage)
{
    CHECK(n > 0 && confidence > 0 && confidence < 1);
    /* The median lies outside (x[k], x[n+1-k]) with probability 2 P(X < k), X ~ Bin(n, 1/2);
     * take the largest k for which that is at most 1 - confidence. */
    int sign;
    const double log_n_fact = lgamma_r(n + 1.0, &sign);
    double tail = 0; /* P(X < k) */
    int32_t k = 0;
    while (k + 1 <= n / 2) {
        double p = exp(log_n_fact - lgamma_r(k + 1.0, &sign) - lgamma_r(n - k + 1.0, &sign) -
                       n * log(2.0));
        if (2 * (tail + p) > 1 - confidence) break;
        tail += p;
        k++;
    }
    if (k == 0) return false;
    *lo = k;
    *hi = n + 1 - k;
    *coverage = 1 - 2 * tail;
    return true;
}

bool stats_median_ci(const double *sorted, int32_t n, double confidence, double *lo, double *hi)
{
    int32_t lo_rank, hi_rank;
    double coverage;
    if (!stats_median_ranks(n, confidence, &lo_rank, &hi_rank, &coverage)) return false;
    *lo = sorted[lo_rank - 1];
    *hi = sorted[hi_rank - 1];
    return true;
}

double stats_autocorrelation(const double *series, int32_t n)
{
    if (n < 3) return 0;
    /* Relative to the first value, so that a constant series has exactly no variance. */
    const double origin = series[0];
    double mean = 0, lagged = 0, var = 0;
    for (int32_t i = 0; i < n; i++) mean += (series[i] - origin) / n;
    for (int32_t i = 0; i < n; i++) {
        double d = series[i] - origin - mean;
        var += d * d;
        if (i > 0) lagged += d * (series[i - 1] - origin - mean);
    }
    return var > 0 ? lagged / var : 0;
}

void stats_paired_ratio(const double *a, const double *b, int32_t n, double confidence,
                        double *scratch, struct ratio_stats *out)
{
    CHECK(n > 0);
    double log_sum = 0;
    for (int32_t i = 0; i < n; i++) {
        CHECK(a[i] > 0 && b[i] > 0);
        scratch[i] = a[i] / b[i];
        log_sum += log(a[i]) - log(b[i]);
    }
    stats_sort(scratch, n);
    *out = (struct ratio_stats){.geomean = exp(log_sum / n), .lo = NAN, .hi = NAN};
    /* Halfway between two middle ratios in the logarithm, so that swapping the arms gives
     * exactly the inverse. */
    out->median = n % 2 ? scratch[n / 2] : sqrt(scratch[n / 2 - 1] * scratch[n / 2]);
    out->has_ci = stats_median_ci(scratch, n, confidence, &out->lo, &out->hi);
}
