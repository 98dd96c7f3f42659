/* cuda_matmul_few.cu - products of few rows: what takes the time is reading the weights, once.
 *
 * A block computes BLOCK_M columns of y for up to BLOCK_N rows.  Its four warps have a part of k
 * each, with a ring of tiles of their own that cp.async fills STAGES - 1 steps ahead: no warp
 * waits for another before the sums of the parts meet in shared memory.  Each weight is read
 * by one block only (n <= 64), each row of x by every block, from L2. */
#include "harness/kernels/cuda/cuda_matmul_own.h"

enum { N_THREADS = N_PARTS * WARP };

template <class W, int BLOCK_M, int BLOCK_N, int STAGES> union few_shared {
    struct {
        weight_tile<W, BLOCK_M> w[N_PARTS][STAGES];
        alignas(16) bf16 x[N_PARTS][STAGES][BLOCK_N][STEP];
    } ring;
    float sum[N_PARTS][BLOCK_N][BLOCK_M + 4]; /* 4: columns of one fragment in different banks */
};

template <class W, int BLOCK_M, int BLOCK_N>
static __device__ __forceinline__ void multiply_step(float (&c)[BLOCK_M / 16][BLOCK_N / 8][4],
                                                     const weight_tile<W, BLOCK_M> &w,
                                                     const bf16 (&x)[BLOCK_N][STEP], int lane)
{
#pragma unroll
    for (int pair = 0; pair < STEP / 32; pair++) {
        uint32_t b[BLOCK_N / 8][4];
#pragma unroll
        for (int j = 0; j < BLOCK_N / 8; j++) load_b(b[j], x, 8 * j, pair, lane);
#pragma unroll
        for (int i = 0; i < BLOCK_M / 16; i++) {
            uint32_t a[2][4];
            load_weights(a, w, 16 * i, pair, lane);
#pragma unroll
            for (int half = 0; half < 2; half++)
#pragma unroll
                for (int j = 0; j < BLOCK_N / 8; j++)
                    mma(c[i][j], a[half], b[j][2 * half], b[j][2 * half + 1]);
        }
    }
}

template <class W, int BLOCK_M, int BLOCK_N, int STAGES>
static __global__ void __launch_bounds__(N_THREADS) few_kernel(struct matmul a)
{
    typedef union few_shared<W, BLOCK_M, BLOCK_N, STAGES> shared_t;
    SHARED_ALL(shared_t, s);
    int part = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    int64_t row0 = (int64_t)blockIdx.x * BLOCK_N, col0 = (int64_t)blockIdx.y * BLOCK_M;
    int64_t k0 = (int64_t)part * part_steps(a.k) * STEP;
    int64_t k1 = k0 + (int64_t)part_steps(a.k) * STEP < a.k ? k0 + part_steps(a.k) * STEP : a.k;
    const bf16 *x = a.x + row0 * a.x_stride;
    float c[BLOCK_M / 16][BLOCK_N / 8][4] = {};

    auto fetch = [&](int step) {
        int64_t k = k0 + (int64_t)step * STEP;
        if (k < k1) {
            copy_weights<WARP>(s.ring.w[part][step % STAGES], &a, col0, k, k1, lane);
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
        multiply_step<W, BLOCK_M, BLOCK_N>(c, s.ring.w[part][step % STAGES],
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

template <class W, int BLOCK_M, int BLOCK_N, int STAGES>
static cudaError_t launch(cudaStream_t s, const struct matmul *a)
{
    typedef union few_shared<W, BLOCK_M, BLOCK_N, STAGES> shared_t;
    dim3 grid((unsigned)(a->n + BLOCK_N - 1) / BLOCK_N, (unsigned)(a->m + BLOCK_M - 1) / BLOCK_M);
    LAUNCH_ALL((few_kernel<W, BLOCK_M, BLOCK_N, STAGES>), shared_t, grid, N_THREADS, s, *a);
    return cudaGetLastError();
}

template <class W, int BLOCK_M, int BLOCK_N, int STAGES> static cudaError_t prepare(void)
{
    typedef union few_shared<W, BLOCK_M, BLOCK_N, STAGES> shared_t;
    return PREPARE_ALL((few_kernel<W, BLOCK_M, BLOCK_N, STAGES>), shared_t);
}

/* The kernels there are, by rows and columns of a block. */
struct shape {
    int32_t rows, cols;
    cudaError_t (*launch)(cudaStream_t s, const struct matmul *a);
    cudaError_t (*prepare)(void);
};

template <class W, int BLOCK_M, int BLOCK_N, int STAGES>
static constexpr struct shape shape_of(void)
{
    return {BLOCK_N, BLOCK_M, launch<W, BLOCK_M, BLOCK_N, STAGES>,
            prepare<W, BLOCK_M, BLOCK_N, STAGES>};
}

static const struct shape of_bf16[] = {
    shape_of<bf16, 16, 8, 4>(),  shape_of<bf16, 16, 16, 4>(), shape_of<bf16, 16, 32, 3>(),
    shape_of<bf16, 32, 32, 3>(), shape_of<bf16, 16, 64, 2>(), shape_of<bf16, 32, 64, 2>(),
};
static const struct shape of_int8[] = {
    shape_of<int8_t, 16, 8, 4>(),  shape_of<int8_t, 16, 16, 4>(), shape_of<int8_t, 32, 16, 4>(),
    shape_of<int8_t, 16, 32, 3>(), shape_of<int8_t, 32, 32, 3>(), shape_of<int8_t, 16, 64, 2>(),
    shape_of<int8_t, 32, 64, 2>(),
};

template <int N>
static cudaError_t launch_one(const struct shape (&all)[N], cudaStream_t s, const struct matmul *a,
                              struct matmul_tile t)
{
    for (const struct shape &one : all)
        if (one.rows == t.rows && one.cols == t.cols) return one.launch(s, a);
    return cudaErrorInvalidConfiguration;
}

cudaError_t matmul_few_launch(cudaStream_t s, const struct matmul *a, struct matmul_tile t)
{
    return a->w_dtype == DTYPE_INT8 ? launch_one(of_int8, s, a, t) : launch_one(of_bf16, s, a, t);
}

template <int N> static cudaError_t prepare_all(const struct shape (&all)[N])
{
    cudaError_t e = cudaSuccess;
    for (int i = 0; i < N && e == cudaSuccess; i++) e = all[i].prepare();
    return e;
}

cudaError_t cuda_prepare_matmul_few(void)
{
    cudaError_t e = prepare_all(of_bf16);
    return e == cudaSuccess ? prepare_all(of_int8) : e;
}
