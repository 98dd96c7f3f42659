/* cuda_dialect.h - the spelling of CUDA that the kernels are written in, for nvcc.
 *
 * tests/cusim/shadow has a header of this name that spells the same on a CPU, so the kernels
 * hold no inline assembly, no raw __shared__ and no <<<>>>. */
#ifndef CUDA_DIALECT_H
#define CUDA_DIALECT_H

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>

#define LAUNCH(kernel, grid, block, stream, ...)                                                   \
    kernel<<<(grid), (block), 0, (stream)>>>(__VA_ARGS__)

/* An array shared by the block; dims in brackets: SHARED(float, part, [32]). */
#define SHARED(type, name, dims) __shared__ type name dims

/* All that a block shares as one struct, for more than the 48 KiB of arrays: the kernel is
 * prepared for it once, and every launch says it again. */
#define SHARED_ALL(type, name)                                                                     \
    extern __shared__ uint4 shared_all_[];                                                         \
    type &name = *(type *)shared_all_
#define PREPARE_ALL(kernel, type)                                                                  \
    cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)sizeof(type))
#define LAUNCH_ALL(kernel, type, grid, block, stream, ...)                                         \
    kernel<<<(grid), (block), sizeof(type), (stream)>>>(__VA_ARGS__)

/* By way of the L2 cache only. */
static __device__ __forceinline__ uint4 load_past_l1(const uint4 *p)
{
    return __ldcg(p);
}

/* Beside other threads that add to the same place. */
static __device__ __forceinline__ void shared_add(uint64_t *to, uint64_t v)
{
    atomicAdd((unsigned long long *)to, (unsigned long long)v);
}

static __device__ __forceinline__ uint32_t bits_of_float(float f)
{
    return __float_as_uint(f);
}

static __device__ __forceinline__ float float_of_bits(uint32_t bits)
{
    return __uint_as_float(bits);
}

static __device__ __forceinline__ float float_of_bf16(uint16_t b)
{
    return __uint_as_float((uint32_t)b << 16);
}

/* Round to nearest, ties to even. */
static __device__ __forceinline__ uint16_t bf16_of_float(float f)
{
    return __bfloat16_as_ushort(__float2bfloat16_rn(f));
}

/* Two of them in a word, the first in its lower half. */
static __device__ __forceinline__ uint32_t bf16_pair(float first, float second)
{
    __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
    return (uint32_t)__bfloat16_as_ushort(pair.y) << 16 | __bfloat16_as_ushort(pair.x);
}

#endif
