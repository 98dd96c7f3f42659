/* cuda_ptx.h - the instructions that CUDA C++ has no words for, each in a function of its own:
 * tensor cores, their operands from shared memory, copies that run beside the arithmetic, and
 * powers of two.
 *
 * All of the kernels' inline assembly is here.  tests/cusim/shadow has a header of this name
 * that does the same on a CPU; tests/test_cuda_nvcc.sh looks for the instructions in what nvcc
 * makes of the kernels. */
#ifndef CUDA_PTX_H
#define CUDA_PTX_H

#include <stdint.h>

static __device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* c[16,8] += a[16,16] . b[16,8], factors bf16, sums f32; the whole warp together.  Lane 4 g + t
 * holds, two elements a word:
 *     a[0], a[1]   rows g and g + 8, columns 2 t, 2 t + 1;   a[2], a[3]   the same 8 columns on
 *     b0, b1       column g, rows 2 t, 2 t + 1, and 8 rows on
 *     c[0], c[1]   row g, columns 2 t, 2 t + 1;   c[2], c[3]   row g + 8 */
static __device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                           uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four 8 x 8 matrices of 16-bit elements: lane 8 i + j names row j of matrix i, 16 bytes in
 * shared memory; r[i] of lane 4 g + t is elements 2 t, 2 t + 1 of row g of matrix i. */
static __device__ __forceinline__ void ldmatrix(uint32_t (&r)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/* The same, of each matrix turned: elements 2 t, 2 t + 1 of column g. */
static __device__ __forceinline__ void ldmatrix_turned(uint32_t (&r)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/* 16 bytes, both ends on 16, or 16 zeros and no read; there after a wait for its group. */
static __device__ __forceinline__ void copy_async(void *shared, const void *global, bool reads)
{
    asm volatile(
        "cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
        "l"(__cvta_generic_to_global(global)), "r"(reads ? 16 : 0)
        : "memory");
}

/* What this thread has queued since the last time is a group, perhaps an empty one. */
static __device__ __forceinline__ void copy_async_group(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Until all of this thread's groups but the LEFT youngest are there: for this thread; others
 * see them after a barrier. */
template <int LEFT> static __device__ __forceinline__ void copy_async_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

/* 2^x to 2^-22 of itself, 0 where that would be denormal; 2^0 is 1 and 2^-infinity 0. */
static __device__ __forceinline__ float power_of_two(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

#endif
