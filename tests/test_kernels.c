/* test_kernels.c - the CPU backend: every operation, instruction set and thread count against
 * the reference; and what must be equal bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/cpuinfo.h"
#include "tests/check_kernels.h"

static struct kernels *open_cpu(enum isa isa, int32_t n_threads)
{
    struct kernels *k;
    struct kernels_config config = {.backend = "cpu", .n_threads = n_threads};
    setenv("REGIME_ISA", isa_name(isa), 1);
    enum err e = kernels_open(&config, &k);
    unsetenv("REGIME_ISA");
    if (e != ERR_NONE) fail_msg("%s", err_msg());
    assert_string_equal(kernels_variant(k), isa_name(isa));
    assert_int_equal(kernels_threads(k), n_threads);
    return k;
}

static enum isa best_isa(void)
{
    struct cpuinfo info;
    cpuinfo_read(&info);
    return info.isa;
}

static void check_isa(enum isa isa)
{
    if (isa > best_isa()) skip();
    for (int32_t threads = 1; threads <= 3; threads++) {
        struct kernels *k = open_cpu(isa, threads);
        check_all(k);
        kernels_close(k);
    }
}

static void scalar_agrees_with_the_reference(void **state)
{
    (void)state;
    check_isa(ISA_SCALAR);
}

static void avx2_agrees_with_the_reference(void **state)
{
    (void)state;
    check_isa(ISA_AVX2);
}

static void avx512_agrees_with_the_reference(void **state)
{
    (void)state;
    check_isa(ISA_AVX512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_agrees_with_the_reference),
        cmocka_unit_test(avx2_agrees_with_the_reference),
        cmocka_unit_test(avx512_agrees_with_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
