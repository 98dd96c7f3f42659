/* axes.c - the table of axes, and finding rows in it. */
#include "harness/app/axes.h"

#include <string.h>

#include "diffusion/strategy.h"
#include "harness/app/decoders.h"
#include "harness/base/suggest.h"
#include "roofline/device.h"

static const char *logits_word(int32_t i)
{
    return logits_policy_name((enum logits_policy)i);
}
static const char *head_word(int32_t i)
{
    return head_policy_name((enum head_policy)i);
}
static const char *batch_word(int32_t i)
{
    return batch_policy_name((enum batch_policy)i);
}
static const char *strategy_word(int32_t i)
{
    return strategy_name((enum strategy)i);
}
static const char *schedule_word(int32_t i)
{
    return schedule_name((enum schedule)i);
}
static const char *cache_word(int32_t i)
{
    return cache_policy_name((enum cache_policy)i);
}
static const char *commit_word(int32_t i)
{
    return commit_policy_name((enum commit_policy)i);
}
static const char *arithmetic_word(int32_t i)
{
    return arithmetic_times((enum arithmetic)i);
}
static const char *isa_word(int32_t i)
{
    return isa_name((enum isa)i);
}
static const char *weights_word(int32_t i)
{
    return weights_from_name((enum weights_from)i);
}
static const char *eos_word(int32_t i)
{
    return eos_policy_name((enum eos_policy)i);
}

static const char *graph_word(int32_t i)
{
    return graph_name(i != 0);
}
static const char *matmul_word(int32_t i)
{
    return matmul_by_name((enum matmul_by)i);
}
static const char *dtype_word(int32_t i)
{
    return dtype_name((enum dtype)i);
}

static enum err check_model(const char *text)
{
    struct model_config config;
    return model_named(text, 0, &config);
}

static enum err check_decoder(const char *text)
{
    const char *names[16] = {NULL};
    if (decoder_find(text)) return ERR_NONE;
    for (int32_t i = 0; i < 15 && decoder_at(i); i++) names[i] = decoder_at(i)->name;
    char near[SUGGEST_SIZE];
    return err_set(ERR_USAGE, "no decoder \"%s\"%s (regime list decoders)", text,
                   suggest_phrase(text, names, near));
}

static enum err check_device(const char *text)
{
    if (strcmp(text, "cpu") == 0) return ERR_NONE;
    if (strncmp(text, "cuda:", 5) == 0 && text[5] &&
        strspn(text + 5, "0123456789") == strlen(text + 5))
        return ERR_NONE;
    if (strncmp(text, "sim:", 4) == 0) {
        const struct device *d;
        return device_find(text, &d);
    }
    return err_set(ERR_USAGE,
                   "no device \"%s\"; expected cpu, cuda:N or sim:NAME (regime list devices)",
                   text);
}

static enum err check_draft(const char *text)
{
    static const char *const others[] = {"none", "ngram", "self", "self-denoise"};
    struct model_config config;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(text, others[i]) == 0) return ERR_NONE;
    if (model_preset(text, 0, &config) == ERR_NONE) return ERR_NONE;
    return err_set(ERR_USAGE, "\"%s\" drafts nothing; expected none, ngram, self, self-denoise or a "
                              "model's name (regime list models)",
                   text);
}

static enum err check_match(const char *text)
{
    static const char *const words[] = {"policy", "memory", "latency"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(text, words[i]) == 0) return ERR_NONE;
    return err_set(ERR_USAGE, "\"%s\" cannot be held equal; expected policy, memory or latency",
                   text);
}

/* Read when cells are made of it. */
static enum err check_file(const char *text)
{
    return ERR_NONE;
}

#define CELL(field)                                                                                \
    .offset = offsetof(struct cell, field), .size = sizeof(((struct cell *)0)->field)

/* Limits keep products of a few of them inside 64 bits. */
enum { MAX_SEQS = 1 << 20, MAX_TOKENS = 1 << 24, MAX_THREADS = 4096, MAX_LAYERS = 4096 };

static const char in_model[] = "Model", in_work[] = "Workload", in_decoding[] = "Decoding",
                  in_machine[] = "Machine";
static const char denoisers[] = "diffusion block ", verifiers[] = "ar-verify ",
                  traced[] = "diffusion block ar-verify ", cachers[] = "diffusion ", committers[] = "block ";

