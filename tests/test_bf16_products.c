/* test_bf16_products.c - matmuls that multiply bf16 by bf16: bit for bit what plain C makes of the
 * same order of roundings, and near the exact product. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/cpuinfo.h"
#include "harness/kernels/bf16.h"
#include "tests/check_kernels.h"
#include "tests/ref.h"

enum { M = 165, ROWS_MAX = 80, K_MAX = 1100 };

static void must(enum err e)
{
    if (e != ERR_NONE) fail_msg("%s: %s", err_name(e), err_msg());
}

/* NULL where the CPU has no such instruction: the program says so. */
static struct kernels *open_bf16(enum isa isa, int32_t n_threads, bool twice)
{
    struct kernels *k = NULL;
    struct kernels_config c = {.backend = "cpu",
                               .isa = isa,
                               .n_threads = n_threads,
                               .twice = twice,
                               .compute = DTYPE_BF16};
    enum err e = kernels_open(&c, &k);
    if (e == ERR_UNSUPPORTED &&
        (strstr(err_msg(), "this CPU does not") || strstr(err_msg(), "this CPU offers")))
        return NULL;
    must(e);
    return k;
}

/* Before anything is allocated that a skipped test would leave. */
static void skip_without_bf16(enum isa isa)
{
    struct kernels *k = open_bf16(isa, 1, false);
    if (!k) skip();
    kernels_close(k);
}

/* ---- plain C ---- */

static float flushed(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

static float to_bf16(float x)
{
    return flushed(bf16_to_f32(bf16_from_f32(x)));
}

/* One sum: of every pair of k the upper product, then the lower, each sum rounded once. */
static float dot(const float *x, const float *w, int64_t k)
{
    float sum = 0;
    for (int64_t i = 0; i < k; i += 2) {
        if (i + 1 < k) sum = flushed(fmaf(to_bf16(x[i + 1]), flushed(w[i + 1]), sum));
        sum = flushed(fmaf(to_bf16(x[i]), flushed(w[i]), sum));
    }
    return sum;
}

/* The same with AMX: of every 32 of k the even and the odd products in a sum each, both to the
 * rest. */
static float dot_of_groups(const float *x, const float *w, int64_t k)
{
    float sum = 0;
    for (int64_t i = 0; i < k; i += 32) {
        float part[2] = {0, 0};
        for (int64_t j = i; j < k && j < i + 32; j++)
            part[j % 2] = flushed(fmaf(to_bf16(x[j]), flushed(w[j]), part[j % 2]));
        sum = flushed(sum + flushed(part[0] + part[1]));
    }
    return sum;
}

/* ---- inputs ---- */

struct product {
    float *x, *w, *bias; /* w as bf16 holds it */
    int64_t n, k;
};

/* Every seventh weight and eleventh x so small that products, sums or they themselves are
 * denormal in row 0 and column 0, where nothing larger hides them. */
static struct product product_open(int64_t n, int64_t k)
{
    struct product p = {random_floats(n * k, 21, 1), random_floats(M * k, 22, 1),
                        random_floats(M, 23, 1), n, k};
    for (int64_t i = 0; i < k; i++) {
        p.x[i] *= i % 11 == 0 ? 0x1p-130f : 0x1p-64f;
        p.w[i] *= i % 7 == 0 ? 0x1p-130f : 0x1p-63f;
    }
    for (int64_t i = 0; i < M * k; i++) p.w[i] = bf16_to_f32(bf16_from_f32(p.w[i]));
    for (int64_t i = 0; i < M; i++) p.bias[i] = bf16_to_f32(bf16_from_f32(p.bias[i]));
    return p;
}

static void product_close(struct product *p)
{
    free(p->x), free(p->w), free(p->bias);
}

static void run(struct kernels *k, const struct product *p, bool bias, float *y)
{
    struct weight w = weight_open(k, p->w, M, p->k, DTYPE_BF16, LAYOUT_PACKED);
    struct weight b = weight_open(k, bias ? p->bias : NULL, 0, M, DTYPE_BF16, LAYOUT_ROWS);
    struct tensor shape = tensor_2d(NULL, DTYPE_F32, ROLE_ACTIVATION, p->n, p->k);
    shape.row_stride += 3;
    struct guarded gx = guarded_open(k, shape);
    struct guarded gy = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_ACTIVATION, p->n, M));
    guarded_set(&gx, p->x);
    must(kn_matmul(k, gy.t, gx.t, w.t, b.t));
    guarded_get(&gy, y);
    guarded_check(&gy, "bf16 products");
    guarded_check(&gx, "bf16 products");
    guarded_close(&gx);
    guarded_close(&gy);
    weight_close(&w);
    weight_close(&b);
}

/* ---- tests ---- */

static const int64_t rows[] = {1, 2, 3, 4, 6, 7, 12, 13, 16, 17, 32, 33, 40, ROWS_MAX};
static const int64_t widths[] = {1, 2, 63, 1024, 1025, K_MAX};

