/* score.h - who says how probable a token is: a network, or an exact process. */
#ifndef DIFFUSION_SCORE_H
#define DIFFUSION_SCORE_H

#include "harness/decode/exact.h"

struct scorer {
    struct kernels *k; /* borrowed, like the next two: one of them is NULL */
    struct model *model;
    const struct process *process;
    struct model_config config;
    struct kv_cache *kv;       /* owned: of the model   */
    struct exact_cache *exact; /* owned: of the process */
    struct kv_cache_size size;
    float *logits; /* owned [max_logits, n_vocab]: of the model */
};

/* For one sequence of up to `capacity` tokens. */
enum err scorer_of_process(struct scorer *s, struct kernels *k, const struct process *p,
                           int32_t capacity) MUST_CHECK;
enum err scorer_of_model(struct scorer *s, struct model *m, enum dtype kv,
                         int32_t capacity) MUST_CHECK;
void scorer_free(struct scorer *s);

/* Forget what was kept: the next pass begins a sequence. */
void scorer_clear(struct scorer *s);

/* Run a pass; log_p[logit rows]: of token[i] at the position that keys[i] names.  Ids a decoder
 * never chooses have no share in it. */
enum err scorer_score(struct scorer *s, const struct pass *p, const struct row_key *keys,
                      const int32_t *token, double *log_p) MUST_CHECK;

#endif
