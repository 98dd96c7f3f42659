/* bound.c - write what was changed to see what limits a run, and the verdict. */
#include "results/db.h"

static const char *const change_names[] = {
    [CHANGE_STORAGE] = "storage",
    [CHANGE_ARITHMETIC] = "arithmetic",
    [CHANGE_ISA] = "isa",
    [CHANGE_THREADS] = "threads",
};

const char *change_name(enum change c)
{
    return change_names[c];
}

static const char *const bound_names[] = {
    [BOUND_MEMORY] = "memory",     [BOUND_COMPUTE] = "compute",     [BOUND_MIXED] = "mixed",
    [BOUND_OVERHEAD] = "overhead", [BOUND_UNDECIDED] = "undecided",
};

const char *bound_name(enum bound b)
{
    return bound_names[b];
}

/* Text that may be empty, where NULL is not. */
static void arg_op(struct args *a, const char *op)
{
    if (a->rc == SQLITE_OK) a->rc = sqlite3_bind_text(a->st, ++a->i, op, -1, SQLITE_TRANSIENT);
}

enum err store_add_intervention(struct store *s, const char *run_id,
                                const struct intervention_row *r)
{
    CHECK(s->mode == STORE_WRITE);
    struct args a = args_of(s, STMT_INTERVENTION);
    arg_text(&a, run_id);
    arg_text(&a, r->phase);
    arg_op(&a, r->op);
    arg_text(&a, r->base_run_id);
    arg_text(&a, change_name(r->change));
    arg_real(&a, r->bytes_ratio);
    arg_real(&a, r->compute_ratio);
    arg_real(&a, r->bandwidth_ratio);
    arg_int(&a, r->rounds);
    arg_real(&a, r->time[0]);
    arg_real(&a, r->time[1]); /* SQLite stores NaN as NULL */
    arg_real(&a, r->time[2]);
    for (int i = 0; i < 3; i++) arg_real(&a, r->elasticity[i]);
    return db_run(s, &a);
}

enum err store_add_bound(struct store *s, const char *run_id, const char *phase, const char *op,
                         const enum change *flop_by, enum bound b)
{
    CHECK(s->mode == STORE_WRITE);
    struct args a = args_of(s, STMT_BOUND);
    arg_text(&a, run_id);
    arg_text(&a, phase);
    arg_op(&a, op);
    arg_text(&a, flop_by ? change_name(*flop_by) : NULL);
    arg_text(&a, bound_name(b));
    return db_run(s, &a);
}
