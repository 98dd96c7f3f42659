/* test_strategy_runs.c - whole decodes by every strategy: what a plan knows of them, what company
 * changes, and guidance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "diffusion/strategy.h"
#include "harness/app/decoders.h"
#include "harness/app/plan.h"
#include "harness/decode/session.h"
#include "tests/toy.h"

/* ---- whole decodes ---- */

static struct decode_spec decode_spec_of(int which, const char *decoder)
{
    bool block = strcmp(decoder, "block") == 0, noisy = strategy_of((enum strategy)which)->noisy;
    return (struct decode_spec){.batch = 3,
                                .n_prompt = 9,
                                .n_gen = 15,
                                .block_length = block ? 8 : noisy ? 0 : 5,
                                .steps = 3,
                                .seed = 5,
                                .eta = 0.2f,
                                .threshold = 0.02f,
                                .factor = 3,
                                .entropy_bound = 5,
                                .informed = true,
                                .temperature = 1,
                                .head = HEAD_SAME,
                                .guidance = which % 3 || noisy ? 0 : 0.5f,
                                .commit = which % 2 ? COMMIT_SEPARATE : COMMIT_CAUSAL,
                                .schedule = which % 2 ? SCHEDULE_COSINE : SCHEDULE_LINEAR,
                                .strategy = (enum strategy)which};
}

/* Decode; tokens to be freed, forwards and ledgers by phase. */
static int32_t *decode(struct toy *t, const char *decoder, const struct decode_spec *s,
                       int64_t forwards[PHASE_COUNT], struct ledger sum[PHASE_COUNT])
{
    struct session *n;
    int64_t committed = 0;
    size_t count = (size_t)s->batch * 24;
    assert_int_equal(decoder_find(decoder)->check(s, &t->config), ERR_NONE);
    assert_int_equal(session_create(t->model, decoder_find(decoder), s, DTYPE_F32, &n), ERR_NONE);
    memset(forwards, 0, PHASE_COUNT * sizeof *forwards);
    memset(sum, 0, PHASE_COUNT * sizeof *sum);
    while (!session_done(n)) {
        struct step_work w;
        ledger_clear(kernels_ledger(t->k));
        assert_int_equal(session_step(n, &w), ERR_NONE);
        ledger_merge(&sum[w.phase], kernels_ledger(t->k));
        forwards[w.phase]++;
        committed += w.tokens_committed;
        assert_true(w.seqs >= 1 && w.seqs <= s->batch);
    }
    assert_int_equal(committed, (int64_t)s->batch * s->n_gen);
    int32_t *tokens = malloc(count * sizeof *tokens);
    memcpy(tokens, session_tokens(n), count * sizeof *tokens);
    for (size_t i = 0; i < count; i++)
        assert_true(tokens[i] >= 0 && tokens[i] < t->config.n_ids &&
                    tokens[i] != t->config.mask_id);
    session_free(n);
    return tokens;
}

static const char *const denoisers[] = {"diffusion", "block"};

/* What a strategy needs without looking at logits, a plan knows to the last byte. */
static void plans_count_what_runs_do(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct plan *p = malloc(sizeof *p);
    struct ledger *sum = malloc(PHASE_COUNT * sizeof *sum);
    int64_t forwards[PHASE_COUNT];
    struct plan_target target = {.traffic = kernels_traffic(t.k), .activation_dtype = DTYPE_F32};
    for (int which = 0; which < STRATEGY_COUNT; which++)
        for (int d = 0; d < 2; d++) {
            if (strategy_of((enum strategy)which)->adaptive) continue;
            struct cell c = {.dtype = DTYPE_BF16,
                             .kv_dtype = DTYPE_F32,
                             .spec = decode_spec_of(which, denoisers[d])};
            strcpy(c.model, "tiny-test");
            strcpy(c.decoder, denoisers[d]);
            assert_int_equal(plan_cell(&c, &target, p), ERR_NONE);
            free(decode(&t, denoisers[d], &c.spec, forwards, sum));
            for (int ph = 0; ph < PHASE_COUNT; ph++) {
                assert_int_equal(forwards[ph], p->phase[ph].forwards);
                for (int op = 0; op < OP_COUNT; op++)
                    assert_memory_equal(&sum[ph].op[op].cost, &p->phase[ph].ledger.op[op].cost,
                                        sizeof sum[ph].op[op].cost);
            }
        }
    free(p);
    free(sum);
    toy_close(&t);
}

/* A sequence gets the same tokens alone as in company, whatever the strategy. */
static void company_changes_no_choice(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct ledger *sum = malloc(PHASE_COUNT * sizeof *sum);
    int64_t forwards[PHASE_COUNT];
    for (int which = 0; which < STRATEGY_COUNT; which++)
        for (int d = 0; d < 2; d++) {
            struct decode_spec s = decode_spec_of(which, denoisers[d]);
            int32_t *three = decode(&t, denoisers[d], &s, forwards, sum);
            s.batch = 1;
            int32_t *alone = decode(&t, denoisers[d], &s, forwards, sum);
            assert_memory_equal(three, alone, 24 * sizeof *alone);
            free(three);
            free(alone);
        }
    free(sum);
    toy_close(&t);
}

