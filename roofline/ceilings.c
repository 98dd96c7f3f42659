/* ceilings.c - which roofs are measured, in which order, and how each is described. */
#include "roofline/ceilings.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/mem.h"
#include "roofline/ceilings_cpu.h"
#include "roofline/ceilings_sample.h"

enum {
    N_SAMPLES = 20,    /* rank limits of the median from 20: the 6th and the 15th              */
    N_TRIALS = 3,      /* per candidate loop                                                   */
    PART_BYTES = 100 << 20 /* of data larger than this, a sample reads a part */
};

/* A sample is far longer than the barriers around it, and shorter than the time for which the
 * scheduler leaves a busy CPU alone. */
const struct ceilings_effort ceilings_default = {
    .sample_ns = 2000000, .buffer_bytes = (int64_t)8 << 30, .attempts = 4};

struct measuring {
    struct team *team;
    int32_t n_threads, n_cpus;
    enum dtype compute; /* of products whose peak is wanted, too */
    enum ceilings_extent extent;
    const struct ceilings_effort *effort;
    const struct cpu_loops *loops;
    struct cpuinfo cpu;
    char *buffer; /* owned */
    int64_t buffer_bytes;
    struct ceiling_set *set;
    ceilings_progress_fn *progress;
    void *progress_ctx;
    int32_t done, total;
};

/* ---- work of one sample ---- */

/* Lines of their own: members write them at the end of every sample. */
struct sink {
    _Alignas(64) volatile uint64_t value;
    int64_t part; /* read next */
};

struct read_job {
    const struct measuring *m;
    cpu_read_fn *run;
    int64_t share_bytes; /* per member                                              */
    int64_t n_parts;     /* of a share; samples read them in turn, so data is read  */
    int64_t passes;      /* again only after all the rest has been                  */
    struct sink *sink;   /* borrowed; [n_threads] */
};

/* A member's data lies where its share of the whole buffer begins, so that with all members
 * active everyone reads memory that it touched first. */
static const char *region(const struct measuring *m, int32_t member, int32_t n_active)
{
    int64_t begin, end;
    team_share(m->buffer_bytes, CPU_READ_UNIT, member, n_active, &begin, &end);
    return m->buffer + begin;
}

static void read_work(void *ctx, int32_t member, int32_t n_active)
{
    const struct read_job *j = ctx;
    struct sink *sink = &j->sink[member];
    int64_t part_bytes = j->share_bytes / j->n_parts;
    const char *p = region(j->m, member, n_active) + sink->part % j->n_parts * part_bytes;
    uint64_t all = 0;
    for (int64_t i = 0; i < j->passes; i++) all |= j->run(p, (size_t)part_bytes);
    sink->value = all;
    sink->part++;
}

struct peak_job {
    cpu_peak_fn *run;
    int64_t iterations;
};

static void peak_work(void *ctx, int32_t member, int32_t n_active)
{
    const struct peak_job *j = ctx;
    j->run(j->iterations);
}

static void touch_work(void *ctx, int32_t member, int32_t n_active)
{
    const struct measuring *m = ctx;
    int64_t begin, end;
    team_share(m->buffer_bytes, CPU_READ_UNIT, member, n_active, &begin, &end);
    memset(m->buffer + begin, 0x5a, (size_t)(end - begin));
}

/* ---- rows ---- */

static struct ceiling *add_row(struct measuring *m, const char *kind, const char *name,
                               int32_t threads, const struct samples *s, bool quiet)
{
    CHECK(m->set->n < CEILINGS_MAX);
    struct ceiling *c = &m->set->row[m->set->n++];
    *c = (struct ceiling){.kind = kind,
                          .name = name,
                          .threads = threads,
                          .n = s->n,
                          .other_cpus = s->others.other_cpus};
    if (!quiet) ceiling_add_flag(c, "disturbed");
    if (threads > m->n_cpus) ceiling_add_flag(c, "oversubscribed");
    return c;
}

