/* test_eos.c - sequences that end before they have n-gen tokens: what is counted as waste, and what
 * is not computed where a sequence stops. */
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

enum { BATCH = 3, PROMPT = 6, GEN = 18, LENGTH = PROMPT + GEN, BLOCK = 6, NEVER = GEN };

/* One ends in the middle of the first block, one with the last token of the second, one never. */
static const int32_t ends[BATCH] = {2, 11, NEVER};

static const struct variant {
    const char *decoder;
    int32_t block; /* 0: one of everything */
    enum commit_policy commit;
    enum cache_policy cache;
    enum head_policy head;
} variants[] = {
    {"ar", 0, COMMIT_SEPARATE, CACHE_NONE, HEAD_DEFAULT},
    {"ar-verify", 0, COMMIT_SEPARATE, CACHE_NONE, HEAD_DEFAULT},
    {"block", BLOCK, COMMIT_SEPARATE, CACHE_NONE, HEAD_SAME},
    {"block", BLOCK, COMMIT_SEPARATE, CACHE_NONE, HEAD_SHIFTED},
    {"block", BLOCK, COMMIT_FUSED, CACHE_NONE, HEAD_SAME},
    {"block", BLOCK, COMMIT_CAUSAL, CACHE_NONE, HEAD_SHIFTED},
    {"diffusion", BLOCK, COMMIT_SEPARATE, CACHE_NONE, HEAD_SAME},
    {"diffusion", BLOCK, COMMIT_SEPARATE, CACHE_DUAL, HEAD_SHIFTED},
    {"diffusion", BLOCK, COMMIT_SEPARATE, CACHE_DKV, HEAD_SAME},
    {"diffusion", 0, COMMIT_SEPARATE, CACHE_NONE, HEAD_SAME},
};
enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

static struct decode_spec spec_of(const struct variant *v)
{
    return (struct decode_spec){.batch = BATCH,
                                .n_prompt = PROMPT,
                                .n_gen = GEN,
                                .block_length = v->block,
                                .steps = 3,
                                .head = v->head,
                                .cache = v->cache,
                                .commit = v->commit,
                                .draft_tokens = 4,
                                .acceptance = 0.7f,
                                .temperature = 0.8f,
                                .seed = 5};
}

struct decoded {
    int32_t tokens[BATCH * LENGTH];
    int64_t forwards, seqs, committed, past, useful;
    struct ledger ledger;
};

static void decode(struct toy *t, const char *decoder, const struct decode_spec *s,
                   struct decoded *out)
{
    struct session *n;
    memset(out, 0, sizeof *out);
    OK(decoder_find(decoder)->check(s, &t->config));
    OK(session_create(t->model, decoder_find(decoder), s, DTYPE_F32, &n));
    while (!session_done(n)) {
        struct step_work w;
        ledger_clear(kernels_ledger(t->k));
        OK(session_step(n, &w));
        ledger_merge(&out->ledger, kernels_ledger(t->k));
        out->forwards++;
        out->seqs += w.seqs;
        out->committed += w.tokens_committed;
        out->useful += w.flop_useful;
        assert_int_equal(w.tokens_past_eos < 0, s->eos == NULL);
        out->past += s->eos ? w.tokens_past_eos : 0;
    }
    memcpy(out->tokens, session_tokens(n), sizeof out->tokens);
    session_free(n);
}

/* Tokens 3, 12 and 18 are wanted. */
enum { WANTED = 3 + 12 + 18 };

static int64_t useful_of(const struct toy *t)
{
    int64_t sum = 0;
    for (int32_t b = 0; b < BATCH; b++)
        for (int32_t i = 0; i < GEN && i <= ends[b]; i++)
            sum += token_useful_flop(&t->config, PROMPT + i);
    return sum;
}

/* Going on changes nothing but what is called a token.  Stopping changes no token that is wanted:
 * what is not computed comes after it, or is another sequence's. */
