/* cuda_ptx.h - what harness/kernels/cuda/cuda_ptx.h has, for a CPU: takes its place when kernels
 * are compiled for the emulator.  The default arguments are the caller's file and line. */
#ifndef CUDA_PTX_H
#define CUDA_PTX_H

#include <math.h>

#include "tests/cusim/cusim.h"

static inline void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                       const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    cusim_mma(c, a, b0, b1, file, line);
}

static inline void ldmatrix(uint32_t (&r)[4], const void *row, const char *file = __builtin_FILE(),
                            int line = __builtin_LINE())
{
    cusim_ldmatrix(r, row, false, file, line);
}

static inline void ldmatrix_turned(uint32_t (&r)[4], const void *row,
                                   const char *file = __builtin_FILE(),
                                   int line = __builtin_LINE())
{
    cusim_ldmatrix(r, row, true, file, line);
}

static inline void copy_async(void *shared, const void *global, bool reads)
{
    cusim_copy_async(shared, global, reads);
}

static inline void copy_async_group(void)
{
    cusim_copy_async_group();
}

template <int LEFT> static inline void copy_async_wait(void)
{
    cusim_copy_async_wait(LEFT);
}

static inline float power_of_two(float x)
{
    float y = exp2f(x);
    return y < 0x1p-126f ? 0 : y;
}

#endif
