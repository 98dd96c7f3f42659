/* toy.c - see toy.h.  The reference is written from the architecture's description; all it
 * shares with the program are the weights, read back through multiplications by 1. */
#include "tests/toy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/kernels/bf16.h"
#include "harness/model/weights.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

void toy_open(struct toy *t, const char *preset, enum dtype dtype, int32_t threads)
{
    struct kernels_config c = {.backend = "cpu", .n_threads = threads};
    t->dtype = dtype;
    OK(model_named(preset, 0, &t->config));
    OK(kernels_open(&c, &t->k));
    if (model_is_folder(preset))
        OK(model_create_checkpoint(t->k, &t->config, dtype, &t->model));
    else
        OK(model_create(t->k, &t->config, dtype, 7, &t->model));
}

void toy_close(struct toy *t)
{
    model_free(t->model);
    kernels_close(t->k);
}

struct kv_cache *toy_cache(struct toy *t, int32_t n_slots, int32_t capacity)
{
    struct kv_cache *c;
    struct kv_cache_size s = {.n_slots = n_slots,
                              .capacity = capacity,
                              .max_rows = (int64_t)n_slots * capacity,
                              .max_logits = (int64_t)n_slots * capacity,
                              .dtype = DTYPE_F32};
    OK(kv_cache_create(t->model, &s, &c));
    return c;
}

float *toy_forward(struct toy *t, struct kv_cache *c, const struct pass *p)
{
    struct tensor logits;
    OK(model_forward(t->model, c, p, &logits));
    float *out = malloc((size_t)tensor_bytes(logits));
    assert_non_null(out);
    OK(kernels_download(t->k, out, logits));
    return out;
}

float *toy_rows(struct toy *t, struct kv_cache *c, int32_t slot, const int32_t *tokens,
                int32_t pos0, int32_t n, enum mask mask, int32_t block, bool keep)
{
    int32_t row[1024];
    assert_true(n <= 1024);
    for (int32_t i = 0; i < n; i++) row[i] = i;
    struct pass_seq s = {
        .span = {.slot = slot,
                 .n_rows = n,
                 .pos0 = pos0,
                 .n_visible = pos0 + n,
                 .mask = mask,
                 .block = block},
        .tokens = tokens,
        .logit_row = row,
        .n_logits = n,
        .n_kept = keep ? n : 0,
    };
    struct pass p = {PHASE_DENOISE, 1, &s};
    return toy_forward(t, c, &p);
}

/* ---- the reference ---- */

/* w[m, k] in row order: y = I . w^T is w transposed, each element one product with 1. */
static double *read_matrix(struct toy *t, struct tensor w)
{
    int64_t m = w.dim[0], k = w.dim[1];
    size_t n = (size_t)(m * k);
    double *out = malloc(n * sizeof *out);
    float *host = calloc((size_t)(k * (k > m ? k : m)), sizeof *host);
    void *x, *y;
    struct tensor none = {0};
    OK(kernels_alloc(t->k, (size_t)(k * k) * 4, &x));
    OK(kernels_alloc(t->k, n * 4, &y));
    struct tensor tx = tensor_2d(x, DTYPE_F32, ROLE_ACTIVATION, k, k);
    struct tensor ty = tensor_2d(y, DTYPE_F32, ROLE_ACTIVATION, k, m);
    for (int64_t i = 0; i < k; i++) host[i * k + i] = 1;
    OK(kernels_upload(t->k, tx, host));
    OK(kn_matmul(t->k, ty, tx, w, none));
    OK(kernels_download(t->k, host, ty));
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < m; j++) out[j * k + i] = (double)host[i * m + j];
    kernels_free(t->k, x, (size_t)(k * k) * 4);
    kernels_free(t->k, y, n * 4);
    free(host);
    return out;
}

static double vector_at(struct tensor v, int64_t i)
{
    return v.dtype == DTYPE_BF16 ? (double)bf16_to_f32(((uint16_t *)v.data)[i])
                                 : (double)((float *)v.data)[i];
}

/* y[n,m] = x[n,k] . w[m,k]^T + bias */
static void linear(double *y, const double *x, const double *w, struct tensor bias, int64_t n,
                   int64_t m, int64_t k)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) {
            double sum = bias.n_dim ? vector_at(bias, j) : 0;
            for (int64_t l = 0; l < k; l++) sum += x[i * k + l] * w[j * k + l];
            y[i * m + j] = sum;
        }
}

static void norm(double *out, const double *x, struct tensor gain, int64_t n, double eps)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] / sqrt(sum / (double)n + eps) * vector_at(gain, i);
}

static void rotate(double *x, int64_t d, int64_t pos, double base)
{
    for (int64_t j = 0; j < d / 2; j++) {
        double angle = (double)pos * pow(base, -2.0 * (double)j / (double)d);
        double a = x[j], b = x[j + d / 2];
        x[j] = a * cos(angle) - b * sin(angle);
        x[j + d / 2] = b * cos(angle) + a * sin(angle);
    }
}

