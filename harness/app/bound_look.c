/* bound_look.c - let go of cells whose verdicts are settled while others are still measured. */
#include <string.h>

#include "harness/app/bound.h"
#include "harness/app/elasticity.h"

struct round_means {
    double ns[MEASURE_ROUNDS_MAX], bytes; /* of the samples that count, as v_step takes them */
    int32_t n;
};

static void means_of(const struct arm *a, int phase, struct round_means *out)
{
    int32_t n[MEASURE_ROUNDS_MAX] = {0};
    bool overflow;
    memset(out, 0, sizeof *out);
    for (int32_t i = 0; i < a->n; i++) {
        const struct forward_row *f = &a->forward[i].row;
        if (f->kind != FORWARD_PINNED || f->warmup || f->after_switch || (int)f->phase != phase)
            continue;
        out->ns[f->round] += (double)f->time_ns;
        n[f->round]++;
        out->bytes = (double)ledger_total(&a->forward[i].ledger, &overflow).cost.bytes_dram;
        if (f->round >= out->n) out->n = f->round + 1;
    }
    for (int32_t r = 0; r < out->n; r++) out->ns[r] /= n[r];
}

static void compare(const struct arm *base, const struct arm *changed, const struct bound_arm *how,
                    int phase, struct comparison *out)
{
    struct round_means b, c;
    double scratch[MEASURE_ROUNDS_MAX];
    means_of(base, phase, &b);
    means_of(changed, phase, &c);
    if (b.n == 0 || c.n != b.n) return;
    const struct price *from = &base->price[TIER_CEILINGS], *to = &changed->price[TIER_CEILINGS];
    bool moves = how->change == CHANGE_STORAGE || how->change == CHANGE_THREADS;
    out->by[how->change].rounds = b.n;
    out->by[how->change].bytes_ratio = b.bytes > 0 && c.bytes > 0 ? c.bytes / b.bytes : 1;
    out->by[how->change].compute_ratio = how->compute_ratio;
    out->by[how->change].bandwidth_ratio =
        moves && from->known && to->known ? from->bytes_per_s / to->bytes_per_s : 1;
    stats_paired_ratio(c.ns, b.ns, b.n, look_confidence, scratch, &out->by[how->change].time);
}

static const struct bound_arm *how_of(const struct bound_plan *p, const struct arm *a)
{
    for (int32_t i = 0; i < p->cells.n; i++)
        if (&p->cells.cell[i].cell == a->cell) return &p->arm[i];
    CHECK(!"an arm of the plan");
    return NULL;
}

static bool decided(const struct bound_plan *p, const struct arm *arm, int32_t n, int32_t base)
{
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        struct comparison c = {0};
        if (!arm[base].recorded[ph]) continue;
        for (int32_t i = 0; i < n; i++) {
            const struct bound_arm *how = how_of(p, &arm[i]);
            if (i != base && how->base == how_of(p, &arm[base])->base && arm[i].status == ERR_NONE)
                compare(&arm[base], &arm[i], how, ph, &c);
        }
        if (verdict_of(&c).bound == BOUND_UNDECIDED) return false;
    }
    return true;
}

void bound_look(void *ctx, struct arm *arm, int32_t n, int32_t rounds)
{
    const struct bound_plan *p = ctx;
    bool is_look = false;
    for (int i = 0; i < N_LOOKS; i++) is_look |= rounds == look_rounds[i];
    if (!is_look) return;
    for (int32_t b = 0; b < n; b++) {
        const struct bound_arm *base = how_of(p, &arm[b]);
        bool is_base = &p->cells.cell[base->base].cell == arm[b].cell;
        if (!is_base || arm[b].settled || arm[b].status != ERR_NONE || !decided(p, arm, n, b))
            continue;
        for (int32_t i = 0; i < n; i++)
            if (how_of(p, &arm[i])->base == base->base) arm[i].settled = true;
    }
}
