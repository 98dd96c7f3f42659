/* decoder.h - a decoder is a policy: which forward next, and what to do with its
 * logits.  It never computes: session.c runs the forward between next and accept,
 * the same way for all of them. */
#ifndef DECODE_DECODER_H
#define DECODE_DECODER_H

#include "harness/model/model.h"

enum logits_policy {
    LOGITS_MASKED, /* rows still masked in the block being denoised     */
    LOGITS_ALL     /* every computed generation row                     */
};
enum head_policy {
    HEAD_DEFAULT, /* what the model family does                         */
    HEAD_SAME,    /* a row predicts its own position                    */
    HEAD_SHIFTED  /* a row predicts the next position                   */
};
enum batch_policy {
    BATCH_LOCKSTEP, /* every sequence takes `steps` denoise steps per block                     */
    BATCH_RAGGED,   /* each (sequence, block) draws its number, uniformly from 1..steps; a
                       sequence that is done with its block leaves the forwards until all are   */
    BATCH_GEOMETRIC /* the same, from a geometric distribution of mean `steps`                  */
};

/* Which masked positions a denoise forward reveals, and how many: rows of diffusion/strategy.c. */
enum strategy {
    STRATEGY_RANDOM,
    STRATEGY_SEQUENTIAL,
    STRATEGY_LOW_CONFIDENCE,
    STRATEGY_MARGIN,
    STRATEGY_ENTROPY,
    STRATEGY_THRESHOLD,
    STRATEGY_FACTOR,
    STRATEGY_ENTROPY_BOUND,
    STRATEGY_ANCESTRAL,
    STRATEGY_FIRST_HITTING,
    STRATEGY_REMDM_CAP,
    STRATEGY_REMDM_RESCALE,
    STRATEGY_REMDM_CONF,
    STRATEGY_REMDM_LOOP,
    STRATEGY_UNIFORM,
    STRATEGY_RENOISE,
    STRATEGY_COUNT
};

/* How the share of masked positions falls with the steps (diffusion/schedule.h). */
enum schedule { SCHEDULE_LINEAR, SCHEDULE_COSINE };

enum cache_policy {
    CACHE_NONE,
    CACHE_PREFIX, /* keys and values before the block are reused: it and all after it computed  */
    CACHE_DUAL,   /* and those after it: only the block is computed                             */
    CACHE_DKV     /* those of tokens that stood one forward long: what was masked in the forward
                     before is computed                                                         */
};
enum commit_policy {
    COMMIT_SEPARATE, /* a finished block's keys and values are kept by a forward of its own */
    COMMIT_FUSED,    /* by the next block's first forward, whose rows follow its own        */
    COMMIT_CAUSAL    /* by a forward of its own whose rows see only those before them, as do the
                        prompt's: what is kept is what an AR model would have kept          */
};

/* What becomes of a sequence at its first end-of-sequence token. */
enum eos_policy {
    EOS_GO_ON, /* it goes on to n_gen; what follows is computed, and counted as waste   */
    EOS_STOP   /* it leaves the batch; of blocks, when the block that holds it is done */
};

struct commit_trace;

/* What to decode and how; the part of a cell that a decoder sees. */
struct decode_spec {
    int32_t batch;        /* sequences                                                     */
    int32_t n_depth;      /* positions in the cache before the prompt: made up, not computed */
    int32_t n_prompt;     /* prompt tokens per sequence                                    */
    int32_t n_gen;        /* tokens to generate per sequence                               */
    int32_t block_length; /* positions denoised together; 0: not given                     */
    int32_t steps;        /* denoise forwards per block; 0: not given                      */
    enum logits_policy logits;
    enum head_policy head;
    enum strategy strategy;
    enum schedule schedule;
    float threshold; /* threshold: reveal what is at least as probable                */
    float factor;    /* factor: (n + 1) (1 - confidence of the n-th) is at most this  */
    float entropy_bound; /* entropy-bound: nats that what is revealed may share           */
    float eta;           /* remdm-*: how much is masked again                             */
    bool informed;       /* the rows' distributions mean something: a trained model or an
                            exact process; without it adaptive strategies are refused     */
    float guidance; /* w of classifier-free guidance, u + (w + 1)(z - u); 0: none          */
    const int32_t *eos; /* borrowed [batch]: at which generated token each sequence's first
                           end-of-sequence token stands, n_gen or more where there is none; known
                           from an earlier decode.  NULL: what a trace says, if that does */
    enum eos_policy on_eos;
    const struct commit_trace *trace; /* borrowed: its decisions instead of the strategy's;
                                         NULL: none                                       */
    enum batch_policy batch_policy;
    enum cache_policy cache;
    int32_t refresh; /* with a cache: computed whole every so many forwards of a block, besides
                        its first; 0: not again                                          */
    enum commit_policy commit;
    char draft[40];       /* who drafts: a model's name, "self", "self-denoise", "ngram"; "none" or
                             "": nobody                                                    */
    int32_t draft_layers; /* of that model; 0: all; of self: the first so many, then the head */
    int32_t draft_tokens; /* tokens drafted for each verify forward                        */
    float acceptance;     /* probability that a drafted token is the model's choice        */
    float temperature;
    float top_p; /* share of the probability that may be sampled from; 0: all             */
    uint64_t seed; /* prompts, orders, acceptance and sampling                      */
    const int32_t *prompts; /* borrowed [batch, n_prompt]; NULL: drawn from the seed       */
};

