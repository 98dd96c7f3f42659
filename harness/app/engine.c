/* engine.c - one device, opened once and reused from cell to cell. */
#include "harness/app/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/app/engine_kind.h"
#include "harness/decode/session.h"

enum { MAX_SETUPS = 16, MAX_LOADED = 16 };

/* A model that drafts for a loaded one: its dtype, seed and vocabulary. */
struct draft_model {
    struct draft_model *next;
    struct model *model; /* owned */
};

struct loaded {
    struct cell cell; /* whose weights these are   */
    struct kernels *kernels;
    struct model *model;
    struct draft_model *drafts; /* owned */
    int64_t bytes;              /* of all of them */
};

struct engine {
    const struct engine_kind *kind;
    struct log *log; /* borrowed */
    void *state;     /* owned: the kind's */
    int32_t number;  /* of several devices of the kind */
    char device[40], description[400];
    int64_t llc_bytes, mem_bytes;
    struct {
        struct engine_setup setup;
        struct kernels *kernels;   /* owned; NULL: not open */
        struct ceiling_set *roofs; /* owned; NULL: not measured */
    } place[MAX_SETUPS];
    int32_t n_places;
    struct loaded loaded[MAX_LOADED]; /* owned */
    int32_t n_loaded;
    const struct matmul_times *times;     /* borrowed; NULL: none */
    const struct ceilings_effort *effort; /* borrowed; NULL: ceilings_default */
};

static void unload(struct engine *e, int32_t i)
{
    while (e->loaded[i].drafts) {
        struct draft_model *d = e->loaded[i].drafts;
        e->loaded[i].drafts = d->next;
        model_free(d->model);
        free(d);
    }
    model_free(e->loaded[i].model);
    e->loaded[i] = e->loaded[--e->n_loaded];
}

void engine_close(struct engine *e)
{
    if (!e) return;
    while (e->n_loaded > 0) unload(e, 0);
    for (int32_t i = 0; i < e->n_places; i++) {
        kernels_close(e->place[i].kernels);
        free(e->place[i].roofs);
    }
    e->kind->close(e->state);
    free(e);
}

struct device_row engine_device(const struct engine *e)
{
    return (struct device_row){.device = e->device,
                               .kind = e->kind->kind,
                               .description = e->description,
                               .llc_bytes = e->llc_bytes,
                               .mem_bytes = e->mem_bytes};
}

static struct engine_setup setup_of(const struct engine *e, const struct cell *c)
{
    return e->kind->setup(e->state, c);
}

int32_t engine_threads(const struct engine *e, const struct cell *c)
{
    return setup_of(e, c).threads;
}

enum isa engine_isa(const struct engine *e, const struct cell *c)
{
    return setup_of(e, c).isa;
}

bool engine_same_roofs(const struct engine *e, const struct cell *a, const struct cell *b)
{
    struct engine_setup x = setup_of(e, a), y = setup_of(e, b);
    return x.threads == y.threads && x.isa == y.isa && x.compute == y.compute;
}

/* What is done twice leaves the machine as fast as it is. */
static struct engine_setup roofs_of(const struct engine *e, const struct cell *c)
{
    struct engine_setup s = setup_of(e, c);
    s.twice = false;
    return s;
}

static int32_t find_place(const struct engine *e, struct engine_setup s)
{
    for (int32_t i = 0; i < e->n_places; i++) {
        const struct engine_setup *p = &e->place[i].setup;
        if (p->threads == s.threads && p->isa == s.isa && p->compute == s.compute &&
            p->twice == s.twice)
            return i;
    }
    return -1;
}

static enum err make_place(struct engine *e, struct engine_setup s, int32_t *out)
{
    *out = find_place(e, s);
    if (*out >= 0) return ERR_NONE;
    if (s.isa != ISA_AUTO) TRY(isa_choose(s.isa, &s.isa)); /* whether this CPU has it */
    if (e->n_places == MAX_SETUPS)
        return err_set(ERR_USAGE,
                       "more than %d combinations of threads, instruction set and dtype of products "
                       "in one sweep",
                       MAX_SETUPS);
    *out = e->n_places++;
    e->place[*out].setup = s;
    return ERR_NONE;
}

/* ---- kernels and weights ---- */

