/* ceilings_cpu.h - the inner loops that reach a CPU's roofs, one set per instruction set. */
#ifndef ROOFLINE_CEILINGS_CPU_H
#define ROOFLINE_CEILINGS_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/cpuinfo.h"

/* Load every byte of p[n] once; n is a multiple of CPU_READ_UNIT, p is aligned to it.  The
 * value depends on all loads, so none can be dropped. */
typedef uint64_t cpu_read_fn(const void *p, size_t n);
enum { CPU_READ_UNIT = 4096 };

struct cpu_read_loop {
    cpu_read_fn *run;
    const char *method; /* "4 streams, prefetch 1 KiB ahead" */
};

/* n iterations of independent accumulator chains, more of them than latency x ports. */
typedef void cpu_peak_fn(int64_t n);

struct cpu_peak_loop {
    cpu_peak_fn *run;
    bool (*available)(void); /* NULL: wherever the instruction set is   */
    const char *name;        /* "fma_f32", "int8_dot"                   */
    const char *dtype;       /* "f32", "int8"                           */
    const char *method;      /* "24 chains of vfmadd213ps zmm"          */
    double op_per_iteration; /* a multiply-add is 2                     */
};

enum { CPU_LOOPS_MAX = 6 };

struct cpu_loops {
    enum isa isa;
    const char *width;                        /* "512-bit" */
    struct cpu_read_loop read[CPU_LOOPS_MAX]; /* the first for cached data; run NULL ends */
    struct cpu_peak_loop peak[CPU_LOOPS_MAX]; /* the first is the f32 roof; run NULL ends */
};

extern const struct cpu_loops cpu_loops_sse2, cpu_loops_avx2, cpu_loops_avx512, cpu_loops_amx;

const struct cpu_loops *cpu_loops_of(enum isa isa);

/* n times 24 dependent 64-bit multiplications of 3 cycles each, on every x86-64 core of the
 * last fifteen years: a clock that renaming tricks cannot shorten. */
void cpu_cycle_chain(int64_t n);
enum { CPU_CYCLES_PER_ITERATION = 72 };

/* Bytes of last-level cache that the CPUs of this process reach, all instances together. */
int64_t cpu_llc_bytes(void);

#endif
