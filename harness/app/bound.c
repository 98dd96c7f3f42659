/* bound.c - compare the runs of a group, and say what limits each of its bases. */
#include "harness/app/bound.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/elasticity.h"

enum { MAX_COMPARED = 256, ROUNDS_MAX = 64, NAME_SIZE = 24 };

/* One phase of a base cell, or an operation class in it, against the changed cells. */
struct compared {
    char phase[NAME_SIZE], op[NAME_SIZE];
    struct comparison c;
};

struct judging {
    struct store *store;
    const char *base_id;
    const char *changed_id[CHANGE_COUNT]; /* NULL: not run, or failed */
    double compute_ratio[CHANGE_COUNT], bandwidth_ratio[CHANGE_COUNT];
    struct compared *compared; /* owned */
    int32_t n;

    /* Rounds of the phase and operation that is being read. */
    enum change change;
    char phase[NAME_SIZE], op[NAME_SIZE];
    double base_ns[ROUNDS_MAX], changed_ns[ROUNDS_MAX], base_bytes, changed_bytes;
    int32_t n_rounds;
};

/* Rounds that both runs have: pinned forwards whole, traced ones by operation class. */
static const char rounds_sql[] =
    "WITH t AS (SELECT r.run_id, f.phase, '' AS op, f.round, AVG(f.step_ns) AS ns, "
    "AVG(f.bytes_dram) AS bytes FROM run r JOIN forward f ON f.run_no = r.run_no "
    "WHERE r.run_id IN (?1, ?2) AND f.step_ns IS NOT NULL GROUP BY r.run_id, f.phase, f.round "
    "UNION ALL SELECT r.run_id, f.phase, o.op, f.round, AVG(o.time_ns), AVG(o.bytes_dram) "
    "FROM run r CROSS JOIN forward f ON f.run_no = r.run_no CROSS JOIN forward_op o "
    "ON o.op_id BETWEEN 32 * f.forward_id AND 32 * f.forward_id + 31 "
    "WHERE r.run_id IN (?1, ?2) AND f.kind = 'trace' AND f.warmup = 0 "
    "GROUP BY r.run_id, f.phase, o.op, f.round) "
    "SELECT b.phase, b.op, b.ns, c.ns, b.bytes, c.bytes FROM t b JOIN t c "
    "ON c.phase = b.phase AND c.op = b.op AND c.round = b.round "
    "WHERE b.run_id = ?1 AND c.run_id = ?2 AND b.ns > 0 AND c.ns > 0 "
    "ORDER BY b.phase, b.op, b.round";

static struct compared *find_compared(struct judging *j)
{
    for (int32_t i = 0; i < j->n; i++)
        if (strcmp(j->compared[i].phase, j->phase) == 0 && strcmp(j->compared[i].op, j->op) == 0)
            return &j->compared[i];
    CHECK(j->n < MAX_COMPARED);
    struct compared *c = &j->compared[j->n++];
    snprintf(c->phase, sizeof c->phase, "%s", j->phase);
    snprintf(c->op, sizeof c->op, "%s", j->op);
    return c;
}

/* The rounds read so far belong together. */
static void finish_rounds(struct judging *j)
{
    double scratch[ROUNDS_MAX];
    if (j->n_rounds == 0) return;
    struct comparison *c = &find_compared(j)->c;
    c->by[j->change].rounds = j->n_rounds;
    c->by[j->change].bytes_ratio =
        j->base_bytes > 0 && j->changed_bytes > 0 ? j->changed_bytes / j->base_bytes : 1;
    c->by[j->change].compute_ratio = j->compute_ratio[j->change];
    c->by[j->change].bandwidth_ratio = j->bandwidth_ratio[j->change];
    stats_paired_ratio(j->changed_ns, j->base_ns, j->n_rounds, look_confidence, scratch,
                       &c->by[j->change].time);
    j->n_rounds = 0;
}

static double real_of(const struct store_value *v)
{
    return v->type == VALUE_INT ? (double)v->i : v->type == VALUE_REAL ? v->r : NAN;
}

static enum err add_round(void *ctx, const struct store_result_row *row)
{
    struct judging *j = ctx;
    const struct store_value *v = row->value;
    if (strcmp(j->phase, v[0].text) != 0 || strcmp(j->op, v[1].text) != 0) finish_rounds(j);
    if (j->n_rounds == ROUNDS_MAX) return ERR_NONE;
    snprintf(j->phase, sizeof j->phase, "%s", v[0].text);
    snprintf(j->op, sizeof j->op, "%s", v[1].text);
    j->base_ns[j->n_rounds] = real_of(&v[2]);
    j->changed_ns[j->n_rounds++] = real_of(&v[3]);
    j->base_bytes = real_of(&v[4]);
    j->changed_bytes = real_of(&v[5]);
    return ERR_NONE;
}

