/* test_draft.c - who drafts: what a draft model, a model that drafts for itself and a look at the
 * text cost, and where their time goes. */
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
#include "ar_baseline/lookup.h"
#include "harness/app/execute.h"
#include "harness/base/rng.h"
#include "harness/decode/session.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { N_PROMPT = 9, N_GEN = 30, LENGTH = N_PROMPT + N_GEN, BATCH = 2 };

static struct decode_spec spec(const char *draft, int32_t k, float acceptance)
{
    struct decode_spec s = {.batch = BATCH,
                            .n_prompt = N_PROMPT,
                            .n_gen = N_GEN,
                            .draft_tokens = k,
                            .acceptance = acceptance,
                            .seed = 7};
    strcpy(s.draft, draft);
    return s;
}

/* The model, and a second one as the decoder's spec asks; same weights when their shape is. */
struct pair {
    struct toy toy;
    struct model *draft;
};

static void pair_open(struct pair *p, const struct decode_spec *s)
{
    struct model_config shape;
    toy_open(&p->toy, "tiny-test", DTYPE_BF16, 2);
    p->draft = NULL;
    OK(decoder_ar_verify.check(s, &p->toy.config));
    if (session_draft_model(&decoder_ar_verify, s, &p->toy.config, &shape))
        OK(model_create(p->toy.k, &shape, DTYPE_BF16, 7, &p->draft));
}

static void pair_close(struct pair *p)
{
    model_free(p->draft);
    toy_close(&p->toy);
}

/* ---- what the second model sees ---- */

/* decoder_ar_verify with its ears open; what it heard is tested when it accepts. */
struct spy {
    const int32_t *ar; /* the model's choices [BATCH, LENGTH] */
    int32_t n_first, n_two_rows, n_wrong;
    bool after_verify;
} * spying;

static void listen(struct decoder *d, const struct pass *p, const struct row_stat *stats,
                   struct step_work *work)
{
    const int32_t *tokens = decoder_ar_verify.tokens(d);
    struct spy *s = spying;
    for (int32_t i = 0; p->phase == PHASE_DRAFT && i < p->n_seqs; i++) {
        const struct pass_seq *q = &p->seq[i];
        int32_t next = q->span.pos0 + q->span.n_rows;
        const int32_t *ar = s->ar + q->span.slot * LENGTH;
        if (!s->after_verify) continue;
        /* It is fed what is decided and chooses what the same model would. */
        for (int32_t j = 0; j < q->span.n_rows; j++)
            assert_int_equal(q->tokens[j], tokens[q->span.slot * LENGTH + q->span.pos0 + j]);
        assert_int_equal(stats[i].id, ar[next]);
        assert_in_range(q->span.n_rows, 1, 2);
        s->n_first++;
        s->n_two_rows += q->span.n_rows == 2;
    }
    if (p->phase == PHASE_VERIFY)
        for (int32_t i = 0; i < p->n_seqs; i++)
            s->n_wrong += p->seq[i].n_kept < p->seq[i].span.n_rows;
    s->after_verify = p->phase == PHASE_VERIFY || p->phase == PHASE_PREFILL_DRAFT;
    decoder_ar_verify.accept(d, p, stats, work);
}

/* The same weights in both models: after any run of right and wrong drafts the second one, fed
 * from its own cache, chooses AR's next token.  A stale or missing position would show. */
static void a_draft_model_follows_what_is_decided(void **state)
{
    static const float acceptances[] = {0, 0.5f, 0.8f, 1};
    static int32_t ar[BATCH * LENGTH];
    for (int i = 0; i < 8; i++) {
        struct decode_spec s = spec("tiny-test", i & 1 ? 4 : 1, acceptances[i / 2]);
        struct decoder_ops spied = decoder_ar_verify;
        struct spy spy = {.ar = ar};
        struct step_work w;
        struct session *n;
        struct pair p;
        spied.accept = listen;
        spying = &spy;
        pair_open(&p, &s);
        OK(session_create(p.toy.model, &decoder_ar, &s, DTYPE_BF16, &n));
        while (!session_done(n)) OK(session_step(n, &w));
        memcpy(ar, session_tokens(n), sizeof ar);
        session_free(n);
        OK(session_create_drafted(p.toy.model, p.draft, &spied, &s, DTYPE_BF16, &n));
        while (!session_done(n)) OK(session_step(n, &w));
        assert_memory_equal(ar, session_tokens(n), sizeof ar);
        session_free(n);
        assert_true(spy.n_first >= 10);
        assert_true((spy.n_two_rows > 0) == (s.acceptance > 0));
        assert_true((spy.n_wrong > 0) == (s.acceptance < 1));
        pair_close(&p);
    }
}

