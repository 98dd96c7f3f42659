/* decoder.c - what all decoders share: prompts, and what a token is worth. */
#include "harness/decode/decoder.h"

#include <stdlib.h>

#include "harness/base/rng.h"

int32_t prompt_token(const struct model_config *c, uint64_t seed, uint32_t request,
                     uint32_t position)
{
    enum { STREAM_PROMPT = 1 };
    uint32_t counter[4] = {position, 0, STREAM_PROMPT, request};
    uint32_t id = rng_below(philox4x32(counter, seed).word[0], (uint32_t)c->n_ids);
    /* The mask is no prompt token; its neighbour takes its share. */
    if ((int32_t)id == c->mask_id) id = id ? id - 1 : id + 1;
    return (int32_t)id;
}

int64_t token_useful_flop(const struct model_config *c, int64_t position)
{
    return 2 * (model_linear_params(c) + model_head_params(c)) + model_pair_flop(c) * position;
}

bool head_is_shifted(const struct decode_spec *s, const struct model_config *c)
{
    return s->head == HEAD_DEFAULT ? c->head_shifted : s->head == HEAD_SHIFTED;
}

enum err canvas_create(const struct decode_spec *s, const struct model_config *c, int32_t **tokens)
{
    size_t length = (size_t)s->n_prompt + (size_t)s->n_gen;
    int32_t *t = calloc((size_t)s->batch * length, sizeof *t);
    if (!t) return err_set(ERR_NOMEM, "tokens of %d sequences: out of memory", s->batch);
    for (int32_t b = 0; b < s->batch; b++) {
        int32_t *row = t + (size_t)b * length;
        for (int32_t i = 0; i < s->n_prompt; i++)
            row[i] = prompt_token(c, s->seed, (uint32_t)b, (uint32_t)i);
        for (int32_t i = s->n_prompt; i < s->n_prompt + s->n_gen; i++) row[i] = c->mask_id;
    }
    *tokens = t;
    return ERR_NONE;
}

enum err spec_check(const struct decode_spec *s, const struct model_config *c)
{
    if (s->batch < 1 || s->n_gen < 1 || s->n_prompt < 0)
        return err_set(ERR_USAGE, "batch %d, n-gen %d, n-prompt %d: want at least 1, 1 and 0",
                       s->batch, s->n_gen, s->n_prompt);
    int64_t length = (int64_t)s->n_prompt + s->n_gen;
    if (length > c->max_positions)
        return err_set(ERR_USAGE, "n-prompt %d + n-gen %d is more than the %d positions of %s",
                       s->n_prompt, s->n_gen, c->max_positions, c->name);
    if (s->batch > INT32_MAX / length)
        return err_set(ERR_USAGE, "batch %d of %lld positions is more rows than can be counted",
                       s->batch, (long long)length);
    if (s->temperature < 0)
        return err_set(ERR_USAGE, "temperature %g: want 0 or more", (double)s->temperature);
    return ERR_NONE;
}
