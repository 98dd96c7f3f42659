/* test_limits.c - limiting cases of strategies in whole decodes, where what must come out is known:
 * one token a forward, all in one, left to right, by names that mean nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/strategy.h"
#include "diffusion/unmask.h"
#include "harness/app/decoders.h"
#include "harness/base/rng.h"
#include "harness/decode/exact.h"
#include "harness/decode/session.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { PROMPT = 4, GEN = 20, LENGTH = PROMPT + GEN, BLOCK = 4, MOST = 64 };

/* ---- decodes of a process, forward by forward ---- */

struct history {
    int32_t n; /* denoise forwards                                       */
    int32_t revealed[MOST], place[MOST][LENGTH]; /* by each, ascending      */
    int32_t commits;
    int32_t tokens[LENGTH];
};

static struct decode_spec spec(enum strategy s, int32_t block, int32_t steps)
{
    return (struct decode_spec){.batch = 1,
                                .n_prompt = PROMPT,
                                .n_gen = GEN,
                                .block_length = block,
                                .steps = steps,
                                .strategy = s,
                                .head = HEAD_SAME,
                                .informed = true,
                                .temperature = 1,
                                .seed = 23};
}

/* One sequence; between forwards nothing that stands may change. */
static void decode(const struct process *p, const char *decoder, const struct decode_spec *s,
                   struct history *h)
{
    struct kernels *k;
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    struct model_config c = exact_config(p);
    struct exact_session *n;
    int32_t before[LENGTH];
    memset(h, 0, sizeof *h);
    OK(kernels_open(&config, &k));
    OK(decoder_find(decoder)->check(s, &c));
    OK(exact_session_create(k, p, decoder_find(decoder), s, &n));
    while (!exact_session_done(n)) {
        struct step_work w;
        memcpy(before, exact_session_tokens(n), sizeof before);
        OK(exact_session_step(n, &w));
        const int32_t *after = exact_session_tokens(n);
        int32_t changed = 0;
        for (int32_t i = 0; i < LENGTH; i++) {
            if (before[i] == after[i]) continue;
            assert_int_equal(before[i], c.mask_id);
            assert_in_range(after[i], 0, p->n_symbols - 1);
            h->place[h->n][changed++] = i;
        }
        assert_int_equal(changed, w.tokens_committed);
        h->commits += w.phase == PHASE_COMMIT;
        if (w.phase == PHASE_PREFILL || w.phase == PHASE_COMMIT) continue;
        assert_in_range(changed, 1, s->block_length ? s->block_length : GEN);
        h->revealed[h->n++] = changed;
        assert_true(h->n < MOST);
    }
    memcpy(h->tokens, exact_session_tokens(n), sizeof h->tokens);
    exact_session_free(n);
    kernels_close(k);
}

static void same_history(const char *what, const struct history *a, const struct history *b)
{
    if (memcmp(a, b, sizeof *a) != 0) fail_msg("%s: another decode", what);
}

/* The ends of every adaptive strategy's dial: one token a forward, which one being that of the
 * strategy with the same score and a count; and a block in one forward. */
static void dials_end_in_one_token_and_in_all(void **state)
{
    static const struct {
        enum strategy strategy, counted;
        float one, all;
    } dials[] = {{STRATEGY_THRESHOLD, STRATEGY_LOW_CONFIDENCE, 1.5f, 0},
                 {STRATEGY_FACTOR, STRATEGY_LOW_CONFIDENCE, 0, BLOCK + 1},
                 {STRATEGY_ENTROPY_BOUND, STRATEGY_ENTROPY, 0, INFINITY}};
    static struct history h, want;
    struct process p;
    OK(process_preset("hmm-8x4", &p)); /* no probability of it is 1, no entropy 0 */
    for (size_t i = 0; i < 3; i++)
        for (int32_t d = 0; d < 2; d++) {
            const char *decoder = d ? "block" : "diffusion";
            struct decode_spec s = spec(dials[i].strategy, BLOCK, BLOCK);
            s.threshold = s.factor = s.entropy_bound = dials[i].one;
            decode(&p, decoder, &s, &h);
            assert_int_equal(h.n, GEN);
            assert_int_equal(h.commits, d * GEN / BLOCK);
            s.strategy = dials[i].counted;
            decode(&p, decoder, &s, &want);
            same_history(strategy_of(dials[i].strategy)->name, &h, &want);

            s.strategy = dials[i].strategy;
            s.threshold = s.factor = s.entropy_bound = dials[i].all;
            decode(&p, decoder, &s, &h);
            assert_int_equal(h.n, GEN / BLOCK);
            assert_int_equal(h.commits, d * GEN / BLOCK);
            s.strategy = dials[i].counted;
            s.steps = 1;
            decode(&p, decoder, &s, &want);
            same_history(strategy_of(dials[i].strategy)->name, &h, &want);
        }
}

