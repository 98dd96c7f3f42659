/* claims.c - the table of claims, and the verdict on each. */
#include "harness/app/claims.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/claims_ask.h"
#include "harness/app/claims_evidence.h"

static const struct claim table[] = {
    {"C01", NULL, "AR_AI_ONE", '+', "AR decoding does about 1 FLOP per byte",
     "batch 1, bf16, at most 512 positions", "common; arXiv 2402.16363", ask_ar_one,
     EVIDENCE_ANALYTIC, false, NULL},
    {"C02", NULL, "RIDGE_100", '+', "A GPU wants more than 100 FLOP per byte",
     "an A100, H100 or H200", "data sheets", ask_ridge_100, EVIDENCE_ANALYTIC, true, NULL},
    {"C03", NULL, "AR_B1_MEMBOUND", '+', "AR decoding at batch 1 is bound by bandwidth", "batch 1",
     "common; arXiv 2510.18480", ask_ar_memory, EVIDENCE_TIMING, true, NULL},
    {"C04", NULL, "AR_AI_LINEAR_B", '-',
     "Batching makes AR's intensity grow linearly: a low one is a matter of batch 1",
     "batches 2 to 16, at most 256 positions", "arXiv 2510.04146, 2510.18480", ask_ar_linear,
     EVIDENCE_ANALYTIC, false, NULL},
    {"C05", NULL, "AR_COMPUTE_AT_B", '-',
     "AR becomes compute-bound at a large batch and a short context",
     "context below L_max / 2, a batch of 1 to 1.5 times the predicted one", "derived",
     ask_ar_compute, EVIDENCE_ANALYTIC, true, NULL},
    {"C06", NULL, "AR_LONG_NEVER", '0', "Beyond L_max AR stays memory-bound at every batch",
     "context of at least 1.5 L_max", "derived; arXiv 2510.04146", ask_ar_long, EVIDENCE_ANALYTIC,
     true, NULL},
    {"C07", NULL, "MDM_COMPUTE_B1", '+',
     "Full-sequence diffusion is compute-bound already at batch 1",
     "batch 1, at least 2 R positions", "arXiv 2511.19269, 2510.04146", ask_full_compute,
     EVIDENCE_ANALYTIC, true, NULL},
    {"C08", NULL, "MDM_SHORT_MEM", '-', "Diffusion of a short sequence is still memory-bound",
     "batch 1, at most R / 2 positions", "derived", ask_full_short, EVIDENCE_ANALYTIC, true, NULL},
    {"C09", NULL, "MDM_FLOPS_TOKEN", '-',
     "Diffusion spends T L / Lg times AR's FLOPs on each generated token",
     "an AR run of the same request", "arXiv 2510.18480", ask_full_flop, EVIDENCE_ANALYTIC, false,
     NULL},
    {"C10", NULL, "MDM_TSTAR", '0',
     "Diffusion equals AR at R Lg / L steps, whatever the size of the model",
     "batch 1, at least 1.5 R positions, two models", "derived", ask_full_equal_steps,
     EVIDENCE_ANALYTIC, true, NULL},
    {"C11", NULL, "MDM_T_EQ_LG_LOSES", '-', "At one token per step diffusion is slower than AR",
     "batch 1, as many steps as tokens, at least 1.5 R positions",
     "LLaDA (arXiv 2502.09992), arXiv 2510.18480", ask_full_one_token, EVIDENCE_TIMING, true, NULL},
    {"C12", NULL, "MDM_NO_BATCH_GAIN", '-',
     "Diffusion's throughput is flat in the batch while AR's scales",
     "at least 2 R positions, batches 1 and 8", "arXiv 2510.18480", ask_full_batch, EVIDENCE_TIMING,
     true, NULL},
    {"C13", NULL, "MDM_LEN_COLLAPSE", '-',
     "Diffusion's speed at one token per step collapses with length, AR's and block's does not",
     "batch 1, 256 and 2048 positions, grouped K/V heads", "arXiv 2510.18480, 2510.04146",
     ask_full_length, EVIDENCE_TIMING, true, NULL},
    {"C14", NULL, "BLOCK_AI_B", '0',
     "A block's intensity is its length, whatever the context, so short blocks are memory-bound",
     "batch 1, blocks of 4 to 64, about 512 and 4096 cached positions",
     "arXiv 2510.04146, 2511.19269", ask_block_intensity, EVIDENCE_ANALYTIC, true, NULL},
    {"C15", NULL, "FREE_SLOTS", '+', "Rows up to the ridge are nearly free, then time is linear",
     "batch 1, blocks from R / 4 to 4 R", "TiDAR (arXiv 2511.08923)", ask_free_slots,
     EVIDENCE_TIMING, true, NULL},
    {"C16", NULL, "BLOCK_B1_WINS", '+',
     "At batch 1 block diffusion is as many times faster as it commits tokens per forward",
     "batch 1, blocks of at most R / 4, more than one token per forward",
     "arXiv 2509.04185, 2511.08923, 2509.26328", ask_block_wins, EVIDENCE_TIMING, true, NULL},
    {"C17", NULL, "BLOCK_SAT_EARLY", '-',
     "Block diffusion saturates at a batch of about R / b, far below AR",
     "at most 512 cached positions, blocks of at least 16, four batches",
     "FOCUS (arXiv 2601.23278)", ask_block_saturates, EVIDENCE_TIMING, true, NULL},
    {"C18", NULL, "AR_OVERTAKES", '-', "AR overtakes block diffusion at the predicted batch",
     "tokens per forward below 0.7 TPF_inf, at most 1024 cached positions",
     "arXiv 2510.18480, 2510.04146", ask_ar_overtakes, EVIDENCE_ANALYTIC, true, NULL},
    {"C19", NULL, "BLOCK_LONG_NEVER_LOSES", '+',
     "With a long context block diffusion never loses, at any batch",
     "tokens per forward above 1.3 TPF_inf", "derived", ask_block_never_loses, EVIDENCE_ANALYTIC,
     true, NULL},
    {"C20", NULL, "SAT_RATIO_RHO", '-',
     "When both are compute-bound AR is faster by the redundancy b / TPF",
     "at most 256 cached positions, batch at least R, batch x block at least 4 R",
     "FOCUS (arXiv 2601.23278)", ask_redundancy, EVIDENCE_TIMING, true, NULL},
    {"C21", NULL, "DUALCACHE_BOUND", '0',
     "A dual cache saves at most min(S, L / b) of the FLOPs, and less with fewer steps per block",
     "a run without the cache, S of 32 to 4", "Fast-dLLM (arXiv 2505.22618)", ask_dual_bound,
     EVIDENCE_ANALYTIC, false, NULL},
    {"C22", "a", "REFRESH_VS_REUSE", '0',
     "Refresh steps are compute-bound, reuse steps memory-bound",
     "batch 1, at least 2 R positions, blocks of at most R / 4", "dLLM-Serve (arXiv 2512.17077)",
     ask_refresh_reuse, EVIDENCE_ANALYTIC, true, NULL},
    {"C22", "b", "REFRESH_VS_REUSE", '-',
     "A cache buys nothing where the uncached step is memory-bound",
     "batch 1, at most R / 2 positions", "dKV-Cache (arXiv 2505.15781)", ask_cache_short,
     EVIDENCE_TIMING, true, NULL},
    {"C23", "measured", "TPF_EFFICIENCY", '-',
     "Tokens per forward overstate the gain in time, more so where the ridge is low",
     "the same cells on two machines of different ridge", "d3LLM (arXiv 2601.07568)", NULL,
     EVIDENCE_TIMING, true, "needs the same cells timed on two GPUs"},
    {"C23", "record", "TPF_EFFICIENCY", '-',
     "Tokens per forward overstate the gain in time, more so where the ridge is low", "a record",
     "d3LLM (arXiv 2601.07568), SGLang table", record_efficiency, EVIDENCE_LITERATURE, false, NULL},
    {"C24", NULL, "LIT_BD3_LM1B", '-',
     "BD3-LM is more than 0.5 perplexity behind AR on LM1B, unless its blocks are one token",
     "a record", "arXiv 2503.09573, tables 1 and 3", record_bd3_perplexity, EVIDENCE_LITERATURE,
     false, NULL},
    {"C25", "base", "LIT_QUALITY_SERVING", '0', "LLaDA 8B Base matches LLaMA-3 8B on MMLU",
     "a record", "arXiv 2502.09992, table 1", record_mmlu_base, EVIDENCE_LITERATURE, false, NULL},
    {"C25", "instruct", "LIT_QUALITY_SERVING", '0',
     "LLaDA 8B Instruct matches LLaMA-3 8B Instruct on MMLU", "a record",
     "arXiv 2502.09992, table 2", record_mmlu_instruct, EVIDENCE_LITERATURE, false, NULL},
    {"C25", "serving", "LIT_QUALITY_SERVING", '0', "Dream 7B is served by mainline SGLang",
     "a record", "SGLang pull request 20615", NULL, EVIDENCE_LITERATURE, false,
     "not found: its pull request was closed unmerged when last looked at"},
    {"C26", NULL, "SAME_PHYSICS", '-',
     "A block forward takes as long as verifying as many drafted tokens",
     "the same rows behind the same context", "derived", ask_same_physics, EVIDENCE_TIMING, true,
     NULL},
    {"C27", NULL, "PARALLEL_FREE", '+', "Tokens revealed together cost no quality",
     "an exact process, fewer steps than tokens in a block, an order that does not look at what is "
     "drawn",
     "common", ask_parallel_free, EVIDENCE_PROCESS, false, NULL},
    {"C28", NULL, "CONFIDENCE_BETTER", '+',
     "At equal steps confidence order is closer to the truth than random order",
     "an exact process, temperature 1, 2 or more tokens per step", "common; LLaDA, Fast-dLLM",
     ask_confidence_better, EVIDENCE_PROCESS, false, NULL},
    {"C29", NULL, "ONE_BY_ONE_EXACT", '0',
     "One token at a time, in any order that does not look at what is drawn, is the truth",
     "an exact process, as many steps as tokens", "derived: the chain rule", ask_one_by_one_exact,
     EVIDENCE_PROCESS, false, NULL},
    {"C30", NULL, "CONFIDENCE_UNFAITHFUL", '-',
     "Revealing the most confident draw first misses the truth even at one token per step",
     "an exact process, temperature 1, as many steps as tokens", "derived",
     ask_confidence_unfaithful, EVIDENCE_PROCESS, false, NULL},
    {"C31", NULL, "VERIFY_B1_WINS", '-',
     "At batch 1 AR with verified drafts gains what block diffusion gains, in the model's own "
     "tokens",
     "batch 1, free drafts, k + 1 of at most R / 4, more than one token per forward", "derived",
     ask_verify_wins, EVIDENCE_TIMING, true, NULL},
    {"C32", NULL, "DRAFT_TURNING_POINT", '0',
     "Beyond a number of drafts that their cost decides, another one slows AR down",
     "drafts by a second model, four numbers of drafts", "derived", ask_draft_turning,
     EVIDENCE_ANALYTIC, true, NULL},
    {"C33", NULL, "VERIFY_LARGE_LOSES", '0',
     "Where k + 1 rows of each sequence are compute-bound, verified drafts make AR slower",
     "batch of at least R, at least 4 R rows, acceptance up to 0.9", "derived", ask_verify_large,
     EVIDENCE_ANALYTIC, true, NULL},
    {"C34", "a", "FUSED_COMMIT", '+',
     "At batch 1 a fused commit saves block diffusion a forward per block",
     "batch 1, blocks of at most R / 4, the same cells with separate commits", "derived",
     ask_fused_small, EVIDENCE_ANALYTIC, true, NULL},
    {"C34", "b", "FUSED_COMMIT", '-', "Where blocks are compute-bound a fused commit saves nothing",
     "at least 4 R rows, the same cells with separate commits", "derived", ask_fused_large,
     EVIDENCE_ANALYTIC, true, NULL},
    {"C35", NULL, "SAME_MEMORY", '-',
     "In the same memory full-sequence diffusion makes fewer tokens per second than AR",
     "both with the largest batch that fits", "derived", ask_same_memory, EVIDENCE_ANALYTIC, true,
     NULL},
    {"C36", "a", "SIDE_IS_BOUND", '+', "What lies on the memory side of the ridge is limited by memory",
     "verdicts by intervention more than twice off the ridge, weights from DRAM", "common",
     ask_memory_side, EVIDENCE_TIMING, true, NULL},
    {"C36", "b", "SIDE_IS_BOUND", '+',
     "What lies on the compute side of the ridge is limited by arithmetic",
     "verdicts by intervention more than twice off the ridge, weights from DRAM", "common",
     ask_compute_side, EVIDENCE_TIMING, true, NULL},
};
enum { N_CLAIMS = sizeof table / sizeof table[0] };

