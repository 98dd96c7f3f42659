/* cuda_rowstat.cu - choice, confidence and entropy from one read of each row of logits.
 *
 * First kernel: one block per slice of CUDA_SLICE ids, 16 logits a thread, kept in registers.
 * Second kernel: one warp per row puts the slices together in double precision. */
#include "harness/kernels/cuda/cuda_device.h"

enum { N_THREADS = 256, QUADS = CUDA_SLICE / N_THREADS / 4 };

/* ---- the two largest values seen and the id of the largest, in any order of merging ---- */

struct top2 {
    float first, second;
    int32_t id; /* -1: none yet */
};

static __device__ __forceinline__ struct top2 top2_none(void)
{
    struct top2 t = {-INFINITY, -INFINITY, -1};
    return t;
}

static __device__ __forceinline__ struct top2 top2_merge(struct top2 a, struct top2 b)
{
    bool b_wins =
        b.id >= 0 && (a.id < 0 || b.first > a.first || (b.first == a.first && b.id < a.id));
    struct top2 winner = b_wins ? b : a;
    winner.second = fmaxf(winner.second, b_wins ? a.first : b.first);
    return winner;
}

static __device__ __forceinline__ struct top2 warp_top2(struct top2 t)
{
    for (int lane = WARP / 2; lane > 0; lane /= 2) {
        struct top2 other;
        other.first = __shfl_xor_sync(ALL_LANES, t.first, lane);
        other.second = __shfl_xor_sync(ALL_LANES, t.second, lane);
        other.id = __shfl_xor_sync(ALL_LANES, t.id, lane);
        t = top2_merge(t, other);
    }
    return t;
}

static __device__ __forceinline__ struct top2 block_top2(struct top2 t)
{
    SHARED(float, first, [N_THREADS / WARP]);
    SHARED(float, second, [N_THREADS / WARP]);
    SHARED(int32_t, id, [N_THREADS / WARP]);
    t = warp_top2(t);
    if (threadIdx.x % WARP == 0) {
        first[threadIdx.x / WARP] = t.first;
        second[threadIdx.x / WARP] = t.second;
        id[threadIdx.x / WARP] = t.id;
    }
    __syncthreads();
    t = top2_none();
    for (int warp = 0; warp < N_THREADS / WARP; warp++) {
        struct top2 w = {first[warp], second[warp], id[warp]};
        t = top2_merge(t, w);
    }
    __syncthreads();
    return t;
}

/* ---- random numbers: the same words as harness/base/rng.c ---- */

