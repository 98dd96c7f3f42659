/* verb_bench.c - bench kernels: every operation against the roofs, stored and printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/bench.h"
#include "harness/app/verbs.h"
#include "harness/base/range.h"
#include "results/output.h"

struct list {
    int64_t *value; /* owned */
    int32_t n;
    int64_t largest;
};

/* Whole numbers from 1, given by a flag. */
static enum err parse(const char *flag, const char *text, int64_t most, struct list *out)
{
    enum err e = range_parse(text, &out->value, &out->n);
    if (e != ERR_NONE) return err_set(e, "--%s: %s", flag, err_msg());
    for (int32_t i = 0; i < out->n; i++) {
        if (out->value[i] < 1 || out->value[i] > most)
            return err_set(ERR_USAGE, "--%s: %lld is not from 1 to %lld", flag,
                           (long long)out->value[i], (long long)most);
        if (out->value[i] > out->largest) out->largest = out->value[i];
    }
    return ERR_NONE;
}

/* A cell with every axis that decides nothing here at its default. */
static struct cell essence(const struct cell *c)
{
    struct cell e;
    axes_default(&e, c->device);
    memcpy(e.model, c->model, sizeof e.model);
    e.layers = c->layers;
    e.dtype = c->dtype;
    e.kv_dtype = c->kv_dtype;
    e.threads = c->threads;
    e.compute = c->compute;
    e.spec.seed = c->spec.seed;
    axes_resolve(&e);
    return e;
}

static enum err check_cells(const struct cell_list *l)
{
    for (int32_t i = 0; i < l->n; i++) {
        struct cell e = essence(&l->cell[i].cell);
        if (strcmp(e.device, "cpu") != 0)
            return err_set(ERR_UNSUPPORTED, "%s: bench kernels times the CPU's kernels only",
                           e.device);
        if (!cells_equal(&e, &l->cell[i].cell))
            return err_set(ERR_USAGE, "bench kernels: of the axes only --model, --layers, --dtype, "
                                      "--kv-dtype, --threads, --compute-dtype and --seed change "
                                      "anything");
    }
    return ERR_NONE;
}

/* ---- printing ---- */

#define ALL "SELECT * FROM v_kernel WHERE invocation_id = ?1 ORDER BY kernel_no"
#define SHORT                                                                                      \
    "SELECT model, dtype, compute_dtype AS compute, threads, op, part, rows, keys, time_ns, "      \
    "time_lo_ns, time_hi_ns, flop_per_s, bytes_per_s, compute_ns, memory_ns, roof_fraction, "      \
    "roof_fraction_lo AS lo, roof_fraction_hi AS hi, residual, n FROM v_kernel "                   \
    "WHERE invocation_id = ?1 "                                                                    \
    "ORDER BY dtype, compute_dtype, op, part, keys, rows"

/* People get what they can read in a line; programs every column. */
static enum err print(struct store *s, const char *invocation_id, enum output format)
{
    bool people = format == OUTPUT_MD || format == OUTPUT_LATEX;
    struct store_value id = store_text(invocation_id);
    return output_query(s, people ? SHORT : ALL, &id, 1, (enum print_format)format, "kernels",
                        stdout);
}

static enum err store_result(struct store *s, const char *invocation_id, const struct cell *c,
                             const struct bench_result *r)
{
    struct kernel_row *row = calloc((size_t)r->n, sizeof *row);
    if (!row) return err_set(ERR_NOMEM, "bench: out of memory");
    for (int32_t i = 0; i < r->n; i++) {
        const struct bench_slot *t = &r->slot[i];
        bool matmul = t->op == OP_MATMUL || t->op == OP_HEAD;
        row[i] = (struct kernel_row){
            .op = t->op,
            .part = t->part,
            .model = c->model,
            .dtype = t->dtype,
            .rows = t->rows,
            .columns = t->columns,
            .inner = t->inner,
            .keys = t->keys,
            .threads = r->threads,
            .variant = r->variant,
            .compute = matmul ? c->compute : DTYPE_F32,
            .n = t->n,
            .time_ns = t->time_ns,
            .time_lo_ns = t->time_lo_ns,
            .time_hi_ns = t->time_hi_ns,
            .cost = t->cost,
            .flop_per_s = matmul ? r->matmul_flop_per_s : r->other_flop_per_s,
            .bytes_per_s = r->bytes_per_s,
            .roof_fraction = t->roof_fraction,
            .fraction_lo = t->fraction_lo,
            .fraction_hi = t->fraction_hi,
            .other_cpus = r->other_cpus,
            .cache_resident = r->cache_resident,
        };
    }
    enum err e = store_add_kernels(s, invocation_id, row, r->n);
    free(row);
    return e;
}

/* ---- the verb ---- */

struct job {
    const struct options *o;
    struct engine *engine;
    struct store *store;
    char invocation_id[37];
    struct list rows, keys;
    struct bench_result result;
};

static enum err bench_cell(struct job *j, const struct cell *c)
{
    enum err e = ERR_NONE;
    struct bench *b = NULL;
    log_progress(j->o->log, "making the weights of %s in %s", c->model, dtype_name(c->dtype));
    TRY(bench_open(j->engine, c, j->rows.largest, j->keys.largest, &b));
    for (int32_t i = 0; i < j->rows.n; i++) {
        struct bench_config config = {
            .cell = c, .rows = j->rows.value[i], .keys = j->keys.value, .n_keys = j->keys.n};
        log_progress(j->o->log, "[%d/%d] %s %s, %lld rows", i + 1, j->rows.n, c->model,
                     dtype_name(c->dtype), (long long)j->rows.value[i]);
        TRY_OUT(bench_run(b, &config, &j->result));
        TRY_OUT(store_result(j->store, j->invocation_id, c, &j->result));
    }
out:
    bench_close(b);
    return e;
}

static enum err bench_all(struct job *j)
{
    const struct options *o = j->o;
    struct invocation i = {.argv = o->command, .seed = o->cells.cell[0].cell.spec.seed};
    TRY(engine_open("cpu", o->log, &j->engine));
    TRY(store_open(o->db, STORE_WRITE, &j->store));
    struct device_row d = engine_device(j->engine);
    TRY(store_begin_invocation(j->store, &i, &d, j->invocation_id));
    for (int32_t c = 0; c < o->cells.n; c++) TRY(bench_cell(j, &o->cells.cell[c].cell));
    log_progress_end(o->log);
    TRY(store_end_invocation(j->store, j->invocation_id, 0));
    return print(j->store, j->invocation_id, o->output);
}

enum err verb_bench(const struct options *o)
{
    enum err e = ERR_NONE;
    if (o->n_args != 1 || strcmp(o->arg[0], "kernels") != 0)
        return err_set(ERR_USAGE, "bench: expected \"kernels\" (regime bench --help)");
    TRY(check_cells(&o->cells));
    struct job *j = calloc(1, sizeof *j);
    if (!j) return err_set(ERR_NOMEM, "bench: out of memory");
    j->o = o;
    TRY_OUT(parse("rows", o->rows ? o->rows : "1-256*2", 65536, &j->rows));
    TRY_OUT(parse("keys", o->keys ? o->keys : "1024", 1 << 24, &j->keys));
    TRY_OUT(bench_all(j));
out:
    store_close(j->store);
    engine_close(j->engine);
    free(j->rows.value);
    free(j->keys.value);
    free(j);
    return e;
}
