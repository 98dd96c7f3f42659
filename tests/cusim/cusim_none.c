/* cusim_none.c - a test program without the emulator: what has no meaning there does nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/cusim/cusim.h"

void cusim_set_order(enum cusim_order order)
{
    (void)order;
}

void cusim_set_eager(bool eager)
{
    (void)eager;
}

void cusim_set_memory(size_t bytes)
{
    (void)bytes;
}

void cusim_set_speed(const struct cusim_speed *speed)
{
    (void)speed;
}

void cusim_fail_call(int64_t nth)
{
    (void)nth;
}

void cusim_lose_at(const char *word, int64_t n)
{
    (void)word;
    (void)n;
}

const char *cusim_report(void)
{
    return NULL;
}

void cusim_clear(void)
{
}

int64_t cusim_bytes_read(const void *p)
{
    (void)p;
    return 0;
}

void cusim_set_listener(const struct cusim_listener *l)
{
    (void)l;
}

int64_t cusim_single_kernels(void)
{
    return 0;
}

int64_t cusim_bank_conflicts(void)
{
    return 0;
}

int64_t cusim_mma_flop(void)
{
    return 0;
}

int64_t cusim_fma_flop(void)
{
    return 0;
}

int64_t cusim_live_objects(void)
{
    return 0;
}

static void the_emulator_is_absent(void **state)
{
    (void)state;
    print_message("skipped: %s\n", cusim_absent());
    skip();
}

int cusim_test_all(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_emulator_is_absent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
