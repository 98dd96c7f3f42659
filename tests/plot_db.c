/* plot_db.c - see plot_db.h.  Times follow the roofs with a fixed loss and some noise, so that
 * figures look like figures; nothing is measured here. */
#include "tests/plot_db.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/plan.h"
#include "harness/base/hash.h"
#include "harness/base/rng.h"
#include "results/quality.h"

static const struct {
    const char *decoder;
    int32_t block, steps;
    double slower; /* than the roofs say */
} arms[] = {
    {"ar", 0, 0, 1.25},       {"block", 8, 2, 1.3},      {"block", 32, 8, 1.4},
    {"diffusion", 0, 8, 1.6}, {"diffusion", 0, 32, 1.6},
};
enum { N_ARMS = sizeof arms / sizeof arms[0], DECODES = 2 };

/* 1 +- 4 %. */
static double noise(uint64_t *state)
{
    *state = mix64(*state);
    return 0.96 + 0.08 * (double)(*state >> 11) / 9007199254740992.0;
}

static void cpu_target(bool resident, struct plan_target *t)
{
    *t = (struct plan_target){.traffic = {.llc_bytes = resident ? 1 << 30 : 32 << 20,
                                          .row_tile = 1,
                                          .block_rows = 64,
                                          .block_cols = 64},
                              .activation_dtype = DTYPE_F32};
    t->price[TIER_CEILINGS] = (struct price){.known = true,
                                             .matmul_flop_per_s = 214e9,
                                             .attention_flop_per_s = 214e9,
                                             .vector_flop_per_s = 27e9,
                                             .bytes_per_s = resident ? 41e9 : 12.3e9};
}

/* One forward of a phase: its share of the phase's total. */
static struct ledger share(const struct ledger *total, int64_t n)
{
    struct ledger l = *total;
    for (int op = 0; op < OP_COUNT; op++) {
        struct ledger_entry *e = &l.op[op];
        struct cost *c = &e->cost;
        e->calls /= n;
        c->flop_matmul /= n;
        c->flop_attention /= n;
        c->flop_vector /= n;
        c->flop_executed /= n;
        c->bytes_dram /= n;
        c->bytes_dram_lo /= n;
        c->bytes_dram_hi /= n;
        for (int r = 0; r < ROLE_COUNT; r++) c->bytes[r] /= n;
        for (int t = 0; t < TIER_COUNT; t++) {
            e->predicted_ns[t] /= (double)n;
            e->memory_ns[t] /= (double)n;
        }
    }
    return l;
}

struct rows {
    struct forward_row *row;
    int32_t n;
    int64_t seq;
};

static void add_forward(struct rows *out, struct forward_row row, double ns, uint64_t *random)
{
    row.time_ns = (int64_t)(ns * noise(random));
    row.n_forwards = 1;
    row.other_cpus = -1;
    row.seq = out->seq++;
    out->row[out->n++] = row;
}

static void add_phase(struct rows *out, const struct phase_total *t, struct ledger *ledger,
                      struct ledger *traced, double slower, int32_t n_pinned, uint64_t *random)
{
    bool over;
    *ledger = share(&t->ledger, t->forwards);
    *traced = *ledger;
    double ns = ledger_total(ledger, &over).predicted_ns[TIER_CEILINGS] * slower;
    for (int op = 0; op < OP_COUNT; op++)
        traced->op[op].time_ns = (int64_t)(traced->op[op].predicted_ns[TIER_CEILINGS] * slower);
    struct forward_row row = {.phase = t->work.phase, .ledger = ledger, .work = t->work};
    row.work.rows /= t->forwards;
    row.work.logit_rows /= t->forwards;
    row.work.flop_useful /= t->forwards;
    int64_t tokens = t->work.tokens_committed;
    for (int32_t d = 0; d < DECODES; d++)
        for (int64_t i = 0; i < t->forwards; i++) {
            row.kind = FORWARD_DECODE;
            row.sample = d;
            row.step = (int32_t)i;
            /* What does not divide evenly is committed by the last one. */
            row.work.tokens_committed = tokens / t->forwards;
            if (i == t->forwards - 1) row.work.tokens_committed += tokens % t->forwards;
            add_forward(out, row, ns, random);
        }
    for (int32_t i = 0; i < n_pinned; i++) {
        row.kind = FORWARD_PINNED;
        row.sample = i;
        row.round = i / 2;
        add_forward(out, row, ns, random);
    }
    row.kind = FORWARD_TRACE;
    row.ledger = traced;
    add_forward(out, row, ns, random);
}

