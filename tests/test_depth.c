/* test_depth.c - a cache filled before the prompt: forwards cost and see what they would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ar_baseline/ar.h"
#include "ar_baseline/ar_verify.h"
#include "diffusion/block.h"
#include "diffusion/diffusion.h"
#include "harness/app/plan.h"
#include "harness/decode/session.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { DEPTH = 24, PROMPT = 12, GEN = 20 };

static struct plan *planned(const char *decoder, int32_t depth, int32_t prompt)
{
    struct cell c = {.dtype = DTYPE_BF16, .kv_dtype = DTYPE_BF16};
    struct plan *p = malloc(sizeof *p);
    struct plan_target target;
    assert_non_null(p);
    strcpy(c.model, "llama3-8b");
    strcpy(c.decoder, decoder);
    strcpy(c.device, "sim:a100-80gb");
    c.spec = (struct decode_spec){.batch = 3,
                                  .n_depth = depth,
                                  .n_prompt = prompt,
                                  .n_gen = GEN,
                                  .block_length = 4,
                                  .steps = 3,
                                  .draft_tokens = 3,
                                  .acceptance = 0.6f,
                                  .seed = 1};
    OK(plan_target_sim("sim:a100-80gb", c.dtype, 0, &target));
    OK(plan_cell(&c, &target, p));
    return p;
}

static void forwards_cost_what_they_would_after_that_prompt(void **state)
{
    static const char *const decoders[] = {"ar", "ar-verify", "block"};
    for (size_t i = 0; i < 3; i++) {
        struct plan *deep = planned(decoders[i], DEPTH, PROMPT);
        struct plan *all = planned(decoders[i], 0, DEPTH + PROMPT);
        bool over;
        for (int ph = 0; ph < PHASE_COUNT; ph++) {
            if (ph == PHASE_PREFILL) continue;
            assert_int_equal(deep->phase[ph].forwards, all->phase[ph].forwards);
            assert_memory_equal(&deep->phase[ph].work, &all->phase[ph].work,
                                sizeof all->phase[ph].work);
            assert_memory_equal(&deep->phase[ph].ledger, &all->phase[ph].ledger,
                                sizeof all->phase[ph].ledger);
        }
        /* Prompt rows see the depth and, causally or by whole blocks of 4, each other:
         * 12 (12 + 1) / 2 = 78 pairs, or 4 (4 + 8 + 12) = 96. */
        const struct phase_total *pre = &deep->phase[PHASE_PREFILL];
        int64_t pairs = PROMPT * DEPTH + (i == 2 ? 96 : 78);
        assert_int_equal(pre->work.rows, 3 * PROMPT);
        assert_int_equal(ledger_total(&pre->ledger, &over).cost.flop_attention,
                         4LL * 32 * 128 * 32 * 3 * pairs);
        free(deep);
        free(all);
    }
}

static void decode(struct toy *t, const struct decoder_ops *ops, const struct decode_spec *s,
                   int32_t *tokens)
{
    struct session *n;
    struct step_work w;
    OK(ops->check(s, &t->config));
    OK(session_create(t->model, ops, s, DTYPE_BF16, &n));
    for (int again = 0; again < 2; again++) { /* a restart keeps what was made up */
        OK(session_restart(n));
        while (!session_done(n)) OK(session_step(n, &w));
        if (again)
            assert_memory_equal(tokens, session_tokens(n), (size_t)(s->batch * spec_length(s)) * 4);
        memcpy(tokens, session_tokens(n), (size_t)(s->batch * spec_length(s)) * sizeof *tokens);
    }
    session_free(n);
}

/* Three decoders that agree token for token on a computed context agree on a made-up one, so
 * they see the same numbers at the same positions; another seed makes up others. */
static void all_decoders_see_the_same_context(void **state)
{
    enum { LENGTH = DEPTH + PROMPT + GEN };
    int32_t ar[2 * LENGTH], other[2 * LENGTH];
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct decode_spec s = {
        .batch = 2, .n_depth = DEPTH, .n_prompt = PROMPT, .n_gen = GEN, .seed = 5};
    decode(&t, &decoder_ar, &s, ar);
    s.draft_tokens = 3;
    s.acceptance = 0.6f;
    decode(&t, &decoder_ar_verify, &s, other);
    assert_memory_equal(ar, other, sizeof ar);
    s.block_length = s.steps = 1;
    s.head = HEAD_SHIFTED;
    decode(&t, &decoder_block, &s, other);
    assert_memory_equal(ar, other, sizeof ar);

    s.n_depth = 0;
    int32_t shallow[2 * (PROMPT + GEN)];
    decode(&t, &decoder_ar, &s, shallow);
    assert_memory_not_equal(shallow + PROMPT, ar + DEPTH + PROMPT, GEN * sizeof *ar);
    toy_close(&t);
}

static void impossible_depths_are_refused(void **state)
{
    struct model_config c;
    OK(model_preset("tiny-test", 0, &c));
    struct decode_spec s = {
        .batch = 1, .n_depth = 10, .n_prompt = 4, .n_gen = 4, .steps = 4, .block_length = 4};
    assert_int_equal(decoder_block.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "n-depth 10 is not a multiple of block-length 4"));
    assert_int_equal(decoder_diffusion.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "want n-depth 0"));
    s.n_depth = c.max_positions;
    assert_int_equal(decoder_ar.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "is more than the"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwards_cost_what_they_would_after_that_prompt),
        cmocka_unit_test(all_decoders_see_the_same_context),
        cmocka_unit_test(impossible_depths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
