/* quality.c - write what was found out about quality. */
#include "results/quality.h"

#include "harness/base/clock.h"
#include "results/db.h"

static void arg_known(struct args *a, double v)
{
    if (isnan(v))
        arg_null(a);
    else
        arg_real(a, v);
}

static void arg_estimate(struct args *a, struct estimate e)
{
    arg_known(a, e.value);
    arg_known(a, e.lo);
    arg_known(a, e.hi);
}

static enum err add_all(struct store *s, const struct cell *c, const struct quality_row *q)
{
    char cell_id[CELL_KEY_SIZE], id[UUID_SIZE], now[CLOCK_UTC_SIZE];
    TRY(store_add_cell(s, c, cell_id));
    TRY(uuid_make(id));
    clock_utc(now);
    struct args a = args_of(s, STMT_QUALITY);
    arg_text(&a, id);
    arg_text(&a, s->invocation_id);
    arg_text(&a, cell_id);
    arg_text(&a, q->process_sha256);
    arg_text(&a, now);
    arg_int(&a, q->samples);
    arg_text(&a, q->law);
    arg_estimate(&a, q->kl);
    arg_estimate(&a, q->reverse);
    arg_estimate(&a, q->tv);
    arg_estimate(&a, q->surprise);
    arg_estimate(&a, q->entropy);
    arg_known(&a, q->reverse_least);
    TRY(db_run(s, &a));
    for (int p = 0; p < PHASE_COUNT; p++) {
        if (q->forwards[p] == 0) continue;
        a = args_of(s, STMT_QUALITY_FORWARD);
        arg_text(&a, id);
        arg_text(&a, phase_name((enum phase)p));
        arg_int(&a, q->forwards[p]);
        arg_int(&a, q->tokens[p]);
        TRY(db_run(s, &a));
    }
    return ERR_NONE;
}

enum err store_add_quality(struct store *s, const char *invocation_id, const struct cell *c,
                           const struct quality_row *q)
{
    TRY(store_invocation_device(s, invocation_id));
    TRY(db_begin(s));
    return db_end(s, add_all(s, c, q));
}

static enum err add_nelbo(struct store *s, const struct cell *c, const struct nelbo_row *n)
{
    char cell_id[CELL_KEY_SIZE], id[UUID_SIZE], now[CLOCK_UTC_SIZE];
    struct estimate none = {NAN, NAN, NAN};
    TRY(store_add_cell(s, c, cell_id));
    TRY(uuid_make(id));
    clock_utc(now);
    struct args a = args_of(s, STMT_NELBO);
    arg_text(&a, id);
    arg_text(&a, s->invocation_id);
    arg_text(&a, cell_id);
    arg_text(&a, n->process_sha256);
    arg_text(&a, now);
    arg_text(&a, n->estimator);
    arg_text(&a, n->schedule);
    arg_int(&a, n->sequences);
    arg_int(&a, n->draws);
    arg_estimate(&a, n->nelbo);
    arg_estimate(&a, n->process_sha256 ? n->excess : none);
    return db_run(s, &a);
}

enum err store_add_nelbo(struct store *s, const char *invocation_id, const struct cell *c,
                         const struct nelbo_row *n)
{
    TRY(store_invocation_device(s, invocation_id));
    TRY(db_begin(s));
    return db_end(s, add_nelbo(s, c, n));
}

static enum err add_corruption(struct store *s, const struct corruption_row *c,
                               const struct corruption_point *points, int32_t n)
{
    char id[UUID_SIZE], now[CLOCK_UTC_SIZE];
    TRY(uuid_make(id));
    clock_utc(now);
    struct args a = args_of(s, STMT_CORRUPTION);
    arg_text(&a, id);
    arg_text(&a, s->invocation_id);
    arg_text(&a, now);
    arg_text(&a, c->source);
    arg_text(&a, c->process_sha256);
    arg_text(&a, c->width ? "noise" : "masks");
    arg_int_above(&a, c->width, 0);
    arg_int(&a, c->symbols);
    arg_int(&a, c->tokens);
    arg_int(&a, c->sequences);
    arg_real(&a, c->entropy);
    arg_real(&a, c->useful_time);
    TRY(db_run(s, &a));
    for (int32_t i = 0; i < n; i++) {
        a = args_of(s, STMT_CORRUPTION_POINT);
        arg_text(&a, id);
        arg_text(&a, points[i].quantity);
        arg_real(&a, points[i].x);
        arg_real(&a, points[i].value);
        TRY(db_run(s, &a));
    }
    return ERR_NONE;
}

enum err store_add_corruption(struct store *s, const char *invocation_id,
                              const struct corruption_row *c, const struct corruption_point *points,
                              int32_t n)
{
    TRY(store_invocation_device(s, invocation_id));
    TRY(db_begin(s));
    return db_end(s, add_corruption(s, c, points, n));
}
