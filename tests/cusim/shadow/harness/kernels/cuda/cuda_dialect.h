/* cuda_dialect.h - the spelling of CUDA that the kernels are written in, for a CPU: takes the
 * place of harness/kernels/cuda/cuda_dialect.h when kernels are compiled for the emulator. */
#ifndef CUDA_DIALECT_H
#define CUDA_DIALECT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <cuda_runtime_api.h>

#include "tests/cusim/cusim.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};

struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

struct alignas(8) float2 {
    float x, y;
};

static inline float2 make_float2(float x, float y)
{
    return {x, y};
}

static inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w)
{
    return {x, y, z, w};
}

static inline float4 make_float4(float x, float y, float z, float w)
{
    return {x, y, z, w};
}

#define threadIdx cusim_thread_index()
#define blockIdx cusim_block_index()
#define blockDim cusim_block_size()
#define gridDim cusim_grid_size()

#define __syncthreads() cusim_barrier(__FILE__, __LINE__)
#define __syncwarp() cusim_warp_barrier(0xffffffffu, __FILE__, __LINE__)

/* Lanes give up to 8 bytes each and take those of another one. */
template <class T>
static inline T cusim_shuffle(uint32_t lanes, T v, int lane_xor, const char *file, int line)
{
    static_assert(sizeof(T) <= 8, "a shuffle moves up to 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof v);
    bits = cusim_shuffle_xor(lanes, bits, lane_xor, file, line);
    memcpy(&v, &bits, sizeof v);
    return v;
}
#define __shfl_xor_sync(lanes, v, lane_xor)                                                        \
    cusim_shuffle((lanes), (v), (lane_xor), __FILE__, __LINE__)

/* Each array is a memory block of its own, undefined when a block of threads starts. */
#define SHARED(type, name, dims)                                                                   \
    static const char name##_key = 0;                                                              \
    typedef type name##_t dims;                                                                    \
    name##_t &name = *(name##_t *)cusim_shared(&name##_key, #name, sizeof(name##_t))

#define SHARED_ALL(type, name)                                                                     \
    static const char name##_key = 0;                                                              \
    type &name = *(type *)cusim_shared_all(&name##_key, #name, sizeof(type))
#define PREPARE_ALL(kernel, type)                                                                  \
    cudaFuncSetAttribute((const void *)(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,      \
                         (int)sizeof(type))

/* The launch keeps the arguments until the stream reaches it. */
template <class... P, class... A>
static inline void cusim_queue_kernel(const char *name, void (*kernel)(P...), size_t shared_all,
                                      dim3 grid, dim3 block, cudaStream_t stream, A... args)
{
    auto call = [=]() __attribute__((no_sanitize("thread")))
    {
        kernel(static_cast<P>(args)...);
    };
    typedef decltype(call) call_t;
    struct cusim_kernel k = {name, (const void *)kernel, shared_all, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, 0,
                             new call_t(call),
                             [](void *c) __attribute__((no_sanitize("thread"))){(*(call_t *)c)();
}
, [](void *c) { delete (call_t *)c; }
}
;
cusim_launch(stream, &k);
}
#define LAUNCH(kernel, grid, block, stream, ...)                                                   \
    cusim_queue_kernel(#kernel, kernel, 0, (grid), (block), (stream), __VA_ARGS__)
#define LAUNCH_ALL(kernel, type, grid, block, stream, ...)                                         \
    cusim_queue_kernel(#kernel, kernel, sizeof(type), (grid), (block), (stream), __VA_ARGS__)

static inline uint4 load_past_l1(const uint4 *p)
{
    return *p;
}

static inline float cusim_fused(float x, float y, float z)
{
    cusim_fma();
    return fmaf(x, y, z);
}
#define fmaf(x, y, z) cusim_fused((x), (y), (z))

/* A product that is rounded before anything is added to it. */
static inline float __fmul_rn(float x, float y)
{
    return x * y;
}

static inline float rsqrtf(float x)
{
    return 1 / sqrtf(x);
}

static inline void shared_add(uint64_t *to, uint64_t v)
{
    cusim_atomic_add(to, v);
}

static inline uint32_t bits_of_float(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float float_of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float float_of_bf16(uint16_t b)
{
    return float_of_bits((uint32_t)b << 16);
}

/* Round to nearest, ties to even; NaN stays NaN. */
static inline uint16_t bf16_of_float(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

static inline uint32_t bf16_pair(float first, float second)
{
    return (uint32_t)bf16_of_float(second) << 16 | bf16_of_float(first);
}

#endif
