/* bench_pass.c - one pass: a forward's calls, each timed. */
#include <stdlib.h>
#include <string.h>

#include "harness/app/bench.h"
#include "harness/base/clock.h"
#include "harness/base/rng.h"
#include "harness/kernels/bf16.h"
#include "harness/model/weights.h"

struct bench_pass {
    struct kernels *k; /* borrowed */
    struct model_config config;
    struct weights weights;
    int64_t max_rows, max_keys;
    enum dtype kv;
    void *base; /* owned; what the tensors below lie in */
    size_t n_bytes;
    struct tensor x, normed, qkv, attended, projected, gate_up, ff, logits;
    struct tensor *keys, *values; /* owned arrays, [layers] of [1, hk, max_keys, d] */
    int32_t *ids;                 /* owned, [max_rows]: token ids, row numbers, positions */
    struct row_stat *stats;       /* owned, [max_rows] */
    struct row_key *row_keys;     /* owned, [max_rows] */

    /* of the pass that runs */
    struct bench_result *result;
    int32_t at; /* slot */
    bool costs;
    int64_t begin_ns;
};

/* ---- memory ---- */

struct carver {
    char *base; /* NULL: only measure */
    size_t used;
};

static struct tensor carve(struct carver *v, struct tensor t)
{
    t.data = v->base ? v->base + v->used : NULL;
    v->used += ((size_t)tensor_room(t) + 4095) / 4096 * 4096;
    return t;
}

static struct tensor carve_rows(struct carver *v, const struct bench_pass *p, enum role role,
                                int64_t columns)
{
    enum dtype act = role == ROLE_LOGITS ? DTYPE_F32 : kernels_activation_dtype(p->k);
    return carve(v, tensor_2d(NULL, act, role, p->max_rows, columns));
}

static void place(struct bench_pass *p, struct carver *v)
{
    const struct model_config *g = &p->config;
    int64_t d = g->d_model, q = (int64_t)g->n_head * g->d_head;
    p->x = carve_rows(v, p, ROLE_ACTIVATION, d);
    p->normed = carve_rows(v, p, ROLE_ACTIVATION, d);
    p->qkv = carve_rows(v, p, ROLE_ACTIVATION, q + (int64_t)2 * g->n_kv_head * g->d_head);
    p->attended = carve_rows(v, p, ROLE_ACTIVATION, q);
    p->projected = carve_rows(v, p, ROLE_ACTIVATION, d);
    p->gate_up = carve_rows(v, p, ROLE_ACTIVATION, (int64_t)2 * g->d_ff);
    p->ff = carve_rows(v, p, ROLE_ACTIVATION, g->d_ff);
    p->logits = carve_rows(v, p, ROLE_LOGITS, g->n_vocab);
    for (int32_t i = 0; i < g->n_layer; i++) {
        struct tensor keys, values;
        kernels_cache(p->k, p->kv, 1, g->n_kv_head, p->max_keys, g->d_head, &keys, &values);
        p->keys[i] = carve(v, keys);
        p->values[i] = carve(v, values);
    }
}

/* Numbers of any size near 1, and pages of their own: memory never written is one shared page
 * of zeros, which no cache would ever miss. */
static enum err fill(struct bench_pass *p)
{
    const struct model_config *g = &p->config;
    size_t n = (size_t)tensor_count(p->keys[0]), rows = (size_t)tensor_count(p->x);
    size_t room = (n > rows ? n : rows) * 4;
    char *host = malloc(room);
    if (!host) return err_set(ERR_NOMEM, "bench: out of memory");
    for (size_t i = 0; i < room / 4; i++) {
        float v = (float)(mix64(i) >> 40) * 0x1p-23f - 1;
        uint16_t b = bf16_from_f32(v);
        if (p->kv == DTYPE_BF16)
            memcpy(host + 2 * i, &b, 2);
        else
            memcpy(host + 4 * i, &v, 4);
    }
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < g->n_layer && e == ERR_NONE; i++) {
        e = kernels_upload(p->k, p->keys[i], host);
        if (e == ERR_NONE) e = kernels_upload(p->k, p->values[i], host);
    }
    free(host);
    for (int64_t i = 0; i < p->max_rows; i++) p->ids[i] = (int32_t)(i % g->n_ids);
    return e;
}

