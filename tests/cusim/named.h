/* named.h - tests by their names: each argument picks some, "*" for any text; without one all run.
 * In one process, because opening a GPU takes seconds. */
#ifndef CUSIM_NAMED_H
#define CUSIM_NAMED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fnmatch.h>
#include <stdio.h>

static inline int run_some(const struct CMUnitTest *tests, size_t n, const char *pattern)
{
    size_t n_named = 0;
    for (size_t i = 0; i < n; i++) n_named += fnmatch(pattern, tests[i].name, 0) == 0;
    if (n_named == 0) {
        printf("no test is named %s\n", pattern);
        return 1;
    }
    cmocka_set_test_filter(pattern);
    return _cmocka_run_group_tests(pattern, tests, n, NULL, NULL);
}

static inline int run_named(const struct CMUnitTest *tests, size_t n, int argc, char **argv)
{
    int failed = 0;
    if (argc < 2) return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
    for (int i = 1; i < argc; i++) failed += run_some(tests, n, argv[i]);
    return failed;
}

#define RUN_NAMED(tests, argc, argv) run_named(tests, sizeof(tests) / sizeof *(tests), argc, argv)

#endif
