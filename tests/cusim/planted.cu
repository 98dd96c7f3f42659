/* planted.cu - small kernels that each break one rule, and some that look as if they did. */
#include "tests/cusim/planted.h"

#include "harness/kernels/cuda/cuda_dialect.h"
#include "harness/kernels/cuda/cuda_ptx.h"

enum { N = 64 };

static __global__ void neighbour_kernel(float *out, const float *in, int n, int barriers)
{
    SHARED(float, x, [N]);
    int i = threadIdx.x;
    for (int round = 0; round < 2; round++) {
        x[i] = in[i] + round;
        if (barriers & 1) __syncthreads();
        out[i] = x[(i + 1) % N];
        if (barriers & 2) __syncthreads();
    }
}

static __global__ void shared_index_kernel(float *out, const float *in, int first, int barriers)
{
    SHARED(float, x, [N]);
    float *p = x; /* not an array any more: the compiler's own bounds check cannot help */
    p[(int)threadIdx.x + first] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = p[threadIdx.x];
}

static __global__ void copy_kernel(float *out, const float *in, int first, int barriers)
{
    out[threadIdx.x] = in[(int)threadIdx.x + first];
}

static __global__ void wide_kernel(float *out, const float *in, int first, int barriers)
{
    if (threadIdx.x < N / 4) {
        float4 v = *(const float4 *)(in + first + 4 * threadIdx.x);
        *(float4 *)(out + 4 * threadIdx.x) = v;
    }
}

static __global__ void blocks_kernel(float *out, const float *in, int apart, int barriers)
{
    out[blockIdx.x * apart + threadIdx.x] = in[threadIdx.x];
}

static __global__ void half_barrier_kernel(float *out, const float *in, int n, int barriers)
{
    if ((int)threadIdx.x < n) __syncthreads();
    out[threadIdx.x] = in[threadIdx.x];
}

static __global__ void half_shuffle_kernel(float *out, const float *in, int n, int barriers)
{
    float v = in[threadIdx.x];
    if ((int)threadIdx.x < n) v = __shfl_xor_sync(0xffffffffu, v, 1);
    out[threadIdx.x] = v;
}

static __global__ void partner_kernel(float *out, const float *in, int lane_xor, int barriers)
{
    float v = in[threadIdx.x];
    if (threadIdx.x % 32 < 16) v = __shfl_xor_sync(0x0000ffffu, v, lane_xor);
    out[threadIdx.x] = v;
}

static __global__ void local_array_kernel(float *out, const float *in, int n, int barriers)
{
    float x[4];
    for (int i = 0; i < 4; i++) x[i] = in[i];
    for (int i = 0; i < n; i++) x[i] += in[threadIdx.x];
    out[threadIdx.x] = x[0] + x[3];
}

/* Each thread's neighbour is `apart` away: in its warp or not. */
static __global__ void warp_kernel(float *out, const float *in, int apart, int barriers)
{
    SHARED(float, x, [N]);
    int i = threadIdx.x;
    for (int round = 0; round < 2; round++) {
        x[i] = in[i] + round;
        if (barriers & 1) __syncwarp();
        out[i] = x[i ^ apart];
        if (barriers & 2) __syncwarp();
    }
}

/* Two groups of copies, of which all but `left` are waited for; thread 0 reads the first. */
static __global__ void async_kernel(float *out, const float *in, int left, int barriers)
{
    SHARED(float4, x, [2][N / 4]);
    int i = threadIdx.x;
    for (int group = 0; group < 2; group++) {
        if (i < N / 4) copy_async(&x[group][i], in + 4 * i, group == 0);
        copy_async_group();
    }
    if (left == 0) copy_async_wait<0>();
    if (left == 1) copy_async_wait<1>();
    if (barriers & 1) __syncthreads();
    if (i == 0) out[0] = x[0][barriers & 2 ? 1 : 0].x;
    if (left == 2) copy_async_wait<0>();
    if (i == 1 && barriers & 4) copy_async(&x[0][0], in, false);
    copy_async_wait<0>(); /* of no group: the last copy has none yet */
    if (barriers & 8) copy_async_group(), copy_async_wait<0>();
}

