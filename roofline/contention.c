/* contention.c - see contention.h. */
#include "roofline/contention.h"

void contention_begin(struct contention *c)
{
    cpu_usage_now(&c->start);
}

struct contention_found contention_end(const struct contention *c)
{
    struct cpu_usage now;
    struct contention_found f;
    f.other_cpus = cpu_usage_others(&c->start);
    cpu_usage_now(&now);
    f.wall_s = now.wall_s - c->start.wall_s;
    if (f.wall_s < CONTENTION_SHORTEST_S) f.other_cpus = -1;
    return f;
}

bool contention_is_high(struct contention_found f, int32_t threads, int32_t n_cpus)
{
    if (f.other_cpus < 0 || f.wall_s <= 0) return false;
    double spare = n_cpus > threads ? n_cpus - threads : 0;
    return f.other_cpus > spare + 0.1 + 0.02 / f.wall_s;
}