enum err engine_kernels(struct engine *e, const struct cell *c, struct kernels **out)
{
    int32_t i;
    TRY(make_place(e, setup_of(e, c), &i));
    struct kernels_config kc = {.backend = e->kind->kind,
                                .device = e->number,
                                .n_threads = e->place[i].setup.threads,
                                .isa = e->place[i].setup.isa,
                                .compute = e->place[i].setup.compute,
                                .twice = e->place[i].setup.twice};
    if (!e->place[i].kernels) TRY(kernels_open(&kc, &e->place[i].kernels));
    *out = e->place[i].kernels;
    return ERR_NONE;
}

/* The reason why the backend cannot be opened here, if it cannot. */
static enum err check_backend(const char *device, const char *backend)
{
    const char *name, *why = NULL;
    for (int32_t i = 0; (name = kernels_backend(i, &why)); i++)
        if (strcmp(name, backend) == 0) break;
    if (name && !why) return ERR_NONE;
    char reason[400];
    snprintf(reason, sizeof reason, "%s", name ? why : "not in this build");
    return err_set(ERR_UNSUPPORTED, "%s: %s", device, reason);
}

static enum err open_device(struct engine *e)
{
    static const struct cell any = {.isa = ISA_AUTO};
    struct kernels_memory memory;
    struct kernels *k;
    TRY(e->kind->open(e->number, &e->state));
    TRY(engine_kernels(e, &any, &k));
    TRY(kernels_memory(k, &memory));
    snprintf(e->description, sizeof e->description, "%s", kernels_description(k));
    e->llc_bytes = kernels_traffic(k).llc_bytes;
    e->mem_bytes = memory.total_bytes > 0 ? memory.total_bytes : 0;
    return ERR_NONE;
}

enum err engine_open(const char *device, struct log *log, struct engine **out)
{
    static const struct engine_kind *const kinds[] = {&engine_cpu, &engine_cuda};
    const struct engine_kind *kind = NULL;
    int32_t number = 0;
    *out = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !kind; i++)
        if (kinds[i]->owns(device, &number)) kind = kinds[i];
    if (!kind) return err_set(ERR_USAGE, "no device \"%s\" (regime list devices)", device);
    TRY(check_backend(device, kind->kind));
    struct engine *e = calloc(1, sizeof *e);
    if (!e) return err_set(ERR_NOMEM, "opening %s: out of memory", device);
    e->kind = kind;
    e->log = log;
    e->number = number;
    snprintf(e->device, sizeof e->device, "%s", device);
    enum err err = open_device(e);
    if (err != ERR_NONE) {
        engine_close(e);
        return err_trace(err, __FILE__, __LINE__);
    }
    *out = e;
    return ERR_NONE;
}

static bool same_weights(const struct engine *e, const struct cell *a, const struct cell *b)
{
    return strcmp(a->model, b->model) == 0 && a->weights == b->weights && a->layers == b->layers && a->dtype == b->dtype &&
           a->spec.seed == b->spec.seed && a->arithmetic == b->arithmetic &&
           engine_same_roofs(e, a, b);
}

static int32_t find_loaded(const struct engine *e, const struct cell *c)
{
    for (int32_t i = 0; i < e->n_loaded; i++)
        if (same_weights(e, &e->loaded[i].cell, c)) return i;
    return -1;
}

void engine_keep(struct engine *e, const struct cell *const *cell, int32_t n)
{
    for (int32_t i = e->n_loaded - 1; i >= 0; i--) {
        bool used = false;
        for (int32_t k = 0; k < n && !used; k++)
            used = same_weights(e, &e->loaded[i].cell, cell[k]);
        if (!used) unload(e, i);
    }
    for (int32_t i = 0; i < e->n_places; i++) {
        bool used = false;
        for (int32_t k = 0; k < n && !used; k++) used = find_place(e, setup_of(e, cell[k])) == i;
        if (used) continue;
        kernels_close(e->place[i].kernels);
        e->place[i].kernels = NULL;
    }
}

static enum err check_fits(const struct engine *e, struct kernels *k, int64_t bytes,
                           const char *what)
{
    struct kernels_memory memory;
    TRY(kernels_memory(k, &memory));
    if (memory.free_bytes < 0 || bytes <= memory.free_bytes) return ERR_NONE;
    return err_set(ERR_NOMEM, "%s needs %.2f GB of memory, %.2f GB are available on %s", what,
                   (double)bytes / 1e9, (double)memory.free_bytes / 1e9, e->device);
}

