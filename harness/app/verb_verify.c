/* verb_verify.c - verify: on this machine, the decoders are what they are said to be.
 *
 * Whole decodes of a small model on the CPU: every exact cache against no cache, bit for bit;
 * decoders that must agree, token for token; how far approximate caches drift; and how long
 * forwards take that are the same work under three names, one after the other so that the machine's
 * moods hit them alike.  Each of these checks can be asked for alone: a model too large for many
 * whole decodes still has its forwards timed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ar_baseline/ar.h"
#include "ar_baseline/ar_verify.h"
#include "diffusion/block.h"
#include "diffusion/diffusion.h"
#include "harness/app/precision.h"
#include "harness/app/table.h"
#include "harness/app/verbs.h"
#include "harness/base/clock.h"
#include "harness/decode/drift.h"
#include "harness/decode/session.h"

enum { ONLY_CACHES = 1, ONLY_TOKENS, ONLY_TIMES }; /* as flags.c has them */
enum { PROMPT = 20, GEN = 28, LENGTH = PROMPT + GEN, BATCH = 3, BLOCK = 8 };

struct checks {
    struct model *model;
    struct table table;
    int32_t n_failed;
};

static const char *const columns[] = {
    "check", "of", "against", "rows", "differing", "unequal", "max_difference", "verdict", NULL};

static struct decode_spec base(void)
{
    return (struct decode_spec){.batch = BATCH,
                                .n_prompt = PROMPT,
                                .n_gen = GEN,
                                .block_length = BLOCK,
                                .steps = 4,
                                .head = HEAD_SAME,
                                .draft_tokens = 3,
                                .acceptance = 0.7f,
                                .draft = "none",
                                .seed = 11};
}

/* One row; differing and the like below 0: not asked. */
static void add(struct checks *c, const char *check, const char *of, const char *against,
                int64_t rows, int64_t differing, int64_t unequal, double largest,
                const char *verdict)
{
    table_text(&c->table, check);
    table_text(&c->table, of);
    table_text(&c->table, against);
    table_int(&c->table, rows);
    table_int(&c->table, differing);
    table_int(&c->table, unequal);
    table_real(&c->table, largest);
    table_text(&c->table, verdict);
    c->n_failed += strcmp(verdict, "FAIL") == 0;
}

/* ---- caches ---- */

static enum err check_cache(struct checks *c, const char *of, const struct decoder_ops *ops,
                            const struct decode_spec *s, enum mask mask, bool exact)
{
    struct drift d[PHASE_COUNT];
    TRY(drift_measure(c->model, ops, s, DTYPE_F32, mask, d));
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        char name[96];
        if (d[ph].rows == 0) continue;
        bool equal = d[ph].unequal == 0;
        /* A refresh computes everything; reuse is what drifts. */
        bool must = exact || ph == PHASE_REFRESH;
        snprintf(name, sizeof name, "%s, %s", of, phase_name((enum phase)ph));
        add(c, must ? "cache" : "drift", name, "no cache", d[ph].rows, d[ph].differing,
            d[ph].unequal, d[ph].largest,
            !must   ? "drifts"
            : equal ? "PASS"
                    : "FAIL");
    }
    return ERR_NONE;
}

static enum err check_caches(struct checks *c)
{
    static const struct {
        const char *name;
        enum cache_policy cache;
        int32_t refresh;
    } caches[] = {{"diffusion --cache prefix", CACHE_PREFIX, 0},
                  {"diffusion --cache dual", CACHE_DUAL, 0},
                  {"diffusion --cache dkv", CACHE_DKV, 0},
                  {"diffusion --cache dual --refresh 2", CACHE_DUAL, 2},
                  {"diffusion --cache dkv --refresh 4", CACHE_DKV, 4}};
    struct decode_spec s = base();
    TRY(check_cache(c, "ar", &decoder_ar, &s, MASK_CAUSAL, true));
    TRY(check_cache(c, "ar-verify", &decoder_ar_verify, &s, MASK_CAUSAL, true));
    TRY(check_cache(c, "block", &decoder_block, &s, MASK_BLOCK, true));
    s.commit = COMMIT_FUSED;
    TRY(check_cache(c, "block --commit fused", &decoder_block, &s, MASK_BLOCK, true));
    s = base();
    s.block_length = 7; /* divides what is generated */
    s.steps = 7;
    TRY(check_cache(c, "diffusion", &decoder_diffusion, &s, MASK_FULL, true));
    for (size_t i = 0; i < sizeof caches / sizeof caches[0]; i++) {
        s.cache = caches[i].cache;
        s.refresh = caches[i].refresh;
        TRY(check_cache(c, caches[i].name, &decoder_diffusion, &s, MASK_FULL, false));
    }
    return ERR_NONE;
}

