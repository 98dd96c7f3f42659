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

static __device__ __forceinline__ float float_of_bf16(uint16_t b)
{
    return __uint_as_float((uint32_t)b << 16);
}

/* Round to nearest, ties to even. */
static __device__ __forceinline__ uint16_t bf16_of_float(float f)
{
    return __bfloat16_as_ushort(__float2bfloat16_rn(f));
}

#endif
