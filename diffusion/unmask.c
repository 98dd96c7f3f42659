/* unmask.c - fixed schedules: counts from a quota, order from the strategy. */
#include "diffusion/unmask.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

enum { STREAM_ORDER = 2, STREAM_STEPS = 3 };

int32_t unmask_quota(int32_t n_masks, int32_t n_steps, int32_t step)
{
    if (n_steps > n_masks) n_steps = n_masks;
    if (step >= n_steps) return 0;
    return n_masks / n_steps + (step < n_masks % n_steps);
}

enum err unmask_create(struct unmask *u, int32_t capacity)
{
    memset(u, 0, sizeof *u);
    u->order = calloc((size_t)capacity, sizeof *u->order);
    return u->order ? ERR_NONE : err_set(ERR_NOMEM, "unmask order: out of memory");
}

void unmask_free(struct unmask *u)
{
    free(u->order);
    u->order = NULL;
}

/* Fisher-Yates with numbers keyed by (seed, request, block, index), four to a Philox call. */
static void shuffle(int32_t *order, int32_t n, uint64_t seed, uint32_t request, uint32_t block)
{
    struct philox random = {{0}};
    for (int32_t i = n - 1; i > 0; i--) {
        if (i == n - 1 || i % 4 == 3) {
            uint32_t counter[4] = {(uint32_t)i / 4, block, STREAM_ORDER, request};
            random = philox4x32(counter, seed);
        }
        uint32_t j = rng_below(random.word[i % 4], (uint32_t)i + 1);
        int32_t t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}

void unmask_start(struct unmask *u, const struct decode_spec *s, uint32_t request, uint32_t block,
                  const int32_t *tokens, int32_t begin, int32_t end, int32_t mask_id)
{
    u->begin = begin;
    u->end = end;
    u->n_masks = u->step = u->n_revealed = 0;
    for (int32_t pos = begin; pos < end; pos++)
        if (tokens[pos] == mask_id) u->order[u->n_masks++] = pos;

    int32_t steps = s->steps;
    if (s->batch_policy == BATCH_RAGGED) {
        uint32_t counter[4] = {0, block, STREAM_STEPS, request};
        steps = 1 + (int32_t)rng_below(philox4x32(counter, s->seed).word[0], (uint32_t)steps);
    }
    u->n_steps = steps < u->n_masks ? steps : u->n_masks;
    if (s->strategy == STRATEGY_RANDOM) shuffle(u->order, u->n_masks, s->seed, request, block);
}

void unmask_first(struct unmask *u, int32_t position)
{
    for (int32_t i = 0; i < u->n_masks; i++) {
        if (u->order[i] != position) continue;
        u->order[i] = u->order[0];
        u->order[0] = position;
        return;
    }
}

bool unmask_done(const struct unmask *u)
{
    return u->n_revealed == u->n_masks;
}

int32_t unmask_next(const struct unmask *u, const int32_t **positions)
{
    *positions = u->order + u->n_revealed;
    return unmask_quota(u->n_masks, u->n_steps, u->step);
}

void unmask_advance(struct unmask *u)
{
    u->n_revealed += unmask_quota(u->n_masks, u->n_steps, u->step);
    u->step++;
}
