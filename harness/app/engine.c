/* engine.c - one CPU device, opened once and reused from cell to cell. */
#include "harness/app/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/mem.h"

enum { MAX_THREAD_COUNTS = 16 };

struct engine {
    struct log *log; /* borrowed */
    struct cpuinfo cpu;
    enum isa isa;
    char description[160];
    struct kernels *kernels; /* with `threads` threads; NULL: none open */
    int32_t threads;
    struct model *model; /* of the cell below; NULL: none loaded */
    struct cell loaded;
    int64_t loaded_bytes;
    struct {
        int32_t threads;
        struct ceiling_set *set; /* owned */
    } roofs[MAX_THREAD_COUNTS];
    int32_t n_roofs;
    const struct matmul_times *times; /* borrowed; NULL: none */
};

enum err engine_open(const char *device, struct log *log, struct engine **out)
{
    *out = NULL;
    if (strncmp(device, "cuda", 4) == 0) {
        const char *why = NULL;
        for (int32_t i = 0; kernels_backend(i, &why); i++)
            if (strcmp(kernels_backend(i, &why), "cuda") == 0) break;
        if (!why) why = "this version has kernels for it but cannot measure cells on it yet";
        return err_set(ERR_UNSUPPORTED, "%s: %s", device, why);
    }
    if (strcmp(device, "cpu") != 0)
        return err_set(ERR_USAGE, "no device \"%s\" (regime list devices)", device);
    enum isa isa;
    TRY(isa_choose(&isa));
    struct engine *e = calloc(1, sizeof *e);
    if (!e) return err_set(ERR_NOMEM, "opening %s: out of memory", device);
    e->log = log;
    e->isa = isa;
    cpuinfo_read(&e->cpu);
    snprintf(e->description, sizeof e->description, "%s, %d CPUs, %s", e->cpu.model, e->cpu.n_cpus,
             isa_name(isa));
    *out = e;
    return ERR_NONE;
}

static void unload(struct engine *e)
{
    model_free(e->model);
    e->model = NULL;
    e->loaded_bytes = 0;
}

void engine_close(struct engine *e)
{
    if (!e) return;
    unload(e);
    kernels_close(e->kernels);
    for (int32_t i = 0; i < e->n_roofs; i++) free(e->roofs[i].set);
    free(e);
}

struct device_row engine_device(const struct engine *e)
{
    return (struct device_row){.device = "cpu",
                               .kind = "cpu",
                               .description = e->description,
                               .llc_bytes = e->cpu.llc_bytes,
                               .mem_bytes = e->cpu.mem_total_bytes};
}

int32_t engine_threads(const struct engine *e, const struct cell *c)
{
    return c->threads ? c->threads : e->cpu.n_cpus;
}

/* ---- kernels and weights ---- */

static enum err open_kernels(struct engine *e, int32_t threads)
{
    if (e->kernels && e->threads == threads) return ERR_NONE;
    unload(e);
    kernels_close(e->kernels);
    e->kernels = NULL;
    struct kernels_config kc = {.backend = "cpu", .n_threads = threads};
    TRY(kernels_open(&kc, &e->kernels));
    e->threads = threads;
    return ERR_NONE;
}

static bool same_weights(const struct cell *a, const struct cell *b)
{
    return strcmp(a->model, b->model) == 0 && a->layers == b->layers && a->dtype == b->dtype &&
           a->spec.seed == b->spec.seed;
}

static enum err check_fits(int64_t bytes, const char *what)
{
    int64_t free_bytes = mem_available_bytes();
    if (free_bytes < 0 || bytes <= free_bytes) return ERR_NONE;
    return err_set(ERR_NOMEM, "%s needs %.2f GB of memory, %.2f GB are available", what,
                   (double)bytes / 1e9, (double)free_bytes / 1e9);
}

enum err engine_load(struct engine *e, const struct cell *c, int64_t extra_bytes,
                     struct model **out)
{
    struct model_config config;
    TRY(model_preset(c->model, c->layers, &config));
    TRY(open_kernels(e, engine_threads(e, c)));
    if (e->model && !same_weights(&e->loaded, c)) unload(e);
    int64_t weights = e->model ? 0 : model_bytes(e->kernels, &config, c->dtype);
    TRY(check_fits(weights + extra_bytes, c->model));
    if (!e->model) {
        log_progress(e->log, "making the weights of %s (%.2f GB)", c->model, (double)weights / 1e9);
        TRY(model_create(e->kernels, &config, c->dtype, c->spec.seed, &e->model));
        e->loaded = *c;
        e->loaded_bytes = weights;
    }
    *out = e->model;
    return ERR_NONE;
}

/* ---- roofs ---- */

const struct ceiling_set *engine_roofs(const struct engine *e, int32_t threads)
{
    for (int32_t i = 0; i < e->n_roofs; i++)
        if (e->roofs[i].threads == threads) return e->roofs[i].set;
    return NULL;
}

