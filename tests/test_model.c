/* test_model.c - the transformer against a double-precision one, and what its masks promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/kernels/int8.h"
#include "harness/model/normal_table.h"
#include "harness/model/weights.h"
#include "tests/toy.h"

static const int32_t text[24] = {3,  141, 59, 26, 53, 58, 97, 93, 23, 84, 62, 64,
                                 33, 83,  27, 9,  50, 28, 84, 19, 71, 69, 39, 93};

static float *whole(struct toy *t, const int32_t *tokens, int32_t n, enum mask mask, int32_t block)
{
    struct kv_cache *c = toy_cache(t, 1, n);
    float *logits = toy_rows(t, c, 0, tokens, 0, n, mask, block, true);
    kv_cache_free(c);
    return logits;
}

static bool same_row(const struct toy *t, const float *a, const float *b, int32_t i, int32_t j)
{
    size_t v = (size_t)t->config.n_vocab;
    return memcmp(a + (size_t)i * v, b + (size_t)j * v, v * sizeof *a) == 0;
}

/* Largest |got - want| over n values, in units of the largest |want|. */
static double error(const float *got, const double *want, int64_t n)
{
    double worst = 0, scale = 0;
    for (int64_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)got[i] - want[i]));
        scale = fmax(scale, fabs(want[i]));
    }
    return worst / scale;
}

/* Every value passes through at most 7 dot products a layer (of up to 100 terms, errors adding
 * like a random walk to 10 roundings), a norm and a residual: 8 sqrt(100) roundings of 2^-24 a
 * layer, three layers and the head, times 2 for the growth through softmax and norms. */
static const double tolerance = 2 * 4 * 8 * 10 * 0x1p-24;

static void logits_agree_with_double_precision(void **state)
{
    static const struct {
        enum mask mask;
        int32_t block;
    } masks[] = {{MASK_CAUSAL, 0}, {MASK_FULL, 0}, {MASK_BLOCK, 5}};
    for (int32_t m = 0; m < 3; m++)
        for (enum dtype dtype = DTYPE_F32; dtype < DTYPE_COUNT; dtype++) {
            struct toy t;
            toy_open(&t, "tiny-test", dtype, 2);
            float *got = whole(&t, text, 24, masks[m].mask, masks[m].block);
            double *want = toy_reference(&t, text, 24, masks[m].mask, masks[m].block);
            double e = error(got, want, (int64_t)24 * t.config.n_vocab);
            if (!(e < tolerance)) fail_msg("mask %d, %s: error %g", m, dtype_name(dtype), e);
            assert_true(e > 0); /* it is another computation */
            free(got);
            free(want);
            toy_close(&t);
        }
}

static void storage_and_threads_do_not_change_a_bit(void **state)
{
    struct toy a, b, c;
    toy_open(&a, "tiny-test", DTYPE_F32, 1);
    toy_open(&b, "tiny-test", DTYPE_BF16, 1);
    toy_open(&c, "tiny-test", DTYPE_BF16, 3);
    float *x = whole(&a, text, 24, MASK_FULL, 0), *y = whole(&b, text, 24, MASK_FULL, 0);
    float *z = whole(&c, text, 24, MASK_FULL, 0);
    size_t n = 24 * (size_t)a.config.n_vocab * sizeof *x;
    assert_memory_equal(x, y, n);
    assert_memory_equal(y, z, n);
    free(x);
    free(y);
    free(z);
    toy_close(&a);
    toy_close(&b);
    toy_close(&c);
}

static void int8_weights_know_neither_threads_nor_neighbours(void **state)
{
    struct toy a, b;
    toy_open(&a, "tiny-test", DTYPE_INT8, 1);
    toy_open(&b, "tiny-test", DTYPE_INT8, 3);
    float *x = whole(&a, text, 24, MASK_CAUSAL, 0), *y = whole(&b, text, 24, MASK_CAUSAL, 0);
    assert_memory_equal(x, y, 24 * (size_t)a.config.n_vocab * sizeof *x);
    float *z = whole(&b, text, 5, MASK_CAUSAL, 0);
    for (int32_t i = 0; i < 5; i++) assert_true(same_row(&a, x, z, i, i));
    free(x);
    free(y);
    free(z);
    toy_close(&a);
    toy_close(&b);
}

/* Row 0 of the head, 72 wide: two whole groups of 32 and one of 8. */
static void seeded_row_0(enum dtype dtype, float *out)
{
    struct toy t;
    struct weights w;
    int32_t id = 0;
    toy_open(&t, "tiny-test", dtype, 1);
    assert_int_equal(weights_create_seeded(t.k, &t.config, dtype, 7, &w), ERR_NONE);
    struct tensor to = tensor_2d(out, DTYPE_F32, ROLE_ACTIVATION, 1, t.config.d_model);
    assert_int_equal(kn_embed(t.k, to, w.head, &id), ERR_NONE);
    weights_free(t.k, &w);
    toy_close(&t);
}