/* What every draft forward chose, in order. */
struct heard {
    int32_t id[2000], n;
} * hearing;

static void hear(struct decoder *d, const struct pass *p, const struct row_stat *stats,
                 struct step_work *work)
{
    for (int64_t i = 0; p->phase == PHASE_DRAFT && i < pass_logit_rows(p); i++) {
        assert_true(hearing->n < 2000);
        hearing->id[hearing->n++] = stats[i].id;
    }
    decoder_ar_verify.accept(d, p, stats, work);
}

/* The model's first layer on the model's own cache drafts, draft for draft, what a model of that
 * one layer drafts that has read everything for itself; and it leaves that cache as AR needs it. */
static void an_early_exit_is_the_shorter_model(void **state)
{
    static const float acceptances[] = {0, 0.5f, 1};
    static struct heard heard[2];
    static int32_t ar[BATCH * LENGTH];
    for (int i = 0; i < 6; i++) {
        for (int own = 0; own < 2; own++) {
            struct decode_spec s =
                spec(own ? "tiny-test" : "self", i & 1 ? 4 : 1, acceptances[i / 2]);
            struct decoder_ops spied = decoder_ar_verify;
            struct step_work w;
            struct session *n;
            struct pair p;
            s.draft_layers = 1;
            s.n_depth = i == 5 ? 6 : 0;
            s.n_prompt -= s.n_depth;
            spied.accept = hear;
            hearing = &heard[own];
            hearing->n = 0;
            pair_open(&p, &s);
            OK(session_create(p.toy.model, &decoder_ar, &s, DTYPE_BF16, &n));
            while (!session_done(n)) OK(session_step(n, &w));
            memcpy(ar, session_tokens(n), sizeof ar);
            session_free(n);
            OK(session_create_drafted(p.toy.model, p.draft, &spied, &s, DTYPE_BF16, &n));
            for (int twice = 0; twice < 2; twice++) {
                while (!session_done(n)) OK(session_step(n, &w));
                assert_memory_equal(ar, session_tokens(n), sizeof ar);
                OK(session_restart(n));
            }
            session_free(n);
            pair_close(&p);
        }
        assert_true(heard[0].n > 2 * BATCH * 5);
        assert_int_equal(heard[0].n, heard[1].n);
        assert_memory_equal(heard[0].id, heard[1].id, (size_t)heard[0].n * sizeof *heard[0].id);
    }
}

static void an_early_exit_needs_layers_to_leave_out(void **state)
{
    struct model_config c;
    struct decode_spec s = spec("self", 3, 0.5f);
    OK(model_preset("tiny-test", 0, &c));
    for (int32_t layers = 0; layers <= c.n_layer + 1; layers++) {
        s.draft_layers = layers;
        bool fits = layers > 0 && layers < c.n_layer;
        assert_int_equal(decoder_ar_verify.check(&s, &c), fits ? ERR_NONE : ERR_USAGE);
        if (!fits) assert_non_null(strstr(err_msg(), "draft self-denoise"));
    }
}

