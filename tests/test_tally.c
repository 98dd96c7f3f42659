/* Divergences of counted sequences, against sums over all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "harness/app/quality.h"
#include "harness/app/tally.h"
#include "tests/store_fixture.h"

enum { LENGTH = 4, SEQUENCES = 256, DRAWS = 20 * SEQUENCES, TRIALS = 200 };

static void list(const struct process *p, double log_p[SEQUENCES])
{
    struct process_view v;
    int32_t x[LENGTH];
    ok(process_view_create(&v, p, LENGTH));
    for (int32_t i = 0; i < SEQUENCES; i++) {
        for (int32_t k = 0; k < LENGTH; k++) x[k] = i >> (2 * (LENGTH - 1 - k)) & 3;
        log_p[i] = process_log_seen(&v, x, LENGTH);
    }
    process_view_free(&v);
}

static int misses(struct estimate e, double want)
{
    return !(e.lo <= want && want <= e.hi);
}

/* Sequences of one process held against another: limits that are wide enough miss at most one time
 * in 20.  More than 24 of 200 are then a matter of 1 in 20 000. */
static void limits_hold(const char *drawn, const char *truth)
{
    struct process a, b;
    struct process_view v;
    double p[SEQUENCES], q[SEQUENCES], kl = 0, reverse = 0;
    int missed = 0, missed_reverse = 0, known = 0;
    ok(process_preset(drawn, &a));
    ok(process_preset(truth, &b));
    list(&a, p);
    list(&b, q);
    for (int i = 0; i < SEQUENCES; i++) {
        kl += exp(p[i]) * (p[i] - q[i]);
        reverse += exp(q[i]) * (q[i] - p[i]);
    }
    ok(process_view_create(&v, &a, LENGTH));
    for (uint64_t seed = 0; seed < TRIALS; seed++) {
        struct tally *t;
        struct estimate e, r;
        ok(tally_create(&b, LENGTH, &t));
        for (uint32_t i = 0; i < DRAWS; i++) {
            int32_t x[LENGTH];
            process_sample(&v, seed, i, 0, x, LENGTH);
            tally_add(t, x);
        }
        tally_divergences(t, &e, &r);
        missed += misses(e, kl);
        if (!isnan(r.value)) known++, missed_reverse += misses(r, reverse);
        tally_free(t);
    }
    process_view_free(&v);
    if (missed > 24 || missed_reverse > 24)
        fail_msg("%s for %s: %d and %d of %d and %d intervals miss %g and %g", drawn, truth, missed,
                 missed_reverse, TRIALS, known, kl, reverse);
}

static void limits_hold_the_sums(void **state)
{
    limits_hold("iid-4", "iid-4"); /* both 0 */
    limits_hold("markov-4", "markov-4");
    limits_hold("iid-4", "markov-4");
    limits_hold("hmm-8x4", "iid-4");
    limits_hold("sticky-4", "sticky-4"); /* half of the sequences come out less than once */
    limits_hold("sticky-4", "iid-4");
}

/* Half of the draws of one symbol, half of another: by hand. */
static void two_symbols_by_hand(void **state)
{
    struct process p;
    struct tally *t;
    struct estimate kl, reverse;
    ok(process_preset("even-2", &p));
    double one = 0;
    for (int s = 0; s < p.n_states; s++) one += p.initial[s] * p.emission[s][1];
    ok(tally_create(&p, 1, &t));
    for (int32_t i = 0; i < 100; i++) tally_add(t, &(int32_t){i % 2});
    tally_divergences(t, &kl, &reverse);
    double plain = 0.5 * log(0.5 / one) + 0.5 * log(0.5 / (1 - one));
    assert_near(kl.value, plain - 1.0 / 200);
    double back = one * log(one / 0.5) + (1 - one) * log((1 - one) / 0.5);
    assert_near(reverse.value, back - 1.0 / 200); /* p and 1 - p, each (1 - f) / (2 N f) */
    tally_free(t);
}

static void enough_draws_are_asked_for(void **state)
{
    struct process p;
    ok(process_preset("markov-4", &p));
    assert_true(tally_covers(&p, 4, DRAWS));
    assert_false(tally_covers(&p, 4, DRAWS - 1));
    assert_true(tally_covers(&p, 6, 20 * 4096));
    assert_false(tally_covers(&p, 7, INT64_MAX)); /* 16384 sequences */
    assert_false(tally_covers(&p, 100000, INT64_MAX));
}

/* A policy whose law is known, counted as one whose law is not would be: remdm-conf in one step
 * reveals all at once, which random order in one step does, too. */
static void a_policy_is_counted(void **state)
{
    struct process p;
    struct quality_row q, exact;
    struct kernels *k;
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    struct cell c = {.spec = {.batch = 8, .n_gen = 4, .steps = 1, .temperature = 1, .seed = 2}};
    c.spec.head = HEAD_SAME;
    c.spec.eta = 0.5f;
    c.spec.informed = true;
    c.spec.strategy = STRATEGY_REMDM_CONF;
    snprintf(c.model, sizeof c.model, "sticky-4");
    snprintf(c.decoder, sizeof c.decoder, "diffusion");
    ok(kernels_open(&config, &k));
    ok(process_preset("sticky-4", &p));
    ok(quality_measure(k, &p, &c, DRAWS - 8, &q));
    assert_null(q.law);
    assert_true(isnan(q.kl.value));
    ok(quality_measure(k, &p, &c, DRAWS, &q));
    assert_string_equal(q.law, "counted");
    assert_true(isnan(q.tv.value));
    c.spec.strategy = STRATEGY_RANDOM;
    ok(quality_measure(k, &p, &c, DRAWS, &exact));
    assert_string_equal(exact.law, "exact");
    double error = (q.kl.hi - q.kl.lo) / 3.92 + (exact.kl.hi - exact.kl.lo) / 3.92;
    if (fabs(q.kl.value - exact.kl.value) > 5 * error)
        fail_msg("counted %g, exact %g, errors together %g", q.kl.value, exact.kl.value, error);
    kernels_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_hold_the_sums),
        cmocka_unit_test(two_symbols_by_hand),
        cmocka_unit_test(enough_draws_are_asked_for),
        cmocka_unit_test(a_policy_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
