/* kernels.c - every operation's path: check shapes, charge the ledger, call the backend. */
#include "harness/kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/kernels/backend.h"

struct kernels {
    const struct backend_ops *ops;
    void *state; /* the backend's */
    struct backend_info info;
    struct ledger ledger;
    struct price price[TIER_COUNT];
    int64_t repeat;
    bool trace;
    const struct kernels_watch *watch; /* borrowed; NULL: nobody */
};

static const struct backend_ops *const backends[] = {&backend_cpu, &backend_null, &backend_cuda};
enum { N_BACKENDS = sizeof backends / sizeof backends[0] };

const char *kernels_backend(int32_t i, const char **why)
{
    if (i < 0 || i >= N_BACKENDS) return NULL;
    *why = backends[i]->disabled;
    if (!*why && backends[i]->available && backends[i]->available() != ERR_NONE) *why = err_msg();
    return backends[i]->name;
}

static enum err find_backend(const char *name, const struct backend_ops **out)
{
    for (int32_t i = 0; i < N_BACKENDS; i++) {
        if (strcmp(backends[i]->name, name) != 0) continue;
        if (backends[i]->disabled)
            return err_set(ERR_UNSUPPORTED, "%s: %s", name, backends[i]->disabled);
        *out = backends[i];
        return ERR_NONE;
    }
    return err_set(ERR_USAGE, "no backend \"%s\"; there are cpu, cuda and null", name);
}

enum err kernels_open(const struct kernels_config *c, struct kernels **out)
{
    const struct backend_ops *ops = NULL;
    *out = NULL;
    TRY(find_backend(c->backend, &ops));
    struct kernels *k = calloc(1, sizeof *k);
    if (!k) return err_set(ERR_NOMEM, "opening the %s backend: out of memory", c->backend);
    k->ops = ops;
    k->repeat = 1;
    enum err e = ops->open(c, &k->state, &k->info);
    if (e != ERR_NONE) {
        free(k);
        return err_trace(e, __FILE__, __LINE__);
    }
    if (c->traffic.llc_bytes) k->info.traffic = c->traffic;
    CHECK(k->info.traffic.row_tile >= 1);
    *out = k;
    return ERR_NONE;
}

void kernels_close(struct kernels *k)
{
    if (!k) return;
    k->ops->close(k->state);
    free(k);
}

const char *kernels_name(const struct kernels *k)
{
    return k->ops->name;
}

int32_t kernels_threads(const struct kernels *k)
{
    return k->info.n_threads;
}

const char *kernels_variant(const struct kernels *k)
{
    return k->info.variant ? k->info.variant : "";
}

const char *kernels_description(const struct kernels *k)
{
    return k->info.description ? k->info.description : "";
}

enum dtype kernels_activation_dtype(const struct kernels *k)
{
    return k->info.activation_dtype;
}

bool kernels_computes(const struct kernels *k)
{
    return k->ops->computes;
}

struct traffic_model kernels_traffic(const struct kernels *k)
{
    return k->info.traffic;
}

enum err kernels_sync(struct kernels *k)
{
    return k->ops->sync(k->state);
}

enum err kernels_set_mode(struct kernels *k, const struct kernels_mode *mode)
{
    if (k->ops->set_mode) return k->ops->set_mode(k->state, mode);
    if (!mode->graph && mode->matmul == 0) return ERR_NONE;
    return err_set(ERR_UNSUPPORTED, "%s: CUDA graphs and a choice of matmul are for cuda:N only",
                   k->ops->name);
}

struct kernels_graphs kernels_graphs(const struct kernels *k)
{
    return k->ops->graphs ? k->ops->graphs(k->state) : (struct kernels_graphs){0};
}

enum err kernels_timer_begin(struct kernels *k)
{
    return k->ops->timer_begin ? k->ops->timer_begin(k->state) : ERR_NONE;
}

enum err kernels_timer_end(struct kernels *k, int64_t *device_ns)
{
    *device_ns = -1;
    return k->ops->timer_end ? k->ops->timer_end(k->state, device_ns) : ERR_NONE;
}