/* Positions before the first generated one, and all of a sequence. */
static inline int32_t spec_prefix(const struct decode_spec *s)
{
    return s->n_depth + s->n_prompt;
}
static inline int32_t spec_length(const struct decode_spec *s)
{
    return spec_prefix(s) + s->n_gen;
}

/* Whether it is known where sequences end, and whether the token at a position of the whole
 * sequence comes after that: it is computed, but no token. */
bool spec_knows_eos(const struct decode_spec *s);
bool spec_is_past_eos(const struct decode_spec *s, int32_t sequence, int32_t position);
/* Tokens a sequence is to generate: n_gen, or up to its end. */
int32_t spec_wanted(const struct decode_spec *s, int32_t sequence);

/* What one forward did, in the decoder's own terms. */
struct step_work {
    enum phase phase;
    int64_t seqs; /* sequences in it                                           */
    int64_t rows; /* positions computed                                        */
    int64_t logit_rows;
    int64_t tokens_committed; /* tokens that became final, all sequences                   */
    int64_t tokens_past_eos;  /* others, after a sequence's first eos; -1: not known       */
    int64_t flop_useful;      /* what plain AR would have spent on exactly those tokens    */
};

struct decoder;

struct decoder_ops {
    const char *name; /* "ar", "block": the word in results */
    const char *help;
    /* Whose tokens it is given as drafts before it starts, decoded untimed; NULL: none.  Where
     * nothing is computed there are none to give. */
    const struct decoder_ops *drafts_from;

    /* Whether sequences of a batch may take other forwards, so that one cannot stand for all;
     * NULL: never. */
    bool (*sequences_differ)(const struct decode_spec *s);
    /* Whether this decoder can run the spec on the model: ERR_USAGE with the reason. */
    enum err (*check)(const struct decode_spec *s, const struct model_config *c);
    /* The largest forward it will ask for, to size cache and scratch. */
    struct kv_cache_size (*size)(const struct decode_spec *s, const struct model_config *c);
    /* The shape of a second model, which runs the passes of phases draft and prefill-draft on a
     * cache of its own; false: there is none.  Both NULL: never. */
    bool (*draft_model)(const struct decode_spec *s, const struct model_config *c,
                        struct model_config *draft);
    struct kv_cache_size (*draft_size)(const struct decode_spec *s);
    /* Instead of a second model: how many of the model's own first layers run those passes, on its
     * own cache's first layers; 0: none do.  What they write beyond the positions that the model
     * has kept is theirs until it computes these.  NULL: never. */
    int32_t (*draft_exit)(const struct decode_spec *s);
    enum err (*create)(const struct decode_spec *s, const struct model_config *c,
                       struct decoder **out);
    bool (*done)(const struct decoder *d);
    /* tokens[batch, spec_length] of drafts_from, which outlive d; NULL without drafts_from. */
    void (*take_drafts)(struct decoder *d, const int32_t *tokens);
    /* The next forward; pointers in it stay valid until accept. */
    void (*next)(struct decoder *d, struct pass *p);
    /* keys[logit rows of the pass]: who asks for random numbers in each row. */
    void (*keys)(const struct decoder *d, const struct pass *p, struct row_key *keys);
    /* stats[logit rows of the pass] of that forward; sets tokens_committed and flop_useful. */
    void (*accept)(struct decoder *d, const struct pass *p, const struct row_stat *stats,
                   struct step_work *work);
    /* tokens[batch, spec_length]; mask_id, or noise, where nothing is committed yet. */
    const int32_t *(*tokens)(const struct decoder *d);
    void (*free)(struct decoder *d); /* NULL is allowed */
};

/* Each concrete decoder starts with this. */
struct decoder {
    const struct decoder_ops *ops;
};

/* tokens[batch, spec_length]: the prompts given, or drawn from the seed, distinct per
 * sequence and the same for every decoder; then mask_id.  Owned by the caller. */
enum err canvas_create(const struct decode_spec *s, const struct model_config *c,
                       int32_t **tokens) MUST_CHECK;

/* What every decoder asks for: at least one sequence and token, positions the model has. */
enum err spec_check(const struct decode_spec *s, const struct model_config *c) MUST_CHECK;

/* FLOPs plain AR spends on the token at `position` (0: the first of the sequence):
 * 2 (P_lin + V D) + 4 h d n per position of its prefix. */
int64_t token_useful_flop(const struct model_config *c, int64_t position);

/* A token at a position became final: useful, or past the end. */
void work_add_token(struct step_work *w, const struct decode_spec *s, const struct model_config *c,
                    int32_t sequence, int32_t position);

bool head_is_shifted(const struct decode_spec *s, const struct model_config *c);

#endif
