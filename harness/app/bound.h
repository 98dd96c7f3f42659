/* bound.h - what limits a cell's forwards, found by changing one thing at a time.
 *
 * Beside each cell run the same cell with its weights stored otherwise (other bytes, the same
 * arithmetic), with its arithmetic done twice, by a narrower instruction set or, failing these, on
 * half of the threads (the same bytes, slower arithmetic), all in the same interleaving rounds. */
#ifndef APP_BOUND_H
#define APP_BOUND_H

#include "harness/app/execute.h"

/* One cell of the list below: changed from cell `base`, or itself a base. */
struct bound_arm {
    int32_t base;
    enum change change;   /* of a changed cell */
    double compute_ratio; /* rate of the base's kernels over its own */
};

struct bound_plan {
    struct cell_list cells; /* owned; a base, then what was made of it; groups as pairs  */
    struct bound_arm *arm;  /* owned; one per cell */
    int32_t n_bases;
};

/* What to run for the cells, which must be of the CPU; their kernels are timed for it.  A cell
 * that has a verdict in the store already is left out if `reuse`. */
struct bound_options {
    struct store *store;
    struct log *log;
    bool reuse, reuse_any_build;
};
/* ERR_UNSUPPORTED unless all are of the CPU. */
enum err bound_check_cells(const struct cell_list *cells) MUST_CHECK;
enum err bound_plan_make(const struct cell_list *cells, const struct bound_options *o,
                         struct bound_plan *out) MUST_CHECK;
void bound_plan_free(struct bound_plan *p);

/* How long each cell is measured: until all of its verdicts are settled at a look (elasticity.h), or
 * to the last one. */
extern const struct measure_limits bound_limits;
/* Look at cells of the plan in ctx while they are being measured (measure_limits.look). */
void bound_look(void *ctx, struct arm *arm, int32_t n, int32_t rounds);

/* Compare the runs of a group that is stored, and store elasticities and verdicts.  ctx: */
struct bound_judging {
    struct store *store;
    const struct bound_plan *plan;
};
enum err bound_group_done(void *ctx, const int32_t *index, const struct measured_run *runs,
                          int32_t n) MUST_CHECK;

#endif