static const struct axis table[] = {
    {"model", 'm', AXIS_TEXT, in_model, CELL(model), .fallback = "qwen2.5-0.5b",
     .check = check_model, .help = "shape of the transformer (regime list models), or ./FOLDER of one "
     "with its config.json"},
    {"weights", 0, AXIS_ENUM, in_model, CELL(weights), .max = WEIGHTS_CHECKPOINT,
     .fallback = "default", .word = weights_word,
     .help = "drawn from the seed, or read from the folder's safetensors files; default: a folder's "
     "are read"},
    {"layers", 0, AXIS_INT, in_model, CELL(layers), .max = MAX_LAYERS, .fallback = "0",
     .help = "use only the first so many layers; 0: all"},
    {"dtype", 0, AXIS_ENUM, in_model, CELL(dtype), .max = DTYPE_COUNT - 1, .fallback = "bf16",
     .word = dtype_word, .help = "storage of the weights"},
    {"kv-dtype", 0, AXIS_ENUM, in_model, CELL(kv_dtype), .max = DTYPE_BF16,
     .absent = DTYPE_COUNT, .derived = "as --dtype, bf16 beside int8", .word = dtype_word,
     .help = "storage of keys and values"},

    {"batch", 'b', AXIS_INT, in_work, CELL(spec.batch), .min = 1, .max = MAX_SEQS, .fallback = "1",
     .help = "sequences decoded together"},
    {"n-depth", 0, AXIS_INT, in_work, CELL(spec.n_depth), .max = MAX_TOKENS, .fallback = "0",
     .help = "made-up positions in the cache before the prompt, not computed"},
    {"n-prompt", 'p', AXIS_INT, in_work, CELL(spec.n_prompt), .max = MAX_TOKENS, .fallback = "64",
     .help = "prompt tokens of each sequence"},
    {"n-gen", 'n', AXIS_INT, in_work, CELL(spec.n_gen), .min = 1, .max = MAX_TOKENS,
     .fallback = "64", .help = "tokens to generate for each sequence"},
    {"batch-policy", 0, AXIS_ENUM, in_work, CELL(spec.batch_policy), .max = BATCH_GEOMETRIC,
     .fallback = "lockstep", .word = batch_word, .only_for = denoisers,
     .untraced = true,
     .help = "whether all sequences of a batch take the same number of steps"},
    {"eos", 0, AXIS_ENUM, in_work, CELL(spec.on_eos), .max = EOS_STOP, .fallback = "go-on",
     .word = eos_word,
     .help = "whether a sequence stops at its first end-of-sequence token, or goes on to --n-gen "
             "with what follows counted as waste; known of models of one's own and traces"},
    {"prompts", 0, AXIS_TEXT, in_work, CELL(prompts), .derived = "drawn from the seed",
     .check = check_file,
     .help = "file of prompts: a JSON array of token ids a line, of which the last --n-prompt are "
             "taken"},
    {"seed", 0, AXIS_INT, in_work, CELL(spec.seed), .max = INT64_MAX, .fallback = "1",
     .help = "of weights, prompts, orders and sampling"},

    {"decoder", 0, AXIS_TEXT, in_decoding, CELL(decoder), .fallback = "ar", .check = check_decoder,
     .help = "who decides what each forward computes (regime list decoders)"},
    {"block-length", 0, AXIS_INT, in_decoding, CELL(spec.block_length), .min = 1, .max = MAX_TOKENS,
     .derived = "block: 32; diffusion: one block of --n-gen", .only_for = denoisers,
     .help = "positions denoised together"},
    {"steps", 0, AXIS_INT, in_decoding, CELL(spec.steps), .min = 1, .max = MAX_TOKENS,
     .derived = "one token per step", .only_for = denoisers, .of_strategy = true,
     .help = "denoise forwards per block; steps of time where a strategy goes by time"},
    {"strategy", 0, AXIS_ENUM, in_decoding, CELL(spec.strategy), .max = STRATEGY_COUNT - 1,
     .fallback = "random", .word = strategy_word, .only_for = denoisers,
     .help = "which masked positions are revealed, and how many (regime list strategies)"},
    {"schedule", 0, AXIS_ENUM, in_decoding, CELL(spec.schedule), .max = SCHEDULE_COSINE,
     .fallback = "linear", .word = schedule_word, .only_for = denoisers, .of_strategy = true,
     .help = "how the share of masked positions falls with the steps"},
    {"threshold", 0, AXIS_FLOAT, in_decoding, CELL(spec.threshold), .max = 1, .fallback = "0.9",
     .only_for = denoisers, .of_strategy = true,
     .help = "strategy threshold: reveal what is at least as probable"},
    {"factor", 0, AXIS_FLOAT, in_decoding, CELL(spec.factor), .max = 1024, .fallback = "1",
     .only_for = denoisers, .of_strategy = true,
     .help = "strategy factor: most that n + 1 times the doubt of the n-th may be"},
    {"entropy-bound", 0, AXIS_FLOAT, in_decoding, CELL(spec.entropy_bound), .max = 1000000,
     .fallback = "0.1", .only_for = denoisers, .of_strategy = true,
     .help = "strategies entropy-bound, renoise: nats that tokens revealed together may share"},
    {"eta", 0, AXIS_FLOAT, in_decoding, CELL(spec.eta), .max = 1, .fallback = "0.02",
     .only_for = denoisers, .of_strategy = true,
     .help = "strategies remdm-*: how much is masked again"},
    {"trace", 0, AXIS_TEXT, in_decoding, CELL(trace), .derived = "the strategy decides",
     .check = check_file, .only_for = traced,
     .help = "file of commits to replay instead (docs/TRACES.md)"},
    {"guidance", 0, AXIS_FLOAT, in_decoding, CELL(spec.guidance), .max = 100, .fallback = "0",
     .only_for = denoisers,
     .help = "w of classifier-free guidance: logits u + (w + 1)(z - u), u of a second, unprompted "
             "pass; 0: none"},
    {"logits", 0, AXIS_ENUM, in_decoding, CELL(spec.logits), .max = LOGITS_ALL,
     .fallback = "masked", .word = logits_word, .only_for = denoisers,
     .help = "generation rows whose logits are computed: still masked ones, or all"},
    {"head", 0, AXIS_ENUM, in_decoding, CELL(spec.head), .max = HEAD_SHIFTED, .fallback = "default",
     .word = head_word, .only_for = denoisers,
     .help = "row that predicts a position: its own, the one before, or as the model has it"},
    {"cache", 0, AXIS_ENUM, in_decoding, CELL(spec.cache), .max = CACHE_DKV, .fallback = "none",
     .word = cache_word, .only_for = cachers,
     .help = "approximate cache: of what is before the block, both sides, or what is decided"},
    {"refresh", 0, AXIS_INT, in_decoding, CELL(spec.refresh), .max = MAX_TOKENS, .fallback = "0",
     .only_for = cachers,
     .help = "forwards 0, N, 2N ... of a block compute every position, too; 0: only at its start"},
    {"commit", 0, AXIS_ENUM, in_decoding, CELL(spec.commit), .max = COMMIT_CAUSAL,
     .fallback = "separate", .word = commit_word, .only_for = committers,
     .help = "a finished block is kept by its own forward (seeing all of it, or causal), or by the "
             "next block's first"},
    {"draft-tokens", 0, AXIS_INT, in_decoding, CELL(spec.draft_tokens), .max = 64, .fallback = "4",
     .only_for = verifiers, .help = "tokens drafted for each verify forward"},
    {"acceptance", 0, AXIS_FLOAT, in_decoding, CELL(spec.acceptance), .max = 1, .fallback = "0.8",
     .only_for = verifiers, .untraced = true,
     .help = "probability that a drafted token is right"},
    {"draft", 0, AXIS_TEXT, in_decoding, CELL(spec.draft), .fallback = "none",
     .check = check_draft, .only_for = verifiers,
     .help = "who drafts: a model, the same one's first layers (self) or all of it in one forward "
             "(self-denoise), the text (ngram); none: costs nothing"},
    {"draft-layers", 0, AXIS_INT, in_decoding, CELL(spec.draft_layers), .max = MAX_LAYERS,
     .fallback = "0", .only_for = verifiers,
     .help = "use only the first so many layers of the model that drafts; 0: all (not self)"},
    {"temperature", 0, AXIS_FLOAT, in_decoding, CELL(spec.temperature), .max = 100, .fallback = "0",
     .help = "of sampling; 0: the likeliest token"},
    {"top-p", 0, AXIS_FLOAT, in_decoding, CELL(spec.top_p), .max = 1, .fallback = "0",
     .sampled = true,
     .help = "sample only ids that those likelier hold less than this probability before; 0: all"},
    {"match", 0, AXIS_TEXT, in_decoding, CELL(match), .fallback = "policy", .check = check_match,
     .help = "what the members of a pair hold equal; memory and latency choose the batch"},
    {"memory-budget", 0, AXIS_INT, in_decoding, CELL(memory_budget), .max = INT64_MAX,
     .fallback = "0",
     .help = "bytes (16Gi) for --match memory: of weights, caches and scratch; 0: all of a sim's"},
    {"latency-ms", 0, AXIS_FLOAT, in_decoding, CELL(latency_ms), .max = 1000000, .fallback = "0",
     .help = "milliseconds per token of a sequence after prefill that --match latency stays below"},

    {"device", 0, AXIS_TEXT, in_machine, CELL(device), .derived = "cpu; plan: sim:a100-80gb",
     .check = check_device, .help = "cpu, cuda:N or sim:NAME (regime list devices)"},
    {"threads", 't', AXIS_INT, in_machine, CELL(threads), .max = MAX_THREADS, .fallback = "0",
     .device_kind = "cpu", .help = "0: one per CPU this process may use"},
    {"isa", 0, AXIS_ENUM, in_machine, CELL(isa), .max = ISA_COUNT - 1, .fallback = "auto",
     .word = isa_word, .device_kind = "cpu",
     .help = "instruction set of the kernels; auto: $REGIME_ISA or the best"},
    {"arithmetic", 0, AXIS_ENUM, in_machine, CELL(arithmetic), .max = ARITHMETIC_TWICE,
     .fallback = "once", .word = arithmetic_word, .device_kind = "cpu",
     .help = "twice: matmuls multiply everything twice for the same result"},
    {"compute-dtype", 0, AXIS_ENUM, in_machine, CELL(compute), .max = DTYPE_INT8, .fallback = "f32",
     .word = dtype_word, .device_kind = "cpu",
     .help = "what matmuls multiply; bf16, int8: weights of that dtype by activations rounded to it"},
    {"launch-ns", 0, AXIS_INT, in_machine, CELL(launch_ns), .max = 1000000000, .fallback = "0",
     .device_kind = "sim", .help = "time added to every kernel call of a prediction"},
    {"graph", 0, AXIS_ENUM, in_machine, CELL(graph), .max = 1, .fallback = "off",
     .word = graph_word, .device_kind = "cuda",
     .help = "launch a forward's kernels together, as one CUDA graph"},
    {"matmul", 0, AXIS_ENUM, in_machine, CELL(matmul), .max = MATMUL_OWN, .fallback = "cublas",
     .word = matmul_word, .device_kind = "cuda", .help = "whose kernels multiply"},

    {"counters", .kind = AXIS_TEXT,
     .not_yet = "counters are read for a whole command, not for a cell: regime sweep --counters"},
};
enum { N_AXES = sizeof table / sizeof table[0] };

const struct axis *axis_at(int32_t i)
{
    return i >= 0 && i < N_AXES ? &table[i] : NULL;
}

const struct axis *axis_find(const char *name)
{
    for (int32_t i = 0; i < N_AXES; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

const struct axis *axis_by_letter(char letter)
{
    for (int32_t i = 0; i < N_AXES; i++)
        if (letter && table[i].letter == letter) return &table[i];
    return NULL;
}

static bool in_list(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; *p; p = strchr(p, ' ') + 1)
        if (strncmp(p, name, n) == 0 && p[n] == ' ') return true;
    return false;
}

bool axis_applies(const struct axis *a, const struct cell *c)
{
    if (a->only_for && !in_list(a->only_for, c->decoder)) return false;
    if ((a->of_strategy || a->untraced) && c->trace[0]) return false;
    if (a->of_strategy && !strategy_takes(c->spec.strategy, a->name)) return false;
    if (a->sampled && c->spec.temperature <= 0) return false;
    if (!a->device_kind) return true;
    size_t n = strlen(a->device_kind);
    return strncmp(c->device, a->device_kind, n) == 0 && (c->device[n] == ':' || !c->device[n]);
}
