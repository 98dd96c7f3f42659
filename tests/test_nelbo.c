/* test_nelbo.c - bounds on the likelihood: what they must be on exact processes, whatever the
 * schedule and block, and what objectives have in common on a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/nelbo.h"
#include "harness/base/mean.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { PROMPT = 2, GEN = 6, LENGTH = PROMPT + GEN };

static struct kernels *open_kernels(void)
{
    struct kernels *k;
    struct kernels_config c = {.backend = "cpu", .n_threads = 1};
    OK(kernels_open(&c, &k));
    return k;
}

static struct nelbo_spec spec_of(enum nelbo_estimator e, int32_t schedule, int32_t block,
                                 bool shifted)
{
    return (struct nelbo_spec){.estimator = e,
                               .schedule = noise_schedule_at(schedule),
                               .n_prompt = PROMPT,
                               .n_gen = GEN,
                               .block_length = block,
                               .shifted = shifted,
                               .draws = 1,
                               .seed = 11};
}

static double estimate(struct scorer *s, const struct nelbo_spec *spec, const int32_t *tokens,
                       uint32_t request)
{
    struct nelbo *n;
    double nats;
    OK(nelbo_create(spec, s, &n));
    OK(nelbo_estimate(n, tokens, request, &nats));
    nelbo_free(n);
    return nats;
}

/* weight = d log(rate) / dt: central difference, whose error is of the order h^2 = 1e-10 times the
 * third derivative, 2 / t^3 at most. */
static void weights_are_slopes_of_the_log_rate(void **state)
{
    const struct noise_schedule *s;
    const double h = 1e-5;
    for (int32_t i = 0; (s = noise_schedule_at(i)); i++) {
        assert_true(fabs(s->rate(s->end) - 1) < 1e-12 && s->rate(1e-9) < 1e-8);
        for (double t = 0.05; t < 0.99; t += 0.05) {
            double want = (log(s->rate(t + h)) - log(s->rate(t - h))) / (2 * h);
            if (fabs(s->weight(t) - want) > 1e-10 / (t * t * t) + 1e-9)
                fail_msg("%s at %g: %g, slope %g", s->name, t, s->weight(t), want);
        }
    }
}

/* One sequence, fresh masks 3000 times: the mean is the true -log p within five standard errors,
 * once in a million exceeded by chance, for every schedule, block size, head and estimator; and the
 * error is small enough that a bound of the wrong block would be noticed. */
static void every_bound_is_the_likelihood_on_a_process(void **state)
{
    static const int32_t blocks[] = {0, 1, 2, 4, 8};
    enum { DRAWS = 3000 };
    struct kernels *k = open_kernels();
    struct process p;
    struct scorer s;
    struct process_view v;
    int32_t x[LENGTH];
    OK(process_preset("even-2", &p));
    OK(process_view_create(&v, &p, LENGTH));
    OK(scorer_of_process(&s, k, &p, LENGTH));
    process_sample(&v, 5, 0, 0, x, LENGTH);
    double want = process_log_seen(&v, x, PROMPT) - process_log_seen(&v, x, LENGTH);

    struct nelbo_spec spec = spec_of(NELBO_CHAIN, 0, 0, false);
    assert_true(fabs(estimate(&s, &spec, x, 0) - want) < 1e-12);
    for (int32_t e = 0; e <= 5; e++)
        for (int32_t b = 0; b < 5; b++)
            for (int shifted = 0; shifted < 2; shifted++) {
                spec = spec_of(e < 5 ? NELBO_TIME : NELBO_COUNT, e % 5, blocks[b], shifted);
                struct mean m = {0};
                struct nelbo *n;
                OK(nelbo_create(&spec, &s, &n));
                for (uint32_t r = 0; r < DRAWS; r++) {
                    double nats;
                    OK(nelbo_estimate(n, x, r, &nats));
                    mean_add(&m, nats);
                }
                nelbo_free(n);
                if (fabs(m.mean - want) > 5 * mean_error(&m) + 1e-12)
                    fail_msg("estimator %d block %d head %d: %g +- %g, true %g", e, blocks[b],
                             shifted, m.mean, mean_error(&m), want);
                assert_true(mean_error(&m) < 0.05 * want);
            }
    scorer_free(&s);
    process_view_free(&v);
    kernels_close(k);
}