const struct claim *claim_at(int32_t i)
{
    return i >= 0 && i < N_CLAIMS ? &table[i] : NULL;
}

bool claim_is_about_sides(const struct claim *c)
{
    return c->ask == ask_memory_side || c->ask == ask_compute_side;
}

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = {"PASS", "FAIL", "INCONCLUSIVE", "NOT-RUN"};
    return names[v];
}

const char *evidence_name(enum evidence e)
{
    static const char *const names[] = {NULL, "analytic", "timing", "literature", "process"};
    return names[e];
}

/* ---- one claim ---- */

/* How near what was found is to the nearer end of what is allowed, relative to that end. */
static double margin(const struct question *q)
{
    double m = INFINITY;
    if (isfinite(q->least) && q->least != 0)
        m = fmin(m, fabs(q->found.value - q->least) / fabs(q->least));
    if (isfinite(q->most) && q->most != 0)
        m = fmin(m, fabs(q->most - q->found.value) / fabs(q->most));
    return m;
}

/* Of those with that verdict the tightest, but of failures the widest. */
static int32_t find_decisive(const struct question *q, int32_t n, enum verdict v)
{
    int32_t at = -1;
    for (int32_t i = 0; i < n; i++) {
        if (q[i].verdict != v) continue;
        bool further = at >= 0 && margin(&q[i]) > margin(&q[at]);
        bool nearer = at >= 0 && margin(&q[i]) < margin(&q[at]);
        if (at < 0 || (v == VERDICT_FAIL ? further : nearer)) at = i;
    }
    return at;
}