static __device__ __forceinline__ uint4 philox(uint4 c, uint64_t key)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c.x, p1 = (uint64_t)0xCD9E8D57u * c.z;
        c = make_uint4((uint32_t)(p1 >> 32) ^ c.y ^ k0, (uint32_t)p1,
                       (uint32_t)(p0 >> 32) ^ c.w ^ k1, (uint32_t)p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

/* -log(-log(u)), u = (w + 1/2) / 2^32.  Near u = 1 the distance 1 - u is what a float can
 * hold, so -log(u) is taken from it. */
static __device__ __forceinline__ float gumbel(uint32_t w)
{
    bool upper = w >> 31;
    float t = ((float)(upper ? ~w : w) + 0.5f) * 0x1p-32f;
    return -logf(upper ? -log1pf(-t) : -logf(t));
}

/* ---- the kernels ---- */

struct rowstat {
    const float *logits;
    int64_t stride;
    int32_t v, n_slices;
    const struct row_key *keys;
    const float *floor; /* of each row: lower logits are not sampled; NULL: any is */
    struct choice_rule rule;
};

/* Four logits from id on; minus infinity past the end. */
template <bool IS_WIDE>
static __device__ __forceinline__ void load_quad(float (&x)[4], const float *row, int32_t id,
                                                 int32_t v)
{
    if (IS_WIDE && id + 4 <= v) {
        load(x, row + id);
        return;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = id + i < v ? row[id + i] : -INFINITY;
}

static __device__ __forceinline__ bool allowed(const struct choice_rule *rule, int32_t id)
{
    return id < rule->n_ids && id != rule->mask_id;
}

template <bool IS_WIDE, bool SAMPLES>
static __global__ void __launch_bounds__(N_THREADS)
    slice_kernel(struct cuda_slice *slices, struct rowstat a)
{
    int64_t row = blockIdx.x;
    int32_t id0 = (int32_t)blockIdx.y * CUDA_SLICE;
    float x[QUADS][4], max = -INFINITY, sum = 0, weighted = 0;
    float floor = SAMPLES && a.floor ? a.floor[row] : -INFINITY;
    struct top2 best = top2_none(), sampled = top2_none();
#pragma unroll
    for (int q = 0; q < QUADS; q++) {
        int32_t id = id0 + (q * N_THREADS + (int32_t)threadIdx.x) * 4;
        load_quad<IS_WIDE>(x[q], a.logits + row * a.stride, id, a.v);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            max = fmaxf(max, x[q][i]);
            struct top2 one = {x[q][i], -INFINITY, id + i};
            if (allowed(&a.rule, id + i)) best = top2_merge(best, one);
        }
        if (SAMPLES) {
            struct row_key key = a.keys[row];
            uint4 word = philox(make_uint4((uint32_t)id / 4, key.position, key.step, key.request),
                                a.rule.seed);
            const uint32_t words[4] = {word.x, word.y, word.z, word.w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                struct top2 one = {x[q][i] / a.rule.temperature + gumbel(words[i]), -INFINITY,
                                   id + i};
                if (allowed(&a.rule, id + i) && x[q][i] >= floor)
                    sampled = top2_merge(sampled, one);
            }
        }
    }
    max = block_max(max);
    /* What is smaller than e^-87.33 would be denormal: nothing, and no 0 times infinity. */
#pragma unroll
    for (int q = 0; q < QUADS; q++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float below = x[q][i] - max;
            if (below > -87.33f) {
                float e = expf(below);
                sum += e;
                weighted += below * e;
            }
        }
    sum = block_sum(sum);
    weighted = block_sum(weighted);
    best = block_top2(best);
    if (SAMPLES) sampled = block_top2(sampled);
    if (threadIdx.x == 0) {
        struct cuda_slice out = {max,         sum,     weighted,      best.first,
                                 best.second, best.id, sampled.first, sampled.id};
        slices[row * a.n_slices + blockIdx.y] = out;
    }
}

template <bool SAMPLES>
static __global__ void row_kernel(struct row_stat *stats, const struct cuda_slice *slices,
                                  struct rowstat a)
{
    int64_t row = blockIdx.x;
    double max = -INFINITY, sum = 0, weighted = 0;
    struct top2 best = top2_none(), sampled = top2_none();
    slices += row * a.n_slices;
    for (int32_t i = threadIdx.x; i < a.n_slices; i += WARP) {
        struct cuda_slice s = slices[i];
        struct top2 b = {s.first, s.second, s.id}, g = {s.sampled, -INFINITY, s.sampled_id};
        max = s.max > max ? s.max : max;
        best = top2_merge(best, b);
        sampled = top2_merge(sampled, g);
    }
    max = warp_max(max);
    best = warp_top2(best);
    if (SAMPLES) sampled = warp_top2(sampled);
    for (int32_t i = threadIdx.x; i < a.n_slices; i += WARP) {
        struct cuda_slice s = slices[i];
        double shift = s.max - max;
        if (shift < -700) continue; /* nothing, and no 0 times infinity */
        sum += exp(shift) * s.sum;
        weighted += exp(shift) * (s.weighted + shift * s.sum);
    }
    sum = warp_sum(sum);
    weighted = warp_sum(weighted);
    if (threadIdx.x > 0) return;
    int32_t id = SAMPLES ? sampled.id : best.id;
    float x = id < 0 ? -INFINITY : a.logits[row * a.stride + id];
    struct row_stat out;
    out.id = id;
    out.confidence = (float)(exp(x - max) / sum);
    out.p_first = (float)(exp(best.first - max) / sum);
    out.p_second = (float)(exp(best.second - max) / sum);
    out.entropy_nats = (float)(log(sum) - weighted / sum);
    stats[row] = out;
}

template <bool IS_WIDE, bool SAMPLES>
static cudaError_t launch(cudaStream_t s, struct row_stat *stats, struct cuda_slice *slices,
                          const struct rowstat *a, int64_t n)
{
    dim3 grid((unsigned)n, (unsigned)a->n_slices);
    LAUNCH((slice_kernel<IS_WIDE, SAMPLES>), grid, N_THREADS, s, slices, *a);
    cudaError_t e = cudaGetLastError();
    if (e != cudaSuccess) return e;
    LAUNCH((row_kernel<SAMPLES>), (unsigned)n, WARP, s, stats, slices, *a);
    return cudaGetLastError();
}

cudaError_t cuda_launch_rowstat(cudaStream_t s, struct row_stat *stats, struct cuda_slice *slices,
                                struct tensor logits, const struct row_key *keys,
                                const float *floor, const struct choice_rule *rule)
{
    int64_t n = logits.dim[0], v = logits.dim[1];
    if (n == 0) return cudaSuccess;
    struct rowstat a = {};
    a.logits = (const float *)logits.data;
    a.stride = logits.row_stride;
    a.v = (int32_t)v;
    a.n_slices = (int32_t)cuda_n_slices(v);
    a.keys = keys;
    a.floor = floor;
    a.rule = *rule;
    bool wide = (uintptr_t)logits.data % 16 == 0 && logits.row_stride % 4 == 0;
    if (rule->temperature > 0)
        return wide ? launch<true, true>(s, stats, slices, &a, n)
                    : launch<false, true>(s, stats, slices, &a, n);
    return wide ? launch<true, false>(s, stats, slices, &a, n)
                : launch<false, false>(s, stats, slices, &a, n);
}
