/* weights.c - one allocation, carved into tensors, filled from a seed. */
#include "harness/model/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/kernels/bf16.h"
#include "harness/kernels/int8.h"
#include "harness/model/normal_table.h"

/* ---- layout: the same walk sizes the allocation and places the tensors ---- */

struct carver {
    const struct kernels *k;
    enum dtype dtype;
    char *base; /* NULL: only measure */
    size_t used;
};

enum { ALIGNMENT = 4096 };

static void *carve(struct carver *v, size_t n)
{
    void *p = v->base ? v->base + v->used : NULL;
    v->used += (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return p;
}

static struct tensor carve_vector(struct carver *v, int64_t n)
{
    struct tensor t = tensor_1d(NULL, dtype_beside(v->dtype), ROLE_WEIGHT, n);
    t.data = carve(v, (size_t)tensor_bytes(t));
    return t;
}

static struct tensor carve_packed(struct carver *v, int64_t rows, int64_t cols)
{
    struct tensor t = tensor_2d(NULL, v->dtype, ROLE_WEIGHT, rows, cols);
    t.layout = LAYOUT_PACKED;
    t.data = carve(v, kernels_packed_bytes(v->k, rows, cols, v->dtype));
    return t;
}

static struct tensor carve_rows(struct carver *v, int64_t rows, int64_t cols)
{
    struct tensor t = tensor_2d(NULL, dtype_beside(v->dtype), ROLE_WEIGHT, rows, cols);
    t.data = carve(v, (size_t)tensor_bytes(t));
    return t;
}

static void place(struct carver *v, const struct model_config *c, struct weights *w)
{
    int64_t d = c->d_model, q = (int64_t)c->n_head * c->d_head;
    int64_t qkv = q + (int64_t)2 * c->n_kv_head * c->d_head;
    for (int32_t i = 0; i < w->n_layers_stored; i++) {
        struct layer_weights *l = &w->layer[i];
        memset(l, 0, sizeof *l);
        l->attn_norm = carve_vector(v, d);
        l->wqkv = carve_packed(v, qkv, d);
        if (c->qkv_bias) l->qkv_bias = carve_vector(v, qkv);
        if (c->qk_norm) {
            l->q_norm = carve_vector(v, c->d_head);
            l->k_norm = carve_vector(v, c->d_head);
        }
        l->wo = carve_packed(v, d, q);
        l->mlp_norm = carve_vector(v, d);
        l->w_gate_up = carve_packed(v, (int64_t)2 * c->d_ff, d);
        l->w_down = carve_packed(v, d, c->d_ff);
    }
    w->final_norm = carve_vector(v, d);
    w->head = carve_packed(v, c->n_vocab, d);
    w->embedding = c->tied ? w->head : carve_rows(v, c->n_vocab, d);
}

static int32_t layers_stored(const struct kernels *k, const struct model_config *c)
{
    return kernels_computes(k) ? c->n_layer : 1;
}

size_t weights_bytes(const struct kernels *k, const struct model_config *c, enum dtype dtype)
{
    struct carver one = {.k = k, .dtype = dtype}, two = {.k = k, .dtype = dtype};
    struct layer_weights layer[2];
    struct weights w1 = {.layer = layer, .n_layers_stored = 1};
    struct weights w2 = {.layer = layer, .n_layers_stored = 2};
    place(&one, c, &w1);
    place(&two, c, &w2);
    return one.used + (two.used - one.used) * (size_t)(c->n_layer - 1);
}

/* ---- seeded values ---- */

/* A logical matrix of a layer; the model's own three come after every layer's. */
enum part {
    PART_ATTN_NORM,
    PART_Q,
    PART_K,
    PART_V,
    PART_Q_BIAS,
    PART_K_BIAS,
    PART_V_BIAS,
    PART_Q_NORM,
    PART_K_NORM,
    PART_O,
    PART_MLP_NORM,
    PART_GATE,
    PART_UP,
    PART_DOWN,
    PART_FINAL_NORM,
    PART_HEAD,
    PART_EMBEDDING,
    PART_COUNT
};

/* Which logical rows a stored tensor's rows are: up to three parts one below the other. */
struct fill {
    uint64_t seed;
    int32_t layer;
    int64_t n_cols;
    enum dtype dtype;
    float offset, scale;
    int32_t n_parts;
    enum part part[3];
    int64_t part_rows[3];
};

/* Values begin .. begin + n - 1 of logical row `row` of a part (begin a multiple of 4): offset +
 * scale * normal, rounded to bf16, as bf16 or f32.  1/sqrt(columns) keeps activations near 1;
 * IEEE arithmetic only, so the same bytes everywhere. */
static void seeded_values(const struct fill *f, enum part part, int64_t row, int64_t begin,
                          int64_t n, enum dtype dtype, void *out)
{
    uint64_t matrix = mix64(f->seed ^ mix64((uint64_t)f->layer * PART_COUNT + part));
    uint64_t key = mix64(matrix + (uint64_t)row);
    for (int64_t i = 0; i < n; i += 4) {
        uint64_t bits = mix64(key + (uint64_t)(begin + i));
        for (int64_t j = i; j < n && j < i + 4; j++, bits >>= 16) {
            float unit = (float)normal_table[bits & (NORMAL_TABLE_SIZE - 1)] / NORMAL_TABLE_ONE;
            uint16_t value = bf16_from_f32(f->offset + f->scale * unit);
            if (dtype == DTYPE_BF16)
                ((uint16_t *)out)[j] = value;
            else
                ((float *)out)[j] = bf16_to_f32(value);
        }
    }
}

static void fill_row(void *ctx, int64_t row, void *out)
{
    const struct fill *f = ctx;
    int64_t n = f->n_cols;
    int32_t i = 0;
    while (i < f->n_parts - 1 && row >= f->part_rows[i]) row -= f->part_rows[i++];
    if (f->dtype != DTYPE_INT8) {
        seeded_values(f, f->part[i], row, 0, n, f->dtype, out);
        return;
    }
    for (int64_t g = 0; g < int8_groups(n); g++) {
        float x[INT8_GROUP];
        int64_t begin = g * INT8_GROUP, left = n - begin;
        seeded_values(f, f->part[i], row, begin, left < INT8_GROUP ? left : INT8_GROUP, DTYPE_F32,
                      x);
        int8_quantise_group(out, n, g, x);
    }
}

/* Biases are vectors whose parts lie side by side, each one logical row. */
static void fill_bias(void *ctx, int64_t row, void *out)
{
    const struct fill *f = ctx;
    char *p = out;
    (void)row;
    for (int32_t i = 0; i < f->n_parts; i++) {
        seeded_values(f, f->part[i], 0, 0, f->part_rows[i], f->dtype, p);
        p += f->part_rows[i] * dtype_bytes(f->dtype);
    }
}

static enum err load_matrix(struct kernels *k, struct tensor t, struct fill f)
{
    f.n_cols = t.dim[1];
    f.dtype = t.dtype;
    f.scale = 1.0f / sqrtf((float)f.n_cols);
    return kernels_load_weight(k, t, fill_row, &f);
}

static enum err load_vector(struct kernels *k, struct tensor t, struct fill f)
{
    if (t.n_dim == 0) return ERR_NONE;
    f.dtype = t.dtype;
    f.scale = 0.125f;
    return kernels_load_weight(k, t, fill_bias, &f);
}

/* A gain: near 1, and different per channel so that a kernel that drops it is caught. */
static enum err load_gain(struct kernels *k, struct tensor t, uint64_t seed, int32_t layer,
                          enum part part)
{
    struct fill f = {.seed = seed,
                     .layer = layer,
                     .offset = 1,
                     .n_parts = 1,
                     .part = {part},
                     .part_rows = {t.dim[0]}};
    return load_vector(k, t, f);
}

static enum err load_layer(struct kernels *k, const struct model_config *c, struct layer_weights *l,
                           int32_t i, uint64_t seed)
{
    int64_t q = (int64_t)c->n_head * c->d_head, kv = (int64_t)c->n_kv_head * c->d_head;
    struct fill base = {.seed = seed, .layer = i};

    struct fill qkv = base;
    qkv.n_parts = 3;
    memcpy(qkv.part, (enum part[]){PART_Q, PART_K, PART_V}, sizeof qkv.part);
    memcpy(qkv.part_rows, (int64_t[]){q, kv, kv}, sizeof qkv.part_rows);
    TRY(load_matrix(k, l->wqkv, qkv));
    memcpy(qkv.part, (enum part[]){PART_Q_BIAS, PART_K_BIAS, PART_V_BIAS}, sizeof qkv.part);
    TRY(load_vector(k, l->qkv_bias, qkv));

    struct fill gate_up = base;
    gate_up.n_parts = 2;
    memcpy(gate_up.part, (enum part[]){PART_GATE, PART_UP}, 2 * sizeof gate_up.part[0]);
    gate_up.part_rows[0] = gate_up.part_rows[1] = c->d_ff;
    TRY(load_matrix(k, l->w_gate_up, gate_up));

    struct fill one = base;
    one.n_parts = 1;
    one.part[0] = PART_O;
    TRY(load_matrix(k, l->wo, one));
    one.part[0] = PART_DOWN;
    TRY(load_matrix(k, l->w_down, one));

    TRY(load_gain(k, l->attn_norm, seed, i, PART_ATTN_NORM));
    TRY(load_gain(k, l->mlp_norm, seed, i, PART_MLP_NORM));
    if (c->qk_norm) {
        TRY(load_gain(k, l->q_norm, seed, i, PART_Q_NORM));
        TRY(load_gain(k, l->k_norm, seed, i, PART_K_NORM));
    }
    return ERR_NONE;
}

static enum err load_all(struct kernels *k, const struct model_config *c, struct weights *w,
                         uint64_t seed)
{
    struct fill one = {.seed = seed, .n_parts = 1};
    for (int32_t i = 0; i < w->n_layers_stored; i++) TRY(load_layer(k, c, &w->layer[i], i, seed));
    TRY(load_gain(k, w->final_norm, seed, 0, PART_FINAL_NORM));
    one.part[0] = PART_HEAD;
    TRY(load_matrix(k, w->head, one));
    if (c->tied) return ERR_NONE;
    one.part[0] = PART_EMBEDDING;
    return load_matrix(k, w->embedding, one);
}

enum err weights_create_seeded(struct kernels *k, const struct model_config *c, enum dtype dtype,
                               uint64_t seed, struct weights *out)
{
    enum err e = ERR_NONE;
    memset(out, 0, sizeof *out);
    struct weights w = {.n_layers_stored = layers_stored(k, c)};
    w.layer = calloc((size_t)w.n_layers_stored, sizeof *w.layer);
    if (!w.layer) return err_set(ERR_NOMEM, "%s: %d layer records", c->name, c->n_layer);

    struct carver v = {.k = k, .dtype = dtype};
    place(&v, c, &w);
    w.n_bytes = v.used;
    TRY_OUT(kernels_alloc(k, w.n_bytes, &w.base));
    v = (struct carver){.k = k, .dtype = dtype, .base = w.base};
    place(&v, c, &w);
    TRY_OUT(load_all(k, c, &w, seed));
    *out = w;
    return ERR_NONE;
out:
    weights_free(k, &w);
    return e;
}

void weights_free(struct kernels *k, struct weights *w)
{
    kernels_free(k, w->base, w->n_bytes);
    free(w->layer);
    memset(w, 0, sizeof *w);
}
