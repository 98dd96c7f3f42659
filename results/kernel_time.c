/* kernel_time.c - what single operations took, and the matmul times a run is priced with. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "results/db.h"

static void arg_limit(struct args *a, double v)
{
    if (isnan(v))
        arg_null(a);
    else
        arg_real(a, v);
}

static enum err add_kernel(struct store *s, const char *now, const struct kernel_row *r)
{
    struct args a = args_of(s, STMT_KERNEL_TIME);
    arg_text(&a, s->invocation_id);
    arg_text(&a, s->invocation_device_id);
    arg_text(&a, now);
    arg_text(&a, op_name(r->op));
    arg_text(&a, r->part);
    arg_text(&a, r->model);
    arg_text(&a, dtype_name(r->dtype));
    arg_int(&a, r->rows);
    arg_int_above(&a, r->columns, 0);
    arg_int_above(&a, r->inner, 0);
    arg_int_above(&a, r->keys, 0);
    arg_int(&a, r->threads);
    arg_text(&a, r->variant);
    arg_text(&a, dtype_name(r->compute));
    arg_int(&a, r->n);
    arg_real(&a, r->time_ns);
    arg_limit(&a, r->time_lo_ns);
    arg_limit(&a, r->time_hi_ns);
    arg_int(&a, r->cost.flop_matmul);
    arg_int(&a, r->cost.flop_attention);
    arg_int(&a, r->cost.flop_vector);
    arg_int(&a, cost_bytes_kernel(&r->cost));
    arg_int(&a, r->cost.bytes_dram);
    arg_real(&a, r->flop_per_s);
    arg_real(&a, r->bytes_per_s);
    arg_real(&a, r->roof_fraction);
    arg_limit(&a, r->fraction_lo);
    arg_limit(&a, r->fraction_hi);
    arg_int(&a, r->cache_resident);
    arg_real_above(&a, r->other_cpus, -1);
    return db_run(s, &a);
}

enum err store_add_kernels(struct store *s, const char *invocation_id,
                           const struct kernel_row *rows, int32_t n)
{
    char now[CLOCK_UTC_SIZE];
    enum err e = ERR_NONE;
    CHECK(s->mode == STORE_WRITE);
    clock_utc(now);
    TRY(store_invocation_device(s, invocation_id));
    TRY(db_begin(s));
    for (int32_t i = 0; i < n && e == ERR_NONE; i++) e = add_kernel(s, now, &rows[i]);
    return db_end(s, e);
}

struct reading {
    struct matmul_times *times;
    int32_t room;
};

static enum err take_time(void *ctx, const struct store_result_row *row)
{
    struct reading *r = ctx;
    struct matmul_times *t = r->times;
    if (t->n == r->room) {
        int32_t room = r->room ? 2 * r->room : 64;
        struct matmul_time *more = realloc(t->time, (size_t)room * sizeof *more);
        if (!more) return err_set(ERR_NOMEM, "matmul times: out of memory");
        t->time = more;
        r->room = room;
    }
    struct matmul_time one = {.shape = {.columns = row->value[1].i,
                                        .inner = row->value[2].i,
                                        .threads = (int32_t)row->value[4].i,
                                        .cache_resident = row->value[5].i != 0},
                              .rows = row->value[0].i,
                              .ns = row->value[6].r};
    for (enum dtype d = 0; d < DTYPE_COUNT; d++) {
        if (strcmp(dtype_name(d), row->value[7].text) == 0) one.shape.compute = d;
        if (strcmp(dtype_name(d), row->value[3].text) == 0) one.shape.weight = d;
    }
    t->time[t->n++] = one;
    return ERR_NONE;
}

enum err store_matmul_times(struct store *s, const char *invocation_id, struct matmul_times *out)
{
    struct reading r = {.times = out};
    struct store_value id = store_text(invocation_id);
    *out = (struct matmul_times){0};
    enum err e = store_query(
        s,
        "SELECT k.rows, k.columns, k.inner, k.dtype, k.threads, k.cache_resident, k.time_ns, "
        "       k.compute_dtype "
        "FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY rows, columns, inner, dtype, threads, "
        "                                   cache_resident, compute_dtype "
        "                             ORDER BY measured_utc DESC, kernel_no DESC) AS age "
        "      FROM kernel_time t "
        "      JOIN invocation i ON i.invocation_id = t.invocation_id "
        "      JOIN invocation me ON me.invocation_id = ?1 "
        "      WHERE t.op IN ('matmul', 'head') "
        "            AND t.device_id = me.device_id AND i.build_id = me.build_id) k "
        "WHERE k.age = 1",
        &id, 1, take_time, &r);
    if (e != ERR_NONE) {
        free(out->time);
        *out = (struct matmul_times){0};
        return e;
    }
    matmul_times_sort(out);
    return ERR_NONE;
}