/* As many steps as tokens from the left, or blocks of one, is the order of AR, and on a process,
 * where masks say nothing, its greedy tokens, whichever row decides them. */
static void one_from_the_left_is_the_order_of_ar(void **state)
{
    static const struct {
        const char *decoder;
        int32_t block, steps;
        enum head_policy head;
    } ways[] = {{"diffusion", 0, GEN, HEAD_SAME},
                {"diffusion", 0, GEN, HEAD_SHIFTED},
                {"diffusion", BLOCK, BLOCK, HEAD_SAME},
                {"block", BLOCK, BLOCK, HEAD_SAME},
                {"block", 1, 1, HEAD_SAME}};
    static struct history h, ar;
    struct process p;
    OK(process_preset("hmm-8x4", &p));
    struct decode_spec greedy = spec(STRATEGY_SEQUENTIAL, 0, 0);
    greedy.temperature = 0;
    decode(&p, "ar", &greedy, &ar);
    assert_int_equal(ar.n, GEN - 1);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct decode_spec s = spec(STRATEGY_SEQUENTIAL, ways[i].block, ways[i].steps);
        s.head = ways[i].head;
        s.temperature = 0;
        decode(&p, ways[i].decoder, &s, &h);
        assert_int_equal(h.n, GEN);
        for (int32_t j = 0; j < GEN; j++) {
            assert_int_equal(h.revealed[j], 1);
            assert_int_equal(h.place[j][0], PROMPT + j);
        }
        assert_memory_equal(h.tokens, ar.tokens, sizeof ar.tokens);
    }
}

/* Names of symbols mean nothing: a process whose symbols are permuted decodes, greedily, to the
 * permuted tokens in the same forwards, whatever the strategy. */
static void permuted_symbols_give_permuted_tokens(void **state)
{
    static const int32_t to[4] = {2, 0, 3, 1};
    static const int32_t prompt[PROMPT] = {3, 1, 0, 0};
    static struct history a, b;
    struct process p, q;
    int32_t moved[PROMPT];
    OK(process_preset("hmm-8x4", &p));
    q = p;
    for (int32_t s = 0; s < p.n_states; s++)
        for (int32_t v = 0; v < 4; v++) q.emission[s][to[v]] = p.emission[s][v];
    for (int32_t i = 0; i < PROMPT; i++) moved[i] = to[prompt[i]];
    for (int which = 0; which < STRATEGY_COUNT; which++) {
        /* What stands may change there, and noise has names. */
        if (strategy_of((enum strategy)which)->revises) continue;
        for (int32_t d = 0; d < 2; d++) {
            struct decode_spec s = spec((enum strategy)which, BLOCK, 3);
            s.temperature = 0;
            s.threshold = 0.4f;
            s.factor = 2;
            s.entropy_bound = 1.2f;
            s.eta = 0.2f;
            s.prompts = prompt;
            decode(&p, d ? "block" : "diffusion", &s, &a);
            s.prompts = moved;
            decode(&q, d ? "block" : "diffusion", &s, &b);
            for (int32_t i = 0; i < LENGTH; i++) a.tokens[i] = to[a.tokens[i]];
            same_history(strategy_of(s.strategy)->name, &a, &b);
        }
    }
}

/* ---- on a network ---- */

/* In one step every token is the likeliest of its own row in one forward over prompt and masks. */
static void one_step_is_the_argmax_of_one_forward(void **state)
{
    struct toy t;
    struct session *n;
    struct step_work w;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    int32_t v = t.config.n_vocab, *canvas;
    for (int which = 0; which <= STRATEGY_ENTROPY; which++)
        for (int32_t d = 0; d < 2; d++) {
            struct decode_spec s = spec((enum strategy)which, d ? LENGTH : 0, 1);
            s.temperature = 0;
            OK(canvas_create(&s, &t.config, &canvas));
            OK(session_create(t.model, decoder_find(d ? "block" : "diffusion"), &s, DTYPE_F32, &n));
            OK(session_step(n, &w));
            assert_int_equal(w.tokens_committed, GEN);
            struct kv_cache *cache = toy_cache(&t, 1, LENGTH);
            float *z = toy_rows(&t, cache, 0, canvas, 0, LENGTH, MASK_FULL, 0, false);
            for (int32_t i = PROMPT; i < LENGTH; i++) {
                int32_t best = 0; /* not the mask */
                for (int32_t id = 1; id < t.config.n_ids; id++)
                    if (id != t.config.mask_id && z[i * v + id] > z[i * v + best]) best = id;
                assert_int_equal(session_tokens(n)[i], best);
            }
            free(z);
            free(canvas);
            kv_cache_free(cache);
            session_free(n);
        }
    toy_close(&t);
}

/* A number added to a row of logits changes nothing but their rounding: below 24 it is at most
 * 2^-20, which moves a probability by twice that and an entropy by log V + 1 times as much; once
 * more for the kernel's own.  Ids in another order are chosen in that order. */
