/* cuda_ops.c - the operations that are kernels of our own: stage what the host knows, and
 * say what is to be launched. */
#include "harness/kernels/cuda/cuda.h"
#include "harness/kernels/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* out[i] = row index[i] of from */
static enum err pick(struct cuda *c, enum stage stage, struct tensor out, struct tensor from,
                     const int32_t *index)
{
    struct cuda_call call = {.kind = CALL_COPY};
    if (out.dim[0] == 0) return ERR_NONE;
    call.t[0] = out;
    call.t[1] = from;
    TRY(cuda_stage(c, stage, index, (size_t)out.dim[0] * sizeof *index, &call.array[0]));
    return cuda_do(c, &call);
}

enum err cuda_embed(void *state, struct tensor out, struct tensor table, const int32_t *ids)
{
    return pick(state, STAGE_IDS, out, table, ids);
}

enum err cuda_gather(void *state, struct tensor out, struct tensor x, const int32_t *index)
{
    return pick(state, STAGE_INDEX, out, x, index);
}

enum err cuda_rmsnorm(void *state, struct tensor out, struct tensor x, struct tensor gain,
                      float eps)
{
    struct cuda_call call = {.kind = CALL_RMSNORM};
    CHECK(x.dtype == DTYPE_BF16 && out.dtype == DTYPE_BF16);
    call.t[0] = out;
    call.t[1] = x;
    call.t[2] = gain;
    call.number = eps;
    return cuda_do(state, &call);
}

enum err cuda_swiglu(void *state, struct tensor out, struct tensor gate_up)
{
    struct cuda_call call = {.kind = CALL_SWIGLU};
    CHECK(gate_up.dtype == DTYPE_BF16 && out.dtype == DTYPE_BF16);
    call.t[0] = out;
    call.t[1] = gate_up;
    return cuda_do(state, &call);
}

enum err cuda_add(void *state, struct tensor x, struct tensor y)
{
    struct cuda_call call = {.kind = CALL_ADD};
    CHECK(x.dtype == DTYPE_BF16 && y.dtype == DTYPE_BF16);
    call.t[0] = x;
    call.t[1] = y;
    return cuda_do(state, &call);
}

enum err cuda_guide(void *state, struct tensor z, struct tensor u, float scale)
{
    struct cuda_call call = {.kind = CALL_GUIDE};
    CHECK(z.dtype == DTYPE_F32 && u.dtype == DTYPE_F32);
    call.t[0] = z;
    call.t[1] = u;
    call.number = scale;
    return cuda_do(state, &call);
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
    struct cuda_call call = {.kind = CALL_ROPE};
    CHECK(x.dtype == DTYPE_BF16);
    for (int64_t i = 0; i < x.dim[0]; i++)
        if (pos[i] >= length) length = (int64_t)pos[i] + 1;
    if (length == 0) return ERR_NONE;
    if (c->rope_half != half || c->rope_length < length || !same_rope(&c->rope, r)) {
        int64_t room = CUDA_ROPE_POSITIONS;
        while (room < length) room *= 2;
        c->rope_half = 0;
        TRY(rope_fill(c, r, half, room));
    }
    TRY(cuda_stage(c, STAGE_POS, pos, (size_t)x.dim[0] * sizeof *pos, &call.array[0]));
    call.t[0] = x;
    call.array[1] = c->scratch[SCRATCH_ROPE].data;
    return cuda_do(c, &call);
}

/* ---- the cache ---- */

/* Spans as one cuda_row per row, on the device. */
static enum err stage_rows(struct cuda *c, const struct span *spans, int32_t n_spans, int64_t n,
                           const void **out)
{
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
    return cuda_stage(c, STAGE_ROWS, c->rows, (size_t)n * sizeof *c->rows, out);
}

enum err cuda_kv_store(void *state, struct tensor k_cache, struct tensor v_cache,
                       struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                       int32_t n_spans)
{
    struct cuda *c = state;
    struct cuda_call call = {.kind = CALL_KV_STORE};
    if (k_rows.dim[0] == 0) return ERR_NONE;
    CHECK(k_rows.dtype == DTYPE_BF16 && v_rows.dtype == DTYPE_BF16);
    CHECK(k_cache.dtype == v_cache.dtype && k_rows.row_stride == v_rows.row_stride);
    call.t[0] = k_cache;
    call.t[1] = v_cache;
    call.t[2] = k_rows;
    call.t[3] = v_rows;
    TRY(stage_rows(c, spans, n_spans, k_rows.dim[0], &call.array[0]));
    return cuda_do(c, &call);
}

