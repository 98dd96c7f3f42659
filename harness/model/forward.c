/* forward.c - the transformer: Llama-style blocks over whatever rows a pass asks for. */
#include "harness/model/kv_cache.h"
#include "harness/model/weights.h"

#include <stdlib.h>

struct model {
    struct kernels *k; /* borrowed */
    struct model_config config;
    enum dtype dtype;
    struct weights weights;
    bool is_exit; /* the weights are another model's */
};

const char *phase_name(enum phase p)
{
    static const char *const name[PHASE_COUNT] = {"prefill", "decode", "verify", "denoise",
                                                  "refresh", "reuse",  "commit", "fused",
                                                  "draft",   "prefill-draft"};
    return name[p];
}

int64_t pass_rows(const struct pass *p)
{
    int64_t n = 0;
    for (int32_t i = 0; i < p->n_seqs; i++) n += p->seq[i].span.n_rows;
    return n;
}

int64_t pass_logit_rows(const struct pass *p)
{
    int64_t n = 0;
    for (int32_t i = 0; i < p->n_seqs; i++) n += p->seq[i].n_logits;
    return n;
}

/* seed: NULL: from the folder the model is named after. */
static enum err create(struct kernels *k, const struct model_config *c, enum dtype weights,
                       const uint64_t *seed, struct model **out)
{
    *out = NULL;
    struct model *m = calloc(1, sizeof *m);
    if (!m) return err_set(ERR_NOMEM, "%s: out of memory", c->name);
    m->k = k;
    m->config = *c;
    m->dtype = weights;
    enum err e = seed ? weights_create_seeded(k, c, weights, *seed, &m->weights)
                      : weights_create_checkpoint(k, c, weights, &m->weights);
    if (e != ERR_NONE) {
        free(m);
        return err_trace(e, __FILE__, __LINE__);
    }
    *out = m;
    return ERR_NONE;
}

enum err model_create_exit(const struct model *m, int32_t n_layers, struct model **out)
{
    CHECK(n_layers >= 1 && n_layers <= m->config.n_layer);
    *out = malloc(sizeof **out);
    if (!*out) return err_set(ERR_NOMEM, "%s: out of memory", m->config.name);
    **out = *m;
    (*out)->is_exit = true;
    (*out)->config.n_layer = n_layers;
    if (n_layers < m->weights.n_layers_stored) (*out)->weights.n_layers_stored = n_layers;
    return ERR_NONE;
}

enum err model_create(struct kernels *k, const struct model_config *c, enum dtype weights,
                      uint64_t seed, struct model **out)
{
    return create(k, c, weights, &seed, out);
}

enum err model_create_checkpoint(struct kernels *k, const struct model_config *c,
                                 enum dtype weights, struct model **out)
{
    return create(k, c, weights, NULL, out);
}

void model_free(struct model *m)
{
    if (!m) return;
    if (!m->is_exit) weights_free(m->k, &m->weights);
    free(m);
}

const struct model_config *model_config_of(const struct model *m)
{
    return &m->config;
}

enum dtype model_dtype(const struct model *m)
{
    return m->dtype;
}

struct kernels *model_kernels(const struct model *m)
{
    return m->k;
}

int64_t model_bytes(const struct kernels *k, const struct model_config *c, enum dtype weights)
{
    return (int64_t)weights_bytes(k, c, weights);
}

/* The first n rows of a scratch tensor. */
static struct tensor rows(struct tensor t, int64_t n)
{
    t.dim[0] = n;
    return t;
}

