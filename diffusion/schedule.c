/* schedule.c - mask rates, counts, and the draws they rest on. */
#include "diffusion/schedule.h"

#include <math.h>

#include "diffusion/draw.h"

double schedule_mask_rate(enum schedule s, double t)
{
    return s == SCHEDULE_COSINE ? sin(M_PI / 2 * t) : t;
}

int32_t schedule_left(enum schedule s, int32_t n_masks, int32_t n_steps, int32_t step, int32_t left)
{
    if (n_steps > n_masks) n_steps = n_masks;
    if (step >= n_steps) return left;
    if (s != SCHEDULE_COSINE) return left - n_masks / n_steps - (step < n_masks % n_steps);
    /* N cos is a whole number only where the cosine is 0, 1/2 or 1; rounding must not take it
     * below. */
    int32_t want = (int32_t)floor(n_masks * cos(M_PI / 2 * (step + 1) / n_steps) + 1e-9);
    int32_t to_come = n_steps - step - 1;
    if (want > left - 1) want = left - 1;
    return want > to_come ? want : to_come;
}

double schedule_reveal_time(uint64_t seed, uint32_t request, uint32_t position)
{
    return draw_uniform(seed, DRAW_REVEAL, request, position, 0);
}

int32_t schedule_step_of(enum schedule s, double u, int32_t n_steps)
{
    double t = s == SCHEDULE_COSINE ? 2 / M_PI * asin(u) : u;
    int32_t step = (int32_t)floor((1 - t) * n_steps);
    return step < n_steps ? step : n_steps - 1;
}

int32_t schedule_steps(const struct decode_spec *s, uint32_t request, uint32_t block)
{
    if (s->batch_policy == BATCH_LOCKSTEP) return s->steps;
    double u = draw_uniform(s->seed, DRAW_STEPS, request, block, 0);
    if (s->batch_policy == BATCH_RAGGED) return 1 + (int32_t)(u * s->steps);
    if (s->steps == 1) return 1;
    /* Failures before the first success of probability 1 / steps. */
    double more = floor(log(u) / log1p(-1.0 / s->steps));
    return more < INT32_MAX - 1 ? 1 + (int32_t)more : INT32_MAX;
}
