/* match.c - search for the largest batch. */
#include "harness/app/match.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/app/plan.h"
#include "harness/decode/session.h"

/* What a batch costs, of memory or of time. */
struct scale {
    const struct cell *cell;
    const struct decoder_ops *ops;
    struct model_config config, draft;
    bool drafts;
    struct kernels *k;         /* memory: whose layouts count              */
    struct plan_target target; /* latency                                  */
    struct plan *plan;
    double limit;
};

typedef enum err weigh_fn(struct scale *s, int32_t batch, double *cost);

static enum err weigh_bytes(struct scale *s, int32_t batch, double *cost)
{
    struct decode_spec spec = s->cell->spec;
    enum dtype dtype = s->cell->dtype;
    spec.batch = batch;
    int64_t bytes = model_bytes(s->k, &s->config, dtype) +
                    (s->drafts ? model_bytes(s->k, &s->draft, dtype) : 0) +
                    session_bytes(s->k, &s->config, s->ops, &spec, s->cell->kv_dtype);
    *cost = (double)bytes;
    return ERR_NONE;
}

/* Milliseconds per token of a sequence after prefill; beyond any limit where it does not fit. */
static enum err weigh_time(struct scale *s, int32_t batch, double *cost)
{
    struct cell c = *s->cell;
    struct prediction p;
    double tokens = 0;
    char why[160];
    c.spec.batch = batch;
    *cost = 1e300;
    TRY(plan_cell(&c, &s->target, s->plan));
    if (plan_skip_reason(&c, s->plan, &s->target, why, sizeof why)) return ERR_NONE;
    plan_predict(&c, s->plan, &p);
    for (int ph = 0; ph < PHASE_COUNT; ph++)
        if (!phase_is_prefill(ph)) tokens += (double)s->plan->phase[ph].work.tokens_committed;
    if (tokens > 0) *cost = p.decode_ns / 1e6 / (tokens / batch);
    return ERR_NONE;
}

/* Rows are counted in 32 bits. */
static int32_t most_sequences(const struct cell *c)
{
    const struct axis *a = axis_find("batch");
    int64_t rows = INT32_MAX / (2 * (int64_t)spec_length(&c->spec));
    return rows < a->max ? (int32_t)rows : (int32_t)a->max;
}

/* Costs grow with the batch: double it until one is over the limit, then halve the distance. */
static enum err search(struct scale *s, weigh_fn *weigh, int32_t most, int32_t *batch,
                       double *least_cost)
{
    int32_t lo = 0, hi = 1;
    double cost;
    for (;; hi = hi > most / 2 ? most : 2 * hi) {
        TRY(weigh(s, hi, &cost));
        if (hi == 1) *least_cost = cost;
        if (cost > s->limit) break;
        lo = hi;
        if (hi == most) break;
    }
    while (hi - lo > 1) {
        int32_t mid = lo + (hi - lo) / 2;
        TRY(weigh(s, mid, &cost));
        if (cost <= s->limit)
            lo = mid;
        else
            hi = mid;
    }
    *batch = lo;
    return ERR_NONE;
}

static bool is_sim(const struct cell *c)
{
    return strncmp(c->device, "sim:", 4) == 0;
}

static enum err scale_open(struct scale *s, const struct cell *c)
{
    bool sim = is_sim(c);
    *s = (struct scale){.cell = c, .ops = decoder_find(c->decoder)};
    TRY(model_named(c->model, c->layers, &s->config));
    TRY(s->ops->check(&c->spec, &s->config));
    s->drafts = session_draft_model(s->ops, &c->spec, &s->config, &s->draft);
    if (sim) TRY(plan_target_sim(c->device, c->dtype, c->launch_ns, &s->target));
    struct kernels_config kc = {.backend = sim                                  ? "null"
                                           : strncmp(c->device, "cuda", 4) == 0 ? "cuda"
                                                                                : "cpu",
                                .n_threads = 1,
                                .activation_dtype = s->target.activation_dtype,
                                .traffic = s->target.traffic};
    TRY(kernels_open(&kc, &s->k));
    s->plan = malloc(sizeof *s->plan);
    return s->plan ? ERR_NONE : err_set(ERR_NOMEM, "plan: out of memory");
}

static void scale_close(struct scale *s)
{
    kernels_close(s->k);
    free(s->plan);
}

bool match_chooses(const struct cell *c)
{
    return strcmp(c->match, "policy") != 0;
}

static bool by_memory(const struct cell *c)
{
    return strcmp(c->match, "memory") == 0;
}

/* Why there is nothing to search with, or NULL. */
static const char *missing(const struct cell *c)
{
    if (by_memory(c) && !is_sim(c) && c->memory_budget == 0)
        return "match memory: what is free on a real device changes; want --memory-budget";
    if (!by_memory(c) && c->latency_ms <= 0)
        return "match latency: want --latency-ms, the time per token to stay below";
    if (!by_memory(c) && !is_sim(c))
        return "match latency needs planned times: want a sim: device (measured batches are in "
               "the view v_latency)";
    return NULL;
}

static enum err choose(struct cell *c, char *reason, size_t reason_size)
{
    struct scale s;
    double least = 0;
    int32_t batch = 0;
    enum err e = scale_open(&s, c);
    if (e == ERR_NONE) {
        s.limit = !by_memory(c)      ? (double)c->latency_ms
                  : c->memory_budget ? (double)c->memory_budget
                                     : (double)s.target.memory_bytes;
        e = search(&s, by_memory(c) ? weigh_bytes : weigh_time, most_sequences(c), &batch, &least);
    }
    if (e == ERR_NONE && batch == 0 && by_memory(c))
        snprintf(reason, reason_size, "one sequence needs %.4g GB of memory, the budget is %.4g GB",
                 least / 1e9, s.limit / 1e9);
    else if (e == ERR_NONE && batch == 0)
        snprintf(reason, reason_size,
                 "one sequence waits %.4g ms for a token, the limit is %.4g ms", least, s.limit);
    if (batch > 0) c->spec.batch = batch;
    scale_close(&s);
    return e;
}

bool match_batch(struct cell *c, char *reason, size_t reason_size)
{
    const char *why = missing(c);
    c->spec.batch = 1;
    reason[0] = '\0';
    if (why)
        snprintf(reason, reason_size, "%s", why);
    else if (choose(c, reason, reason_size) != ERR_NONE)
        snprintf(reason, reason_size, "%s", err_msg());
    return !reason[0];
}

enum err match_memory(const struct cell *c, int64_t *bytes)
{
    struct scale s;
    double cost = 0;
    enum err e = scale_open(&s, c);
    if (e == ERR_NONE) e = weigh_bytes(&s, c->spec.batch, &cost);
    *bytes = (int64_t)cost;
    scale_close(&s);
    return e;
}
