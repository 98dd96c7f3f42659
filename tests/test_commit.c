/* test_commit.c - a commit fused into the next block's first forward: the same bits, one forward
 * fewer per block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "diffusion/block.h"
#include "harness/decode/session.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { PROMPT = 9, GEN = 21, LENGTH = PROMPT + GEN, BLOCK = 6, BATCH = 3, FORWARDS_MAX = 64 };

/* One sequence: two blocks clean and one masked; the first block is in the cache. */
static void canvas(const struct toy *t, int32_t tokens[3 * BLOCK])
{
    for (int32_t i = 0; i < 3 * BLOCK; i++)
        tokens[i] = i < 2 * BLOCK ? 5 + 13 * i : t->config.mask_id;
}

static void logits_are_those_of_separate_forwards(void **state)
{
    struct toy t;
    int32_t tokens[3 * BLOCK], row[BLOCK];
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    size_t n = (size_t)(BLOCK * t.config.n_vocab) * sizeof(float);
    canvas(&t, tokens);

    struct kv_cache *apart = toy_cache(&t, 1, 3 * BLOCK), *fused = toy_cache(&t, 1, 3 * BLOCK);
    free(toy_rows(&t, apart, 0, tokens, 0, BLOCK, MASK_FULL, 0, true));
    free(toy_rows(&t, fused, 0, tokens, 0, BLOCK, MASK_FULL, 0, true));

    free(toy_rows(&t, apart, 0, tokens + BLOCK, BLOCK, BLOCK, MASK_FULL, 0, true));
    float *want = toy_rows(&t, apart, 0, tokens + 2 * BLOCK, 2 * BLOCK, BLOCK, MASK_FULL, 0, false);
    for (int32_t i = 0; i < BLOCK; i++) row[i] = BLOCK + i;
    struct pass_seq s = {
        .span = {.n_rows = 2 * BLOCK,
                 .pos0 = BLOCK,
                 .n_visible = 3 * BLOCK,
                 .mask = MASK_BLOCK,
                 .block = BLOCK},
        .tokens = tokens + BLOCK,
        .logit_row = row,
        .n_logits = BLOCK,
        .n_kept = BLOCK,
    };
    struct pass p = {PHASE_FUSED, 1, &s};
    float *got = toy_forward(&t, fused, &p);
    assert_memory_equal(got, want, n);
    assert_int_equal(kv_cache_valid(fused, 0), 2 * BLOCK);
    free(want);
    free(got);

    /* The cache holds what a commit leaves: the next forward sees it. */
    tokens[2 * BLOCK + 2] = 44;
    want = toy_rows(&t, apart, 0, tokens + 2 * BLOCK, 2 * BLOCK, BLOCK, MASK_FULL, 0, false);
    got = toy_rows(&t, fused, 0, tokens + 2 * BLOCK, 2 * BLOCK, BLOCK, MASK_FULL, 0, false);
    assert_memory_equal(got, want, n);
    free(want);
    free(got);

    /* Were its mask full, the clean rows would see the masks after them. */
    s.span.mask = MASK_FULL;
    kv_cache_set_valid(fused, 0, BLOCK);
    free(toy_forward(&t, fused, &p));
    want = toy_rows(&t, apart, 0, tokens + 2 * BLOCK, 2 * BLOCK, BLOCK, MASK_FULL, 0, false);
    got = toy_rows(&t, fused, 0, tokens + 2 * BLOCK, 2 * BLOCK, BLOCK, MASK_FULL, 0, false);
    assert_memory_not_equal(got, want, n);
    free(want);
    free(got);
    kv_cache_free(apart);
    kv_cache_free(fused);
    toy_close(&t);
}

struct decoded {
    int32_t tokens[BATCH * LENGTH];
    struct step_work work[FORWARDS_MAX];
    int32_t n, of_phase[PHASE_COUNT];
};

static void decode(struct toy *t, const struct decode_spec *s, struct decoded *out)
{
    struct session *n;
    memset(out, 0, sizeof *out);
    OK(decoder_block.check(s, &t->config));
    OK(session_create(t->model, &decoder_block, s, DTYPE_F32, &n));
    while (!session_done(n)) {
        assert_true(out->n < FORWARDS_MAX);
        OK(session_step(n, &out->work[out->n]));
        out->of_phase[out->work[out->n++].phase]++;
    }
    memcpy(out->tokens, session_tokens(n), (size_t)(s->batch * LENGTH) * sizeof *out->tokens);
    session_free(n);
}

static struct decode_spec spec(enum commit_policy commit, int32_t steps)
{
    return (struct decode_spec){.batch = BATCH,
                                .n_prompt = PROMPT,
                                .n_gen = GEN,
                                .block_length = BLOCK,
                                .steps = steps,
                                .commit = commit,
                                .head = HEAD_SAME,
                                .seed = 5};
}

/* Four blocks, the first with three prompt tokens: three commits are fused, the last is not.  What
 * is sampled would show the least difference in a logit. */
static void tokens_are_those_of_separate_commits(void **state)
{
    static struct decoded apart, fused;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int i = 0; i < 16; i++) {
        int32_t steps = i & 1 ? 1 : 4;
        struct decode_spec s = spec(COMMIT_SEPARATE, steps);
        s.temperature = i & 2 ? 0.9f : 0;
        s.batch_policy = i & 4 ? BATCH_RAGGED : BATCH_LOCKSTEP;
        s.logits = i & 8 ? LOGITS_ALL : LOGITS_MASKED;
        decode(&t, &s, &apart);
        s.commit = COMMIT_FUSED;
        decode(&t, &s, &fused);
        assert_memory_equal(apart.tokens, fused.tokens, sizeof apart.tokens);
        assert_int_equal(apart.n, fused.n + 3);
        assert_int_equal(apart.of_phase[PHASE_COMMIT], 4);
        assert_int_equal(fused.of_phase[PHASE_COMMIT], 1);
        assert_int_equal(fused.of_phase[PHASE_FUSED], 3);
        assert_int_equal(fused.of_phase[PHASE_DENOISE], apart.of_phase[PHASE_DENOISE] - 3);
        assert_int_equal(fused.work[fused.n - 1].phase, PHASE_COMMIT);
        for (int32_t k = 0; k < fused.n; k++) {
            const struct step_work *w = &fused.work[k];
            if (w->phase != PHASE_FUSED) continue;
            assert_int_equal(w->rows, BATCH * 2 * BLOCK);
            assert_int_equal(w->logit_rows, BATCH * BLOCK);
        }
    }
    toy_close(&t);
}

/* A generation of one block has nothing to fuse. */
static void one_block_is_committed_by_itself(void **state)
{
    static struct decoded apart, fused;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct decode_spec s = spec(COMMIT_SEPARATE, 3);
    s.n_prompt = 24;
    s.n_gen = 6;
    decode(&t, &s, &apart);
    s.commit = COMMIT_FUSED;
    decode(&t, &s, &fused);
    assert_memory_equal(&apart, &fused, sizeof apart);
    toy_close(&t);
}

static void a_shifted_head_cannot_wait(void **state)
{
    struct model_config c;
    struct decode_spec s = spec(COMMIT_FUSED, 3);
    OK(model_preset("tiny-test", 0, &c));
    s.head = HEAD_SHIFTED;
    assert_int_equal(decoder_block.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "want commit separate"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_separate_forwards),
        cmocka_unit_test(tokens_are_those_of_separate_commits),
        cmocka_unit_test(one_block_is_committed_by_itself),
        cmocka_unit_test(a_shifted_head_cannot_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
