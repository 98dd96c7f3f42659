/* test_same_bits.c - what must not change a single bit: threads, batch composition, rows computed
 * alone or together, weight storage of the same values, pieces of a long context. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/cpuinfo.h"
#include "tests/check_kernels.h"

static void must(enum err e)
{
    if (e != ERR_NONE) fail_msg("%s: %s", err_name(e), err_msg());
}

static struct kernels *open_cpu(enum isa isa, int32_t n_threads)
{
    struct kernels *k;
    struct kernels_config config = {.backend = "cpu", .n_threads = n_threads};
    setenv("REGIME_ISA", isa_name(isa), 1);
    must(kernels_open(&config, &k));
    unsetenv("REGIME_ISA");
    return k;
}

static enum isa best_isa(void)
{
    struct cpuinfo info;
    cpuinfo_read(&info);
    return info.isa;
}

static void assert_same_bits(const char *what, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0)
            fail_msg("%s: element %lld is %.9g in one and %.9g in the other", what, (long long)i,
                     (double)a[i], (double)b[i]);
}

/* Groups of very different sizes, and every tenth all zeros. */
static void spread_groups(float *w, int64_t m, int64_t d)
{
    for (int64_t i = 0; i < m * d; i++) {
        int64_t group = i / d + i % d / INT8_GROUP;
        w[i] = group % 10 == 9 ? 0 : ldexpf(w[i], (int)(group * 7 % 23) - 11);
    }
}

/* y[n,m] of fixed inputs; rows row0 .. row0 + n - 1; weights that `values` can hold, stored as
 * `weight`. */
static void run_matmul_of(struct kernels *k, float *y, int64_t row0, int64_t n, int64_t m,
                          int64_t d, enum dtype values, enum dtype weight)
{
    float *x = random_floats((row0 + n) * d, 21, 1), *w = random_floats(m * d, 22, 1);
    float *bias = random_floats(m, 23, 1);
    if (values == DTYPE_INT8) spread_groups(w, m, d);
    struct weight rounded = weight_open(k, w, m, d, values, LAYOUT_PACKED); /* w too */
    struct weight gw = weight_open(k, w, m, d, weight, LAYOUT_PACKED);
    struct weight bias_bf16 = weight_open(k, bias, 0, m, DTYPE_BF16, LAYOUT_ROWS);
    struct weight gb = weight_open(k, bias, 0, m, dtype_beside(weight), LAYOUT_ROWS);
    struct guarded gx = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_ACTIVATION, n, d));
    struct guarded gy = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_ACTIVATION, n, m));
    guarded_set(&gx, x + row0 * d);
    must(kn_matmul(k, gy.t, gx.t, gw.t, gb.t));
    guarded_get(&gy, y);
    guarded_close(&gx);
    guarded_close(&gy);
    weight_close(&rounded);
    weight_close(&gw);
    weight_close(&bias_bf16);
    weight_close(&gb);
    free(x), free(w), free(bias);
}

static void run_matmul(struct kernels *k, float *y, int64_t row0, int64_t n, int64_t m, int64_t d,
                       enum dtype weight)
{
    run_matmul_of(k, y, row0, n, m, d, DTYPE_BF16, weight);
}

static void matmul_rows_do_not_know_their_neighbours(void **state)
{
    (void)state;
    enum { ROWS = 80, M = 101, D = 1100 }; /* 80: more tiles than panels stream through */
    static float all[ROWS * M], some[ROWS * M];
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++) {
        struct kernels *k = open_cpu(isa, 2);
        run_matmul(k, all, 0, ROWS, M, D, DTYPE_BF16);
        for (int64_t n = 1; n < ROWS; n += n < 17 ? 1 : 13) {
            run_matmul(k, some, ROWS - n, n, M, D, DTYPE_BF16);
            assert_same_bits(isa_name(isa), some, all + (ROWS - n) * M, n * M);
        }
        kernels_close(k);
    }
}

static void matmul_knows_neither_threads_nor_storage_of_equal_weights(void **state)
{
    (void)state;
    enum { M = 165, D = 600 };
    static const int64_t rows[] = {1, 2, 5, 12, 13, 40};
    static float first[40 * M], other[40 * M];
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            for (int32_t threads = 1; threads <= 3; threads++) {
                struct kernels *k = open_cpu(isa, threads);
                if (threads == 1) run_matmul(k, first, 0, rows[i], M, D, DTYPE_BF16);
                run_matmul(k, other, 0, rows[i], M, D, DTYPE_F32);
                assert_same_bits("f32 storage", first, other, rows[i] * M);
                run_matmul(k, other, 0, rows[i], M, D, DTYPE_BF16);
                assert_same_bits("threads", first, other, rows[i] * M);
                kernels_close(k);
            }
}

