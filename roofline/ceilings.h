/* ceilings.h - the roofs this machine really has, measured with the team that decodes.
 *
 * A roof is what the best loop we know reaches, so it is a lower bound of the hardware's and
 * an upper bound of what a kernel can be asked for.  Three kinds:
 *     bandwidth   bytes per second of reads, at one size of data (level "l2", "llc", "dram",
 *                 or "curve" for sizes in between)
 *     compute     operations per second in registers; a multiply-add is 2
 *     overhead    nanoseconds of something that is neither
 */
#ifndef ROOFLINE_CEILINGS_H
#define ROOFLINE_CEILINGS_H

#include "harness/base/cpuinfo.h"
#include "harness/base/team.h"
#include "harness/kernels/price.h"

/* Fields as in the results table of the same name; words are static storage. */
struct ceiling {
    const char *kind;          /* "bandwidth", "compute", "overhead"                         */
    const char *name;          /* "read", "fma_f32", "int8_dot", "barrier"                   */
    const char *level;         /* bandwidth: "dram", "llc", "l2", "curve"; else NULL         */
    const char *dtype;         /* compute: "f32", "bf16", "int8", "int32"; else NULL         */
    char method[160];          /* how, in one line                                           */
    char flag[64];             /* what to know before using it; "" for nothing               */
    int64_t working_set_bytes; /* of all threads together; 0: none                           */
    int32_t threads;
    int32_t n;                  /* samples                                                    */
    double value, ci_lo, ci_hi; /* per second, or ns; 95 % limits of the median by ranks     */
    double other_cpus;          /* CPUs' worth of other processes meanwhile; -1: unknown      */
};

/* Flags:
 *     core-read-limit   reading still gets faster in proportion to the threads, so it is
 *                       the cores' limit that was measured and the memory's is higher
 *     one-thread        measured with one thread, more were not tried
 *     small-buffer      not enough memory for data of four times the last-level cache
 *     oversubscribed    more threads than CPUs
 *     disturbed         other processes took CPU time from every attempt
 */

enum { CEILINGS_MAX = 256 };

struct ceiling_set {
    enum isa isa;      /* whose loops were used                                  */
    int64_t llc_bytes; /* last-level cache in reach, all instances; 0: unknown   */
    int32_t n;
    struct ceiling row[CEILINGS_MAX];
};

enum ceilings_extent {
    CEILINGS_PROBE, /* peaks and DRAM reads only, on all threads; a quarter of a second */
    CEILINGS_QUICK, /* the roofs a sweep is held against; about a second        */
    CEILINGS_FULL   /* every curve, thread count and instruction set; 3 to 25 s */
};

/* How much time a measurement may take; NULL stands for ceilings_default. */
struct ceilings_effort {
    int64_t sample_ns;    /* of one sample */
    int64_t buffer_bytes; /* to read, at most */
    int32_t attempts;     /* at samples during which no other process took a CPU */
};
extern const struct ceilings_effort ceilings_default;

/* Called before each measurement with what comes next. */
typedef void ceilings_progress_fn(void *ctx, int32_t done, int32_t total, const char *what);

struct ceilings_ask {
    enum isa isa;       /* whose loops                                             */
    enum dtype compute; /* of products whose peak is wanted beside that of f32; the CPU must have
                           their instruction */
    enum ceilings_extent extent;
    const struct ceilings_effort *effort; /* NULL: the usual */
    ceilings_progress_fn *progress;       /* NULL: none      */
    void *progress_ctx;
};

/* Measure with all members of the team (and, in full, with fewer).  out is overwritten. */
enum err ceilings_measure(struct team *team, const struct ceilings_ask *ask,
                          struct ceiling_set *out) MUST_CHECK;

/* Append to c->flag. */
void ceiling_add_flag(struct ceiling *c, const char *flag);

/* Flag DRAM rows whose bandwidth grows with the number of threads (at least 0.9 times as
 * much): the memory has not been saturated.  Rows in ascending order of threads. */
void ceilings_flag_core_limit(struct ceiling_set *s);

/* The first row of that name and thread count; level NULL: any.  NULL: not measured. */
const struct ceiling *ceilings_find(const struct ceiling_set *s, const char *name,
                                    const char *level, int32_t threads);

/* Working set from which on reads are as slow as DRAM's, to 5 %.  Where the curve was not
 * measured: four times the last-level cache. */
int64_t ceilings_cold_bytes(const struct ceiling_set *s, int32_t threads);

/* TIER_CEILINGS for a forward that streams weight_bytes of weights on `threads` threads: the peak
 * of products in `compute` for matmuls and that of f32 for all else, and the bandwidth of DRAM or, below ceilings_cold_bytes, of that working set (then
 * cache_resident is true).  Unknown when DRAM or peak were not measured for `threads`. */
void ceilings_price(const struct ceiling_set *s, int32_t threads, enum dtype compute,
                    int64_t weight_bytes, struct price *out, bool *cache_resident);

#endif