/* Whoever drafts, the tokens are AR's; a recorded draft forward can be run again. */
static void tokens_are_those_of_ar_whoever_drafts(void **state)
{
    static const char *const drafts[] = {"none", "ngram", "self-denoise", "tiny-25m", "self"};
    static int32_t ar[BATCH * LENGTH];
    for (int i = 0; i < 10; i++) {
        struct decode_spec s = spec(drafts[i / 2], 3, 0.6f);
        struct recording *r = NULL;
        struct step_work w, first;
        struct session *n;
        struct pair p;
        s.draft_layers = 1;
        s.temperature = i & 1 ? 0.8f : 0;
        pair_open(&p, &s);
        OK(session_create(p.toy.model, &decoder_ar, &s, DTYPE_BF16, &n));
        while (!session_done(n)) OK(session_step(n, &w));
        memcpy(ar, session_tokens(n), sizeof ar);
        session_free(n);
        OK(session_create_drafted(p.toy.model, p.draft, &decoder_ar_verify, &s, DTYPE_BF16, &n));
        for (int32_t step = 0; !session_done(n); step++) {
            if (step == 5) OK(session_record_next(n, &r));
            OK(session_step(n, &w));
            if (step == 5) first = w;
        }
        assert_memory_equal(ar, session_tokens(n), sizeof ar);
        OK(session_replay(n, r, &w));
        assert_int_equal(w.phase, first.phase);
        assert_int_equal(w.rows, first.rows);
        session_free(n);
        pair_close(&p);
    }
}

/* ---- what it costs ---- */

struct totals {
    int64_t forwards, rows, logit_rows, matmul, attention, weight, kv;
};

struct shape {
    int64_t p_lin, head, vectors, d, n, h, hk, dh;
};

static struct shape shape_of(const struct model_config *m)
{
    int64_t d = m->d_model, q = m->n_head * m->d_head, kv = m->n_kv_head * m->d_head;
    return (struct shape){.p_lin = m->n_layer * (2 * d * q + 2 * d * kv + 3 * d * m->d_ff),
                          .head = (int64_t)m->n_vocab * d,
                          .vectors = m->n_layer * (2 * d + (m->qkv_bias ? q + 2 * kv : 0) +
                                                   (m->qk_norm ? 2 * m->d_head : 0)) +
                                     d,
                          .d = d,
                          .n = m->n_layer,
                          .h = m->n_head,
                          .hk = m->n_kv_head,
                          .dh = m->d_head};
}

/* A forward of bf16 weights, and the rows of one of its sequences: q of them see `pairs` positions
 * in all, `seen` different ones, and m get logits. */
static void count_forward(struct totals *t, const struct shape *g, bool logits)
{
    t->forwards++;
    t->weight += 2 * (g->p_lin + g->vectors + (logits ? g->head : 0));
}

static void count_rows(struct totals *t, const struct shape *g, int64_t q, int64_t pairs,
                       int64_t seen, int64_t m)
{
    t->rows += q;
    t->logit_rows += m;
    t->matmul += 2 * q * g->p_lin + 2 * m * g->head;
    t->attention += 4 * g->h * g->dh * g->n * pairs;
    t->weight += 2 * g->d * q;
    t->kv += 2 * g->hk * g->dh * 2 * g->n * (seen + q);
}

/* Rows from position pos0 that see all before them and themselves. */
static void count_causal(struct totals *t, const struct shape *g, int64_t pos0, int64_t q,
                         int64_t m)
{
    int64_t pairs = 0;
    for (int64_t i = 0; i < q; i++) pairs += pos0 + i + 1;
    count_rows(t, g, q, pairs, pos0 + q, m);
}

