/* counting.c - write counters beside a run, and ask what has been counted. */
#include "results/counting.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/clock.h"
#include "results/db.h"

const char *l2_state_name(enum l2_state s)
{
    static const char *const names[] = {"steady", "cold"};
    return names[s];
}

/* Of a finished run. */
static enum err find_run(struct store *s, const char *run_id, bool *found, int64_t *run_no,
                         char sha256[65])
{
    struct args a = args_of(s, STMT_RUN_TOKENS);
    arg_text(&a, run_id);
    int rc = a.rc == SQLITE_OK ? sqlite3_step(a.st) : a.rc;
    *found = rc == SQLITE_ROW;
    if (*found) {
        const char *tokens = (const char *)sqlite3_column_text(a.st, 1);
        *run_no = sqlite3_column_int64(a.st, 0);
        snprintf(sha256, 65, "%s", tokens ? tokens : "");
    }
    enum err e =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_NONE : db_fail(s->db, s->path, "read", rc);
    sqlite3_reset(a.st);
    return e;
}

enum err store_run_tokens(struct store *s, const char *run_id, bool *found, char sha256[65])
{
    int64_t run_no;
    return find_run(s, run_id, found, &run_no, sha256);
}

enum err store_is_counted(struct store *s, const char *run_id, const char *probe, enum l2_state l2,
                          bool *yes)
{
    struct args a = args_of(s, STMT_IS_COUNTED);
    arg_text(&a, run_id);
    arg_text(&a, probe);
    arg_text(&a, l2_state_name(l2));
    int rc = a.rc == SQLITE_OK ? sqlite3_step(a.st) : a.rc;
    *yes = rc == SQLITE_ROW;
    enum err e =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_NONE : db_fail(s->db, s->path, "read", rc);
    sqlite3_reset(a.st);
    return e;
}

/* The key that every row of a pass begins with. */
static struct args row_of(struct store *s, enum stmt id, int64_t run_no,
                          const struct counting_row *c)
{
    struct args a = args_of(s, id);
    arg_int(&a, run_no);
    arg_text(&a, c->probe);
    arg_text(&a, l2_state_name(c->l2));
    return a;
}

static enum err add_forward(struct store *s, int64_t run_no, const struct counting_row *c,
                            const struct counted_forward *f)
{
    struct args a = row_of(s, STMT_FORWARD_COUNTER, run_no, c);
    arg_int(&a, f->sample);
    arg_int(&a, f->step);
    arg_text(&a, phase_name(f->phase));
    for (int i = 0; i < COUNTER_COUNT; i++) arg_int_above(&a, f->counters.value[i], -1);
    return db_run(s, &a);
}

static enum err add_kernel(struct store *s, int64_t run_no, const struct counting_row *c,
                           const struct counted_kernel *k)
{
    static const enum counter stored[] = {COUNTER_DRAM_READ_BYTES, COUNTER_DRAM_WRITE_BYTES,
                                          COUNTER_L2_BYTES, COUNTER_L1_BYTES, COUNTER_FLOP_TENSOR};
    const struct kernel_record *r = &k->record;
    struct args a = row_of(s, STMT_FORWARD_KERNEL, run_no, c);
    arg_int(&a, k->sample);
    arg_int(&a, k->step);
    arg_int(&a, r->ordinal);
    arg_text(&a, phase_name(k->phase));
    arg_text(&a, r->name);
    arg_int_above(&a, r->start_ns, -1);
    arg_int_above(&a, r->end_ns, -1);
    for (int i = 0; i < 3; i++) arg_int_above(&a, r->grid[i], 0);
    for (int i = 0; i < 3; i++) arg_int_above(&a, r->block[i], 0);
    arg_int_above(&a, r->registers, -1);
    arg_int_above(&a, r->shared_bytes, -1);
    for (size_t i = 0; i < sizeof stored / sizeof stored[0]; i++)
        arg_int_above(&a, r->counters.value[stored[i]], -1);
    bool known = r->call >= 0;
    arg_int_above(&a, r->call, -1);
    arg_text(&a, known ? op_name(k->call.op) : NULL);
    arg_int_above(&a, known ? k->call.rows : 0, 0);
    arg_int_above(&a, known ? k->call.cols : 0, 0);
    arg_int_above(&a, known ? k->call.depth : 0, 0);
    return db_run(s, &a);
}

