/* cpu_rowstat.c - choice, confidence and entropy from one read of each row of logits.
 *
 * A row is cut into slices that fit L1; each slice is read from memory once and yields its
 * maximum and sums, its two best allowed ids and, when sampling, its best perturbed id.  The
 * slices of a row are then put together in rising order. */
#include <math.h>

#include "harness/kernels/cpu/cpu.h"

enum { SLICE = 4096 }; /* a multiple of 64, as cpu_rows.gumbel wants */

struct slice {
    struct slice_sums sums; /* all ids                       */
    struct top2 best;       /* allowed ids, raw logits       */
    struct top2 sampled;    /* allowed ids, with noise       */
};

struct rowstat {
    struct cpu *cpu;
    struct row_stat *stats;
    struct tensor logits;
    const struct row_key *keys;
    const struct choice_rule *rule;
    struct slice *slices; /* [rows][n_slices] */
    int64_t n_slices;
    float *floor;   /* [rows]: lower logits are not sampled; NULL: any is */
    float *weights; /* [members][v]: scratch of finding them              */
};

static const float *row_of(const struct rowstat *a, int64_t row)
{
    return (const float *)a->logits.data + row * a->logits.row_stride;
}

/* Ids begin .. end - 1 without the mask's. */
static void best_allowed(const struct rowstat *a, const float *x, int64_t begin, int64_t end,
                         struct top2 *t)
{
    int64_t mask = a->rule->mask_id;
    if (mask < begin || mask >= end) mask = end;
    if (mask > begin) a->cpu->isa.rows->top2(t, x + begin, begin, mask - begin);
    if (mask + 1 < end) a->cpu->isa.rows->top2(t, x + mask + 1, mask + 1, end - mask - 1);
}

static void read_slice(const struct rowstat *a, int64_t row, int64_t begin, struct slice *out)
{
    const struct top2 none = {-INFINITY, -INFINITY, -1};
    int64_t n_ids = a->logits.dim[1], end = min_i64(begin + SLICE, n_ids);
    int64_t allowed = min_i64(end, a->rule->n_ids);
    const float *x = row_of(a, row);
    *out = (struct slice){.best = none, .sampled = none};
    a->cpu->isa.rows->sums(&out->sums, x + begin, end - begin);
    if (allowed <= begin) return;
    best_allowed(a, x, begin, allowed, &out->best);
    if (a->rule->temperature > 0) {
        struct gumbel_key key = {.request = a->keys[row].request,
                                 .position = a->keys[row].position,
                                 .step = a->keys[row].step,
                                 .seed = a->rule->seed,
                                 .temperature = a->rule->temperature,
                                 .excluded = a->rule->mask_id,
                                 .floor = a->floor ? a->floor[row] : -INFINITY};
        a->cpu->isa.rows->gumbel(&out->sampled, x + begin, begin, allowed - begin, &key);
    }
}

/* Slices come in rising order of ids: of equal values the earlier stays. */
static void top2_merge(struct top2 *t, const struct top2 *next)
{
    if (next->id < 0) return;
    float loser = next->first;
    if (t->id < 0 || next->first > t->first) {
        loser = t->first;
        t->first = next->first;
        t->id = next->id;
    }
    if (loser > t->second) t->second = loser;
    if (next->second > t->second) t->second = next->second;
}

static void put_together(const struct rowstat *a, int64_t row)
{
    const struct slice *s = a->slices + row * a->n_slices;
    struct top2 best = {-INFINITY, -INFINITY, -1}, sampled = best;
    double max = -INFINITY, sum = 0, weighted = 0;
    for (int64_t i = 0; i < a->n_slices; i++) {
        if (s[i].sums.max > max) max = s[i].sums.max;
        top2_merge(&best, &s[i].best);
        top2_merge(&sampled, &s[i].sampled);
    }
    for (int64_t i = 0; i < a->n_slices; i++) {
        double shift = s[i].sums.max - max;
        if (shift < -700) continue; /* e^shift is 0, and 0 times minus infinity must not arise */
        sum += exp(shift) * s[i].sums.sum;
        weighted += exp(shift) * (s[i].sums.weighted + shift * s[i].sums.sum);
    }
    int32_t id = a->rule->temperature > 0 ? sampled.id : best.id;
    a->stats[row] = (struct row_stat){
        .id = id,
        .confidence = id < 0 ? 0 : (float)(exp(row_of(a, row)[id] - max) / sum),
        .p_first = (float)(exp(best.first - max) / sum),
        .p_second = (float)(exp(best.second - max) / sum),
        .entropy_nats = (float)(log(sum) - weighted / sum),
    };
}

static void rowstat_member(void *arg, int32_t member, int32_t n_members)
{
    const struct rowstat *a = arg;
    int64_t begin, end, v = a->logits.dim[1];
    if (a->floor) {
        team_share(a->logits.dim[0], 1, member, n_members, &begin, &end);
        for (int64_t row = begin; row < end; row++)
            a->floor[row] = cpu_nucleus(a->cpu->isa.rows, row_of(a, row), v, a->rule,
                                        a->weights + member * v);
        if (n_members > 1) team_barrier(a->cpu->team, member);
    }
    team_share(a->logits.dim[0] * a->n_slices, 1, member, n_members, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        read_slice(a, i / a->n_slices, i % a->n_slices * SLICE, &a->slices[i]);
    if (n_members > 1) team_barrier(a->cpu->team, member);
    team_share(a->logits.dim[0], 1, member, n_members, &begin, &end);
    for (int64_t row = begin; row < end; row++) put_together(a, row);
}

enum err cpu_rowstat(void *state, struct row_stat *stats, struct tensor logits,
                     const struct row_key *keys, const struct choice_rule *rule)
{
    struct cpu *c = state;
    struct rowstat a = {.cpu = c,
                        .stats = stats,
                        .logits = logits,
                        .keys = keys,
                        .rule = rule,
                        .n_slices = (logits.dim[1] + SLICE - 1) / SLICE};
    size_t rows = (size_t)logits.dim[0], v = (size_t)logits.dim[1];
    size_t n_slices = rows * (size_t)a.n_slices;
    void *slices, *weights = NULL;
    TRY(cpu_scratch(c, SCRATCH_PARTS, n_slices * sizeof(struct slice) + rows * sizeof(float),
                    &slices));
    a.slices = slices;
    if (rule_has_nucleus(rule)) {
        TRY(cpu_scratch(c, SCRATCH_MEMBERS, (size_t)team_size(c->team) * v * sizeof(float),
                        &weights));
        a.floor = (float *)(a.slices + n_slices);
        a.weights = weights;
    }
    cpu_run(c, tensor_bytes(logits), rowstat_member, &a);
    return ERR_NONE;
}
