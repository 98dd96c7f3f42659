/* noise.c - see noise.h. */
#include "diffusion/noise.h"

#include "diffusion/draw.h"

/* Of the product above.  With k = (1 - from) / (1 - to) the share that the step between the two
 * levels keeps, q(now | next) is a draw that is `now` for two reasons: it was kept (k) or it came
 * up (1 - k) / V; and q(next | clean) likewise with 1 - to.  Multiplied out there are four pairs of
 * reasons, of which `same` allows the first besides the others:
 *
 *     kept and clean    k (1 - to)               only if now is clean
 *     came up, clean    (1 - k) (1 - to) / V     next is clean
 *     kept, noise       k to / V                 next is now
 *     came up, noise    (1 - k) to / V^2 each    next is any of the V */
void noise_fates(const struct noise_move *m, bool same, double *p)
{
    double kept = (1 - m->from) / (1 - m->to), clean = 1 - m->to;
    p[FATE_CLEAN] = (1 - kept) * clean;
    p[FATE_STAYS] = kept * m->to;
    p[FATE_NOISE] = (1 - kept) * m->to;
    if (same) {
        p[FATE_CLEAN] += p[FATE_STAYS] + m->n_ids * kept * clean;
        p[FATE_STAYS] = 0;
    }
    double sum = p[FATE_CLEAN] + p[FATE_STAYS] + p[FATE_NOISE];
    for (int i = 0; i < FATE_COUNT; i++) p[i] /= sum;
}

int32_t noise_ids(const struct model_config *c)
{
    return c->n_ids - (c->mask_id < c->n_ids);
}

int32_t noise_token(const struct model_config *c, uint64_t seed, uint32_t request, uint32_t place,
                    uint32_t step)
{
    double u = draw_uniform(seed, DRAW_NOISE, request, place, step);
    int32_t id = (int32_t)(u * noise_ids(c));
    return id + (id >= c->mask_id);
}
