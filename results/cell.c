/* cell.c - one spelling per experiment, and its hash. */
#include "results/cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/strategy.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"

/* Raised when the same cell comes to mean other work (prompts, schedules, seeded weights):
 * results of the older meaning then no longer count as done. */
enum { WORKLOAD_VERSION = 2 };

const char *weights_from_name(enum weights_from w)
{
    static const char *const names[] = {"default", "seeded", "checkpoint"};
    return names[w];
}

const char *graph_name(bool on)
{
    return on ? "on" : "off";
}

const char *matmul_by_name(enum matmul_by m)
{
    return m == MATMUL_OWN ? "own" : "cublas";
}

const char *logits_policy_name(enum logits_policy p)
{
    return p == LOGITS_ALL ? "all" : "masked";
}

const char *eos_policy_name(enum eos_policy p)
{
    return p == EOS_STOP ? "stop" : "go-on";
}

const char *arithmetic_times(enum arithmetic a)
{
    return a == ARITHMETIC_TWICE ? "twice" : "once";
}

const char *head_policy_name(enum head_policy p)
{
    return p == HEAD_SAME ? "same" : p == HEAD_SHIFTED ? "shifted" : "default";
}

const char *batch_policy_name(enum batch_policy p)
{
    return p == BATCH_GEOMETRIC ? "ragged-geometric" : p == BATCH_RAGGED ? "ragged" : "lockstep";
}

const char *strategy_name(enum strategy s)
{
    return strategy_of(s)->name;
}

const char *schedule_name(enum schedule s)
{
    return s == SCHEDULE_COSINE ? "cosine" : "linear";
}

const char *cache_policy_name(enum cache_policy p)
{
    static const char *const names[] = {"none", "prefix", "dual", "dkv"};
    return names[p];
}

const char *commit_policy_name(enum commit_policy p)
{
    static const char *const names[] = {"separate", "fused", "causal"};
    return names[p];
}

bool cell_verifies(const struct cell *c)
{
    return strcmp(c->decoder, "ar-verify") == 0;
}

bool cell_denoises(const struct cell *c)
{
    return strcmp(c->decoder, "ar") != 0 && !cell_verifies(c);
}

bool cell_is_traced(const struct cell *c)
{
    return cell_denoises(c) || cell_verifies(c);
}

/* Clear the strategy's options that it does not take. */
static void keep_what_matters(struct decode_spec *s, bool denoises)
{
    bool none = !denoises;
    if (none || !strategy_takes(s->strategy, "steps")) s->steps = 0;
    if (none || !strategy_takes(s->strategy, "schedule")) s->schedule = SCHEDULE_LINEAR;
    if (none || !strategy_takes(s->strategy, "threshold")) s->threshold = 0;
    if (none || !strategy_takes(s->strategy, "factor")) s->factor = 0;
    if (none || !strategy_takes(s->strategy, "entropy-bound")) s->entropy_bound = 0;
    if (none || !strategy_takes(s->strategy, "eta")) s->eta = 0;
}

bool cell_has_draft_model(const struct cell *c)
{
    static const char *const others[] = {"", "none", "self", "self-denoise", "ngram"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(c->spec.draft, others[i]) == 0) return false;
    return cell_verifies(c);
}

struct cell cell_normal(const struct cell *c)
{
    struct cell n = *c;
    if (!cell_verifies(&n)) {
        n.spec.draft_tokens = 0;
        n.spec.acceptance = 0;
    }
    if (!cell_verifies(&n) || n.spec.draft_tokens == 0 || !n.spec.draft[0])
        snprintf(n.spec.draft, sizeof n.spec.draft, "none");
    if (!cell_has_draft_model(&n) && strcmp(n.spec.draft, "self") != 0) n.spec.draft_layers = 0;
    if (strcmp(n.decoder, "diffusion") != 0) n.spec.cache = CACHE_NONE;
    if (n.spec.cache == CACHE_NONE) n.spec.refresh = 0;
    if (strcmp(n.decoder, "block") != 0) n.spec.commit = COMMIT_SEPARATE;
    if (!cell_denoises(&n)) {
        n.spec.block_length = n.spec.steps = 0;
        n.spec.logits = LOGITS_MASKED;
        n.spec.head = HEAD_DEFAULT;
        n.spec.strategy = STRATEGY_RANDOM;
        n.spec.batch_policy = BATCH_LOCKSTEP;
        n.spec.guidance = 0;
    }
    if (!cell_is_traced(&n)) n.trace_sha256[0] = '\0';
    keep_what_matters(&n.spec, cell_denoises(&n));
    if (n.trace_sha256[0]) { /* decides instead of these */
        struct decode_spec *s = &n.spec;
        s->steps = 0;
        s->schedule = SCHEDULE_LINEAR;
        s->threshold = s->factor = s->entropy_bound = s->eta = s->acceptance = 0;
        s->batch_policy = BATCH_LOCKSTEP;
    }
    if (n.spec.temperature <= 0) n.spec.top_p = 0;
    struct model_config model;
    /* A model without a preset keeps what was asked for. */
    if (model_named(n.model, 0, &model) == ERR_NONE) {
        if (n.layers == 0) n.layers = model.n_layer;
        if (n.spec.head == HEAD_DEFAULT && cell_denoises(&n))
            n.spec.head = model.head_shifted ? HEAD_SHIFTED : HEAD_SAME;
    }
    if (cell_has_draft_model(&n) && n.spec.draft_layers == 0 &&
        model_preset(n.spec.draft, 0, &model) == ERR_NONE)
        n.spec.draft_layers = model.n_layer;
    return n;
}

