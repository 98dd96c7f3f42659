/* slow_base.c - random inputs for the parser of axis values, long statistics of intervals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/json.h"
#include "harness/base/range.h"
#include "harness/base/rng.h"
#include "harness/base/stats.h"

static uint32_t draw(uint64_t *state, uint32_t n)
{
    return rng_below((uint32_t)(mix64((*state)++) >> 32), n);
}

/* Whatever the text: no crash, an error has a message, values keep their promises, and the
 * two passes over the grammar agree on what is a range. */
static void any_text_is_a_range_or_a_usage_error(void **state)
{
    static const char letters[] = "0123456789012-+*,, kMGi/x.";
    uint64_t rng = 1;
    int32_t n_ok = 0;
    for (int32_t trial = 0; trial < 1000000; trial++) {
        char text[16];
        uint32_t len = draw(&rng, sizeof text);
        for (uint32_t i = 0; i < len; i++) text[i] = letters[draw(&rng, sizeof letters - 1)];
        text[len] = '\0';

        int64_t *v = NULL;
        int32_t n = 0;
        enum err e = range_parse(text, &v, &n);
        if (e != ERR_NONE) {
            assert_int_equal(e, ERR_USAGE);
            assert_true(strlen(err_msg()) > 0);
            assert_null(v);
            continue;
        }
        n_ok++;
        assert_true(range_matches(text));
        assert_in_range(n, 1, RANGE_MAX_VALUES);
        for (int32_t i = 0; i < n; i++) assert_true(v[i] >= 0);
        if (!strchr(text, ','))
            for (int32_t i = 1; i < n; i++) assert_true(v[i] > v[i - 1]);
        free(v);
    }
    assert_true(n_ok > 10000); /* the letters do make ranges often enough to mean something */
}

/* Steps written out one by one must give what the range gives. */
static void a_range_equals_its_list(void **state)
{
    uint64_t rng = 2;
    for (int32_t trial = 0; trial < 20000; trial++) {
        int64_t first = 1 + draw(&rng, 50), last = first + draw(&rng, 500);
        int64_t step = 2 + draw(&rng, 6);
        char op = draw(&rng, 2) ? '+' : '*';
        struct strbuf range = {0}, list = {0};
        strbuf_addf(&range, "%lld-%lld%c%lld", (long long)first, (long long)last, op,
                    (long long)step);
        for (int64_t v = first; v <= last; v = op == '+' ? v + step : v * step)
            strbuf_addf(&list, "%s%lld", list.len ? "," : "", (long long)v);

        int64_t *a = NULL, *b = NULL;
        int32_t n_a = 0, n_b = 0;
        assert_int_equal(range_parse(strbuf_text(&range), &a, &n_a), ERR_NONE);
        assert_int_equal(range_parse(strbuf_text(&list), &b, &n_b), ERR_NONE);
        assert_int_equal(n_a, n_b);
        assert_memory_equal(a, b, (size_t)n_a * sizeof *a);
        free(a);
        free(b);
        strbuf_free(&range);
        strbuf_free(&list);
    }
}

/* Coverage of the interval for the median, for skewed samples of several sizes.  Of 40000
 * trials the standard error is below sqrt(0.05 * 0.95 / 40000) = 0.0011; 5 of them. */
static void intervals_cover_as_often_as_they_say(void **state)
{
    enum { TRIALS = 40000, MAX_N = 100 };
    static const int32_t sizes[] = {6, 7, 9, 25, 30, 100};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int32_t n = sizes[s];
        int32_t covered = 0, lo_rank, hi_rank;
        double coverage;
        assert_true(stats_median_ranks(n, 0.95, &lo_rank, &hi_rank, &coverage));
        for (uint32_t t = 0; t < TRIALS; t++) {
            double x[MAX_N], lo, hi;
            for (int32_t i = 0; i < n; i++) {
                const uint32_t counter[4] = {t, (uint32_t)i, (uint32_t)n, 0};
                x[i] = -log((philox4x32(counter, 3).word[0] + 0.5) / 4294967296.0);
            }
            stats_sort(x, n);
            assert_true(stats_median_ci(x, n, 0.95, &lo, &hi));
            covered += lo <= log(2.0) && log(2.0) <= hi;
        }
        double off = fabs((double)covered / TRIALS - coverage);
        if (off > 5 * 0.0011) fail_msg("n %d: %d of %d, expected %f", n, covered, TRIALS, coverage);
    }
}

/* Doubles of every exponent, by their bits. */
static void every_finite_double_reads_back(void **state)
{
    uint64_t rng = 4;
    for (int32_t trial = 0; trial < 500000; trial++) {
        uint64_t bits = mix64(rng++);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v)) continue;
        char text[JSON_DOUBLE_SIZE];
        json_format_double(v, text);
        double back = strtod(text, NULL);
        assert_memory_equal(&back, &v, sizeof v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_text_is_a_range_or_a_usage_error),
        cmocka_unit_test(a_range_equals_its_list),
        cmocka_unit_test(intervals_cover_as_often_as_they_say),
        cmocka_unit_test(every_finite_double_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