enum err kernels_memory(struct kernels *k, struct kernels_memory *out)
{
    *out = (struct kernels_memory){-1, -1};
    return k->ops->memory ? k->ops->memory(k->state, out) : ERR_NONE;
}

struct kernels_extra kernels_extra(const struct kernels *k, const struct kernels_mode *mode,
                                   const struct kernels_extent *x)
{
    return k->ops->extra ? k->ops->extra(k->state, mode, x) : (struct kernels_extra){0};
}

struct ledger *kernels_ledger(struct kernels *k)
{
    return &k->ledger;
}

void kernels_set_price(struct kernels *k, enum tier t, const struct price *p)
{
    k->price[t] = *p;
}

void kernels_set_repeat(struct kernels *k, int64_t n)
{
    k->repeat = n;
}

void kernels_trace(struct kernels *k, bool on)
{
    k->trace = on;
}

void kernels_set_watch(struct kernels *k, const struct kernels_watch *w)
{
    k->watch = w;
}

enum err kernels_alloc(struct kernels *k, size_t n, void **out)
{
    return k->ops->alloc(k->state, n, out);
}

void kernels_free(struct kernels *k, void *p, size_t n)
{
    if (p) k->ops->free(k->state, p, n);
}

enum err kernels_upload(struct kernels *k, struct tensor dst, const void *host)
{
    return k->ops->upload(k->state, dst, host);
}

enum err kernels_download(struct kernels *k, void *host, struct tensor src)
{
    return k->ops->download(k->state, host, src);
}

void kernels_cache(const struct kernels *k, enum dtype dtype, int64_t slots, int64_t n_heads,
                   int64_t cap, int64_t d, struct tensor *keys, struct tensor *values)
{
    *keys = *values = tensor_4d(NULL, dtype, ROLE_KV, slots, n_heads, cap, d);
    if (k->ops->lay_out_cache) k->ops->lay_out_cache(keys, values);
}

size_t kernels_packed_bytes(const struct kernels *k, int64_t rows, int64_t cols, enum dtype dtype)
{
    return k->ops->packed_bytes(k->state, rows, cols, dtype);
}

enum err kernels_load_weight(struct kernels *k, struct tensor w, weight_row_fn *row, void *ctx)
{
    CHECK(w.role == ROLE_WEIGHT && (w.n_dim == 1 || w.n_dim == 2));
    return k->ops->load_weight(k->state, w, row, ctx);
}

/* ---- what every operation does around the backend call ---- */

static void charge_matmul(struct kernels *k, enum op op, const struct cost *c, bool fits,
                          struct tensor y, struct tensor w)
{
    double predicted_ns[TIER_COUNT] = {0}, memory_ns[TIER_COUNT] = {0};
    if (!fits) k->ledger.overflow = true;
    for (int t = 0; t < TIER_COUNT; t++) {
        bool memory_side;
        if (!k->price[t].known) continue;
        predicted_ns[t] = price_call(&k->price[t], op, c, y, w, &memory_side);
        if (memory_side) memory_ns[t] = predicted_ns[t];
    }
    ledger_add(&k->ledger, op, c, k->repeat, predicted_ns, memory_ns);
}

static void charge(struct kernels *k, enum op op, const struct cost *c, bool fits)
{
    struct tensor none = {0};
    charge_matmul(k, op, c, fits, none, none);
}

/* Around every call of the backend: its watcher and its time. */
struct call {
    enum op op;
    int64_t begin_ns;
};

static enum err call_begin(const struct kernels *k, struct call *c, struct kernels_call what)
{
    *c = (struct call){.op = what.op};
    if (k->watch) TRY(k->watch->begin(k->watch->ctx, &what));
    if (k->trace) c->begin_ns = clock_ns();
    return ERR_NONE;
}

static enum err call_end(struct kernels *k, const struct call *c, enum err e)
{
    if (k->trace && e == ERR_NONE) {
        TRY(k->ops->sync(k->state));
        k->ledger.op[c->op].time_ns += clock_ns() - c->begin_ns;
    }
    if (k->watch && e == ERR_NONE) e = k->watch->end(k->watch->ctx);
    return e;
}

static bool same_shape(struct tensor a, struct tensor b)
{
    return a.n_dim == b.n_dim && memcmp(a.dim, b.dim, sizeof a.dim) == 0;
}

