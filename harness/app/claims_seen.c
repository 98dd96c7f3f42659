/* claims_seen.c - load runs, and the few numbers that claims are made of. */
#include "harness/app/claims_seen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double reading_end(struct reading r, enum reading_end end)
{
    return end == READING_LO ? r.lo : end == READING_HI ? r.hi : r.value;
}

struct reading reading_exact(double value)
{
    return (struct reading){value, value, value};
}

struct reading reading_ratio(struct reading a, struct reading b)
{
    return (struct reading){a.value / b.value, a.lo / b.hi, a.hi / b.lo};
}

struct reading reading_scaled(struct reading a, double by)
{
    return (struct reading){a.value * by, a.lo * by, a.hi * by};
}

/* ---- loading ---- */

/* The roof measured last before a run was stored, or first after it. */
#define ROOF_NEAR(what, moment_, side, order)                                                      \
    "(SELECT c.value FROM ceiling c WHERE c.invocation_id = r.invocation_id "                      \
    "AND c.device_id = r.device_id AND c.threads IS r.threads "                                    \
    "AND (c.isa IS NULL OR r.variant IN (c.isa, c.isa || ' bf16', c.isa || ' int8')) AND " what                      \
    " AND c.moment = '" moment_ "' AND c.measured_utc " side                                       \
    " r.recorded_utc ORDER BY c.measured_utc " order ", c.ceiling_no LIMIT 1)"
#define ROOF_MOVE(what)                                                                            \
    ROOF_NEAR(what, "before", "<=", "DESC") ", " ROOF_NEAR(what, "after", ">=", "ASC")

#define ROOFS_MOVED                                                                                \
    ROOF_MOVE("c.name = 'read' AND c.level = 'dram'")                                              \
    ", " ROOF_MOVE("c.name = CASE WHEN r.device_kind <> 'cpu' THEN 'matmul_bf16' "                 \
                   "WHEN r.compute_dtype = 'f32' THEN 'fma_f32' ELSE r.compute_dtype || '_dot' END")

/* One row per run and phase.  Sums over `samples` whole decodes are divided by them, except
 * what is per forward.  A pinned median stands for a phase where there is one; else its mean,
 * without limits, unless it was planned. */
static const char *const load_sql =
    "SELECT r.run_id, r.device_id, r.device, r.model, r.decoder, COALESCE(r.layers, 0), "
    "r.batch_seqs, r.prompt_tokens, r.gen_tokens, COALESCE(r.block_tokens, 0), "
    "COALESCE(r.denoise_steps, 0), COALESCE(r.threads, 0), r.variant, r.dtype, r.kv_dtype, "
    "r.cache_resident, r.batch_policy = 'lockstep' AND COALESCE(r.logits, 'masked') = 'masked' "
    "AND COALESCE(r.depth_tokens, r.refresh_forwards) IS NULL "
    "AND r.arithmetic IS NULL, "
    "COALESCE(r.draft, ''), COALESCE(r.draft_layers, 0), COALESCE(r.draft_tokens, 0), "
    "COALESCE(r.acceptance, -1), COALESCE(r.commit_policy, '') = 'fused', "
    "COALESCE(r.memory_budget_bytes, 0), "
    "iif(r.cache IN ('prefix', 'dual'), r.cache, NULL), "
    "r.device_kind <> 'sim', f.peak_flop_per_s, f.bytes_per_s, p.phase, "
    "p.forwards * 1.0 / p.samples, p.tokens_committed * 1.0 / p.samples, "
    "p.logit_rows * 1.0 / p.forwards, "
    "p.flop * 1.0 / p.forwards, p.flop_matmul * 1.0 / p.forwards, "
    "p.bytes_dram * 1.0 / p.forwards, p.bytes_dram_lo * 1.0 / p.forwards, "
    "p.bytes_dram_hi * 1.0 / p.forwards, p.bytes_weight * 1.0 / p.forwards, "
    "iif(p.evidence = 'analytic', p.predicted_ns, p.time_ns) / p.forwards, "
    "s.median_ns, s.ci_lo_ns, s.ci_hi_ns, "
    "iif(p.evidence = 'timing', p.forwards + COALESCE(s.n, 0), 0), o.calls * 1.0 / p.forwards, "
    "(SELECT MIN(q.value) FROM v_ceiling q WHERE q.device_id = r.device_id "
    "AND (q.name = 'team_run' AND q.threads = r.threads "
    "OR q.name = iif(r.graph = 'on', 'launch_graph', 'launch'))), "
    "MAX(0.0, w.others - i.n_cpus + r.threads) / r.threads, " ROOFS_MOVED
    ", y.baseline_run_id, y.time_ratio, y.time_ratio_lo, y.time_ratio_hi FROM v_run r "
    "JOIN v_phase p ON p.run_id = r.run_id "
    "LEFT JOIN v_roof f ON f.run_id = r.run_id "
    "LEFT JOIN v_step s ON s.run_id = r.run_id AND s.phase = p.phase "
    "LEFT JOIN (SELECT run_id, phase, SUM(calls) AS calls FROM v_op GROUP BY run_id, phase) o "
    "ON o.run_id = r.run_id AND o.phase = p.phase "
    "LEFT JOIN (SELECT n.run_id, AVG(a.other_cpus) AS others FROM run n "
    "JOIN forward a ON a.run_no = n.run_no "
    "WHERE a.warmup = 0 AND a.kind IN ('decode', 'pinned') "
    "GROUP BY n.run_id) w ON w.run_id = r.run_id "
    "LEFT JOIN v_same_physics y ON y.run_id = r.run_id "
    "JOIN invocation i ON i.invocation_id = r.invocation_id "
    "WHERE r.status = 'ok' "
    "ORDER BY r.recorded_utc, r.run_id";

