/* cell.h - one point of the parameter space: everything that decides what is run.
 *
 * Two cells with the same key are the same experiment, whoever asked for it and in
 * whatever order; that is how a sweep resumes and how shards merge. */
#ifndef RESULTS_CELL_H
#define RESULTS_CELL_H

#include "harness/base/strbuf.h"
#include "harness/decode/decoder.h"

/* TWICE: the same results by twice the multiply-adds, to see what they cost. */
enum arithmetic { ARITHMETIC_ONCE, ARITHMETIC_TWICE };

/* DEFAULT: a folder's own, and a preset's from the seed. */
enum weights_from { WEIGHTS_DEFAULT, WEIGHTS_SEEDED, WEIGHTS_CHECKPOINT };

struct cell {
    char model[MODEL_NAME_SIZE]; /* a preset, or a folder with a config.json               */
    char model_sha256[65]; /* of what a folder holds (model_fingerprint); "": a preset     */
    enum weights_from weights;
    int32_t layers;        /* 0: as many as the model has                              */
    char decoder[24];
    struct decode_spec spec;
    enum dtype dtype;      /* weight storage                                           */
    enum dtype kv_dtype;   /* follows dtype unless given                               */
    int32_t threads;       /* cpu; 0: one per CPU of the affinity mask                 */
    enum isa isa;          /* cpu; whose kernels                                       */
    enum arithmetic arithmetic; /* cpu                                                 */
    enum dtype compute;    /* cpu: what matmuls multiply: f32, or bf16 where weights are it */
    char device[40];       /* "cpu", "cuda:0", "sim:a100-80gb"                         */
    int64_t launch_ns;     /* sim: cost added to every call                            */
    int32_t graph;         /* cuda: 1: a forward is launched as one CUDA graph         */
    enum matmul_by matmul; /* cuda: whose kernels multiply                             */
    char trace[200];       /* file whose decisions are replayed; "": none                  */
    char trace_sha256[65]; /* of its contents; "": none                                    */
    char prompts[200];     /* file of token ids; "": drawn from the seed                   */
    char prompts_sha256[65]; /* of its contents; "": none                                  */
    char match[16];        /* what a pair holds equal: "policy", "latency", "memory"   */
    int64_t memory_budget; /* match memory: bytes; 0: what the device has              */
    float latency_ms;      /* match latency: per token; 0: not given                   */
};

/* The same cell with what its decoder ignores cleared and defaults that the model decides
 * filled in (layers, head), so that one experiment has one spelling. */
struct cell cell_normal(const struct cell *c);

/* The normal form as one line of JSON with sorted keys, its device and match left out: what
 * the key hashes.  Keys are option names; one at its default is left out where a later
 * version may add others, so that old keys stay. */
void cell_canonical(const struct cell *c, struct strbuf *out);

enum { CELL_KEY_SIZE = 65 };
/* SHA-256 of the canonical form, in hex. */
void cell_key(const struct cell *c, char out[CELL_KEY_SIZE]);

/* A float as the double that prints as it was written: 0.7, not 0.69999998. */
double cell_number(float v);

/* Whether its decoder reveals masks: only then it has a schedule, a strategy and a head. */
bool cell_denoises(const struct cell *c);
bool cell_is_traced(const struct cell *c); /* a commit trace can decide for it */
/* Whether an option of strategies ("threshold") matters to it. */
bool cell_takes(const struct cell *c, const char *option);
/* Whether its decoder verifies drafts, and a model of its own drafts them. */
bool cell_verifies(const struct cell *c);
bool cell_has_draft_model(const struct cell *c);

const char *weights_from_name(enum weights_from w);
const char *graph_name(bool on);                /* "off", "on"         */
const char *matmul_by_name(enum matmul_by m);   /* "cublas", "own"     */
const char *logits_policy_name(enum logits_policy p);
const char *head_policy_name(enum head_policy p);
const char *arithmetic_times(enum arithmetic a);
const char *batch_policy_name(enum batch_policy p);
const char *strategy_name(enum strategy s);
const char *schedule_name(enum schedule s);
const char *cache_policy_name(enum cache_policy p);
const char *commit_policy_name(enum commit_policy p);
const char *eos_policy_name(enum eos_policy p);

#endif