/* q * scale is an exact f32, so int8 is the f32 matrix of its values: alone and in blocks, in
 * whole groups and in a last short one. */
static void int8_is_the_f32_matrix_of_its_values(void **state)
{
    (void)state;
    enum { M = 165 };
    static const int64_t rows[] = {1, 2, 3, 4, 6, 7, 12, 13, 40}, widths[] = {1, 64, 599, 1100};
    static float f32[40 * M], int8[40 * M];
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++)
        for (int32_t threads = 1; threads <= 3; threads += 2) {
            struct kernels *k = open_cpu(isa, threads);
            for (int32_t i = 0; i < N_CASES(rows); i++)
                for (int32_t j = 0; j < N_CASES(widths); j++) {
                    run_matmul_of(k, f32, 0, rows[i], M, widths[j], DTYPE_INT8, DTYPE_F32);
                    run_matmul_of(k, int8, 0, rows[i], M, widths[j], DTYPE_INT8, DTYPE_INT8);
                    assert_same_bits(isa_name(isa), f32, int8, rows[i] * M);
                }
            kernels_close(k);
        }
}

/* Arithmetic that is done twice adds zeros: every tile, of every storage. */
static void multiplying_twice_changes_nothing(void **state)
{
    (void)state;
    enum { M = 165, D = 600 };
    static float once[40 * M], twice[40 * M];
    for (enum isa isa = ISA_AVX2; isa <= best_isa(); isa++) {
        struct kernels_config config = {
            .backend = "cpu", .n_threads = 1, .isa = isa, .twice = true};
        struct kernels *k = open_cpu(isa, 1), *k2;
        must(kernels_open(&config, &k2));
        for (int64_t rows = 1; rows <= 40; rows += rows < 14 ? 1 : 26)
            for (enum dtype d = DTYPE_F32; d < DTYPE_COUNT; d++) {
                run_matmul(k, once, 0, rows, M, D, d);
                run_matmul(k2, twice, 0, rows, M, D, d);
                assert_same_bits(isa_name(isa), once, twice, rows * M);
            }
        kernels_close(k);
        kernels_close(k2);
    }
    struct kernels_config plain = {.backend = "cpu", .isa = ISA_SCALAR, .twice = true};
    struct kernels *none = NULL;
    assert_int_equal(kernels_open(&plain, &none), ERR_UNSUPPORTED);
}

/* More members than panels share rows too. */
static void matmul_knows_no_grid_of_members(void **state)
{
    (void)state;
    enum { ROWS = 61, M = 90, D = 530 };
    static float first[ROWS * M], other[ROWS * M];
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++)
        for (int32_t threads = 1; threads <= 8; threads += threads == 1 ? 3 : 1) {
            struct kernels *k = open_cpu(isa, threads);
            run_matmul(k, threads == 1 ? first : other, 0, ROWS, M, D, DTYPE_BF16);
            if (threads > 1) assert_same_bits("grid", first, other, ROWS * M);
            kernels_close(k);
        }
}

/* Both add fused products in rising k, so here even the instruction set leaves no trace. */
static void matmul_is_the_same_in_avx2_and_avx512(void **state)
{
    (void)state;
    enum { M = 70, D = 700 };
    static float a[20 * M], b[20 * M];
    if (best_isa() < ISA_AVX512) skip();
    for (int64_t n = 1; n <= 20; n += 3) {
        struct kernels *k = open_cpu(ISA_AVX2, 1);
        run_matmul(k, a, 0, n, M, D, DTYPE_BF16);
        kernels_close(k);
        k = open_cpu(ISA_AVX512, 1);
        run_matmul(k, b, 0, n, M, D, DTYPE_BF16);
        kernels_close(k);
        assert_same_bits("isa", a, b, n * M);
    }
}

