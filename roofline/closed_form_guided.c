/* closed_form_guided.c - classifier-free guidance; see closed_form.h. */
#include "roofline/closed_form.h"

#include <math.h>

static struct closed_value halved(struct closed_value v)
{
    v.value /= 2.0;
    return v;
}

struct closed_value closed_guided_full_ridge_batch(const struct closed_model *m, struct roof r,
                                                   double len)
{
    return halved(closed_full_ridge_batch(m, r, len));
}

struct closed_value closed_guided_block_ridge_batch(const struct closed_model *m, struct roof r,
                                                    double cached, double block)
{
    return halved(closed_block_ridge_batch(m, r, cached, block));
}

/* An AR step in units of streaming the weights once, as closed_full_equal_steps has it. */
static double ar_units(const struct closed_model *m, struct roof r, double batch, double mean_len)
{
    return fmax(1.0, batch / closed_ridge_rows(m, r)) + batch * m->kappa * mean_len / (m->s * m->p);
}

double closed_guided_equal_steps(const struct closed_model *m, struct roof r, double batch,
                                 double n_prompt, double n_gen)
{
    double mean_len = n_prompt + n_gen / 2.0;
    /* Against an AR batch of 2 B, brought back to one of B. */
    return closed_full_equal_steps(m, r, 2.0 * batch, n_prompt, n_gen) *
           ar_units(m, r, batch, mean_len) / ar_units(m, r, 2.0 * batch, mean_len);
}

double closed_guided_block_equal_tpf(const struct closed_model *m, struct roof r, double batch,
                                     double cached, double block)
{
    return closed_block_time(m, r, 2.0 * batch, cached, block) /
           closed_ar_time(m, r, batch, cached);
}

double closed_guided_block_tpf_inf(const struct closed_model *m, struct roof r, double cached,
                                   double block)
{
    return 2.0 * closed_block_tpf_inf(m, r, cached, block);
}

struct closed_value closed_guided_block_crossover(const struct closed_model *m, struct roof r,
                                                  double cached, double block, double tpf)
{
    return closed_block_crossover_of(m, r, cached, block, tpf, 2.0);
}
