/* measure.c - the order in which a matched group is decoded, replayed and stored. */
#include "harness/app/measure.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/hash.h"
#include "harness/base/stats.h"
#include "roofline/contention.h"

const struct measure_limits measure_default = {
    .n_rounds = 6,
    .visit_ns = 30 * 1000000LL,
    .max_visit_samples = 8,
    .max_decodes = 3,
    .decode_ns = 1500 * 1000000LL,
};

enum { MAX_WARMUPS = 4 };

/* What one arm's roofs were in each round. */
struct probes {
    struct ceiling_set *set; /* owned: this round's; NULL where another arm has the same */
    struct price price[MEASURE_ROUNDS_MAX];
    int32_t n;
};

struct group {
    struct engine *engine;
    const struct measure_limits *limits;
    struct arm *arm;
    int32_t n;
    int64_t seq;
    struct arm *last;      /* whose data the caches hold */
    struct probes *probes; /* owned; one per arm         */
};

/* Stop this arm, keep its sentence; the others go on. */
static void arm_fail(struct arm *a, enum err e)
{
    a->status = e;
    snprintf(a->message, sizeof a->message, "%s", err_msg());
}

/* The i-th arm of a round: forwards in even rounds, backwards in odd ones. */
static struct arm *turn(const struct group *g, int32_t round, int32_t i)
{
    return &g->arm[round % 2 ? g->n - 1 - i : i];
}

static void note_others(struct arm *a, int32_t from, const struct contention *c)
{
    double others = contention_end(c).other_cpus;
    for (int32_t i = from; i < a->n; i++) a->forward[i].row.other_cpus = others;
}

static void open_arms(struct group *g)
{
    int64_t bytes = 0, scratch = 0;
    for (int32_t i = 0; i < g->n; i++) {
        struct arm *a = &g->arm[i];
        struct kernels_extra extra = {0};
        enum err e = arm_plan(a, g->engine, a->cell);
        if (e == ERR_NONE) e = engine_extra(g->engine, a->cell, &extra);
        if (e != ERR_NONE)
            arm_fail(a, e);
        else
            bytes += a->plan->session_bytes + extra.graph_bytes;
        if (extra.scratch_bytes > scratch) scratch = extra.scratch_bytes; /* all arms share it */
    }
    for (int32_t i = 0; i < g->n; i++) {
        struct arm *a = &g->arm[i];
        if (a->status != ERR_NONE) continue;
        struct model *m, *draft = NULL;
        enum err e = engine_load(g->engine, a->cell, bytes + scratch, &m);
        if (e == ERR_NONE) e = engine_load_draft(g->engine, a->cell, &draft);
        if (e == ERR_NONE) e = arm_open(a, m, draft);
        if (e == ERR_NONE) bytes -= a->plan->session_bytes;
        if (e != ERR_NONE) arm_fail(a, e);
    }
}

static void decode(struct group *g, struct arm *a, int32_t sample, bool warmup)
{
    struct contention c;
    int32_t from = a->n;
    if (a->status != ERR_NONE) return;
    contention_begin(&c);
    enum err e = arm_decode(a, sample, warmup, &g->seq);
    note_others(a, from, &c);
    g->last = a;
    if (e != ERR_NONE) arm_fail(a, e);
}

/* CUDA graphs made so far. */
static int64_t graphs_captured(const struct group *g)
{
    for (int32_t i = 0; i < g->n; i++)
        if (g->arm[i].session) return kernels_graphs(session_kernels(g->arm[i].session)).captured;
    return 0;
}

/* Whole decodes: a warm-up each, repeated while graphs are made in it, then measured ones in turns
 * until each arm has enough. */
static void decode_all(struct group *g)
{
    int64_t captured = -1;
    for (int32_t i = 0; i < MAX_WARMUPS && captured != graphs_captured(g); i++) {
        captured = graphs_captured(g);
        for (int32_t k = 0; k < g->n; k++) decode(g, &g->arm[k], 0, true);
    }
    for (int32_t sample = 1; sample <= g->limits->max_decodes; sample++)
        for (int32_t i = 0; i < g->n; i++) {
            struct arm *a = turn(g, sample, i);
            if (sample == 1 || a->decode_ns * sample <= g->limits->decode_ns)
                decode(g, a, sample, false);
        }
}

static int32_t visit_samples(const struct group *g, const struct arm *a, int phase)
{
    if (g->limits->max_visit_samples < 2) return 1;
    int64_t n = a->pinned_ns[phase] > 0 ? g->limits->visit_ns / a->pinned_ns[phase] : 2;
    if (n > g->limits->max_visit_samples) n = g->limits->max_visit_samples;
    return n < 2 ? 2 : (int32_t)n;
}

/* Every call of the pinned forwards timed: where a forward's time goes. */
static enum err trace(struct group *g, struct arm *a, int32_t n, int32_t round)
{
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        if (!a->recorded[ph]) continue;
        for (int32_t i = 0; i < n; i++) {
            struct replay r = {.kind = FORWARD_TRACE,
                               .phase = ph,
                               .sample = round * n + i,
                               .round = round,
                               .warmup = n > 1 && i == 0};
            TRY(arm_replay(a, &r, &g->seq));
        }
    }
    return ERR_NONE;
}