/* Where tokens do not depend on each other every mask says the same: no noise in the count form. */
static void counts_are_exact_where_nothing_depends(void **state)
{
    struct kernels *k = open_kernels();
    struct process p = {.name = "fair", .n_states = 1, .n_symbols = 4};
    struct scorer s;
    int32_t x[LENGTH] = {3, 1, 2, 0, 0, 3, 2, 1};
    p.transition[0][0] = p.initial[0] = 1;
    for (int32_t i = 0; i < 4; i++) p.emission[0][i] = 0.25;
    OK(scorer_of_process(&s, k, &p, LENGTH));
    for (uint32_t r = 0; r < 50; r++) {
        struct nelbo_spec spec = spec_of(NELBO_COUNT, 0, r % 2 ? 4 : 0, false);
        spec.draws = 1 + (int32_t)r % 3;
        assert_true(fabs(estimate(&s, &spec, x, r) - GEN * log(4)) < 1e-12);
    }
    scorer_free(&s);
    kernels_close(k);
}

/* Strata: the count form with as many draws as positions uses every count once, so its mean over
 * sequences has far less noise than draws of their own would. */
static void strata_take_out_noise(void **state)
{
    struct kernels *k = open_kernels();
    struct process p;
    struct scorer s;
    struct mean together = {0}, apart = {0};
    int32_t x[LENGTH] = {0, 1, 1, 0, 1, 1, 0, 0};
    OK(process_preset("even-2", &p));
    OK(scorer_of_process(&s, k, &p, LENGTH));
    struct nelbo_spec spec = spec_of(NELBO_TIME, 0, 0, false);
    for (uint32_t r = 0; r < 1000; r++) mean_add(&apart, estimate(&s, &spec, x, r));
    spec.draws = 16;
    for (uint32_t r = 0; r < 1000; r++) mean_add(&together, estimate(&s, &spec, x, r));
    /* independent draws: an error four times smaller */
    assert_true(mean_error(&together) < mean_error(&apart) / 4);
    scorer_free(&s);
    kernels_close(k);
}

/* A network: blocks of one with a shifted head are the chain rule, to the rounding of logits that
 * are the same bits (cached or not), at any estimator; and with the whole vocabulary as likely the
 * likelihood is near n log V.  Of a full-sequence bound nothing but its form is known. */
static void blocks_of_one_are_the_chain_on_a_network(void **state)
{
    struct toy t;
    struct scorer s;
    int32_t x[LENGTH] = {3, 100, 42, 7, 7, 150, 11, 90};
    toy_open(&t, "tiny-test", DTYPE_F32, 1);
    OK(scorer_of_model(&s, t.model, DTYPE_F32, LENGTH));
    struct nelbo_spec spec = spec_of(NELBO_CHAIN, 0, 0, true);
    double want = estimate(&s, &spec, x, 0), again;
    spec = spec_of(NELBO_COUNT, 0, 1, true);
    again = estimate(&s, &spec, x, 0);
    if (fabs(again - want) > 1e-6 * want) fail_msg("chain %.9g, blocks of one %.9g", want, again);
    spec = spec_of(NELBO_COUNT, 0, 0, true);
    assert_true(fabs(estimate(&s, &spec, x, 0) - want) > 1e-6 * want);
    assert_true(want > GEN * log(t.config.n_vocab) / 3 && want < GEN * log(t.config.n_vocab) * 3);
    scorer_free(&s);
    toy_close(&t);
}

/* The chain on a network against the double-precision transformer; f32 logits of size 10 differ by
 * the rounding of some thousand products, 1e-4. */
static void the_chain_is_that_of_the_reference(void **state)
{
    struct toy t;
    struct scorer s;
    int32_t x[LENGTH] = {3, 100, 42, 7, 7, 150, 11, 90};
    toy_open(&t, "tiny-test", DTYPE_F32, 1);
    OK(scorer_of_model(&s, t.model, DTYPE_F32, LENGTH));
    struct nelbo_spec spec = spec_of(NELBO_CHAIN, 0, 0, true);
    double got = estimate(&s, &spec, x, 0), want = 0;
    double *logits = toy_reference(&t, x, LENGTH, MASK_CAUSAL, 0);
    for (int32_t pos = PROMPT; pos < LENGTH; pos++) {
        const double *row = logits + (size_t)(pos - 1) * t.config.n_vocab;
        double sum = 0;
        for (int32_t v = 0; v < t.config.n_ids; v++)
            if (v != t.config.mask_id) sum += exp(row[v]);
        want += log(sum) - row[x[pos]];
    }
    if (fabs(got - want) > GEN * 1e-4) fail_msg("%.9g, reference %.9g", got, want);
    free(logits);
    scorer_free(&s);
    toy_close(&t);
}