/* The columns of one row, taken in order. */
struct columns {
    const struct store_value *value;
    int32_t at, n;
};

static const char *take_text(struct columns *c)
{
    CHECK(c->at < c->n);
    const struct store_value *v = &c->value[c->at++];
    return v->type == VALUE_TEXT ? v->text : "";
}

static int64_t take_int(struct columns *c)
{
    CHECK(c->at < c->n);
    const struct store_value *v = &c->value[c->at++];
    return v->type == VALUE_INT ? v->i : 0;
}

static double take_real(struct columns *c)
{
    CHECK(c->at < c->n);
    const struct store_value *v = &c->value[c->at++];
    return v->type == VALUE_REAL ? v->r : v->type == VALUE_INT ? (double)v->i : NAN;
}

static enum dtype dtype_of(const char *name)
{
    for (enum dtype d = 0; d < DTYPE_COUNT; d++)
        if (strcmp(dtype_name(d), name) == 0) return d;
    return DTYPE_F32;
}

static void take_run(struct columns *c, struct seen *s)
{
    snprintf(s->run_id, sizeof s->run_id, "%s", take_text(c));
    snprintf(s->device_id, sizeof s->device_id, "%s", take_text(c));
    snprintf(s->device, sizeof s->device, "%s", take_text(c));
    snprintf(s->model, sizeof s->model, "%s", take_text(c));
    snprintf(s->decoder, sizeof s->decoder, "%s", take_text(c));
    s->layers = (int32_t)take_int(c);
    s->batch = (int32_t)take_int(c);
    s->n_prompt = (int32_t)take_int(c);
    s->n_gen = (int32_t)take_int(c);
    s->block = (int32_t)take_int(c);
    s->steps = (int32_t)take_int(c);
    s->threads = (int32_t)take_int(c);
    snprintf(s->variant, sizeof s->variant, "%s", take_text(c));
    s->dtype = dtype_of(take_text(c));
    s->kv_dtype = dtype_of(take_text(c));
    s->cache_resident = take_int(c) != 0;
    s->plain = take_int(c) != 0;
    snprintf(s->draft, sizeof s->draft, "%s", take_text(c));
    s->draft_layers = (int32_t)take_int(c);
    s->drafts = (int32_t)take_int(c);
    s->acceptance = take_real(c);
    s->fused = take_int(c) != 0;
    s->memory_budget = take_int(c);
    snprintf(s->cache, sizeof s->cache, "%s", take_text(c));
    s->timed = take_int(c) != 0;
    s->roof.flop_per_s = take_real(c);
    s->roof.bytes_per_s = take_real(c);
}

static enum phase take_phase(struct columns *c)
{
    const char *name = take_text(c);
    for (int p = 0; p < PHASE_COUNT; p++)
        if (strcmp(phase_name(p), name) == 0) return p;
    return PHASE_COUNT;
}

static void take_forwards(struct columns *c, bool timed, struct seen_phase *p)
{
    p->forwards = take_real(c);
    p->tokens = take_real(c);
    p->logit_rows = take_real(c);
    p->flop = take_real(c);
    p->flop_matmul = take_real(c);
    p->bytes = take_real(c);
    p->bytes_lo = take_real(c);
    p->bytes_hi = take_real(c);
    p->bytes_weight = take_real(c);
    double mean_ns = take_real(c);
    p->ns.value = take_real(c);
    p->ns.lo = take_real(c);
    p->ns.hi = take_real(c);
    if (isnan(p->ns.value))
        p->ns = timed ? (struct reading){mean_ns, NAN, NAN} : reading_exact(mean_ns);
    p->n_timed = take_int(c);
    p->calls = take_real(c);
}

