/* test_decoders.c - the policies: what they commit, in how many forwards, and what AR and
 * diffusion decoders must have in common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/app/plan.h"
#include "harness/decode/session.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

static struct decode_spec spec(int32_t batch, int32_t n_prompt, int32_t n_gen, int32_t block,
                               int32_t steps)
{
    return (struct decode_spec){.batch = batch,
                                .n_prompt = n_prompt,
                                .n_gen = n_gen,
                                .block_length = block,
                                .steps = steps,
                                .seed = 5,
                                .draft_tokens = 3,
                                .acceptance = 0.6f,
                                .head = HEAD_SAME};
}

/* Decode to the end; tokens (to be freed) and forwards by phase. */
static int32_t *decode(struct toy *t, const char *decoder, const struct decode_spec *s,
                       int32_t forwards[PHASE_COUNT])
{
    struct session *n;
    size_t count = (size_t)s->batch * (size_t)(s->n_prompt + s->n_gen);
    int64_t committed = 0;
    const struct decoder_ops *ops = decoder_find(decoder);
    OK(ops->check(s, &t->config));
    OK(session_create(t->model, ops, s, DTYPE_F32, &n));
    if (forwards) memset(forwards, 0, PHASE_COUNT * sizeof *forwards);
    while (!session_done(n)) {
        struct step_work w;
        OK(session_step(n, &w));
        if (forwards) forwards[w.phase]++;
        committed += w.tokens_committed;
    }
    assert_int_equal(committed, (int64_t)s->batch * s->n_gen);
    int32_t *tokens = malloc(count * sizeof *tokens);
    assert_non_null(tokens);
    memcpy(tokens, session_tokens(n), count * sizeof *tokens);
    for (size_t i = 0; i < count; i++) {
        assert_true(tokens[i] >= 0 && tokens[i] < t->config.n_ids);
        assert_int_not_equal(tokens[i], t->config.mask_id);
    }
    session_free(n);
    return tokens;
}

/* Every decoder, and every cache of those that have one. */
static const struct variant {
    const char *decoder;
    enum cache_policy cache;
} variants[] = {{"ar", CACHE_NONE},        {"diffusion", CACHE_NONE},   {"block", CACHE_NONE},
                {"ar-verify", CACHE_NONE}, {"diffusion", CACHE_PREFIX}, {"diffusion", CACHE_DUAL}};
enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

static void assert_same(const int32_t *a, const int32_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) fail_msg("token %zu: %d and %d", i, a[i], b[i]);
}

static void forwards_follow_the_schedule(void **state)
{
    struct toy t;
    int32_t n[PHASE_COUNT];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);

    struct decode_spec s = spec(2, 9, 12, 0, 0);
    free(decode(&t, "ar", &s, n));
    assert_int_equal(n[PHASE_PREFILL], 1);
    assert_int_equal(n[PHASE_DECODE], 11);

    s = spec(2, 9, 12, 0, 5);
    free(decode(&t, "diffusion", &s, n));
    assert_int_equal(n[PHASE_PREFILL], 0);
    assert_int_equal(n[PHASE_DENOISE], 5);
    s = spec(2, 9, 12, 4, 3);
    free(decode(&t, "diffusion", &s, n));
    assert_int_equal(n[PHASE_DENOISE], 3 * 3);

    /* Prompt 9 in blocks of 4: two are complete, the third starts with one given token and has
     * 3 masks, so it takes 3 of the 4 steps; then 2 more blocks of 4. */
    s = spec(2, 9, 11, 4, 4);
    free(decode(&t, "block", &s, n));
    assert_int_equal(n[PHASE_PREFILL], 1);
    assert_int_equal(n[PHASE_DENOISE], 3 + 4 + 4);
    assert_int_equal(n[PHASE_COMMIT], 3);
    /* No complete block in the prompt: no prefill. */
    s = spec(2, 3, 5, 4, 4);
    free(decode(&t, "block", &s, n));
    assert_int_equal(n[PHASE_PREFILL], 0);
    assert_int_equal(n[PHASE_DENOISE], 1 + 4);
    assert_int_equal(n[PHASE_COMMIT], 2);
    toy_close(&t);
}

/* The strongest check between the families: blocks of one position, a head that predicts the
 * next one, and the commit that keeps it, are greedy AR decoding. */
static void blocks_of_one_are_greedy_ar(void **state)
{
    struct toy t;
    int32_t ar_n[PHASE_COUNT], block_n[PHASE_COUNT];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int32_t batch = 1; batch <= 3; batch += 2) {
        struct decode_spec s = spec(batch, 11, 40, 1, 1);
        s.head = HEAD_SHIFTED;
        int32_t *a = decode(&t, "ar", &s, ar_n), *b = decode(&t, "block", &s, block_n);
        assert_same(a, b, (size_t)batch * 51);
        assert_int_equal(block_n[PHASE_PREFILL], 1);
        assert_int_equal(block_n[PHASE_DENOISE], 0);
        assert_int_equal(block_n[PHASE_COMMIT], 40); /* the last commit gives no token */
        assert_int_equal(ar_n[PHASE_DECODE], 39);
        free(a);
        free(b);
    }
    toy_close(&t);
}

