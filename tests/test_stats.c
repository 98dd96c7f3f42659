/* test_stats.c - order statistics against numbers worked by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "harness/base/stats.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("%.17g, expected %.17g", got, want);
}

static void medians_and_quantiles(void **state)
{
    (void)state;
    double x[] = {7, 1, 3, 2, 10};
    stats_sort(x, 5);
    const double sorted[] = {1, 2, 3, 7, 10};
    assert_memory_equal(x, sorted, sizeof sorted);
    assert_true(stats_median(sorted, 5) == 3);
    assert_true(stats_median(sorted, 4) == 2.5);
    assert_true(stats_median(sorted, 1) == 1);

    /* Type 7 puts quantile p at position (n - 1) p, counted from 0. */
    assert_true(stats_quantile(sorted, 5, 0) == 1);
    assert_true(stats_quantile(sorted, 5, 0.25) == 2);
    assert_true(stats_quantile(sorted, 5, 0.5) == 3);
    near(stats_quantile(sorted, 5, 0.9), 7 + 0.6 * 3, 1e-15); /* position 3.6 */
    assert_true(stats_quantile(sorted, 5, 1) == 10);
    near(stats_quantile(sorted, 4, 0.5), 2.5, 0); /* position 1.5 */
}

/* Against sorting the deviations, for samples of every small size, with ties. */
static void mad_equals_sorted_deviations(void **state)
{
    (void)state;
    const double sorted[] = {1, 2, 3, 7, 10}; /* deviations from 3: 0 1 2 4 7 */
    assert_true(stats_mad(sorted, 5) == 2);
    const double even[] = {1, 2, 4, 9}; /* from 3: 1 1 2 6 */
    assert_true(stats_mad(even, 4) == 1.5);
    assert_true(stats_mad(sorted, 1) == 0);
    for (int32_t n = 1; n <= 40; n++) {
        double x[40], d[40];
        for (int32_t i = 0; i < n; i++) x[i] = (double)(mix64((uint64_t)(n * 100 + i)) % 30);
        stats_sort(x, n);
        double median = stats_median(x, n);
        for (int32_t i = 0; i < n; i++) d[i] = fabs(x[i] - median);
        stats_sort(d, n);
        assert_true(stats_mad(x, n) == stats_median(d, n));
    }
}

/* The pair of ranks and its coverage, from the binomial coefficients themselves. */
static void median_ranks_match_the_binomial_tables(void **state)
{
    (void)state;
    static const struct {
        int32_t n, lo, hi;
        double coverage; /* 1 - 2 * sum_{i<lo} C(n,i) / 2^n */
    } cases[] = {
        {6, 1, 6, 1 - 2 * 1.0 / 64},
        {8, 1, 8, 1 - 2 * 1.0 / 256},
        {9, 2, 8, 1 - 2 * (1 + 9.0) / 512},
        {10, 2, 9, 1 - 2 * (1 + 10.0) / 1024},
        {15, 4, 12, 1 - 2 * (1 + 15 + 105 + 455.0) / 32768},
        {20, 6, 15, 1 - 2 * (1 + 20 + 190 + 1140 + 4845 + 15504.0) / 1048576},
    };
    int32_t lo, hi;
    double coverage;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(stats_median_ranks(cases[i].n, 0.95, &lo, &hi, &coverage));
        assert_int_equal(lo, cases[i].lo);
        assert_int_equal(hi, cases[i].hi);
        /* lgamma is good to a few ulp of its size (below 50 here): 1e-13 is ample. */
        near(coverage, cases[i].coverage, 1e-13);
    }
    for (int32_t n = 1; n < 6; n++) assert_false(stats_median_ranks(n, 0.95, &lo, &hi, &coverage));

    /* Many samples: the ranks approach n/2 -+ 1.96 sqrt(n)/2, within one rank of rounding. */
    assert_true(stats_median_ranks(10000, 0.95, &lo, &hi, &coverage));
    near(lo, 5000 - 1.959964 * 50, 1.5);
    assert_int_equal(lo + hi, 10001);
    assert_true(coverage >= 0.95 && coverage < 0.953);
}

