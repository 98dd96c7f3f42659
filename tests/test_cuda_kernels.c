/* test_cuda_kernels.c - the CUDA backend on the emulator: every operation at every case of
 * kernel_cases.h against the double-precision reference, whatever order threads run in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check_kernels.h"
#include "tests/cusim/cusim.h"

/* Every test starts here: skipped where there is no emulator, else a device in order. */
static struct kernels *open_cuda(enum cusim_order order, bool eager)
{
    struct kernels *k = NULL;
    struct kernels_config config = {.backend = "cuda"};
    if (cusim_absent()) {
        print_message("skipped: %s\n", cusim_absent());
        skip();
    }
    cusim_clear();
    cusim_set_order(order);
    cusim_set_eager(eager);
    if (kernels_open(&config, &k) != ERR_NONE) fail_msg("%s", err_msg());
    assert_int_equal(kernels_activation_dtype(k), DTYPE_BF16);
    return k;
}

static void close_cuda(struct kernels *k)
{
    kernels_close(k);
    if (cusim_report()) fail_msg("%s", cusim_report());
    assert_int_equal(cusim_live_objects(), 0);
}

static void check_order(enum cusim_order order, bool eager)
{
    struct kernels *k = open_cuda(order, eager);
    int64_t launches = cusim_launches();
    check_all(k);
    assert_true(cusim_launches() > launches);
    close_cuda(k);
}

static void threads_in_turn_agree_with_the_reference(void **state)
{
    (void)state;
    check_order(CUSIM_IN_TURN, false);
}

static void threads_backwards_agree_with_the_reference(void **state)
{
    (void)state;
    check_order(CUSIM_BACKWARDS, true);
}

static void threads_at_random_agree_with_the_reference(void **state)
{
    (void)state;
    check_order(CUSIM_RANDOM, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_in_turn_agree_with_the_reference),
        cmocka_unit_test(threads_backwards_agree_with_the_reference),
        cmocka_unit_test(threads_at_random_agree_with_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
