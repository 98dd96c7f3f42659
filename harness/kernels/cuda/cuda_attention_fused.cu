/* cuda_attention_fused.cu - attention on tensor cores for bf16 caches and heads of 64 or 128.
 *
 * A block has some rows of one sequence and one key/value head, with all query heads of that
 * head's group packed beside each other: its ROWS rows of q are (row, head) pairs, so each key
 * and value is read once for the whole group.  Keys pass by in tiles of 64, fetched by cp.async
 * one tile ahead; those no row of the block sees are neither fetched nor computed.
 *
 *     ROWS 64   each warp has 16 pairs and does everything for them
 *     ROWS 16   for few rows: the warps share 16 pairs, each scores a quarter of a tile's keys
 *               and sums a quarter of the columns of the values; scores pass between them
 *               through shared memory
 *
 * Both make every sum in the same order, so a row has the same bits in either; see
 * cuda_attention_fused.h for how the keys are shared between blocks. */
#include "harness/kernels/cuda/cuda_attention_fused.h"
#include "harness/kernels/cuda/cuda_tile.h"

enum { N_WARPS = 4, N_THREADS = N_WARPS * WARP, KEYS = CUDA_KEY_TILE, STAGES = 2 };
enum { CHUNK_TILES = CUDA_CHUNK / KEYS };

template <int D, int ROWS> struct fused_shared {
    alignas(16) bf16 q[ROWS][D]; /* the results at the end */
    bf16 keys[STAGES][KEYS][D];
    bf16 values[STAGES][KEYS][D];
    float4 scores[ROWS == 16 ? KEYS / 8 : 1][WARP]; /* as mma leaves them */
};

/* Pair i of the block's is row i / group, head i % group. */
template <int ROWS, int D>
static __device__ __forceinline__ void copy_queries(bf16 (&to)[ROWS][D], const struct fused *a,
                                                    struct cuda_tile tile)
{
    enum { PIECES = D / WIDE };
#pragma unroll
    for (int at = threadIdx.x; at < ROWS * PIECES; at += N_THREADS) {
        int i = at / PIECES, piece = at % PIECES, row = i / a->group;
        bool there = row < tile.n_rows;
        const bf16 *from = a->q + (tile.row0 + (there ? row : 0)) * a->q_stride +
                           ((int64_t)blockIdx.y * a->group + i % a->group) * D + piece * WIDE;
        copy_async(&to[i][piece_at(i, piece)], from, there);
    }
}

/* scores[j] += q of 16 pairs from pair0 on . keys 8 j .. 8 j + 7 from key0 on. */
template <int N, int ROWS, int D>
static __device__ __forceinline__ void score(float (&scores)[N][4], const bf16 (&q)[ROWS][D],
                                             int pair0, const bf16 (&keys)[KEYS][D], int key0,
                                             int lane)
{
#pragma unroll
    for (int step = 0; step < D / 16; step += 2) {
        uint32_t a[2][4];
        load_a(a[0], q, pair0, step, lane);
        load_a(a[1], q, pair0, step + 1, lane);
#pragma unroll
        for (int j = 0; j < N; j++) {
            uint32_t b[4];
            load_b(b, keys, key0 + 8 * j, step / 2, lane);
            mma(scores[j], a[0], b[0], b[1]);
            mma(scores[j], a[1], b[2], b[3]);
        }
    }
}

/* What a lane has of its two rows of the fragments: a softmax, whose sum is its own columns' share
 * until the chunk ends, and pieces of the weighted values. */
template <int N> struct state {
    struct softmax p[2];
    float v[N][4];
};

template <int N> static __device__ __forceinline__ void clear(struct state<N> *s)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        s->p[half].max = -INFINITY;
        s->p[half].sum = 0;
    }
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) s->v[j][e] = 0;
}

/* Scaled, and minus infinity where a row does not see the key. */
static __device__ __forceinline__ void mask(float (&scores)[KEYS / 8][4], int32_t key0,
                                            const int32_t (&seen)[2], bool all_seen, float scale,
                                            int lane)
{
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int32_t key = key0 + 8 * j + lane % 4 * 2 + e % 2;
            scores[j][e] = all_seen || key < seen[e / 2] ? scores[j][e] * scale : -INFINITY;
        }
}

