/* test_int8_products.c - matmuls that multiply int8 by int8: bit for bit what plain C makes of the
 * format's definition, exact where nothing is rounded, and near the exact product. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/cpuinfo.h"
#include "harness/kernels/int8.h"
#include "tests/check_kernels.h"
#include "tests/ref.h"

enum { M = 165, ROWS_MAX = 80, K_MAX = 1100 };

static void must(enum err e)
{
    if (e != ERR_NONE) fail_msg("%s: %s", err_name(e), err_msg());
}

static enum isa best_isa(void)
{
    struct cpuinfo cpu;
    cpuinfo_read(&cpu);
    return cpu.isa;
}

static struct kernels *open_int8(enum isa isa, int32_t n_threads)
{
    struct kernels *k;
    struct kernels_config c = {
        .backend = "cpu", .isa = isa, .n_threads = n_threads, .compute = DTYPE_INT8};
    must(kernels_open(&c, &k));
    return k;
}

static void run(struct kernels *k, const float *x, float *w, float *bias, int64_t n, int64_t width,
                float *y)
{
    struct weight gw = weight_open(k, w, M, width, DTYPE_INT8, LAYOUT_PACKED);
    struct weight gb = weight_open(k, bias, 0, M, DTYPE_BF16, LAYOUT_ROWS);
    struct tensor shape = tensor_2d(NULL, DTYPE_F32, ROLE_ACTIVATION, n, width);
    shape.row_stride += 3;
    struct guarded gx = guarded_open(k, shape);
    struct guarded gy = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_ACTIVATION, n, M));
    guarded_set(&gx, (float *)(uintptr_t)x);
    must(kn_matmul(k, gy.t, gx.t, gw.t, gb.t));
    guarded_get(&gy, y);
    guarded_check(&gy, "int8 products");
    guarded_check(&gx, "int8 products");
    guarded_close(&gx);
    guarded_close(&gy);
    weight_close(&gw);
    weight_close(&gb);
}

/* The MXINT8 dot product: of each group the exact sum of q p, times both scales, added in f32. */
static float dot(const float *x, const float *w, int64_t k)
{
    float sum = 0;
    for (int64_t begin = 0; begin < k; begin += INT8_GROUP) {
        int64_t n = k - begin < INT8_GROUP ? k - begin : INT8_GROUP;
        int8_t q[1 + INT8_GROUP], p[1 + INT8_GROUP];
        int64_t products = 0;
        int8_quantise_group(q, n, 0, x + begin);
        int8_quantise_group(p, n, 0, w + begin);
        for (int64_t i = 0; i < n; i++) products += (int64_t)q[1 + i] * p[1 + i];
        int exponent = (uint8_t)q[0] - 127 + (uint8_t)p[0] - 127;
        sum = (float)((double)sum + ldexp((double)products, exponent));
    }
    return sum;
}

static const int64_t rows[] = {1, 2, 3, 4, 5, 7, 12, 13, 25, 40, ROWS_MAX};
static const int64_t widths[] = {1, 2, 31, 32, 35, 64, 509, 1024, 1026, K_MAX};

static void every_bit_is_that_of_plain_c(void **state)
{
    (void)state;
    static float want[ROWS_MAX * M], got[ROWS_MAX * M];
    for (int32_t j = 0; j < N_CASES(widths); j++) {
        int64_t k = widths[j];
        float *x = random_floats(ROWS_MAX * k, 21, 1), *w = random_floats(M * k, 22, 1);
        /* Rows and groups of very different size; a group of zeros. */
        for (int64_t i = 0; i < ROWS_MAX * k; i++)
            x[i] *= i % k / 32 == 1 ? 0 : ldexpf(1, (int)(i / 32 % 9) - 4);
        for (int64_t i = 0; i < ROWS_MAX * M; i++) want[i] = dot(x + i / M * k, w + i % M * k, k);
        for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++)
            for (int32_t threads = 1; threads <= 3; threads++) {
                struct kernels *kernels = open_int8(isa, threads);
                for (int32_t i = 0; i < N_CASES(rows); i++) {
                    run(kernels, x, w, NULL, rows[i], k, got);
                    for (int64_t e = 0; e < rows[i] * M; e++)
                        if (memcmp(&want[e], &got[e], sizeof *got) != 0)
                            fail_msg("%s, k %lld, %lld rows, row %lld column %lld: %a, want %a",
                                     isa_name(isa), (long long)k, (long long)rows[i],
                                     (long long)(e / M), (long long)(e % M), (double)got[e],
                                     (double)want[e]);
                }
                kernels_close(kernels);
            }
        free(x), free(w);
    }
}

/* Whole numbers with one of 64 or more in each group are their own int8, and their sums, below
 * 2^24, their own f32. */