/* Round by round; the draws are those of the decoder, from their definition. */
static void count(struct totals t[PHASE_COUNT], const struct decode_spec *s, const struct shape *g,
                  const struct shape *draft)
{
    enum { MOST = 8 };
    int64_t last[MOST], cached[MOST], end = s->n_prompt + s->n_gen;
    bool self = strcmp(s->draft, "self-denoise") == 0, model = draft != NULL;
    bool exits = strcmp(s->draft, "self") == 0; /* draft: the model's first layers */
    count_forward(&t[PHASE_PREFILL], g, true);
    if (model && !exits) count_forward(&t[PHASE_PREFILL_DRAFT], draft, false);
    for (int32_t b = 0; b < s->batch; b++) {
        last[b] = cached[b] = s->n_prompt;
        count_causal(&t[PHASE_PREFILL], g, 0, s->n_prompt, 1);
        if (model && !exits) count_causal(&t[PHASE_PREFILL_DRAFT], draft, 0, s->n_prompt, 0);
    }
    for (;;) {
        int64_t n[MOST], most = -1;
        for (int32_t b = 0; b < s->batch; b++) {
            n[b] =
                end - 1 - last[b] - 1 < s->draft_tokens ? end - 1 - last[b] - 1 : s->draft_tokens;
            if (n[b] > most) most = n[b];
        }
        if (most < 0) return;
        for (int64_t j = 0; j < (model ? most : self && most > 0); j++) {
            count_forward(&t[PHASE_DRAFT], model ? draft : g, true);
            for (int32_t b = 0; b < s->batch; b++) {
                if (exits) cached[b] = last[b] + j;
                int64_t q = last[b] + j + 1 - cached[b], all = last[b] + n[b] + 1;
                if (n[b] <= j) continue;
                if (model)
                    count_causal(&t[PHASE_DRAFT], draft, cached[b], q, 1);
                else
                    count_rows(&t[PHASE_DRAFT], g, n[b] + 1, (n[b] + 1) * all, all, n[b]);
                cached[b] = last[b] + j + 1;
            }
        }
        count_forward(&t[PHASE_VERIFY], g, true);
        for (int32_t b = 0; b < s->batch; b++) {
            if (n[b] < 0) continue;
            int64_t right = 0;
            for (bool ok = true; ok && right < n[b]; right += ok) {
                uint32_t at[4] = {(uint32_t)(last[b] + 1 + right), 0, 4, (uint32_t)b};
                ok = philox4x32(at, s->seed).word[0] < (double)s->acceptance * 4294967296.0;
            }
            count_causal(&t[PHASE_VERIFY], g, last[b], n[b] + 1, n[b] + 1);
            last[b] += right + 1;
            if (cached[b] > last[b]) cached[b] = last[b];
        }
    }
}

static void counts_equal_an_independent_count(void **state)
{
    static const char *const drafts[] = {"self-denoise", "tiny-25m", "qwen2.5-0.5b", "llama3-8b",
                                         "self"};
    struct plan_target target;
    struct plan *p = malloc(sizeof *p);
    OK(plan_target_sim("sim:h200", DTYPE_BF16, 0, &target));
    for (uint64_t i = 0; i < 75; i++) {
        struct totals want[PHASE_COUNT] = {{0}};
        struct model_config c, d;
        struct cell cell = {.dtype = DTYPE_BF16, .kv_dtype = DTYPE_BF16, .layers = 2};
        cell.spec = spec(drafts[i % 5], 1 + (int32_t)(mix64(i) % 8), (float)(mix64(~i) % 5) / 4);
        cell.spec.batch = 1 + (int32_t)(i % 5);
        cell.spec.n_prompt = 1 + (int32_t)(mix64(i) % 31);
        bool exits = i % 5 == 4;
        cell.spec.draft_layers = i % 3 || exits ? 1 : 0;
        strcpy(cell.model, "qwen2.5-7b");
        strcpy(cell.decoder, "ar-verify");
        strcpy(cell.device, "sim:h200");
        OK(model_preset(cell.model, 2, &c));
        struct shape g = shape_of(&c), h;
        bool model = session_draft_model(&decoder_ar_verify, &cell.spec, &c, &d);
        assert_int_equal(model, i % 5 != 0 && !exits);
        if (exits) OK(model_preset(cell.model, 1, &d));
        if (model || exits) {
            assert_int_equal(d.n_vocab, c.n_vocab); /* what it drafts are the model's tokens */
            h = shape_of(&d);
        }
        count(want, &cell.spec, &g, model || exits ? &h : NULL);
        OK(plan_cell(&cell, &target, p));
        for (int ph = 0; ph < PHASE_COUNT; ph++) {
            const struct phase_total *got = &p->phase[ph];
            const struct totals *w = &want[ph];
            bool over;
            struct cost cost = ledger_total(&got->ledger, &over).cost;
            if (got->forwards != w->forwards || got->work.rows != w->rows ||
                got->work.logit_rows != w->logit_rows || cost.flop_matmul != w->matmul ||
                cost.flop_attention != w->attention || cost.bytes[ROLE_WEIGHT] != w->weight ||
                cost.bytes[ROLE_KV] != w->kv)
                fail_msg("%s, k %d, batch %d, %s: forwards %lld want %lld, rows %lld want %lld, "
                         "weight bytes %lld want %lld, kv bytes %lld want %lld",
                         cell.spec.draft, cell.spec.draft_tokens, cell.spec.batch, phase_name(ph),
                         (long long)got->forwards, (long long)w->forwards,
                         (long long)got->work.rows, (long long)w->rows,
                         (long long)cost.bytes[ROLE_WEIGHT], (long long)w->weight,
                         (long long)cost.bytes[ROLE_KV], (long long)w->kv);
            if (ph == PHASE_DRAFT || ph == PHASE_PREFILL_DRAFT)
                assert_int_equal(got->work.tokens_committed + got->work.flop_useful, 0);
        }
    }
    free(p);
}