/* Scores become weights 2^(score - max), and what there was is brought to the new maximum. */
template <int N>
static __device__ __forceinline__ void weigh(float (&scores)[KEYS / 8][4], struct state<N> *s)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        struct softmax *p = &s->p[half];
        float max = p->max;
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
            max = fmaxf(max, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
        max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, 1));
        max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, 2));
        /* Nothing seen yet: infinity less infinity would not be a number. */
        float base = max == -INFINITY ? 0 : max, shrink = power_of_two(p->max - base);
        p->max = max;
        p->sum *= shrink;
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
            for (int e = 2 * half; e < 2 * half + 2; e++) {
                scores[j][e] = power_of_two(scores[j][e] - base);
                p->sum += scores[j][e];
            }
#pragma unroll
        for (int j = 0; j < N; j++) {
            s->v[j][2 * half] *= shrink;
            s->v[j][2 * half + 1] *= shrink;
        }
    }
}

/* v += weights, rounded to bf16 . values, columns from piece0 on. */
template <int N, int D>
static __device__ __forceinline__ void
add_values(float (&v)[N][4], const float (&weights)[KEYS / 8][4], const bf16 (&values)[KEYS][D],
           int piece0, int lane)
{
#pragma unroll
    for (int step = 0; step < KEYS / 16; step++) {
        const float(&lower)[4] = weights[2 * step], (&upper)[4] = weights[2 * step + 1];
        const uint32_t a[4] = {bf16_pair(lower[0], lower[1]), bf16_pair(lower[2], lower[3]),
                               bf16_pair(upper[0], upper[1]), bf16_pair(upper[2], upper[3])};
#pragma unroll
        for (int j = 0; j < N; j += 2) {
            uint32_t b[4];
            load_b_rows(b, values, step, piece0 + j, lane);
            mma(v[j], a, b[0], b[1]);
            mma(v[j + 1], a, b[2], b[3]);
        }
    }
}

/* ---- the end of a chunk, and of a row ---- */

/* Every lane has the sums of its rows. */
template <int N> static __device__ __forceinline__ void complete(struct state<N> *s)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        s->p[half].sum += __shfl_xor_sync(ALL_LANES, s->p[half].sum, 1);
        s->p[half].sum += __shfl_xor_sync(ALL_LANES, s->p[half].sum, 2);
    }
}

template <int N>
static __device__ __forceinline__ void fold_chunk(struct state<N> *all,
                                                  const struct state<N> *chunk)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float keep, add;
        fold(&all->p[half], chunk->p[half], &keep, &add);
#pragma unroll
        for (int j = 0; j < N; j++)
#pragma unroll
            for (int e = 2 * half; e < 2 * half + 2; e++)
                all->v[j][e] = fmaf(chunk->v[j][e], add, all->v[j][e] * keep);
    }
}

/* For the merge; warps that share rows have the same softmax, and the first writes it. */
template <int D, int N>
static __device__ __forceinline__ void leave_chunk(const struct fused *a, struct cuda_tile tile,
                                                   int32_t key0, const struct state<N> *chunk,
                                                   int pair0, int piece0, int lane)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int i = pair0 + lane / 4 + 8 * half, row = i / a->group;
        int64_t head = (int64_t)blockIdx.y * a->group + i % a->group;
        int64_t part = part_index(a, key0 / CUDA_CHUNK, tile.row0 + row, head);
        if (row >= tile.n_rows) continue;
        if (piece0 == 0 && lane % 4 == 0) part_states(a, D)[part] = chunk->p[half];
#pragma unroll
        for (int j = 0; j < N; j++)
            *(float2 *)(a->parts + part * D + (piece0 + j) * WIDE + lane % 4 * 2) =
                make_float2(chunk->v[j][2 * half], chunk->v[j][2 * half + 1]);
    }
}

