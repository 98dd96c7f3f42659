/* Query results as text: exact for programs, readable for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "results/output.h"
#include "tests/store_fixture.h"

static const char *const rows =
    "SELECT column1 AS name, column2 AS n, column3 AS time_ns, column4 AS ratio FROM (VALUES "
    "('a|b_c', 9007199254740993, 1250000, 0.1), ('say \"x\", y', NULL, 999, 1e300), "
    "('50 % µs', -3, NULL, 12345.678))";

static void prints(const char *sql, enum print_format format, const char *name, const char *want)
{
    struct store *s = memory_store();
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    ok(output_query(s, sql, NULL, 0, format, name, f));
    fclose(f);
    assert_string_equal(text, want);
    free(text);
    store_close(s);
}

static void json_keeps_every_digit(void **state)
{
    prints(rows, PRINT_JSON, "rows",
           "{\"rows\":[{\"name\":\"a|b_c\",\"n\":9007199254740993,\"time_ns\":1250000,"
           "\"ratio\":0.1},{\"name\":\"say \\\"x\\\", y\",\"n\":null,\"time_ns\":999,"
           "\"ratio\":1e+300},{\"name\":\"50 % µs\",\"n\":-3,\"time_ns\":null,"
           "\"ratio\":12345.678}]}\n");
    prints("SELECT 1 AS x UNION ALL SELECT 2.0", PRINT_JSONL, "ignored",
           "{\"x\":1}\n{\"x\":2.0}\n");
}

static void csv_quotes_what_needs_it(void **state)
{
    prints(rows, PRINT_CSV, NULL,
           "name,n,time_ns,ratio\na|b_c,9007199254740993,1250000,0.1\n"
           "\"say \"\"x\"\", y\",,999,1e+300\n50 % µs,-3,,12345.678\n");
}

static void markdown_is_aligned(void **state)
{
    prints(rows, PRINT_MD, NULL,
           "| name       |                n | time_ns |   ratio |\n"
           "|------------|-----------------:|--------:|--------:|\n"
           "| a\\|b_c     | 9007199254740993 | 1.25 ms |     0.1 |\n"
           "| say \"x\", y |                  |  999 ns |  1e+300 |\n"
           "| 50 % µs    |               -3 |         | 12.35 k |\n");
}

static void columns_without_a_value_are_for_programs(void **state)
{
    const char *sql = "SELECT 1 AS a, NULL AS b, 'x' AS c UNION ALL SELECT 2, NULL, NULL";
    prints(sql, PRINT_MD, NULL, "| a | c |\n|--:|---|\n| 1 | x |\n| 2 |   |\n");
    prints(sql, PRINT_LATEX, NULL,
           "% needs \\usepackage{booktabs}\n\\begin{tabular}{rl}\n\\toprule\n"
           "a & c \\\\\n\\midrule\n1 & x \\\\\n2 &   \\\\\n\\bottomrule\n\\end{tabular}\n");
    prints(sql, PRINT_CSV, NULL, "a,b,c\n1,,x\n2,,\n");
}

static void latex_is_escaped(void **state)
{
    prints("SELECT 'a_b & 5 %' AS odd_name, 2000000000 AS bytes_dram", PRINT_LATEX, NULL,
           "% needs \\usepackage{booktabs}\n\\begin{tabular}{lr}\n\\toprule\n"
           "odd\\_name    & bytes\\_dram \\\\\n\\midrule\n"
           "a\\_b \\& 5 \\% &         2 G \\\\\n\\bottomrule\n\\end{tabular}\n");
}

static void no_rows_still_have_columns(void **state)
{
    const char *none = "SELECT 1 AS a, 'x' AS b WHERE false";
    prints(none, PRINT_JSON, "rows", "{\"rows\":[]}\n");
    prints(none, PRINT_JSON, NULL, "[]\n");
    prints(none, PRINT_JSONL, NULL, "");
    prints(none, PRINT_CSV, NULL, "a,b\n");
    prints(none, PRINT_MD, NULL, "| a | b |\n|--:|--:|\n");
}

static void reads(const char *column, struct store_value v, const char *want)
{
    char text[OUTPUT_VALUE_SIZE];
    output_readable(column, &v, text);
    assert_string_equal(text, want);
}

static struct store_value real(double r)
{
    return (struct store_value){.type = VALUE_REAL, .r = r};
}

static void numbers_for_people(void **state)
{
    reads("time_ns", store_int(0), "0 ns");
    reads("time_ns", store_int(999), "999 ns");
    reads("median_ns", real(1500.5), "1.5 us");
    reads("time_ns", store_int(999960), "1 ms"); /* 999.96 us would round to 1000 */
    reads("time_ns", store_int(7200000000000), "7200 s");
    reads("tokens", store_int(123456789), "123456789");
    reads("flop", store_int(99999), "99999");
    reads("flop", store_int(123456789), "123.5 M");
    reads("bytes_weight", store_int(16060522496), "16.06 G");
    reads("flop_per_s", real(3.1234e14), "312.3 T");
    reads("ratio", real(0.00001234), "1.234e-05");
    reads("ratio", real(-1234567), "-1.235 M");
    reads("device", store_text("cpu"), "cpu");
    reads("anything", store_text(NULL), "");
}

static void failures_are_told(void **state)
{
    struct store *s = memory_store();
    fails(output_query(s, "SELECT x FROM nowhere", NULL, 0, PRINT_MD, NULL, stdout), ERR_DB,
          "no such table");
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    fails(output_query(s, "SELECT 1 AS x", NULL, 0, PRINT_CSV, NULL, full), ERR_IO, "No space");
    fclose(full);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_keeps_every_digit),
        cmocka_unit_test(csv_quotes_what_needs_it),
        cmocka_unit_test(markdown_is_aligned),
        cmocka_unit_test(columns_without_a_value_are_for_programs),
        cmocka_unit_test(latex_is_escaped),
        cmocka_unit_test(no_rows_still_have_columns),
        cmocka_unit_test(numbers_for_people),
        cmocka_unit_test(failures_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
