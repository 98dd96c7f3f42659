/* closed_form_block.c - block diffusion; see closed_form.h. */
#include "roofline/closed_form.h"

#include <math.h>
#include <stddef.h>

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

double closed_block_fused_tpf(double block, double steps)
{
    return block / steps;
}

double closed_block_fused_gain(const struct closed_model *m, struct roof r, double batch,
                               double cached, double block, double steps)
{
    double one = closed_block_time(m, r, batch, cached, block);
    /* Of 2 b rows only the masked ones have logits.  The clean ones see C positions, the masked
     * ones C + b; all are written. */
    double linear = roof_time(r, 2.0 * batch * block * (2.0 * m->p_lin + m->p_head), m->s * m->p);
    double attention = roof_time(r, batch * m->a * block * (2.0 * cached + block),
                                 batch * m->kappa * (cached + 3.0 * block));
    double both = linear + attention;
    /* A commit by itself has no logits and does not stream the head. */
    struct closed_model body = *m;
    body.p = m->p_lin;
    double commit = closed_block_time(&body, r, batch, cached - block, block);
    return (commit + steps * one) / (both + (steps - 1.0) * one);
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

struct closed_value closed_block_crossover_of(const struct closed_model *m, struct roof r,
                                              double cached, double block, double tpf,
                                              double copies)
{
    if (tpf < 1.0) return closed_missing("AR is ahead at every batch");
    if (tpf >= copies * closed_block_tpf_inf(m, r, cached, block))
        return closed_missing("block diffusion never loses, at any batch");
    double x = closed_block_x(m, r, cached);
    return closed_exists(tpf * closed_ridge_rows(m, r) / (copies * block - (tpf - copies) * x));
}

struct closed_value closed_block_crossover(const struct closed_model *m, struct roof r,
                                           double cached, double block, double tpf)
{
    return closed_block_crossover_of(m, r, cached, block, tpf, 1.0);
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
    return closed_ar_request_time(m, r, batch, n_prompt, n_gen, n_blocks * block) / total;
}

double closed_block_flop_per_token(const struct closed_model *m, double cached, double block,
                                   double tpf)
{
    return closed_block_flop(m, 1.0, cached, block) / tpf;
}
