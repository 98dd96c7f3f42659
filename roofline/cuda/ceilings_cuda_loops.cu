/* ceilings_cuda_loops.cu - see ceilings_cuda_loops.h. */
#include "harness/kernels/cuda/cuda_dialect.h"
#include "roofline/cuda/ceilings_cuda_loops.h"

enum { THREADS = 256, AHEAD = 4, NEVER = 0x0badf00d };

static __device__ __forceinline__ uint32_t fold(uint4 v)
{
    return (v.x | v.y) | (v.z | v.w);
}

/* In every pass a block reads the part of the next one: no pass can be left out, and what one
 * multiprocessor has read lately is not what it reads next. */
static __global__ void read_kernel(const uint4 *data, int64_t unit, int32_t passes, uint32_t *sink)
{
    uint32_t all = 0;
    for (int32_t pass = 0; pass < passes; pass++) {
        const uint4 *part = data + (blockIdx.x + pass) % gridDim.x * unit;
        int64_t i = threadIdx.x;
        for (; i + (AHEAD - 1) * THREADS < unit; i += AHEAD * THREADS) {
            uint4 v[AHEAD];
#pragma unroll
            for (int j = 0; j < AHEAD; j++) v[j] = load_past_l1(part + i + j * THREADS);
#pragma unroll
            for (int j = 0; j < AHEAD; j++) all |= fold(v[j]);
        }
        for (; i < unit; i += THREADS) all |= fold(load_past_l1(part + i));
    }
    if (all == NEVER) *sink = all;
}

static __global__ void copy_kernel(uint4 *to, const uint4 *from, int64_t unit)
{
    int64_t begin = blockIdx.x * unit;
    for (int64_t i = threadIdx.x; i < unit; i += THREADS)
        to[begin + i] = load_past_l1(from + begin + i);
}

static __global__ void fill_kernel(uint32_t *out, int64_t n, uint32_t base, uint32_t mask)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    uint32_t x = (uint32_t)i * 2654435761u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    out[i] = base | (x & mask);
}

static __global__ void empty_kernel(int nothing)
{
}

cudaError_t gpu_loop_read(cudaStream_t s, const void *data, int32_t n_blocks, int64_t unit_bytes,
                          int32_t passes, uint32_t *sink)
{
    LAUNCH(read_kernel, (unsigned)n_blocks, THREADS, s, (const uint4 *)data, unit_bytes / 16,
           passes, sink);
    return cudaGetLastError();
}

cudaError_t gpu_loop_copy(cudaStream_t s, void *to, const void *from, int32_t n_blocks,
                          int64_t unit_bytes)
{
    LAUNCH(copy_kernel, (unsigned)n_blocks, THREADS, s, (uint4 *)to, (const uint4 *)from,
           unit_bytes / 16);
    return cudaGetLastError();
}

cudaError_t gpu_loop_fill(cudaStream_t s, uint32_t *out, int64_t n, uint32_t base, uint32_t mask)
{
    LAUNCH(fill_kernel, (unsigned)((n + THREADS - 1) / THREADS), THREADS, s, out, n, base, mask);
    return cudaGetLastError();
}

cudaError_t gpu_loop_nothing(cudaStream_t s)
{
    LAUNCH(empty_kernel, 1, 32, s, 0);
    return cudaGetLastError();
}
