/* plot_db.h - databases to draw: real counts of real cells, times made up from them. */
#ifndef TESTS_PLOT_DB_H
#define TESTS_PLOT_DB_H

#include "results/store.h"

/* What is added to a database. */
struct plot_db {
    const char *device; /* "cpu": forwards with times; "sim:...": plans */
    const char *model;
    int32_t layers;
    const int32_t *batch; /* 0 ends the list */
    bool resident;        /* pretend a cache of 1 GiB */
    int32_t n_pinned;     /* repetitions of a pinned forward */
    bool bounds;          /* with verdicts: one of each, arm by arm, as in planted_bounds */
    bool f32;             /* weights; else bf16 */
};

/* A verdict as `regime bound` leaves it: value and limits of either elasticity. */
struct planted_bound {
    double bytes[3], flop[3];
};
extern const struct planted_bound planted_bounds[5]; /* by enum bound */

/* ar, block (lengths 8 and 32) and diffusion (8 and 32 steps), paired. */
enum err plot_db_fill(struct store *s, const struct plot_db *what) MUST_CHECK;

#endif
