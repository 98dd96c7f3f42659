/* launch.h - the CUDA kernels as C sees them: each call queues one operation on a stream.
 *
 * All pointers are device memory unless said otherwise.  Activations are bf16, logits f32, K/V
 * either, weights either or int8 as cuda_int8.h has it; sums are f32.  What a launch itself can get
 * wrong comes back at once, what the kernel does wrong with the stream's next synchronisation. */
#ifndef CUDA_LAUNCH_H
#define CUDA_LAUNCH_H

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "harness/kernels/kernels.h"

/* Where a row stands: made on the host by span_visible, the only place that knows masks. */
struct cuda_row {
    int32_t slot;      /* its sequence's in the cache           */
    int32_t pos;       /* its position in the sequence          */
    int32_t n_visible; /* it sees cache positions 0 .. this - 1 */
};

enum { CUDA_MAX_HEAD = 256, CUDA_SLICE = 4096 };

/* Consecutive rows of one span that a block of the fused attention computes together. */
struct cuda_tile {
    int32_t row0, n_rows;
};

enum {
    CUDA_CHUNK = 256,  /* keys that have a softmax of their own */
    CUDA_KEY_TILE = 64, /* keys of the fused attention that are read and scored together */
    CUDA_PARTS_BYTES_MOST = 128 << 20 /* beyond it few blocks are the lesser evil */
};

/* How the fused attention is cut up; see cuda_attention_plan.c. */
struct cuda_attention_plan {
    int32_t block_rows; /* (row, query head) pairs of a block: 16 or 64; 0: not for this kernel */
    int32_t tile_rows;  /* rows of a tile                                                       */
    int32_t n_tiles;
    int32_t n_splits;   /* blocks that share the keys of a tile                                 */
    size_t parts_bytes; /* what they leave for each other; 0: they are alone                    */
};

/* Which own kernel makes a product: few rows, many, or anything on CUDA cores; its blocks. */
enum cuda_matmul_kernel { CUDA_MATMUL_PLAIN, CUDA_MATMUL_FEW, CUDA_MATMUL_MANY };
struct cuda_matmul_plan {
    enum cuda_matmul_kernel kernel;
    struct matmul_tile tile;
};

/* One slice of CUDA_SLICE ids of a row of logits. */
struct cuda_slice {
    float max, sum, weighted; /* of x, of e^(x - max), of (x - max) e^(x - max)            */
    float first, second;      /* largest values among allowed ids                          */
    int32_t id;               /* of first, the lowest on ties; -1: no allowed id here      */
    float sampled;            /* largest x / temperature + noise                           */
    int32_t sampled_id;
};

/* Once, after a device was chosen: lets kernels have the shared memory they want.  CUDA's complaint
 * when this build has no code for the device; else cudaSuccess. */
cudaError_t cuda_kernels_prepare(void);
cudaError_t cuda_prepare_matmul_few(void); /* its parts, by file */
cudaError_t cuda_prepare_matmul_many(void);
cudaError_t cuda_prepare_attention(void);

/* out[n,m] = from[index[i], :]; index NULL: row i; from 1-D: the same row for every i. */
cudaError_t cuda_launch_copy(cudaStream_t s, struct tensor out, struct tensor from,
                             const int32_t *index);
cudaError_t cuda_launch_rmsnorm(cudaStream_t s, struct tensor out, struct tensor x,
                                struct tensor gain, float eps);
/* table[position][2][d / 2]: cosines, then sines. */
cudaError_t cuda_launch_rope(cudaStream_t s, struct tensor x, const int32_t *pos,
                             const float *table);
cudaError_t cuda_launch_kv_store(cudaStream_t s, struct tensor k_cache, struct tensor v_cache,
                                 struct tensor k_rows, struct tensor v_rows,
                                 const struct cuda_row *rows);
/* The plain kernel: any shape, head width at most CUDA_MAX_HEAD. */
cudaError_t cuda_launch_attention(cudaStream_t s, struct tensor out, struct tensor q,
                                  struct tensor k_cache, struct tensor v_cache,
                                  const struct cuda_row *rows);

/* What a plan executes: of the fused kernel, or of the plain one (block_rows 0). */
struct attention_tile cuda_attention_tile(const struct cuda_attention_plan *plan, struct tensor q,
                                          struct tensor k_cache);
/* Whether the fused kernel can do it, and how on a device of n_sms; from shapes alone, never from
 * how long sequences are. */
struct cuda_attention_plan cuda_attention_plan(struct tensor out, struct tensor q,
                                               struct tensor k_cache, struct tensor v_cache,
                                               const struct span *spans, int32_t n_spans,
                                               int32_t n_sms);
/* tiles[plan->n_tiles] */
void cuda_attention_tiles(const struct cuda_attention_plan *plan, const struct span *spans,
                          int32_t n_spans, struct cuda_tile *tiles);
/* parts: plan->parts_bytes of scratch. */
cudaError_t cuda_launch_attention_fused(cudaStream_t s, struct tensor out, struct tensor q,
                                        struct tensor k_cache, struct tensor v_cache,
                                        const struct cuda_row *rows, const struct cuda_tile *tiles,
                                        const struct cuda_attention_plan *plan, void *parts);
struct cuda_matmul_plan cuda_matmul_plan(struct tensor x, struct tensor w, int32_t n_sms);
/* y[n,m] = x[n,k] . w[m,k]^T + bias[m] by this program's own kernels; bias.n_dim 0: none.  x bf16,
 * w of any dtype, bias of the one beside it, y f32 or bf16; sums f32.  A row's bits do not depend
 * on n, n_sms or other rows. */
cudaError_t cuda_launch_matmul(cudaStream_t s, struct tensor y, struct tensor x, struct tensor w,
                               struct tensor bias, int32_t n_sms);
cudaError_t cuda_launch_swiglu(cudaStream_t s, struct tensor out, struct tensor gate_up);
cudaError_t cuda_launch_add(cudaStream_t s, struct tensor x, struct tensor y);
cudaError_t cuda_launch_guide(cudaStream_t s, struct tensor z, struct tensor u, float scale);
/* floor[m]: the smallest logits of rule's nucleus. */
cudaError_t cuda_launch_nucleus(cudaStream_t s, float *floor, struct tensor logits,
                                const struct choice_rule *rule);
/* slices[m][n_slices], stats[m]; keys may be NULL at temperature 0, floor where every id may
 * be sampled. */
cudaError_t cuda_launch_rowstat(cudaStream_t s, struct row_stat *stats, struct cuda_slice *slices,
                                struct tensor logits, const struct row_key *keys,
                                const float *floor, const struct choice_rule *rule);

static inline int64_t cuda_n_slices(int64_t v)
{
    return (v + CUDA_SLICE - 1) / CUDA_SLICE;
}

#ifdef __cplusplus
}
#endif
#endif