/* Of two roofs; 0 where one was not measured. */
static double take_move(struct columns *c)
{
    double before = take_real(c), after = take_real(c);
    if (isnan(before) || isnan(after)) return 0.0;
    return fmax(before, after) / fmin(before, after) - 1.0;
}

static enum err list_add(struct seen_list *l, const struct seen *s)
{
    if (l->n == l->room) {
        int32_t room = l->room ? 2 * l->room : 64;
        struct seen *grown = realloc(l->run, (size_t)room * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "%d runs: out of memory", l->n);
        l->run = grown;
        l->room = room;
    }
    l->run[l->n++] = *s;
    return ERR_NONE;
}

/* A model this program does not know has no closed forms; its runs are left out. */
static bool set_form(struct seen *s)
{
    struct model_config config;
    if (model_named(s->model, s->layers, &config) != ERR_NONE) return false;
    s->layers = config.n_layer;
    s->form = closed_model_of(&config, s->dtype, s->kv_dtype);
    return true;
}

static enum err load_row(void *ctx, const struct store_result_row *row)
{
    struct seen_list *l = ctx;
    struct columns c = {.value = row->value, .n = row->n};
    struct seen s = {0};
    take_run(&c, &s);
    if (!set_form(&s)) return ERR_NONE;
    if (l->n == 0 || strcmp(l->run[l->n - 1].run_id, s.run_id) != 0) TRY(list_add(l, &s));
    struct seen *to = &l->run[l->n - 1];
    enum phase p = take_phase(&c);
    if (p == PHASE_COUNT) return ERR_NONE;
    take_forwards(&c, s.timed, &to->phase[p]);
    double launch_ns = take_real(&c);
    to->launch_ns = isnan(launch_ns) ? 0.0 : launch_ns;
    double crowding = take_real(&c);
    to->crowding = isnan(crowding) ? 0.0 : crowding;
    double bandwidth = take_move(&c), peak = take_move(&c);
    to->roofs_moved = fmax(bandwidth, peak);
    snprintf(to->verifier_id, sizeof to->verifier_id, "%s", take_text(&c));
    to->over_verify.value = take_real(&c);
    to->over_verify.lo = take_real(&c);
    to->over_verify.hi = take_real(&c);
    if (isnan(to->over_verify.value)) to->over_verify.value = 0;
    CHECK(c.at == c.n);
    return ERR_NONE;
}

static bool same_cell(const struct seen *a, const struct seen *b)
{
    return seen_same_series(a, b) && a->batch == b->batch && a->plain == b->plain;
}

/* Later rows are newer. */
static void drop_older(struct seen_list *l)
{
    int32_t n = 0;
    for (int32_t i = 0; i < l->n; i++) {
        bool newest = true;
        for (int32_t k = i + 1; k < l->n && newest; k++)
            newest = !same_cell(&l->run[i], &l->run[k]);
        if (newest) l->run[n++] = l->run[i];
    }
    l->n = n;
}

static int by_cell(const void *left, const void *right)
{
    const struct seen *a = left, *b = right;
    const int32_t numbers[][2] = {
        {a->layers, b->layers},   {a->n_prompt, b->n_prompt}, {a->n_gen, b->n_gen},
        {a->block, b->block},     {a->steps, b->steps},       {a->batch, b->batch},
        {a->threads, b->threads}, {a->dtype, b->dtype},       {a->plain, b->plain},
        {a->fused, b->fused},     {a->drafts, b->drafts},     {a->draft_layers, b->draft_layers},
    };
    int order = strcmp(a->device_id, b->device_id);
    if (order == 0) order = strcmp(a->model, b->model);
    if (order == 0) order = strcmp(a->decoder, b->decoder);
    if (order == 0) order = strcmp(a->cache, b->cache);
    if (order == 0) order = strcmp(a->draft, b->draft);
    if (order == 0) order = strcmp(a->variant, b->variant);
    for (size_t i = 0; order == 0 && i < sizeof numbers / sizeof numbers[0]; i++)
        order = (numbers[i][0] > numbers[i][1]) - (numbers[i][0] < numbers[i][1]);
    return order != 0 ? order : strcmp(a->run_id, b->run_id);
}

enum err seen_load(struct store *s, struct seen_list *out)
{
    *out = (struct seen_list){0};
    enum err e = store_query(s, load_sql, NULL, 0, load_row, out);
    if (e != ERR_NONE) seen_list_free(out);
    drop_older(out);
    /* The order in which runs were stored must not show in what is said of them. */
    if (out->n > 0) qsort(out->run, (size_t)out->n, sizeof *out->run, by_cell);
    return e;
}

