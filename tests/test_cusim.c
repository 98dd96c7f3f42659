/* test_cusim.c - the emulator's own tests; they are part of it, and absent where it is. */
#include "tests/cusim/cusim.h"

int main(void)
{
    return cusim_test_all();
}