/* A product of [16,16] and [16,8]: which element a register holds is PTX's own formula. */
static __global__ void mma_kernel(float *out, const float *in, int n, int barriers)
{
    int lane = threadIdx.x % 32, group = lane >> 2, in_group = lane % 4;
    uint32_t a[4] = {}, b[2] = {};
    float c[4] = {1, 2, 3, 4};
    if ((int)threadIdx.x >= n) return;
    for (int i = 0; i < 8; i++) {
        int row = i < 2 || (i >= 4 && i < 6) ? group : group + 8;
        int col = i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
        a[i / 2] |= (uint32_t)bf16_of_float(in[row] - col) << 16 * (i % 2);
    }
    for (int i = 0; i < 4; i++) {
        int row = i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
        b[i / 2] |= (uint32_t)bf16_of_float(in[group] * row) << 16 * (i % 2);
    }
    mma(c, a, b[0], b[1]);
    if (threadIdx.x >= 32) return;
    for (int i = 0; i < 4; i++) {
        int row = i < 2 ? group : group + 8, col = in_group * 2 + (i & 1);
        if (col < 4) out[row * 4 + col] = c[i];
    }
}

/* Every lane names a row of 8 numbers 100 row + column, rows `apart` times 16 bytes apart;
 * out[lane] is the last word of its registers' second matrix. */
static __global__ void ldmatrix_kernel(float *out, const float *in, int turned, int apart)
{
    struct row {
        alignas(16) uint16_t x[8];
    };
    SHARED(struct row, rows, [2 * N]);
    struct row *mine = &rows[threadIdx.x * apart];
    uint32_t r[4];
    for (int i = 0; i < 8; i++) mine->x[i] = (uint16_t)(100 * threadIdx.x + i);
    __syncwarp();
    if (turned)
        ldmatrix_turned(r, mine);
    else
        ldmatrix(r, mine);
    out[threadIdx.x] = (float)(r[1] >> 16);
}

/* Everybody adds to one place; 1: and waits before reading it, 2: after it was cleared. */
static __global__ void adders_kernel(float *out, const float *in, int n, int barriers)
{
    SHARED(uint64_t, sum, [1]);
    if (threadIdx.x == 0) sum[0] = 0;
    if (barriers & 2) __syncthreads();
    shared_add(&sum[0], threadIdx.x);
    if (barriers & 1) __syncthreads();
    out[threadIdx.x] = (float)sum[0];
}

struct large {
    float x[13 << 10];
};

static __global__ void large_kernel(float *out, const float *in, int n, int barriers)
{
    SHARED_ALL(struct large, s);
    s.x[(13 << 10) - 1 - threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = s.x[(13 << 10) - 1 - threadIdx.x];
}

static const struct planted table[] = {
    {"neighbour", neighbour_kernel, 1},
    {"shared_index", shared_index_kernel, 1},
    {"copy", copy_kernel, 1},
    {"wide", wide_kernel, 1},
    {"blocks", blocks_kernel, 2},
    {"half_barrier", half_barrier_kernel, 1},
    {"half_shuffle", half_shuffle_kernel, 1},
    {"partner", partner_kernel, 1},
    {"local_array", local_array_kernel, 1},
    {"warp", warp_kernel, 1},
    {"async", async_kernel, 1},
    {"mma", mma_kernel, 1},
    {"ldmatrix", ldmatrix_kernel, 1},
    {"adders", adders_kernel, 1},
};

void planted_launch(const char *name, cudaStream_t s, float *out, const float *in, int n,
                    int barriers)
{
    if (strcmp(name, "prepare large") == 0) PREPARE_ALL(large_kernel, struct large);
    if (strcmp(name, "large") == 0)
        LAUNCH_ALL(large_kernel, struct large, 1, N, s, out, in, n, barriers);
    for (const struct planted &p : table)
        if (strcmp(p.name, name) == 0) LAUNCH(p.kernel, p.n_blocks, N, s, out, in, n, barriers);
}
