/* bench.h - every operation of a forward timed by itself, at a model's shapes.
 *
 * A pass calls the operations in a forward's order, layer by layer, so that weights and cached
 * keys and values come from where a forward finds them: memory, once there are more of them than
 * cache.  Time is per call, averaged over the layers of a pass; a pass is a sample. */
#ifndef APP_BENCH_H
#define APP_BENCH_H

#include "harness/app/engine.h"

enum { BENCH_SAMPLES_MAX = 64, BENCH_KEYS_MAX = 8, BENCH_SLOTS_MAX = 16 + 2 * BENCH_KEYS_MAX };

struct bench_config {
    const struct cell *cell; /* model, layers, dtypes, threads and seed count */
    int64_t rows;            /* of one sequence                               */
    const int64_t *keys;     /* what they see, themselves included; shorter ones than rows are */
    int32_t n_keys;          /* left out                                                       */
};

/* One operation at one shape. */
struct bench_slot {
    enum op op;
    const char *part;                   /* of matmuls: "qkv"; else NULL                        */
    int64_t rows, columns, inner, keys; /* 0: has none                                         */
    enum dtype dtype;                   /* of weights, of keys and values, or of activations   */
    struct cost cost;                   /* of one call */
    int64_t calls, ns;                  /* of the pass being timed                             */

    int32_t n; /* samples */
    double sample_ns[BENCH_SAMPLES_MAX], fraction[BENCH_SAMPLES_MAX];
    double time_ns, time_lo_ns, time_hi_ns;         /* medians and their 95 % limits by ranks, */
    double roof_fraction, fraction_lo, fraction_hi; /* limits NaN below 6 samples              */
};

struct bench_result {
    struct bench_slot slot[BENCH_SLOTS_MAX];
    int32_t n;
    /* Medians of the roofs probed in every round: of matmuls, of all other operations, of DRAM. */
    double matmul_flop_per_s, other_flop_per_s, bytes_per_s;
    double other_cpus;              /* -1: unknown                                             */
    bool cache_resident;            /* all a pass reads stays in the last-level cache          */
    const char *variant;            /* instruction set */
    int32_t threads;
};

/* Weights, caches and activations for up to max_rows rows; the engine probes the roofs. */
struct bench;
enum err bench_open(struct engine *e, const struct cell *c, int64_t max_rows, int64_t max_keys,
                    struct bench **out) MUST_CHECK;
void bench_close(struct bench *b); /* NULL is allowed */
enum err bench_run(struct bench *b, const struct bench_config *c,
                   struct bench_result *out) MUST_CHECK;

/* ---- bench_pass.c: what a pass needs ---- */

struct bench_pass;
enum err bench_pass_open(struct kernels *k, const struct cell *c, int64_t max_rows,
                         int64_t max_keys, struct bench_pass **out) MUST_CHECK;
void bench_pass_close(struct bench_pass *p); /* NULL is allowed */
/* Bytes of weights, keys and values that a pass reads from its largest context. */
int64_t bench_pass_bytes(const struct bench_pass *p);
/* Run one pass, adding calls and times to r's slots; with costs, those are set, too. */
enum err bench_pass_run(struct bench_pass *p, const struct bench_config *c, bool costs,
                        struct bench_result *r) MUST_CHECK;

#endif