/* Integers whose sums stay below 2^24 are exact in f32, in any order. */
static void integers_are_exact_at_every_row_count(void **state)
{
    (void)state;
    enum { ROWS = 70, M = 45, D = 83 };
    static float x[ROWS * D], w[M * D], y[ROWS * M];
    for (int32_t i = 0; i < ROWS * D; i++) x[i] = (float)(i * 7 % 11 - 5);
    for (int32_t i = 0; i < M * D; i++) w[i] = (float)(i * 5 % 9 - 4) * 0.5f;
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++) {
        struct kernels *k = open_cpu(isa, 2);
        for (enum dtype dtype = DTYPE_F32; dtype <= DTYPE_BF16; dtype++) {
            struct weight gw = weight_open(k, w, M, D, dtype, LAYOUT_PACKED);
            for (int32_t n = 1; n <= ROWS; n++) {
                struct guarded gx =
                    guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_ACTIVATION, n, D));
                struct guarded gy =
                    guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_ACTIVATION, n, M));
                guarded_set(&gx, x);
                must(kn_matmul(k, gy.t, gx.t, gw.t, (struct tensor){0}));
                guarded_get(&gy, y);
                for (int32_t i = 0; i < n * M; i++) {
                    int32_t twice = 0;
                    for (int32_t j = 0; j < D; j++)
                        twice += (int32_t)x[i / M * D + j] * (int32_t)(2 * w[i % M * D + j]);
                    if (y[i] != (float)twice * 0.5f)
                        fail_msg("%s n %d element %d: %g, want %g", isa_name(isa), n, i,
                                 (double)y[i], twice * 0.5);
                }
                guarded_check(&gy, "integers");
                guarded_close(&gx);
                guarded_close(&gy);
            }
            weight_close(&gw);
        }
        kernels_close(k);
    }
}

/* Sequences of one cache, all attended from the same inputs. */
struct scene {
    struct kernels *k;
    int64_t h, hk, d;
    struct guarded keys, values;
};

static struct scene scene_open(enum isa isa, int32_t threads, int64_t h, int64_t hk, int64_t d,
                               int64_t slots, int64_t cap, enum dtype dtype)
{
    struct scene s = {.k = open_cpu(isa, threads), .h = h, .hk = hk, .d = d};
    struct tensor keys, values;
    kernels_cache(s.k, dtype, slots, hk, cap, d, &keys, &values);
    float *x = random_floats(slots * hk * cap * d, 31, 2);
    s.keys = guarded_open(s.k, keys);
    s.values = guarded_open(s.k, values);
    guarded_set(&s.keys, x);
    for (int64_t i = 0; i < slots * hk * cap * d; i++) x[i] = -x[i] * 0.25f;
    guarded_set(&s.values, x);
    free(x);
    return s;
}

static void scene_close(struct scene *s)
{
    guarded_close(&s->keys);
    guarded_close(&s->values);
    kernels_close(s->k);
}

/* out[n,h,d]; the query of slot s, position p depends on both alone. */
static void scene_attend(struct scene *s, float *out, const struct span *spans, int32_t n_spans)
{
    int64_t n = 0, row = s->h * s->d;
    for (int32_t i = 0; i < n_spans; i++) n += spans[i].n_rows;
    struct tensor shape = tensor_3d(NULL, DTYPE_F32, ROLE_ACTIVATION, n, s->h, s->d);
    struct guarded q = guarded_open(s->k, shape), o = guarded_open(s->k, shape);
    float *x = malloc((size_t)(n * row) * sizeof *x);
    for (int32_t i = 0; i < n_spans; i++)
        for (int32_t r = 0; r < spans[i].n_rows; r++) {
            uint64_t seed = 1000u * (uint64_t)spans[i].slot + (uint64_t)(spans[i].pos0 + r);
            float *one = random_floats(row, seed, 1);
            memcpy(x + (spans[i].row0 + r) * row, one, (size_t)row * sizeof *x);
            free(one);
        }
    guarded_set(&q, x);
    must(kn_attention(s->k, o.t, q.t, s->keys.t, s->values.t, spans, n_spans));
    guarded_get(&o, out);
    guarded_close(&q);
    guarded_close(&o);
    free(x);
}

static void attention_knows_neither_batch_nor_threads(void **state)
{
    (void)state;
    enum { H = 6, HK = 2, D = 40, CAP = 700, ROWS = 21 + 60 + 1 };
    static float together[ROWS * H * D], alone[ROWS * H * D];
    const struct span spans[] = {
        {.slot = 1, .n_rows = 21, .pos0 = 600, .n_visible = 650, .mask = MASK_FULL},
        {.slot = 0, .row0 = 21, .n_rows = 60, .pos0 = 0, .n_visible = 60},
        {.slot = 2, .row0 = 81, .n_rows = 1, .pos0 = 699, .n_visible = 700},
    };
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++)
        for (int32_t threads = 1; threads <= 3; threads++) {
            struct scene s = scene_open(isa, threads, H, HK, D, 3, CAP, DTYPE_BF16);
            if (threads == 1) scene_attend(&s, together, spans, 3);
            scene_attend(&s, alone, spans, 3);
            assert_same_bits("threads", together, alone, ROWS * H * D);
            for (int32_t i = 0; i < 3; i++) {
                struct span one = spans[i];
                one.row0 = 0;
                scene_attend(&s, alone, &one, 1);
                assert_same_bits("batch", together + spans[i].row0 * H * D, alone,
                                 spans[i].n_rows * H * D);
            }
            scene_close(&s);
        }
}