static int64_t last_dim(struct tensor t)
{
    return t.dim[t.n_dim - 1];
}

static void check_spans(const struct span *spans, int32_t n_spans, struct tensor rows,
                        struct tensor cache)
{
    int64_t covered = 0;
    for (int32_t i = 0; i < n_spans; i++) {
        const struct span *s = &spans[i];
        CHECK(s->slot >= 0 && s->slot < cache.dim[0]);
        CHECK(s->row0 >= 0 && s->n_rows >= 0 && s->row0 + (int64_t)s->n_rows <= rows.dim[0]);
        CHECK(s->pos0 >= 0 && s->pos0 + (int64_t)s->n_rows <= s->n_visible);
        CHECK(s->n_visible <= cache.dim[2]);
        CHECK(s->mask != MASK_BLOCK || s->block >= 1);
        covered += s->n_rows;
    }
    CHECK(covered == rows.dim[0]);
}

/* ---- operations ---- */

enum err kn_embed(struct kernels *k, struct tensor out, struct tensor table, const int32_t *ids)
{
    struct cost c;
    CHECK(out.n_dim == 2 && table.n_dim == 2 && out.dim[1] == table.dim[1]);
    charge(k, OP_EMBED, &c, cost_embed(&k->info.traffic, out, table, &c));
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_EMBED, .rows = out.dim[0]}));
    return call_end(k, &call, k->ops->embed(k->state, out, table, ids));
}

enum err kn_rmsnorm(struct kernels *k, struct tensor out, struct tensor x, struct tensor gain,
                    float eps)
{
    struct cost c;
    CHECK(same_shape(out, x) && gain.n_dim == 1 && gain.dim[0] == last_dim(x));
    charge(k, OP_RMSNORM, &c, cost_rmsnorm(&k->info.traffic, out, x, gain, &c));
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_RMSNORM, .rows = x.dim[0]}));
    return call_end(k, &call, k->ops->rmsnorm(k->state, out, x, gain, eps));
}

enum err kn_matmul(struct kernels *k, struct tensor y, struct tensor x, struct tensor w,
                   struct tensor bias)
{
    struct cost c;
    enum op op = y.role == ROLE_LOGITS ? OP_HEAD : OP_MATMUL;
    CHECK(y.n_dim == 2 && x.n_dim == 2 && w.n_dim == 2);
    CHECK(y.dim[0] == x.dim[0] && y.dim[1] == w.dim[0] && x.dim[1] == w.dim[1]);
    CHECK(bias.n_dim == 0 || (bias.n_dim == 1 && bias.dim[0] == w.dim[0]));
    CHECK(w.layout == LAYOUT_PACKED);
    struct matmul_tile tile;
    bool tiled = k->ops->matmul_tile && k->ops->matmul_tile(k->state, y, x, w, &tile);
    bool fits = cost_matmul(&k->info.traffic, tiled ? &tile : NULL, y, x, w, bias, &c);
    charge_matmul(k, op, &c, fits, y, w);
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){op, x.dim[0], w.dim[0], w.dim[1]}));
    return call_end(k, &call, k->ops->matmul(k->state, y, x, w, bias));
}

enum err kn_rope(struct kernels *k, struct tensor x, const int32_t *pos, const struct rope *r)
{
    struct cost c;
    CHECK(x.n_dim == 3 && x.dim[2] % 2 == 0);
    charge(k, OP_ROPE, &c, cost_rope(&k->info.traffic, x, &c));
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_ROPE, .rows = x.dim[0]}));
    return call_end(k, &call, k->ops->rope(k->state, x, pos, r));
}

enum err kn_kv_store(struct kernels *k, struct tensor k_cache, struct tensor v_cache,
                     struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                     int32_t n_spans)
{
    struct cost c;
    CHECK(same_shape(k_cache, v_cache) && same_shape(k_rows, v_rows));
    CHECK(k_cache.n_dim == 4 && k_rows.n_dim == 3);
    CHECK(k_cache.dim[1] == k_rows.dim[1] && k_cache.dim[3] == k_rows.dim[2]);
    check_spans(spans, n_spans, k_rows, k_cache);
    charge(k, OP_KV_STORE, &c, cost_kv_store(&k->info.traffic, k_rows, v_rows, k_cache, &c));
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_KV_STORE, .rows = k_rows.dim[0]}));
    enum err e = k->ops->kv_store(k->state, k_cache, v_cache, k_rows, v_rows, spans, n_spans);
    return call_end(k, &call, e);
}

