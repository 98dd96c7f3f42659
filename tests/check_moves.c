/* check_moves.c - operations that only move numbers: exact but for the dtype they end in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/kernels/bf16.h"
#include "tests/check_kernels.h"

static void must(enum err e)
{
    if (e != ERR_NONE) fail_msg("%s: %s", err_name(e), err_msg());
}

/* want[i] must have arrived in the dtype's precision. */
static void check_moved(const char *what, const struct guarded *g, const float *want)
{
    int64_t n = tensor_count(g->t);
    float *got = malloc((size_t)n * sizeof *got);
    guarded_get(g, got);
    for (int64_t i = 0; i < n; i++) {
        float w = g->t.dtype == DTYPE_BF16 ? bf16_to_f32(bf16_from_f32(want[i])) : want[i];
        if (got[i] != w)
            fail_msg("%s: element %lld is %.9g, want %.9g", what, (long long)i, (double)got[i],
                     (double)w);
    }
    guarded_check(g, what);
    free(got);
}

void check_embed(struct kernels *k, const struct rows_case *c, enum dtype dtype, enum layout layout)
{
    enum { VOCABULARY = 77 };
    char what[128];
    snprintf(what, sizeof what, "embed n %d d %d %s %s", c->n, c->d, dtype_name(dtype),
             layout == LAYOUT_PACKED ? "packed" : "rows");
    float *table = random_floats(VOCABULARY * (int64_t)c->d, 14, 1);
    float *want = malloc((size_t)(c->n * (int64_t)c->d) * sizeof *want);
    int32_t *ids = malloc((size_t)c->n * sizeof *ids);
    struct weight w = weight_open(k, table, VOCABULARY, c->d, dtype, layout);
    struct tensor shape = tensor_2d(NULL, kernels_activation_dtype(k), ROLE_ACTIVATION, c->n, c->d);
    shape.row_stride += c->pad;
    struct guarded g = guarded_open(k, shape);
    for (int32_t i = 0; i < c->n; i++) {
        ids[i] = i == 1 ? VOCABULARY - 1 : i * 29 % VOCABULARY;
        for (int64_t j = 0; j < c->d; j++)
            want[i * (int64_t)c->d + j] = table[ids[i] * (int64_t)c->d + j];
    }
    must(kn_embed(k, g.t, w.t, ids));
    check_moved(what, &g, want);
    guarded_close(&g);
    weight_close(&w);
    free(table), free(want), free(ids);
}

void check_gather(struct kernels *k, const struct rows_case *c)
{
    enum { PICKED = 5 };
    static const int32_t pick[PICKED] = {2, 0, 0, 30, 1};
    char what[128];
    int32_t index[PICKED];
    snprintf(what, sizeof what, "gather n %d d %d", c->n, c->d);
    float *x = random_floats(c->n * (int64_t)c->d, 15, 1);
    float *want = malloc((size_t)(PICKED * (int64_t)c->d) * sizeof *want);
    struct tensor from = tensor_2d(NULL, kernels_activation_dtype(k), ROLE_ACTIVATION, c->n, c->d);
    struct tensor to = tensor_2d(NULL, kernels_activation_dtype(k), ROLE_ACTIVATION, PICKED, c->d);
    from.row_stride += c->pad;
    struct guarded gx = guarded_open(k, from), gy = guarded_open(k, to);
    guarded_set(&gx, x);
    for (int32_t i = 0; i < PICKED; i++) {
        index[i] = pick[i] % c->n;
        for (int64_t j = 0; j < c->d; j++)
            want[i * (int64_t)c->d + j] = x[index[i] * (int64_t)c->d + j];
    }
    must(kn_gather(k, gy.t, gx.t, index));
    check_moved(what, &gy, want);
    guarded_close(&gx);
    guarded_close(&gy);
    free(x), free(want);
}

