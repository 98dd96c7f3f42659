/* kv_cache.c - one allocation for keys, values and activations of a batch. */
#include "harness/model/kv_cache.h"

#include <stdlib.h>

#include "harness/base/rng.h"
#include "harness/kernels/bf16.h"
#include "harness/model/normal_table.h"

enum { ALIGNMENT = 4096 };

struct carver {
    char *base; /* NULL: only measure */
    size_t used;
};

static struct tensor carve(struct carver *v, struct tensor t)
{
    t.data = v->base ? v->base + v->used : NULL;
    v->used += ((size_t)tensor_room(t) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return t;
}

/* keys == NULL: only measure. */
static void place(struct carver *v, const struct kernels *k, const struct model_config *c,
                  const struct kv_cache_size *s, int32_t n_layers, struct kv_cache *out)
{
    enum dtype act = kernels_activation_dtype(k);
    int64_t rows = s->max_rows, d = c->d_model, q = (int64_t)c->n_head * c->d_head;
    int64_t qkv = q + (int64_t)2 * c->n_kv_head * c->d_head;
    struct tensor keys, values;
    kernels_cache(k, s->dtype, s->n_slots, c->n_kv_head, s->capacity, c->d_head, &keys, &values);
    for (int32_t i = 0; i < n_layers; i++) {
        struct tensor of_keys = carve(v, keys), of_values = carve(v, values);
        if (!out->keys) continue;
        out->keys[i] = of_keys;
        out->values[i] = of_values;
    }
    out->x = carve(v, tensor_2d(NULL, act, ROLE_ACTIVATION, rows, d));
    out->normed = carve(v, tensor_2d(NULL, act, ROLE_ACTIVATION, rows, d));
    out->qkv = carve(v, tensor_2d(NULL, act, ROLE_ACTIVATION, rows, qkv));
    out->attended = carve(v, tensor_2d(NULL, act, ROLE_ACTIVATION, rows, q));
    out->projected = carve(v, tensor_2d(NULL, act, ROLE_ACTIVATION, rows, d));
    out->gate_up = carve(v, tensor_2d(NULL, act, ROLE_ACTIVATION, rows, (int64_t)2 * c->d_ff));
    out->ff = carve(v, tensor_2d(NULL, act, ROLE_ACTIVATION, rows, c->d_ff));
    out->picked = carve(v, tensor_2d(NULL, act, ROLE_ACTIVATION, s->max_logits, d));
    out->logits = carve(v, tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, s->max_logits, c->n_vocab));
}

int64_t kv_cache_exit_bytes(const struct kernels *k, const struct model_config *c,
                            const struct kv_cache_size *s)
{
    struct carver v = {0};
    struct kv_cache unused = {0};
    place(&v, k, c, s, 0, &unused);
    return (int64_t)v.used;
}

int64_t kv_cache_bytes(const struct kernels *k, const struct model_config *c,
                       const struct kv_cache_size *s)
{
    struct carver v = {0};
    struct kv_cache unused = {0};
    place(&v, k, c, s, c->n_layer, &unused);
    return (int64_t)v.used;
}

static enum err host_arrays(struct kv_cache *c)
{
    size_t rows = (size_t)c->size.max_rows, slots = (size_t)c->size.n_slots;
    c->valid = calloc(slots, sizeof *c->valid);
    c->spans = calloc(slots, sizeof *c->spans);
    c->ids = calloc(rows, sizeof *c->ids);
    c->pos = calloc(rows, sizeof *c->pos);
    c->index = calloc((size_t)c->size.max_logits + 1, sizeof *c->index);
    c->keys = calloc((size_t)c->n_layers_stored, sizeof *c->keys);
    c->values = calloc((size_t)c->n_layers_stored, sizeof *c->values);
    if (c->size.scattered) c->runs = calloc(rows, sizeof *c->runs);
    if (!c->valid || !c->spans || !c->ids || !c->pos || !c->index || !c->keys || !c->values ||
        (c->size.scattered && !c->runs))
        return err_set(ERR_NOMEM, "kv cache: host arrays for %zu rows", rows);
    return ERR_NONE;
}