/* ---- tokens ---- */

static enum err decode(struct checks *c, const struct decoder_ops *ops, const struct decode_spec *s,
                       int32_t *tokens)
{
    struct session *n;
    struct step_work w;
    enum err e = ERR_NONE;
    TRY(ops->check(s, model_config_of(c->model)));
    TRY(session_create(c->model, ops, s, DTYPE_F32, &n));
    while (e == ERR_NONE && !session_done(n)) e = session_step(n, &w);
    if (e == ERR_NONE)
        memcpy(tokens, session_tokens(n), (size_t)(s->batch * spec_length(s)) * sizeof *tokens);
    session_free(n);
    return e;
}

static enum err check_tokens(struct checks *c, const char *of, const struct decoder_ops *ops,
                             const struct decode_spec *s, const char *against,
                             const struct decoder_ops *other_ops, const struct decode_spec *other)
{
    int32_t x[BATCH * LENGTH], y[BATCH * LENGTH], differing = 0;
    int32_t n = s->batch < other->batch ? s->batch : other->batch;
    TRY(decode(c, ops, s, x));
    TRY(decode(c, other_ops, other, y));
    for (int32_t i = 0; i < n * LENGTH; i++) differing += x[i] != y[i];
    add(c, "tokens", of, against, n * GEN, differing, differing, NAN, differing ? "FAIL" : "PASS");
    return ERR_NONE;
}

static enum err check_all_tokens(struct checks *c)
{
    struct decode_spec ar = base(), s = base(), t;
    TRY(check_tokens(c, "ar-verify", &decoder_ar_verify, &s, "ar", &decoder_ar, &ar));
    s.block_length = s.steps = 1;
    s.head = HEAD_SHIFTED;
    TRY(check_tokens(c, "block of 1, shifted head", &decoder_block, &s, "ar", &decoder_ar, &ar));
    t = s = base();
    s.commit = COMMIT_FUSED;
    s.temperature = t.temperature = 0.9f;
    TRY(check_tokens(c, "block, commits fused", &decoder_block, &s, "commits separate",
                     &decoder_block, &t));
    t = s = base();
    s.block_length = LENGTH;
    t.block_length = 0;
    TRY(check_tokens(c, "block of everything", &decoder_block, &s, "diffusion", &decoder_diffusion,
                     &t));
    t = s = base();
    s.block_length = t.block_length = 7;
    s.cache = CACHE_DKV;
    s.refresh = 1;
    TRY(check_tokens(c, "a refresh every forward", &decoder_diffusion, &s, "no cache",
                     &decoder_diffusion, &t));
    s = base();
    s.batch = 1;
    TRY(check_tokens(c, "ar alone", &decoder_ar, &s, "ar in company", &decoder_ar, &ar));
    return ERR_NONE;
}

/* ---- times ---- */

enum { ARMS = 3, ORDERS = 6, ROUNDS = 3072 };

#define TIME_LIMIT_S 150.0

struct timed {
    const char *name;
    const struct decoder_ops *ops;
    struct session *session;
    struct recording *recording;
    double ratio[ROUNDS]; /* to the first arm's in the same round */
    struct ratio_interval known;
};

/* A forward in the middle of the decode, to run again and again. */
static enum err open_arm(struct checks *c, struct timed *a, const struct decode_spec *s)
{
    struct step_work w;
    TRY(session_create(c->model, a->ops, s, DTYPE_F32, &a->session));
    for (int32_t i = 0; !session_done(a->session); i++) {
        if (i == GEN / 2) TRY(session_record_next(a->session, &a->recording));
        TRY(session_step(a->session, &w));
    }
    return ERR_NONE;
}

