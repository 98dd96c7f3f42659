/* decoder.c - what all decoders share: prompts, and what a token is worth. */
#include "harness/decode/decoder.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/decode/commit_trace.h"

/* Token `position` of a prompt, four to a Philox call. */
static void prompt_fill(const struct model_config *c, uint64_t seed, uint32_t request, int32_t n,
                        int32_t *tokens)
{
    enum { STREAM_PROMPT = 1 };
    for (int32_t i = 0; i < n; i += 4) {
        uint32_t counter[4] = {(uint32_t)i / 4, 0, STREAM_PROMPT, request};
        struct philox random = philox4x32(counter, seed);
        for (int32_t j = i; j < n && j < i + 4; j++) {
            int32_t id = (int32_t)rng_below(random.word[j - i], (uint32_t)c->n_ids);
            /* The mask is no prompt token; its neighbour takes its share. */
            if (id == c->mask_id) id += id ? -1 : 1;
            tokens[j] = id;
        }
    }
}

int64_t token_useful_flop(const struct model_config *c, int64_t position)
{
    return 2 * (model_linear_params(c) + model_head_params(c)) + model_pair_flop(c) * position;
}

bool spec_knows_eos(const struct decode_spec *s)
{
    return s->eos || (s->trace && s->trace->states_eos);
}

/* INT32_MAX where it is not known. */
static int32_t eos_of(const struct decode_spec *s, int32_t sequence)
{
    if (s->eos) return s->eos[sequence];
    return spec_knows_eos(s) ? s->trace->request[sequence].eos : INT32_MAX;
}

bool spec_is_past_eos(const struct decode_spec *s, int32_t sequence, int32_t position)
{
    return position - spec_prefix(s) > eos_of(s, sequence);
}

int32_t spec_wanted(const struct decode_spec *s, int32_t sequence)
{
    int32_t eos = eos_of(s, sequence);
    return s->on_eos == EOS_STOP && eos < s->n_gen ? eos + 1 : s->n_gen;
}

void work_add_token(struct step_work *w, const struct decode_spec *s, const struct model_config *c,
                    int32_t sequence, int32_t position)
{
    if (spec_is_past_eos(s, sequence, position)) {
        w->tokens_past_eos++;
        return;
    }
    w->tokens_committed++;
    w->flop_useful += token_useful_flop(c, position);
}

bool head_is_shifted(const struct decode_spec *s, const struct model_config *c)
{
    return s->head == HEAD_DEFAULT ? c->head_shifted : s->head == HEAD_SHIFTED;
}

enum err canvas_create(const struct decode_spec *s, const struct model_config *c, int32_t **tokens)
{
    int32_t prefix = spec_prefix(s);
    size_t length = (size_t)spec_length(s);
    int32_t *t = calloc((size_t)s->batch * length, sizeof *t);
    if (!t) return err_set(ERR_NOMEM, "tokens of %d sequences: out of memory", s->batch);
    for (int32_t b = 0; b < s->batch; b++) {
        int32_t *row = t + (size_t)b * length;
        if (s->prompts)
            memcpy(row + s->n_depth, s->prompts + (size_t)b * (size_t)s->n_prompt,
                   (size_t)s->n_prompt * sizeof *row);
        else
            prompt_fill(c, s->seed, (uint32_t)b, prefix, row);
        for (int32_t i = prefix; i < prefix + s->n_gen; i++) row[i] = c->mask_id;
    }
    *tokens = t;
    return ERR_NONE;
}

enum err spec_check(const struct decode_spec *s, const struct model_config *c)
{
    if (s->batch < 1 || s->n_gen < 1 || s->n_prompt < 0)
        return err_set(ERR_USAGE, "batch %d, n-gen %d, n-prompt %d: want at least 1, 1 and 0",
                       s->batch, s->n_gen, s->n_prompt);
    if (s->n_depth < 0) return err_set(ERR_USAGE, "n-depth %d: want 0 or more", s->n_depth);
    int64_t length = (int64_t)s->n_depth + s->n_prompt + s->n_gen;
    if (length > c->max_positions && s->n_depth)
        return err_set(ERR_USAGE,
                       "n-depth %d + n-prompt %d + n-gen %d is more than the %d "
                       "positions of %s",
                       s->n_depth, s->n_prompt, s->n_gen, c->max_positions, c->name);
    if (length > c->max_positions)
        return err_set(ERR_USAGE, "n-prompt %d + n-gen %d is more than the %d positions of %s",
                       s->n_prompt, s->n_gen, c->max_positions, c->name);
    if (s->batch > INT32_MAX / length)
        return err_set(ERR_USAGE, "batch %d of %lld positions is more rows than can be counted",
                       s->batch, (long long)length);
    if (s->on_eos == EOS_STOP && !spec_knows_eos(s) && !(s->informed && c->n_eos > 0))
        return err_set(ERR_USAGE, "eos stop: nothing says where sequences end; want a commit trace "
                                  "that states eos, or a model of one's own with an eos_token_id");
    if (s->temperature < 0)
        return err_set(ERR_USAGE, "temperature %g: want 0 or more", (double)s->temperature);
    return ERR_NONE;
}
