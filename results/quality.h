/* quality.h - what a decoding policy costs in quality where the truth is known, and what a bound
 * on the likelihood comes to. */
#ifndef RESULTS_QUALITY_H
#define RESULTS_QUALITY_H

#include "harness/base/mean.h"
#include "results/store.h"

/* One policy on one process; the cell's model is the process's name. */
struct quality_row {
    const char *process_sha256; /* of the process's numbers                                   */
    int64_t samples;            /* sequences produced, and as many true ones                  */
    const char *law;            /* "exact", "bound", "counted" (tv, perhaps reverse, unknown);
                                   NULL: kl, reverse and tv are not known                     */
    struct estimate kl;         /* KL(produced || true), nats per token                       */
    struct estimate reverse;    /* KL(true || produced), nats per token                       */
    struct estimate tv;         /* total variation between whole generations                  */
    struct estimate surprise;   /* -log p(produced), nats per token                           */
    struct estimate entropy;    /* -log p(true), nats per token                               */
    double reverse_least;       /* least that reverse can be, sets of positions being fixed
                                   beforehand, in as many forwards; NaN: not known            */
    int64_t forwards[PHASE_COUNT], tokens[PHASE_COUNT]; /* of all batches                     */
};
enum err store_add_quality(struct store *s, const char *invocation_id, const struct cell *c,
                           const struct quality_row *q) MUST_CHECK;

/* A bound on -log p of sequences, nats per token; the cell's model is the process's name or a
 * network's. */
struct nelbo_row {
    const char *process_sha256; /* NULL: a network                                      */
    const char *estimator;      /* "chain", "time", "count"                             */
    const char *schedule;       /* of "time"; else NULL                                 */
    int64_t sequences, draws;
    struct estimate nelbo;
    struct estimate excess; /* over the true -log p of the same sequences; a process's only */
};
enum err store_add_nelbo(struct store *s, const char *invocation_id, const struct cell *c,
                         const struct nelbo_row *n) MUST_CHECK;

/* One corruption of one source, and points of it. */
struct corruption_row {
    const char *source, *process_sha256; /* sha256 NULL: no process */
    int32_t width;                       /* of embeddings; 0: masks */
    int32_t symbols, tokens;
    int64_t sequences;
    double entropy, useful_time;
};
struct corruption_point {
    const char *quantity;
    double x, value;
};
enum err store_add_corruption(struct store *s, const char *invocation_id,
                              const struct corruption_row *c, const struct corruption_point *points,
                              int32_t n) MUST_CHECK;

#endif
