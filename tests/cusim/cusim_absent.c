/* cusim_absent.c - a test program without the emulator: CUSIM_WHY is the reason. */
#include "tests/cusim/cusim.h"

const char *cusim_absent(void)
{
    return CUSIM_WHY;
}

void cusim_set_order(enum cusim_order order)
{
    (void)order;
}

void cusim_set_eager(bool eager)
{
    (void)eager;
}

void cusim_fail_call(int64_t nth)
{
    (void)nth;
}

const char *cusim_report(void)
{
    return NULL;
}

void cusim_clear(void)
{
}

int64_t cusim_live_objects(void)
{
    return 0;
}

int64_t cusim_launches(void)
{
    return 0;
}
