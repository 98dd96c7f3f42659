/* test_base.c - the base library's small parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/embed.h"

static void a_path_that_is_not_embedded_is_null(void **state)
{
    (void)state;
    assert_null(embed_find("no/such/file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_that_is_not_embedded_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
