/* cuda_attention.cu - attention, plainly, for any head width and cache: one block per row and query
 * head, the keys dealt out to its warps, each with a softmax of its own that follows the running
 * maximum.
 *
 * A group of lanes wide enough for a head reads one key at a time, 8 elements a lane; a warp
 * holds 32 / group such groups.  At the end the groups of a warp and then the warps of the
 * block bring their parts to one maximum and add up.  Every query head reads its keys and
 * values itself: heads that share them meet in the L2 cache only. */
#include "harness/kernels/cuda/cuda_device.h"

enum { N_WARPS = 4, N_THREADS = N_WARPS * WARP, LANE_D = 8 };

/* Below every score, and finite: e^(LOWEST - LOWEST) is 1 and meets a sum of 0. */
#define LOWEST (-1e38f)

struct attention {
    bf16 *out;
    const bf16 *q;
    const void *keys, *values;
    const struct cuda_row *rows;
    int64_t out_stride, q_stride, cap;
    int32_t h, hk, d;
    int32_t group; /* lanes that hold one vector: a power of two */
    float scale;
};

/* A lane's 8 elements of a vector, zeros where it ends before. */
template <bool IS_WIDE, class T>
static __device__ __forceinline__ void load_part(float (&v)[LANE_D], const T *p, int32_t n)
{
    if (IS_WIDE && n >= LANE_D) {
        load(v, p);
        return;
    }
#pragma unroll
    for (int i = 0; i < LANE_D; i++) {
        float one[1] = {0};
        if (!IS_WIDE && i < n) load(one, p + i);
        v[i] = one[0];
    }
}

/* A softmax under way: maximum, sum of e^(score - max), and the same sum of values. */
struct part {
    float max, sum;
    float v[LANE_D];
};

static __device__ __forceinline__ void bring_to(struct part *p, float max)
{
    float shrink = expf(p->max - max);
    p->max = max;
    p->sum *= shrink;
#pragma unroll
    for (int i = 0; i < LANE_D; i++) p->v[i] *= shrink;
}

/* All lanes call it together; `seen` says whether this lane's group has a key here. */
template <bool IS_WIDE, class Kv>
static __device__ __forceinline__ void add_key(struct part *p, const float (&q)[LANE_D],
                                               const Kv *key, const Kv *value, int32_t n_left,
                                               int32_t group, bool seen)
{
    float k[LANE_D], v[LANE_D], score = 0;
    /* Lanes past the end of a head, and groups past the last key, only take part in the sum. */
    bool works = seen && n_left > 0;
    load_part<IS_WIDE>(k, key, works ? n_left : 0);
    load_part<IS_WIDE>(v, value, works ? n_left : 0);
    if (works) {
#pragma unroll
        for (int i = 0; i < LANE_D; i++) score = fmaf(q[i], k[i], score);
    }
    for (int lane = group / 2; lane > 0; lane /= 2)
        score += __shfl_xor_sync(ALL_LANES, score, lane);
    if (!seen) return;
    if (score > p->max) bring_to(p, score);
    float weight = expf(score - p->max);
    p->sum += weight;
    if (!works) return;
#pragma unroll
    for (int i = 0; i < LANE_D; i++) p->v[i] = fmaf(weight, v[i], p->v[i]);
}

/* The groups of a warp, each lane with its own elements. */
static __device__ __forceinline__ void merge_groups(struct part *p, int32_t group)
{
    for (int lane = group; lane < WARP; lane *= 2) {
        struct part other;
        other.max = __shfl_xor_sync(ALL_LANES, p->max, lane);
        other.sum = __shfl_xor_sync(ALL_LANES, p->sum, lane);
#pragma unroll
        for (int i = 0; i < LANE_D; i++) other.v[i] = __shfl_xor_sync(ALL_LANES, p->v[i], lane);
        float max = fmaxf(p->max, other.max);
        bring_to(p, max);
        bring_to(&other, max);
        p->sum += other.sum;
#pragma unroll
        for (int i = 0; i < LANE_D; i++) p->v[i] += other.v[i];
    }
}

