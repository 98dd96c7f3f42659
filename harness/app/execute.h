/* execute.h - plan or run a list of cells into a store. */
#ifndef APP_EXECUTE_H
#define APP_EXECUTE_H

#include "harness/app/count.h"
#include "harness/app/measure.h"
#include "harness/app/present.h"
#include "harness/app/skips.h"

struct execution {
    struct shown_run *run; /* owned: every cell that has a run, new or reused, in order */
    int32_t n;
    int32_t n_ran, n_reused, n_failed;
    int32_t n_left; /* not begun within the time budget */
    struct skips skips;
    char first_failure[512];
};

/* Called with each matched group once it is stored: places in the list of cells, and runs. */
typedef enum err group_done_fn(void *ctx, const int32_t *index, const struct measured_run *runs,
                               int32_t n);

struct execute_options {
    const char *command;                 /* for provenance                                 */
    const char *sweep_name, *sweep_text; /* NULL: none                                     */
    bool reuse;                          /* a finished run of the same cell counts as done */
    bool reuse_any_build;                /* ... whatever build it is of                    */
    bool only_sim;                       /* ERR_USAGE for a device that is not imagined    */
    int64_t time_budget_ns;              /* after this no group is begun; 0: none          */
    const struct measure_limits *limits;
    const struct ceilings_effort *effort; /* of measuring roofs; NULL: ceilings_default     */
    group_done_fn *done;                  /* NULL: nothing to do */
    void *done_ctx;
    struct count_options count; /* what is counted once all has been timed        */
    struct log *log;
};

/* Whether every device is there and what is to be counted on it can be: before a database is made
 * for cells that cannot run. */
enum err execute_check(const struct cell_list *cells, const struct execute_options *o) MUST_CHECK;

/* Cells on simulated devices are counted and priced; the others are measured, group by
 * group, the machine's roofs before and after each, and each stored before the next begins.  A cell
 * that fails is recorded and the rest go on; the caller looks at n_failed. */
enum err execute_cells(struct store *s, const struct cell_list *cells,
                       const struct execute_options *o, struct execution *out) MUST_CHECK;
void execution_free(struct execution *x);
/* ERR_BUDGET if some cells are left, ERR_SOME_FAILED if some failed; said in a sentence. */
enum err execution_result(const struct execution *x) MUST_CHECK;

#endif
