/* test_kernels.c - the CPU backend: every operation, instruction set and thread count against
 * the reference; and what must be equal bit by bit. */
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
#include "tests/ref.h"

static struct kernels *open_cpu(enum isa isa, int32_t n_threads)
{
    struct kernels *k;
    struct kernels_config config = {.backend = "cpu", .n_threads = n_threads};
    setenv("REGIME_ISA", isa_name(isa), 1);
    enum err e = kernels_open(&config, &k);
    unsetenv("REGIME_ISA");
    if (e != ERR_NONE) fail_msg("%s", err_msg());
    /* AMX has no kernels of f32 products. */
    assert_string_equal(kernels_variant(k), isa_name(isa == ISA_AMX ? ISA_AVX512 : isa));
    assert_int_equal(kernels_threads(k), n_threads);
    return k;
}

static enum isa best_isa(void)
{
    struct cpuinfo info;
    cpuinfo_read(&info);
    return info.isa;
}

static void check_isa(enum isa isa)
{
    if (isa > best_isa()) skip();
    for (int32_t threads = 1; threads <= 3; threads++) {
        struct kernels *k = open_cpu(isa, threads);
        check_all(k);
        check_int8(k);
        kernels_close(k);
    }
}

static void scalar_agrees_with_the_reference(void **state)
{
    (void)state;
    check_isa(ISA_SCALAR);
}

static void avx2_agrees_with_the_reference(void **state)
{
    (void)state;
    check_isa(ISA_AVX2);
}

static void avx512_agrees_with_the_reference(void **state)
{
    (void)state;
    check_isa(ISA_AVX512);
}

/* One row of logits under a rule; temperature 0. */
static struct row_stat choose(struct kernels *k, float *x, int64_t v, int32_t n_ids,
                              int32_t mask_id)
{
    struct row_stat stat;
    struct row_key key = {0};
    struct choice_rule rule = {.n_ids = n_ids, .mask_id = mask_id};
    struct guarded g = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, 1, v));
    guarded_set(&g, x);
    if (kn_rowstat(k, &stat, g.t, &key, &rule) != ERR_NONE) fail_msg("%s", err_msg());
    guarded_close(&g);
    return stat;
}

static void ties_go_to_the_lowest_allowed_id(void **state)
{
    (void)state;
    enum { V = 10000 };
    static float x[V];
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++) {
        struct kernels *k = open_cpu(isa, 2);
        for (int32_t i = 0; i < V; i++) x[i] = 0;
        struct row_stat s = choose(k, x, V, V, -1);
        assert_int_equal(s.id, 0);
        /* All equal: exactly uniform but for the sums of 1 / V. */
        assert_true(fabs(s.p_first * V - 1) < 1e-6 && s.p_second == s.p_first);
        assert_true(s.confidence == s.p_first);
        assert_true(fabs(s.entropy_nats - log(V)) < 1e-5);
        assert_int_equal(choose(k, x, V, V, 0).id, 1);
        /* The same largest value in one vector, in another, in another slice. */
        x[9999] = x[8192] = x[4097] = x[4096] = x[70] = x[69] = 5;
        assert_int_equal(choose(k, x, V, V, -1).id, 69);
        assert_int_equal(choose(k, x, V, V, 69).id, 70);
        x[69] = x[70] = 0;
        assert_int_equal(choose(k, x, V, V, -1).id, 4096);
        assert_int_equal(choose(k, x, V, V, 4096).id, 4097);
        assert_int_equal(choose(k, x, V, 4097, 4096).id, 0);
        s = choose(k, x, V, 4097, -1);
        assert_int_equal(s.id, 4096);
        assert_true(s.p_second < s.p_first); /* the equals are not allowed */
        assert_int_equal(choose(k, x, V, 1, -1).id, 0);
        kernels_close(k);
    }
}