/* One failure fails the claim; without one, all must pass. */
static enum verdict verdict_of(const struct trial *t)
{
    static const enum verdict order[] = {VERDICT_FAIL, VERDICT_INCONCLUSIVE, VERDICT_PASS};
    for (size_t k = 0; k < sizeof order / sizeof order[0]; k++)
        if (find_decisive(t->question, t->n_questions, order[k]) >= 0) return order[k];
    return t->rank > 0 ? VERDICT_INCONCLUSIVE : VERDICT_NOT_RUN;
}

static void explain(const struct trial *t, struct finding *f)
{
    const char *text = t->note;
    if (f->verdict == VERDICT_INCONCLUSIVE && t->n_questions)
        text = "what is known of the number reaches across the allowed limits";
    else if (f->verdict == VERDICT_INCONCLUSIVE)
        text = t->ruled_out;
    else if (f->verdict == VERDICT_NOT_RUN)
        text = "no run that it is about";
    snprintf(f->reason, sizeof f->reason, "%s", text);
}

/* A plan says what would be seen, a clock whether it is. */
static void leave_to_clock(struct finding *f)
{
    static const char *const words[] = {"by the plan it would hold", "by the plan it would fail",
                                        "the plan does not decide it",
                                        "nothing was planned for it"};
    char why[sizeof f->reason];
    snprintf(why, sizeof why, "%s", f->verdict == VERDICT_INCONCLUSIVE ? f->reason : "");
    snprintf(f->reason, sizeof f->reason, "only a clock decides it; %s%s%.200s", words[f->verdict],
             *why ? ": " : "", why);
    f->verdict = VERDICT_NOT_RUN;
}

