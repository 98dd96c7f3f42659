/* planted.cu - small kernels that each break one rule, and some that look as if they did. */
#include "tests/cusim/planted.h"

#include "harness/kernels/cuda/cuda_dialect.h"

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
};

void planted_launch(const char *name, cudaStream_t s, float *out, const float *in, int n,
                    int barriers)
{
    for (const struct planted &p : table)
        if (strcmp(p.name, name) == 0) LAUNCH(p.kernel, p.n_blocks, N, s, out, in, n, barriers);
}