static void int8_weights_are_the_nearest_to_the_bf16_ones(void **state)
{
    enum { MOST = 512 };
    static float bf16[MOST], int8[MOST];
    struct model_config g;
    assert_int_equal(model_preset("tiny-test", 0, &g), ERR_NONE);
    assert_true(g.d_model <= MOST);
    seeded_row_0(DTYPE_BF16, bf16);
    seeded_row_0(DTYPE_INT8, int8);
    for (int32_t begin = 0; begin < g.d_model; begin += 32) {
        int32_t end = begin + 32 < g.d_model ? begin + 32 : g.d_model;
        float largest = 0;
        for (int32_t i = begin; i < end; i++) largest = fmaxf(largest, fabsf(bf16[i]));
        /* A step is 1/64 of the power of two below the largest: half a step off, and a whole one
         * where 128 steps became 127. */
        double step = exp2(floor(log2((double)largest))) / 64;
        for (int32_t i = begin; i < end; i++) {
            double off = fabs((double)bf16[i] - (double)int8[i]);
            assert_true(off <= (fabs((double)bf16[i]) < 127.5 * step ? step / 2 : step));
        }
    }
}

/* Largest 250: steps of 2; halves go to the even neighbour, 255 would be 127.5 steps.  A group of
 * zeros stays one. */
static void quantisation_by_hand(void **state)
{
    float x[67] = {250, -250, 3, 5, -1, 0.9f, 1.1f, 255}, y[67];
    uint8_t row[3 + 67];
    static const float want[] = {250, -250, 4, 4, 0, 0, 2, 254};
    for (int64_t group = 0; group < 3; group++) int8_quantise_group(row, 67, group, x + group * 32);
    for (int64_t i = 0; i < 67; i++) y[i] = int8_value(row, 67, i);
    assert_memory_equal(y, want, sizeof want);
    for (int64_t i = 8; i < 67; i++) assert_true(y[i] == 0);
    assert_int_equal(row[0], 127 + 1); /* 2^1 */
}

/* Change token j: which rows may notice? */
static void masks_hide_what_they_should(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    int32_t changed[24], j = 13, block = 6;
    memcpy(changed, text, sizeof changed);
    changed[j] = 200;
    float *a = whole(&t, text, 24, MASK_CAUSAL, 0), *b = whole(&t, changed, 24, MASK_CAUSAL, 0);
    for (int32_t i = 0; i < 24; i++) assert_int_equal(same_row(&t, a, b, i, i), i < j);
    free(a);
    free(b);
    a = whole(&t, text, 24, MASK_BLOCK, block);
    b = whole(&t, changed, 24, MASK_BLOCK, block);
    for (int32_t i = 0; i < 24; i++)
        assert_int_equal(same_row(&t, a, b, i, i), i < j / block * block);
    free(a);
    free(b);
    a = whole(&t, text, 24, MASK_FULL, 0);
    b = whole(&t, changed, 24, MASK_FULL, 0);
    for (int32_t i = 0; i < 24; i++) assert_false(same_row(&t, a, b, i, i));
    free(a);
    free(b);
    toy_close(&t);
}

static void block_mask_has_causal_and_full_as_ends(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    size_t n = 24 * (size_t)t.config.n_vocab * sizeof(float);
    float *causal = whole(&t, text, 24, MASK_CAUSAL, 0), *one = whole(&t, text, 24, MASK_BLOCK, 1);
    float *full = whole(&t, text, 24, MASK_FULL, 0), *all = whole(&t, text, 24, MASK_BLOCK, 24);
    assert_memory_equal(causal, one, n);
    assert_memory_equal(full, all, n);
    free(causal);
    free(one);
    free(full);
    free(all);
    toy_close(&t);
}

/* A cache filled block by block gives the rows that one uncached forward gives. */
static void cached_equals_uncached(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    static const int32_t blocks[] = {1, 4, 8, 24};
    for (int32_t m = 0; m < 4; m++) {
        int32_t b = blocks[m];
        float *want = whole(&t, text, 24, MASK_BLOCK, b);
        struct kv_cache *c = toy_cache(&t, 1, 24);
        for (int32_t pos = 0; pos < 24; pos += b) {
            float *got = toy_rows(&t, c, 0, text + pos, pos, b, MASK_FULL, 0, true);
            for (int32_t i = 0; i < b; i++) assert_true(same_row(&t, got, want, i, pos + i));
            free(got);
        }
        kv_cache_free(c);
        free(want);
    }
    toy_close(&t);
}

/* Keeping what a half-masked block left in the cache instead of committing it clean. */
static void skipping_the_commit_is_noticed(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    int32_t masked[8];
    memcpy(masked, text, sizeof masked);
    masked[2] = masked[5] = t.config.mask_id;
    float *want = whole(&t, text, 16, MASK_BLOCK, 8);
    struct kv_cache *c = toy_cache(&t, 1, 16);
    free(toy_rows(&t, c, 0, masked, 0, 8, MASK_FULL, 0, true));
    float *got = toy_rows(&t, c, 0, text + 8, 8, 8, MASK_FULL, 0, true);
    double worst = 0;
    for (int64_t i = 0; i < (int64_t)8 * t.config.n_vocab; i++)
        worst = fmax(worst, fabs((double)(got[i] - want[8 * t.config.n_vocab + i])));
    assert_true(worst > 0.01);
    free(want);
    free(got);
    kv_cache_free(c);
    toy_close(&t);
}