static void extreme_logits_keep_probabilities_finite(void **state)
{
    (void)state;
    enum { V = 5000 };
    static float x[V];
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++) {
        struct kernels *k = open_cpu(isa, 1);
        /* Minus infinity everywhere but at two equal ids: a fair coin. */
        for (int32_t i = 0; i < V; i++) x[i] = -INFINITY;
        x[10] = x[4500] = -3;
        struct row_stat s = choose(k, x, V, V, -1);
        assert_int_equal(s.id, 10);
        assert_true(s.confidence == 0.5f && s.p_first == 0.5f && s.p_second == 0.5f);
        assert_true(fabs(s.entropy_nats - log(2)) < 1e-6);
        /* One id above all: certainty, and no entropy. */
        for (int32_t i = 0; i < V; i++) x[i] = -3e38f;
        x[4999] = 3e38f;
        s = choose(k, x, V, V, -1);
        assert_int_equal(s.id, 4999);
        assert_true(s.confidence == 1 && s.p_second == 0 && s.entropy_nats == 0);
        /* It may not be chosen: what is chosen has probability 0. */
        s = choose(k, x, V, V, 4999);
        assert_int_equal(s.id, 0);
        assert_true(s.confidence == 0 && s.p_first == 0);
        kernels_close(k);
    }
}

/* Frequencies of 4000 draws from 5 probabilities: each within 4.5 standard deviations. */
static void sampling_follows_the_softmax(void **state)
{
    (void)state;
    enum { V = 5, DRAWS = 4000 };
    static const double p[V] = {0.5, 0.25, 0.15, 0.08, 0.02};
    static float x[DRAWS * V];
    static struct row_stat stats[DRAWS];
    static struct row_key keys[DRAWS];
    struct choice_rule rule = {.temperature = 0.5f, .seed = 3, .n_ids = V, .mask_id = -1};
    struct kernels *k = open_cpu(best_isa(), 2);
    int32_t count[V] = {0};
    for (int32_t i = 0; i < DRAWS; i++) {
        keys[i] = (struct row_key){.request = (uint32_t)i % 7, .position = (uint32_t)i / 7};
        for (int32_t j = 0; j < V; j++) x[i * V + j] = (float)(0.5 * log(p[j]));
    }
    struct guarded g = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, DRAWS, V));
    guarded_set(&g, x);
    if (kn_rowstat(k, stats, g.t, keys, &rule) != ERR_NONE) fail_msg("%s", err_msg());
    for (int32_t i = 0; i < DRAWS; i++) count[stats[i].id]++;
    for (int32_t j = 0; j < V; j++)
        assert_true(fabs(count[j] - DRAWS * p[j]) < 4.5 * sqrt(DRAWS * p[j] * (1 - p[j])));
    guarded_close(&g);
    kernels_close(k);
}

static void top_p_samples_from_the_nucleus(void **state)
{
    (void)state;
    for (enum isa isa = ISA_SCALAR; isa <= best_isa(); isa++) {
        struct kernels *k = open_cpu(isa, 2);
        assert_true(check_top_p(k) > 16); /* of 24 */
        kernels_close(k);
    }
}

static void a_nucleus_keeps_what_crosses_the_line(void **state)
{
    (void)state;
    struct kernels *k = open_cpu(best_isa(), 2);
    check_nucleus_line(k, 2000);
    kernels_close(k);
}

static void bad_instruction_sets_are_refused(void **state)
{
    (void)state;
    struct kernels *k;
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    setenv("REGIME_ISA", "sse9", 1);
    assert_int_equal(kernels_open(&config, &k), ERR_USAGE);
    unsetenv("REGIME_ISA");
    config.n_threads = -2;
    assert_int_equal(kernels_open(&config, &k), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_agrees_with_the_reference),
        cmocka_unit_test(avx2_agrees_with_the_reference),
        cmocka_unit_test(avx512_agrees_with_the_reference),
        cmocka_unit_test(ties_go_to_the_lowest_allowed_id),
        cmocka_unit_test(extreme_logits_keep_probabilities_finite),
        cmocka_unit_test(sampling_follows_the_softmax),
        cmocka_unit_test(top_p_samples_from_the_nucleus),
        cmocka_unit_test(a_nucleus_keeps_what_crosses_the_line),
        cmocka_unit_test(bad_instruction_sets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
