/* cusim_absent.c - why this build has no emulator: CUSIM_WHY, from the Makefile. */
#include "tests/cusim/cusim.h"

const char *cusim_absent(void)
{
    return CUSIM_WHY;
}