/* Three sequences of different lengths and masks in one forward, and each alone. */
static void a_batch_is_its_sequences(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    static const struct {
        int32_t from, n;
        enum mask mask;
    } seqs[] = {{0, 7, MASK_CAUSAL}, {5, 1, MASK_FULL}, {3, 19, MASK_FULL}};
    int32_t row[24], at = 0;
    for (int32_t i = 0; i < 24; i++) row[i] = i;
    struct pass_seq s[3];
    for (int32_t i = 0; i < 3; i++)
        s[i] = (struct pass_seq){
            .span = {.slot = i, .n_rows = seqs[i].n, .n_visible = seqs[i].n, .mask = seqs[i].mask},
            .tokens = text + seqs[i].from,
            .logit_row = row,
            .n_logits = seqs[i].n,
            .n_kept = seqs[i].n,
        };
    struct pass p = {PHASE_DENOISE, 3, s};
    struct kv_cache *c = toy_cache(&t, 3, 24);
    float *batch = toy_forward(&t, c, &p);
    for (int32_t i = 0; i < 3; i++) {
        float *alone = whole(&t, text + seqs[i].from, seqs[i].n, seqs[i].mask, 0);
        for (int32_t r = 0; r < seqs[i].n; r++) assert_true(same_row(&t, batch, alone, at + r, r));
        at += seqs[i].n;
        free(alone);
    }
    free(batch);
    kv_cache_free(c);
    toy_close(&t);
}

static void logits_of_some_rows_are_those_rows(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    static const int32_t some[] = {2, 3, 11, 23};
    struct pass_seq s = {.span = {.n_rows = 24, .n_visible = 24, .mask = MASK_FULL},
                         .tokens = text,
                         .logit_row = some,
                         .n_logits = 4};
    struct pass p = {PHASE_DENOISE, 1, &s};
    struct kv_cache *c = toy_cache(&t, 1, 24);
    float *all = whole(&t, text, 24, MASK_FULL, 0), *got = toy_forward(&t, c, &p);
    for (int32_t i = 0; i < 4; i++) assert_true(same_row(&t, got, all, i, some[i]));
    free(all);
    free(got);
    kv_cache_free(c);
    toy_close(&t);
}

static void table_holds_normal_quantiles(void **state)
{
    double sum = 0, square = 0;
    for (int32_t i = 0; i < NORMAL_TABLE_SIZE; i++) {
        double z = (double)normal_table[i] / NORMAL_TABLE_ONE, p = (i + 0.5) / NORMAL_TABLE_SIZE;
        /* Rounding moves z by at most half a unit, p by that times the density at 0. */
        assert_true(fabs(0.5 * erfc(-z / sqrt(2)) - p) < 0.5 / NORMAL_TABLE_ONE * 0.3990);
        sum += z;
        square += z * z;
    }
    assert_true(fabs(sum / NORMAL_TABLE_SIZE) < 1e-9);
    assert_true(fabs(square / NORMAL_TABLE_SIZE - 1) < 0.005);
}

/* Parameter counts that the publishers state. */
static void presets_have_the_published_sizes(void **state)
{
    static const struct {
        const char *name;
        int64_t params;
    } known[] = {{"llama3-8b", 8030261248},     {"llada-8b", 8015581184},
                 {"dream-7b", 7615616512},      {"qwen2.5-7b", 7615616512},
                 {"sdar-8b", 8190735360},       {"qwen2.5-0.5b", 494032768},
                 {"tinyllama-1.1b", 1100048384}};
    struct model_config c;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_int_equal(model_preset(known[i].name, 0, &c), ERR_NONE);
        assert_int_equal(model_params(&c), known[i].params);
    }
    assert_int_equal(model_preset("llama3-8b", 4, &c), ERR_NONE);
    assert_int_equal(c.n_layer, 4);
    assert_int_equal(model_preset("llama3-8b", 33, &c), ERR_USAGE);
    assert_int_equal(model_preset("lama3-8b", 0, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "llama3-8b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_holds_normal_quantiles),
        cmocka_unit_test(presets_have_the_published_sizes),
        cmocka_unit_test(logits_agree_with_double_precision),
        cmocka_unit_test(storage_and_threads_do_not_change_a_bit),
        cmocka_unit_test(int8_weights_know_neither_threads_nor_neighbours),
        cmocka_unit_test(int8_weights_are_the_nearest_to_the_bf16_ones),
        cmocka_unit_test(quantisation_by_hand),
        cmocka_unit_test(masks_hide_what_they_should),
        cmocka_unit_test(block_mask_has_causal_and_full_as_ends),
        cmocka_unit_test(cached_equals_uncached),
        cmocka_unit_test(skipping_the_commit_is_noticed),
        cmocka_unit_test(a_batch_is_its_sequences),
        cmocka_unit_test(logits_of_some_rows_are_those_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
