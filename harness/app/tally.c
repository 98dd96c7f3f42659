/* tally.c - see tally.h.
 *
 * With N draws of K possible sequences, E[sum f log f] exceeds sum p log p by (K - 1) / 2N to first
 * order (Miller 1955), and E[-log f] exceeds -log p by (1 - p) / 2Np.  Sequences rarer than 1 / N
 * contribute less: K is then between those that came out and all, and the limits reach over both.
 * Where both distributions are equal, 2 N times either plug-in divergence is chi-square with K - 1
 * degrees of freedom. */
#include "harness/app/tally.h"

#include <stdlib.h>

#include "harness/base/err.h"

enum { SEQUENCES_MAX = 4096, DRAWS_EACH = 20, COUNT_LEAST = 5 };

struct tally {
    int32_t n_symbols, length;
    int64_t n_sequences, n;
    int64_t *count;   /* owned [n_sequences] */
    double *log_true; /* owned [n_sequences] */
};

/* symbols^length; 0: more than can be listed. */
static int64_t sequences_of(const struct process *p, int32_t length)
{
    int64_t n = 1;
    for (int32_t i = 0; i < length && n; i++)
        n = n * p->n_symbols > SEQUENCES_MAX ? 0 : n * p->n_symbols;
    return n;
}

bool tally_covers(const struct process *p, int32_t length, int64_t n_samples)
{
    int64_t n = sequences_of(p, length);
    return n > 0 && n_samples / n >= DRAWS_EACH;
}

static enum err list_truth(struct tally *t, const struct process *p)
{
    struct process_view v;
    int32_t tokens[64];
    CHECK(t->length <= 64);
    TRY(process_view_create(&v, p, t->length));
    for (int64_t i = 0; i < t->n_sequences; i++) {
        int64_t rest = i;
        for (int32_t k = t->length - 1; k >= 0; k--, rest /= t->n_symbols)
            tokens[k] = (int32_t)(rest % t->n_symbols);
        t->log_true[i] = process_log_seen(&v, tokens, t->length);
    }
    process_view_free(&v);
    return ERR_NONE;
}

enum err tally_create(const struct process *p, int32_t length, struct tally **out)
{
    enum err e = ERR_NONE;
    struct tally *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t) return err_set(ERR_NOMEM, "no memory to count sequences");
    *t = (struct tally){p->n_symbols, length, sequences_of(p, length), 0, NULL, NULL};
    CHECK(t->n_sequences > 0);
    t->count = calloc((size_t)t->n_sequences, sizeof *t->count);
    t->log_true = calloc((size_t)t->n_sequences, sizeof *t->log_true);
    if (!t->count || !t->log_true)
        e = err_set(ERR_NOMEM, "no memory to count %lld sequences", (long long)t->n_sequences);
    if (e == ERR_NONE) e = list_truth(t, p);
    if (e == ERR_NONE)
        *out = t;
    else
        tally_free(t);
    return e;
}

void tally_free(struct tally *t)
{
    if (!t) return;
    free(t->count);
    free(t->log_true);
    free(t);
}

void tally_add(struct tally *t, const int32_t *tokens)
{
    int64_t i = 0;
    for (int32_t k = 0; k < t->length; k++) i = i * t->n_symbols + tokens[k];
    t->count[i]++;
    t->n++;
}

static struct estimate estimate_of(double value, double variance, const struct tally *t)
{
    double n = (double)t->n, k = (double)t->n_sequences;
    double half = 1.959964 * (sqrt(fmax(0, variance) / n) + sqrt(2 * (k - 1)) / (2 * n));
    return (struct estimate){value, value - half, value + half};
}

void tally_divergences(const struct tally *t, struct estimate *kl, struct estimate *reverse)
{
    double n = (double)t->n, k = (double)t->n_sequences;
    double forward = 0, squares = 0, backward = 0, bias = 0, weight = 0, seen = 0;
    bool all = true;
    for (int64_t i = 0; i < t->n_sequences; i++) {
        double f = (double)t->count[i] / n, p = exp(t->log_true[i]);
        all = all && t->count[i] >= COUNT_LEAST;
        if (t->count[i] == 0) continue;
        seen++;
        double ratio = log(f) - t->log_true[i];
        forward += f * ratio;
        squares += f * ratio * ratio;
        backward -= p * ratio;
        bias += p * (1 - f) / (2 * n * f);
        weight += p * p / f;
    }
    *kl = estimate_of(forward - (seen - 1) / (2 * n), squares - forward * forward, t);
    kl->lo -= (k - seen) / (2 * n);
    *reverse = all ? estimate_of(backward - bias, weight - 1, t) : (struct estimate){NAN, NAN, NAN};
}
