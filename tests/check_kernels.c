/* check_kernels.c - each operation against ref.h.  Bounds: u is the unit roundoff of f32; a
 * sum of k products in any order errs by at most about k u times the sum of their sizes. */
#include "tests/check_kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ref.h"

static void must(enum err e)
{
    if (e != ERR_NONE) fail_msg("%s: %s", err_name(e), err_msg());
}

static double *doubles(int64_t n)
{
    return calloc((size_t)n + 1, sizeof(double));
}

/* Of storing a result of this size in the activations' dtype. */
static double store_error(struct kernels *k, double size)
{
    return kernels_activation_dtype(k) == DTYPE_BF16 ? U_BF16 * fabs(size) : 0;
}

static struct tensor act_2d(struct kernels *k, int64_t n, int64_t m, int64_t pad)
{
    struct tensor t = tensor_2d(NULL, kernels_activation_dtype(k), ROLE_ACTIVATION, n, m);
    t.row_stride += pad;
    return t;
}

static struct tensor act_3d(struct kernels *k, int64_t n, int64_t h, int64_t d, int64_t pad)
{
    struct tensor t = tensor_3d(NULL, kernels_activation_dtype(k), ROLE_ACTIVATION, n, h, d);
    t.row_stride += pad;
    return t;
}

void check_matmul(struct kernels *k, const struct matmul_case *c)
{
    char what[128];
    snprintf(what, sizeof what, "matmul n %d m %d k %d %s%s", c->n, c->m, c->k,
             dtype_name(c->weight), c->bias ? " bias" : "");
    int64_t n = (int64_t)c->n * c->m;
    float *x = random_floats((int64_t)c->n * c->k, 1, 1), *got = malloc((size_t)n * sizeof *got);
    float *w = random_floats((int64_t)c->m * c->k, 2, 1), *bias = random_floats(c->m, 3, 1);
    double *want = doubles(n), *bound = doubles(n);
    struct guarded gx = guarded_open(k, act_2d(k, c->n, c->k, c->pad));
    struct guarded gy = guarded_open(k, act_2d(k, c->n, c->m, c->pad));
    struct weight gw = weight_open(k, w, c->m, c->k, c->weight, LAYOUT_PACKED);
    struct weight gb =
        weight_open(k, c->bias ? bias : NULL, 0, c->m, dtype_beside(c->weight), LAYOUT_ROWS);
    guarded_set(&gx, x);
    must(kn_matmul(k, gy.t, gx.t, gw.t, gb.t));
    guarded_get(&gy, got);
    ref_matmul(want, bound, x, w, c->bias ? bias : NULL, c->n, c->m, c->k);
    for (int64_t i = 0; i < n; i++)
        bound[i] = (c->k + 8) * U_F32 * bound[i] + store_error(k, want[i]);
    check_close(what, got, want, bound, n);
    guarded_check(&gy, what);
    guarded_check(&gx, what);
    guarded_close(&gx);
    guarded_close(&gy);
    weight_close(&gw);
    weight_close(&gb);
    free(x), free(got), free(w), free(bias), free(want), free(bound);
}

