/* test_noise.c - canvases of random tokens: how a position moves against Bayes' rule, what a
 * process says of a noisy canvas against enumeration, and what decodes may never do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/block.h"
#include "diffusion/diffusion.h"
#include "diffusion/law.h"
#include "diffusion/noise.h"
#include "harness/decode/exact.h"
#include "harness/decode/session.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

/* q(token seen at a level of noise | token beneath). */
static double seen(double level, int32_t v, bool same)
{
    return (same ? 1 - level : 0) + level / v;
}

/* Every pair of tokens, levels from all noise to none: next ~ q(now | next) q(next | clean), where
 * the step from `to` to `from` is noise of level 1 - (1 - from) / (1 - to).  A handful of roundings
 * on each side. */
static void positions_move_by_bayes_rule(void **state)
{
    static const double from[] = {1, 1, 1, 0.8, 0.8, 0.3, 0.01},
                        to[] = {0.9, 0.5, 0, 0.79, 0.01, 0, 0};
    for (size_t l = 0; l < sizeof to / sizeof to[0]; l++)
        for (int32_t v = 2; v <= 5; v++)
            for (int32_t now = 0; now < v; now++)
                for (int32_t clean = 0; clean < v; clean++) {
                    struct noise_move m = {.from = from[l], .to = to[l], .n_ids = v};
                    double p[FATE_COUNT], want[5], sum = 0;
                    double step = 1 - (1 - from[l]) / (1 - to[l]);
                    noise_fates(&m, now == clean, p);
                    for (int32_t x = 0; x < v; x++)
                        sum += want[x] = seen(step, v, now == x) * seen(to[l], v, x == clean);
                    for (int32_t x = 0; x < v; x++) {
                        double got = (x == clean) * p[FATE_CLEAN] + (x == now) * p[FATE_STAYS] +
                                     p[FATE_NOISE] / v;
                        assert_true(fabs(got - want[x] / sum) < 1e-14);
                    }
                }
}

/* Never the mask, wherever it stands among the ids; all others equally often: 20 000 draws of 1 in
 * 6, standard error 0.0026; 5 of them. */
static void noise_is_every_token_but_the_mask(void **state)
{
    enum { DRAWS = 20000 };
    for (int32_t mask = 0; mask <= 7; mask++) {
        struct model_config c = {.n_ids = mask == 7 ? 6 : 7, .mask_id = mask};
        int32_t n[8] = {0};
        assert_int_equal(noise_ids(&c), 6);
        for (uint32_t i = 0; i < DRAWS; i++) n[noise_token(&c, 3, i % 7, i / 7, i % 3)]++;
        assert_int_equal(n[mask], 0);
        for (int32_t x = 0; x < c.n_ids; x++)
            if (x != mask) assert_true(fabs((double)n[x] / DRAWS - 1.0 / 6) < 0.013);
    }
}

/* Four positions, the first clean, the others with a third of noise: p(x) sums to what Bayes' rule
 * makes of every sequence.  256 terms of relative error 1e-16. */