/* Check what the pass may see and lay its sequences' rows one after the other. */
static void unpack(struct kv_cache *c, const struct pass *p, int64_t *n_rows, int64_t *n_logits)
{
    int64_t n = 0, m = 0;
    bool computes = kernels_computes(c->k); /* else nobody reads ids and positions */
    CHECK(p->n_seqs >= 1 && p->n_seqs <= c->size.n_slots);
    for (int32_t i = 0; i < p->n_seqs; i++) {
        const struct pass_seq *s = &p->seq[i];
        struct span *span = &c->spans[i];
        *span = s->span;
        span->row0 = (int32_t)n;
        CHECK(span->slot >= 0 && span->slot < c->size.n_slots && span->n_rows >= 1);
        int32_t valid = c->valid[span->slot], own_end = span->pos0 + span->n_rows;
        CHECK(span->pos0 <= valid);
        CHECK(span_keys(span) <= (own_end > valid ? own_end : valid));
        CHECK(s->n_kept >= 0 && s->n_kept <= span->n_rows);
        CHECK(s->n_kept == span->n_rows || span->pos0 + s->n_kept >= valid);
        CHECK(n + span->n_rows <= c->size.max_rows && m + s->n_logits <= c->size.max_logits);
        if (s->positions)
            CHECK(c->size.scattered && span->pos0 == 0 && span->mask == MASK_FULL &&
                  s->n_kept == span->n_rows && valid >= span->n_visible);
        for (int32_t r = 0; computes && r < span->n_rows; r++) {
            c->ids[n + r] = s->tokens[r];
            c->pos[n + r] = s->positions ? s->positions[r] : span->pos0 + r;
        }
        for (int32_t j = 0; j < s->n_logits; j++) {
            CHECK(s->logit_row[j] >= 0 && s->logit_row[j] < span->n_rows);
            c->index[m++] = (int32_t)n + s->logit_row[j];
        }
        n += span->n_rows;
    }
    *n_rows = n;
    *n_logits = m;
}

/* Where keys and values go: the spans themselves, or cut where positions are not side by side.
 * On a backend that only counts nobody reads positions. */
static const struct span *store_runs(struct kv_cache *c, int32_t n_spans, int32_t *n_runs)
{
    *n_runs = n_spans;
    if (!c->runs || !kernels_computes(c->k)) return c->spans;
    int32_t n = 0;
    for (int32_t i = 0; i < n_spans; i++) {
        const struct span *s = &c->spans[i];
        for (int32_t r = s->row0; r < s->row0 + s->n_rows; r++) {
            struct span *last = n ? &c->runs[n - 1] : NULL;
            if (r > s->row0 && c->pos[r] == c->pos[r - 1] + 1) {
                last->n_rows++;
                continue;
            }
            CHECK(r == s->row0 || c->pos[r] > c->pos[r - 1]);
            c->runs[n] = *s;
            c->runs[n].row0 = r;
            c->runs[n].n_rows = 1;
            c->runs[n++].pos0 = c->pos[r];
        }
    }
    *n_runs = n;
    return c->runs;
}

static enum err attention_half(struct model *m, struct kv_cache *c, int32_t layer, int64_t n,
                               int32_t n_spans)
{
    const struct model_config *g = &m->config;
    const struct layer_weights *w = &m->weights.layer[layer];
    struct kernels *k = m->k;
    int64_t d = g->d_head, h = g->n_head, hk = g->n_kv_head;
    struct tensor x = rows(c->x, n), normed = rows(c->normed, n), qkv = rows(c->qkv, n);
    struct tensor q = tensor_heads(qkv, 0, h, d);
    struct tensor keys = tensor_heads(qkv, h * d, hk, d);
    struct tensor values = tensor_heads(qkv, (h + hk) * d, hk, d);
    struct tensor both = tensor_heads(qkv, 0, h + hk, d); /* queries and keys turn alike */
    struct tensor attended = rows(c->attended, n), projected = rows(c->projected, n);
    struct tensor none = {0};
    int32_t n_runs;
    const struct span *runs = store_runs(c, n_spans, &n_runs);

    TRY(kn_rmsnorm(k, normed, x, w->attn_norm, g->norm_eps));
    TRY(kn_matmul(k, qkv, normed, w->wqkv, w->qkv_bias));
    if (g->qk_norm) {
        TRY(kn_rmsnorm(k, q, q, w->q_norm, g->norm_eps));
        TRY(kn_rmsnorm(k, keys, keys, w->k_norm, g->norm_eps));
    }
    TRY(kn_rope(k, both, c->pos, &g->rope));
    TRY(kn_kv_store(k, c->keys[layer], c->values[layer], keys, values, runs, n_runs));
    TRY(kn_attention(k, tensor_heads(attended, 0, h, d), q, c->keys[layer], c->values[layer],
                     c->spans, n_spans));
    TRY(kn_matmul(k, projected, attended, w->wo, none));
    return kn_add(k, x, projected);
}

