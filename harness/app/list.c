/* list.c - what there is, and why what is missing is missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/strategy.h"
#include "harness/app/count.h"
#include "harness/app/decoders.h"
#include "harness/app/sweep.h"
#include "harness/app/table.h"
#include "harness/app/verbs.h"
#include "harness/base/cpuinfo.h"
#include "harness/base/suggest.h"
#include "harness/decode/process.h"
#include "plots/plot.h"
#include "results/store.h"
#include "roofline/device.h"

static enum err list_verbs(struct table *t)
{
    static const char *const columns[] = {"verb", "arguments", "help", NULL};
    const struct verb *v;
    table_open(t, "verbs", columns);
    for (int32_t i = 0; (v = verb_at(i)); i++) {
        table_text(t, v->name);
        table_text(t, v->args);
        table_text(t, v->help);
    }
    return ERR_NONE;
}

static void device_line(struct table *t, const char *device, const char *kind, const char *what,
                        const char *why_not)
{
    table_text(t, device);
    table_text(t, kind);
    table_bool(t, !why_not);
    table_text(t, why_not ? why_not : what);
}

static void list_backend_device(struct table *t, const char *backend, const char *device,
                                const char *what)
{
    const char *name, *why = "not in this build";
    for (int32_t i = 0; (name = kernels_backend(i, &why)); i++)
        if (strcmp(name, backend) == 0) break;
    device_line(t, device, backend, what, name ? why : "not in this build");
}

static enum err list_devices(struct table *t)
{
    static const char *const columns[] = {"device", "kind", "available", "what", NULL};
    struct cpuinfo cpu;
    char what[200];
    const struct device *d;
    cpuinfo_read(&cpu);
    table_open(t, "devices", columns);
    snprintf(what, sizeof what, "%s, %d CPUs, %s", cpu.model, cpu.n_cpus, isa_name(cpu.isa));
    list_backend_device(t, "cpu", "cpu", what);
    list_backend_device(t, "cuda", "cuda:N", "NVIDIA GPU N");
    for (int32_t i = 0; (d = device_at(i)); i++) {
        char name[64];
        snprintf(name, sizeof name, "sim:%s", d->name);
        snprintf(what, sizeof what,
                 "predicted: %s, %.0f TFLOP/s bf16, %.3g TB/s, %.0f FLOP/byte at the ridge",
                 d->title, d->tensor_bf16_flop_per_s / 1e12, d->bytes_per_s / 1e12,
                 d->tensor_bf16_flop_per_s / d->bytes_per_s);
        device_line(t, name, "sim", what, NULL);
    }
    return ERR_NONE;
}

static enum err list_models(struct table *t)
{
    static const char *const columns[] = {"model",      "parameters", "layers", "d_model",
                                          "heads",      "kv_heads",   "d_head", "d_ff",
                                          "vocabulary", "tied",       "source", NULL};
    const struct model_config *m;
    table_open(t, "models", columns);
    for (int32_t i = 0; (m = model_preset_at(i)); i++) {
        table_text(t, m->name);
        table_int(t, model_params(m));
        table_int(t, m->n_layer);
        table_int(t, m->d_model);
        table_int(t, m->n_head);
        table_int(t, m->n_kv_head);
        table_int(t, m->d_head);
        table_int(t, m->d_ff);
        table_int(t, m->n_vocab);
        table_bool(t, m->tied);
        table_text(t, m->source);
    }
    return ERR_NONE;
}

static enum err list_decoders(struct table *t)
{
    static const char *const columns[] = {"decoder", "help", NULL};
    const struct decoder_ops *d;
    table_open(t, "decoders", columns);
    for (int32_t i = 0; (d = decoder_at(i)); i++) {
        table_text(t, d->name);
        table_text(t, d->help);
    }
    return ERR_NONE;
}

static enum err list_processes(struct table *t)
{
    static const char *const columns[] = {"process", "states", "symbols", "help", NULL};
    const struct process_preset *preset;
    struct process p;
    table_open(t, "processes", columns);
    for (int32_t i = 0; (preset = process_preset_at(i)); i++) {
        TRY(process_preset(preset->name, &p));
        table_text(t, preset->name);
        table_int(t, p.n_states);
        table_int(t, p.n_symbols);
        table_text(t, preset->help);
    }
    return ERR_NONE;
}

static enum err list_strategies(struct table *t)
{
    static const char *const columns[] = {"strategy", "options", "reads",
                                          "adaptive", "help",    NULL};
    table_open(t, "strategies", columns);
    for (int32_t i = 0; i < STRATEGY_COUNT; i++) {
        const struct strategy_ops *s = strategy_of((enum strategy)i);
        table_text(t, s->name);
        table_text(t, s->takes);
        table_text(t, s->reads);
        table_bool(t, s->adaptive);
        table_text(t, s->help);
    }
    return ERR_NONE;
}

static enum err list_axes(struct table *t)
{
    static const char *const columns[] = {"axis", "short", "default", "available", "help", NULL};
    const struct axis *a;
    table_open(t, "axes", columns);
    for (int32_t i = 0; (a = axis_at(i)); i++) {
        char letter[3] = {'-', a->letter, '\0'};
        table_text(t, a->name);
        table_text(t, a->letter ? letter : NULL);
        table_text(t, a->derived ? a->derived : a->fallback);
        table_bool(t, !a->not_yet);
        table_text(t, a->not_yet ? a->not_yet : a->help);
    }
    return ERR_NONE;
}

static enum err list_sweeps(struct table *t)
{
    static const char *const columns[] = {"sweep", "cells", "skipped", "title", NULL};
    char *name;
    table_open(t, "sweeps", columns);
    for (int32_t i = 0; (name = sweep_builtin(i)); i++) {
        struct sweep s;
        struct cell_list cells = {0};
        int64_t skipped = 0;
        enum err e = sweep_load(name, "cpu", &s);
        if (e == ERR_NONE) e = cells_expand(&s.space, &cells);
        for (int32_t c = 0; c < cells.n; c++) skipped += cells.cell[c].skip_reason[0] != '\0';
        if (e == ERR_NONE) {
            table_text(t, name);
            table_int(t, cells.n - skipped);
            table_int(t, skipped);
            table_text(t, s.title);
        }
        cell_list_free(&cells);
        sweep_free(&s);
        free(name);
        TRY(e);
    }
    return ERR_NONE;
}

static enum err list_figures(struct table *t)
{
    static const char *const columns[] = {"figure", "help", NULL};
    const struct figure *f;
    table_open(t, "figures", columns);
    for (int i = 0; (f = figure_at(i)); i++) {
        table_text(t, f->name);
        table_text(t, f->help);
    }
    return ERR_NONE;
}

static enum err list_backends(struct table *t)
{
    static const char *const columns[] = {"backend", "available", "reason", NULL};
    const char *name, *why;
    table_open(t, "backends", columns);
    for (int32_t i = 0; (name = kernels_backend(i, &why)); i++) {
        table_text(t, name);
        table_bool(t, !why);
        table_text(t, why);
    }
    return ERR_NONE;
}

struct views {
    struct table *table;
    struct store *store;
};

static enum err add_columns(void *ctx, const struct store_result_row *row)
{
    for (int32_t i = 0; i < row->n; i++) strbuf_addf(ctx, "%s%s", i ? " " : "", row->name[i]);
    return ERR_NONE;
}

static enum err add_view(void *ctx, const struct store_result_row *row)
{
    struct views *v = ctx;
    struct strbuf columns = {0};
    char sql[160];
    /* Columns have names only in a row, and the view may have none. */
    snprintf(sql, sizeof sql, "SELECT v.* FROM (SELECT 1) LEFT JOIN %s v ON 0", row->value[0].text);
    enum err e = store_query(v->store, sql, NULL, 0, add_columns, &columns);
    if (e == ERR_NONE) e = strbuf_check(&columns);
    if (e == ERR_NONE) {
        table_text(v->table, row->value[0].text);
        table_text(v->table, strbuf_text(&columns));
    }
    strbuf_free(&columns);
    return e;
}