static void a_process_trusts_noisy_tokens_by_their_share(void **state)
{
    enum { N = 4, V = 4 };
    static const float share = 1.0f / 3;
    const float noise[N] = {0, share, share, share};
    struct process p;
    struct kernels *k;
    struct exact_cache *cache;
    struct kernels_config kc = {.backend = "cpu", .n_threads = 1};
    struct kv_cache_size size = {.n_slots = 1, .capacity = N, .max_rows = N, .max_logits = N};
    struct row_key keys[N] = {{0, 0, 0}, {0, 1, 0}, {0, 2, 0}, {0, 3, 0}};
    int32_t row[N] = {0, 1, 2, 3}, tokens[N];
    OK(kernels_open(&kc, &k));
    OK(process_preset("markov-4", &p));
    OK(exact_cache_create(k, &p, &size, &cache));
    for (int32_t code = 0; code < 256; code += 37) {
        double at[N][V] = {{0}}, sum = 0;
        struct tensor logits;
        for (int32_t i = 0; i < N; i++) tokens[i] = code >> 2 * i & 3;
        for (int32_t x = 0; x < 256; x++) {
            double joint = 1;
            for (int32_t i = 0; i < N; i++) {
                int32_t a = x >> 2 * i & 3;
                joint *= seen((double)noise[i], V, a == tokens[i]);
                joint *= i ? p.transition[x >> 2 * (i - 1) & 3][a] : p.initial[a];
            }
            sum += joint;
            for (int32_t i = 0; i < N; i++) at[i][x >> 2 * i & 3] += joint;
        }
        struct pass_seq s = {.span = {.n_rows = N, .n_visible = N, .mask = MASK_FULL},
                             .tokens = tokens,
                             .logit_row = row,
                             .n_logits = N,
                             .noise = noise};
        struct pass pass = {PHASE_DENOISE, 1, &s};
        OK(exact_forward(cache, &pass, keys, &logits));
        for (int32_t i = 0; i < N; i++)
            for (int32_t a = 0; a < V; a++)
                assert_true(fabs(exact_probability(cache, i)[a] - at[i][a] / sum) < 1e-13);
    }
    exact_cache_free(cache);
    kernels_close(k);
}

static struct decode_spec spec_of(enum strategy strategy, int32_t steps)
{
    return (struct decode_spec){.batch = 2,
                                .n_prompt = 8,
                                .n_gen = 16,
                                .block_length = 8,
                                .steps = steps,
                                .strategy = strategy,
                                .commit = COMMIT_CAUSAL,
                                .head = HEAD_SAME,
                                .entropy_bound = 0.1f,
                                .temperature = 1,
                                .seed = 5};
}

/* Decode on a network; tokens[batch, length].  Every forward: a canvas without masks, all of it
 * computed with logits, prompt and finished blocks as they were. */
static void decode(struct toy *t, const struct decode_spec *s, int32_t *tokens)
{
    struct session *n;
    struct step_work w;
    int32_t length = spec_length(s), block = s->n_prompt, denoised = 0;
    size_t bytes = (size_t)(s->batch * length) * sizeof *tokens;
    OK(decoder_block.check(s, &t->config));
    OK(session_create(t->model, &decoder_block, s, DTYPE_F32, &n));
    memcpy(tokens, session_tokens(n), bytes);
    while (!session_done(n)) {
        OK(session_step(n, &w));
        const int32_t *now = session_tokens(n);
        for (int32_t b = 0; b < s->batch; b++)
            assert_memory_equal(now + b * length, tokens + b * length, (size_t)block * sizeof *now);
        memcpy(tokens, now, bytes);
        if (w.phase != PHASE_DENOISE) continue;
        assert_int_equal(w.logit_rows, s->batch * s->block_length);
        assert_int_equal(w.rows, s->batch * s->block_length);
        for (int32_t b = 0; b < s->batch; b++)
            for (int32_t i = block; i < block + s->block_length; i++) {
                int32_t id = now[b * length + i];
                assert_true(id >= 0 && id < t->config.n_ids && id != t->config.mask_id);
            }
        bool last = ++denoised % s->steps == 0;
        assert_int_equal(w.tokens_committed, last ? s->batch * s->block_length : 0);
        if (last) block += s->block_length;
    }
    assert_int_equal(denoised, s->n_gen / s->block_length * s->steps);
    session_free(n);
}

static void a_canvas_is_decided_anew_by_every_forward(void **state)
{
    struct toy t;
    int32_t a[2 * 24], b[2 * 24];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (enum strategy which = STRATEGY_UNIFORM; which <= STRATEGY_RENOISE; which++)
        for (int32_t steps = 1; steps <= 11; steps += 5) { /* also more than there are positions */
            struct decode_spec s = spec_of(which, steps);
            decode(&t, &s, a);
            decode(&t, &s, b);
            assert_memory_equal(a, b, sizeof a);
            s.seed++;
            decode(&t, &s, b);
            assert_memory_not_equal(a, b, sizeof a);
        }
    toy_close(&t);
}

