/* contention.h - what else the machine was doing during a timing. */
#ifndef ROOFLINE_CONTENTION_H
#define ROOFLINE_CONTENTION_H

#include <stdbool.h>

#include "harness/base/cpuinfo.h"

struct contention {
    struct cpu_usage start;
};

struct contention_found {
    double other_cpus; /* CPUs' worth of other processes' time; -1: unknown, or too short to say */
    double wall_s;
};

/* The kernel accounts in ticks of 10 ms; in less time than this one tick is a third of a CPU. */
#define CONTENTION_SHORTEST_S 0.03

void contention_begin(struct contention *c);
struct contention_found contention_end(const struct contention *c);

/* Whether others used more than `threads` of ours left them, by a tenth of a CPU plus what
 * the kernel's accounting in 10 ms ticks can invent (one tick at either end). */
bool contention_is_high(struct contention_found f, int32_t threads, int32_t n_cpus);

#endif
