/* closed_form_block.c - block diffusion and approximate caches; see closed_form.h. */
#include "roofline/closed_form.h"

#include <math.h>
#include <stddef.h>

/* Seconds of AR for one block's tokens, at the mean context. */
static double ar_block_time(const struct closed_model *m, struct roof r, double batch,
                            double n_prompt, double n_gen, double block)
{
    return block * closed_ar_time(m, r, batch, n_prompt + n_gen / 2.0);
}

/* ---- block diffusion ---- */

double closed_block_flop(const struct closed_model *m, double batch, double cached, double block)
{
    return closed_flop(m, batch, block, cached + block, block);
}

double closed_block_bytes(const struct closed_model *m, double batch, double cached, double block)
{
    return closed_bytes(m, batch, cached + block, block, block);
}

double closed_block_intensity(const struct closed_model *m, double batch, double cached,
                              double block)
{
    return closed_block_flop(m, batch, cached, block) / closed_block_bytes(m, batch, cached, block);
}

struct closed_value closed_block_ridge_batch(const struct closed_model *m, struct roof r,
                                             double cached, double block)
{
    /* B b (2P + a (C + b)) = R (s P + B kappa (C + 2b)), solved for B. */
    double ridge = roof_ridge(r);
    double surplus =
        block * (2.0 * m->p + m->a * (cached + block)) - ridge * m->kappa * (cached + 2.0 * block);
    if (surplus <= 0.0)
        return closed_missing("K/V reads keep the step memory-bound at every batch");
    return closed_exists(ridge * m->s * m->p / surplus);
}

double closed_block_time(const struct closed_model *m, struct roof r, double batch, double cached,
                         double block)
{
    return closed_time_additive(m, r, batch, block, cached + block, cached + 2.0 * block);
}

double closed_block_tpf(double block, double steps)
{
    return block / (steps + 1.0);
}

double closed_block_x(const struct closed_model *m, struct roof r, double cached)
{
    return roof_ridge(r) * m->kappa * cached / (2.0 * m->p);
}

double closed_block_tpf_inf(const struct closed_model *m, struct roof r, double cached,
                            double block)
{
    double x = closed_block_x(m, r, cached);
    return (block + x) / (1.0 + x);
}

struct closed_value closed_block_crossover(const struct closed_model *m, struct roof r,
                                           double cached, double block, double tpf)
{
    if (tpf < 1.0) return closed_missing("AR is ahead at every batch");
    if (tpf >= closed_block_tpf_inf(m, r, cached, block))
        return closed_missing("block diffusion never loses, at any batch");
    double x = closed_block_x(m, r, cached);
    return closed_exists(tpf * closed_ridge_rows(m, r) / (block - (tpf - 1.0) * x));
}

struct closed_value closed_block_crossover_additive(const struct closed_model *m, struct roof r,
                                                    double cached, double block, double tpf,
                                                    double max_batch)
{
    /* AR is faster where a block forward takes longer than TPF of its own.  The ratio of
     * the two times never falls with the batch, so bisection finds the one crossing. */
    double lo = 1.0, hi = max_batch;
    if (closed_block_equal_tpf(m, r, lo, cached, block) >= tpf)
        return closed_missing("AR is ahead at every batch");
    if (closed_block_equal_tpf(m, r, hi, cached, block) < tpf)
        return closed_missing("block diffusion never loses, at any batch");
    for (int i = 0; i < 200 && hi - lo > 1e-9 * hi; i++) {
        double mid = 0.5 * (lo + hi);
        if (closed_block_equal_tpf(m, r, mid, cached, block) < tpf) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return closed_exists(0.5 * (lo + hi));
}

double closed_block_equal_tpf(const struct closed_model *m, struct roof r, double batch,
                              double cached, double block)
{
    return closed_block_time(m, r, batch, cached, block) / closed_ar_time(m, r, batch, cached);
}

double closed_block_speed(const struct closed_model *m, struct roof r, double batch,
                          double n_prompt, double n_gen, double block, double steps)
{
    double total = 0.0, n_blocks = floor(n_gen / block);
    for (double j = 0.0; j < n_blocks; j += 1.0)
        total += (steps + 1.0) * closed_block_time(m, r, batch, n_prompt + j * block, block);
    return n_blocks * ar_block_time(m, r, batch, n_prompt, n_gen, block) / total;
}

double closed_block_flop_per_token(const struct closed_model *m, double cached, double block,
                                   double tpf)
{
    return closed_block_flop(m, 1.0, cached, block) / tpf;
}

/* ---- verified drafts ---- */

double closed_verify_tpf(double n_drafted, double acceptance)
{
    if (acceptance >= 1.0) return n_drafted + 1.0;
    return (1.0 - pow(acceptance, n_drafted + 1.0)) / (1.0 - acceptance);
}

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
    return ar_block_time(m, r, batch, n_prompt, n_gen, block) / (refresh + (steps - 1.0) * reuse);
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
    return n_blocks * ar_block_time(m, r, batch, n_prompt, n_gen, block) / total;
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