static enum err mlp_half(struct model *m, struct kv_cache *c, int32_t layer, int64_t n)
{
    const struct layer_weights *w = &m->weights.layer[layer];
    struct kernels *k = m->k;
    struct tensor x = rows(c->x, n), normed = rows(c->normed, n), ff = rows(c->ff, n);
    struct tensor gate_up = rows(c->gate_up, n), projected = rows(c->projected, n);
    struct tensor none = {0};

    TRY(kn_rmsnorm(k, normed, x, w->mlp_norm, m->config.norm_eps));
    TRY(kn_matmul(k, gate_up, normed, w->w_gate_up, none));
    TRY(kn_swiglu(k, ff, gate_up));
    TRY(kn_matmul(k, projected, ff, w->w_down, none));
    return kn_add(k, x, projected);
}

/* The final norm runs over every computed row, so that a forward reads the same gains
 * whether or not logits are wanted. */
static enum err head(struct model *m, struct kv_cache *c, int64_t n, int64_t n_logits,
                     struct tensor *logits)
{
    struct kernels *k = m->k;
    struct tensor normed = rows(c->normed, n), none = {0};
    TRY(kn_rmsnorm(k, normed, rows(c->x, n), m->weights.final_norm, m->config.norm_eps));
    *logits = none;
    if (n_logits == 0) return ERR_NONE;
    struct tensor wanted = normed;
    if (n_logits != n) {
        wanted = rows(c->picked, n_logits);
        TRY(kn_gather(k, wanted, normed, c->index));
    }
    *logits = rows(c->logits, n_logits);
    return kn_matmul(k, *logits, wanted, m->weights.head, none);
}

static enum err run_forward(struct model *m, struct kv_cache *c, int64_t n, int64_t n_logits,
                            int32_t n_spans, struct tensor *logits)
{
    TRY(kn_embed(m->k, rows(c->x, n), m->weights.embedding, c->ids));
    int32_t stored = m->weights.n_layers_stored;
    kernels_set_repeat(m->k, m->config.n_layer / stored);
    for (int32_t i = 0; i < stored; i++) {
        TRY(attention_half(m, c, i, n, n_spans));
        TRY(mlp_half(m, c, i, n));
    }
    kernels_set_repeat(m->k, 1);
    return head(m, c, n, n_logits, logits);
}

/* A forward on a backend that only counts: beside attention its cost depends on its numbers of
 * rows alone, so the last one of the same numbers is charged again. */
static enum err count_forward(struct model *m, struct kv_cache *c, int64_t n, int64_t n_logits,
                              int32_t n_spans, struct tensor *logits)
{
    struct ledger *l = kernels_ledger(m->k);
    if (c->counted_rows != n || c->counted_logits != n_logits) {
        struct ledger before = *l;
        ledger_clear(l);
        TRY(run_forward(m, c, n, n_logits, n_spans, logits));
        c->counted = *l;
        c->counted.op[OP_ATTENTION] = (struct ledger_entry){0};
        c->counted_rows = n;
        c->counted_logits = n_logits;
        ledger_merge(l, &before);
        return ERR_NONE;
    }
    struct tensor q = tensor_heads(rows(c->qkv, n), 0, m->config.n_head, m->config.d_head);
    struct tensor none = {0};
    ledger_merge(l, &c->counted);
    kernels_set_repeat(m->k, m->config.n_layer);
    enum err e = kn_attention(m->k, q, q, c->keys[0], c->values[0], c->spans, n_spans);
    kernels_set_repeat(m->k, 1);
    *logits = n_logits ? rows(c->logits, n_logits) : none;
    return e;
}

enum err model_forward(struct model *m, struct kv_cache *c, const struct pass *p,
                       struct tensor *logits)
{
    int64_t n, n_logits;
    unpack(c, p, &n, &n_logits);
    if (kernels_computes(m->k))
        TRY(run_forward(m, c, n, n_logits, p->n_seqs, logits));
    else
        TRY(count_forward(m, c, n, n_logits, p->n_seqs, logits));

    for (int32_t i = 0; i < p->n_seqs; i++) {
        const struct pass_seq *s = &p->seq[i];
        int32_t *valid = &c->valid[s->span.slot];
        if (s->n_kept > 0 && *valid < s->span.pos0 + s->n_kept) *valid = s->span.pos0 + s->n_kept;
    }
    return ERR_NONE;
}