/* whole: whose keys and values it uses; NULL: its own. */
static enum err create(struct model *m, const struct kv_cache *whole, const struct kv_cache_size *s,
                       struct kv_cache **out)
{
    struct kernels *k = model_kernels(m);
    const struct model_config *config = model_config_of(m);
    enum err e = ERR_NONE;
    *out = NULL;
    CHECK(s->n_slots >= 1 && s->capacity >= 1 && s->max_rows >= 1 && s->max_logits >= 0);
    struct kv_cache *c = calloc(1, sizeof *c);
    if (!c) return err_set(ERR_NOMEM, "kv cache: out of memory");
    c->k = k;
    c->size = *s;
    c->n_layers_stored = kernels_computes(k) ? config->n_layer : 1;
    TRY_OUT(host_arrays(c));

    struct carver v = {0};
    int32_t own_layers = whole ? 0 : c->n_layers_stored;
    place(&v, k, config, s, own_layers, c);
    c->n_bytes = v.used;
    TRY_OUT(kernels_alloc(k, c->n_bytes, &c->base));
    v = (struct carver){.base = c->base};
    place(&v, k, config, s, own_layers, c);
    for (int32_t i = own_layers; i < c->n_layers_stored; i++) {
        c->keys[i] = whole->keys[i];
        c->values[i] = whole->values[i];
    }
    *out = c;
    return ERR_NONE;
out:
    kv_cache_free(c);
    return e;
}

enum err kv_cache_create(struct model *m, const struct kv_cache_size *s, struct kv_cache **out)
{
    return create(m, NULL, s, out);
}

enum err kv_cache_create_exit(struct model *exit, const struct kv_cache *whole,
                              const struct kv_cache_size *s, struct kv_cache **out)
{
    CHECK(s->n_slots == whole->size.n_slots && s->capacity == whole->size.capacity &&
          s->dtype == whole->size.dtype);
    return create(exit, whole, s, out);
}

void kv_cache_free(struct kv_cache *c)
{
    if (!c) return;
    kernels_free(c->k, c->base, c->n_bytes);
    free(c->valid);
    free(c->spans);
    free(c->runs);
    free(c->ids);
    free(c->pos);
    free(c->index);
    free(c->keys);
    free(c->values);
    free(c);
}

/* host[slots, hk, capacity, d] of one layer's keys or values: standard normal up to position n. */
static void make_up(const struct kv_cache *c, int32_t n, uint64_t seed, void *host)
{
    struct tensor t = c->keys[0];
    CHECK(t.dtype == DTYPE_F32 || t.dtype == DTYPE_BF16);
    int64_t heads = t.dim[0] * t.dim[1], d = t.dim[3];
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < n * d; i++) {
            int64_t at = h * t.dim[2] * d + i;
            uint64_t r = mix64(seed + (uint64_t)at);
            float v = (float)normal_table[r % NORMAL_TABLE_SIZE] / NORMAL_TABLE_ONE;
            if (t.dtype == DTYPE_F32)
                ((float *)host)[at] = v;
            else if (t.dtype == DTYPE_BF16)
                ((uint16_t *)host)[at] = bf16_from_f32(v);
        }
}

enum err kv_cache_make_up(struct kv_cache *c, int32_t n, uint64_t seed)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < c->size.n_slots; i++) kv_cache_set_valid(c, i, n);
    if (n == 0 || !kernels_computes(c->k)) return ERR_NONE;
    void *host = calloc(1, (size_t)tensor_bytes(c->keys[0]));
    if (!host) return err_set(ERR_NOMEM, "a made-up context of %d positions: out of memory", n);
    for (int32_t i = 0; i < c->n_layers_stored; i++) {
        make_up(c, n, mix64(seed + 2 * (uint64_t)i), host);
        TRY_OUT(kernels_upload(c->k, c->keys[i], host));
        make_up(c, n, mix64(seed + 2 * (uint64_t)i + 1), host);
        TRY_OUT(kernels_upload(c->k, c->values[i], host));
    }
out:
    free(host);
    return e;
}

void kv_cache_clear(struct kv_cache *c)
{
    for (int32_t i = 0; i < c->size.n_slots; i++) c->valid[i] = 0;
}

int32_t kv_cache_valid(const struct kv_cache *c, int32_t slot)
{
    return c->valid[slot];
}

void kv_cache_set_valid(struct kv_cache *c, int32_t slot, int32_t n)
{
    CHECK(n >= 0 && n <= c->size.capacity);
    c->valid[slot] = n;
}