/* A causal prefill gives each position what a decode step gives it, across the length at
 * which a context is cut into pieces. */
static void attention_rows_alone_or_together(void **state)
{
    (void)state;
    enum { H = 4, HK = 2, D = 32, CAP = 1100, POS0 = 470, ROWS = 90 };
    static float together[ROWS * H * D], alone[H * D];
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++) {
        struct scene s = scene_open(isa, 2, H, HK, D, 1, CAP, DTYPE_F32);
        struct span all = {.n_rows = ROWS, .pos0 = POS0, .n_visible = POS0 + ROWS};
        scene_attend(&s, together, &all, 1);
        for (int32_t r = 0; r < ROWS; r += 1 + r % 5) {
            struct span one = {.n_rows = 1, .pos0 = POS0 + r, .n_visible = POS0 + r + 1};
            scene_attend(&s, alone, &one, 1);
            assert_same_bits("causal", together + r * H * D, alone, H * D);
        }
        /* Blocks of one are causal; one block of everything is full. */
        struct span ones = all, whole = all, full = all;
        static float other[ROWS * H * D];
        ones.mask = whole.mask = MASK_BLOCK;
        ones.block = 1;
        whole.block = CAP;
        full.mask = MASK_FULL;
        scene_attend(&s, other, &ones, 1);
        assert_same_bits("blocks of one", together, other, ROWS * H * D);
        scene_attend(&s, together, &whole, 1);
        scene_attend(&s, other, &full, 1);
        assert_same_bits("one block", together, other, ROWS * H * D);
        scene_close(&s);
    }
}

static void run_rowstat(struct kernels *k, struct row_stat *out, int64_t row0, int64_t m, int64_t v,
                        float temperature)
{
    float *x = random_floats((row0 + m) * v, 41, 8);
    struct row_key *keys = calloc((size_t)m, sizeof *keys);
    struct choice_rule rule = {
        .temperature = temperature, .seed = 9, .n_ids = (int32_t)v - 3, .mask_id = 77};
    struct guarded g = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, m, v));
    for (int64_t i = 0; i < m; i++) keys[i].position = (uint32_t)(row0 + i);
    guarded_set(&g, x + row0 * v);
    must(kn_rowstat(k, out, g.t, keys, &rule));
    guarded_close(&g);
    free(x), free(keys);
}

static void choices_know_neither_batch_nor_threads(void **state)
{
    (void)state;
    enum { ROWS = 7, V = 9000 };
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++)
        for (int32_t sampled = 0; sampled < 2; sampled++)
            for (int32_t threads = 1; threads <= 3; threads++) {
                static struct row_stat first[ROWS], other[ROWS];
                struct kernels *k = open_cpu(isa, threads);
                if (threads == 1) run_rowstat(k, first, 0, ROWS, V, (float)sampled);
                run_rowstat(k, other, 0, ROWS, V, (float)sampled);
                assert_memory_equal(first, other, sizeof first);
                run_rowstat(k, other, 3, 2, V, (float)sampled);
                assert_memory_equal(first + 3, other, 2 * sizeof *first);
                kernels_close(k);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_rows_do_not_know_their_neighbours),
        cmocka_unit_test(matmul_knows_neither_threads_nor_storage_of_equal_weights),
        cmocka_unit_test(int8_is_the_f32_matrix_of_its_values),
        cmocka_unit_test(multiplying_twice_changes_nothing),
        cmocka_unit_test(matmul_knows_no_grid_of_members),
        cmocka_unit_test(matmul_is_the_same_in_avx2_and_avx512),
        cmocka_unit_test(integers_are_exact_at_every_row_count),
        cmocka_unit_test(attention_knows_neither_batch_nor_threads),
        cmocka_unit_test(attention_rows_alone_or_together),
        cmocka_unit_test(choices_know_neither_batch_nor_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