static void tokens_are_those_of_a_decode_that_goes_on(void **state)
{
    static struct decoded plain, on, stopped;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int32_t i = 0; i < N_VARIANTS; i++) {
        const struct variant *v = &variants[i];
        struct decode_spec s = spec_of(v);
        decode(&t, v->decoder, &s, &plain);
        assert_int_equal(plain.committed, BATCH * GEN);
        s.eos = ends;
        decode(&t, v->decoder, &s, &on);
        assert_memory_equal(plain.tokens, on.tokens, sizeof plain.tokens);
        assert_memory_equal(&plain.ledger, &on.ledger, sizeof on.ledger);
        assert_int_equal(on.forwards, plain.forwards);
        assert_int_equal(on.committed, WANTED);
        assert_int_equal(on.past, BATCH * GEN - WANTED);
        assert_int_equal(on.useful, useful_of(&t));

        s.on_eos = EOS_STOP;
        decode(&t, v->decoder, &s, &stopped);
        assert_int_equal(stopped.committed, WANTED);
        assert_int_equal(stopped.useful, useful_of(&t));
        for (int32_t b = 0; b < BATCH; b++)
            for (int32_t k = 0; k < PROMPT + GEN && k <= PROMPT + ends[b]; k++)
                assert_int_equal(stopped.tokens[b * LENGTH + k], plain.tokens[b * LENGTH + k]);
        /* Waste is what is left of the block in which a sequence ends. */
        bool denoises = strcmp(v->decoder, "block") == 0 || strcmp(v->decoder, "diffusion") == 0;
        if (v->block)
            assert_int_equal(stopped.past, 3);
        else
            assert_int_equal(stopped.past, denoises ? on.past : 0);
        if (v->block || !denoises)
            assert_true(stopped.seqs < on.seqs);
        else
            assert_int_equal(stopped.seqs, on.seqs);
    }
    toy_close(&t);
}

/* Sequence by sequence: how many forwards it is in.  Of AR a prefill, then one for each token but
 * the first; of blocks of six, three denoises and a commit for each that it begins. */
static void sequences_leave_when_they_have_ended(void **state)
{
    static struct decoded d;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct decode_spec s = spec_of(&variants[0]);
    s.eos = ends;
    s.on_eos = EOS_STOP;
    decode(&t, "ar", &s, &d);
    assert_int_equal(d.forwards, 18);
    assert_int_equal(d.seqs, WANTED);
    s = spec_of(&variants[2]);
    s.eos = ends;
    s.on_eos = EOS_STOP;
    decode(&t, "block", &s, &d);
    assert_int_equal(d.forwards, 1 + 3 * 4);
    assert_int_equal(d.seqs, 3 + 4 * (1 + 2 + 3));
    /* When all have ended there is nothing left to do. */
    static const int32_t early[BATCH] = {2, 0, 5};
    s.eos = early;
    decode(&t, "block", &s, &d);
    assert_int_equal(d.forwards, 1 + 4);
    s.commit = COMMIT_FUSED;
    decode(&t, "block", &s, &d);
    assert_int_equal(d.forwards, 1 + 4);
    s = spec_of(&variants[6]);
    s.eos = early;
    s.on_eos = EOS_STOP;
    decode(&t, "diffusion", &s, &d);
    assert_int_equal(d.forwards, 3);
    decode(&t, "ar", &s, &d);
    assert_int_equal(d.forwards, 6);
    toy_close(&t);
}

/* A plan that is told the ends counts what the run does. */
static void a_plan_counts_what_is_left(void **state)
{
    static struct decoded d;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct plan *p = malloc(sizeof *p);
    struct plan_target target = {.traffic = kernels_traffic(t.k), .activation_dtype = DTYPE_F32};
    for (int32_t i = 0; i < N_VARIANTS; i++)
        for (int stops = 0; stops < 2; stops++) {
            struct cell c = {.dtype = DTYPE_BF16, .kv_dtype = DTYPE_F32};
            int64_t forwards = 0, committed = 0, past = 0;
            struct ledger sum = {0};
            snprintf(c.model, sizeof c.model, "tiny-test");
            snprintf(c.decoder, sizeof c.decoder, "%s", variants[i].decoder);
            c.spec = spec_of(&variants[i]);
            c.spec.eos = ends;
            c.spec.on_eos = (enum eos_policy)stops;
            decode(&t, c.decoder, &c.spec, &d);
            OK(plan_cell(&c, &target, p));
            for (int ph = 0; ph < PHASE_COUNT; ph++) {
                forwards += p->phase[ph].forwards;
                committed += p->phase[ph].work.tokens_committed;
                if (p->phase[ph].work.tokens_past_eos > 0)
                    past += p->phase[ph].work.tokens_past_eos;
                ledger_merge(&sum, &p->phase[ph].ledger);
            }
            assert_int_equal(forwards, d.forwards);
            assert_int_equal(committed, d.committed);
            assert_int_equal(past, d.past);
            for (int op = 0; op < OP_COUNT; op++)
                assert_memory_equal(&sum.op[op].cost, &d.ledger.op[op].cost,
                                    sizeof sum.op[op].cost);
        }
    free(p);
    toy_close(&t);
}