static void decide(struct trial *t, struct finding *f)
{
    const struct claim *c = t->claim;
    f->verdict = verdict_of(t);
    f->decisive = t->n_questions ? find_decisive(t->question, t->n_questions, f->verdict) : -1;
    explain(t, f);
    if (c->by == EVIDENCE_TIMING && !t->timed && !claim_is_about_sides(c)) leave_to_clock(f);
    f->timed = t->timed && c->clocked;
    if (f->verdict == VERDICT_NOT_RUN) return;
    f->evidence = c->by >= EVIDENCE_LITERATURE ? c->by
                  : f->timed                   ? EVIDENCE_TIMING
                                               : EVIDENCE_ANALYTIC;
}

static enum err ask(struct trial *t, struct finding *f)
{
    t->claim->ask(t);
    f->question = t->question; /* owned from here on */
    f->n_questions = t->n_questions;
    if (t->no_memory) return err_set(ERR_NOMEM, "claim %s: out of memory", t->claim->id);
    decide(t, f);
    TRY(evidence_sql(t, &f->sql));
    if (claim_is_about_sides(t->claim)) return ERR_NONE;
    return t->timed ? ERR_NONE : evidence_command(t, &f->command);
}

enum err claim_judge(const struct claim *c, const struct seen *const *run, int32_t n,
                     struct finding *out)
{
    struct trial t = {.claim = c, .timed = n > 0 && run[0]->timed};
    enum err e = ERR_NONE;
    *out = (struct finding){.claim = c, .verdict = VERDICT_NOT_RUN, .decisive = -1};
    if (n > 0) snprintf(out->device, sizeof out->device, "%s", run[0]->device);
    if (!c->ask) {
        snprintf(out->reason, sizeof out->reason, "%s", c->not_run);
        return ERR_NONE;
    }
    const struct seen **plain = calloc((size_t)n + 1, sizeof *plain);
    t.used = calloc((size_t)n + 1, sizeof *t.used);
    if (!plain || !t.used) TRY_OUT(err_set(ERR_NOMEM, "claim %s: out of memory", c->id));
    for (int32_t i = 0; i < n; i++)
        if (run[i]->plain) plain[t.n++] = run[i];
    t.run = plain;
    TRY_OUT(ask(&t, out));
out:
    free(plain);
    free(t.used);
    if (e != ERR_NONE) finding_free(out);
    return e;
}

