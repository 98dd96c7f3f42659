/* cuda_matmul_few.cu - products of few rows: what takes the time is reading the weights, once.
 *
 * A block computes BLOCK_M columns of y for up to BLOCK_N rows.  Its four warps have a part of k
 * each, with a ring of tiles of their own that cp.async fills STAGES - 1 steps ahead: no warp
 * waits for another before the sums of the parts meet in shared memory.  Each weight is read
 * by one block only (n <= 64), each row of x by every block, from L2. */
#include "harness/kernels/cuda/cuda_matmul_own.h"

enum { N_THREADS = N_PARTS * WARP };

template <int BLOCK_M, int BLOCK_N, int STAGES> union few_shared {
    struct {
        alignas(16) bf16 w[N_PARTS][STAGES][BLOCK_M][STEP];
        bf16 x[N_PARTS][STAGES][BLOCK_N][STEP];
    } ring;
    float sum[N_PARTS][BLOCK_N][BLOCK_M + 4]; /* 4: columns of one fragment in different banks */
};

template <int BLOCK_M, int BLOCK_N>
static __device__ __forceinline__ void multiply_step(float (&c)[BLOCK_M / 16][BLOCK_N / 8][4],
                                                     const bf16 (&w)[BLOCK_M][STEP],
                                                     const bf16 (&x)[BLOCK_N][STEP], int lane)
{
#pragma unroll
    for (int pair = 0; pair < STEP / 32; pair++) {
        uint32_t b[BLOCK_N / 8][4];
#pragma unroll
        for (int j = 0; j < BLOCK_N / 8; j++) load_b(b[j], x, 8 * j, pair, lane);
#pragma unroll
        for (int i = 0; i < BLOCK_M / 16; i++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                uint32_t a[4];
                load_a(a, w, 16 * i, 2 * pair + half, lane);
#pragma unroll
                for (int j = 0; j < BLOCK_N / 8; j++)
                    mma(c[i][j], a, b[j][2 * half], b[j][2 * half + 1]);
            }
    }
}

template <int BLOCK_M, int BLOCK_N, int STAGES>
static __global__ void __launch_bounds__(N_THREADS) few_kernel(struct matmul a)
{
    typedef union few_shared<BLOCK_M, BLOCK_N, STAGES> shared_t;
    SHARED_ALL(shared_t, s);
    int part = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    int64_t row0 = (int64_t)blockIdx.x * BLOCK_N, col0 = (int64_t)blockIdx.y * BLOCK_M;
    int64_t k0 = (int64_t)part * part_steps(a.k) * STEP;
    int64_t k1 = k0 + (int64_t)part_steps(a.k) * STEP < a.k ? k0 + part_steps(a.k) * STEP : a.k;
    const bf16 *w = (const bf16 *)a.w + col0 * a.k, *x = a.x + row0 * a.x_stride;
    float c[BLOCK_M / 16][BLOCK_N / 8][4] = {};

    auto fetch = [&](int step) {
        int64_t k = k0 + (int64_t)step * STEP;
        if (k < k1) {
            copy_tile<WARP>(s.ring.w[part][step % STAGES], w + k, a.k, a.m - col0, k1 - k, lane);
            copy_tile<WARP>(s.ring.x[part][step % STAGES], x + k, a.x_stride, a.n - row0, k1 - k,
                            lane);
        }
        copy_async_group();
    };
    for (int step = 0; step < STAGES - 1; step++) fetch(step);
    for (int step = 0; k0 + (int64_t)step * STEP < k1; step++) {
        copy_async_wait<STAGES - 2>();
        __syncwarp(); /* the tile is there, and nobody reads the one before it any more */
        fetch(step + STAGES - 1);
        multiply_step<BLOCK_M, BLOCK_N>(c, s.ring.w[part][step % STAGES],
                                        s.ring.x[part][step % STAGES], lane);
    }

    __syncthreads(); /* sums take the place of the rings */
#pragma unroll
    for (int i = 0; i < BLOCK_M / 16; i++)
#pragma unroll
        for (int j = 0; j < BLOCK_N / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                s.sum[part][8 * j + lane % 4 * 2 + e % 2][16 * i + lane / 4 + e / 2 * 8] =
                    c[i][j][e];
    __syncthreads();
    for (int at = threadIdx.x; at < BLOCK_N * BLOCK_M / WIDE; at += N_THREADS) {
        int row = at / (BLOCK_M / WIDE), col = at % (BLOCK_M / WIDE) * WIDE;
        float v[WIDE] = {};
        if (row0 + row >= a.n || col0 + col >= a.m) continue;
#pragma unroll
        for (int p = 0; p < N_PARTS; p++) {
            float one[WIDE];
            load(one, &s.sum[p][row][col]);
#pragma unroll
            for (int i = 0; i < WIDE; i++) v[i] += one[i];
        }
        store_results(&a, row0 + row, (int32_t)col0 + col, v);
    }
}

template <int BLOCK_M, int BLOCK_N, int STAGES>
static cudaError_t launch(cudaStream_t s, const struct matmul *a)
{
    typedef union few_shared<BLOCK_M, BLOCK_N, STAGES> shared_t;
    dim3 grid((unsigned)(a->n + BLOCK_N - 1) / BLOCK_N, (unsigned)(a->m + BLOCK_M - 1) / BLOCK_M);
    LAUNCH_ALL((few_kernel<BLOCK_M, BLOCK_N, STAGES>), shared_t, grid, N_THREADS, s, *a);
    return cudaGetLastError();
}

template <int BLOCK_M, int BLOCK_N, int STAGES> static cudaError_t prepare(void)
{
    typedef union few_shared<BLOCK_M, BLOCK_N, STAGES> shared_t;
    return PREPARE_ALL((few_kernel<BLOCK_M, BLOCK_N, STAGES>), shared_t);
}

cudaError_t matmul_few_launch(cudaStream_t s, const struct matmul *a, struct matmul_tile t)
{
    if (t.rows == 8) return launch<16, 8, 4>(s, a);
    if (t.rows == 16) return launch<16, 16, 4>(s, a);
    if (t.rows == 32) return t.cols == 32 ? launch<32, 32, 3>(s, a) : launch<16, 32, 3>(s, a);
    return t.cols == 32 ? launch<32, 64, 2>(s, a) : launch<16, 64, 2>(s, a);
}

cudaError_t cuda_prepare_matmul_few(void)
{
    cudaError_t (*const all[])(void) = {prepare<16, 8, 4>,  prepare<16, 16, 4>, prepare<16, 32, 3>,
                                        prepare<32, 32, 3>, prepare<16, 64, 2>, prepare<32, 64, 2>};
    for (auto one : all) {
        cudaError_t e = one();
        if (e != cudaSuccess) return e;
    }
    return cudaSuccess;
}
