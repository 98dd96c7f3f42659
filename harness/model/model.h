/* model.h - the transformer every decoder runs, and its KV cache.
 *
 * One network, one forward pass.  A decoder chooses only which positions to
 * compute, what they see and whether their keys and values stay: that choice,
 * struct pass, is the whole difference between the two families here. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "harness/model/config.h"

/* What a forward is for; the word stored with it. */
enum phase {
    PHASE_PREFILL, /* over the prompt                                        */
    PHASE_DECODE,  /* one new position per sequence                          */
    PHASE_VERIFY,  /* several drafted positions per sequence                 */
    PHASE_DENOISE, /* masked positions, to reveal some                       */
    PHASE_REFRESH, /* a denoise that also renews an approximate cache        */
    PHASE_REUSE,   /* a denoise that uses one                                */
    PHASE_COMMIT,  /* a finished block, to keep its keys and values          */
    PHASE_FUSED,   /* a commit and the next block's first denoise together   */
    PHASE_DRAFT,   /* drafts positions that a verify forward checks          */
    PHASE_PREFILL_DRAFT, /* over the prompt, by the model that drafts        */
    PHASE_COUNT
};
/* Before a sequence's decoding starts: its time is not decode time. */
static inline bool phase_is_prefill(enum phase p)
{
    return p == PHASE_PREFILL || p == PHASE_PREFILL_DRAFT;
}

const char *phase_name(enum phase p);

struct model;    /* weights; shared by all cells that use the same ones */
struct kv_cache; /* keys and values of one running batch                */

/* One sequence's part of a forward. */
struct pass_seq {
    struct span span;         /* row0 is filled in by model_forward                        */
    const int32_t *tokens;    /* span.n_rows ids; borrowed                                 */
    const int32_t *positions; /* where the rows stand, ascending, if not side by side: then
                                 span.pos0 is 0, every row sees the same n_visible positions
                                 (MASK_FULL) and all of them are kept; borrowed; NULL: pos0 on */
    const int32_t *logit_row; /* n_logits rows of the span (0: its first), ascending       */
    int32_t n_logits;
    int32_t n_kept;     /* the first so many rows' keys and values become valid cache
                           entries                                                   */
    const float *noise; /* [n_rows] share of noise in each row's token: the probability that
                           it was drawn from all ids in place of its own.  A network has
                           to find out; an exact process is told.  Borrowed; NULL: none  */
};

struct pass {
    enum phase phase;
    int32_t n_seqs;
    struct pass_seq *seq;
};

int64_t pass_rows(const struct pass *p);
int64_t pass_logit_rows(const struct pass *p);

/* Weights drawn from seed: the same bytes on every backend, whatever the thread
 * count; bf16 and f32 storage hold the same (bf16) values, int8 those nearest to them (int8.h). */
enum err model_create(struct kernels *k, const struct model_config *c, enum dtype weights,
                      uint64_t seed, struct model **out) MUST_CHECK;
/* The first n_layers of a model, then its final norm and head: the same weights, borrowed. */
enum err model_create_exit(const struct model *m, int32_t n_layers, struct model **out) MUST_CHECK;
/* Weights of the folder c->name, from its safetensors files. */
enum err model_create_checkpoint(struct kernels *k, const struct model_config *c,
                                 enum dtype weights, struct model **out) MUST_CHECK;
/* What distinguishes the folder's model from others, in hex: SHA-256 of its config.json and, with
 * `weights`, of the safetensors headers and the first 4096 bytes of every tensor. */
enum err model_fingerprint(const char *folder, bool weights, char out[65]) MUST_CHECK;
void model_free(struct model *m); /* NULL is allowed */
const struct model_config *model_config_of(const struct model *m);
struct kernels *model_kernels(const struct model *m);

enum dtype model_dtype(const struct model *m); /* of the weights */

/* Device bytes model_create takes. */
int64_t model_bytes(const struct kernels *k, const struct model_config *c, enum dtype weights);

/* Cache and scratch for n_slots sequences of at most `capacity` positions, forwards of
 * at most max_rows rows and max_logits logit rows. */
struct kv_cache_size {
    int32_t n_slots, capacity;
    int64_t max_rows, max_logits;
    enum dtype dtype;
    bool scattered; /* some pass has rows that are not side by side */
};
enum err kv_cache_create(struct model *m, const struct kv_cache_size *s,
                         struct kv_cache **out) MUST_CHECK;
/* The same for model_create_exit's model on the first layers of a cache of the whole model, which
 * outlives it: keys and values are shared, what is valid of them is not.  s: slots and capacity of
 * the whole's. */
enum err kv_cache_create_exit(struct model *exit, const struct kv_cache *whole,
                              const struct kv_cache_size *s, struct kv_cache **out) MUST_CHECK;
void kv_cache_free(struct kv_cache *c); /* NULL is allowed */
int64_t kv_cache_bytes(const struct kernels *k, const struct model_config *c,
                       const struct kv_cache_size *s);
/* Of kv_cache_create_exit: scratch alone. */
int64_t kv_cache_exit_bytes(const struct kernels *k, const struct model_config *c,
                            const struct kv_cache_size *s);
/* Fill the first n positions of every slot with random keys and values, the same for the same
 * seed, and take them as valid: a context nobody computed, whose tokens mean nothing but whose
 * forwards cost what they would. */
enum err kv_cache_make_up(struct kv_cache *c, int32_t n, uint64_t seed) MUST_CHECK;
/* Forget all positions. */
void kv_cache_clear(struct kv_cache *c);
/* Positions 0 .. n-1 of a slot hold keys and values that later rows may see.  Setting it
 * back is how a recorded forward is run again; setting it forward afterwards is a promise
 * that only timings will be read from what follows. */
int32_t kv_cache_valid(const struct kv_cache *c, int32_t slot);
void kv_cache_set_valid(struct kv_cache *c, int32_t slot, int32_t n);

/* Run one forward.  logits: [pass_logit_rows, V] on the device, rows in the order of
 * seq and logit_row; n_dim 0 when none were asked for.  Valid until the next forward.
 * Rows may only see positions that an earlier pass kept, or their own; rows whose keys and
 * values are not kept may not overwrite kept ones. */
enum err model_forward(struct model *m, struct kv_cache *c, const struct pass *p,
                       struct tensor *logits) MUST_CHECK;

#endif