/* What another arm leaves behind: its data in the caches and, for as long as a team waits for more
 * work, its threads on the CPUs.  Forwards until it has passed are marked, one at least. */
static enum err pass_switch(struct group *g, struct arm *a, struct replay r)
{
    enum { SWITCH_NS = 1000000 };
    int64_t begin = clock_ns();
    r.after_switch = true;
    do {
        TRY(arm_replay(a, &r, &g->seq));
    } while (clock_ns() - begin < SWITCH_NS);
    return ERR_NONE;
}

static bool has_probe(const struct group *g, int32_t round)
{
    return g->limits->rounds_per_probe < 2 || round % g->limits->rounds_per_probe == 0;
}

/* One arm's turn in a round: marked forwards when another arm ran before, then samples of
 * every phase, or only of the one that decodes. */
static enum err replay_visit(struct group *g, struct arm *a, int32_t round)
{
    bool switched = g->last != a, all = has_probe(g, round);
    g->last = a;
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        if (!a->recorded[ph] || (!all && ph != (int)arm_main_phase(a))) continue;
        int32_t n = visit_samples(g, a, ph);
        struct replay r = {.kind = FORWARD_PINNED, .phase = ph, .round = round};
        if (switched) {
            r.sample = round * (n + 1);
            TRY(pass_switch(g, a, r));
            switched = false;
        }
        for (int32_t i = 1; i <= n; i++) {
            r.sample = round * (n + 1) + i;
            TRY(arm_replay(a, &r, &g->seq));
        }
    }
    return g->limits->trace_rounds && all ? trace(g, a, 1, round) : ERR_NONE;
}

/* A run whose weights stay in a cache is held against the cache, which is measured before and
 * after. */
static void set_roofs(struct arm *a, const struct price *p)
{
    if (!a->cache_resident) a->price[TIER_CEILINGS] = *p;
}

/* Whether this arm has another turn to come. */
static bool goes_on(const struct arm *a)
{
    return a->status == ERR_NONE && !a->settled;
}

/* An earlier arm with the same roofs that is still probed; -1: none. */
static int32_t same_roofs(const struct group *g, int32_t i)
{
    for (int32_t k = 0; k < i; k++)
        if (!g->arm[k].settled && engine_same_roofs(g->engine, g->arm[k].cell, g->arm[i].cell))
            return k;
    return -1;
}

static enum err probe_arm(struct group *g, int32_t i)
{
    struct probes *p = &g->probes[i];
    struct price price[TIER_COUNT];
    bool resident;
    int32_t twin = same_roofs(g, i);
    if (twin >= 0 && g->probes[twin].n <= p->n) twin = -1; /* failed: let this arm say so, too */
    const struct ceiling_set *set = twin < 0 ? NULL : g->probes[twin].set;
    CHECK(p->n < MEASURE_ROUNDS_MAX);
    if (twin < 0) {
        if (!p->set) p->set = calloc(1, sizeof *p->set);
        if (!p->set) return err_set(ERR_NOMEM, "roofs: out of memory");
        TRY(engine_probe(g->engine, g->arm[i].cell, p->set));
        set = p->set;
    }
    engine_price(g->engine, set, g->arm[i].cell, INT64_MAX, price, &resident);
    p->price[p->n++] = price[TIER_CEILINGS];
    return ERR_NONE;
}

/* A machine's roofs can move within seconds, so each round has its own: what is predicted for a
 * forward comes from its round, and a run is held against their medians. */
static void probe_roofs(struct group *g)
{
    for (int32_t i = 0; i < g->n; i++) {
        struct arm *a = &g->arm[i];
        struct probes *p = &g->probes[i];
        if (a->settled) continue;
        enum err e = probe_arm(g, i);
        if (a->status != ERR_NONE) continue;
        if (e != ERR_NONE)
            arm_fail(a, e);
        else
            set_roofs(a, &p->price[p->n - 1]);
    }
}

static double median_of(const struct probes *p, size_t field)
{
    double value[MEASURE_ROUNDS_MAX];
    for (int32_t i = 0; i < p->n; i++)
        memcpy(&value[i], (const char *)&p->price[i] + field, sizeof *value);
    stats_sort(value, p->n);
    return stats_median(value, p->n);
}

static void settle_roofs(struct group *g)
{
    for (int32_t i = 0; i < g->n; i++) {
        struct arm *a = &g->arm[i];
        const struct probes *p = &g->probes[i];
        if (a->status != ERR_NONE || p->n == 0) continue;
        struct price m = p->price[0];
        m.matmul_flop_per_s = median_of(p, offsetof(struct price, matmul_flop_per_s));
        m.attention_flop_per_s = median_of(p, offsetof(struct price, attention_flop_per_s));
        m.vector_flop_per_s = median_of(p, offsetof(struct price, vector_flop_per_s));
        m.bytes_per_s = median_of(p, offsetof(struct price, bytes_per_s));
        set_roofs(a, &m);
        memcpy(a->plan->price, a->price, sizeof a->price);
    }
}