static void every_bit_is_that_of_plain_c(enum isa isa)
{
    static float want[ROWS_MAX * M], got[ROWS_MAX * M];
    skip_without_bf16(isa);
    for (int32_t j = 0; j < N_CASES(widths); j++) {
        struct product p = product_open(ROWS_MAX, widths[j]);
        for (int64_t i = 0; i < ROWS_MAX * M; i++) {
            const float *x = p.x + i / M * p.k, *w = p.w + i % M * p.k;
            want[i] = isa == ISA_AMX ? dot_of_groups(x, w, p.k) : dot(x, w, p.k);
        }
        for (int32_t threads = 1; threads <= 3; threads++) {
            bool twice = threads == 2;
            struct kernels *k = open_bf16(isa, threads, twice);
            assert_non_null(k);
            for (int32_t i = 0; i < N_CASES(rows); i++) {
                p.n = rows[i];
                run(k, &p, false, got);
                /* Zeros added to a sum that was flushed to -0 make it 0. */
                for (int64_t e = 0; e < rows[i] * M; e++)
                    if (memcmp(&want[e], &got[e], sizeof *got) != 0 &&
                        !(twice && want[e] == 0 && got[e] == 0))
                        fail_msg("k %lld, %lld rows, %d threads, row %lld column %lld: %a, want %a",
                                 (long long)p.k, (long long)p.n, threads, (long long)(e / M),
                                 (long long)(e % M), (double)got[e], (double)want[e]);
            }
            kernels_close(k);
        }
        product_close(&p);
    }
}

static void every_bit_of_avx512_is_that_of_plain_c(void **state)
{
    (void)state;
    every_bit_is_that_of_plain_c(ISA_AVX512);
}

static void every_bit_of_amx_is_that_of_plain_c(void **state)
{
    (void)state;
    every_bit_is_that_of_plain_c(ISA_AMX);
}

/* x rounded once each, then k + 1 fused sums with the bias; and what flushing can take away: of
 * each of 2 k operands, products and sums less than 2^-126 (operands are below 4). */
static void results_are_near_the_exact_product(enum isa isa)
{
    enum { N = 35, K = 999 };
    static float got[N * M];
    static double want[N * M], bound[N * M];
    skip_without_bf16(isa);
    struct product p = product_open(N, K);
    struct kernels *k = open_bf16(isa, 2, false);
    assert_non_null(k);
    run(k, &p, true, got);
    ref_matmul(want, bound, p.x, p.w, p.bias, N, M, K);
    for (int64_t i = 0; i < N * M; i++)
        bound[i] = (U_BF16 + (K + 1) * U_F32) * bound[i] + 4 * K * 4 * 0x1p-126;
    check_close("bf16 products", got, want, bound, N * M);
    kernels_close(k);
    product_close(&p);
}

static void results_of_avx512_are_near_the_exact_product(void **state)
{
    (void)state;
    results_are_near_the_exact_product(ISA_AVX512);
}

static void results_of_amx_are_near_the_exact_product(void **state)
{
    (void)state;
    results_are_near_the_exact_product(ISA_AMX);
}

/* The other operations, and weights of another storage, are those of the instruction set; rows of
 * a table come out as they went in. */
static void all_else_is_as_it_was(void **state)
{
    (void)state;
    struct cpuinfo cpu;
    cpuinfo_read(&cpu);
    if (cpu.isa < ISA_AVX512) skip();
    struct kernels *k = open_bf16(cpu.isa, 2, false);
    if (!k) skip();
    for (int32_t d = 1; d < 200; d += 66) {
        struct rows_case c = {.n = 5, .d = d};
        check_embed(k, &c, DTYPE_BF16, LAYOUT_PACKED);
        check_embed(k, &c, DTYPE_BF16, LAYOUT_ROWS);
        check_embed(k, &c, DTYPE_F32, LAYOUT_PACKED);
    }
    struct matmul_case f32 = {.n = 14, .m = 70, .k = 90, .weight = DTYPE_F32};
    check_matmul(k, &f32);
    kernels_close(k);
}

static void kernels_without_the_instruction_refuse(void **state)
{
    (void)state;
    struct kernels *k = NULL;
    struct kernels_config c = {.backend = "cpu", .isa = ISA_SCALAR, .compute = DTYPE_BF16};
    assert_int_equal(kernels_open(&c, &k), ERR_UNSUPPORTED);
    assert_string_equal(err_msg(),
                        "bf16 is multiplied by avx512 and amx kernels only, not by scalar ones");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_of_avx512_is_that_of_plain_c),
        cmocka_unit_test(every_bit_of_amx_is_that_of_plain_c),
        cmocka_unit_test(results_of_avx512_are_near_the_exact_product),
        cmocka_unit_test(results_of_amx_are_near_the_exact_product),
        cmocka_unit_test(all_else_is_as_it_was),
        cmocka_unit_test(kernels_without_the_instruction_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