static void announce(struct measuring *m, const char *what)
{
    if (m->progress != NULL) m->progress(m->progress_ctx, m->done, m->total, what);
    m->done++;
}

/* Members that share a CPU preempt each other: more attempts find nothing better. */
static int32_t attempts(const struct measuring *m, int32_t n_active)
{
    if (n_active > m->n_cpus) return 1;
    return (m->extent == CEILINGS_FULL ? 2 : 1) * m->effort->attempts;
}

/* ---- bandwidth ---- */

/* The loop that reads this much fastest, and its time for one pass.  Candidates take turns,
 * so that a slow moment hits all of them; these trials are not part of the result. */
static const struct cpu_read_loop *fastest_read(struct measuring *m, int32_t n_active,
                                                struct read_job *j, double *best_ns)
{
    const struct cpu_read_loop *best = NULL;
    for (int round = 0; round < N_TRIALS; round++) {
        for (int i = 0; i < CPU_LOOPS_MAX && m->loops->read[i].run != NULL; i++) {
            struct samples s;
            j->run = m->loops->read[i].run;
            samples_take(m->team, n_active, round == 0, 1, read_work, j, &s);
            if (best != NULL && s.ns[0] >= *best_ns) continue;
            best = &m->loops->read[i];
            *best_ns = s.ns[0];
        }
    }
    *best_ns /= (double)j->passes;
    return best;
}

/* How much each of n_active members reads of a working set, and in how many parts: whole
 * units that fit. */
static void divide(struct read_job *j, int64_t working_set, int32_t n_active)
{
    int64_t most = j->m->buffer_bytes / n_active;
    int64_t share = working_set / n_active < most ? working_set / n_active : most;
    j->n_parts = working_set / PART_BYTES + 1;
    int64_t part = share / j->n_parts / CPU_READ_UNIT * CPU_READ_UNIT;
    if (part < CPU_READ_UNIT) part = CPU_READ_UNIT;
    j->share_bytes = part * j->n_parts;
    /* A few hundred microseconds for the trials, at 50 GB/s. */
    j->passes = j->n_parts > 1 ? 1 : 1 + 20000000 / (j->share_bytes * n_active);
}

static struct ceiling *measure_read(struct measuring *m, const char *level, int64_t working_set,
                                    int32_t n_active, struct sink *sinks)
{
    struct samples s;
    double ns = 0;
    struct read_job j = {.m = m, .sink = sinks};
    divide(&j, working_set, n_active);
    const struct cpu_read_loop *loop = fastest_read(m, n_active, &j, &ns);
    j.run = loop->run;
    if (j.n_parts == 1) j.passes = (int64_t)((double)m->effort->sample_ns / ns) + 1;
    bool quiet =
        samples_take_quiet(m->team, n_active, attempts(m, n_active), N_SAMPLES, read_work, &j, &s);
    struct ceiling *c = add_row(m, "bandwidth", "read", n_active, &s, quiet);
    c->level = level;
    c->working_set_bytes = j.share_bytes * n_active;
    double bytes = (double)c->working_set_bytes / (double)j.n_parts * (double)j.passes;
    samples_rate(&s, bytes, &c->value, &c->ci_lo, &c->ci_hi);
    snprintf(c->method, sizeof c->method, "%s loads, %s, huge pages advised", m->loops->width,
             loop->method);
    return c;
}

/* Enough data that caches hold a sixteenth of it at most. */
static int64_t dram_size(int64_t llc_bytes)
{
    const int64_t least = (int64_t)512 << 20;
    return 16 * llc_bytes > least ? 16 * llc_bytes : least;
}

