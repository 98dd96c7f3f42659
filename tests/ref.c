/* ref.c - the formulas, written for reading. */
#include "tests/ref.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/rng.h"

static const double pi = 3.14159265358979323846;

void ref_matmul(double *y, double *mag, const float *x, const float *w, const float *bias,
                int64_t n, int64_t m, int64_t k)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) {
            double sum = bias ? bias[j] : 0, abs_sum = fabs(sum);
            for (int64_t l = 0; l < k; l++) {
                double product = (double)x[i * k + l] * w[j * k + l];
                sum += product;
                abs_sum += fabs(product);
            }
            y[i * m + j] = sum;
            if (mag) mag[i * m + j] = abs_sum;
        }
}

void ref_rmsnorm(double *out, const float *x, const float *gain, int64_t n, int64_t d, double eps)
{
    for (int64_t i = 0; i < n; i++) {
        double square = 0;
        for (int64_t j = 0; j < d; j++) square += (double)x[i * d + j] * x[i * d + j];
        for (int64_t j = 0; j < d; j++)
            out[i * d + j] = x[i * d + j] / sqrt(square / (double)d + eps) * gain[j];
    }
}

/* Radians per position; the Llama 3.1 rule in terms of wavelengths. */
static double rope_frequency(const struct rope *r, int64_t j, int64_t d)
{
    double f = 1 / pow(r->base, 2.0 * (double)j / (double)d);
    if (r->factor == 0) return f;
    double wavelength = 2 * pi / f, low = 1, high = 4;
    if (wavelength < r->original / high) return f;
    if (wavelength > r->original / low) return f / r->factor;
    double smooth = (r->original / wavelength - low) / (high - low);
    return (1 - smooth) * f / r->factor + smooth * f;
}

void ref_rope(double *out, double *mag, const float *x, const int32_t *pos, int64_t n, int64_t h,
              int64_t d, const struct rope *r)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t head = 0; head < h; head++)
            for (int64_t j = 0; j < d / 2; j++) {
                int64_t at = (i * h + head) * d + j;
                double angle = pos[i] * rope_frequency(r, j, d);
                double a = x[at], b = x[at + d / 2], c = cos(angle), s = sin(angle);
                out[at] = a * c - b * s;
                out[at + d / 2] = a * s + b * c;
                if (mag) mag[at] = fabs(a * c) + fabs(b * s);
                if (mag) mag[at + d / 2] = fabs(a * s) + fabs(b * c);
            }
}

/* One query row and head over its visible keys. */
static void attend(double *out, double *mag, double *score_mag, const float *q, const float *keys,
                   const float *values, int64_t n_keys, int64_t d)
{
    double *p = malloc((size_t)n_keys * sizeof *p), max = -INFINITY, sum = 0;
    *score_mag = 0;
    for (int64_t j = 0; j < n_keys; j++) {
        double score = 0, abs_score = 0;
        for (int64_t l = 0; l < d; l++) {
            score += (double)q[l] * keys[j * d + l];
            abs_score += fabs((double)q[l] * keys[j * d + l]);
        }
        p[j] = score / sqrt((double)d);
        max = fmax(max, p[j]);
        *score_mag = fmax(*score_mag, abs_score / sqrt((double)d));
    }
    for (int64_t j = 0; j < n_keys; j++) {
        p[j] = exp(p[j] - max);
        sum += p[j];
    }
    for (int64_t l = 0; l < d; l++) {
        out[l] = mag[l] = 0;
        for (int64_t j = 0; j < n_keys; j++) {
            out[l] += p[j] / sum * values[j * d + l];
            mag[l] += p[j] / sum * fabs(values[j * d + l]);
        }
    }
    free(p);
}

void ref_attention(double *out, double *mag, double *score_mag, const float *q, const float *keys,
                   const float *values, const struct ref_attention_shape *s,
                   const struct span *spans, int32_t n_spans)
{
    for (int32_t i = 0; i < n_spans; i++)
        for (int64_t r = 0; r < spans[i].n_rows; r++)
            for (int64_t head = 0; head < s->h; head++) {
                const struct span *span = &spans[i];
                int64_t row = (span->row0 + r) * s->h + head, pos = span->pos0 + r;
                int64_t cache = (span->slot * s->hk + head * s->hk / s->h) * s->cap * s->d;
                /* Not span_visible: the masks as a table of which key each row may see. */
                int64_t n_keys = 0;
                for (int64_t key = 0; key < span->n_visible; key++) {
                    bool sees =
                        span->mask == MASK_FULL || (span->mask == MASK_CAUSAL && key <= pos) ||
                        (span->mask == MASK_BLOCK && key / span->block <= pos / span->block);
                    if (sees) n_keys = key + 1;
                }
                attend(out + row * s->d, mag + row * s->d, score_mag + row, q + row * s->d,
                       keys + cache, values + cache, n_keys, s->d);
            }
}

void ref_swiglu(double *out, const float *gate_up, int64_t n, int64_t f)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < f; j++) {
            double gate = gate_up[i * 2 * f + j], up = gate_up[i * 2 * f + f + j];
            out[i * f + j] = gate / (1 + exp(-gate)) * up;
        }
}

double ref_gumbel(const struct row_key *key, uint64_t seed, int32_t id)
{
    uint32_t counter[4] = {(uint32_t)id / 4, key->position, key->step, key->request};
    uint32_t word = philox4x32(counter, seed).word[id % 4];
    return -log(-log((word + 0.5) / 4294967296.0));
}

void ref_rowstat(struct ref_stat *out, const float *logits, int64_t v, const struct row_key *key,
                 const struct choice_rule *rule)
{
    double max = -INFINITY, sum = 0, best = -INFINITY, first = -INFINITY, second = -INFINITY;
    *out = (struct ref_stat){.id = -1, .margin = INFINITY};
    for (int64_t i = 0; i < v; i++) max = fmax(max, logits[i]);
    for (int64_t i = 0; i < v; i++) sum += exp(logits[i] - max);
    for (int64_t i = 0; i < v; i++) {
        double log_p = logits[i] - max - log(sum);
        if (logits[i] > -INFINITY) out->entropy_nats -= exp(log_p) * log_p;
        if (i >= rule->n_ids || i == rule->mask_id) continue;
        double value = logits[i];
        if (rule->temperature > 0)
            value = value / rule->temperature + ref_gumbel(key, rule->seed, (int32_t)i);
        if (out->id < 0 || value > best) {
            out->margin = value - best;
            best = value;
            out->id = (int32_t)i;
        } else if (best - value < out->margin) {
            out->margin = best - value;
        }
        if (logits[i] > first) {
            second = first;
            first = logits[i];
        } else if (logits[i] > second) {
            second = logits[i];
        }
    }
    out->confidence = exp(logits[out->id] - max) / sum;
    out->p_first = exp(first - max) / sum;
    out->p_second = exp(second - max) / sum;
}
