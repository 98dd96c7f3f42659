/* cuda_device.h - what several kernels need: wide loads, sums over warps and blocks, and how a
 * launcher cuts rows into threads. */
#ifndef CUDA_DEVICE_H
#define CUDA_DEVICE_H

#include "harness/kernels/cuda/cuda_dialect.h"
#include "harness/kernels/cuda/launch.h"

typedef uint16_t bf16; /* its bits */

enum { WARP = 32, WIDE = 8 };
#define ALL_LANES 0xffffffffu

/* ---- W consecutive elements as floats: WIDE of them by 16-byte accesses, or one ---- */

template <int W> static __device__ __forceinline__ void load(float (&v)[W], const bf16 *p)
{
    if (W == 1) {
        v[0] = float_of_bf16(p[0]);
    } else {
        uint4 u = *(const uint4 *)p;
        const uint32_t word[4] = {u.x, u.y, u.z, u.w};
#pragma unroll
        for (int i = 0; i < W / 2; i++) {
            v[2 * i] = float_of_bf16((uint16_t)word[i]);
            v[2 * i + 1] = float_of_bf16((uint16_t)(word[i] >> 16));
        }
    }
}

template <int W> static __device__ __forceinline__ void load(float (&v)[W], const float *p)
{
    if (W == 1) {
        v[0] = p[0];
    } else {
#pragma unroll
        for (int i = 0; i < W / 4; i++) {
            float4 f = ((const float4 *)p)[i];
            v[4 * i] = f.x, v[4 * i + 1] = f.y, v[4 * i + 2] = f.z, v[4 * i + 3] = f.w;
        }
    }
}

template <int W> static __device__ __forceinline__ void store(bf16 *p, const float (&v)[W])
{
    if (W == 1) {
        p[0] = bf16_of_float(v[0]);
    } else {
        uint32_t word[W / 2 + 1];
#pragma unroll
        for (int i = 0; i < W / 2; i++)
            word[i] = bf16_of_float(v[2 * i]) | (uint32_t)bf16_of_float(v[2 * i + 1]) << 16;
        *(uint4 *)p = make_uint4(word[0], word[1], word[2], word[3]);
    }
}

template <int W> static __device__ __forceinline__ void store(float *p, const float (&v)[W])
{
    if (W == 1) {
        p[0] = v[0];
    } else {
#pragma unroll
        for (int i = 0; i < W / 4; i++)
            ((float4 *)p)[i] = make_float4(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]);
    }
}

/* ---- sums; every lane and thread gets the result ---- */

template <class T> static __device__ __forceinline__ T warp_sum(T v)
{
    for (int lane = WARP / 2; lane > 0; lane /= 2) v += __shfl_xor_sync(ALL_LANES, v, lane);
    return v;
}

template <class T> static __device__ __forceinline__ T warp_max(T v)
{
    for (int lane = WARP / 2; lane > 0; lane /= 2) {
        T other = __shfl_xor_sync(ALL_LANES, v, lane);
        v = other > v ? other : v;
    }
    return v;
}

/* Whole warps only; one barrier before the result and one that frees the array again. */
static __device__ __forceinline__ float block_sum(float v)
{
    SHARED(float, part, [WARP]);
    v = warp_sum(v);
    if (threadIdx.x % WARP == 0) part[threadIdx.x / WARP] = v;
    __syncthreads();
    v = 0;
    for (int warp = 0; warp < (int)blockDim.x / WARP; warp++) v += part[warp];
    __syncthreads();
    return v;
}

static __device__ __forceinline__ float block_max(float v)
{
    SHARED(float, part, [WARP]);
    v = warp_max(v);
    if (threadIdx.x % WARP == 0) part[threadIdx.x / WARP] = v;
    __syncthreads();
    v = part[0];
    for (int warp = 1; warp < (int)blockDim.x / WARP; warp++) v = fmaxf(v, part[warp]);
    __syncthreads();
    return v;
}

/* ---- for launchers ---- */

static inline int64_t last_dim(struct tensor t)
{
    return t.dim[t.n_dim - 1];
}

/* Whether pieces of WIDE elements of every row start on 16 bytes and none is left over. */
static inline bool is_wide(struct tensor t)
{
    return (uintptr_t)t.data % 16 == 0 && last_dim(t) % WIDE == 0 &&
           (t.n_dim == 1 || t.row_stride % WIDE == 0);
}

/* Threads of a block that walks n items: whole warps, at most 256. */
static inline unsigned block_for(int64_t n)
{
    int64_t warps = (n + WARP - 1) / WARP;
    return WARP * (unsigned)(warps < 1 ? 1 : warps > 8 ? 8 : warps);
}

static inline unsigned blocks_for(int64_t n, unsigned block)
{
    return (unsigned)((n + block - 1) / block);
}

#endif