static enum err allocate(struct bench_pass *p)
{
    size_t layers = (size_t)p->config.n_layer, rows = (size_t)p->max_rows;
    struct carver v = {0};
    p->keys = calloc(layers, sizeof *p->keys);
    p->values = calloc(layers, sizeof *p->values);
    p->ids = calloc(rows, sizeof *p->ids);
    p->stats = calloc(rows, sizeof *p->stats);
    p->row_keys = calloc(rows, sizeof *p->row_keys);
    if (!p->keys || !p->values || !p->ids || !p->stats || !p->row_keys)
        return err_set(ERR_NOMEM, "bench: out of memory");
    place(p, &v);
    p->n_bytes = v.used;
    TRY(kernels_alloc(p->k, p->n_bytes, &p->base));
    v = (struct carver){.base = p->base};
    place(p, &v);
    return fill(p);
}

enum err bench_pass_open(struct kernels *k, const struct cell *c, int64_t max_rows,
                         int64_t max_keys, struct bench_pass **out)
{
    enum err e = ERR_NONE;
    struct bench_pass *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return err_set(ERR_NOMEM, "bench: out of memory");
    p->k = k;
    p->max_rows = max_rows;
    p->max_keys = max_keys;
    p->kv = c->kv_dtype;
    TRY_OUT(model_named(c->model, c->layers, &p->config));
    TRY_OUT(weights_create_seeded(k, &p->config, c->dtype, c->spec.seed, &p->weights));
    TRY_OUT(allocate(p));
    *out = p;
    return ERR_NONE;
out:
    bench_pass_close(p);
    return e;
}

void bench_pass_close(struct bench_pass *p)
{
    if (!p) return;
    kernels_free(p->k, p->base, p->n_bytes);
    if (p->weights.layer) weights_free(p->k, &p->weights);
    free(p->keys);
    free(p->values);
    free(p->ids);
    free(p->stats);
    free(p->row_keys);
    free(p);
}

int64_t bench_pass_bytes(const struct bench_pass *p)
{
    return (int64_t)p->weights.n_bytes + 2 * p->config.n_layer * tensor_bytes(p->keys[0]);
}

/* ---- timing ---- */

static void begin(struct bench_pass *p)
{
    if (p->costs) ledger_clear(kernels_ledger(p->k));
    p->begin_ns = clock_ns();
}

/* The call since begin() was this one. */
static enum err end(struct bench_pass *p, struct bench_slot which, enum err e)
{
    TRY(e);
    TRY(kernels_sync(p->k));
    int64_t ns = clock_ns() - p->begin_ns;
    struct bench_slot *s = &p->result->slot[p->at];
    CHECK(p->at < BENCH_SLOTS_MAX);
    if (p->costs) {
        bool overflow;
        which.cost = ledger_total(kernels_ledger(p->k), &overflow).cost;
        if (overflow) return err_set(ERR_USAGE, "bench: the counts of a call pass 2^63 - 1");
        *s = which;
        if (p->at == p->result->n) p->result->n++;
    } else {
        s->calls++;
        s->ns += ns;
    }
    p->at++;
    return ERR_NONE;
}

static enum err time_matmul(struct bench_pass *p, const char *part, struct tensor y,
                            struct tensor x, struct tensor w, struct tensor bias)
{
    struct bench_slot s = {.op = y.role == ROLE_LOGITS ? OP_HEAD : OP_MATMUL,
                           .part = part,
                           .rows = y.dim[0],
                           .columns = w.dim[0],
                           .inner = w.dim[1],
                           .dtype = w.dtype};
    begin(p);
    return end(p, s, kn_matmul(p->k, y, x, w, bias));
}

static struct bench_slot plain(const struct bench_pass *p, enum op op, int64_t rows,
                               int64_t columns)
{
    return (struct bench_slot){
        .op = op, .rows = rows, .columns = columns, .dtype = kernels_activation_dtype(p->k)};
}

static struct tensor rows(struct tensor t, int64_t n)
{
    t.dim[0] = n;
    return t;
}