const struct planted_bound planted_bounds[5] = {
    [BOUND_MEMORY] = {{0.9, 0.8, 1.0}, {0.1, 0.0, 0.2}},
    [BOUND_COMPUTE] = {{0.1, 0.0, 0.2}, {0.95, 0.85, 1.05}},
    [BOUND_MIXED] = {{0.6, 0.55, 0.7}, {0.65, 0.6, 0.75}},
    [BOUND_OVERHEAD] = {{-0.05, -0.1, 0.05}, {0.02, -0.02, 0.06}},
    [BOUND_UNDECIDED] = {{0.4, -3, 4}, {0.3, 0.1, 0.7}},
};

/* A verdict on each phase; the changed runs are of a cell that no figure shows. */
static enum err store_verdict(struct store *s, const char *invocation, const struct cell *cell,
                              const struct plan *p, const struct run_row *base, enum bound verdict)
{
    const enum change changes[] = {CHANGE_STORAGE, CHANGE_ARITHMETIC};
    const struct planted_bound *b = &planted_bounds[verdict];
    struct cell c = *cell;
    c.arithmetic = ARITHMETIC_TWICE;
    for (int i = 0; i < 2; i++) {
        struct run_row run = {.status = "ok", .threads = base->threads};
        TRY(store_add_run(s, invocation, &c, &run, NULL, 0));
        for (enum phase ph = 0; ph < PHASE_COUNT; ph++) {
            struct intervention_row row = {.phase = phase_name(ph), .op = "", .rounds = 9,
                                           .base_run_id = base->run_id, .change = changes[i],
                                           .bytes_ratio = 2, .compute_ratio = 2,
                                           .bandwidth_ratio = 1, .time = {1, NAN, NAN}};
            if (!p->phase[ph].forwards) continue;
            memcpy(row.elasticity, i == 0 ? b->bytes : b->flop, sizeof row.elasticity);
            TRY(store_add_intervention(s, run.run_id, &row));
            if (i == 0) TRY(store_add_bound(s, base->run_id, row.phase, "", &changes[1], verdict));
        }
    }
    return ERR_NONE;
}

static enum err store_cell(struct store *s, const char *invocation, const struct cell *c,
                           const struct plan *p, double slower, const struct plot_db *what,
                           struct run_row *run)
{
    int64_t forwards = 0;
    struct ledger ledger[2 * PHASE_COUNT];
    uint64_t random = (uint64_t)c->spec.batch * 1000 + (uint64_t)c->spec.steps;
    if (strncmp(what->device, "sim:", 4) == 0) {
        struct forward_row plan[PHASE_COUNT];
        int32_t n = plan_rows(p, plan);
        return store_add_run(s, invocation, c, run, plan, n);
    }
    for (int ph = 0; ph < PHASE_COUNT; ph++) forwards += p->phase[ph].forwards;
    struct rows rows = {
        .row = calloc((size_t)(DECODES * forwards + PHASE_COUNT * (what->n_pinned + 1)),
                      sizeof *rows.row)};
    if (!rows.row) return err_set(ERR_NOMEM, "no memory for rows");
    for (int ph = 0; ph < PHASE_COUNT; ph++)
        if (p->phase[ph].forwards)
            add_phase(&rows, &p->phase[ph], &ledger[2 * ph], &ledger[2 * ph + 1], slower,
                      what->n_pinned, &random);
    enum err e = store_add_run(s, invocation, c, run, rows.row, rows.n);
    free(rows.row);
    return e;
}

/* As if the cell's policy had been judged on a process: exact for the first arm, else the further
 * from the truth the more tokens a forward commits. */