/* Of an empty database: the schema that this program writes. */
static enum err list_views(struct table *t)
{
    static const char *const columns[] = {"view", "columns", NULL};
    struct views v = {.table = t};
    table_open(t, "views", columns);
    TRY(store_open(":memory:", STORE_WRITE, &v.store));
    enum err e = store_query(v.store,
                             "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name",
                             NULL, 0, add_view, &v);
    store_close(v.store);
    return e;
}

static enum err list_probes(struct table *t)
{
    static const char *const columns[] = {"probe", "available", "what", NULL};
    const struct count_probe *p;
    table_open(t, "probes", columns);
    for (int32_t i = 0; (p = count_probe_at(i)); i++) {
        char why[512] = "";
        count_probe_reason(p, p->of_cpu ? COUNT_CPU : 0, why, sizeof why);
        table_text(t, p->name);
        table_bool(t, !*why);
        table_text(t, *why ? why : p->help);
    }
    return ERR_NONE;
}

static const struct {
    const char *what;
    enum err (*fill)(struct table *t);
    const char *help;
} lists[] = {
    {"verbs", list_verbs, "what the program can do"},
    {"devices", list_devices, "what cells can run on or be predicted for"},
    {"models", list_models, "shapes of transformers"},
    {"decoders", list_decoders, "policies that decide what each forward computes"},
    {"processes", list_processes, "sources of tokens whose every probability is known"},
    {"strategies", list_strategies, "which masked positions a denoise forward reveals"},
    {"axes", list_axes, "what describes a cell: flags and keys of sweep files"},
    {"sweeps", list_sweeps, "built-in sweep files"},
    {"figures", list_figures, "what regime plot can draw"},
    {"views", list_views, "views of the results database, for regime report and sqlite3"},
    {"probes", list_probes, "what can be counted on the CPU and the first GPU, in passes after timing"},
    {"backends", list_backends, "implementations of the kernels"},
};
enum { N_LISTS = sizeof lists / sizeof lists[0] };

static enum err list_lists(struct table *t)
{
    static const char *const columns[] = {"list", "help", NULL};
    table_open(t, "lists", columns);
    for (int32_t i = 0; i < N_LISTS; i++) {
        table_text(t, lists[i].what);
        table_text(t, lists[i].help);
    }
    return ERR_NONE;
}

static enum err unknown(const char *what)
{
    const char *names[N_LISTS + 1] = {NULL};
    for (int32_t i = 0; i < N_LISTS; i++) names[i] = lists[i].what;
    char near[SUGGEST_SIZE];
    return err_set(ERR_USAGE, "no list of \"%.40s\"%s (regime list)", what,
                   suggest_phrase(what, names, near));
}

enum err verb_list(const struct options *o)
{
    enum err (*fill)(struct table *) = o->n_args ? NULL : list_lists;
    if (o->n_args > 1)
        return err_set(ERR_USAGE, "list takes one word, not \"%.40s\" too", o->arg[1]);
    for (int32_t i = 0; i < N_LISTS && o->n_args; i++)
        if (strcmp(lists[i].what, o->arg[0]) == 0) fill = lists[i].fill;
    if (!fill) return unknown(o->arg[0]);
    struct table t;
    enum err e = fill(&t);
    if (e == ERR_NONE) e = table_print(&t, o->output);
    table_free(&t);
    return e;
}