static enum err take_real(void *ctx, const struct store_result_row *row)
{
    *(double *)ctx = real_of(&row->value[0]);
    return ERR_NONE;
}

/* Base over changed.  Instructions do not change how fast memory is, and two probes of the same
 * memory would only add their noise. */
static enum err bandwidth_ratio(struct judging *j, enum change change)
{
    struct store_value ids[] = {store_text(j->base_id), store_text(j->changed_id[change])};
    double ratio = 1;
    if (change == CHANGE_STORAGE || change == CHANGE_THREADS)
        TRY(store_query(j->store,
                        "SELECT b.bytes_per_s / c.bytes_per_s FROM v_roof b JOIN v_roof c "
                        "ON c.run_id = ?2 WHERE b.run_id = ?1",
                        ids, 2, take_real, &ratio));
    j->bandwidth_ratio[change] = ratio > 0 ? ratio : 1;
    return ERR_NONE;
}

static enum err compare(struct judging *j, enum change change)
{
    struct store_value ids[] = {store_text(j->base_id), store_text(j->changed_id[change])};
    if (!j->changed_id[change]) return ERR_NONE;
    TRY(bandwidth_ratio(j, change));
    j->change = change;
    j->n_rounds = 0;
    TRY(store_query(j->store, rounds_sql, ids, 2, add_round, j));
    finish_rounds(j);
    return ERR_NONE;
}

/* ---- verdicts ---- */

static enum err put_intervention(struct judging *j, const struct compared *compared,
                                 enum change change, const struct elasticity *e)
{
    const struct comparison *c = &compared->c;
    const struct ratio_stats *t = &c->by[change].time;
    struct intervention_row row = {
        .phase = compared->phase,
        .op = compared->op,
        .base_run_id = j->base_id,
        .change = change,
        .bytes_ratio = c->by[change].bytes_ratio,
        .compute_ratio = c->by[change].compute_ratio,
        .bandwidth_ratio = c->by[change].bandwidth_ratio,
        .rounds = c->by[change].rounds,
        .time = {t->median, t->lo, t->hi},
        .elasticity = {e->value, e->lo, e->hi},
    };
    if (row.rounds == 0) return ERR_NONE;
    return store_add_intervention(j->store, j->changed_id[change], &row);
}

static enum err judge(struct judging *j, const struct compared *c)
{
    struct verdict v = verdict_of(&c->c);
    for (enum change k = 0; k < CHANGE_COUNT; k++) TRY(put_intervention(j, c, k, &v.elasticity[k]));
    bool known = v.flop_by < CHANGE_COUNT;
    /* Only whole forwards get a verdict whatever is known. */
    if (c->op[0] && (!known || isnan(v.elasticity[CHANGE_STORAGE].value))) return ERR_NONE;
    return store_add_bound(j->store, j->base_id, c->phase, c->op, known ? &v.flop_by : NULL,
                           v.bound);
}

static enum err judge_base(struct judging *j)
{
    for (enum change k = 0; k < CHANGE_COUNT; k++) TRY(compare(j, k));
    TRY(store_begin(j->store));
    for (int32_t i = 0; i < j->n; i++) TRY(judge(j, &j->compared[i]));
    return store_commit(j->store);
}

enum err bound_group_done(void *ctx, const int32_t *index, const struct measured_run *runs,
                          int32_t n)
{
    const struct bound_judging *b = ctx;
    enum err e = ERR_NONE;
    struct compared *compared = calloc(MAX_COMPARED, sizeof *compared);
    if (!compared) return err_set(ERR_NOMEM, "comparing %d runs: out of memory", n);
    for (int32_t i = 0; i < n && e == ERR_NONE; i++) {
        if (b->plan->arm[index[i]].base != index[i] || runs[i].status != ERR_NONE) continue;
        struct judging j = {.store = b->store, .base_id = runs[i].run_id, .compared = compared};
        memset(compared, 0, MAX_COMPARED * sizeof *compared);
        for (int32_t k = 0; k < n; k++) {
            const struct bound_arm *a = &b->plan->arm[index[k]];
            if (a->base != index[i] || k == i || runs[k].status != ERR_NONE) continue;
            j.changed_id[a->change] = runs[k].run_id;
            j.compute_ratio[a->change] = a->compute_ratio;
        }
        e = judge_base(&j);
    }
    free(compared);
    return e;
}
