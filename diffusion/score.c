/* score.c - log probabilities from a network's logits or a process's posteriors. */
#include "diffusion/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct kv_cache_size one_sequence(int32_t capacity, enum dtype kv)
{
    return (struct kv_cache_size){.n_slots = 1,
                                  .capacity = capacity,
                                  .max_rows = capacity,
                                  .max_logits = capacity,
                                  .dtype = kv};
}

enum err scorer_of_process(struct scorer *s, struct kernels *k, const struct process *p,
                           int32_t capacity)
{
    *s = (struct scorer){
        .k = k, .process = p, .config = exact_config(p), .size = one_sequence(capacity, DTYPE_F32)};
    return exact_cache_create(k, p, &s->size, &s->exact);
}

enum err scorer_of_model(struct scorer *s, struct model *m, enum dtype kv, int32_t capacity)
{
    *s = (struct scorer){.k = model_kernels(m),
                         .model = m,
                         .config = *model_config_of(m),
                         .size = one_sequence(capacity, kv)};
    s->logits = calloc((size_t)capacity * (size_t)s->config.n_vocab, sizeof *s->logits);
    if (!s->logits) return err_set(ERR_NOMEM, "logits of %d positions: out of memory", capacity);
    enum err e = kv_cache_create(m, &s->size, &s->kv);
    if (e != ERR_NONE) scorer_free(s);
    return e;
}

void scorer_free(struct scorer *s)
{
    kv_cache_free(s->kv);
    exact_cache_free(s->exact);
    free(s->logits);
    *s = (struct scorer){0};
}

void scorer_clear(struct scorer *s)
{
    if (s->kv) kv_cache_clear(s->kv);
    if (s->exact) exact_cache_clear(s->exact);
}

/* log softmax over the ids that may be chosen. */
static double log_softmax(const struct model_config *c, const float *row, int32_t id)
{
    double max = -INFINITY, sum = 0;
    for (int32_t v = 0; v < c->n_ids; v++)
        if (v != c->mask_id && (double)row[v] > max) max = (double)row[v];
    for (int32_t v = 0; v < c->n_ids; v++)
        if (v != c->mask_id) sum += exp((double)row[v] - max);
    return (double)row[id] - max - log(sum);
}

enum err scorer_score(struct scorer *s, const struct pass *p, const struct row_key *keys,
                      const int32_t *token, double *log_p)
{
    struct tensor logits;
    int64_t n = pass_logit_rows(p);
    if (s->process) {
        TRY(exact_forward(s->exact, p, keys, &logits));
        for (int64_t i = 0; i < n; i++) log_p[i] = log(exact_probability(s->exact, i)[token[i]]);
        return ERR_NONE;
    }
    TRY(model_forward(s->model, s->kv, p, &logits));
    if (n == 0) return kernels_sync(s->k);
    TRY(kernels_download(s->k, s->logits, logits));
    for (int64_t i = 0; i < n; i++)
        log_p[i] = log_softmax(&s->config, s->logits + i * s->config.n_vocab, token[i]);
    return ERR_NONE;
}
