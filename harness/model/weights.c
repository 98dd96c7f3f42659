/* weights.c - one allocation, carved into tensors, filled from a source. */
#include "harness/model/weights.h"

#include <stdlib.h>
#include <string.h>

#include "harness/kernels/bf16.h"
#include "harness/kernels/int8.h"

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

/* ---- filling ---- */

/* Which logical rows a stored tensor's rows are: up to three parts one below the other. */
struct fill {
    const struct weight_source *from;
    int32_t layer;
    enum weight_kind kind;
    enum dtype dtype;
    int32_t n_parts;
    enum weight_part part[3];
    int64_t part_rows[3], n_cols;
};

/* n values of a logical row as elements of dtype. */
static void write_values(const struct fill *f, const struct weight_row *w, void *out)
{
    for (int64_t begin = 0; begin < w->n_cols; begin += INT8_GROUP) {
        float x[INT8_GROUP];
        int64_t n = w->n_cols - begin < INT8_GROUP ? w->n_cols - begin : INT8_GROUP;
        f->from->values(f->from->ctx, w, begin, n, x);
        if (f->dtype == DTYPE_INT8)
            int8_quantise_group(out, w->n_cols, begin / INT8_GROUP, x);
        else if (f->dtype == DTYPE_BF16)
            for (int64_t i = 0; i < n; i++) ((uint16_t *)out)[begin + i] = bf16_from_f32(x[i]);
        else
            memcpy((float *)out + begin, x, (size_t)n * sizeof *x);
    }
}

static void fill_row(void *ctx, int64_t row, void *out)
{
    const struct fill *f = ctx;
    int32_t i = 0;
    while (i < f->n_parts - 1 && row >= f->part_rows[i]) row -= f->part_rows[i++];
    struct weight_row w = {f->part[i], f->kind, f->layer, row, f->n_cols};
    write_values(f, &w, out);
}

/* Parts of a vector lie side by side, each one logical row. */
static void fill_vector(void *ctx, int64_t row, void *out)
{
    const struct fill *f = ctx;
    char *p = out;
    (void)row;
    for (int32_t i = 0; i < f->n_parts; i++) {
        struct weight_row w = {f->part[i], f->kind, f->layer, 0, f->part_rows[i]};
        write_values(f, &w, p);
        p += f->part_rows[i] * dtype_bytes(f->dtype);
    }
}

/* Where a tensor's values come from. */
struct loader {
    struct kernels *k;
    const struct weight_source *from;
    int32_t layer;
};

static enum err load(const struct loader *l, struct tensor t, struct fill f)
{
    if (t.n_dim == 0) return ERR_NONE;
    f.from = l->from;
    f.layer = l->layer;
    f.dtype = t.dtype;
    f.n_cols = t.dim[t.n_dim - 1];
    return kernels_load_weight(l->k, t, t.n_dim == 2 ? fill_row : fill_vector, &f);
}

/* A tensor that is one logical part. */
static enum err load_one(const struct loader *l, struct tensor t, enum weight_kind kind,
                         enum weight_part part)
{
    struct fill f = {.kind = kind, .n_parts = 1, .part = {part}, .part_rows = {t.dim[0]}};
    return load(l, t, f);
}

static enum err load_layer(const struct loader *l, const struct model_config *c,
                           struct layer_weights *w)
{
    int64_t q = (int64_t)c->n_head * c->d_head, kv = (int64_t)c->n_kv_head * c->d_head;
    struct fill qkv = {.kind = WEIGHT_MATRIX,
                       .n_parts = 3,
                       .part = {PART_Q, PART_K, PART_V},
                       .part_rows = {q, kv, kv}};
    struct fill bias = {.kind = WEIGHT_BIAS,
                        .n_parts = 3,
                        .part = {PART_Q_BIAS, PART_K_BIAS, PART_V_BIAS},
                        .part_rows = {q, kv, kv}};
    struct fill gate_up = {.kind = WEIGHT_MATRIX,
                           .n_parts = 2,
                           .part = {PART_GATE, PART_UP},
                           .part_rows = {c->d_ff, c->d_ff}};
    TRY(load(l, w->wqkv, qkv));
    TRY(load(l, w->qkv_bias, bias));
    TRY(load(l, w->w_gate_up, gate_up));
    TRY(load_one(l, w->wo, WEIGHT_MATRIX, PART_O));
    TRY(load_one(l, w->w_down, WEIGHT_MATRIX, PART_DOWN));
    TRY(load_one(l, w->attn_norm, WEIGHT_GAIN, PART_ATTN_NORM));
    TRY(load_one(l, w->mlp_norm, WEIGHT_GAIN, PART_MLP_NORM));
    TRY(load_one(l, w->q_norm, WEIGHT_GAIN, PART_Q_NORM));
    return load_one(l, w->k_norm, WEIGHT_GAIN, PART_K_NORM);
}

static enum err load_all(struct loader *l, const struct model_config *c, struct weights *w)
{
    for (l->layer = 0; l->layer < w->n_layers_stored; l->layer++)
        TRY(load_layer(l, c, &w->layer[l->layer]));
    l->layer = 0;
    TRY(load_one(l, w->final_norm, WEIGHT_GAIN, PART_FINAL_NORM));
    TRY(load_one(l, w->head, WEIGHT_MATRIX, PART_HEAD));
    return c->tied ? ERR_NONE : load_one(l, w->embedding, WEIGHT_MATRIX, PART_EMBEDDING);
}

enum err weights_create(struct kernels *k, const struct model_config *c, enum dtype dtype,
                        const struct weight_source *from, struct weights *out)
{
    enum err e = ERR_NONE;
    memset(out, 0, sizeof *out);
    struct weights w = {.n_layers_stored = layers_stored(k, c)};
    w.layer = calloc((size_t)w.n_layers_stored, sizeof *w.layer);
    if (!w.layer) return err_set(ERR_NOMEM, "%s: %d layer records", c->name, c->n_layer);

    struct carver v = {.k = k, .dtype = dtype};
    struct loader l = {.k = k, .from = from};
    place(&v, c, &w);
    w.n_bytes = v.used;
    TRY_OUT(kernels_alloc(k, w.n_bytes, &w.base));
    v = (struct carver){.k = k, .dtype = dtype, .base = w.base};
    place(&v, c, &w);
    TRY_OUT(load_all(&l, c, &w));
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