void seen_list_free(struct seen_list *l)
{
    free(l->run);
    *l = (struct seen_list){0};
}

/* ---- one run ---- */

const struct seen_phase *seen_step(const struct seen *s)
{
    if (s->cache[0]) return &s->phase[PHASE_REUSE];
    if (strcmp(s->decoder, "ar-verify") == 0) return &s->phase[PHASE_VERIFY];
    return &s->phase[strcmp(s->decoder, "ar") == 0 ? PHASE_DECODE : PHASE_DENOISE];
}

struct reading seen_intensity(const struct seen *s)
{
    const struct seen_phase *p = seen_step(s);
    return reading_exact(roof_intensity(p->flop, p->bytes));
}

struct reading seen_phase_band(const struct seen_phase *p)
{
    return (struct reading){roof_intensity(p->flop, p->bytes), roof_intensity(p->flop, p->bytes_hi),
                            roof_intensity(p->flop, p->bytes_lo)};
}

struct reading seen_intensity_band(const struct seen *s)
{
    return seen_phase_band(seen_step(s));
}

struct reading seen_flop_per_s(const struct seen *s)
{
    const struct seen_phase *p = seen_step(s);
    return reading_ratio(reading_exact(p->flop * 1e9), p->ns);
}

double seen_ridge(const struct seen *s)
{
    return roof_ridge(s->roof);
}

double seen_ridge_rows(const struct seen *s)
{
    return closed_ridge_rows(&s->form, s->roof);
}

double seen_tokens(const struct seen *s)
{
    double tokens = 0;
    for (int p = 0; p < PHASE_COUNT; p++)
        if (!phase_is_prefill(p)) tokens += s->phase[p].tokens;
    return tokens;
}

double seen_flop(const struct seen *s)
{
    double flop = 0;
    for (int p = 0; p < PHASE_COUNT; p++)
        if (!phase_is_prefill(p)) flop += s->phase[p].forwards * s->phase[p].flop;
    return flop;
}

double seen_tokens_per_forward(const struct seen *s)
{
    double forwards = 0;
    for (int p = 0; p < PHASE_COUNT; p++)
        if (!phase_is_prefill(p) && p != PHASE_DRAFT) forwards += s->phase[p].forwards;
    return seen_tokens(s) / forwards / s->batch;
}

struct reading seen_tokens_per_s(const struct seen *s)
{
    struct reading ns = {0, 0, 0};
    for (int i = 0; i < PHASE_COUNT; i++) {
        const struct seen_phase *p = &s->phase[i];
        if (phase_is_prefill(i) || p->forwards <= 0) continue;
        ns.value += p->forwards * p->ns.value;
        ns.lo += p->forwards * p->ns.lo;
        ns.hi += p->forwards * p->ns.hi;
    }
    return reading_ratio(reading_exact(seen_tokens(s) * 1e9), ns);
}

double seen_context(const struct seen *s)
{
    if (strncmp(s->decoder, "ar", 2) == 0) return s->n_prompt + s->n_gen / 2.0;
    if (strcmp(s->decoder, "block") != 0) return s->n_prompt + s->n_gen;
    /* The first block begins where the prompt's last whole one ends. */
    int32_t first = s->n_prompt / s->block * s->block;
    return (first + s->n_prompt + s->n_gen - s->block) / 2.0;
}

/* ---- which belong together ---- */

bool seen_same_machine(const struct seen *a, const struct seen *b)
{
    return strcmp(a->device_id, b->device_id) == 0 && strcmp(a->model, b->model) == 0 &&
           a->layers == b->layers && a->dtype == b->dtype && a->kv_dtype == b->kv_dtype &&
           a->threads == b->threads && strcmp(a->variant, b->variant) == 0 && a->timed == b->timed;
}

bool seen_same_request(const struct seen *a, const struct seen *b)
{
    return seen_same_machine(a, b) && a->n_prompt == b->n_prompt && a->n_gen == b->n_gen;
}

bool seen_same_series(const struct seen *a, const struct seen *b)
{
    return seen_same_request(a, b) && strcmp(a->decoder, b->decoder) == 0 &&
           strcmp(a->cache, b->cache) == 0 && a->block == b->block && a->steps == b->steps &&
           strcmp(a->draft, b->draft) == 0 && a->draft_layers == b->draft_layers &&
           a->drafts == b->drafts && a->acceptance == b->acceptance && a->fused == b->fused &&
           a->memory_budget == b->memory_budget;
}
