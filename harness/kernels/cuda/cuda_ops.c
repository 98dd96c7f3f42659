/* cuda_ops.c - the operations that are kernels of our own: stage what the host knows, launch. */
#include "harness/kernels/cuda/cuda.h"
#include "harness/kernels/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* out[i] = row index[i] of from */
static enum err pick(struct cuda *c, struct tensor out, struct tensor from, const int32_t *index,
                     const char *what)
{
    const void *on_device;
    if (out.dim[0] == 0) return ERR_NONE;
    TRY(cuda_stage(c, STAGE_INDEX, index, (size_t)out.dim[0] * sizeof *index, &on_device));
    return cuda_check(cuda_launch_copy(c->stream, out, from, on_device), what);
}

enum err cuda_embed(void *state, struct tensor out, struct tensor table, const int32_t *ids)
{
    return pick(state, out, table, ids, "embed");
}

enum err cuda_gather(void *state, struct tensor out, struct tensor x, const int32_t *index)
{
    return pick(state, out, x, index, "gather");
}

enum err cuda_rmsnorm(void *state, struct tensor out, struct tensor x, struct tensor gain,
                      float eps)
{
    struct cuda *c = state;
    CHECK(x.dtype == DTYPE_BF16 && out.dtype == DTYPE_BF16);
    return cuda_check(cuda_launch_rmsnorm(c->stream, out, x, gain, eps), "rmsnorm");
}

enum err cuda_swiglu(void *state, struct tensor out, struct tensor gate_up)
{
    struct cuda *c = state;
    CHECK(gate_up.dtype == DTYPE_BF16 && out.dtype == DTYPE_BF16);
    return cuda_check(cuda_launch_swiglu(c->stream, out, gate_up), "swiglu");
}

enum err cuda_add(void *state, struct tensor x, struct tensor y)
{
    struct cuda *c = state;
    CHECK(x.dtype == DTYPE_BF16 && y.dtype == DTYPE_BF16);
    return cuda_check(cuda_launch_add(c->stream, x, y), "add");
}

/* ---- rotation ---- */

/* The table is made on the host in double precision and covers positions from 0; it is made
 * again for another base, scale or head width, or a later position than it holds. */
static enum err rope_fill(struct cuda *c, const struct rope *r, int64_t half, int64_t length)
{
    enum err e = ERR_NONE;
    size_t bytes = (size_t)(2 * half * length) * sizeof(float);
    void *device;
    float *table = malloc(bytes);
    if (!table) return err_set(ERR_NOMEM, "rotation table: %zu bytes", bytes);
    for (int64_t j = 0; j < half; j++) {
        double f = rope_frequency(r, j, half);
        for (int64_t p = 0; p < length; p++) {
            table[2 * p * half + j] = (float)cos((double)p * f);
            table[(2 * p + 1) * half + j] = (float)sin((double)p * f);
        }
    }
    TRY_OUT(cuda_scratch(c, SCRATCH_ROPE, bytes, &device));
    TRY_OUT(
        cuda_upload(c, tensor_1d(device, DTYPE_F32, ROLE_ACTIVATION, 2 * half * length), table));
    c->rope = *r;
    c->rope_half = half;
    c->rope_length = length;
out:
    free(table);
    return e;
}

static bool same_rope(const struct rope *a, const struct rope *b)
{
    return a->base == b->base && a->factor == b->factor && a->original == b->original;
}

enum err cuda_rope(void *state, struct tensor x, const int32_t *pos, const struct rope *r)
{
    struct cuda *c = state;
    int64_t half = x.dim[2] / 2, length = 0;
    const void *on_device;
    CHECK(x.dtype == DTYPE_BF16);
    for (int64_t i = 0; i < x.dim[0]; i++)
        if (pos[i] >= length) length = (int64_t)pos[i] + 1;
    if (length == 0) return ERR_NONE;
    if (c->rope_half != half || c->rope_length < length || !same_rope(&c->rope, r)) {
        int64_t room = 4096;
        while (room < length) room *= 2;
        c->rope_half = 0;
        TRY(rope_fill(c, r, half, room));
    }
    TRY(cuda_stage(c, STAGE_POS, pos, (size_t)x.dim[0] * sizeof *pos, &on_device));
    return cuda_check(cuda_launch_rope(c->stream, x, on_device, c->scratch[SCRATCH_ROPE].data),
                      "rope");
}