/* ---- guidance ---- */

/* The logits of one sequence alone, with and without its prompt, put together by hand, choose
 * what a guided decode chooses.  One block of everything in one step. */
static void guidance_leads_away_from_the_unprompted(void **state)
{
    enum { PROMPT = 6, GEN = 8, LEN = PROMPT + GEN };
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct kv_cache *cache = toy_cache(&t, 1, LEN);
    struct decode_spec s = {.batch = 2,
                            .n_prompt = PROMPT,
                            .n_gen = GEN,
                            .steps = 1,
                            .seed = 5,
                            .head = HEAD_SAME,
                            .guidance = 1.5f};
    int32_t *canvas;
    assert_int_equal(canvas_create(&s, &t.config, &canvas), ERR_NONE);
    struct session *n;
    struct step_work w;
    assert_int_equal(session_create(t.model, decoder_find("diffusion"), &s, DTYPE_F32, &n),
                     ERR_NONE);
    assert_int_equal(session_step(n, &w), ERR_NONE);
    assert_true(session_done(n));
    assert_int_equal(w.rows, 2 * 2 * LEN);
    assert_int_equal(w.logit_rows, 2 * 2 * GEN);
    assert_int_equal(w.seqs, 2);
    for (int32_t b = 0; b < 2; b++) {
        int32_t tokens[LEN], v = t.config.n_vocab;
        memcpy(tokens, canvas + b * LEN, sizeof tokens);
        float *z = toy_rows(&t, cache, 0, tokens, 0, LEN, MASK_FULL, 0, false);
        for (int32_t i = 0; i < PROMPT; i++) tokens[i] = t.config.mask_id;
        float *u = toy_rows(&t, cache, 0, tokens, 0, LEN, MASK_FULL, 0, false);
        for (int32_t i = PROMPT; i < LEN; i++) {
            int32_t best = -1;
            float most = 0;
            for (int32_t id = 0; id < t.config.n_ids; id++) {
                volatile float apart = z[i * v + id] - u[i * v + id], scaled = 2.5f * apart;
                float g = u[i * v + id] + scaled;
                if (id != t.config.mask_id && (best < 0 || g > most)) {
                    best = id;
                    most = g;
                }
            }
            assert_int_equal(session_tokens(n)[b * LEN + i], best);
        }
        free(z);
        free(u);
    }
    session_free(n);
    kv_cache_free(cache);
    free(canvas);
    toy_close(&t);
}

/* Without a prompt both passes are the same; no guidance is none.  A replayed guided forward is
 * the same forward. */
static void guidance_of_nothing_is_none(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct ledger *sum = malloc(PHASE_COUNT * sizeof *sum);
    int64_t forwards[PHASE_COUNT];
    for (int d = 0; d < 2; d++) {
        struct decode_spec s = decode_spec_of(STRATEGY_RANDOM, denoisers[d]);
        s.n_prompt = 0;
        s.n_gen = 24;
        s.block_length = 8;
        s.temperature = 0;
        int32_t *plain = decode(&t, denoisers[d], &s, forwards, sum);
        s.guidance = 3;
        int32_t *guided = decode(&t, denoisers[d], &s, forwards, sum);
        assert_memory_equal(plain, guided, 3 * 24 * sizeof *plain);
        free(plain);
        free(guided);
        s.n_prompt = 9;
        s.n_gen = 15;
        if (d == 0) s.block_length = 5;
        free(decode(&t, denoisers[d], &s, forwards, sum));

        struct session *n;
        struct recording *r;
        struct step_work first, again;
        assert_int_equal(session_create(t.model, decoder_find(denoisers[d]), &s, DTYPE_F32, &n),
                         ERR_NONE);
        for (int k = 0; k < 3; k++) assert_int_equal(session_step(n, &first), ERR_NONE);
        assert_int_equal(session_record_next(n, &r), ERR_NONE);
        assert_int_equal(session_step(n, &first), ERR_NONE);
        while (!session_done(n)) assert_int_equal(session_step(n, &again), ERR_NONE);
        assert_int_equal(session_replay(n, r, &again), ERR_NONE);
        assert_int_equal(again.rows, first.rows);
        assert_int_equal(again.logit_rows, first.logit_rows);
        session_free(n);
    }
    free(sum);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_count_what_runs_do),
        cmocka_unit_test(company_changes_no_choice),
        cmocka_unit_test(guidance_leads_away_from_the_unprompted),
        cmocka_unit_test(guidance_of_nothing_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