void check_attention(struct kernels *k, const struct attention_case *c)
{
    char what[128];
    snprintf(what, sizeof what, "attention h %d hk %d d %d cap %d spans %d %s mask %d", c->h, c->hk,
             c->d, c->cap, c->n_spans, dtype_name(c->kv), (int)c->spans[0].mask);
    struct span spans[4];
    int32_t n = 0, n_keys = 1;
    for (int32_t i = 0; i < c->n_spans; n += spans[i++].n_rows) {
        spans[i] = c->spans[i];
        spans[i].row0 = n;
        if (spans[i].n_visible > n_keys) n_keys = spans[i].n_visible;
    }
    int64_t n_out = (int64_t)n * c->h * c->d, n_cache = (int64_t)c->slots * c->hk * c->cap * c->d;
    float *q = random_floats(n_out, 4, 2), *got = malloc((size_t)n_out * sizeof *got);
    float *keys = random_floats(n_cache, 5, 2), *values = random_floats(n_cache, 6, 1);
    /* What no row may see is not a number: one use of it shows. */
    for (int32_t s = 0; s < c->n_spans; s++)
        for (int64_t head = 0; head < c->hk; head++) {
            int64_t at = ((int64_t)spans[s].slot * c->hk + head) * c->cap * c->d;
            for (int64_t i = (int64_t)spans[s].n_visible * c->d; i < (int64_t)c->cap * c->d; i++)
                keys[at + i] = values[at + i] = NAN;
        }
    double *want = doubles(n_out), *bound = doubles(n_out), *score = doubles((int64_t)n * c->h);
    struct guarded gq = guarded_open(k, act_3d(k, n, c->h, c->d, 2 * c->hk * c->d));
    struct guarded go = guarded_open(k, act_3d(k, n, c->h, c->d, 0));
    struct tensor key_cache, value_cache;
    kernels_cache(k, c->kv, c->slots, c->hk, c->cap, c->d, &key_cache, &value_cache);
    struct guarded gk = guarded_open(k, key_cache), gv = guarded_open(k, value_cache);
    guarded_set(&gq, q);
    guarded_set(&gk, keys);
    guarded_set(&gv, values);
    must(kn_attention(k, go.t, gq.t, gk.t, gv.t, spans, c->n_spans));
    guarded_get(&go, got);
    struct ref_attention_shape shape = {n, c->h, c->hk, c->d, c->cap};
    ref_attention(want, bound, score, q, keys, values, &shape, spans, c->n_spans);
    for (int64_t i = 0; i < n_out; i++) {
        /* Scores off by e change a weight by a factor e^e, and its sum likewise; besides, each
         * weight has an exponential's error and both sums have their own.  A backend with bf16
         * activations may round weights to bf16, and may add on tensor cores, which cut off where
         * f32 rounds: 2 u an addition. */
        bool bf16 = kernels_activation_dtype(k) == DTYPE_BF16;
        double e = (bf16 ? 2 : 1) * (c->d + 4) * U_F32 * score[i / c->d];
        double sums = (bf16 ? 4 : 2) * (n_keys + 16) * U_F32;
        bound[i] *= 2 * e + sums + (bf16 ? U_BF16 : 0);
        bound[i] += store_error(k, fabs(want[i]) + bound[i]);
    }
    check_close(what, got, want, bound, n_out);
    guarded_check(&go, what);
    guarded_close(&gq);
    guarded_close(&go);
    guarded_close(&gk);
    guarded_close(&gv);
    free(q), free(got), free(keys), free(values), free(want), free(bound), free(score);
}

void check_rowstat(struct kernels *k, const struct rowstat_case *c)
{
    char what[128];
    struct choice_rule rule = {.temperature = c->temperature,
                               .seed = 0x123456789abcdefu,
                               .n_ids = c->n_ids,
                               .mask_id = c->mask_id};
    float *x = random_floats((int64_t)c->m * c->v, 7, c->spread);
    struct row_stat *stats = calloc((size_t)c->m, sizeof *stats);
    struct row_key *keys = calloc((size_t)c->m, sizeof *keys);
    struct tensor shape = tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, c->m, c->v);
    struct guarded g = guarded_open(k, shape);
    for (int32_t i = 0; i < c->m; i++)
        keys[i] = (struct row_key){.request = 3 + (uint32_t)i, .position = 17u * i, .step = 5};
    guarded_set(&g, x);
    must(kn_rowstat(k, stats, g.t, keys, &rule));
    for (int32_t i = 0; i < c->m; i++) {
        struct ref_stat want;
        ref_rowstat(&want, x + (int64_t)i * c->v, c->v, &keys[i], &rule);
        snprintf(what, sizeof what, "rowstat m %d v %d mask %d temperature %g row %d", c->m, c->v,
                 c->mask_id, (double)c->temperature, i);
        /* Arg-max is exact.  A noisy value has the rounding of x / T, of the noise (3 ulp of
         * at most 23, twice) and of their sum. */
        double value_error =
            rule.temperature > 0 ? U_F32 * (4 * c->spread / rule.temperature + 8 * 23) : 0;
        if (want.margin > 2 * value_error && stats[i].id != want.id)
            fail_msg("%s: chose %d, want %d (margin %g)", what, stats[i].id, want.id, want.margin);
        if (want.margin <= 2 * value_error) continue;
        /* Sums of at most v / 16 terms in a chain, exponentials of differences up to 2 spread,
         * each rounded. */
        double e = (c->v / 16.0 + 32 + 2 * c->spread) * U_F32;
        if (fabs(stats[i].confidence - want.confidence) > e * want.confidence ||
            fabs(stats[i].p_first - want.p_first) > e * want.p_first ||
            fabs(stats[i].p_second - want.p_second) > e * want.p_second)
            fail_msg("%s: probabilities %g %g %g, want %g %g %g", what, (double)stats[i].confidence,
                     (double)stats[i].p_first, (double)stats[i].p_second, want.confidence,
                     want.p_first, want.p_second);
        if (fabs(stats[i].entropy_nats - want.entropy_nats) > e * (log(c->v) + 2 * c->spread))
            fail_msg("%s: entropy %g, want %g", what, (double)stats[i].entropy_nats,
                     want.entropy_nats);
    }
    guarded_close(&g);
    free(x), free(stats), free(keys);
}