/* ---- where its time goes ---- */

static enum err first_real(void *ctx, const struct store_result_row *row)
{
    *(double *)ctx = row->value[0].type == VALUE_INT ? (double)row->value[0].i : row->value[0].r;
    return ERR_NONE;
}

static double ask(struct store *s, const char *sql)
{
    double v = NAN;
    OK(store_query(s, sql, NULL, 0, first_real, &v));
    return v;
}

/* AR, and two verified arms that differ in who drafts: rates, break-even and pairs count the time
 * of drafts, tokens per forward do not count draft forwards. */
static void drafts_take_time_but_are_no_forwards(void **state)
{
    struct planned_cell cell[3];
    struct cell_list cells = {.cell = cell, .n = 3, .n_pairs = 1};
    struct log log;
    struct execution x;
    struct store *s;
    FILE *talk = fopen("/dev/null", "w");
    log_open(&log, talk, LOG_ERROR);
    struct execute_options o = {
        .command = "test", .only_sim = true, .limits = &measure_default, .log = &log};
    memset(cell, 0, sizeof cell);
    for (int i = 0; i < 3; i++) {
        axes_default(&cell[i].cell, "sim:a100-80gb");
        strcpy(cell[i].cell.model, "qwen2.5-7b");
        strcpy(cell[i].cell.decoder, i ? "ar-verify" : "ar");
        if (i == 2) strcpy(cell[i].cell.spec.draft, "qwen2.5-0.5b");
        cell[i].baseline = i == 0;
        axes_resolve(&cell[i].cell);
    }
    OK(store_open(":memory:", STORE_WRITE, &s));
    OK(execute_cells(s, &cells, &o, &x));
    assert_int_equal(x.n_ran, 3);
#define OF(i)                                                                                      \
    " (SELECT run_id FROM v_run ORDER BY decoder, draft IS NOT NULL LIMIT 1 OFFSET " #i ")"
#define SUM(i, phases)                                                                             \
    "(SELECT SUM(predicted_ns) FROM v_phase WHERE run_id =" OF(i) " AND phase IN (" phases "))"
    double tpf[2] = {ask(s, "SELECT tokens_per_forward FROM v_throughput WHERE run_id =" OF(1)),
                     ask(s, "SELECT tokens_per_forward FROM v_throughput WHERE run_id =" OF(2))};
    assert_true(tpf[0] > 1 && tpf[0] == tpf[1]);
    assert_true(ask(s, "SELECT forwards FROM v_phase WHERE phase = 'draft'") > 0);
    double verify = ask(s, "SELECT" SUM(1, "'verify'")),
           drafted = ask(s, "SELECT" SUM(2, "'draft'"));
    double decode = ask(s, "SELECT time_decode_ns FROM v_throughput WHERE run_id =" OF(2));
    assert_true(drafted > 0 && verify == ask(s, "SELECT" SUM(2, "'verify'")));
    assert_true(fabs(decode / (verify + drafted) - 1) < 1e-12);
    /* Prefill: both models'. */
    assert_true(fabs(ask(s, "SELECT time_prefill_ns FROM v_throughput WHERE run_id =" OF(2)) /
                         ask(s, "SELECT" SUM(2, "'prefill', 'prefill-draft'")) -
                     1) < 1e-12);
    /* Break-even grows as the time of a verify forward with its drafts. */
    double needed[2] = {
        ask(s, "SELECT tokens_per_forward_needed FROM v_pair WHERE run_id =" OF(1)),
        ask(s, "SELECT tokens_per_forward_needed FROM v_pair WHERE run_id =" OF(2))};
    assert_true(fabs(needed[1] / needed[0] / ((verify + drafted) / verify) - 1) < 1e-12);
    double ratio[2] = {ask(s, "SELECT decode_ratio FROM v_pair WHERE run_id =" OF(1)),
                       ask(s, "SELECT decode_ratio FROM v_pair WHERE run_id =" OF(2))};
    assert_true(fabs(ratio[0] / ratio[1] / ((verify + drafted) / verify) - 1) < 1e-12);
    assert_true(fabs(ratio[1] * needed[1] / tpf[1] - 1) < 1e-12);
    execution_free(&x);
    store_close(s);
    fclose(talk);
}