enum err claim_judge_policies(const struct claim *c, const struct policy_list *policies,
                              struct finding *out)
{
    struct trial t = {.claim = c, .policy = policies->policy, .n_policies = policies->n};
    *out = (struct finding){.claim = c, .verdict = VERDICT_NOT_RUN, .decisive = -1};
    snprintf(out->device, sizeof out->device, "process");
    enum err e = ask(&t, out);
    if (e == ERR_NONE && out->verdict == VERDICT_NOT_RUN)
        snprintf(out->reason, sizeof out->reason,
                 "no such policy has been judged on a process (regime quality)");
    if (e != ERR_NONE) finding_free(out);
    return e;
}

enum err claim_judge_side(const struct claim *c, const struct seen_side *side, struct finding *out)
{
    struct trial t = {.claim = c, .side = side, .timed = side != NULL};
    *out = (struct finding){.claim = c, .verdict = VERDICT_NOT_RUN, .decisive = -1};
    if (side) snprintf(out->device, sizeof out->device, "%s", side->device);
    enum err e = ask(&t, out);
    if (e == ERR_NONE && out->verdict == VERDICT_NOT_RUN)
        snprintf(out->reason, sizeof out->reason,
                 "no forward has been tested by intervention (regime bound)");
    if (e != ERR_NONE) finding_free(out);
    return e;
}

void finding_free(struct finding *f)
{
    free(f->question);
    free(f->sql);
    free(f->command);
    *f = (struct finding){0};
}