/* Through shared memory, to be stored by 16-byte accesses. */
template <int ROWS, int D, int N>
static __device__ __forceinline__ void store_rows(const struct fused *a, struct cuda_tile tile,
                                                  const struct state<N> *all, bf16 (&rows)[ROWS][D],
                                                  int pair0, int piece0, int lane)
{
    __syncthreads(); /* results take the place of q */
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int i = pair0 + lane / 4 + 8 * half;
        float inverse = 1 / all->p[half].sum;
#pragma unroll
        for (int j = 0; j < N; j++) {
            const float(&two)[4] = all->v[j];
            *(uint32_t *)&rows[i][piece_at(i, piece0 + j) + lane % 4 * 2] =
                bf16_pair(two[2 * half] * inverse, two[2 * half + 1] * inverse);
        }
    }
    __syncthreads();
    for (int at = threadIdx.x; at < ROWS * D / WIDE; at += N_THREADS) {
        int i = at / (D / WIDE), piece = at % (D / WIDE), row = i / a->group;
        if (row >= tile.n_rows) continue;
        int64_t head = (int64_t)blockIdx.y * a->group + i % a->group;
        *(uint4 *)(a->out + (tile.row0 + row) * a->out_stride + head * D + piece * WIDE) =
            *(const uint4 *)&rows[i][piece_at(i, piece)];
    }
}

/* ---- the kernel ---- */

template <int D, int ROWS, bool SPLIT>
static __global__ void __launch_bounds__(N_THREADS, 2) fused_kernel(struct fused a)
{
    typedef struct fused_shared<D, ROWS> shared_t;
    enum { IS_SHARED = ROWS == 16, N_PIECES = D / WIDE / (IS_SHARED ? N_WARPS : 1) };
    SHARED_ALL(shared_t, s);
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    int pair0 = IS_SHARED ? 0 : 16 * warp, piece0 = IS_SHARED ? warp * N_PIECES : 0;
    struct cuda_tile tile = a.tiles[blockIdx.x];
    const struct cuda_row *rows = a.rows + tile.row0;
    int64_t cache = ((int64_t)rows[0].slot * a.hk + blockIdx.y) * a.cap * D;
    /* Rows of a span see ever more. */
    int32_t least = rows[0].n_visible, n_keys = rows[tile.n_rows - 1].n_visible;
    int32_t n_key_tiles = (n_keys + KEYS - 1) / KEYS, seen[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int row = (pair0 + lane / 4 + 8 * half) / a.group;
        seen[half] = row < tile.n_rows ? rows[row].n_visible : n_keys;
    }

    /* The u-th tile of keys of this block, whose chunks are every n_splits-th. */
    auto key_tile = [&](int32_t u) {
        if (!SPLIT) return u;
        return (u / CHUNK_TILES * (int32_t)gridDim.z + (int32_t)blockIdx.z) * CHUNK_TILES +
               u % CHUNK_TILES;
    };
    auto fetch = [&](int32_t u) {
        int32_t key = key_tile(u) * KEYS;
        if (key < n_keys) {
            int64_t at = cache + (int64_t)key * D;
            copy_tile<N_THREADS>(s.keys[u % STAGES], a.keys + at, D, n_keys - key, D, threadIdx.x);
            copy_tile<N_THREADS>(s.values[u % STAGES], a.values + at, D, n_keys - key, D,
                                 threadIdx.x);
        }
        copy_async_group();
    };
    if (key_tile(0) >= n_key_tiles) return;
    copy_queries(s.q, &a, tile);
    for (int32_t u = 0; u < STAGES - 1; u++) fetch(u);

    struct state<N_PIECES> chunk, all;
    clear(&chunk);
    clear(&all);
    for (int32_t u = 0; key_tile(u) < n_key_tiles; u++) {
        int32_t key0 = key_tile(u) * KEYS;
        float scores[KEYS / 8][4] = {};
        copy_async_wait<STAGES - 2>();
        __syncthreads(); /* the tile is there, and nobody reads the one before it any more */
        fetch(u + STAGES - 1);
        if (IS_SHARED) {
            float mine[KEYS / 8 / N_WARPS][4] = {};
            score(mine, s.q, 0, s.keys[u % STAGES], KEYS / N_WARPS * warp, lane);
#pragma unroll
            for (int j = 0; j < KEYS / 8 / N_WARPS; j++)
                s.scores[KEYS / 8 / N_WARPS * warp + j][lane] =
                    make_float4(mine[j][0], mine[j][1], mine[j][2], mine[j][3]);
            __syncthreads();
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) load(scores[j], (const float *)&s.scores[j][lane]);
        } else {
            score(scores, s.q, pair0, s.keys[u % STAGES], 0, lane);
        }
        mask(scores, key0, seen, key0 + KEYS <= least, a.scale, lane);
        weigh(scores, &chunk);
        add_values(chunk.v, scores, s.values[u % STAGES], piece0, lane);
        if (u % CHUNK_TILES != CHUNK_TILES - 1 && key0 + KEYS < n_keys) continue;
        complete(&chunk);
        if (SPLIT)
            leave_chunk<D>(&a, tile, key0, &chunk, pair0, piece0, lane);
        else
            fold_chunk(&all, &chunk);
        clear(&chunk);
    }
    if (!SPLIT) store_rows(&a, tile, &all, s.q, pair0, piece0, lane);
}

