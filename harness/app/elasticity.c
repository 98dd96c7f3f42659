/* elasticity.c - exponents, and the rule that names what limits. */
#include "harness/app/elasticity.h"

#include <math.h>

static const struct elasticity unknown = {NAN, NAN, NAN};

/* Ranks 2 and 11 of 12, 6 and 19 of 24, 16 and 33 of 48: an outlier or two do not widen them. */
const int32_t look_rounds[N_LOOKS] = {12, 24, 48};
const double look_confidence = 1 - 0.05 / N_LOOKS;

/* Below this an exponent is a small number over a small number. */
static const double least_demand = 4.0 / 3;

static bool shows_anything(double demand)
{
    return fabs(log(demand)) >= log(least_demand);
}

/* Limits in order, whichever way the demand was changed. */
static struct elasticity ordered(double value, double a, double b)
{
    return (struct elasticity){value, fmin(a, b), fmax(a, b)};
}

struct elasticity elasticity_of_bytes(const struct ratio_stats *time, double demand)
{
    double per = log(demand);
    if (!shows_anything(demand)) return unknown;
    if (!time->has_ci) return (struct elasticity){log(time->median) / per, NAN, NAN};
    return ordered(log(time->median) / per, log(time->lo) / per, log(time->hi) / per);
}

struct elasticity elasticity_of_compute(const struct ratio_stats *time, double demand,
                                        double bandwidth, const struct elasticity *bytes)
{
    double per = log(demand), moved = log(bandwidth);
    if (!shows_anything(demand) || fabs(moved) > fabs(per) / 2) return unknown;
    if (moved == 0) return elasticity_of_bytes(time, demand);
    if (isnan(bytes->value)) return unknown;
    double value = (log(time->median) - bytes->value * moved) / per;
    if (!time->has_ci || isnan(bytes->lo)) return (struct elasticity){value, NAN, NAN};
    double least = fmin(bytes->lo * moved, bytes->hi * moved);
    double most = fmax(bytes->lo * moved, bytes->hi * moved);
    return ordered(value, (log(time->lo) - most) / per, (log(time->hi) - least) / per);
}

enum bound bound_of(const struct elasticity *bytes, const struct elasticity *compute)
{
    const double half = 0.5;
    if (isnan(bytes->lo) || isnan(compute->lo)) return BOUND_UNDECIDED;
    bool bytes_count = bytes->lo >= half, bytes_do_not = bytes->hi < half;
    bool flop_count = compute->lo >= half, flop_do_not = compute->hi < half;
    if (bytes_count && flop_do_not) return BOUND_MEMORY;
    if (flop_count && bytes_do_not) return BOUND_COMPUTE;
    if (bytes_count && flop_count) return BOUND_MIXED;
    if (!bytes_do_not || !flop_do_not) return BOUND_UNDECIDED;
    if (bytes->hi + compute->hi < half) return BOUND_OVERHEAD;
    return bytes->lo + compute->lo >= half ? BOUND_MIXED : BOUND_UNDECIDED;
}

struct verdict verdict_of(const struct comparison *c)
{
    struct verdict v = {.elasticity = {unknown, unknown, unknown, unknown}};
    struct elasticity *bytes = &v.elasticity[CHANGE_STORAGE];
    if (c->by[CHANGE_STORAGE].rounds)
        *bytes = elasticity_of_bytes(&c->by[CHANGE_STORAGE].time,
                                     c->by[CHANGE_STORAGE].bytes_ratio *
                                         c->by[CHANGE_STORAGE].bandwidth_ratio);
    for (enum change k = CHANGE_ARITHMETIC; k < CHANGE_COUNT; k++)
        if (c->by[k].rounds)
            v.elasticity[k] = elasticity_of_compute(&c->by[k].time, c->by[k].compute_ratio,
                                                    c->by[k].bandwidth_ratio, bytes);
    /* Fewer threads move memory, too, and decide only where nothing else shows anything. */
    v.flop_by = CHANGE_ARITHMETIC;
    while (v.flop_by < CHANGE_COUNT && isnan(v.elasticity[v.flop_by].value)) v.flop_by++;
    v.bound = bound_of(bytes, v.flop_by < CHANGE_COUNT ? &v.elasticity[v.flop_by] : &unknown);
    return v;
}
