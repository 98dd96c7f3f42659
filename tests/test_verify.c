/* test_verify.c - verified drafts: the tokens of plain AR, in as few forwards as the stated
 * acceptance allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ar_baseline/ar.h"
#include "ar_baseline/ar_verify.h"
#include "harness/decode/session.h"
#include "roofline/closed_form.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { N_PROMPT = 9, N_GEN = 30, LENGTH = N_PROMPT + N_GEN, BATCH_MAX = 3, FORWARDS_MAX = 40 };

static struct decode_spec spec(int32_t batch, int32_t k, float acceptance)
{
    return (struct decode_spec){.batch = batch,
                                .n_prompt = N_PROMPT,
                                .n_gen = N_GEN,
                                .draft_tokens = k,
                                .acceptance = acceptance,
                                .seed = 5};
}

/* One whole decode: its tokens and what each forward did. */
struct decoded {
    int32_t tokens[BATCH_MAX * LENGTH];
    struct step_work work[FORWARDS_MAX];
    struct ledger ledger[FORWARDS_MAX];
    int32_t n;
};

static void decode(struct toy *t, const struct decoder_ops *ops, const struct decode_spec *s,
                   struct decoded *out)
{
    struct session *n;
    int64_t committed = 0;
    memset(out, 0, sizeof *out);
    OK(ops->check(s, &t->config));
    OK(session_create(t->model, ops, s, DTYPE_F32, &n));
    while (!session_done(n)) {
        assert_true(out->n < FORWARDS_MAX);
        ledger_clear(kernels_ledger(t->k));
        OK(session_step(n, &out->work[out->n]));
        out->ledger[out->n] = *kernels_ledger(t->k);
        committed += out->work[out->n++].tokens_committed;
    }
    assert_int_equal(committed, s->batch * N_GEN);
    memcpy(out->tokens, session_tokens(n), (size_t)(s->batch * LENGTH) * sizeof *out->tokens);
    session_free(n);
}

/* Wrong drafts, keys and values of rejected positions, company: none may change a token. */
static void tokens_are_those_of_ar(void **state)
{
    static const int32_t ks[] = {0, 1, 4, 64};
    static const float acceptances[] = {0, 0.5f, 0.8f, 1};
    static struct decoded ar, verified;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int32_t batch = 1; batch <= BATCH_MAX; batch += 2)
        for (int warm = 0; warm < 2; warm++)
            for (size_t i = 0; i < 16; i++) {
                struct decode_spec s = spec(batch, ks[i / 4], acceptances[i % 4]);
                s.temperature = warm ? 0.8f : 0;
                decode(&t, &decoder_ar, &s, &ar);
                decode(&t, &decoder_ar_verify, &s, &verified);
                assert_memory_equal(ar.tokens, verified.tokens, sizeof ar.tokens);
            }
    toy_close(&t);
}

static void without_drafts_it_is_ar(void **state)
{
    static struct decoded ar, verified;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    struct decode_spec s = spec(3, 0, 0.8f);
    decode(&t, &decoder_ar, &s, &ar);
    decode(&t, &decoder_ar_verify, &s, &verified);
    assert_int_equal(ar.n, verified.n);
    for (int32_t i = 0; i < ar.n; i++) {
        assert_int_equal(verified.work[i].phase, i ? PHASE_VERIFY : PHASE_PREFILL);
        ar.work[i].phase = verified.work[i].phase;
        assert_memory_equal(&ar.work[i], &verified.work[i], sizeof ar.work[i]);
        assert_memory_equal(&ar.ledger[i], &verified.ledger[i], sizeof ar.ledger[i]);
    }
    toy_close(&t);
}

/* Always right: k + 1 tokens a forward.  Never: one, for k + 1 rows as long as that many are
 * left to generate. */
static void certain_acceptance_needs_no_chance(void **state)
{
    static struct decoded d;
    struct toy t;
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    for (int32_t k = 0; k <= 7; k++) {
        struct decode_spec s = spec(2, k, 1);
        decode(&t, &decoder_ar_verify, &s, &d);
        assert_int_equal(d.n, 1 + (N_GEN - 1 + k) / (k + 1));
        s.acceptance = 0;
        decode(&t, &decoder_ar_verify, &s, &d);
        assert_int_equal(d.n, N_GEN);
        for (int32_t i = 1; i < d.n; i++) {
            int32_t left = N_GEN - i;
            assert_int_equal(d.work[i].rows, 2 * (left < k + 1 ? left : k + 1));
            assert_int_equal(d.work[i].logit_rows, d.work[i].rows);
            assert_int_equal(d.work[i].tokens_committed, 2);
        }
    }
    toy_close(&t);
}

/* ---- the policy alone, over long sequences ---- */

struct policy {
    struct model_config config;
    struct decode_spec spec;
    struct decoder *decoder;
    struct row_stat *stats;
};

static void policy_open(struct policy *p, int32_t batch, int32_t k, float acceptance)
{
    OK(model_preset("qwen2.5-0.5b", 1, &p->config));
    p->spec = spec(batch, k, acceptance);
    p->spec.n_gen = 32000 - N_PROMPT;
    OK(decoder_ar_verify.check(&p->spec, &p->config));
    OK(decoder_ar_verify.create(&p->spec, &p->config, &p->decoder));
    p->stats = calloc((size_t)(batch * (k + 1)), sizeof *p->stats);
    assert_non_null(p->stats);
}

