/* precision.c - see precision.h. */
#include "harness/app/precision.h"

#include <math.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/stats.h"

const struct measure_limits precision_limits = {
    .n_rounds = PRECISION_ROUNDS_MAX,
    .visit_ns = 0,
    .max_visit_samples = 1,
    .max_decodes = 1,
    .decode_ns = 0,
    .trace_rounds = true,
    .rounds_per_probe = PRECISION_ROUNDS_MAX / MEASURE_ROUNDS_MAX,
};

struct ratio_interval ratio_interval_of(const double *ratio, int32_t n, double *scratch)
{
    struct ratio_interval r = {.lo = NAN, .hi = NAN};
    memcpy(scratch, ratio, (size_t)n * sizeof *scratch);
    stats_sort(scratch, n);
    r.median = stats_median(scratch, n);
    if (!stats_median_ci(scratch, n, 0.95, &r.lo, &r.hi)) r.lo = r.hi = NAN;
    return r;
}

bool ratio_is_known(const struct ratio_interval *r, double most)
{
    return r->lo >= r->median / (1 + most) && r->hi <= r->median * (1 + most);
}

bool precision_is_look(int32_t rounds)
{
    for (int32_t at = PRECISION_FIRST_LOOK; at <= rounds; at *= 2)
        if (at == rounds) return true;
    return false;
}

/* Time of an arm's pinned forward in each round; 0: none. */
static void times_of(const struct arm *a, double ns[PRECISION_ROUNDS_MAX])
{
    memset(ns, 0, PRECISION_ROUNDS_MAX * sizeof *ns);
    for (int32_t i = 0; i < a->n; i++) {
        const struct forward_row *f = &a->forward[i].row;
        if (f->kind == FORWARD_PINNED && !f->warmup && !f->after_switch &&
            f->phase == arm_main_phase(a))
            ns[f->round] = (double)f->time_ns;
    }
}

static bool is_known(const struct arm *base, const struct arm *a, double most)
{
    double ns[PRECISION_ROUNDS_MAX], ratio[PRECISION_ROUNDS_MAX], scratch[PRECISION_ROUNDS_MAX];
    int32_t n = 0;
    times_of(base, ns);
    times_of(a, ratio);
    for (int32_t i = 0; i < PRECISION_ROUNDS_MAX; i++)
        if (ns[i] > 0 && ratio[i] > 0) ratio[n++] = ratio[i] / ns[i];
    if (n == 0) return true;
    struct ratio_interval r = ratio_interval_of(ratio, n, scratch);
    return ratio_is_known(&r, most);
}

void precision_look(void *ctx, struct arm *arm, int32_t n, int32_t rounds)
{
    struct precision *p = ctx;
    const struct arm *base = NULL;
    bool all = true;
    if (rounds == 1) p->begin_ns = clock_ns();
    if (!precision_is_look(rounds)) return;
    for (int32_t i = 0; i < n; i++)
        if (arm[i].baseline && arm[i].status == ERR_NONE) base = &arm[i];
    bool late = 2 * (clock_ns() - p->begin_ns) > p->limit_ns;
    for (int32_t i = 0; i < n; i++) {
        if (&arm[i] == base || arm[i].status != ERR_NONE) continue;
        arm[i].settled = late || !base || is_known(base, &arm[i], p->most);
        all &= arm[i].settled;
    }
    for (int32_t i = 0; i < n; i++) arm[i].settled |= all;
}