static void look(struct group *g, int32_t rounds)
{
    if (!g->limits->look) return;
    settle_roofs(g);
    g->limits->look(g->limits->look_ctx, g->arm, g->n, rounds);
}

static bool any_goes_on(const struct group *g)
{
    for (int32_t i = 0; i < g->n; i++)
        if (goes_on(&g->arm[i])) return true;
    return false;
}

static void replay_all(struct group *g)
{
    enum { TRACES = 3 };
    int32_t n = g->limits->n_rounds + !g->limits->trace_rounds;
    for (int32_t round = 0; round < n && any_goes_on(g); round++) {
        if (round < g->limits->n_rounds && has_probe(g, round)) probe_roofs(g);
        for (int32_t i = 0; i < g->n; i++) {
            struct arm *a = turn(g, round, i);
            struct contention c;
            int32_t from = a->n;
            if (!goes_on(a)) continue;
            contention_begin(&c);
            enum err e =
                round < g->limits->n_rounds ? replay_visit(g, a, round) : trace(g, a, TRACES, 0);
            note_others(a, from, &c);
            if (e != ERR_NONE) arm_fail(a, e);
        }
        if (round < g->limits->n_rounds) look(g, round + 1);
    }
    settle_roofs(g);
}

/* ---- storing ---- */

static enum err store_arm(struct store *s, const char *invocation_id, struct arm *a,
                          const struct planned_cell *p, const char *pair_id, char run_id[37])
{
    struct run_row run = {
        .status = a->status == ERR_NONE ? "ok" : "failed",
        .message = a->status == ERR_NONE ? NULL : a->message,
        .pair_id = p->pair >= 0 ? pair_id : NULL,
        .pair_baseline = p->baseline,
        .cache_resident = a->cache_resident,
        .weight_bytes = a->plan ? a->plan->weight_bytes : 0,
        .memory_bytes = a->memory_bytes,
        .tokens_sha256 = a->tokens_sha256[0] ? a->tokens_sha256 : NULL,
    };
    /* A run that failed half way keeps its sentence and loses its forwards, so that no view
     * averages half a run. */
    int32_t n = a->status == ERR_NONE ? a->n : 0;
    memcpy(run.price, a->price, sizeof run.price);
    if (a->session) {
        run.threads = kernels_threads(session_kernels(a->session));
        run.variant = kernels_variant(session_kernels(a->session));
    }
    struct forward_row *rows = calloc((size_t)n + 1, sizeof *rows);
    if (!rows) return err_set(ERR_NOMEM, "rows of %d forwards: out of memory", n);
    for (int32_t i = 0; i < n; i++) {
        rows[i] = a->forward[i].row;
        rows[i].ledger = &a->forward[i].ledger;
    }
    enum err e = store_add_run(s, invocation_id, a->cell, &run, rows, n);
    free(rows);
    memcpy(run_id, run.run_id, sizeof run.run_id);
    return e;
}

static enum err store_group(struct group *g, struct store *s, const char *invocation_id,
                            const struct planned_cell *const *cells, struct measured_run *runs)
{
    char pair_id[UUID_SIZE];
    TRY(uuid_make(pair_id));
    TRY(store_begin(s));
    for (int32_t i = 0; i < g->n; i++) {
        TRY(store_arm(s, invocation_id, &g->arm[i], cells[i], pair_id, runs[i].run_id));
        runs[i].status = g->arm[i].status;
        memcpy(runs[i].message, g->arm[i].message, sizeof runs[i].message);
        if (runs[i].status != ERR_NONE) continue;
        runs[i].weight_bytes = g->arm[i].plan->weight_bytes;
        plan_predict(g->arm[i].cell, g->arm[i].plan, &runs[i].prediction);
    }
    return store_commit(s);
}

enum err measure_group(struct engine *engine, struct store *s, const char *invocation_id,
                       const struct planned_cell *const *cells, int32_t n,
                       const struct measure_limits *limits, struct measured_run *runs)
{
    struct group g = {.engine = engine, .limits = limits, .n = n};
    enum err e = ERR_NONE;
    const struct cell **cell = calloc((size_t)n, sizeof *cell);
    g.arm = calloc((size_t)n, sizeof *g.arm);
    g.probes = calloc((size_t)n, sizeof *g.probes);
    if (!g.arm || !g.probes || !cell)
        TRY_OUT(err_set(ERR_NOMEM, "group of %d cells: out of memory", n));
    for (int32_t i = 0; i < n; i++) {
        g.arm[i].cell = cell[i] = &cells[i]->cell;
        g.arm[i].baseline = cells[i]->baseline;
    }
    engine_keep(engine, cell, n);
    open_arms(&g);
    decode_all(&g);
    replay_all(&g);
    e = store_group(&g, s, invocation_id, cells, runs);
out:
    for (int32_t i = 0; g.arm && i < n; i++) arm_close(&g.arm[i]);
    free(g.arm);
    for (int32_t i = 0; g.probes && i < n; i++) free(g.probes[i].set);
    free(g.probes);
    free(cell);
    return e;
}