/* Sizes around the last-level cache, in steps of two: where bandwidth falls to DRAM's. */
static void measure_levels(struct measuring *m, int32_t n_active, struct sink *sinks)
{
    char what[64];
    int64_t llc = m->set->llc_bytes * n_active / m->n_threads;
    /* One instance cannot be divided, several are reached in proportion. */
    if (llc < m->cpu.llc_bytes) llc = m->cpu.llc_bytes;
    int64_t l2 = m->cpu.l2_bytes * n_active;
    snprintf(what, sizeof what, "read bandwidth, %d thread%s", n_active, n_active > 1 ? "s" : "");
    announce(m, what);
    if (l2 > 0 && l2 < llc) measure_read(m, "l2", l2 / 2, n_active, sinks);
    /* Below 1.5 times the private caches the shared one would not be what is read. */
    if (llc > 0 && llc / 2 >= l2 + l2 / 2) measure_read(m, "llc", llc / 2, n_active, sinks);
    int64_t cold = dram_size(llc) < m->buffer_bytes ? dram_size(llc) : m->buffer_bytes;
    for (int64_t size = llc; size > 0 && size <= cold / 2; size *= 2)
        measure_read(m, "curve", size, n_active, sinks);
    struct ceiling *dram = measure_read(m, "dram", cold, n_active, sinks);
    if (cold < 4 * llc) ceiling_add_flag(dram, "small-buffer");
    if (m->n_threads == 1) ceiling_add_flag(dram, "one-thread");
}

/* From data in L1 to the last-level cache; larger ones are in measure_levels. */
static void measure_fine_curve(struct measuring *m, struct sink *sinks)
{
    announce(m, "read bandwidth by working set");
    int64_t size = (int64_t)16384 * m->n_threads;
    for (; size < m->set->llc_bytes; size *= 2) measure_read(m, "curve", size, m->n_threads, sinks);
    /* Where the fall to DRAM's happens, between the powers of two as well. */
    for (int64_t between = m->set->llc_bytes / 4 * 3;
         between > 0 && between <= m->buffer_bytes / 2 && between < 8 * m->set->llc_bytes;
         between *= 2)
        measure_read(m, "curve", between, m->n_threads, sinks);
}

/* ---- compute and overhead ---- */

/* Iterations that take about one sample's time. */
static int64_t calibrate(struct measuring *m, struct peak_job *j)
{
    struct samples s;
    for (j->iterations = 1000;; j->iterations *= 4) {
        samples_take(m->team, 1, 1, 1, peak_work, j, &s);
        if (s.ns[0] > (double)m->effort->sample_ns / 16) break;
    }
    return (int64_t)((double)j->iterations * (double)m->effort->sample_ns / s.ns[0]) + 1;
}

/* Cycles per second of one core with n_active at work; 0 until measured. */
static double clock_hz(const struct measuring *m, int32_t n_active)
{
    const struct ceiling *c = ceilings_find(m->set, "cycle", NULL, n_active);
    return c != NULL ? 1e9 / c->value : 0;
}

static void measure_cycle(struct measuring *m, int32_t n_active)
{
    struct samples s;
    struct peak_job j = {.run = cpu_cycle_chain};
    j.iterations = calibrate(m, &j);
    bool quiet =
        samples_take_quiet(m->team, n_active, attempts(m, n_active), N_SAMPLES, peak_work, &j, &s);
    struct ceiling *c = add_row(m, "overhead", "cycle", n_active, &s, quiet);
    samples_cost(&s, (double)j.iterations * CPU_CYCLES_PER_ITERATION, &c->value, &c->ci_lo,
                 &c->ci_hi);
    snprintf(c->method, sizeof c->method,
             "core clock from dependent 64-bit multiplications of 3 cycles");
}