/* ---- launches ---- */

template <int D, int ROWS> static cudaError_t launch(cudaStream_t s, const struct fused *a)
{
    typedef struct fused_shared<D, ROWS> shared_t;
    dim3 grid((unsigned)a->n_tiles, (unsigned)a->hk, (unsigned)a->n_splits);
    if (a->n_splits > 1)
        LAUNCH_ALL((fused_kernel<D, ROWS, true>), shared_t, grid, N_THREADS, s, *a);
    else
        LAUNCH_ALL((fused_kernel<D, ROWS, false>), shared_t, grid, N_THREADS, s, *a);
    cudaError_t e = cudaGetLastError();
    return e != cudaSuccess || a->n_splits == 1 ? e : attention_merge_launch(s, a, D);
}

template <int D, int ROWS> static cudaError_t prepare(void)
{
    typedef struct fused_shared<D, ROWS> shared_t;
    cudaError_t e = PREPARE_ALL((fused_kernel<D, ROWS, true>), shared_t);
    return e != cudaSuccess ? e : PREPARE_ALL((fused_kernel<D, ROWS, false>), shared_t);
}

cudaError_t cuda_prepare_attention(void)
{
    cudaError_t e = prepare<64, 16>();
    if (e == cudaSuccess) e = prepare<64, 64>();
    if (e == cudaSuccess) e = prepare<128, 16>();
    return e == cudaSuccess ? prepare<128, 64>() : e;
}

cudaError_t cuda_launch_attention_fused(cudaStream_t s, struct tensor out, struct tensor q,
                                        struct tensor k_cache, struct tensor v_cache,
                                        const struct cuda_row *rows, const struct cuda_tile *tiles,
                                        const struct cuda_attention_plan *plan, void *parts)
{
    struct fused a = {};
    a.out = (bf16 *)out.data;
    a.q = (const bf16 *)q.data;
    a.keys = (const bf16 *)k_cache.data;
    a.values = (const bf16 *)v_cache.data;
    a.rows = rows;
    a.tiles = tiles;
    a.parts = (float *)parts;
    a.out_stride = out.row_stride;
    a.q_stride = q.row_stride;
    a.cap = k_cache.dim[2];
    a.n = q.dim[0];
    a.n_chunks = (a.cap + CUDA_CHUNK - 1) / CUDA_CHUNK;
    a.h = (int32_t)q.dim[1];
    a.hk = (int32_t)k_cache.dim[1];
    a.group = a.h / a.hk;
    a.n_tiles = plan->n_tiles;
    a.n_splits = plan->n_splits;
    a.scale = 1.44269504f / sqrtf((float)q.dim[2]); /* log2(e) */
    if (q.dim[2] == 64)
        return plan->block_rows == 16 ? launch<64, 16>(s, &a) : launch<64, 64>(s, &a);
    return plan->block_rows == 16 ? launch<128, 16>(s, &a) : launch<128, 64>(s, &a);
}
