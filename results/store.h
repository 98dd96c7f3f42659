/* store.h - the SQLite file that holds what was run and what it cost.
 *
 * results/schema.sql is the only description of tables and views.  Rows are raw:
 * one per forward, integers in base units, no averages; rates and intensities are
 * views.  A run is written in one transaction, so it is there whole or not at all. */
#ifndef RESULTS_STORE_H
#define RESULTS_STORE_H

#include "results/cell.h"

struct store; /* an open database and its prepared statements */

enum store_mode { STORE_READ, STORE_WRITE };

/* Open (STORE_WRITE: or create) path, ":memory:" included, and bring its schema up to
 * date.  ERR_DB, untouched, for a file that is not ours or comes from a newer program. */
enum err store_open(const char *path, enum store_mode mode, struct store **out) MUST_CHECK;
void store_close(struct store *s); /* NULL is allowed */

/* ---- provenance: one invocation of the program on one machine and device ---- */
struct device_row {
    const char *device;      /* "cpu", "cuda:0", "sim:a100-80gb": the name used in views   */
    const char *kind;        /* "cpu", "cuda", "sim"                                       */
    const char *description; /* "AMD EPYC 9R14, 2 CPUs, avx512"                            */
    int64_t llc_bytes, mem_bytes; /* 0: unknown */
};
struct invocation {
    const char *argv;        /* the command line as typed                                  */
    const char *sweep_name, *sweep_text; /* NULL: none                                     */
    uint64_t seed;
};
/* Adds build, host and device as needed.  invocation_id: UUID text, 37 bytes. */
enum err store_begin_invocation(struct store *s, const struct invocation *i,
                                const struct device_row *d, char invocation_id[37]) MUST_CHECK;
enum err store_end_invocation(struct store *s, const char *invocation_id,
                              int exit_code) MUST_CHECK;

/* ---- ceilings ---- */
struct ceiling_row {
    const char *kind;    /* "bandwidth" (bytes/s), "compute" (FLOP/s), "overhead" (ns)     */
    const char *name;    /* "read", "fma_f32", "int8_dot", "barrier"                       */
    const char *level;   /* bandwidth: "dram", "llc", "l2", "curve"; else NULL             */
    const char *dtype;   /* compute: "f32", "bf16", "int8"; else NULL                      */
    const char *source;  /* "measured", "datasheet"                                        */
    const char *method;  /* how, in one line                                               */
    const char *flag;    /* "core-read-limit" and the like, or NULL                        */
    const char *moment;  /* "before", "after" a sweep, or "alone"                          */
    int64_t working_set_bytes; /* 0: NULL */
    int32_t threads;
    int32_t n;           /* samples */
    double value, ci_lo, ci_hi; /* per second, or ns; ci NaN: NULL                         */
    double other_cpus;   /* CPUs' worth of other processes meanwhile; -1: NULL             */
    const char *isa;     /* "avx512": whose loops; NULL: has none                          */
};
enum err store_add_ceilings(struct store *s, const char *invocation_id, const char *device,
                            const struct ceiling_row *rows, int32_t n) MUST_CHECK;

/* ---- single operations ---- */
struct kernel_row {
    enum op op;
    const char *part;  /* of matmuls: "qkv", "o", "gate_up", "down"; else NULL             */
    const char *model; /* whose shapes                                                     */
    enum dtype dtype;  /* of weights; of attention's keys and values; else of activations  */
    int64_t rows, columns, inner, keys; /* 0: NULL                                         */
    int32_t threads;
    const char *variant;
    enum dtype compute; /* what a matmul multiplies; of all else f32 */
    int32_t n;         /* samples */
    double time_ns, time_lo_ns, time_hi_ns;             /* of one call; limits NaN: NULL   */
    struct cost cost;                                   /* of one call                     */
    double flop_per_s, bytes_per_s;                     /* roofs probed meanwhile          */
    double roof_fraction, fraction_lo, fraction_hi;     /* ideal time / time; NaN: NULL    */
    double other_cpus; /* -1: NULL */
    bool cache_resident;
};
enum err store_add_kernels(struct store *s, const char *invocation_id,
                           const struct kernel_row *rows, int32_t n) MUST_CHECK;
/* Sorted; the newest of each shape that this invocation's build measured on its device.  The
 * caller frees out->time. */
enum err store_matmul_times(struct store *s, const char *invocation_id,
                            struct matmul_times *out) MUST_CHECK;