static enum err store_quality(struct store *s, const char *invocation, const struct cell *cell,
                              const struct plan *p, int arm)
{
    struct cell c = *cell;
    struct quality_row q = {.samples = 100, .law = arm == 1 ? "bound" : "exact"};
    char sha[65];
    sha256_hex("made up", 7, sha);
    q.process_sha256 = sha;
    snprintf(c.model, sizeof c.model, "made-up");
    c.layers = 0;
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        q.forwards[ph] = p->phase[ph].forwards;
        q.tokens[ph] = p->phase[ph].work.tokens_committed;
    }
    double kl = 0.02 * arm;
    q.kl = (struct estimate){kl, kl * 0.9, kl * 1.1};
    q.reverse = q.tv = q.surprise = q.entropy = q.kl;
    q.reverse_least = strcmp(c.decoder, "block") == 0 ? 0.6 * kl : NAN;
    return store_add_quality(s, invocation, &c, &q);
}

/* Masks, and noise that is worse. */
static enum err store_corruptions(struct store *s, const char *invocation)
{
    char sha[65];
    sha256_hex("made up", 7, sha);
    for (int32_t width = 0; width <= 16; width += 16) {
        struct corruption_point p[40];
        struct corruption_row row = {.source = "made-up", .process_sha256 = sha, .width = width,
                                     .symbols = 4, .tokens = 16, .sequences = 100, .entropy = 0.6,
                                     .useful_time = width ? 0.33 : 0.81};
        int32_t n = 0;
        for (int32_t i = 1; i < 10; i++)
            p[n++] = (struct corruption_point){"uncertainty", i / 10.0,
                                               width ? (i > 7) * 0.5 : i / 10.0};
        for (int32_t steps = 1; steps <= 1024; steps *= 2) {
            double gap = (width ? 5.0 : 0.6) / steps;
            p[n++] = (struct corruption_point){"bound", steps, 0.6 + gap};
            p[n++] = (struct corruption_point){"best_bound", steps, 0.6 + gap / 2};
        }
        TRY(store_add_corruption(s, invocation, &row, p, n));
    }
    return ERR_NONE;
}

enum err plot_db_fill(struct store *s, const struct plot_db *what)
{
    bool sim = strncmp(what->device, "sim:", 4) == 0;
    const struct invocation i = {.argv = "regime sweep made-up", .seed = 1};
    const struct device_row d = {.device = what->device,
                                 .kind = sim ? "sim" : "cpu",
                                 .description = sim ? "datasheet" : "Made-up CPU, 2 CPUs, avx2"};
    struct plan_target target;
    char invocation[37], pair[64];
    TRY(store_begin_invocation(s, &i, &d, invocation));
    TRY(store_begin(s));
    TRY(store_corruptions(s, invocation));
    for (const int32_t *b = what->batch; *b; b++) {
        for (int a = 0; a < N_ARMS; a++) {
            struct cell c = {.layers = what->layers,
                             .dtype = what->f32 ? DTYPE_F32 : DTYPE_BF16,
                             .kv_dtype = DTYPE_BF16};
            c.spec = (struct decode_spec){.batch = *b,
                                          .n_prompt = 64,
                                          .n_gen = 32,
                                          .seed = 1,
                                          .block_length = arms[a].block,
                                          .steps = arms[a].steps};
            snprintf(c.model, sizeof c.model, "%s", what->model);
            snprintf(c.decoder, sizeof c.decoder, "%s", arms[a].decoder);
            snprintf(c.device, sizeof c.device, "%s", what->device);
            snprintf(c.match, sizeof c.match, "policy");
            if (sim)
                TRY(plan_target_sim(c.device, c.dtype, 0, &target));
            else
                cpu_target(what->resident, &target);
            struct plan *p = malloc(sizeof *p);
            if (!p) return err_set(ERR_NOMEM, "no memory for a plan");
            enum err e = plan_cell(&c, &target, p);
            struct run_row run = {
                .status = "ok", .pair_id = pair, .pair_baseline = a == 0, .threads = sim ? 0 : 2};
            snprintf(pair, sizeof pair, "%s-%s-%d", what->device, what->model, *b);
            if (e == ERR_NONE) {
                run.cache_resident = p->cache_resident;
                run.weight_bytes = p->weight_bytes;
                memcpy(run.price, p->price, sizeof run.price);
                e = store_cell(s, invocation, &c, p, arms[a].slower, what, &run);
                if (e == ERR_NONE && what->bounds)
                    e = store_verdict(s, invocation, &c, p, &run, (enum bound)a);
                if (e == ERR_NONE) e = store_quality(s, invocation, &c, p, a);
            }
            free(p);
            TRY(e);
        }
    }
    TRY(store_commit(s));
    return store_end_invocation(s, invocation, 0);
}