/* The place of a thread count's roofs, made when there is none. */
static enum err place_roofs(struct engine *e, int32_t threads, struct ceiling_set **out)
{
    for (int32_t i = 0; i < e->n_roofs; i++)
        if (e->roofs[i].threads == threads) {
            *out = e->roofs[i].set;
            return ERR_NONE;
        }
    if (e->n_roofs == MAX_THREAD_COUNTS)
        return err_set(ERR_USAGE, "threads: more than %d different counts in one sweep",
                       MAX_THREAD_COUNTS);
    *out = calloc(1, sizeof **out);
    if (!*out) return err_set(ERR_NOMEM, "roofs: out of memory");
    e->roofs[e->n_roofs].threads = threads;
    e->roofs[e->n_roofs++].set = *out;
    return ERR_NONE;
}

static enum err measure_with(struct engine *e, int32_t threads, enum ceilings_extent extent,
                             struct ceiling_set *set)
{
    struct team *team;
    TRY(team_create(threads, &team));
    enum err err = ceilings_measure(team, e->isa, extent, NULL, NULL, set);
    team_free(team);
    return err;
}

enum err engine_measure(struct engine *e, int32_t threads)
{
    struct ceiling_set *set;
    TRY(place_roofs(e, threads, &set));
    return measure_with(e, threads, CEILINGS_QUICK, set);
}

enum err engine_probe(struct engine *e, const struct cell *c, struct price *out)
{
    bool resident;
    int32_t threads = engine_threads(e, c);
    struct ceiling_set *set = calloc(1, sizeof *set);
    if (!set) return err_set(ERR_NOMEM, "roofs: out of memory");
    enum err err = measure_with(e, threads, CEILINGS_PROBE, set);
    if (err == ERR_NONE) ceilings_price(set, threads, INT64_MAX, out, &resident);
    free(set);
    return err;
}

enum err engine_target(struct engine *e, const struct cell *c, struct plan_target *out)
{
    bool resident;
    TRY(open_kernels(e, engine_threads(e, c)));
    memset(out, 0, sizeof *out);
    out->traffic = kernels_traffic(e->kernels);
    out->activation_dtype = kernels_activation_dtype(e->kernels);
    int64_t free_bytes = mem_available_bytes();
    if (free_bytes >= 0) out->memory_bytes = free_bytes + e->loaded_bytes;
    engine_price(e, c, INT64_MAX, out->price, &resident);
    return ERR_NONE;
}

void engine_use_times(struct engine *e, const struct matmul_times *times)
{
    e->times = times;
}

/* Matmuls by the table, the rest by the measured roofs.  Calibration, not prediction. */
static struct price table_price(const struct engine *e, const struct cell *c, bool cache_resident,
                                struct price roofs)
{
    struct model_config g;
    int32_t threads = engine_threads(e, c);
    roofs.times = e->times;
    roofs.threads = threads;
    roofs.cache_resident = cache_resident;
    if (!e->times || model_preset(c->model, c->layers, &g) != ERR_NONE)
        return (struct price){.known = false};
    int64_t d = g.d_model, q = (int64_t)g.n_head * g.d_head;
    const int64_t shape[][2] = {{q + (int64_t)2 * g.n_kv_head * g.d_head, d},
                                {d, q},
                                {(int64_t)2 * g.d_ff, d},
                                {d, g.d_ff},
                                {g.n_vocab, d}};
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        struct matmul_shape s = {shape[i][0], shape[i][1], c->dtype, threads, cache_resident};
        if (!matmul_times_knows(e->times, &s)) return (struct price){.known = false};
    }
    return roofs;
}

void engine_price(const struct engine *e, const struct cell *c, int64_t weight_bytes,
                  struct price price[TIER_COUNT], bool *cache_resident)
{
    int32_t threads = engine_threads(e, c);
    const struct ceiling_set *set = engine_roofs(e, threads);
    CHECK(set);
    memset(price, 0, TIER_COUNT * sizeof *price);
    ceilings_price(set, threads, weight_bytes, &price[TIER_CEILINGS], cache_resident);
    if (price[TIER_CEILINGS].known)
        price[TIER_TABLE] = table_price(e, c, *cache_resident, price[TIER_CEILINGS]);
}

enum err store_ceiling_set(struct store *s, const char *invocation_id, const char *device,
                           const struct ceiling_set *set, const char *moment)
{
    struct ceiling_row *rows = calloc((size_t)set->n + 1, sizeof *rows);
    if (!rows) return err_set(ERR_NOMEM, "roofs: out of memory");
    for (int32_t i = 0; i < set->n; i++) {
        const struct ceiling *c = &set->row[i];
        rows[i] = (struct ceiling_row){
            .kind = c->kind,
            .name = c->name,
            .level = c->level,
            .dtype = c->dtype,
            .source = "measured",
            .method = c->method,
            .flag = c->flag[0] ? c->flag : NULL,
            .moment = moment,
            .working_set_bytes = c->working_set_bytes,
            .threads = c->threads,
            .n = c->n,
            .value = c->value,
            .ci_lo = c->ci_lo,
            .ci_hi = c->ci_hi,
            .other_cpus = c->other_cpus,
        };
    }
    enum err e = store_add_ceilings(s, invocation_id, device, rows, set->n);
    free(rows);
    return e;
}