static enum err add_known(struct store *s, int64_t run_no, const struct counting_row *c,
                          const struct known_work_row *k)
{
    struct args a = row_of(s, STMT_KNOWN_WORK, run_no, c);
    arg_text(&a, k->work);
    arg_text(&a, counter_name(k->counter));
    arg_int(&a, k->known);
    arg_int(&a, k->counted);
    return db_run(s, &a);
}

static enum err add_energy(struct store *s, int64_t run_no, const struct counting_row *c,
                           const struct energy_row *e)
{
    const struct nvml_reading *b = &e->before, *f = &e->after;
    bool energy = b->energy_mj >= 0 && f->energy_mj >= b->energy_mj;
    bool throttle = b->throttle_bits >= 0 && f->throttle_bits >= 0;
    struct args a = row_of(s, STMT_ENERGY, run_no, c);
    arg_int(&a, e->decodes);
    arg_int(&a, e->tokens);
    arg_int(&a, e->window_ns);
    arg_int_above(&a, energy ? f->energy_mj - b->energy_mj : -1, -1);
    arg_int_above(&a, b->power_mw, -1);
    arg_int_above(&a, f->power_mw, -1);
    arg_int_above(&a, b->sm_mhz, -1);
    arg_int_above(&a, f->sm_mhz, -1);
    arg_int_above(&a, b->memory_mhz, -1);
    arg_int_above(&a, f->memory_mhz, -1);
    arg_int_above(&a, b->temperature_c, -1);
    arg_int_above(&a, f->temperature_c, -1);
    arg_int_above(&a, throttle ? b->throttle_bits | f->throttle_bits : -1, -1);
    return db_run(s, &a);
}

static enum err add_all(struct store *s, const char *run_id, const struct counting_row *c)
{
    char now[CLOCK_UTC_SIZE], sha256[65];
    bool found;
    int64_t run_no = 0;
    TRY(find_run(s, run_id, &found, &run_no, sha256));
    if (!found) return err_set(ERR_INTERNAL, "counters of a run that is not there: %s", run_id);
    clock_utc(now);
    struct args drop = row_of(s, STMT_COUNTING_DROP, run_no, c);
    TRY(db_run(s, &drop));
    struct args a = row_of(s, STMT_COUNTING, run_no, c);
    arg_text(&a, c->reason ? "unavailable" : "ok");
    arg_text(&a, c->reason);
    arg_text(&a, now);
    arg_int_above(&a, c->reason ? 0 : c->samples, 0);
    arg_text(&a, c->chip);
    arg_int_above(&a, c->passes, 0);
    arg_int_above(&a, c->version, 0);
    TRY(db_run(s, &a));
    if (c->reason) return ERR_NONE;
    for (int32_t i = 0; i < c->n_forwards; i++) TRY(add_forward(s, run_no, c, &c->forward[i]));
    for (int32_t i = 0; i < c->n_kernels; i++) TRY(add_kernel(s, run_no, c, &c->kernel[i]));
    for (int32_t i = 0; i < c->n_known; i++) TRY(add_known(s, run_no, c, &c->known[i]));
    return c->energy ? add_energy(s, run_no, c, c->energy) : ERR_NONE;
}

enum err store_add_counting(struct store *s, const char *run_id, const struct counting_row *c)
{
    CHECK(s->mode == STORE_WRITE);
    TRY(db_begin(s));
    return db_end(s, add_all(s, run_id, c));
}