static void median_ci_takes_those_ranks(void **state)
{
    (void)state;
    const double x[] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 190};
    double lo, hi;
    assert_true(stats_median_ci(x, 10, 0.95, &lo, &hi));
    assert_true(lo == 11 && hi == 18);
    assert_false(stats_median_ci(x, 5, 0.95, &lo, &hi));
}

/* How often the interval holds the true median of a skewed distribution.  4000 trials of
 * coverage 0.9785: the standard error is sqrt(0.9785 * 0.0215 / 4000) = 0.0023; 4 of them. */
static void median_ci_covers_as_often_as_it_says(void **state)
{
    (void)state;
    enum { TRIALS = 4000, N = 10 };
    int32_t covered = 0;
    for (uint32_t t = 0; t < TRIALS; t++) {
        double x[N], lo, hi;
        for (uint32_t i = 0; i < N; i++) {
            const uint32_t counter[4] = {t, i, 0, 0};
            double u = (philox4x32(counter, 1).word[0] + 0.5) / 4294967296.0;
            x[i] = -log(u); /* exponential: median log 2 */
        }
        stats_sort(x, N);
        assert_true(stats_median_ci(x, N, 0.95, &lo, &hi));
        covered += lo <= log(2.0) && log(2.0) <= hi;
    }
    near((double)covered / TRIALS, 0.978515625, 4 * 0.0023);
}

static void autocorrelation_of_known_series(void **state)
{
    (void)state;
    /* mean 2.5, deviations -1.5 -0.5 0.5 1.5: products 0.75 - 0.25 + 0.75, squares 5 */
    const double ramp[] = {1, 2, 3, 4};
    near(stats_autocorrelation(ramp, 4), 0.25, 1e-15);
    /* +1 -1 +1 -1: three products of -1 over four squares */
    const double alternating[] = {1, -1, 1, -1};
    near(stats_autocorrelation(alternating, 4), -0.75, 1e-15);
    const double constant[] = {0.1, 0.1, 0.1, 0.1, 0.1};
    assert_true(stats_autocorrelation(constant, 5) == 0);
    assert_true(stats_autocorrelation(ramp, 2) == 0);
}

static void paired_ratios(void **state)
{
    (void)state;
    /* ratios 1/2, 1/2, 1, 2, 2, 4, 8, 8: logarithms to base 2 sum to 8, of 8 */
    const double a[] = {1, 2, 8, 4, 2, 1, 8, 3}, b[] = {2, 2, 1, 2, 1, 2, 1, 0.75};
    double scratch[8];
    struct ratio_stats r, inverse;
    stats_paired_ratio(a, b, 8, 0.95, scratch, &r);
    near(r.geomean, 2, 1e-15);
    assert_true(r.median == 2);
    assert_true(r.has_ci && r.lo == 0.5 && r.hi == 8); /* ranks 1 and 8 */

    stats_paired_ratio(b, a, 8, 0.95, scratch, &inverse);
    near(inverse.geomean, 1 / r.geomean, 1e-15);
    assert_true(inverse.median == 1 / r.median);
    assert_true(inverse.lo == 1 / r.hi && inverse.hi == 1 / r.lo);

    stats_paired_ratio(a, b, 5, 0.95, scratch, &r);
    assert_false(r.has_ci);
    assert_true(isnan(r.lo) && isnan(r.hi));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians_and_quantiles),
        cmocka_unit_test(mad_equals_sorted_deviations),
        cmocka_unit_test(median_ranks_match_the_binomial_tables),
        cmocka_unit_test(median_ci_takes_those_ranks),
        cmocka_unit_test(median_ci_covers_as_often_as_it_says),
        cmocka_unit_test(autocorrelation_of_known_series),
        cmocka_unit_test(paired_ratios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