enum err engine_load(struct engine *e, const struct cell *c, int64_t extra_bytes,
                     struct model **out)
{
    struct model_config config;
    struct kernels *k;
    int32_t i = find_loaded(e, c);
    TRY(model_named(c->model, c->layers, &config));
    TRY(engine_kernels(e, c, &k));
    int64_t weights = i >= 0 ? 0 : model_bytes(k, &config, c->dtype);
    TRY(check_fits(e, k, weights + extra_bytes, c->model));
    if (i < 0) {
        if (e->n_loaded == MAX_LOADED)
            return err_set(ERR_USAGE, "more than %d sets of weights in one group", MAX_LOADED);
        struct loaded *l = &e->loaded[e->n_loaded];
        *l = (struct loaded){.cell = *c, .kernels = k, .bytes = weights};
        bool reads = c->weights == WEIGHTS_CHECKPOINT;
        log_progress(e->log, "%s the weights of %s (%.2f GB)", reads ? "reading" : "making",
                     c->model, (double)weights / 1e9);
        TRY(reads ? model_create_checkpoint(k, &config, c->dtype, &l->model)
                  : model_create(k, &config, c->dtype, c->spec.seed, &l->model));
        i = e->n_loaded++;
    }
    *out = e->loaded[i].model;
    return ERR_NONE;
}

static struct kernels_mode mode_of(const struct cell *c)
{
    return (struct kernels_mode){.graph = c->graph, .matmul = c->matmul};
}

enum err engine_extra(struct engine *e, const struct cell *c, struct kernels_extra *out)
{
    struct model_config config;
    struct kernels *k;
    TRY(model_named(c->model, c->layers, &config));
    TRY(engine_kernels(e, c, &k));
    struct kernels_mode mode = mode_of(c);
    struct kernels_extent x =
        session_extent(&config, decoder_find(c->decoder), &c->spec, c->dtype, c->kv_dtype);
    *out = kernels_extra(k, &mode, &x);
    return ERR_NONE;
}

static struct model *find_draft(const struct loaded *l, const struct model_config *shape)
{
    for (struct draft_model *d = l->drafts; d; d = d->next) {
        const struct model_config *c = model_config_of(d->model);
        if (strcmp(c->name, shape->name) == 0 && c->n_layer == shape->n_layer) return d->model;
    }
    return NULL;
}

enum err engine_load_draft(struct engine *e, const struct cell *c, struct model **out)
{
    struct model_config shape;
    int32_t i = find_loaded(e, c);
    CHECK(i >= 0);
    struct loaded *l = &e->loaded[i];
    *out = NULL;
    if (!session_draft_model(decoder_find(c->decoder), &c->spec, model_config_of(l->model), &shape))
        return ERR_NONE;
    *out = find_draft(l, &shape);
    if (*out) return ERR_NONE;
    int64_t bytes = model_bytes(l->kernels, &shape, c->dtype);
    TRY(check_fits(e, l->kernels, bytes, shape.name));
    struct draft_model *d = calloc(1, sizeof *d);
    if (!d) return err_set(ERR_NOMEM, "a model that drafts: out of memory");
    enum err err = model_create(l->kernels, &shape, c->dtype, c->spec.seed, &d->model);
    if (err != ERR_NONE) {
        free(d);
        return err_trace(err, __FILE__, __LINE__);
    }
    d->next = l->drafts;
    l->drafts = d;
    l->bytes += bytes;
    *out = d->model;
    return ERR_NONE;
}

enum err engine_set_mode(struct kernels *k, const struct cell *c, bool graphs)
{
    struct kernels_mode mode = mode_of(c);
    mode.graph &= graphs;
    return kernels_set_mode(k, &mode);
}

/* ---- roofs ---- */

const struct ceiling_set *engine_roofs(const struct engine *e, const struct cell *c)
{
    int32_t i = find_place(e, roofs_of(e, c));
    return i < 0 ? NULL : e->place[i].roofs;
}

enum err engine_measure(struct engine *e, const struct cell *c, enum ceilings_extent extent,
                        ceilings_progress_fn *progress, void *ctx)
{
    int32_t i;
    TRY(make_place(e, roofs_of(e, c), &i));
    if (!e->place[i].roofs) e->place[i].roofs = calloc(1, sizeof *e->place[i].roofs);
    if (!e->place[i].roofs) return err_set(ERR_NOMEM, "roofs: out of memory");
    return e->kind->measure(e->state, &e->place[i].setup, extent, e->effort, progress, ctx,
                            e->place[i].roofs);
}

