/* test_quality.c - what is said of a policy's quality, against enumeration; and its way through
 * the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/app/quality.h"
#include "tests/store_fixture.h"

static struct kernels *open_kernels(void)
{
    struct kernels *k;
    struct kernels_config c = {.backend = "cpu", .n_threads = 1};
    ok(kernels_open(&c, &k));
    return k;
}

static struct cell cell_of(const char *decoder, const char *process)
{
    struct cell c = {.spec = {.batch = 1, .n_prompt = 1, .n_gen = 4, .temperature = 1, .seed = 2}};
    c.spec.draft_tokens = 2;
    c.spec.acceptance = 0.5f;
    c.spec.head = HEAD_SAME;
    snprintf(c.model, sizeof c.model, "%s", process);
    snprintf(c.decoder, sizeof c.decoder, "%s", decoder);
    return c;
}

/* Within five standard errors: once in a million by chance. */
static void close_to(struct estimate e, double want, const char *what)
{
    double error = (e.hi - e.lo) / 2 / 1.96;
    if (!(fabs(e.value - want) <= 5 * error + 1e-12))
        fail_msg("%s: %g +- %g, want %g", what, e.value, error, want);
}

/* p(next | last) of a chain, and the distribution two tokens on. */
static double two_on(const struct process *p, int32_t from, int32_t to)
{
    double sum = 0;
    for (int32_t s = 0; s < p->n_states; s++) sum += p->transition[from][s] * p->transition[s][to];
    return sum;
}

/* A chain in blocks of two tokens drawn at once: whatever came before, the pair after `a` is (b, c)
 * with probability t(a, b) t(b, c), and drawn with t(a, b) t2(a, c).  Blocks follow each other by
 * their last token, whose distribution both have alike: so a generation of four costs twice the
 * mean over the stationary chain of one pair's divergence. */
static void pairs_of_a_chain(void **state)
{
    struct process p;
    struct quality_row q;
    struct kernels *k = open_kernels();
    ok(process_preset("markov-4", &p));
    double kl = 0, reverse = 0, h = 0;
    for (int32_t a = 0; a < 4; a++)
        for (int32_t b = 0; b < 4; b++)
            for (int32_t c = 0; c < 4; c++) {
                double t = p.transition[a][b] * p.transition[b][c];
                double drawn = p.transition[a][b] * two_on(&p, a, c);
                kl += p.initial[a] * drawn * log(drawn / t);
                reverse += p.initial[a] * t * log(t / drawn);
                h -= p.initial[a] * t * log(t);
            }
    struct cell c = cell_of("diffusion", "markov-4");
    c.spec.block_length = 2;
    c.spec.steps = 1;
    ok(quality_measure(k, &p, &c, 4000, &q));
    assert_string_equal(q.law, "exact");
    assert_int_equal(q.samples, 4000);
    close_to(q.kl, kl / 2, "KL(produced || true)");
    close_to(q.reverse, reverse / 2, "KL(true || produced)");
    assert_true(fabs(q.reverse_least - reverse / 2) <
                1e-12); /* there is one way to do it at once */
    close_to(q.entropy, h / 2, "entropy");
    assert_true(fabs(h / 2 - process_markov_entropy(&p)) < 1e-12);
    assert_int_equal(q.forwards[PHASE_DENOISE], 8000);
    assert_int_equal(q.tokens[PHASE_DENOISE], 16000);
    assert_true(q.surprise.value > q.entropy.value);
    kernels_close(k);
}

/* The total variation of one pair after one symbol, summed out. */
static void variation_of_one_pair(void **state)
{
    struct process p;
    struct quality_row q;
    struct kernels *k = open_kernels();
    ok(process_preset("sticky-4", &p));
    double tv = 0;
    for (int32_t a = 0; a < 4; a++)
        for (int32_t b = 0; b < 4; b++)
            for (int32_t c = 0; c < 4; c++)
                tv += p.initial[a] / 2 * p.transition[a][b] *
                      fabs(p.transition[b][c] - two_on(&p, a, c));
    struct cell c = cell_of("block", "sticky-4");
    c.spec.n_prompt = 2;
    c.spec.n_gen = 2;
    c.spec.block_length = 2;
    c.spec.steps = 1;
    ok(quality_measure(k, &p, &c, 4000, &q));
    close_to(q.tv, tv, "total variation");
    kernels_close(k);
}

static void autoregression_is_the_truth(void **state)
{
    static const char *const names[] = {"ar", "ar-verify"};
    struct process p;
    struct quality_row q;
    struct kernels *k = open_kernels();
    ok(process_preset("even-2", &p));
    for (int32_t i = 0; i < 2; i++) {
        struct cell c = cell_of(names[i], "even-2");
        c.spec.batch = 7;
        ok(quality_measure(k, &p, &c, 700, &q));
        assert_true(q.kl.value == 0 && q.reverse.value == 0 && q.tv.value == 0);
        assert_true(isnan(q.reverse_least));
        assert_int_equal(q.samples, 700);
        assert_int_equal(q.forwards[PHASE_PREFILL], 100);
        assert_int_equal(q.tokens[PHASE_PREFILL], 700);
    }
    kernels_close(k);
}