/* One block as long as the sequence sees and does what full-sequence diffusion does. */
static void one_block_is_full_sequence(void **state)
{
    struct toy t;
    int32_t n[PHASE_COUNT];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (enum strategy st = STRATEGY_RANDOM; st <= STRATEGY_SEQUENTIAL; st++) {
        struct decode_spec s = spec(2, 0, 24, 24, 7), f = spec(2, 0, 24, 0, 7);
        s.strategy = f.strategy = st;
        int32_t *b = decode(&t, "block", &s, n);
        assert_int_equal(n[PHASE_COMMIT], 1);
        int32_t *d = decode(&t, "diffusion", &f, n);
        assert_int_equal(n[PHASE_DENOISE], 7);
        assert_same(b, d, 2 * 24);
        free(b);
        free(d);
    }
    toy_close(&t);
}

static void one_semi_ar_block_is_no_block(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct decode_spec s = spec(2, 10, 16, 16, 5), f = spec(2, 10, 16, 0, 5);
    int32_t *a = decode(&t, "diffusion", &s, NULL), *b = decode(&t, "diffusion", &f, NULL);
    assert_same(a, b, 2 * 26);
    free(a);
    free(b);
    toy_close(&t);
}

/* Asking for more logits than are needed must not change what is chosen. */
static void all_logits_choose_the_same(void **state)
{
    static const char *const decoders[] = {"diffusion", "block"};
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int32_t i = 0; i < 2; i++)
        for (enum head_policy head = HEAD_SAME; head <= HEAD_SHIFTED; head++) {
            struct decode_spec s = spec(2, 6, 18, 8, 3);
            if (i == 0) s.n_gen = 16;
            s.head = head;
            int32_t *a = decode(&t, decoders[i], &s, NULL);
            s.logits = LOGITS_ALL;
            int32_t *b = decode(&t, decoders[i], &s, NULL);
            assert_same(a, b, 2 * (size_t)(s.n_prompt + s.n_gen));
            free(a);
            free(b);
        }
    toy_close(&t);
}

/* Sequence 0 gets the same tokens alone as in any company, sampled ones included. */
static void company_changes_nothing(void **state)
{
    static const char *const decoders[] = {"ar", "diffusion", "block", "ar-verify"};
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int32_t i = 0; i < 4; i++)
        for (int32_t warm = 0; warm < 2; warm++)
            for (enum batch_policy policy = BATCH_LOCKSTEP; policy <= BATCH_RAGGED; policy++) {
                struct decode_spec s = spec(1, 8, 16, 8, 6);
                s.temperature = warm ? 0.8f : 0;
                s.batch_policy = policy;
                int32_t *a = decode(&t, decoders[i], &s, NULL);
                s.batch = 5;
                int32_t *b = decode(&t, decoders[i], &s, NULL);
                assert_same(a, b, 24);
                assert_true(memcmp(b, b + 24, 24 * sizeof *b) != 0); /* prompts are distinct */
                free(a);
                free(b);
            }
    toy_close(&t);
}

static void threads_change_nothing(void **state)
{
    struct toy one, three;
    toy_open(&one, "tiny-test", DTYPE_BF16, 1);
    toy_open(&three, "tiny-test", DTYPE_BF16, 3);
    struct decode_spec s = spec(2, 8, 16, 8, 4);
    s.temperature = 1;
    int32_t *a = decode(&one, "block", &s, NULL), *b = decode(&three, "block", &s, NULL);
    assert_same(a, b, 2 * 24);
    free(a);
    free(b);
    toy_close(&one);
    toy_close(&three);
}

static void temperature_samples(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct decode_spec s = spec(1, 8, 32, 0, 0);
    int32_t *greedy = decode(&t, "ar", &s, NULL);
    s.temperature = 1e-6f;
    int32_t *cold = decode(&t, "ar", &s, NULL);
    s.temperature = 1;
    int32_t *warm = decode(&t, "ar", &s, NULL);
    s.seed = 6;
    assert_same(greedy, cold, 40); /* the limit is greedy */
    assert_true(memcmp(greedy, warm, 40 * sizeof *warm) != 0);
    free(greedy);
    free(cold);
    free(warm);
    toy_close(&t);
}

static void ragged_sequences_stop_when_done(void **state)
{
    struct toy t;
    int32_t n[PHASE_COUNT];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct decode_spec s = spec(4, 8, 24, 8, 8);
    s.batch_policy = BATCH_RAGGED;
    free(decode(&t, "block", &s, n));
    assert_true(n[PHASE_DENOISE] >= 3 && n[PHASE_DENOISE] <= 24);
    assert_int_equal(n[PHASE_COMMIT], 3);
    toy_close(&t);
}

/* Counting with one layer and multiplying is counting every layer: the backend that computes
 * runs them all. */