void check_rope(struct kernels *k, const struct rope_case *c)
{
    char what[128];
    snprintf(what, sizeof what, "rope n %d h %d d %d", c->n, c->h, c->d);
    int64_t n = (int64_t)c->n * c->h * c->d;
    float *x = random_floats(n, 8, 3), *got = malloc((size_t)n * sizeof *got);
    int32_t *pos = malloc((size_t)c->n * sizeof *pos);
    double *want = doubles(n), *bound = doubles(n);
    for (int32_t i = 0; i < c->n; i++) pos[i] = c->first_pos + i * 3 % 7;
    struct guarded g = guarded_open(k, act_3d(k, c->n, c->h, c->d, c->pad));
    guarded_set(&g, x);
    must(kn_rope(k, g.t, pos, &c->rope));
    guarded_get(&g, got);
    ref_rope(want, bound, x, pos, c->n, c->h, c->d, &c->rope);
    /* Each product has a rounded cosine and is rounded, then the sum is. */
    for (int64_t i = 0; i < n; i++) bound[i] = 4 * U_F32 * bound[i] + store_error(k, want[i]);
    check_close(what, got, want, bound, n);
    guarded_check(&g, what);
    guarded_close(&g);
    free(x), free(got), free(pos), free(want), free(bound);
}

void check_rmsnorm(struct kernels *k, const struct rows_case *c, enum dtype gain_dtype)
{
    char what[128];
    snprintf(what, sizeof what, "rmsnorm n %d d %d gain %s", c->n, c->d, dtype_name(gain_dtype));
    int64_t n = (int64_t)c->n * c->d;
    float *x = random_floats(n, 9, 2), *gain = random_floats(c->d, 10, 1);
    float *got = malloc((size_t)n * sizeof *got);
    double *want = doubles(n), *bound = doubles(n);
    struct weight w = weight_open(k, gain, 0, c->d, gain_dtype, LAYOUT_ROWS);
    struct guarded gx = guarded_open(k, act_2d(k, c->n, c->d, c->pad));
    struct guarded gy = guarded_open(k, act_2d(k, c->n, c->d, 0));
    guarded_set(&gx, x);
    must(kn_rmsnorm(k, gy.t, gx.t, w.t, 1e-6f));
    guarded_get(&gy, got);
    ref_rmsnorm(want, x, gain, c->n, c->d, (double)1e-6f);
    /* Half the relative error of a positive sum, and the roundings after it. */
    for (int64_t i = 0; i < n; i++)
        bound[i] = (c->d / 32.0 + 16) * U_F32 * fabs(want[i]) + store_error(k, want[i]);
    check_close(what, got, want, bound, n);
    guarded_check(&gy, what);
    guarded_check(&gx, what);
    /* In place, and per head: the same numbers. */
    must(kn_rmsnorm(k, gx.t, gx.t, w.t, 1e-6f));
    guarded_get(&gx, got);
    check_close(what, got, want, bound, n);
    struct guarded gh = guarded_open(k, act_3d(k, 1, c->n, c->d, 0));
    guarded_set(&gh, x);
    must(kn_rmsnorm(k, gh.t, gh.t, w.t, 1e-6f));
    guarded_get(&gh, got);
    check_close(what, got, want, bound, n);
    guarded_close(&gx);
    guarded_close(&gy);
    guarded_close(&gh);
    weight_close(&w);
    free(x), free(gain), free(got), free(want), free(bound);
}