static enum err stage_tiles(struct cuda *c, const struct cuda_attention_plan *plan,
                            const struct span *spans, int32_t n_spans, const void **out)
{
    if (plan->n_tiles > c->n_tiles_room) {
        int64_t room = 2 * (int64_t)plan->n_tiles;
        struct cuda_tile *tiles = realloc(c->tiles, (size_t)room * sizeof *tiles);
        if (!tiles) return err_set(ERR_NOMEM, "cuda: out of memory for %d tiles", plan->n_tiles);
        c->tiles = tiles;
        c->n_tiles_room = room;
    }
    cuda_attention_tiles(plan, spans, n_spans, c->tiles);
    return cuda_stage(c, STAGE_TILES, c->tiles, (size_t)plan->n_tiles * sizeof *c->tiles, out);
}

bool cuda_attention_tile_of(const void *state, struct tensor out, struct tensor q,
                            struct tensor k_cache, struct tensor v_cache, const struct span *spans,
                            int32_t n_spans, struct attention_tile *tile)
{
    const struct cuda *c = state;
    struct cuda_attention_plan plan =
        cuda_attention_plan(out, q, k_cache, v_cache, spans, n_spans, c->n_sms);
    *tile = cuda_attention_tile(&plan, q, k_cache);
    return true;
}

enum err cuda_attention(void *state, struct tensor out, struct tensor q, struct tensor k_cache,
                        struct tensor v_cache, const struct span *spans, int32_t n_spans)
{
    struct cuda *c = state;
    struct cuda_call call = {.kind = CALL_ATTENTION};
    if (q.dim[0] == 0) return ERR_NONE;
    CHECK(q.dtype == DTYPE_BF16 && out.dtype == DTYPE_BF16 && k_cache.dtype == v_cache.dtype);
    if (q.dim[2] > CUDA_MAX_HEAD)
        return err_set(ERR_UNSUPPORTED,
                       "cuda: attention heads of width %lld; at most %d are possible",
                       (long long)q.dim[2], CUDA_MAX_HEAD);
    call.t[0] = out;
    call.t[1] = q;
    call.t[2] = k_cache;
    call.t[3] = v_cache;
    TRY(stage_rows(c, spans, n_spans, q.dim[0], &call.array[0]));
    call.plan = cuda_attention_plan(out, q, k_cache, v_cache, spans, n_spans, c->n_sms);
    if (call.plan.block_rows == 0) return cuda_do(c, &call);
    call.kind = CALL_ATTENTION_FUSED;
    TRY(stage_tiles(c, &call.plan, spans, n_spans, &call.array[1]));
    if (call.plan.n_splits > 1) {
        void *parts;
        TRY(cuda_scratch(c, SCRATCH_PARTS, call.plan.parts_bytes, &parts));
        call.array[2] = parts;
    }
    return cuda_do(c, &call);
}

/* ---- choices ---- */

enum err cuda_rowstat(void *state, struct row_stat *stats, struct tensor logits,
                      const struct row_key *keys, const struct choice_rule *rule)
{
    struct cuda *c = state;
    size_t n = (size_t)logits.dim[0], bytes = n * sizeof *stats;
    struct cuda_call call = {.kind = CALL_ROWSTAT};
    void *slices, *on_device, *landing;
    if (n == 0) return ERR_NONE;
    CHECK(logits.dtype == DTYPE_F32 && logits.dim[1] <= INT32_MAX - CUDA_SLICE);
    if (rule->temperature > 0)
        TRY(cuda_stage(c, STAGE_KEYS, keys, n * sizeof *keys, &call.array[0]));
    size_t n_slices = n * (size_t)cuda_n_slices(logits.dim[1]);
    TRY(cuda_scratch(c, SCRATCH_SLICES, n_slices * sizeof(struct cuda_slice), &slices));
    TRY(cuda_scratch(c, SCRATCH_STATS, bytes, &on_device));
    TRY(cuda_pinned(c, bytes, &landing));
    call.t[0] = logits;
    call.array[1] = slices;
    call.array[2] = on_device;
    call.temperature = rule->temperature;
    call.top_p = rule->top_p;
    call.seed = rule->seed;
    call.n_ids = rule->n_ids;
    call.mask_id = rule->mask_id;
    if (rule_has_nucleus(rule)) {
        void *floor;
        TRY(cuda_scratch(c, SCRATCH_FLOOR, n * sizeof(float), &floor));
        call.array[3] = floor;
        call.kind = CALL_NUCLEUS;
        TRY(cuda_do(c, &call));
        call.kind = CALL_ROWSTAT;
    }
    TRY(cuda_do(c, &call));
    TRY(cuda_flush(c));
    TRY(cuda_check(cudaMemcpyAsync(landing, on_device, bytes, cudaMemcpyDeviceToHost, c->stream),
                   "copying from the device"));
    TRY(cuda_sync(c));
    memcpy(stats, landing, bytes);
    return ERR_NONE;
}