/* sees[n, n]: whether row i sees position s. */
static void attend(double *out, const double *qkv, const struct model_config *g, int64_t n,
                   const bool *sees)
{
    int64_t d = g->d_head, h = g->n_head, hk = g->n_kv_head, width = (h + 2 * hk) * d;
    double *p = malloc((size_t)n * sizeof *p);
    for (int64_t i = 0; i < n; i++)
        for (int64_t a = 0; a < h; a++) {
            int64_t kv = a / (h / hk);
            const double *q = qkv + i * width + a * d;
            double sum = 0, *o = out + (i * h + a) * d;
            for (int64_t s = 0; s < n; s++) {
                const double *key = qkv + s * width + (h + kv) * d;
                double dot = 0;
                for (int64_t l = 0; l < d; l++) dot += q[l] * key[l];
                sum += p[s] = sees[i * n + s] ? exp(dot / sqrt((double)d)) : 0;
            }
            for (int64_t l = 0; l < d; l++) o[l] = 0;
            for (int64_t s = 0; s < n; s++)
                for (int64_t l = 0; l < d; l++)
                    o[l] += p[s] / sum * qkv[s * width + (h + hk + kv) * d + l];
        }
    free(p);
}

double *toy_reference(struct toy *t, const int32_t *tokens, int32_t n, enum mask mask,
                      int32_t block)
{
    bool *sees = calloc((size_t)n * (size_t)n, sizeof *sees);
    int32_t *positions = calloc((size_t)n, sizeof *positions);
    for (int32_t i = 0; i < n; i++) {
        positions[i] = i;
        for (int32_t s = 0; s < n; s++)
            sees[i * n + s] = mask == MASK_FULL || (mask == MASK_CAUSAL && s <= i) ||
                              (mask == MASK_BLOCK && s / block <= i / block);
    }
    double *logits = toy_reference_seeing(t, tokens, positions, n, sees);
    free(sees);
    free(positions);
    return logits;
}

double *toy_reference_seeing(struct toy *t, const int32_t *tokens, const int32_t *positions,
                             int32_t n, const bool *sees)
{
    const struct model_config *g = &t->config;
    int64_t d = g->d_model, dh = g->d_head, q = g->n_head * dh, f = g->d_ff;
    int64_t width = q + 2 * g->n_kv_head * dh, rows = n;
    struct weights w;
    struct tensor none = {0};
    /* bf16 and f32 storage hold the same values. */
    OK(weights_create_seeded(t->k, g, t->dtype == DTYPE_INT8 ? DTYPE_INT8 : DTYPE_BF16, 7, &w));
    double *x = malloc((size_t)(rows * d) * sizeof *x), *h = malloc((size_t)(rows * d) * sizeof *h);
    double *qkv = malloc((size_t)(rows * width) * sizeof *qkv);
    double *o = malloc((size_t)(rows * q) * sizeof *o),
           *gu = malloc((size_t)(rows * 2 * f) * sizeof *gu);
    double *ff = malloc((size_t)(rows * f) * sizeof *ff),
           *y = malloc((size_t)(rows * d) * sizeof *y);
    double *logits = malloc((size_t)(rows * g->n_vocab) * sizeof *logits);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < d; j++) {
            assert_int_equal(w.embedding.layout, LAYOUT_ROWS);
            x[i * d + j] = (double)bf16_to_f32(((uint16_t *)w.embedding.data)[tokens[i] * d + j]);
        }
    for (int32_t l = 0; l < g->n_layer; l++) {
        const struct layer_weights *lw = &w.layer[l];
        double *wqkv = read_matrix(t, lw->wqkv), *wo = read_matrix(t, lw->wo);
        double *wgu = read_matrix(t, lw->w_gate_up), *wd = read_matrix(t, lw->w_down);
        for (int64_t i = 0; i < rows; i++)
            norm(h + i * d, x + i * d, lw->attn_norm, d, (double)g->norm_eps);
        linear(qkv, h, wqkv, lw->qkv_bias, rows, width, d);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t a = 0; a < g->n_head + g->n_kv_head; a++) {
                double *head = qkv + i * width + a * dh;
                if (g->qk_norm)
                    norm(head, head, a < g->n_head ? lw->q_norm : lw->k_norm, dh,
                         (double)g->norm_eps);
                rotate(head, dh, positions[i], (double)g->rope.base);
            }
        attend(o, qkv, g, rows, sees);
        linear(y, o, wo, none, rows, d, q);
        for (int64_t i = 0; i < rows * d; i++) x[i] += y[i];
        for (int64_t i = 0; i < rows; i++)
            norm(h + i * d, x + i * d, lw->mlp_norm, d, (double)g->norm_eps);
        linear(gu, h, wgu, none, rows, 2 * f, d);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < f; j++) {
                double gate = gu[i * 2 * f + j];
                ff[i * f + j] = gate / (1 + exp(-gate)) * gu[i * 2 * f + f + j];
            }
        linear(y, ff, wd, none, rows, d, f);
        for (int64_t i = 0; i < rows * d; i++) x[i] += y[i];
        free(wqkv);
        free(wo);
        free(wgu);
        free(wd);
    }
    double *head = read_matrix(t, w.head);
    for (int64_t i = 0; i < rows; i++)
        norm(h + i * d, x + i * d, w.final_norm, d, (double)g->norm_eps);
    linear(logits, h, head, none, rows, g->n_vocab, d);
    free(head);
    free(x);
    free(h);
    free(qkv);
    free(o);
    free(gu);
    free(ff);
    free(y);
    weights_free(t->k, &w);
    return logits;
}