/* What a causal commit keeps is what a prompt's causal prefill keeps: the first block and the
 * prompt together as a prompt lead to the same second block.  Commits that see the whole block do
 * not. */
static void causal_commits_leave_what_a_prompt_does(void **state)
{
    struct toy t;
    int32_t whole[2 * 24], rest[2 * 24], prompts[2 * 16];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int causal = 0; causal < 2; causal++) {
        struct decode_spec s = spec_of(STRATEGY_UNIFORM, 4);
        s.commit = causal ? COMMIT_CAUSAL : COMMIT_SEPARATE;
        decode(&t, &s, whole);
        for (int32_t b = 0; b < 2; b++)
            memcpy(prompts + b * 16, whole + b * 24, 16 * sizeof *prompts);
        s.commit = COMMIT_CAUSAL;
        s.prompts = prompts;
        s.n_prompt = 16;
        s.n_gen = 8;
        decode(&t, &s, rest);
        if (causal)
            assert_memory_equal(whole, rest, sizeof whole);
        else
            assert_memory_not_equal(whole, rest, sizeof whole);
    }
    toy_close(&t);
}

/* KL(true || produced) of three tokens after one, over all 64, by the law that test_law.c holds
 * against decodes. */
static double divergence(const struct process *p, enum strategy strategy, int32_t n_gen,
                         int32_t steps)
{
    struct decode_spec s = {.batch = 1,
                            .n_prompt = 1,
                            .n_gen = n_gen,
                            .steps = steps,
                            .strategy = strategy,
                            .temperature = 1};
    struct law_spec spec = {&s, false, false};
    struct process_view v;
    struct law *l;
    double kl = 0;
    int32_t x[4] = {2}, count = n_gen == 1 ? 4 : 64;
    OK(law_create(&spec, p, &l));
    OK(process_view_create(&v, p, 4));
    for (int32_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < n_gen; j++) x[1 + j] = i >> 2 * j & 3;
        double log_p = process_log_seen(&v, x, 1 + n_gen) - process_log_seen(&v, x, 1);
        kl += exp(log_p) * (log_p - law_log(l, x));
    }
    law_free(l);
    process_view_free(&v);
    return kl;
}

/* One token is exact in any number of steps, and several are in the limit of many: a step's
 * positions move independently, an error of second order in its length. */
static void reversing_noise_is_exact_in_the_limit(void **state)
{
    struct process p;
    OK(process_preset("markov-4", &p));
    for (int32_t steps = 1; steps <= 9; steps += 4)
        assert_true(fabs(divergence(&p, STRATEGY_UNIFORM, 1, steps)) < 1e-12);
    double last = divergence(&p, STRATEGY_UNIFORM, 3, 1);
    assert_true(last > 0.05); /* one step draws three tokens that depend on each other */
    for (int32_t steps = 4; steps <= 64; steps *= 4) {
        double kl = divergence(&p, STRATEGY_UNIFORM, 3, steps);
        assert_true(kl > 0 && kl < last / 4);
        last = kl;
    }
}

static void what_cannot_be_is_refused(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 1);
    struct decode_spec s = spec_of(STRATEGY_UNIFORM, 4);
    s.guidance = 1;
    assert_int_equal(decoder_block.check(&s, &t.config), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "want guidance 0"));
    s.guidance = 0;
    s.commit = COMMIT_SEPARATE;
    assert_int_equal(decoder_diffusion.check(&s, &t.config), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "want one block"));
    s.cache = CACHE_DUAL;
    assert_int_equal(decoder_diffusion.check(&s, &t.config), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "want cache none"));
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_move_by_bayes_rule),
        cmocka_unit_test(noise_is_every_token_but_the_mask),
        cmocka_unit_test(a_process_trusts_noisy_tokens_by_their_share),
        cmocka_unit_test(a_canvas_is_decided_anew_by_every_forward),
        cmocka_unit_test(causal_commits_leave_what_a_prompt_does),
        cmocka_unit_test(reversing_noise_is_exact_in_the_limit),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