static void refuses_what_says_nothing(void **state)
{
    struct process p;
    struct cell c = cell_of("ar", "even-2");
    ok(process_preset("even-2", &p));
    c.spec.temperature = 0;
    fails(quality_check(&p, &c), ERR_USAGE, "no distribution");
    c = cell_of("diffusion", "even-2");
    c.spec.steps = 1;
    c.spec.block_length = 2;
    c.spec.cache = CACHE_DUAL;
    fails(quality_check(&p, &c), ERR_USAGE, "no stale keys");
    c.spec.cache = CACHE_NONE;
    c.spec.n_gen = 5;
    fails(quality_check(&p, &c), ERR_USAGE, "not a multiple");
    c.spec.n_gen = 4;
    c.spec.top_p = 0.9f;
    fails(quality_check(&p, &c), ERR_USAGE, "top-p");
}

/* A run with three decode forwards of 1, 3 and 2 us beside a prefill that must not count. */
static void add_timed_cell(struct store *s, const char *invocation, const struct cell *c)
{
    static const int64_t time_ns[] = {900000, 1000, 3000, 2000};
    struct ledger l = {0};
    struct forward_row f[4];
    struct run_row r = {.status = "ok"};
    l.op[OP_MATMUL] = (struct ledger_entry){.calls = 1, .cost = {.flop_matmul = 10}};
    for (int32_t i = 0; i < 4; i++)
        f[i] = (struct forward_row){.kind = FORWARD_DECODE,
                                    .step = i,
                                    .n_forwards = 1,
                                    .phase = i ? PHASE_DECODE : PHASE_PREFILL,
                                    .time_ns = time_ns[i],
                                    .other_cpus = -1,
                                    .ledger = &l};
    ok(store_add_run(s, invocation, c, &r, f, 4));
}

static void add_timed_run(struct store *s, const char *invocation, const char *decoder,
                          int32_t batch)
{
    struct cell c = small_cell(decoder, "cpu");
    c.spec.batch = batch;
    add_timed_cell(s, invocation, &c);
}

/* A policy that takes 2 forwards for 8 tokens, at 2 us each on average. */
static void speed_is_forwards_at_their_times(void **state)
{
    char invocation[37], sha[65], text[256];
    struct store *s = memory_store();
    struct process p;
    struct quality_row q = {.law = "exact", .samples = 1, .kl = {0.25, 0.2, 0.3}};
    ok(process_preset("even-2", &p));
    process_sha256(&p, sha);
    q.process_sha256 = sha;
    q.forwards[PHASE_DECODE] = 2;
    q.tokens[PHASE_DECODE] = 8;
    q.forwards[PHASE_PREFILL] = 1;
    q.tokens[PHASE_PREFILL] = 4;
    begin_on(s, "cpu", invocation);
    add_timed_run(s, invocation, "ar", 2);
    add_timed_run(s, invocation, "ar", 4);
    add_timed_run(s, invocation, "ar-verify", 2);
    struct cell twice = small_cell("ar", "cpu"); /* no forward of the policy's */
    twice.spec.batch = 2;
    twice.arithmetic = ARITHMETIC_TWICE;
    add_timed_cell(s, invocation, &twice);
    struct cell c = small_cell("ar", "cpu");
    snprintf(c.model, sizeof c.model, "even-2");
    c.spec.batch = 2;
    ok(store_add_quality(s, invocation, &c, &q));
    assert_near(ask_real(s, "SELECT tokens_per_forward FROM v_quality", NULL), 4);
    assert_near(ask_real(s, "SELECT kl_hi FROM v_quality", NULL), 0.3);
    assert_int_equal(count(s, "v_speed_at_quality"), 1);
    assert_near(ask_real(s, "SELECT tokens_per_s FROM v_speed_at_quality", NULL), 8e9 / 4000);
    assert_string_equal(ask_text(s, "SELECT evidence FROM v_speed_at_quality", NULL, text),
                        "timing");
    /* A phase that no run has timed: no speed. */
    q.forwards[PHASE_COMMIT] = 1;
    c.spec.seed = 99;
    ok(store_add_quality(s, invocation, &c, &q));
    assert_int_equal(count(s, "v_quality"), 2);
    assert_int_equal(count(s, "v_speed_at_quality"), 1);
    /* Nor is one that every sequence takes twice, without its prompt. */
    q.forwards[PHASE_COMMIT] = 0;
    c = small_cell("diffusion", "cpu");
    c.spec.guidance = 0.5f;
    add_timed_cell(s, invocation, &c);
    c.spec.guidance = 0;
    ok(store_add_quality(s, invocation, &c, &q));
    assert_int_equal(count(s, "v_speed_at_quality"), 1);
    add_timed_cell(s, invocation, &c);
    assert_int_equal(count(s, "v_speed_at_quality"), 2);
    is_sound(s);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_of_a_chain),
        cmocka_unit_test(variation_of_one_pair),
        cmocka_unit_test(autoregression_is_the_truth),
        cmocka_unit_test(refuses_what_says_nothing),
        cmocka_unit_test(speed_is_forwards_at_their_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
