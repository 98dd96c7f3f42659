/* test_vec_math.c - the vector exponential, logarithm and Gumbel noise against libm in double
 * precision, with the error bounds that cpu_vec_math.inc states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "harness/base/cpuinfo.h"
#include "harness/kernels/bf16.h"
#include "harness/kernels/cpu/cpu_rows.h"

enum { N = 1 << 14 };

static const struct cpu_rows *rows_of(enum isa isa)
{
    static const struct cpu_rows *const all[ISA_COUNT] = {NULL, &cpu_rows_scalar, &cpu_rows_avx2,
                                                          &cpu_rows_avx512};
    struct cpuinfo info;
    cpuinfo_read(&info);
    return isa <= info.isa ? all[isa] : NULL;
}

/* Units in the last place between a float and the true value. */
static double ulps(float got, double want)
{
    int exponent;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1, exponent - 24);
}

static void exp_is_within_two_ulp(void **state)
{
    (void)state;
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT && rows_of(isa); isa++) {
        static float x[N], y[N];
        double worst = 0;
        for (int32_t round = 0; round < 16; round++) {
            for (int32_t i = 0; i < N; i++)
                x[i] = -87.33f + 175.33f * (float)(i * 16 + round) / (16.0f * N);
            rows_of(isa)->exp(y, x, N);
            for (int32_t i = 0; i < N; i++) worst = fmax(worst, ulps(y[i], exp(x[i])));
        }
        for (int32_t i = 0; i < N; i++) x[i] = ldexpf(i % 2 ? -1.0f : 1.0f, -(i / 2) % 40);
        rows_of(isa)->exp(y, x, N);
        for (int32_t i = 0; i < N; i++) worst = fmax(worst, ulps(y[i], exp(x[i])));
        if (worst > 2) fail_msg("%s: %.2f ulp", isa_name(isa), worst);
    }
}

static void exp_of_special_values(void **state)
{
    (void)state;
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT && rows_of(isa); isa++) {
        float x[6] = {0, -0.0f, -INFINITY, -100, 1000, NAN}, y[6];
        rows_of(isa)->exp(y, x, 6);
        assert_true(y[0] == 1 && y[1] == 1);
        assert_true(y[2] == 0 && y[3] == 0);
        assert_true(ulps(y[4], exp(88)) <= 2);
        assert_true(isnan(y[5]));
    }
}

static void log_is_within_three_ulp(void **state)
{
    (void)state;
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT && rows_of(isa); isa++) {
        static float x[N], y[N];
        double worst = 0;
        /* Mantissas of every size over the whole range of exponents, and densely around 1. */
        for (int32_t round = 0; round < 8; round++) {
            for (int32_t i = 0; i < N; i++)
                x[i] = ldexpf(1.0f + (float)((i * 8 + round) % 65521) / 65521.0f, i % 252 - 126);
            if (round == 7)
                for (int32_t i = 0; i < N; i++) x[i] = 0.5f + (float)i / (N / 1.5f);
            rows_of(isa)->log(y, x, N);
            for (int32_t i = 0; i < N; i++)
                if (x[i] != 1)
                    worst = fmax(worst, ulps(y[i], log(x[i])));
                else
                    assert_true(y[i] == 0);
        }
        if (worst > 3) fail_msg("%s: %.2f ulp", isa_name(isa), worst);
    }
}

/* -log(u) comes within 4 ulp, so the noise, its logarithm, errs by that much absolutely and by
 * the logarithm's own 3 ulp; |noise| < 32. */
static void gumbel_noise_is_finite_and_accurate_at_both_ends(void **state)
{
    (void)state;
    static uint32_t words[N];
    static float noise[N];
    for (int32_t i = 0; i < N; i++) words[i] = (uint32_t)i * 2654435761u;
    for (int32_t i = 0; i < 32; i++) {
        words[i] = (uint32_t)i;
        words[32 + i] = ~(uint32_t)i;
        words[64 + i] = 0x7ffffff0u + (uint32_t)i;
        words[96 + i] = 1u << i;
        words[128 + i] = ~(1u << i);
    }
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT && rows_of(isa); isa++) {
        rows_of(isa)->gumbel_noise(noise, words, N);
        for (int32_t i = 0; i < N; i++) {
            double want = -log(-log((words[i] + 0.5) * 0x1p-32));
            double bound = 8 * 0x1p-24 + 6 * 0x1p-24 * fabs(want);
            if (!(fabs(noise[i] - want) <= bound))
                fail_msg("%s: word %08x: %.9g, want %.9g", isa_name(isa), words[i],
                         (double)noise[i], want);
        }
    }
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT && rows_of(isa); isa++) {
        float x[64], back[64];
        uint16_t b[64];
        for (uint32_t i = 0; i < 64; i++) {
            uint32_t bits = 0x3f800000u + (i / 4 << 16) + (i % 4) * 0x4000u + (i % 3);
            memcpy(&x[i], &bits, sizeof bits);
            if (i % 2) x[i] = -x[i];
        }
        for (int64_t n = 1; n <= 64; n += 7) {
            rows_of(isa)->to_bf16(b, x, n);
            rows_of(isa)->from_bf16(back, b, n);
            for (int64_t i = 0; i < n; i++) {
                assert_int_equal(b[i], bf16_from_f32(x[i]));
                assert_true(back[i] == bf16_to_f32(b[i]));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_two_ulp),
        cmocka_unit_test(exp_of_special_values),
        cmocka_unit_test(log_is_within_three_ulp),
        cmocka_unit_test(gumbel_noise_is_finite_and_accurate_at_both_ends),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