/* ---- runs ---- */
enum forward_kind {
    FORWARD_DECODE, /* part of a whole decode, in order: what throughput is made of        */
    FORWARD_PINNED, /* one forward repeated at one context: what step times are made of    */
    FORWARD_TRACE,  /* repeated once more with every call timed: what breakdowns are made of */
    FORWARD_PLAN    /* predicted, n_forwards of them summed; never timed                   */
};
struct forward_row {
    enum forward_kind kind;
    enum phase phase;
    int32_t sample;      /* decode: which whole decode; pinned, trace: which repetition    */
    int32_t step;        /* position of the forward in its decode                          */
    int32_t round;       /* interleaving round; members of a pair share it                 */
    bool warmup;         /* kept, never summed                                             */
    bool after_switch;   /* the first after the other arm ran: kept, not among step times  */
    int64_t seq;         /* order in this invocation, over all cells                       */
    int64_t n_forwards;  /* 1 unless FORWARD_PLAN                                          */
    int64_t time_ns;     /* -1: NULL                                                       */
    int64_t device_ns;   /* of it on the device's own clock; 0 or less: NULL               */
    double other_cpus;   /* -1: NULL                                                       */
    struct step_work work;
    const struct ledger *ledger; /* borrowed */
};
struct run_row {
    char run_id[37];     /* UUID; filled by store_add_run when empty                       */
    const char *status;  /* "ok", "failed", "skipped"                                      */
    const char *message; /* why not ok, or NULL                                            */
    const char *pair_id; /* cells of a matched group share it; NULL: not paired            */
    bool pair_baseline;
    bool cache_resident;
    int64_t weight_bytes;/* bytes of weights one forward streams                           */
    int64_t memory_bytes; /* of the device: weights, cache and scratch; 0: NULL              */
    const char *tokens_sha256; /* of the produced tokens; NULL: none                       */
    struct price price[TIER_COUNT]; /* the roofs this run is held against                  */
    int32_t threads;     /* really used; 0: NULL                                           */
    const char *variant; /* "avx512"; "" or NULL: NULL                                     */
};
/* Cell, run and all its forwards in one transaction. */
enum err store_add_run(struct store *s, const char *invocation_id, const struct cell *c,
                       struct run_row *run, const struct forward_row *rows,
                       int32_t n_rows) MUST_CHECK;

/* The same roofs measured again after the run: a point is only called above its roof when it is
 * above both. */
enum err store_add_price_after(struct store *s, const char *run_id,
                               const struct price price[TIER_COUNT]) MUST_CHECK;

/* Many runs in one transaction (a plan): the calls between begin and commit.  After a failure
 * within, none of them is there and commit fails, too. */
enum err store_begin(struct store *s) MUST_CHECK;
enum err store_commit(struct store *s) MUST_CHECK;

/* Whether a finished run of this cell on this device exists.  any_build: whatever program
 * wrote it; else only this build.  run_id is filled when it does. */
enum err store_find_run(struct store *s, const struct cell *c, bool any_build, bool *found,
                        char run_id[37]) MUST_CHECK;

/* ---- what limits a run, by intervention ---- */
enum change { CHANGE_STORAGE, CHANGE_ARITHMETIC, CHANGE_ISA, CHANGE_THREADS, CHANGE_COUNT };
const char *change_name(enum change c); /* "storage" */

enum bound { BOUND_MEMORY, BOUND_COMPUTE, BOUND_MIXED, BOUND_OVERHEAD, BOUND_UNDECIDED };
const char *bound_name(enum bound b); /* "memory" */

struct intervention_row {
    const char *phase, *op;  /* op "": the whole forward                                   */
    const char *base_run_id;
    enum change change;
    double bytes_ratio;      /* DRAM bytes, changed over base                              */
    double compute_ratio;    /* base over changed: rate of the kernels ...                 */
    double bandwidth_ratio;  /* ... and of reads                                           */
    int32_t rounds;
    double time[3];          /* changed over base: median and limits; NaN: NULL            */
    double elasticity[3];    /* the same                                                   */
};
enum err store_add_intervention(struct store *s, const char *run_id,
                                const struct intervention_row *r) MUST_CHECK;
/* flop_by: where the elasticity in compute comes from; NULL: nowhere. */
enum err store_add_bound(struct store *s, const char *run_id, const char *phase, const char *op,
                         const enum change *flop_by, enum bound b) MUST_CHECK;
/* store_find_run, of runs with a verdict. */
enum err store_find_bound(struct store *s, const struct cell *c, bool any_build, bool *found,
                          char run_id[37]) MUST_CHECK;

/* Take over all of another database's rows that this one lacks, in one transaction; n_runs: how
 * many runs were new.  Merging the same file again adds nothing. */
enum err store_merge(struct store *s, const char *path, int64_t *n_runs) MUST_CHECK;

/* Read another file of results beside this one: main.v_run is this store's view, other.v_run that
 * one's.  ERR_USAGE when it is the same file. */
enum err store_attach(struct store *s, const char *path) MUST_CHECK;
void store_detach(struct store *s);

/* ---- reading: read-only SQL, one callback per row ---- */
struct store_value {
    enum { VALUE_NULL, VALUE_INT, VALUE_REAL, VALUE_TEXT, VALUE_BOOL } type; /* BOOL: never read */
    int64_t i;
    double r;
    const char *text; /* valid during the callback */
};
struct store_result_row {
    int32_t n;
    const char *const *name;         /* column names */
    const struct store_value *value;
};
/* Return other than ERR_NONE to stop and pass it on. */
typedef enum err store_row_fn(void *ctx, const struct store_result_row *row);

/* Run one SELECT; args are bound to ?1, ?2, ...  ERR_DB quotes the statement. */
enum err store_query(struct store *s, const char *sql, const struct store_value *args,
                     int32_t n_args, store_row_fn *fn, void *ctx) MUST_CHECK;

/* Arguments for store_query. */
struct store_value store_text(const char *t);
struct store_value store_int(int64_t i);

#endif