/* A model of one's own: the same weights once without an end, and once with ids as ends that it is
 * known to say.  A session finds out where sequences end, and decodes what it is asked for. */
static void a_trained_model_says_where_it_ends(void **state)
{
    static struct decoded plain;
    struct toy t;
    toy_open(&t, "./tests/golden/qwen2", DTYPE_F32, 1);
    for (int32_t i = 0; i < N_VARIANTS; i++) {
        const struct variant *v = &variants[i];
        struct decode_spec s = spec_of(v);
        struct model_config c = t.config;
        struct model *ending;
        struct session *n;
        struct step_work w;
        int64_t committed = 0;
        s.informed = true;
        s.head = HEAD_SAME;
        if (strcmp(v->decoder, "ar-verify") == 0) s.draft_tokens = 2;
        t.config.n_eos = 0;
        struct decode_spec endless = s;
        static const int32_t never[BATCH] = {NEVER, NEVER, NEVER};
        endless.eos = never;
        decode(&t, v->decoder, &endless, &plain);
        /* Two ends: of the first sequence its fifth token, of the second its last. */
        c.n_eos = 2;
        c.eos[0] = plain.tokens[PROMPT + 4];
        c.eos[1] = plain.tokens[2 * LENGTH - 1];
        OK(model_create_checkpoint(t.k, &c, DTYPE_F32, &ending));
        s.on_eos = EOS_STOP;
        OK(decoder_find(v->decoder)->check(&s, &c));
        OK(session_create(ending, decoder_find(v->decoder), &s, DTYPE_F32, &n));
        int32_t wanted = 0;
        for (int32_t b = 0; b < BATCH; b++) {
            int32_t end = 0;
            const int32_t *row = plain.tokens + b * LENGTH + PROMPT;
            while (end < GEN && row[end] != c.eos[0] && row[end] != c.eos[1]) end++;
            assert_int_equal(session_eos(n)[b], end);
            wanted += end < GEN ? end + 1 : GEN;
        }
        assert_in_range(session_eos(n)[0], 0, 4);
        while (!session_done(n)) {
            OK(session_step(n, &w));
            committed += w.tokens_committed;
        }
        assert_int_equal(committed, wanted);
        for (int32_t b = 0; b < BATCH; b++)
            for (int32_t k = 0; k < GEN && k <= session_eos(n)[b]; k++)
                assert_int_equal(session_tokens(n)[b * LENGTH + PROMPT + k],
                                 plain.tokens[b * LENGTH + PROMPT + k]);
        session_free(n);
        model_free(ending);
    }
    toy_close(&t);
}

static void nothing_ends_where_nobody_says(void **state)
{
    struct model_config c;
    OK(model_preset("tiny-test", 0, &c));
    for (int32_t i = 0; i < N_VARIANTS; i++) {
        struct decode_spec s = spec_of(&variants[i]);
        const struct decoder_ops *ops = decoder_find(variants[i].decoder);
        s.on_eos = EOS_STOP;
        assert_int_equal(ops->check(&s, &c), ERR_USAGE);
        assert_non_null(strstr(err_msg(), "nothing says where sequences end"));
        s.informed = true; /* by a process, which never ends */
        assert_int_equal(ops->check(&s, &c), ERR_USAGE);
        c.n_eos = 1;
        OK(ops->check(&s, &c));
        c.n_eos = 0;
        s.eos = ends;
        OK(ops->check(&s, &c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_a_decode_that_goes_on),
        cmocka_unit_test(sequences_leave_when_they_have_ended),
        cmocka_unit_test(a_plan_counts_what_is_left),
        cmocka_unit_test(a_trained_model_says_where_it_ends),
        cmocka_unit_test(nothing_ends_where_nobody_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