/* name: the loop's, or another for an instruction set that is not the one in use. */
static void measure_peak(struct measuring *m, const struct cpu_peak_loop *loop, const char *name,
                         int32_t n_active)
{
    struct samples s;
    struct peak_job j = {.run = loop->run};
    j.iterations = calibrate(m, &j);
    bool quiet =
        samples_take_quiet(m->team, n_active, attempts(m, n_active), N_SAMPLES, peak_work, &j, &s);
    struct ceiling *c = add_row(m, "compute", name, n_active, &s, quiet);
    c->dtype = loop->dtype;
    double op = (double)j.iterations * loop->op_per_iteration * n_active;
    samples_rate(&s, op, &c->value, &c->ci_lo, &c->ci_hi);
    double hz = clock_hz(m, n_active);
    int len = snprintf(c->method, sizeof c->method, "%s", loop->method);
    if (hz > 0 && len < (int)sizeof c->method)
        snprintf(c->method + len, sizeof c->method - len,
                 "; %.1f operations per core and cycle at %.2f GHz", c->value / n_active / hz,
                 hz / 1e9);
}

struct team_job {
    struct team *team;
    int32_t repeats;
};

static void barrier_member(void *arg, int32_t member, int32_t n_members)
{
    const struct team_job *j = arg;
    for (int32_t i = 0; i < j->repeats; i++) team_barrier(j->team, member);
}

static void nothing(void *arg, int32_t member, int32_t n_members)
{
}

static void barriers(struct team_job *j)
{
    team_run(j->team, barrier_member, j);
}

static void empty_runs(struct team_job *j)
{
    for (int32_t i = 0; i < j->repeats; i++) team_run(j->team, nothing, NULL);
}

/* What the team itself costs, timed from outside. */
static void measure_team(struct measuring *m, const char *name, void (*work)(struct team_job *))
{
    struct team_job j = {m->team, 25};
    struct samples s = {.n = N_SAMPLES};
    struct contention c;
    int64_t ns = 0;
    while (ns < m->effort->sample_ns / 4) {
        j.repeats *= 4;
        int64_t begin = clock_ns();
        work(&j);
        ns = clock_ns() - begin;
    }
    j.repeats = 1 + (int32_t)(m->effort->sample_ns * (int64_t)j.repeats / ns);
    contention_begin(&c);
    for (int32_t i = 0; i < N_SAMPLES; i++) {
        int64_t begin = clock_ns();
        work(&j);
        s.ns[i] = (double)(clock_ns() - begin);
    }
    s.others = contention_end(&c);
    bool quiet = !contention_is_high(s.others, m->n_threads, m->n_cpus);
    struct ceiling *row = add_row(m, "overhead", name, m->n_threads, &s, quiet);
    samples_cost(&s, j.repeats, &row->value, &row->ci_lo, &row->ci_hi);
    snprintf(row->method, sizeof row->method, "%d in a row that do nothing else", j.repeats);
}

/* NULL: these loops have none that this CPU can run. */
static const struct cpu_peak_loop *products_loop(const struct cpu_loops *loops, enum dtype dtype)
{
    for (int i = 1; i < CPU_LOOPS_MAX && loops->peak[i].run != NULL; i++) {
        const struct cpu_peak_loop *p = &loops->peak[i];
        if (strcmp(p->dtype, dtype_name(dtype)) == 0 && (p->available == NULL || p->available()))
            return p;
    }
    return NULL;
}

/* The f32 peak and that of products in another dtype; the kernels of int8 are AVX2's, too, where
 * AVX-512 does not multiply it. */
static void measure_peaks(struct measuring *m, int32_t n_active)
{
    measure_peak(m, &m->loops->peak[0], "fma_f32", n_active);
    if (m->compute == DTYPE_F32) return;
    const struct cpu_peak_loop *p = products_loop(m->loops, m->compute);
    if (p == NULL && m->loops->isa > ISA_AVX2) p = products_loop(&cpu_loops_avx2, m->compute);
    if (p != NULL) measure_peak(m, p, p->name, n_active);
}