static void policy_close(struct policy *p)
{
    decoder_ar_verify.free(p->decoder);
    free(p->stats);
}

/* One forward whose logits all choose token 0. */
static void policy_step(struct policy *p, struct pass *pass)
{
    struct step_work work = {0};
    decoder_ar_verify.next(p->decoder, pass);
    decoder_ar_verify.accept(p->decoder, pass, p->stats, &work);
}

/* The number of tokens of a forward is 1 + min(k, geometric): its mean over M forwards lies
 * within 5 standard errors of the closed form but for 6e-7 of all seeds, in each of 12 cases:
 * a correct program fails here for one seed in 145,000 (by the normal approximation; M is 3000). */
static void tokens_per_forward_are_the_closed_form(void **state)
{
    static const int32_t ks[] = {1, 3, 8};
    static const float acceptances[] = {0.2f, 0.5f, 0.8f, 0.95f};
    enum { M = 3000 };
    for (int i = 0; i < 12; i++) {
        struct policy p;
        struct pass pass;
        int32_t k = ks[i % 3];
        double a = (double)acceptances[i / 3], sum = 0, mean = closed_verify_tpf(k, a), square = 0;
        for (int32_t n = 1; n <= k + 1; n++) /* n - 1 right, then a wrong one or none left */
            square += n * n * pow(a, n - 1) * (n <= k ? 1 - a : 1);
        double error = sqrt((square - mean * mean) / M);
        policy_open(&p, 1, k, acceptances[i / 3]);
        policy_step(&p, &pass);
        for (int m = 0; m < M; m++) {
            policy_step(&p, &pass);
            assert_int_equal(pass.seq[0].span.n_rows, k + 1);
            sum += pass.seq[0].n_kept;
        }
        if (!(fabs(sum / M - mean) < 5 * error))
            fail_msg("k %d, acceptance %g: %g tokens per forward, expected %g +- %g", k, a, sum / M,
                     mean, error);
        policy_close(&p);
    }
    assert_true(closed_verify_tpf(4, 1) == 5);
    assert_true(closed_verify_tpf(4, 0) == 1);
    assert_true(fabs(closed_verify_tpf(2, 0.5) - 1.75) < 1e-15); /* 1 + 1/2 + 1/4 */
}

/* A right draft is the token it was given, a wrong one is another that could be chosen; kept is
 * the run of right ones and the row before it; sequences go their own ways. */
static void drafts_are_right_where_they_are_kept(void **state)
{
    struct policy p;
    struct pass pass;
    int32_t n_wrong = 0, n_apart = 0;
    policy_open(&p, 2, 4, 0.7f);
    size_t n = 2 * (size_t)(p.spec.n_prompt + p.spec.n_gen);
    int32_t *drafts = malloc(n * sizeof *drafts);
    assert_non_null(drafts);
    for (size_t i = 0; i < n; i++) drafts[i] = (int32_t)(i * 7919 % (size_t)p.config.n_ids);
    decoder_ar_verify.take_drafts(p.decoder, drafts);
    policy_step(&p, &pass);
    for (int m = 0; m < 1000; m++) {
        struct step_work work = {0};
        decoder_ar_verify.next(p.decoder, &pass);
        for (int32_t b = 0; b < 2; b++) {
            const struct pass_seq *s = &pass.seq[b];
            int32_t right = 0;
            const int32_t *want = drafts + (size_t)b * n / 2 + s->span.pos0;
            while (right < 4 && s->tokens[1 + right] == want[1 + right]) right++;
            assert_int_equal(s->n_kept, right + 1);
            for (int32_t j = 1; j <= 4; j++) {
                assert_in_range(s->tokens[j], 0, p.config.n_ids - 1);
                assert_int_not_equal(s->tokens[j], p.config.mask_id);
                n_wrong += s->tokens[j] != want[j];
            }
        }
        n_apart += pass.seq[0].span.pos0 != pass.seq[1].span.pos0;
        decoder_ar_verify.accept(p.decoder, &pass, p.stats, &work);
        assert_int_equal(work.tokens_committed, pass.seq[0].n_kept + pass.seq[1].n_kept);
    }
    assert_true(n_wrong > 1000 && n_apart > 500);
    policy_close(&p);
    free(drafts);
}

static void impossible_specs_are_refused(void **state)
{
    struct model_config c;
    OK(model_preset("tiny-test", 0, &c));
    struct decode_spec s = spec(1, 65, 0.5f);
    assert_int_equal(decoder_ar_verify.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "draft-tokens 65"));
    s = spec(1, 4, 1.5f);
    assert_int_equal(decoder_ar_verify.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "acceptance 1.5"));
    s = spec(1, 4, 0.5f);
    s.n_prompt = 0;
    assert_int_equal(decoder_ar_verify.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "empty prompt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_ar),
        cmocka_unit_test(without_drafts_it_is_ar),
        cmocka_unit_test(certain_acceptance_needs_no_chance),
        cmocka_unit_test(tokens_per_forward_are_the_closed_form),
        cmocka_unit_test(drafts_are_right_where_they_are_kept),
        cmocka_unit_test(impossible_specs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
