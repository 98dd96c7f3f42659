/* closed_form.c - any forward, autoregressive and full-sequence decoding; see closed_form.h. */
#include "roofline/closed_form.h"

#include <math.h>
#include <stddef.h>

static double size_of(enum dtype d)
{
    if (d == DTYPE_INT8) return 1.0 + 1.0 / INT8_GROUP;
    return d == DTYPE_BF16 ? 2.0 : 4.0;
}

struct closed_value closed_exists(double value)
{
    return (struct closed_value){.exists = true, .value = value, .why = NULL};
}

struct closed_value closed_missing(const char *why)
{
    return (struct closed_value){.exists = false, .value = NAN, .why = why};
}

double closed_ridge_rows(const struct closed_model *m, struct roof r)
{
    return roof_ridge(r) * m->s / 2.0;
}

struct closed_model closed_model_of(const struct model_config *c, enum dtype weights, enum dtype kv)
{
    double n = c->n_layer, d = c->d_model, f = c->d_ff;
    double q_width = (double)c->n_head * c->d_head, kv_width = (double)c->n_kv_head * c->d_head;
    struct closed_model m = {
        .p_lin = n * (2.0 * d * q_width + 2.0 * d * kv_width + 3.0 * d * f),
        .p_head = (double)c->n_vocab * d,
        .s = size_of(weights),
        .kappa = 2.0 * kv_width * n * size_of(kv),
        .a = 4.0 * q_width * n,
        .group = (double)c->n_head / c->n_kv_head,
    };
    m.p = m.p_lin + m.p_head;
    return m;
}

/* ---- any forward ---- */

double closed_flop(const struct closed_model *m, double batch, double q, double visible,
                   double logit_rows)
{
    return batch * (2.0 * q * m->p_lin + 2.0 * logit_rows * m->p_head + m->a * q * visible);
}

double closed_bytes(const struct closed_model *m, double batch, double read, double written,
                    double logit_rows)
{
    double weights = m->p_lin + (logit_rows > 0.0 ? m->p_head : 0.0);
    return m->s * weights + batch * m->kappa * (read + written);
}

double closed_activation_bytes(const struct model_config *c, enum dtype activation)
{
    double kv_width = (double)c->n_kv_head * c->d_head;
    return c->n_layer * size_of(activation) * (20.0 * c->d_model + 4.0 * kv_width + 6.0 * c->d_ff);
}

double closed_activation_bytes_fused(const struct model_config *c, enum dtype activation)
{
    return c->n_layer * size_of(activation) * (8.0 * c->d_model + 2.0 * c->d_ff);
}

double closed_time_additive(const struct closed_model *m, struct roof r, double batch, double q,
                            double visible, double moved)
{
    double linear = roof_time(r, 2.0 * batch * q * m->p, m->s * m->p);
    double attention = roof_time(r, batch * m->a * q * visible, batch * m->kappa * moved);
    return linear + attention;
}

/* ---- autoregressive ---- */

double closed_ar_flop(const struct closed_model *m, double batch, double len)
{
    return closed_flop(m, batch, 1.0, len, 1.0);
}

double closed_ar_bytes(const struct closed_model *m, double batch, double len)
{
    return closed_bytes(m, batch, len, 1.0, 1.0);
}

double closed_ar_intensity(const struct closed_model *m, double batch, double len)
{
    return closed_ar_flop(m, batch, len) / (m->s * m->p + batch * m->kappa * len);
}

double closed_ar_intensity_limit(const struct closed_model *m, double len)
{
    return len > 0.0 ? (2.0 * m->p + m->a * len) / (m->kappa * len) : INFINITY;
}

struct closed_value closed_ar_ridge_batch(const struct closed_model *m, struct roof r, double len)
{
    /* B (2P + a L) = R (s P + B kappa L), solved for B. */
    double ridge = roof_ridge(r);
    double surplus = 2.0 * m->p + m->a * len - ridge * m->kappa * len;
    if (surplus <= 0.0)
        return closed_missing("K/V reads keep the step memory-bound at every batch");
    return closed_exists(ridge * m->s * m->p / surplus);
}

struct closed_value closed_ar_max_len(const struct closed_model *m, struct roof r)
{
    double excess = roof_ridge(r) * m->kappa - m->a;
    if (excess <= 0.0)
        return closed_missing("attention alone lies beyond the ridge, at any context");
    return closed_exists(2.0 * m->p / excess);
}

double closed_ar_time(const struct closed_model *m, struct roof r, double batch, double len)
{
    return closed_time_additive(m, r, batch, 1.0, len, len);
}

double closed_ar_request_time(const struct closed_model *m, struct roof r, double batch,
                              double n_prompt, double n_gen, double n_tokens)
{
    return n_tokens * closed_ar_time(m, r, batch, n_prompt + n_gen / 2.0);
}

/* ---- full-sequence diffusion ---- */

double closed_full_flop(const struct closed_model *m, double batch, double len, double logit_rows)
{
    return closed_flop(m, batch, len, len, logit_rows);
}

double closed_full_bytes(const struct closed_model *m, double batch, double len)
{
    return closed_bytes(m, batch, len, len, len);
}

double closed_full_intensity(const struct closed_model *m, double batch, double len)
{
    return closed_full_flop(m, batch, len, len) / closed_full_bytes(m, batch, len);
}

struct closed_value closed_full_ridge_batch(const struct closed_model *m, struct roof r, double len)
{
    /* B L (2P + a L) = R (s P + 2 B kappa L), solved for B. */
    double ridge = roof_ridge(r);
    double surplus = len * (2.0 * m->p + m->a * len) - 2.0 * ridge * m->kappa * len;
    if (surplus <= 0.0)
        return closed_missing("K/V traffic keeps the step memory-bound at every batch");
    return closed_exists(ridge * m->s * m->p / surplus);
}

double closed_full_equal_steps(const struct closed_model *m, struct roof r, double batch,
                               double n_prompt, double n_gen)
{
    /* Both times in units of streaming the weights once. */
    double rows = closed_ridge_rows(m, r);
    double len = n_prompt + n_gen, mean_len = n_prompt + n_gen / 2.0;
    double ar = fmax(1.0, batch / rows) + batch * m->kappa * mean_len / (m->s * m->p);
    double full = fmax(1.0, batch * len / rows) + batch * len * (m->a * len / (2.0 * m->p)) / rows;
    return n_gen * ar / full;
}

double closed_full_equal_steps_lumped(const struct closed_model *m, struct roof r, double batch,
                                      double n_prompt, double n_gen)
{
    double len = n_prompt + n_gen, mean_len = n_prompt + n_gen / 2.0;
    double ar =
        roof_time(r, closed_ar_flop(m, batch, mean_len), closed_ar_bytes(m, batch, mean_len));
    double full =
        roof_time(r, closed_full_flop(m, batch, len, len), closed_full_bytes(m, batch, len));
    return n_gen * ar / full;
}

double closed_full_equal_tpf(const struct closed_model *m, struct roof r, double batch,
                             double n_prompt, double n_gen)
{
    return n_gen / closed_full_equal_steps(m, r, batch, n_prompt, n_gen);
}

double closed_full_flop_per_token(const struct closed_model *m, double n_prompt, double n_gen,
                                  double steps)
{
    double len = n_prompt + n_gen;
    return steps * closed_full_flop(m, 1.0, len, len) / n_gen;
}
