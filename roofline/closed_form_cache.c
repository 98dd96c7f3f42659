/* closed_form_cache.c - approximate caches on full-sequence diffusion; see closed_form.h. */
#include "roofline/closed_form.h"

#include <math.h>
#include <stddef.h>

/* ---- approximate caches ---- */

double closed_dual_reuse_flop(const struct closed_model *m, double batch, double len, double block)
{
    return closed_flop(m, batch, block, len, block);
}

double closed_dual_reuse_bytes(const struct closed_model *m, double batch, double len, double block)
{
    return closed_bytes(m, batch, len, block, block);
}

double closed_dual_refresh_share(double len, double block, double steps)
{
    return len / (len + (steps - 1.0) * block);
}

double closed_dual_gain(double len, double block, double steps)
{
    return steps * len / (len + (steps - 1.0) * block);
}

double closed_dual_gain_bound(double len, double block, double steps)
{
    return fmin(steps, len / block);
}

struct closed_value closed_dual_max_steps(const struct closed_model *m, struct roof r, double len,
                                          double block)
{
    double rows = closed_ridge_rows(m, r);
    if (len < rows || block >= rows)
        return closed_missing("the refresh is not compute-bound or the reuse not memory-bound");
    /* A block takes L / R' + S - 1 weight streams, AR takes b for the same tokens. */
    double steps = block + 1.0 - len / rows;
    if (steps < 1.0) return closed_missing("the refresh alone costs more than AR's whole block");
    return closed_exists(steps);
}

double closed_dual_speed(const struct closed_model *m, struct roof r, double batch, double n_prompt,
                         double n_gen, double block, double steps)
{
    double len = n_prompt + n_gen;
    double refresh = closed_time_additive(m, r, batch, len, len, 2.0 * len);
    double reuse = closed_time_additive(m, r, batch, block, len, len + block);
    return closed_ar_request_time(m, r, batch, n_prompt, n_gen, block) /
           (refresh + (steps - 1.0) * reuse);
}

double closed_prefix_speed(const struct closed_model *m, struct roof r, double batch,
                           double n_prompt, double n_gen, double block, double steps)
{
    /* A reuse step computes the block and everything after it, so blocks differ. */
    double len = n_prompt + n_gen, total = 0.0;
    double n_blocks = floor(n_gen / block);
    for (double j = 0.0; j < n_blocks; j += 1.0) {
        double q = n_gen - j * block;
        total += closed_time_additive(m, r, batch, len, len, 2.0 * len);
        total += (steps - 1.0) * closed_time_additive(m, r, batch, q, len, len + q);
    }
    return closed_ar_request_time(m, r, batch, n_prompt, n_gen, n_blocks * block) / total;
}

/* Time over AR's grows by as much for each step: from its values at one and two steps. */
static struct closed_value equal_steps(double time_of_one, double time_of_two)
{
    if (time_of_one > 1.0) return closed_missing("the refreshes alone cost more than AR");
    return closed_exists(1.0 + (1.0 - time_of_one) / (time_of_two - time_of_one));
}

struct closed_value closed_dual_equal_steps(const struct closed_model *m, struct roof r,
                                            double batch, double n_prompt, double n_gen,
                                            double block)
{
    return equal_steps(1.0 / closed_dual_speed(m, r, batch, n_prompt, n_gen, block, 1.0),
                       1.0 / closed_dual_speed(m, r, batch, n_prompt, n_gen, block, 2.0));
}

struct closed_value closed_prefix_equal_steps(const struct closed_model *m, struct roof r,
                                              double batch, double n_prompt, double n_gen,
                                              double block)
{
    return equal_steps(1.0 / closed_prefix_speed(m, r, batch, n_prompt, n_gen, block, 1.0),
                       1.0 / closed_prefix_speed(m, r, batch, n_prompt, n_gen, block, 2.0));
}

/* ---- any of them ---- */

bool closed_cache_refreshes(struct closed_cache c, double i)
{
    if (i == 0.0 || (c.policy == CACHE_DKV && i == 1.0)) return true;
    return c.policy == CACHE_NONE || (c.refresh > 0.0 && fmod(i, c.refresh) == 0.0);
}

double closed_cache_rows(struct closed_cache c, double n_gen, double block, double steps, double j,
                         double i)
{
    double left = n_gen - j * block;
    if (c.policy == CACHE_DUAL) return block;
    if (c.policy == CACHE_PREFIX) return left;
    /* What was masked one forward ago, before which i - 1 steps had revealed. */
    return left - (i - 1.0) * block / steps;
}

double closed_cache_gain(struct closed_cache c, double n_prompt, double n_gen, double block,
                         double steps)
{
    double len = n_prompt + n_gen, n_blocks = floor(n_gen / block), rows = 0.0;
    for (double j = 0.0; j < n_blocks; j += 1.0)
        for (double i = 0.0; i < steps; i += 1.0)
            rows += closed_cache_refreshes(c, i) ? len
                                                 : closed_cache_rows(c, n_gen, block, steps, j, i);
    return n_blocks * steps * len / rows;
}

/* Over AR at that batch, every sequence being in each forward `copies` times. */
static double speed_of(struct closed_cache c, const struct closed_model *m, struct roof r,
                       double batch, double n_prompt, double n_gen, double block, double steps,
                       double copies)
{
    double len = n_prompt + n_gen, n_blocks = floor(n_gen / block), total = 0.0;
    for (double j = 0.0; j < n_blocks; j += 1.0)
        for (double i = 0.0; i < steps; i += 1.0) {
            double q = closed_cache_refreshes(c, i)
                           ? len
                           : closed_cache_rows(c, n_gen, block, steps, j, i);
            total += closed_time_additive(m, r, copies * batch, q, len, len + q);
        }
    return closed_ar_request_time(m, r, batch, n_prompt, n_gen, n_blocks * block) / total;
}

double closed_cache_speed(struct closed_cache c, const struct closed_model *m, struct roof r,
                          double batch, double n_prompt, double n_gen, double block, double steps)
{
    return speed_of(c, m, r, batch, n_prompt, n_gen, block, steps, 1.0);
}

double closed_guided_cache_speed(struct closed_cache c, const struct closed_model *m, struct roof r,
                                 double batch, double n_prompt, double n_gen, double block,
                                 double steps)
{
    return speed_of(c, m, r, batch, n_prompt, n_gen, block, steps, 2.0);
}

static struct closed_value equal_steps_of(struct closed_cache c, const struct closed_model *m,
                                          struct roof r, double batch, double n_prompt,
                                          double n_gen, double block, double copies)
{
    double before = 0.0;
    for (double steps = 1.0; steps <= block; steps += 1.0) {
        double time = 1.0 / speed_of(c, m, r, batch, n_prompt, n_gen, block, steps, copies);
        if (time > 1.0 && steps == 1.0)
            return closed_missing("the refreshes alone cost more than AR");
        if (time > 1.0) return closed_exists(steps - 1.0 + (1.0 - before) / (time - before));
        before = time;
    }
    return closed_missing("as many forwards as the block has positions are faster than AR");
}

struct closed_value closed_cache_equal_steps(struct closed_cache c, const struct closed_model *m,
                                             struct roof r, double batch, double n_prompt,
                                             double n_gen, double block)
{
    return equal_steps_of(c, m, r, batch, n_prompt, n_gen, block, 1.0);
}

struct closed_value closed_guided_cache_equal_steps(struct closed_cache c,
                                                    const struct closed_model *m, struct roof r,
                                                    double batch, double n_prompt, double n_gen,
                                                    double block)
{
    return equal_steps_of(c, m, r, batch, n_prompt, n_gen, block, 2.0);
}