static void choices_know_neither_level_nor_names(void **state)
{
    enum { ROWS = 40, V = 101 };
    static float logits[3][ROWS * V];
    static struct row_stat stat[3][ROWS];
    static struct row_key keys[ROWS];
    struct kernels *k;
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    struct choice_rule rule = {.n_ids = V, .mask_id = -1};
    OK(kernels_open(&config, &k));
    for (int32_t i = 0; i < ROWS * V; i++) {
        int32_t row = i / V, id = i % V;
        float z = (float)((double)(mix64((uint64_t)i) >> 11) * 0x1p-49 - 8);
        logits[0][i] = z;
        logits[1][i] = z + 16;
        logits[2][row * V + 37 * id % V] = z;
    }
    for (int32_t way = 0; way < 3; way++)
        OK(kn_rowstat(k, stat[way], tensor_2d(logits[way], DTYPE_F32, ROLE_LOGITS, ROWS, V), keys,
                      &rule));
    for (int32_t way = 1; way < 3; way++)
        for (int32_t i = 0; i < ROWS; i++) {
            const struct row_stat *a = &stat[0][i], *b = &stat[way][i];
            assert_int_equal(b->id, way == 1 ? a->id : 37 * a->id % V);
            assert_true(fabs((double)(a->confidence - b->confidence)) < 0x1p-18);
            assert_true(fabs((double)(a->p_first - b->p_first)) < 0x1p-18);
            assert_true(fabs((double)(a->p_second - b->p_second)) < 0x1p-18);
            assert_true(fabs((double)(a->entropy_nats - b->entropy_nats)) < 6 * 0x1p-18);
        }
    kernels_close(k);
}

/* ---- time ---- */

/* Masks left at one time of one decode are Binomial(n, mask rate): ancestral, and ReMDM that masks
 * nothing again, which is another sampler of the same law.  Chi-square of at most 8 degrees of
 * freedom is above 44 less than once in 1.7 million tests. */
static void masks_left_are_binomial(void **state)
{
    enum { L = 8, AT = 3, STEPS = 8, BLOCKS = 6000 };
    static const double choose[L + 1] = {1, 8, 28, 56, 70, 56, 28, 8, 1};
    struct model_config c = {.n_ids = 50, .mask_id = 99};
    struct unmask u;
    OK(unmask_create(&u, L));
    for (int32_t which = 0; which < 2; which++)
        for (enum schedule sch = SCHEDULE_LINEAR; sch <= SCHEDULE_COSINE; sch++) {
            struct decode_spec s = {.steps = STEPS, .seed = 5, .schedule = sch, .informed = true};
            double time = 1 - (double)AT / STEPS, chi = 0;
            double rate = sch == SCHEDULE_LINEAR ? time : sin(M_PI / 2 * time);
            int32_t seen[L + 1] = {0};
            s.strategy = which ? STRATEGY_REMDM_CAP : STRATEGY_ANCESTRAL;
            for (uint32_t request = 0; request < BLOCKS; request++) {
                int32_t tokens[L], left = L;
                struct row_stat stat[L];
                for (int32_t i = 0; i < L; i++) {
                    tokens[i] = c.mask_id;
                    stat[i] = (struct row_stat){.id = 1};
                }
                unmask_start(&u, &s, request, 0, tokens, 0, L, &c);
                while (!unmask_done(&u)) {
                    /* A forward's step of time: ReMDM knows it, ancestral's are the reveals'. */
                    int32_t tick = u.step;
                    unmask_accept(&u, stat, tokens);
                    if (!which)
                        tick = schedule_step_of(
                            sch, schedule_reveal_time(s.seed, request, (uint32_t)u.revealed[0]),
                            STEPS);
                    if (tick < AT) left -= u.n_revealed;
                }
                seen[left]++;
            }
            double want = 0, got = 0; /* of neighbours together until 5 are expected */
            for (int32_t i = 0; i <= L; i++) {
                want += BLOCKS * choose[i] * pow(rate, i) * pow(1 - rate, L - i);
                got += seen[i];
                if (want < 5) continue;
                chi += (got - want) * (got - want) / want;
                want = got = 0;
            }
            assert_true(want == 0); /* the last count is a common one */
            if (chi > 44) fail_msg("%s: chi-square %g", strategy_of(s.strategy)->name, chi);
        }
    unmask_free(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dials_end_in_one_token_and_in_all),
        cmocka_unit_test(one_from_the_left_is_the_order_of_ar),
        cmocka_unit_test(permuted_symbols_give_permuted_tokens),
        cmocka_unit_test(one_step_is_the_argmax_of_one_forward),
        cmocka_unit_test(choices_know_neither_level_nor_names),
        cmocka_unit_test(masks_left_are_binomial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