void check_swiglu(struct kernels *k, const struct rows_case *c)
{
    char what[128];
    snprintf(what, sizeof what, "swiglu n %d f %d", c->n, c->d);
    int64_t n = (int64_t)c->n * c->d;
    float *x = random_floats(2 * n, 11, 30), *got = malloc((size_t)n * sizeof *got);
    double *want = doubles(n), *bound = doubles(n);
    if (n > 3) x[0] = 200, x[1] = -200, x[2] = 0; /* beyond where e^x is a float */
    struct guarded gx = guarded_open(k, act_2d(k, c->n, 2 * c->d, 2 * c->pad));
    struct guarded gy = guarded_open(k, act_2d(k, c->n, c->d, c->pad));
    guarded_set(&gx, x);
    must(kn_swiglu(k, gy.t, gx.t));
    guarded_get(&gy, got);
    ref_swiglu(want, x, c->n, c->d);
    /* Exponential (4 u), sum, quotient and product; below e^-88 the sigmoid is held at e^-88. */
    for (int64_t i = 0; i < n; i++)
        bound[i] = 8 * U_F32 * fabs(want[i]) + store_error(k, want[i]) + 1e-34;
    check_close(what, got, want, bound, n);
    guarded_check(&gy, what);
    guarded_close(&gx);
    guarded_close(&gy);
    free(x), free(got), free(want), free(bound);
}

void check_add(struct kernels *k, const struct rows_case *c)
{
    char what[128];
    snprintf(what, sizeof what, "add n %d d %d", c->n, c->d);
    int64_t n = (int64_t)c->n * c->d;
    float *x = random_floats(n, 12, 2), *y = random_floats(n, 13, 2);
    float *got = malloc((size_t)n * sizeof *got);
    double *want = doubles(n), *bound = doubles(n);
    struct guarded gx = guarded_open(k, act_2d(k, c->n, c->d, c->pad));
    struct guarded gy = guarded_open(k, act_2d(k, c->n, c->d, 0));
    guarded_set(&gx, x);
    guarded_set(&gy, y);
    must(kn_add(k, gx.t, gy.t));
    guarded_get(&gx, got);
    for (int64_t i = 0; i < n; i++) {
        want[i] = (double)x[i] + y[i];
        bound[i] = U_F32 * fabs(want[i]) + store_error(k, want[i]);
    }
    check_close(what, got, want, bound, n);
    guarded_check(&gx, what);
    guarded_close(&gx);
    guarded_close(&gy);
    free(x), free(y), free(got), free(want), free(bound);
}

/* Each of three operations is rounded to f32: the very bits are known. */
void check_guide(struct kernels *k, const struct rows_case *c)
{
    char what[128];
    snprintf(what, sizeof what, "guide n %d d %d", c->n, c->d);
    int64_t n = (int64_t)c->n * c->d;
    const float scale = 2.7f;
    float *z = random_floats(n, 14, 8), *u = random_floats(n, 15, 8);
    float *got = malloc((size_t)n * sizeof *got);
    double *want = doubles(n), *bound = doubles(n);
    struct tensor shape = tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, c->n, c->d);
    struct guarded gu = guarded_open(k, shape);
    shape.row_stride += c->pad;
    struct guarded gz = guarded_open(k, shape);
    guarded_set(&gz, z);
    guarded_set(&gu, u);
    must(kn_guide(k, gz.t, gu.t, scale));
    guarded_get(&gz, got);
    for (int64_t i = 0; i < n; i++) {
        volatile float apart = z[i] - u[i], scaled = scale * apart;
        want[i] = (double)(u[i] + scaled);
        bound[i] = 0;
    }
    check_close(what, got, want, bound, n);
    guarded_check(&gz, what);
    guarded_check(&gu, what);
    guarded_close(&gz);
    guarded_close(&gu);
    free(z), free(u), free(got), free(want), free(bound);
}