/* ---- all of them ---- */

void finding_list_free(struct finding_list *l)
{
    for (int32_t i = 0; i < l->n; i++) finding_free(&l->finding[i]);
    free(l->finding);
    *l = (struct finding_list){0};
}

static enum err list_grow(struct finding_list *l)
{
    if (l->n == l->room) {
        int32_t room = l->room ? 2 * l->room : 64;
        struct finding *grown = realloc(l->finding, (size_t)room * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "%d verdicts: out of memory", l->n);
        l->finding = grown;
        l->room = room;
    }
    return ERR_NONE;
}

static enum err list_judge(struct finding_list *l, const struct claim *c,
                           const struct seen *const *run, int32_t n)
{
    TRY(list_grow(l));
    TRY(claim_judge(c, run, n, &l->finding[l->n]));
    l->n++;
    return ERR_NONE;
}

static enum err list_judge_policies(struct finding_list *l, const struct claim *c,
                                    const struct policy_list *policies)
{
    TRY(list_grow(l));
    TRY(claim_judge_policies(c, policies, &l->finding[l->n]));
    l->n++;
    return ERR_NONE;
}

/* On the devices that have such verdicts, else once. */
static enum err judge_sides(const struct claim *c, const struct side_list *sides,
                            struct finding_list *out)
{
    bool compute = c->ask == ask_compute_side, any = false;
    for (int32_t i = 0; i <= sides->n; i++) {
        const struct seen_side *s = i < sides->n ? &sides->side[i] : NULL;
        if (s ? s->is_compute != compute : any) continue;
        TRY(list_grow(out));
        TRY(claim_judge_side(c, s, &out->finding[out->n]));
        out->n++;
        any = true;
    }
    return ERR_NONE;
}

/* The runs of run i's device, when i is the first of them. */
static int32_t runs_of_device(const struct seen_list *runs, int32_t i, const struct seen **out)
{
    int32_t n = 0;
    for (int32_t k = 0; k < runs->n; k++) {
        if (runs->run[k].timed != runs->run[i].timed ||
            strcmp(runs->run[k].device_id, runs->run[i].device_id) != 0)
            continue;
        if (k < i) return 0;
        out[n++] = &runs->run[k];
    }
    return n;
}

static enum err judge_devices(const struct seen_list *runs, bool timed, const struct seen **of,
                              struct finding_list *out)
{
    for (int32_t i = 0; i < runs->n; i++) {
        int32_t n = runs->run[i].timed == timed ? runs_of_device(runs, i, of) : 0;
        const struct claim *c;
        for (int32_t k = 0; n > 0 && (c = claim_at(k)); k++)
            if (c->by < EVIDENCE_LITERATURE && !claim_is_about_sides(c))
                TRY(list_judge(out, c, of, n));
    }
    return ERR_NONE;
}

enum err claims_judge(const struct seen_list *runs, const struct side_list *sides,
                      const struct policy_list *policies, struct finding_list *out)
{
    enum err e = ERR_NONE;
    const struct claim *c;
    *out = (struct finding_list){0};
    const struct seen **of = calloc((size_t)runs->n + 1, sizeof *of);
    if (!of) return err_set(ERR_NOMEM, "%d runs: out of memory", runs->n);
    TRY_OUT(judge_devices(runs, false, of, out));
    TRY_OUT(judge_devices(runs, true, of, out));
    for (int32_t k = 0; (c = claim_at(k)); k++)
        if (claim_is_about_sides(c)) TRY_OUT(judge_sides(c, sides, out));
    for (int32_t k = 0; (c = claim_at(k)); k++)
        if (c->by == EVIDENCE_PROCESS) TRY_OUT(list_judge_policies(out, c, policies));
    for (int32_t k = 0; (c = claim_at(k)); k++)
        if (c->by == EVIDENCE_LITERATURE) TRY_OUT(list_judge(out, c, NULL, 0));
out:
    free(of);
    if (e != ERR_NONE) finding_list_free(out);
    return e;
}
