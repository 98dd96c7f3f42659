/* test_table.c - one table in every format, with what each format must escape. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/app/table.h"

/* Two rows: ordinary values, and the awkward ones. */
static void fill(struct table *t)
{
    static const char *const columns[] = {"name", "n", "rate", "ok", NULL};
    table_open(t, "things", columns);
    table_text(t, "plain");
    table_int(t, INT64_MAX);
    table_real(t, 0.1);
    table_bool(t, true);
    table_text(t, "a|b,\"c\"_50%\xc3\xa9");
    table_int(t, -1);
    table_real(t, NAN);
    table_bool(t, false);
}

/* What table_print writes to stdout. */
static void capture(const struct table *t, enum output format, char *buf, size_t size)
{
    FILE *file = tmpfile();
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_non_null(file);
    assert_true(saved >= 0);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    enum err e = table_print(t, format);
    fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    assert_int_equal(e, ERR_NONE);
    rewind(file);
    buf[fread(buf, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void each_format_escapes_what_it_must(void **state)
{
    static const char *const want[OUTPUT_COUNT] = {
        [OUTPUT_MD] = "| name          |                   n | rate | ok  |\n"
                      "|---------------|--------------------:|-----:|-----|\n"
                      "| plain         | 9223372036854775807 |  0.1 | yes |\n"
                      "| a\\|b,\"c\"_50%\xc3\xa9 |                  -1 |      | no  |\n",
        [OUTPUT_CSV] = "name,n,rate,ok\n"
                       "plain,9223372036854775807,0.1,yes\n"
                       "\"a|b,\"\"c\"\"_50%\xc3\xa9\",-1,,no\n",
        [OUTPUT_JSON] = "{\"things\":[{\"name\":\"plain\",\"n\":9223372036854775807,\"rate\":0.1,"
                        "\"ok\":true},{\"name\":\"a|b,\\\"c\\\"_50%\xc3\xa9\",\"n\":-1,"
                        "\"rate\":null,\"ok\":false}]}\n",
        [OUTPUT_JSONL] =
            "{\"name\":\"plain\",\"n\":9223372036854775807,\"rate\":0.1,\"ok\":true}\n"
            "{\"name\":\"a|b,\\\"c\\\"_50%\xc3\xa9\",\"n\":-1,\"rate\":null,\"ok\":false}\n",
        [OUTPUT_LATEX] = "% needs \\usepackage{booktabs}\n\\begin{tabular}{lrrl}\n\\toprule\n"
                         "name           &                   n & rate & ok  \\\\\n\\midrule\n"
                         "plain          & 9223372036854775807 &  0.1 & yes \\\\\n"
                         "a|b,\"c\"\\_50\\%\xc3\xa9 &                  -1 &      & no  \\\\\n"
                         "\\bottomrule\n\\end{tabular}\n",
    };
    (void)state;
    for (int format = 0; format < OUTPUT_COUNT; format++) {
        struct table t;
        char got[2048];
        fill(&t);
        capture(&t, format, got, sizeof got);
        assert_string_equal(got, want[format]);
        table_free(&t);
    }
}

static void an_empty_table_is_still_a_table(void **state)
{
    static const char *const columns[] = {"a", "bc", NULL};
    static const char *const want[OUTPUT_COUNT] = {
        [OUTPUT_MD] = "| a | bc |\n|--:|---:|\n",
        [OUTPUT_CSV] = "a,bc\n",
        [OUTPUT_JSON] = "{\"rows\":[]}\n",
        [OUTPUT_JSONL] = "",
        [OUTPUT_LATEX] =
            "% needs \\usepackage{booktabs}\n\\begin{tabular}{rr}\n\\toprule\na & bc \\\\\n\\midrule\n"
            "\\bottomrule\n\\end{tabular}\n",
    };
    (void)state;
    for (int format = 0; format < OUTPUT_COUNT; format++) {
        struct table t;
        char got[256];
        table_open(&t, "rows", columns);
        capture(&t, format, got, sizeof got);
        assert_string_equal(got, want[format]);
        table_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_escapes_what_it_must),
        cmocka_unit_test(an_empty_table_is_still_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
