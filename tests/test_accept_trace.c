/* test_accept_trace.c - which drafts were right, from a commit trace: a replay is the decode, its
 * forwards are those that the file says, and what is no such decode is refused with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ar_baseline/ar.h"
#include "ar_baseline/ar_verify.h"
#include "harness/app/plan.h"
#include "tests/traced.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { PROMPT = 9, GEN = 30, LENGTH = PROMPT + GEN, BATCH = 3 };

/* Drawn at one rate and written down; replayed under another and with more drafts asked for. */
static void a_replay_is_the_decode(void **state)
{
    static const char *const drafts[] = {"none", "ngram", "tiny-25m"};
    static struct traced ar, first, again;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int i = 0; i < 6; i++) {
        struct decode_spec s = {.batch = BATCH,
                                .n_prompt = PROMPT,
                                .n_gen = GEN,
                                .draft_tokens = 4,
                                .acceptance = 0.7f,
                                .draft_layers = 1,
                                .temperature = i % 2 ? 0.8f : 0,
                                .seed = 7};
        strcpy(s.draft, drafts[i / 2]);
        traced_decode(&t, &decoder_ar, &s, &ar);
        traced_decode(&t, &decoder_ar_verify, &s, &first);
        struct commit_trace *trace = traced_parse(first.text);
        s.trace = trace;
        s.acceptance = 0;
        traced_decode(&t, &decoder_ar_verify, &s, &again);
        traced_same(&first, &again, &s);
        assert_memory_equal(first.tokens, ar.tokens, BATCH * LENGTH * sizeof *ar.tokens);
        traced_free(&ar);
        traced_free(&first);
        traced_free(&again);
        commit_trace_free(trace);
    }
    toy_close(&t);
}

/* Eight tokens of two requests, up to three drafts.  Request 0: 1, then 4 (3 right), 1, 2; request
 * 1: 1, then 1, 1, 2, 3, the last forward with 2 drafts because only 3 tokens are left. */
static void a_plan_follows_the_trace(void **state)
{
    static const char text[] = LINE(0, 0, "prefill", "[0]") LINE(1, 0, "prefill", "[0]")
        LINE(0, 1, "verify", "[4,3,2,1]") LINE(1, 1, "draft", "[]") LINE(1, 2, "verify", "[1]")
            LINE(0, 2, "verify", "[5]") LINE(1, 3, "verify", "[2]")
                LINE(1, 4, "verify", "[3,4]") "{\"request\":0,\"forward\":3,\"phase\":\"verify\","
                                              "\"committed\":[6,7],\"eos\":6}\n"
                                              "{\"request\":1,\"forward\":5,\"phase\":\"verify\","
                                              "\"committed\":[5,6,7],\"eos\":7}\n";
    struct commit_trace *trace = traced_parse(text);
    struct plan *p = malloc(sizeof *p);
    struct plan_target target;
    struct cell c = {.model = "tiny-test",
                     .decoder = "ar-verify",
                     .kv_dtype = DTYPE_BF16,
                     .spec = {.batch = 2, .n_prompt = 6, .n_gen = 8, .draft_tokens = 3, .seed = 1}};
    c.spec.trace = trace;
    OK(plan_target_sim("sim:a100-80gb", c.dtype, 0, &target));
    OK(plan_cell(&c, &target, p));
    const struct step_work *w = &p->phase[PHASE_VERIFY].work;
    assert_int_equal(p->phase[PHASE_DRAFT].forwards, 0); /* who drafts is not the trace's to say */
    assert_int_equal(p->phase[PHASE_VERIFY].forwards, 4);
    assert_int_equal(w->seqs, 3 + 4);
    /* One row for each draft and the last token; after 1, 5, 6 and 1, 2, 3, 5 tokens of 8. */
    assert_int_equal(w->rows, (4 + 3 + 2) + (4 + 4 + 4 + 3));
    assert_int_equal(w->logit_rows, w->rows);
    assert_int_equal(w->tokens_committed, 6 + 7);
    assert_int_equal(w->tokens_past_eos, 1);
    int64_t useful = 0;
    for (int32_t i = 1; i <= 6; i++) useful += token_useful_flop(&p->config, 6 + i);
    for (int32_t i = 1; i <= 7; i++) useful += token_useful_flop(&p->config, 6 + i);
    assert_int_equal(w->flop_useful, useful);
    commit_trace_free(trace);
    free(p);
}

#define START LINE(0, 0, "prefill", "[0]")

static void traces_of_other_decodes_are_refused(void **state)
{
    static const struct {
        const char *text, *sentence; /* NULL: it fits */
    } cases[] = {
        {START LINE(0, 1, "verify", "[1,2,3]"), NULL},
        {START LINE(0, 1, "draft", "[]") LINE(0, 2, "verify", "[1]") LINE(0, 3, "verify", "[2,3]"),
         NULL},
        {LINE(0, 0, "verify", "[0]"), "t.jsonl:1: a verify forward before the prefill"},
        {LINE(0, 0, "prefill", "[]"), "t.jsonl:1: expected one prefill, which commits position 0"},
        {LINE(0, 0, "prefill", "[0,1]"), "t.jsonl:1: expected one prefill"},
        {START LINE(0, 1, "prefill", "[1]"), "t.jsonl:2: expected one prefill"},
        {START LINE(0, 1, "verify", "[]"), "t.jsonl:2: a verify forward commits at least"},
        {START LINE(0, 1, "verify", "[2]"),
         "t.jsonl:2: position 2; expected the 1 after the 1 that are there"},
        {START LINE(0, 1, "verify", "[1,2,3,4]"), "t.jsonl:2: 4 tokens where 3 of 4 are left"},
        {START LINE(0, 1, "draft", "[1]"), "t.jsonl:2: a draft forward commits nothing"},
        {START LINE(0, 1, "denoise", "[1,2,3]"), "t.jsonl:2: a denoise forward; verified drafts"},
        {START LINE(0, 1, "verify", "[1]"), "t.jsonl:2: request 0 ends after 2 of 4 tokens"},
    };
    struct model_config c;
    OK(model_preset("tiny-test", 0, &c));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct commit_trace *t = traced_parse(cases[i].text);
        struct decode_spec s = {
            .batch = 1, .n_prompt = 4, .n_gen = 4, .draft_tokens = 4, .trace = t};
        traced_check(&decoder_ar_verify, &s, cases[i].sentence);
        s.batch = 2;
        assert_int_equal(decoder_ar_verify.check(&s, &c), ERR_USAGE);
        commit_trace_free(t);
    }
    struct commit_trace *t = traced_parse(cases[0].text);
    struct decode_spec s = {.batch = 1, .n_prompt = 4, .n_gen = 4, .draft_tokens = 1, .trace = t};
    assert_int_equal(decoder_ar_verify.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "t.jsonl:2: 3 tokens are more than 1 drafts and the model's "
                                      "own; want draft-tokens 2 or more"));
    commit_trace_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_is_the_decode),
        cmocka_unit_test(a_plan_follows_the_trace),
        cmocka_unit_test(traces_of_other_decodes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