double cell_number(float v)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) break;
    }
    return strtod(text, NULL);
}

static void put_int(struct json *j, const char *key, int64_t v)
{
    json_key(j, key);
    json_int(j, v);
}

static void put_text(struct json *j, const char *key, const char *v)
{
    json_key(j, key);
    json_string(j, v);
}

bool cell_takes(const struct cell *c, const char *option)
{
    return cell_denoises(c) && !c->trace_sha256[0] && strategy_takes(c->spec.strategy, option);
}

static void put_number(struct json *j, const char *key, float v)
{
    json_key(j, key);
    json_double(j, cell_number(v));
}

void cell_canonical(const struct cell *cell, struct strbuf *out)
{
    struct cell c = cell_normal(cell);
    const struct decode_spec *s = &c.spec;
    bool denoises = cell_denoises(&c), verifies = cell_verifies(&c);
    struct json j;
    json_to_strbuf(&j, out);
    json_object_begin(&j);
    if (verifies && !c.trace_sha256[0]) put_number(&j, "acceptance", s->acceptance);
    if (c.arithmetic != ARITHMETIC_ONCE)
        put_text(&j, "arithmetic", arithmetic_times(c.arithmetic));
    put_int(&j, "batch", s->batch);
    if (s->batch_policy != BATCH_LOCKSTEP)
        put_text(&j, "batch-policy", batch_policy_name(s->batch_policy));
    if (s->block_length) put_int(&j, "block-length", s->block_length);
    if (s->cache != CACHE_NONE) put_text(&j, "cache", cache_policy_name(s->cache));
    if (s->commit != COMMIT_SEPARATE) put_text(&j, "commit", commit_policy_name(s->commit));
    if (c.compute != DTYPE_F32) put_text(&j, "compute-dtype", dtype_name(c.compute));
    put_text(&j, "decoder", c.decoder);
    if (strcmp(s->draft, "none") != 0) put_text(&j, "draft", s->draft);
    if (s->draft_layers) put_int(&j, "draft-layers", s->draft_layers);
    if (verifies) put_int(&j, "draft-tokens", s->draft_tokens);
    put_text(&j, "dtype", dtype_name(c.dtype));
    if (cell_takes(&c, "entropy-bound"))
        put_number(&j, "entropy-bound", s->entropy_bound);
    if (s->on_eos == EOS_STOP) put_text(&j, "eos", eos_policy_name(s->on_eos));
    if (cell_takes(&c, "eta")) put_number(&j, "eta", s->eta);
    if (cell_takes(&c, "factor")) put_number(&j, "factor", s->factor);
    if (c.graph) put_text(&j, "graph", graph_name(true));
    if (s->guidance > 0) put_number(&j, "guidance", s->guidance);
    if (denoises) put_text(&j, "head", head_policy_name(s->head));
    if (c.isa != ISA_AUTO) put_text(&j, "isa", isa_name(c.isa));
    put_text(&j, "kv-dtype", dtype_name(c.kv_dtype));
    if (c.launch_ns) put_int(&j, "launch-ns", c.launch_ns);
    put_int(&j, "layers", c.layers);
    if (denoises) put_text(&j, "logits", logits_policy_name(s->logits));
    if (c.matmul != MATMUL_CUBLAS) put_text(&j, "matmul", matmul_by_name(c.matmul));
    /* A folder is what it holds, wherever it lies. */
    put_text(&j, "model", c.model_sha256[0] ? c.model_sha256 : c.model);
    if (s->n_depth) put_int(&j, "n-depth", s->n_depth);
    put_int(&j, "n-gen", s->n_gen);
    put_int(&j, "n-prompt", s->n_prompt);
    if (c.prompts_sha256[0]) put_text(&j, "prompts", c.prompts_sha256);
    if (s->refresh) put_int(&j, "refresh", s->refresh);
    if (s->schedule != SCHEDULE_LINEAR) put_text(&j, "schedule", schedule_name(s->schedule));
    put_int(&j, "seed", (int64_t)s->seed);
    if (s->steps) put_int(&j, "steps", s->steps);
    if (denoises) put_text(&j, "strategy", strategy_name(s->strategy));
    if (s->temperature > 0) put_number(&j, "temperature", s->temperature);
    if (c.threads) put_int(&j, "threads", c.threads);
    if (cell_takes(&c, "threshold"))
        put_number(&j, "threshold", s->threshold);
    if (s->top_p > 0) put_number(&j, "top-p", s->top_p);
    if (c.trace_sha256[0]) put_text(&j, "trace", c.trace_sha256);
    if (c.weights == WEIGHTS_CHECKPOINT)
        put_text(&j, "weights", weights_from_name(c.weights));
    put_int(&j, "workload", WORKLOAD_VERSION);
    json_object_end(&j);
}

void cell_key(const struct cell *c, char out[CELL_KEY_SIZE])
{
    struct strbuf text = {0};
    cell_canonical(c, &text);
    sha256_hex(strbuf_text(&text), text.len, out);
    strbuf_free(&text);
}