static bool same_roof(const struct ceiling *a, const struct ceiling *b)
{
    return a->threads == b->threads && strcmp(a->name, b->name) == 0 &&
           (a->level == NULL) == (b->level == NULL) &&
           (a->level == NULL || strcmp(a->level, b->level) == 0);
}

enum err engine_probe(struct engine *e, const struct cell *c, struct ceiling_set *out)
{
    struct engine_setup setup = setup_of(e, c);
    const struct ceiling_set *before = engine_roofs(e, c);
    TRY(e->kind->measure(e->state, &setup, CEILINGS_PROBE, e->effort, NULL, NULL, out));
    int32_t n = out->n;
    for (int32_t i = 0; before && i < before->n; i++) {
        bool again = false;
        for (int32_t k = 0; k < n && !again; k++) again = same_roof(&before->row[i], &out->row[k]);
        if (!again && out->n < CEILINGS_MAX) out->row[out->n++] = before->row[i];
    }
    return ERR_NONE;
}

enum err engine_target(struct engine *e, const struct cell *c, struct plan_target *out)
{
    bool resident;
    struct kernels *k;
    struct kernels_memory memory;
    TRY(engine_kernels(e, c, &k));
    TRY(kernels_memory(k, &memory));
    memset(out, 0, sizeof *out);
    out->traffic = kernels_traffic(k);
    out->activation_dtype = kernels_activation_dtype(k);
    int32_t i = find_loaded(e, c);
    if (memory.free_bytes >= 0)
        out->memory_bytes = memory.free_bytes + (i < 0 ? 0 : e->loaded[i].bytes);
    engine_price(e, engine_roofs(e, c), c, INT64_MAX, out->price, &resident);
    return ERR_NONE;
}

void engine_use_effort(struct engine *e, const struct ceilings_effort *effort)
{
    e->effort = effort;
}

void engine_use_times(struct engine *e, const struct matmul_times *times)
{
    e->times = times;
}

/* Matmuls by the table, the rest by the measured roofs.  Calibration, not prediction. */
static struct price table_price(const struct engine *e, const struct cell *c, bool cache_resident,
                                struct price roofs)
{
    const struct cell any = {.isa = ISA_AUTO, .compute = c->compute};
    struct model_config g;
    int32_t threads = engine_threads(e, c);
    roofs.times = e->times;
    roofs.threads = threads;
    roofs.compute = c->compute;
    roofs.cache_resident = cache_resident;
    /* The table is of the kernels that cells have which name none. */
    if (!e->times || engine_isa(e, c) != engine_isa(e, &any) || c->arithmetic != ARITHMETIC_ONCE ||
        model_named(c->model, c->layers, &g) != ERR_NONE)
        return (struct price){.known = false};
    int64_t d = g.d_model, q = (int64_t)g.n_head * g.d_head;
    const int64_t shape[][2] = {{q + (int64_t)2 * g.n_kv_head * g.d_head, d},
                                {d, q},
                                {(int64_t)2 * g.d_ff, d},
                                {d, g.d_ff},
                                {g.n_vocab, d}};
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        struct matmul_shape s = {shape[i][0], shape[i][1],    c->dtype,
                                 threads,     cache_resident, c->compute};
        if (!matmul_times_knows(e->times, &s)) return (struct price){.known = false};
    }
    return roofs;
}

void engine_price(const struct engine *e, const struct ceiling_set *roofs, const struct cell *c,
                  int64_t weight_bytes, struct price price[TIER_COUNT], bool *cache_resident)
{
    struct engine_setup setup = setup_of(e, c);
    CHECK(roofs);
    memset(price, 0, TIER_COUNT * sizeof *price);
    e->kind->price(roofs, &setup, c, weight_bytes, &price[TIER_CEILINGS], cache_resident);
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
            .isa = c->kind[0] == 'o' || set->isa == ISA_AUTO ? NULL : isa_name(set->isa),
        };
    }
    enum err e = store_add_ceilings(s, invocation_id, device, rows, set->n);
    free(rows);
    return e;
}
