/* test_range.c - the grammar of axis values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/range.h"

static void ranges_expand(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t n;
        int64_t v[8];
    } cases[] = {
        {"7", 1, {7}},
        {"0", 1, {0}},
        {"1,2,4", 3, {1, 2, 4}},
        {" 1 ,\t2", 2, {1, 2}},
        {"4,1", 2, {4, 1}}, /* the order is the user's */
        {"1-64*2", 7, {1, 2, 4, 8, 16, 32, 64}},
        {"1-100*4", 4, {1, 4, 16, 64}}, /* 256 is beyond the end */
        {"3-3*2", 1, {3}},
        {"128-512+128", 4, {128, 256, 384, 512}},
        {"1-4", 4, {1, 2, 3, 4}},
        {"0-10+4", 3, {0, 4, 8}},
        {"1-8*2,8-32+8", 7, {1, 2, 4, 8, 16, 24, 32}}, /* 8 once */
        {"4k", 1, {4000}},
        {"2Ki,1Mi,1Gi", 3, {2048, 1048576, 1073741824}},
        {"3M,2G", 2, {3000000, 2000000000}},
        {"1Ki-4Ki*2", 3, {1024, 2048, 4096}},
        {"1k-2k+500", 3, {1000, 1500, 2000}},
        {"9223372036854775807", 1, {INT64_MAX}},
        /* the step after the last one would overflow */
        {"4611686018427387904-9223372036854775807*2", 1, {INT64_C(1) << 62}},
        {"9223372036854775806-9223372036854775807", 2, {INT64_MAX - 1, INT64_MAX}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t *v = NULL;
        int32_t n = 0;
        assert_int_equal(range_parse(cases[i].text, &v, &n), ERR_NONE);
        assert_int_equal(n, cases[i].n);
        assert_memory_equal(v, cases[i].v, (size_t)n * sizeof *v);
        assert_true(range_matches(cases[i].text));
        free(v);
    }
}

static void mistakes_are_quoted(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "a value is missing"},
        {"1,,2", "a value is missing"},
        {"1,", "a value is missing"},
        {",1", "a value is missing"},
        {"1,-4", "\"-4\" is negative"},
        {"1,x,2", "\"x\" is not a value or range"},
        {"4K", "\"4K\" is not a value"}, /* k or Ki? */
        {"4kk", "\"4kk\" is not a value"},
        {"1.5k", "\"1.5k\" is not a value"},
        {"0x10", "\"0x10\" is not a value"},
        {"1-", "\"1-\" is not a value"},
        {"1-4+", "\"1-4+\" is not a value"},
        {"1-4*2k", "\"1-4*2k\" is not a value"},
        {"1-4/2", "\"1-4/2\" is not a value"},
        {"1 2", "\"1 2\" is not a value"},
        {"1 - 4", "\"1 - 4\" is not a value"},
        {"1-4+-1", "\"1-4+-1\" is not a value"},
        {"8-1", "\"8-1\" runs backwards"},
        {"1-8+0", "\"1-8+0\" has a step of 0"},
        {"1-8*1", "\"1-8*1\" multiplies by 1"},
        {"1-8*0", "\"1-8*0\" multiplies by 0"},
        {"0-8*2", "\"0-8*2\" multiplies 0"},
        {"9223372036854775808", "\"9223372036854775808\" is too large"},
        {"9007199254740992Ki", "\"9007199254740992Ki\" is too large"}, /* 2^53 * 2^10 */
        {"10G-99999999999G*2", "is too large"},
        {"1-1M", "\"1-1M\" names more than 10000 values"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t *v = NULL;
        int32_t n = 0;
        assert_int_equal(range_parse(cases[i].text, &v, &n), ERR_USAGE);
        if (!strstr(err_msg(), cases[i].message))
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].text, err_msg(), cases[i].message);
        assert_null(v);
    }
}

static void expressions_are_not_ranges(void **state)
{
    (void)state;
    assert_false(range_matches("block-length / 4"));
    assert_false(range_matches("8 * 4"));
    assert_false(range_matches("1 - 4"));
    assert_false(range_matches("ar,block"));
    assert_false(range_matches("-1"));
    assert_false(range_matches("1,"));
    assert_false(range_matches(""));
    assert_true(range_matches("4-1")); /* a range, though a wrong one */
    assert_true(range_matches("99999999999999999999"));
}

static void sizes(void **state)
{
    (void)state;
    int64_t v = -1;
    assert_int_equal(range_parse_size("12Mi", &v), ERR_NONE);
    assert_int_equal(v, 12 * 1024 * 1024);
    assert_int_equal(range_parse_size("0", &v), ERR_NONE);
    assert_int_equal(v, 0);
    assert_int_equal(range_parse_size("1-2", &v), ERR_USAGE);
    assert_int_equal(range_parse_size("-2", &v), ERR_USAGE);
    assert_int_equal(range_parse_size(" 2", &v), ERR_USAGE);
    assert_int_equal(range_parse_size("", &v), ERR_USAGE);
    assert_int_equal(range_parse_size("8Gi-", &v), ERR_USAGE);
    assert_int_equal(range_parse_size("9999999999G", &v), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_expand),
        cmocka_unit_test(mistakes_are_quoted),
        cmocka_unit_test(expressions_are_not_ranges),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
