/* cuda_matmul_many.cu - products of many rows: tiles of 128 columns of y by 128 rows, eight warps
 * of 64 by 32 each, operands in a ring of steps that cp.async fills two ahead.
 *
 * A part of k is summed in registers beside the sum of the parts before it, so that a row's
 * results are those of cuda_matmul_few.cu bit for bit. */
#include "harness/kernels/cuda/cuda_matmul_own.h"

enum { TILE = 128, N_THREADS = 256, WARP_M = 64, WARP_N = 32, STAGES = 3 };

template <class W> union many_shared {
    struct {
        weight_tile<W, TILE> w[STAGES];
        alignas(16) bf16 x[STAGES][TILE][STEP];
    } ring;
    float sum[TILE][TILE + 4]; /* 4: columns of one fragment in different banks */
};

typedef float fragments[WARP_M / 16][WARP_N / 8][4];

template <class W>
static __device__ __forceinline__ void multiply_step(fragments &c, const weight_tile<W, TILE> &w,
                                                     const bf16 (&x)[TILE][STEP], int m0, int n0,
                                                     int lane)
{
#pragma unroll
    for (int pair = 0; pair < STEP / 32; pair++) {
        uint32_t b[WARP_N / 8][4];
#pragma unroll
        for (int j = 0; j < WARP_N / 8; j++) load_b(b[j], x, n0 + 8 * j, pair, lane);
#pragma unroll
        for (int i = 0; i < WARP_M / 16; i++) {
            uint32_t a[2][4];
            load_weights(a, w, m0 + 16 * i, pair, lane);
#pragma unroll
            for (int half = 0; half < 2; half++)
#pragma unroll
                for (int j = 0; j < WARP_N / 8; j++)
                    mma(c[i][j], a[half], b[j][2 * half], b[j][2 * half + 1]);
        }
    }
}

static __device__ __forceinline__ void end_part(fragments &sum, fragments &part)
{
#pragma unroll
    for (int i = 0; i < WARP_M / 16; i++)
#pragma unroll
        for (int j = 0; j < WARP_N / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                sum[i][j][e] += part[i][j][e];
                part[i][j][e] = 0;
            }
}

template <class W> static __global__ void __launch_bounds__(N_THREADS) many_kernel(struct matmul a)
{
    SHARED_ALL(union many_shared<W>, s);
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    int m0 = warp % (TILE / WARP_M) * WARP_M, n0 = warp / (TILE / WARP_M) * WARP_N;
    int64_t row0 = (int64_t)blockIdx.x * TILE, col0 = (int64_t)blockIdx.y * TILE;
    const bf16 *x = a.x + row0 * a.x_stride;
    int n_steps = (a.k + STEP - 1) / STEP, per_part = part_steps(a.k);
    fragments sum = {}, part = {};

    auto fetch = [&](int step) {
        if (step < n_steps) {
            int64_t k = (int64_t)step * STEP;
            copy_weights<N_THREADS>(s.ring.w[step % STAGES], &a, col0, k, a.k, threadIdx.x);
            copy_tile<N_THREADS>(s.ring.x[step % STAGES], x + k, a.x_stride, a.n - row0, a.k - k,
                                 threadIdx.x);
        }
        copy_async_group();
    };
    for (int step = 0; step < STAGES - 1; step++) fetch(step);
    for (int step = 0; step < n_steps; step++) {
        copy_async_wait<STAGES - 2>();
        __syncthreads(); /* the tile is there, and nobody reads the one before it any more */
        fetch(step + STAGES - 1);
        multiply_step(part, s.ring.w[step % STAGES], s.ring.x[step % STAGES], m0, n0, lane);
        if ((step + 1) % per_part == 0) end_part(sum, part);
    }
    end_part(sum, part);

    __syncthreads(); /* the sums take the place of the ring */
#pragma unroll
    for (int i = 0; i < WARP_M / 16; i++)
#pragma unroll
        for (int j = 0; j < WARP_N / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                s.sum[n0 + 8 * j + lane % 4 * 2 + e % 2][m0 + 16 * i + lane / 4 + e / 2 * 8] =
                    sum[i][j][e];
    __syncthreads();
    for (int at = threadIdx.x; at < TILE * TILE / WIDE; at += N_THREADS) {
        int row = at / (TILE / WIDE), col = at % (TILE / WIDE) * WIDE;
        float v[WIDE];
        if (row0 + row >= a.n || col0 + col >= a.m) continue;
        load(v, &s.sum[row][col]);
        store_results(&a, row0 + row, (int32_t)col0 + col, v);
    }
}

/* Blocks of one tile of weights run side by side: it is read from memory once. */
template <class W> static cudaError_t launch(cudaStream_t s, const struct matmul *a)
{
    dim3 grid((unsigned)(a->n + TILE - 1) / TILE, (unsigned)(a->m + TILE - 1) / TILE);
    LAUNCH_ALL((many_kernel<W>), union many_shared<W>, grid, N_THREADS, s, *a);
    return cudaGetLastError();
}

cudaError_t matmul_many_launch(cudaStream_t s, const struct matmul *a)
{
    return a->w_dtype == DTYPE_INT8 ? launch<int8_t>(s, a) : launch<bf16>(s, a);
}

cudaError_t cuda_prepare_matmul_many(void)
{
    cudaError_t e = PREPARE_ALL((many_kernel<bf16>), union many_shared<bf16>);
    return e == cudaSuccess ? PREPARE_ALL((many_kernel<int8_t>), union many_shared<int8_t>) : e;
}
