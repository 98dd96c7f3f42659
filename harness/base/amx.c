/* amx.c - asking the kernel for AMX's tile registers. */
#include "harness/base/amx.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    ARCH_REQUEST_STATE = 0x1023, /* arch_prctl: ARCH_REQ_XCOMP_PERM */
    TILE_DATA = 18,              /* the state's number              */
    HAS_BF16 = 1 << 22,          /* CPUID leaf 7, edx               */
    HAS_TILES = 1 << 24
};

bool amx_granted(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    if (!(d & HAS_BF16) || !(d & HAS_TILES)) return false;
    return syscall(SYS_arch_prctl, ARCH_REQUEST_STATE, TILE_DATA) == 0;
}