/* ---- the text's own past ---- */

static void a_text_drafts_what_followed_before(void **state)
{
    static const int32_t text[] = {1, 2, 3, 9, 8, 2, 3, 7, 1, 2, 3};
    int32_t drafts[4] = {0};
    /* 1 2 3 occurred at the start, 2 3 later, too, but the longer match counts. */
    assert_int_equal(lookup(text, 11, drafts, 4), 4);
    assert_memory_equal(drafts, ((int32_t[]){9, 8, 2, 3}), sizeof drafts);
    /* Of 5 2 3 only 2 3 did, and the last time counts. */
    static const int32_t other[] = {2, 3, 9, 2, 3, 7, 5, 2, 3};
    assert_int_equal(lookup(other, 9, drafts, 2), 2);
    assert_memory_equal(drafts, ((int32_t[]){7, 5}), 8);
    /* No more than is there: after the last 4 comes only the end itself. */
    static const int32_t loop[] = {1, 4, 4};
    assert_int_equal(lookup(loop, 3, drafts, 4), 1);
    assert_int_equal(drafts[0], 4);
    static const int32_t fresh[] = {1, 2, 3};
    assert_int_equal(lookup(fresh, 3, drafts, 4), 0);
    assert_int_equal(lookup(fresh, 1, drafts, 4), 0);
}

static void impossible_drafts_are_refused(void **state)
{
    struct model_config c, d;
    struct decode_spec s = spec("tiny-test", 4, 0.5f);
    OK(model_preset("llama3-8b", 0, &c));
    OK(model_preset("tiny-test", 0, &d));
    s.n_prompt = d.max_positions;
    assert_int_equal(decoder_ar_verify.check(&s, &c), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "of tiny-test, which drafts"));
    s = spec("tiny-test", 4, 0.5f);
    s.draft_layers = 99;
    assert_int_equal(decoder_ar_verify.check(&s, &c), ERR_USAGE);
    /* Without a drafted token nobody drafts. */
    s.draft_tokens = 0;
    OK(decoder_ar_verify.check(&s, &c));
    assert_false(session_draft_model(&decoder_ar_verify, &s, &c, &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_draft_model_follows_what_is_decided),
        cmocka_unit_test(an_early_exit_is_the_shorter_model),
        cmocka_unit_test(an_early_exit_needs_layers_to_leave_out),
        cmocka_unit_test(tokens_are_those_of_ar_whoever_drafts),
        cmocka_unit_test(counts_equal_an_independent_count),
        cmocka_unit_test(drafts_take_time_but_are_no_forwards),
        cmocka_unit_test(a_text_drafts_what_followed_before),
        cmocka_unit_test(impossible_drafts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