enum err kn_attention(struct kernels *k, struct tensor out, struct tensor q, struct tensor k_cache,
                      struct tensor v_cache, const struct span *spans, int32_t n_spans)
{
    struct cost c;
    CHECK(same_shape(out, q) && same_shape(k_cache, v_cache));
    CHECK(q.n_dim == 3 && k_cache.n_dim == 4 && q.dim[2] == k_cache.dim[3]);
    CHECK(q.dim[1] % k_cache.dim[1] == 0);
    check_spans(spans, n_spans, q, k_cache);
    struct attention_tile tile;
    bool tiled = k->ops->attention_tile &&
                 k->ops->attention_tile(k->state, out, q, k_cache, v_cache, spans, n_spans, &tile);
    bool fits =
        cost_attention(&k->info.traffic, tiled ? &tile : NULL, out, q, k_cache, spans, n_spans, &c);
    charge(k, OP_ATTENTION, &c, fits);
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_ATTENTION, .rows = q.dim[0]}));
    enum err e = k->ops->attention(k->state, out, q, k_cache, v_cache, spans, n_spans);
    return call_end(k, &call, e);
}

enum err kn_swiglu(struct kernels *k, struct tensor out, struct tensor gate_up)
{
    struct cost c;
    CHECK(out.n_dim == 2 && gate_up.n_dim == 2);
    CHECK(out.dim[0] == gate_up.dim[0] && 2 * out.dim[1] == gate_up.dim[1]);
    charge(k, OP_SWIGLU, &c, cost_swiglu(&k->info.traffic, out, gate_up, &c));
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_SWIGLU, .rows = out.dim[0]}));
    return call_end(k, &call, k->ops->swiglu(k->state, out, gate_up));
}

enum err kn_add(struct kernels *k, struct tensor x, struct tensor y)
{
    struct cost c;
    CHECK(same_shape(x, y));
    charge(k, OP_ADD, &c, cost_add(&k->info.traffic, x, y, &c));
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_ADD, .rows = x.dim[0]}));
    return call_end(k, &call, k->ops->add(k->state, x, y));
}

enum err kn_gather(struct kernels *k, struct tensor out, struct tensor x, const int32_t *index)
{
    struct cost c;
    CHECK(out.n_dim == 2 && x.n_dim == 2 && out.dim[1] == x.dim[1]);
    charge(k, OP_GATHER, &c, cost_gather(&k->info.traffic, out, &c));
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_GATHER, .rows = out.dim[0]}));
    return call_end(k, &call, k->ops->gather(k->state, out, x, index));
}

enum err kn_guide(struct kernels *k, struct tensor z, struct tensor u, float scale)
{
    struct cost c;
    CHECK(z.n_dim == 2 && same_shape(z, u) && z.role == ROLE_LOGITS && u.role == ROLE_LOGITS);
    charge(k, OP_GUIDE, &c, cost_guide(&k->info.traffic, z, u, &c));
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_GUIDE, .rows = z.dim[0]}));
    return call_end(k, &call, k->ops->guide(k->state, z, u, scale));
}

enum err kn_rowstat(struct kernels *k, struct row_stat *stats, struct tensor logits,
                    const struct row_key *keys, const struct choice_rule *rule)
{
    struct cost c;
    CHECK(logits.n_dim == 2 && logits.role == ROLE_LOGITS);
    CHECK(rule->n_ids >= 1 && rule->n_ids <= logits.dim[1]);
    charge(k, OP_ROWSTAT, &c, cost_rowstat(&k->info.traffic, logits, rule_has_nucleus(rule), &c));
    struct call call;
    TRY(call_begin(k, &call, (struct kernels_call){.op = OP_ROWSTAT, .rows = logits.dim[0]}));
    return call_end(k, &call, k->ops->rowstat(k->state, stats, logits, keys, rule));
}