/* -log p of three tokens of a network given those of them that are not in `masked` (bits), each at
 * out[i]. */
static void surprises(struct toy *t, struct kv_cache *c, const int32_t *x, int32_t masked,
                      double out[3])
{
    int32_t tokens[PROMPT + 3], v = t->config.n_vocab;
    for (int32_t i = 0; i < PROMPT + 3; i++)
        tokens[i] = i >= PROMPT && masked >> (i - PROMPT) & 1 ? t->config.mask_id : x[i];
    float *z = toy_rows(t, c, 0, tokens, 0, PROMPT + 3, MASK_FULL, 0, false);
    for (int32_t i = 0; i < 3; i++) {
        const float *row = z + (PROMPT + i) * v;
        double sum = 0;
        for (int32_t id = 0; id < t->config.n_ids; id++)
            if (id != t->config.mask_id) sum += exp((double)row[id]);
        out[i] = log(sum) - (double)row[x[PROMPT + i]];
    }
    free(z);
}

/* Nothing says that a network's conditionals belong to one distribution.  Unmasked one at a time
 * in random order it produces three tokens with the mean over the 6 orders of the product along
 * each; the bound is the mean of its logarithm, so never less than the logarithm of that mean, and
 * all estimators have it as their mean, to five standard errors.  Of one token there is one order.
 */
static void a_networks_bound_is_above_what_it_produces(void **state)
{
    static const int32_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    enum { DRAWS = 1500 };
    struct toy t;
    struct scorer s;
    int32_t x[LENGTH] = {3, 100, 42, 7, 7};
    double of[8][3], bound = 0, produced = 0;
    toy_open(&t, "tiny-test", DTYPE_F32, 1);
    OK(scorer_of_model(&s, t.model, DTYPE_F32, LENGTH));
    struct kv_cache *c = toy_cache(&t, 1, LENGTH);
    for (int32_t m = 1; m < 8; m++) surprises(&t, c, x, m, of[m]);
    for (int32_t o = 0; o < 6; o++) {
        double sum = 0;
        for (int32_t k = 0, masked = 7; k < 3; masked &= ~(1 << orders[o][k++]))
            sum += of[masked][orders[o][k]];
        bound += sum / 6;
        produced += exp(-sum) / 6;
    }
    assert_true(bound > -log(produced) + 1e-3);
    for (int32_t e = 0; e <= 5; e++) {
        struct nelbo_spec spec = spec_of(e < 5 ? NELBO_TIME : NELBO_COUNT, e % 5, 0, false);
        struct mean m = {0};
        struct nelbo *n;
        double nats;
        spec.n_gen = 3;
        OK(nelbo_create(&spec, &s, &n));
        for (uint32_t r = 0; r < DRAWS; r++) {
            OK(nelbo_estimate(n, x, r, &nats));
            mean_add(&m, nats);
        }
        nelbo_free(n);
        if (fabs(m.mean - bound) > 5 * mean_error(&m) || mean_error(&m) > 0.05 * bound)
            fail_msg("estimator %d: %g +- %g, enumerated %g", e, m.mean, mean_error(&m), bound);
        spec.n_prompt = PROMPT + 2;
        spec.n_gen = 1;
        /* where a draw weighs the slope of the rate, 1 */
        if (e == 0 || e == 5) assert_true(fabs(estimate(&s, &spec, x, 0) - of[4][2]) < 1e-4);
    }
    kv_cache_free(c);
    scorer_free(&s);
    toy_close(&t);
}

static void refuses_what_is_no_bound(void **state)
{
    struct scorer s = {0};
    struct nelbo *n;
    struct nelbo_spec spec = spec_of(NELBO_COUNT, 0, 3, false);
    assert_int_equal(nelbo_create(&spec, &s, &n), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "multiple"));
    spec.block_length = 0;
    spec.n_prompt = 0;
    assert_int_equal(nelbo_create(&spec, &s, &n), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_slopes_of_the_log_rate),
        cmocka_unit_test(every_bound_is_the_likelihood_on_a_process),
        cmocka_unit_test(counts_are_exact_where_nothing_depends),
        cmocka_unit_test(strata_take_out_noise),
        cmocka_unit_test(blocks_of_one_are_the_chain_on_a_network),
        cmocka_unit_test(the_chain_is_that_of_the_reference),
        cmocka_unit_test(a_networks_bound_is_above_what_it_produces),
        cmocka_unit_test(refuses_what_is_no_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