static void planned_counts_are_the_counts_of_a_run(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct plan *p = malloc(sizeof *p);
    assert_non_null(p);
    for (int32_t i = 0; i < N_VARIANTS; i++) {
        struct cell c = {.dtype = DTYPE_BF16, .kv_dtype = DTYPE_F32, .spec = spec(2, 9, 15, 8, 3)};
        if (strcmp(variants[i].decoder, "diffusion") == 0) c.spec.block_length = 5;
        c.spec.cache = variants[i].cache;
        snprintf(c.model, sizeof c.model, "tiny-test");
        snprintf(c.decoder, sizeof c.decoder, "%s", variants[i].decoder);
        struct plan_target target = {.traffic = kernels_traffic(t.k),
                                     .activation_dtype = DTYPE_F32};
        OK(plan_cell(&c, &target, p));

        struct ledger sum[PHASE_COUNT] = {0};
        int32_t step = 0;
        struct session *n;
        OK(session_create(t.model, decoder_find(c.decoder), &c.spec, c.kv_dtype, &n));
        while (!session_done(n)) {
            struct step_work w;
            ledger_clear(kernels_ledger(t.k));
            OK(session_step(n, &w));
            ledger_merge(&sum[w.phase], kernels_ledger(t.k));
            step++;
        }
        session_free(n);
        for (int ph = 0; ph < PHASE_COUNT; ph++)
            for (int op = 0; op < OP_COUNT; op++) {
                const struct ledger_entry *a = &sum[ph].op[op], *b = &p->phase[ph].ledger.op[op];
                assert_int_equal(a->calls, b->calls);
                assert_memory_equal(&a->cost, &b->cost, sizeof a->cost);
            }
        assert_true(step > 0);
    }
    free(p);
    toy_close(&t);
}

/* A recorded forward does the same work again, also after the decode has gone on. */
static void a_replay_is_the_same_forward(void **state)
{
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int32_t i = 0; i < N_VARIANTS; i++) {
        struct decode_spec s = spec(2, 8, 16, 8, 3);
        s.cache = variants[i].cache;
        struct session *n;
        struct recording *r[64];
        struct ledger want[64];
        struct step_work work[64], again;
        int32_t steps = 0;
        OK(session_create(t.model, decoder_find(variants[i].decoder), &s, DTYPE_F32, &n));
        while (!session_done(n)) {
            OK(session_record_next(n, &r[steps]));
            ledger_clear(kernels_ledger(t.k));
            OK(session_step(n, &work[steps]));
            want[steps++] = *kernels_ledger(t.k);
        }
        int32_t *tokens = malloc(2 * 24 * sizeof *tokens);
        memcpy(tokens, session_tokens(n), 2 * 24 * sizeof *tokens);
        for (int32_t k = steps - 1; k >= 0; k--) {
            ledger_clear(kernels_ledger(t.k));
            OK(session_replay(n, r[k], &again));
            assert_int_equal(again.phase, work[k].phase);
            assert_int_equal(again.rows, work[k].rows);
            assert_int_equal(again.logit_rows, work[k].logit_rows);
            assert_memory_equal(&want[k], kernels_ledger(t.k), sizeof want[k]);
        }
        assert_same(tokens, session_tokens(n), 2 * 24); /* nothing was accepted */
        OK(session_restart(n));
        struct step_work w;
        while (!session_done(n)) OK(session_step(n, &w));
        assert_same(tokens, session_tokens(n), 2 * 24); /* a restart starts over */
        free(tokens);
        session_free(n);
    }
    toy_close(&t);
}

static void refused(const char *decoder, struct decode_spec s, const char *words)
{
    struct model_config c;
    OK(model_preset("tiny-test", 0, &c));
    assert_int_equal(decoder_find(decoder)->check(&s, &c), ERR_USAGE);
    if (!strstr(err_msg(), words)) fail_msg("\"%s\" does not say \"%s\"", err_msg(), words);
}

static void impossible_specs_are_refused(void **state)
{
    refused("ar", spec(1, 0, 4, 0, 0), "empty prompt");
    refused("ar", spec(0, 4, 4, 0, 0), "batch 0");
    refused("ar", spec(1, 500, 13, 0, 0), "512 positions");
    refused("block", spec(1, 8, 9, 8, 4), "not a multiple of block-length 8");
    refused("block", spec(1, 8, 8, 8, 0), "steps 0");
    refused("diffusion", spec(1, 8, 9, 8, 4), "not a multiple of block-length 8");
    struct decode_spec s = spec(1, 0, 8, 8, 4);
    s.head = HEAD_SHIFTED;
    refused("block", s, "shifted head");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwards_follow_the_schedule),
        cmocka_unit_test(blocks_of_one_are_greedy_ar),
        cmocka_unit_test(one_block_is_full_sequence),
        cmocka_unit_test(one_semi_ar_block_is_no_block),
        cmocka_unit_test(all_logits_choose_the_same),
        cmocka_unit_test(company_changes_nothing),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(temperature_samples),
        cmocka_unit_test(ragged_sequences_stop_when_done),
        cmocka_unit_test(planned_counts_are_the_counts_of_a_run),
        cmocka_unit_test(a_replay_is_the_same_forward),
        cmocka_unit_test(impossible_specs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