template <bool IS_WIDE, class Kv>
static __global__ void __launch_bounds__(N_THREADS) attention_kernel(struct attention a)
{
    SHARED(float, warp_max_, [N_WARPS]);
    SHARED(float, warp_sum_, [N_WARPS]);
    SHARED(float, warp_v, [N_WARPS][CUDA_MAX_HEAD]);
    int64_t row = blockIdx.x, head = blockIdx.y;
    int32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    int32_t i0 = lane % a.group * LANE_D, n_left = a.d - i0, keys_per_warp = WARP / a.group;
    struct cuda_row at = a.rows[row];
    int64_t cache = ((int64_t)at.slot * a.hk + head * a.hk / a.h) * a.cap * a.d + i0;
    const Kv *keys = (const Kv *)a.keys + cache, *values = (const Kv *)a.values + cache;

    struct part p = {LOWEST, 0, {0}};
    float q[LANE_D];
    load_part<IS_WIDE>(q, a.q + row * a.q_stride + head * a.d + i0, n_left);
#pragma unroll
    for (int i = 0; i < LANE_D; i++) q[i] *= a.scale;
    for (int32_t first = warp * keys_per_warp; first < at.n_visible;
         first += N_WARPS * keys_per_warp) {
        int64_t key = first + lane / a.group;
        add_key<IS_WIDE>(&p, q, keys + key * a.d, values + key * a.d, n_left, a.group,
                         key < at.n_visible);
    }
    merge_groups(&p, a.group);

    if (lane == 0) {
        warp_max_[warp] = p.max;
        warp_sum_[warp] = p.sum;
    }
    if (lane < a.group) {
#pragma unroll
        for (int i = 0; i < LANE_D; i++)
            if (i < n_left) warp_v[warp][i0 + i] = p.v[i];
    }
    __syncthreads();
    float max = warp_max_[0], sum = 0;
    for (int w = 1; w < N_WARPS; w++) max = fmaxf(max, warp_max_[w]);
    for (int w = 0; w < N_WARPS; w++) sum += warp_sum_[w] * expf(warp_max_[w] - max);
    for (int32_t i = threadIdx.x; i < a.d; i += N_THREADS) {
        float v = 0;
        for (int w = 0; w < N_WARPS; w++) v += warp_v[w][i] * expf(warp_max_[w] - max);
        a.out[row * a.out_stride + head * a.d + i] = bf16_of_float(v / sum);
    }
}

template <bool IS_WIDE, class Kv>
static cudaError_t launch(cudaStream_t s, const struct attention *a, int64_t n)
{
    dim3 grid((unsigned)n, (unsigned)a->h);
    LAUNCH((attention_kernel<IS_WIDE, Kv>), grid, N_THREADS, s, *a);
    return cudaGetLastError();
}

cudaError_t cuda_launch_attention(cudaStream_t s, struct tensor out, struct tensor q,
                                  struct tensor k_cache, struct tensor v_cache,
                                  const struct cuda_row *rows)
{
    int64_t n = q.dim[0], d = q.dim[2];
    if (n == 0) return cudaSuccess;
    struct attention a = {};
    a.out = (bf16 *)out.data;
    a.q = (const bf16 *)q.data;
    a.keys = k_cache.data;
    a.values = v_cache.data;
    a.rows = rows;
    a.out_stride = out.row_stride;
    a.q_stride = q.row_stride;
    a.cap = k_cache.dim[2];
    a.h = (int32_t)q.dim[1];
    a.hk = (int32_t)k_cache.dim[1];
    a.d = (int32_t)d;
    a.group = 1;
    while (a.group * LANE_D < d) a.group *= 2;
    a.scale = 1 / sqrtf((float)d);
    bool wide = is_wide(q) && is_wide(k_cache) && is_wide(v_cache);
    if (k_cache.dtype == DTYPE_BF16)
        return wide ? launch<true, bf16>(s, &a, n) : launch<false, bf16>(s, &a, n);
    return wide ? launch<true, float>(s, &a, n) : launch<false, float>(s, &a, n);
}