/* Every order of the arms in turn, so that none is always the one after a certain other. */
static enum err time_round(struct timed *arm, int32_t round)
{
    static const int order[ORDERS][ARMS] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0},
                                            {0, 2, 1}, {2, 0, 1}, {1, 0, 2}};
    double ns[ARMS];
    struct step_work w;
    for (int32_t i = 0; i < ARMS; i++) {
        struct timed *a = &arm[order[round % ORDERS][i]];
        TRY(session_replay(a->session, a->recording, &w)); /* its own data in the caches */
        int64_t begin = clock_ns();
        TRY(session_replay(a->session, a->recording, &w));
        ns[a - arm] = (double)(clock_ns() - begin);
    }
    for (int32_t i = 0; i < ARMS; i++) arm[i].ratio[round] = ns[i] / ns[0];
    return ERR_NONE;
}

/* A busy machine may say anything: no verdict on the program. */
static const char *time_verdict(const struct ratio_interval *r)
{
    if (r->lo >= 0.98 && r->hi <= 1.02) return "within 2 %";
    return r->lo > 1.02 || r->hi < 0.98 ? "differs" : "undecided";
}

/* Whether all ratios are known to 1 %, after so many rounds. */
static bool are_known(struct timed *arm, int32_t rounds)
{
    bool all = true;
    double scratch[ROUNDS];
    for (int32_t i = 1; i < ARMS; i++) {
        arm[i].known = ratio_interval_of(arm[i].ratio, rounds, scratch);
        all = all && ratio_is_known(&arm[i].known, 0.01);
    }
    return all;
}

static enum err time_rounds(struct timed *arm, int32_t *rounds)
{
    int64_t begin = clock_ns();
    *rounds = 0;
    while (*rounds < ROUNDS) {
        TRY(time_round(arm, (*rounds)++));
        double seconds = (double)(clock_ns() - begin) / 1e9;
        if (precision_is_look(*rounds) && (are_known(arm, *rounds) || 2 * seconds > TIME_LIMIT_S))
            break;
    }
    return ERR_NONE;
}

/* One row after the same context: AR's decode, a verify forward without drafts, a block of one. */
static enum err check_times(struct checks *c)
{
    struct decode_spec s = base();
    struct timed *arm = calloc(ARMS, sizeof *arm);
    int32_t rounds;
    enum err e = ERR_NONE;
    if (!arm) return err_set(ERR_NOMEM, "verify: out of memory");
    arm[0] = (struct timed){.name = "ar", .ops = &decoder_ar};
    arm[1] = (struct timed){.name = "ar-verify without drafts", .ops = &decoder_ar_verify};
    arm[2] = (struct timed){.name = "block of 1, shifted head", .ops = &decoder_block};
    s.batch = 1;
    s.draft_tokens = 0;
    s.block_length = s.steps = 1;
    s.head = HEAD_SHIFTED;
    for (int32_t i = 0; i < ARMS; i++) TRY_OUT(open_arm(c, &arm[i], &s));
    TRY_OUT(time_rounds(arm, &rounds));
    for (int32_t i = 1; i < ARMS; i++) {
        char name[120];
        const struct ratio_interval *r = &arm[i].known;
        snprintf(name, sizeof name, "%s: %.3f times as long (%.3f to %.3f)", arm[i].name, r->median,
                 r->lo, r->hi);
        add(c, "time", name, "ar", rounds, 0, 0, NAN, time_verdict(r));
    }
out:
    for (int32_t i = 0; i < ARMS; i++) session_free(arm[i].session);
    free(arm);
    return e;
}

enum err verb_verify(const struct options *o)
{
    struct checks c = {0};
    struct kernels *k = NULL;
    struct model_config config;
    struct kernels_config kc = {.backend = "cpu"};
    enum err e = ERR_NONE;
    if (o->n_args > 1) return err_set(ERR_USAGE, "verify: expected at most one model");
    table_open(&c.table, "checks", columns);
    TRY_OUT(model_named(o->n_args ? o->arg[0] : "tiny-test", 0, &config));
    TRY_OUT(kernels_open(&kc, &k));
    TRY_OUT(model_create(k, &config, DTYPE_BF16, 11, &c.model));
    if (!o->only || o->only == ONLY_CACHES) TRY_OUT(check_caches(&c));
    if (!o->only || o->only == ONLY_TOKENS) TRY_OUT(check_all_tokens(&c));
    if (!o->only || o->only == ONLY_TIMES) TRY_OUT(check_times(&c));
    TRY_OUT(table_print(&c.table, o->output));
    if (c.n_failed)
        e = err_set(ERR_VERIFY, "%d check%s failed on %s", c.n_failed, plural(c.n_failed),
                    config.name);
out:
    table_free(&c.table);
    model_free(c.model);
    kernels_close(k);
    return e;
}
