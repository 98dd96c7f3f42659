/* measure.h - time a matched group of cells: one baseline and its partners, interleaved.
 *
 * Each cell is decoded whole, once to warm up and then at least once measured.  The warm-up
 * decode also records the forward in the middle of each phase; those recordings are then
 * replayed in rounds, the group's cells taking turns in the order A B C, C B A, ..., so that
 * drift hits all of them alike.  After a change of cell the first forward runs on the other
 * one's cache contents: it is kept and marked. */
#ifndef APP_MEASURE_H
#define APP_MEASURE_H

#include "harness/app/arm.h"
#include "harness/app/cells.h"
#include "harness/app/engine.h"

struct measure_limits {
    int32_t n_rounds;          /* of replays; each takes at least two samples per phase       */
    int64_t visit_ns;          /* a phase's replays in one round go on for about this long    */
    int32_t max_visit_samples; /* ... but take at most so many                                */
    int32_t rounds_per_probe;  /* above 1: single forwards take turns, those of the phase that
                                  decodes, and of all phases in a round that begins with a probe of
                                  the roofs; so many rounds share one.  0 counts as 1          */
    int32_t max_decodes;       /* measured whole decodes: as many as fit decode_ns, at least 1 */
    int64_t decode_ns;
    bool trace_rounds; /* trace in every round with a probe, not only at the end      */

    /* Asked after each round: may mark arms as settled, which take no more turns.  NULL: none is.
     */
    void (*look)(void *ctx, struct arm *arm, int32_t n, int32_t rounds);
    void *look_ctx;
};
extern const struct measure_limits measure_default;
enum { MEASURE_ROUNDS_MAX = 48 }; /* with a probe */

struct measured_run {
    enum err status; /* ERR_NONE, or why this cell failed */
    char message[512];
    char run_id[37];
    int64_t weight_bytes;         /* that one forward streams      */
    struct prediction prediction; /* of a cell that did not fail */
};

/* Run the group's n cells (one engine device, one model) and store them in one transaction.
 * A cell that fails is stored with its sentence and the rest go on; what is returned is a
 * failure of the store.  runs[n]. */
enum err measure_group(struct engine *e, struct store *s, const char *invocation_id,
                       const struct planned_cell *const *cells, int32_t n,
                       const struct measure_limits *limits, struct measured_run *runs) MUST_CHECK;

#endif