/* ---- the cache ---- */

/* Spans as one cuda_row per row, on the device. */
static enum err stage_rows(struct cuda *c, const struct span *spans, int32_t n_spans, int64_t n,
                           const struct cuda_row **out)
{
    const void *on_device;
    if (n > c->n_rows_room) {
        struct cuda_row *rows = realloc(c->rows, (size_t)(2 * n) * sizeof *rows);
        if (!rows) return err_set(ERR_NOMEM, "cuda: out of memory for %lld rows", (long long)n);
        memset(rows, 0, (size_t)(2 * n) * sizeof *rows);
        c->rows = rows;
        c->n_rows_room = 2 * n;
    }
    for (int32_t i = 0; i < n_spans; i++) {
        const struct span *s = &spans[i];
        for (int32_t r = 0; r < s->n_rows; r++)
            c->rows[s->row0 + r] = (struct cuda_row){
                .slot = s->slot, .pos = s->pos0 + r, .n_visible = (int32_t)span_visible(s, r)};
    }
    TRY(cuda_stage(c, STAGE_ROWS, c->rows, (size_t)n * sizeof *c->rows, &on_device));
    *out = on_device;
    return ERR_NONE;
}

enum err cuda_kv_store(void *state, struct tensor k_cache, struct tensor v_cache,
                       struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                       int32_t n_spans)
{
    struct cuda *c = state;
    const struct cuda_row *rows;
    if (k_rows.dim[0] == 0) return ERR_NONE;
    CHECK(k_rows.dtype == DTYPE_BF16 && v_rows.dtype == DTYPE_BF16);
    CHECK(k_cache.dtype == v_cache.dtype && k_rows.row_stride == v_rows.row_stride);
    TRY(stage_rows(c, spans, n_spans, k_rows.dim[0], &rows));
    return cuda_check(cuda_launch_kv_store(c->stream, k_cache, v_cache, k_rows, v_rows, rows),
                      "kv_store");
}

enum err cuda_attention(void *state, struct tensor out, struct tensor q, struct tensor k_cache,
                        struct tensor v_cache, const struct span *spans, int32_t n_spans)
{
    struct cuda *c = state;
    const struct cuda_row *rows;
    if (q.dim[0] == 0) return ERR_NONE;
    CHECK(q.dtype == DTYPE_BF16 && out.dtype == DTYPE_BF16 && k_cache.dtype == v_cache.dtype);
    if (q.dim[2] > CUDA_MAX_HEAD)
        return err_set(ERR_UNSUPPORTED,
                       "cuda: attention heads of width %lld; at most %d are possible",
                       (long long)q.dim[2], CUDA_MAX_HEAD);
    TRY(stage_rows(c, spans, n_spans, q.dim[0], &rows));
    return cuda_check(cuda_launch_attention(c->stream, out, q, k_cache, v_cache, rows),
                      "attention");
}

/* ---- choices ---- */

enum err cuda_rowstat(void *state, struct row_stat *stats, struct tensor logits,
                      const struct row_key *keys, const struct choice_rule *rule)
{
    struct cuda *c = state;
    size_t n = (size_t)logits.dim[0], bytes = n * sizeof *stats;
    const void *keys_on_device = NULL;
    void *slices, *on_device, *landing;
    if (n == 0) return ERR_NONE;
    CHECK(logits.dtype == DTYPE_F32 && logits.dim[1] <= INT32_MAX - CUDA_SLICE);
    if (rule->temperature > 0)
        TRY(cuda_stage(c, STAGE_KEYS, keys, n * sizeof *keys, &keys_on_device));
    size_t n_slices = n * (size_t)cuda_n_slices(logits.dim[1]);
    TRY(cuda_scratch(c, SCRATCH_SLICES, n_slices * sizeof(struct cuda_slice), &slices));
    TRY(cuda_scratch(c, SCRATCH_STATS, bytes, &on_device));
    TRY(cuda_pinned(c, bytes, &landing));
    TRY(cuda_check(cuda_launch_rowstat(c->stream, on_device, slices, logits, keys_on_device, rule),
                   "rowstat"));
    TRY(cuda_check(cudaMemcpyAsync(landing, on_device, bytes, cudaMemcpyDeviceToHost, c->stream),
                   "copying from the device"));
    TRY(cuda_sync(c));
    memcpy(stats, landing, bytes);
    return ERR_NONE;
}