/* Two spans into a cache of three slots; all other slots and positions keep what they held. */
void check_kv_store(struct kernels *k, enum dtype dtype)
{
    enum { SLOTS = 3, HEADS = 2, CAP = 9, D = 24, ROWS = 7 };
    static const struct span spans[] = {
        {.slot = 2, .row0 = 0, .n_rows = 3, .pos0 = 4, .n_visible = 7},
        {.slot = 0, .row0 = 3, .n_rows = 4, .pos0 = 5, .n_visible = 9},
    };
    enum { N_CACHE = SLOTS * HEADS * CAP * D };
    float *x = random_floats(ROWS * 3 * HEADS * D, 16, 1);
    float *keys = random_floats(N_CACHE, 17, 1), *values = random_floats(N_CACHE, 18, 1);
    struct tensor all =
        tensor_2d(NULL, kernels_activation_dtype(k), ROLE_ACTIVATION, ROWS, 3 * HEADS * D);
    struct tensor key_cache, value_cache;
    kernels_cache(k, dtype, SLOTS, HEADS, CAP, D, &key_cache, &value_cache);
    struct guarded gx = guarded_open(k, all);
    struct guarded gk = guarded_open(k, key_cache), gv = guarded_open(k, value_cache);
    guarded_set(&gx, x);
    guarded_set(&gk, keys);
    guarded_set(&gv, values);
    for (int32_t s = 0; s < 2; s++)
        for (int32_t r = 0; r < spans[s].n_rows; r++)
            for (int32_t h = 0; h < HEADS; h++)
                for (int32_t i = 0; i < D; i++) {
                    int32_t at = ((spans[s].slot * HEADS + h) * CAP + spans[s].pos0 + r) * D + i;
                    const float *row = x + (spans[s].row0 + r) * 3 * HEADS * D;
                    keys[at] = row[HEADS * D + h * D + i];
                    values[at] = row[2 * HEADS * D + h * D + i];
                }
    must(kn_kv_store(k, gk.t, gv.t, tensor_heads(gx.t, HEADS * D, HEADS, D),
                     tensor_heads(gx.t, 2 * HEADS * D, HEADS, D), spans, 2));
    check_moved("kv_store keys", &gk, keys);
    check_moved("kv_store values", &gv, values);
    guarded_close(&gx);
    guarded_close(&gk);
    guarded_close(&gv);
    free(x), free(keys), free(values);
}

void check_all(struct kernels *k)
{
    for (int32_t i = 0; i < N_CASES(matmul_cases); i++) check_matmul(k, &matmul_cases[i]);
    for (int32_t i = 0; i < N_CASES(attention_cases); i++) check_attention(k, &attention_cases[i]);
    for (int32_t i = 0; i < N_CASES(rowstat_cases); i++) check_rowstat(k, &rowstat_cases[i]);
    for (int32_t i = 0; i < N_CASES(rope_cases); i++) check_rope(k, &rope_cases[i]);
    for (int32_t i = 0; i < N_CASES(rows_cases); i++) {
        const struct rows_case *c = &rows_cases[i];
        check_rmsnorm(k, c, DTYPE_F32);
        check_rmsnorm(k, c, DTYPE_BF16);
        check_swiglu(k, c);
        check_add(k, c);
        check_guide(k, c);
        check_gather(k, c);
        check_embed(k, c, DTYPE_F32, LAYOUT_ROWS);
        check_embed(k, c, DTYPE_F32, LAYOUT_PACKED);
        check_embed(k, c, DTYPE_BF16, LAYOUT_ROWS);
        check_embed(k, c, DTYPE_BF16, LAYOUT_PACKED);
    }
    check_kv_store(k, DTYPE_F32);
    check_kv_store(k, DTYPE_BF16);
}

void check_int8(struct kernels *k)
{
    for (int32_t i = 0; i < N_CASES(int8_cases); i++) check_matmul(k, &int8_cases[i]);
    for (int32_t i = 0; i < N_CASES(rows_cases); i++)
        check_embed(k, &rows_cases[i], DTYPE_INT8, LAYOUT_PACKED);
}
