/* cuda_nucleus.cu - the smallest logit of each row that top-p sampling may choose, as
 * harness/kernels/cpu/cpu_nucleus.c finds it.
 *
 * Probabilities become whole numbers of 2^-40 of the largest one, so sums are exact in any order
 * and equal logits stay together.  The logit at which the sum from the top reaches the wanted
 * share is found in its bits, eleven at a time.  One block a row, five sweeps over it, the later
 * ones from L2. */
#include "harness/kernels/cuda/cuda_device.h"

enum { N_THREADS = 512, KEY_BITS = 32, DIGIT_BITS = 11, N_BINS = 1 << DIGIT_BITS };
enum { N_WARPS = N_THREADS / WARP, EACH = N_BINS / N_THREADS };

struct nucleus {
    const float *logits;
    int64_t stride;
    int32_t v;
    struct choice_rule rule;
};

/* Larger floats have larger keys. */
static __device__ __forceinline__ uint32_t key_of(float x)
{
    uint32_t bits = bits_of_float(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static __device__ __forceinline__ float of_key(uint32_t key)
{
    return float_of_bits(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

static __device__ __forceinline__ bool allowed(const struct choice_rule *rule, int32_t id)
{
    return id < rule->n_ids && id != rule->mask_id;
}

static __device__ __forceinline__ uint64_t weight_of(float x, float most, float temperature)
{
    float below = (x - most) / temperature;
    return (uint64_t)(expf(below > -80.0f ? below : -80.0f) * 0x1p40f); /* e^-80 is 0 of 2^40 */
}

/* Sum of the threads above this one; *all: of everybody. */
static __device__ __forceinline__ uint64_t sum_above(uint64_t mine, uint64_t *all)
{
    SHARED(uint64_t, of_warp, [N_WARPS]);
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    uint64_t above = 0, together = mine;
    for (int d = 1; d < WARP; d *= 2) {
        uint64_t others = __shfl_xor_sync(ALL_LANES, together, d);
        if (!(lane & d)) above += others;
        together += others;
    }
    if (lane == 0) of_warp[warp] = together;
    __syncthreads();
    *all = 0;
    for (int w = 0; w < N_WARPS; w++) {
        if (w > warp) above += of_warp[w];
        *all += of_warp[w];
    }
    __syncthreads();
    return above;
}

static __global__ void __launch_bounds__(N_THREADS) nucleus_kernel(float *floor, struct nucleus a)
{
    SHARED(uint64_t, bin, [N_BINS]);
    SHARED(uint64_t, left, [1]); /* of the wanted sum, below the digits that are known */
    SHARED(uint32_t, prefix, [1]);
    const float *row = a.logits + (int64_t)blockIdx.x * a.stride;
    const int first = (int)threadIdx.x * EACH;
    float most = -INFINITY;
    uint64_t mine = 0, all;
    for (int32_t id = threadIdx.x; id < a.v; id += N_THREADS)
        if (allowed(&a.rule, id)) most = fmaxf(most, row[id]);
    most = block_max(most);
    for (int32_t id = threadIdx.x; id < a.v; id += N_THREADS)
        if (allowed(&a.rule, id)) mine += weight_of(row[id], most, a.rule.temperature);
    sum_above(mine, &all);
    if (threadIdx.x == 0) {
        uint64_t want = (uint64_t)ceil((double)all * (double)a.rule.top_p);
        left[0] = want < 1 ? 1 : want;
        prefix[0] = 0;
    }
    for (int known = 0; known < KEY_BITS; known += DIGIT_BITS) {
        int bits = KEY_BITS - known < DIGIT_BITS ? KEY_BITS - known : DIGIT_BITS;
        int shift = KEY_BITS - known - bits;
        for (int i = threadIdx.x; i < N_BINS; i += N_THREADS) bin[i] = 0;
        __syncthreads();
        for (int32_t id = threadIdx.x; id < a.v; id += N_THREADS) {
            float x = row[id];
            uint32_t key = key_of(x);
            if (!allowed(&a.rule, id)) continue;
            if (known > 0 && key >> (KEY_BITS - known) != prefix[0]) continue;
            uint64_t weight = weight_of(x, most, a.rule.temperature);
            if (weight > 0)
                shared_add(&bin[(key >> shift) & (N_BINS - 1) >> (DIGIT_BITS - bits)], weight);
        }
        __syncthreads();
        uint64_t want = left[0], sum = 0;
        for (int i = 0; i < EACH; i++) sum += bin[first + i];
        uint64_t above = sum_above(sum, &all);
        if (above < want && want <= above + sum) { /* one thread's */
            int at = first + EACH - 1;
            for (; above + bin[at] < want; at--) above += bin[at];
            left[0] = want - above;
            prefix[0] = prefix[0] << bits | (uint32_t)at;
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) floor[blockIdx.x] = of_key(prefix[0]);
}

cudaError_t cuda_launch_nucleus(cudaStream_t s, float *floor, struct tensor logits,
                                const struct choice_rule *rule)
{
    if (logits.dim[0] == 0) return cudaSuccess;
    struct nucleus a = {};
    a.logits = (const float *)logits.data;
    a.stride = logits.row_stride;
    a.v = (int32_t)logits.dim[1];
    a.rule = *rule;
    LAUNCH(nucleus_kernel, (unsigned)logits.dim[0], N_THREADS, s, floor, a);
    return cudaGetLastError();
}