/* New K/V and the attention over each of the contexts. */
static enum err attend(struct bench_pass *p, const struct bench_config *c, int32_t layer)
{
    const struct model_config *g = &p->config;
    int64_t n = c->rows, d = g->d_head, h = g->n_head, hk = g->n_kv_head;
    struct tensor qkv = rows(p->qkv, n), q = tensor_heads(qkv, 0, h, d);
    struct tensor k_rows = tensor_heads(qkv, h * d, hk, d);
    struct tensor v_rows = tensor_heads(qkv, (h + hk) * d, hk, d);
    struct tensor out = tensor_heads(rows(p->attended, n), 0, h, d);
    for (int32_t i = 0; i < c->n_keys; i++) {
        if (c->keys[i] < n) continue;
        struct span span = {.n_rows = (int32_t)n,
                            .pos0 = (int32_t)(c->keys[i] - n),
                            .n_visible = (int32_t)c->keys[i],
                            .mask = MASK_FULL};
        struct bench_slot store = {.op = OP_KV_STORE, .rows = n, .dtype = p->kv};
        struct bench_slot see = {.op = OP_ATTENTION, .rows = n, .keys = c->keys[i], .dtype = p->kv};
        if (i == 0) {
            begin(p);
            TRY(end(p, store,
                    kn_kv_store(p->k, p->keys[layer], p->values[layer], k_rows, v_rows, &span, 1)));
        }
        begin(p);
        TRY(end(p, see, kn_attention(p->k, out, q, p->keys[layer], p->values[layer], &span, 1)));
    }
    return ERR_NONE;
}

static enum err run_layer(struct bench_pass *p, const struct bench_config *c, int32_t layer)
{
    const struct model_config *g = &p->config;
    const struct layer_weights *w = &p->weights.layer[layer];
    int64_t n = c->rows, d = g->d_model, turned = g->n_head + g->n_kv_head;
    struct tensor x = rows(p->x, n), normed = rows(p->normed, n), qkv = rows(p->qkv, n);
    struct tensor projected = rows(p->projected, n), none = {0};
    struct tensor gate_up = rows(p->gate_up, n), ff = rows(p->ff, n);
    struct tensor heads = tensor_heads(qkv, 0, turned, g->d_head);

    begin(p);
    TRY(end(p, plain(p, OP_RMSNORM, n, d), kn_rmsnorm(p->k, normed, x, w->attn_norm, g->norm_eps)));
    TRY(time_matmul(p, "qkv", qkv, normed, w->wqkv, w->qkv_bias));
    begin(p);
    TRY(end(p, plain(p, OP_ROPE, n, turned * g->d_head), kn_rope(p->k, heads, p->ids, &g->rope)));
    TRY(attend(p, c, layer));
    TRY(time_matmul(p, "o", projected, rows(p->attended, n), w->wo, none));
    begin(p);
    TRY(end(p, plain(p, OP_ADD, n, d), kn_add(p->k, x, projected)));
    TRY(time_matmul(p, "gate_up", gate_up, normed, w->w_gate_up, none));
    begin(p);
    TRY(end(p, plain(p, OP_SWIGLU, n, g->d_ff), kn_swiglu(p->k, ff, gate_up)));
    return time_matmul(p, "down", projected, ff, w->w_down, none);
}

enum err bench_pass_run(struct bench_pass *p, const struct bench_config *c, bool costs,
                        struct bench_result *r)
{
    const struct model_config *g = &p->config;
    int64_t n = c->rows, d = g->d_model;
    struct choice_rule greedy = {.n_ids = g->n_ids, .mask_id = -1};
    CHECK(n >= 1 && n <= p->max_rows);
    p->result = r;
    p->costs = costs;
    p->at = 0;
    begin(p);
    TRY(end(p, plain(p, OP_EMBED, n, d),
            kn_embed(p->k, rows(p->x, n), p->weights.embedding, p->ids)));
    int32_t first = p->at;
    for (int32_t i = 0; i < g->n_layer; i++) {
        p->at = first;
        TRY(run_layer(p, c, i));
    }
    struct tensor normed = rows(p->normed, n), picked = rows(p->projected, n), none = {0};
    begin(p);
    TRY(end(p, plain(p, OP_GATHER, n, d), kn_gather(p->k, picked, normed, p->ids)));
    TRY(time_matmul(p, NULL, rows(p->logits, n), picked, p->weights.head, none));
    begin(p);
    return end(p, plain(p, OP_ROWSTAT, n, g->n_vocab),
               kn_rowstat(p->k, p->stats, rows(p->logits, n), p->row_keys, &greedy));
}