static void measure_other_isas(struct measuring *m)
{
    announce(m, "peaks of other instruction sets");
    for (int i = 1; i < CPU_LOOPS_MAX && m->loops->peak[i].run != NULL; i++) {
        const struct cpu_peak_loop *p = &m->loops->peak[i];
        bool known = ceilings_find(m->set, p->name, NULL, m->n_threads) != NULL;
        if (!known && (p->available == NULL || p->available()))
            measure_peak(m, p, p->name, m->n_threads);
    }
    if (m->loops->isa > ISA_AVX2)
        measure_peak(m, &cpu_loops_avx2.peak[0], "fma_f32_avx2", m->n_threads);
    if (m->loops->isa > ISA_SCALAR)
        measure_peak(m, &cpu_loops_sse2.peak[0], "mul_add_f32_sse2", m->n_threads);
}

/* ---- the whole ---- */

/* What there is memory for: at most half of what may be used. */
static int64_t buffer_size(int64_t llc_bytes, int64_t most)
{
    int64_t size = dram_size(llc_bytes), available = mem_available_bytes();
    if (size > most) size = most;
    if (available >= 0 && size > available / 2) size = available / 2;
    return size / CPU_READ_UNIT * CPU_READ_UNIT;
}

static void measure_all(struct measuring *m, struct sink *sinks)
{
    struct samples touched;
    announce(m, "buffer");
    samples_take(m->team, m->n_threads, 0, 1, touch_work, m, &touched);
    if (m->extent == CEILINGS_PROBE) {
        measure_peaks(m, m->n_threads);
        measure_read(m, "dram", m->buffer_bytes, m->n_threads, sinks);
        return;
    }
    for (int32_t t = m->extent == CEILINGS_FULL ? 1 : m->n_threads; t < m->n_threads; t *= 2) {
        announce(m, "f32 peak");
        measure_cycle(m, t);
        measure_peaks(m, t);
        measure_levels(m, t, sinks);
    }
    announce(m, "f32 peak");
    measure_cycle(m, m->n_threads);
    measure_peaks(m, m->n_threads);
    measure_levels(m, m->n_threads, sinks);
    announce(m, "cost of the team");
    measure_team(m, "barrier", barriers);
    measure_team(m, "team_run", empty_runs);
    if (m->extent == CEILINGS_FULL) {
        measure_fine_curve(m, sinks);
        measure_other_isas(m);
    }
    ceilings_flag_core_limit(m->set);
}

enum err ceilings_measure(struct team *team, const struct ceilings_ask *ask,
                          struct ceiling_set *out)
{
    struct measuring m = {.team = team,
                          .n_threads = team_size(team),
                          .compute = ask->compute,
                          .extent = ask->extent,
                          .effort = ask->effort ? ask->effort : &ceilings_default,
                          .loops = cpu_loops_of(ask->isa),
                          .set = out,
                          .progress = ask->progress,
                          .progress_ctx = ask->progress_ctx};
    void *buffer = NULL, *sinks = NULL;
    size_t sinks_bytes = sizeof(struct sink) * (size_t)m.n_threads;
    cpuinfo_read(&m.cpu);
    m.n_cpus = m.cpu.n_cpus;
    memset(out, 0, sizeof *out);
    out->isa = ask->isa;
    out->llc_bytes = cpu_llc_bytes();
    m.total = 4;
    if (m.extent == CEILINGS_FULL) {
        m.total += 2;
        for (int32_t t = 1; t < m.n_threads; t *= 2) m.total += 2;
    }
    m.buffer_bytes = buffer_size(out->llc_bytes, m.effort->buffer_bytes);
    if (m.buffer_bytes < (int64_t)CPU_READ_UNIT * m.n_threads)
        return err_set(ERR_NOMEM, "ceilings: no memory left for a buffer to read");
    enum err e = mem_map((size_t)m.buffer_bytes, &buffer);
    if (e == ERR_NONE) e = mem_map(sinks_bytes, &sinks);
    if (e == ERR_NONE) {
        m.buffer = buffer;
        measure_all(&m, sinks);
    }
    mem_unmap(buffer, (size_t)m.buffer_bytes);
    mem_unmap(sinks, sinks_bytes);
    return e;
}
