/* null_backend.c - counts, computes nothing: the ledger of an 8B model in milliseconds.
 *
 * Memory is never touched, so any footprint can be planned; allocations return one
 * fixed address that only serves as "not NULL". */
#include <string.h>

#include "harness/kernels/backend.h"

static enum err null_open(const struct kernels_config *c, void **state, struct backend_info *info)
{
    *state = NULL;
    *info = (struct backend_info){
        .n_threads = 1,
        .variant = "",
        .activation_dtype = c->activation_dtype,
        .traffic = {.llc_bytes = c->traffic.llc_bytes, .row_tile = 1},
    };
    return ERR_NONE;
}

static void null_close(void *state)
{
}

static enum err null_sync(void *state)
{
    return ERR_NONE;
}

static enum err null_alloc(void *state, size_t n, void **out)
{
    static char somewhere[64];
    *out = somewhere;
    return ERR_NONE;
}

static void null_free(void *state, void *p, size_t n)
{
}

static enum err null_upload(void *state, struct tensor dst, const void *host)
{
    return ERR_NONE;
}

static enum err null_download(void *state, void *host, struct tensor src)
{
    memset(host, 0, (size_t)tensor_bytes(src));
    return ERR_NONE;
}

static size_t null_packed_bytes(const void *state, int64_t rows, int64_t cols, enum dtype dtype)
{
    return (size_t)(rows * dtype_row_bytes(dtype, cols));
}

static enum err null_load_weight(void *state, struct tensor w, weight_row_fn *row, void *ctx)
{
    return ERR_NONE;
}

static enum err null_embed(void *state, struct tensor out, struct tensor table, const int32_t *ids)
{
    return ERR_NONE;
}

static enum err null_rmsnorm(void *state, struct tensor out, struct tensor x, struct tensor gain,
                             float eps)
{
    return ERR_NONE;
}

static enum err null_matmul(void *state, struct tensor y, struct tensor x, struct tensor w,
                            struct tensor bias)
{
    return ERR_NONE;
}

static enum err null_rope(void *state, struct tensor x, const int32_t *pos, const struct rope *r)
{
    return ERR_NONE;
}

static enum err null_kv_store(void *state, struct tensor k_cache, struct tensor v_cache,
                              struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                              int32_t n_spans)
{
    return ERR_NONE;
}

static enum err null_attention(void *state, struct tensor out, struct tensor q,
                               struct tensor k_cache, struct tensor v_cache,
                               const struct span *spans, int32_t n_spans)
{
    return ERR_NONE;
}

static enum err null_swiglu(void *state, struct tensor out, struct tensor gate_up)
{
    return ERR_NONE;
}

static enum err null_add(void *state, struct tensor x, struct tensor y)
{
    return ERR_NONE;
}

static enum err null_gather(void *state, struct tensor out, struct tensor x, const int32_t *index)
{
    return ERR_NONE;
}

static enum err null_guide(void *state, struct tensor z, struct tensor u, float scale)
{
    return ERR_NONE;
}

/* Token 0 everywhere: fixed schedules never look at it. */
static enum err null_rowstat(void *state, struct row_stat *stats, struct tensor logits,
                             const struct row_key *keys, const struct choice_rule *rule)
{
    memset(stats, 0, (size_t)logits.dim[0] * sizeof *stats);
    return ERR_NONE;
}

const struct backend_ops backend_null = {
    .name = "null",
    .computes = false,
    .open = null_open,
    .close = null_close,
    .sync = null_sync,
    .alloc = null_alloc,
    .free = null_free,
    .upload = null_upload,
    .download = null_download,
    .packed_bytes = null_packed_bytes,
    .load_weight = null_load_weight,
    .embed = null_embed,
    .rmsnorm = null_rmsnorm,
    .matmul = null_matmul,
    .rope = null_rope,
    .kv_store = null_kv_store,
    .attention = null_attention,
    .swiglu = null_swiglu,
    .add = null_add,
    .gather = null_gather,
    .guide = null_guide,
    .rowstat = null_rowstat,
};