static void whole_numbers_are_exact(void **state)
{
    (void)state;
    enum { N = 9, K = 500 };
    static float x[N * K], w[M * K], y[N * M];
    for (int64_t i = 0; i < N * K; i++)
        x[i] = i % K % 32 == 0 ? -127 : (float)(i * 7919 % 255 - 127);
    for (int64_t i = 0; i < M * K; i++)
        w[i] = i % K % 32 == 3 ? 127 : (float)(i * 104729 % 200 - 99);
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++) {
        struct kernels *k = open_int8(isa, 2);
        run(k, x, w, NULL, N, K, y);
        for (int32_t i = 0; i < N * M; i++) {
            int64_t sum = 0;
            for (int32_t j = 0; j < K; j++)
                sum += (int64_t)x[i / M * K + j] * (int64_t)w[i % M * K + j];
            if ((int64_t)y[i] != sum)
                fail_msg("%s, element %d: %g, want %lld", isa_name(isa), i, (double)y[i],
                         (long long)sum);
        }
        kernels_close(k);
    }
}

/* A group's scale is at most a 64th of its largest element, and no element is off by more than a
 * scale (127 stands for 128, too; else half a one). */
static void results_are_near_the_exact_product(void **state)
{
    (void)state;
    enum { N = 13, K = 999 };
    static float got[N * M];
    static double want[N * M], bound[N * M];
    float *x = random_floats(N * K, 21, 1), *w = random_floats(M * K, 22, 1);
    float *bias = random_floats(M, 23, 1);
    struct kernels *k = open_int8(ISA_AUTO, 2);
    run(k, x, w, bias, N, K, got); /* w becomes what is stored */
    ref_matmul(want, bound, x, w, bias, N, M, K);
    for (int64_t i = 0; i < N * M; i++) {
        double off = 0;
        for (int64_t begin = 0; begin < K; begin += INT8_GROUP) {
            double largest = 0, weights = 0;
            for (int64_t j = begin; j < begin + INT8_GROUP && j < K; j++) {
                largest = fmax(largest, fabs((double)x[i / M * K + j]));
                weights += fabs((double)w[i % M * K + j]);
            }
            off += largest / 64 * weights;
        }
        bound[i] = off + (K / INT8_GROUP + 3) * U_F32 * (bound[i] + off);
    }
    check_close("int8 products", got, want, bound, N * M);
    kernels_close(k);
    free(x), free(w), free(bias);
}

/* Weights of another storage are multiplied as ever; rows of a table come out as they went in. */
static void all_else_is_as_it_was(void **state)
{
    (void)state;
    struct kernels *k = open_int8(ISA_AUTO, 2);
    for (int32_t d = 1; d < 200; d += 33) {
        struct rows_case c = {.n = 5, .d = d};
        check_embed(k, &c, DTYPE_INT8, LAYOUT_PACKED);
        check_embed(k, &c, DTYPE_BF16, LAYOUT_PACKED);
    }
    struct matmul_case bf16 = {.n = 14, .m = 70, .k = 90, .weight = DTYPE_BF16};
    check_matmul(k, &bf16);
    kernels_close(k);
}

/* A number that is none, or infinite, spoils its own row's results, and they say so. */
static void what_is_no_number_is_not_hidden(void **state)
{
    (void)state;
    enum { N = 6, K = 70 };
    static float plain[N * M], got[N * M];
    float *x = random_floats(N * K, 21, 1), *w = random_floats(M * K, 22, 1);
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++) {
        struct kernels *k = open_int8(isa, 2);
        run(k, x, w, NULL, N, K, plain);
        float two = x[2 * K + 40], five = x[5 * K + 69];
        x[2 * K + 40] = NAN;
        x[5 * K + 69] = -INFINITY;
        run(k, x, w, NULL, N, K, got);
        for (int32_t i = 0; i < N * M; i++)
            if (i / M == 2 || i / M == 5)
                assert_true(isnan(got[i]));
            else
                assert_memory_equal(&got[i], &plain[i], sizeof *got);
        x[2 * K + 40] = two;
        x[5 * K + 69] = five;
        kernels_close(k);
    }
    free(x), free(w);
}

static void there_is_no_doing_it_twice(void **state)
{
    (void)state;
    struct kernels *k = NULL;
    struct kernels_config c = {.backend = "cpu", .compute = DTYPE_INT8, .twice = true};
    assert_int_equal(kernels_open(&c, &k), ERR_UNSUPPORTED);
    assert_string_equal(err_msg(), "there are no int8 products that are made twice");
    /* Plain C's are a reference, no faster than f32: cells do without. */
    assert_int_equal(isa_has_int8(ISA_SCALAR), ERR_UNSUPPORTED);
    assert_int_equal(isa_has_int8(ISA_AVX2), ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_is_that_of_plain_c),
        cmocka_unit_test(whole_numbers_are_exact),
        cmocka_unit_test(results_are_near_the_exact_product),
        cmocka_unit_test(all_else_is_as_it_was),
        cmocka_unit_test(what_is_no_number_is_not_hidden),
        cmocka_unit_test(there_is_no_doing_it_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
