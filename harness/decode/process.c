/* process.c - the forward-backward recursion, scaled at every step. */
#include "harness/decode/process.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

enum err process_view_create(struct process_view *v, const struct process *p, int32_t capacity)
{
    size_t n = (size_t)capacity;
    *v = (struct process_view){.process = p, .capacity = capacity};
    v->tokens = calloc(n, sizeof *v->tokens);
    v->before = calloc(n * (size_t)p->n_states, sizeof *v->before);
    v->after = calloc(n * (size_t)p->n_states, sizeof *v->after);
    if (v->tokens && v->before && v->after) return ERR_NONE;
    process_view_free(v);
    return err_set(ERR_NOMEM, "process %s: %d positions: out of memory", p->name, capacity);
}

void process_view_free(struct process_view *v)
{
    free(v->tokens);
    free(v->before);
    free(v->after);
    *v = (struct process_view){0};
}

static bool is_symbol(const struct process *p, int32_t token)
{
    return token >= 0 && token < p->n_symbols;
}

/* How well a state explains what is seen at position i. */
static double evidence(const struct process_view *v, int32_t i, int32_t state)
{
    const struct process *p = v->process;
    if (!v->noisy) return is_symbol(p, v->tokens[i]) ? p->emission[state][v->tokens[i]] : 1;
    double sum = 0;
    for (int32_t x = 0; x < p->n_symbols; x++)
        sum += p->emission[state][x] * v->noisy[(size_t)i * p->n_symbols + x];
    return sum;
}

/* next[t] = sum over s of now[s] transition[s][t]. */
static void advance(const struct process *p, const double *now, double *next)
{
    for (int32_t t = 0; t < p->n_states; t++) {
        double sum = 0;
        for (int32_t s = 0; s < p->n_states; s++) sum += now[s] * p->transition[s][t];
        next[t] = sum;
    }
}

/* Divide by the sum, which is returned. */
static double normalize(double *x, int32_t n)
{
    double sum = 0;
    for (int32_t i = 0; i < n; i++) sum += x[i];
    CHECK(sum > 0);
    for (int32_t i = 0; i < n; i++) x[i] /= sum;
    return sum;
}

/* p(state at i | seen up to i), and the probability of what is seen at i given that before. */
static double filter(const struct process_view *v, int32_t i, double *state)
{
    const struct process *p = v->process;
    const double *before = v->before + (size_t)i * p->n_states;
    for (int32_t s = 0; s < p->n_states; s++) state[s] = before[s] * evidence(v, i, s);
    return normalize(state, p->n_states);
}

static void read_forward(struct process_view *v)
{
    const struct process *p = v->process;
    double state[PROCESS_MAX_STATES];
    v->log_seen = 0;
    for (int32_t i = 0; i < v->n; i++) {
        double *before = v->before + (size_t)i * p->n_states;
        if (i == 0)
            memcpy(before, p->initial, (size_t)p->n_states * sizeof *before);
        else
            advance(p, state, before);
        double seen = filter(v, i, state);
        if (!v->noisy && is_symbol(p, v->tokens[i])) v->log_seen += log(seen);
    }
}

static void read_backward(struct process_view *v)
{
    const struct process *p = v->process;
    for (int32_t i = v->n - 1; i >= 0; i--) {
        double *after = v->after + (size_t)i * p->n_states;
        if (i == v->n - 1) {
            for (int32_t s = 0; s < p->n_states; s++) after[s] = 1;
            continue;
        }
        const double *next = after + p->n_states;
        for (int32_t s = 0; s < p->n_states; s++) {
            double sum = 0;
            for (int32_t t = 0; t < p->n_states; t++)
                sum += p->transition[s][t] * evidence(v, i + 1, t) * next[t];
            after[s] = sum;
        }
        normalize(after, p->n_states);
    }
}

void process_read(struct process_view *v, const int32_t *tokens, int32_t n)
{
    CHECK(n >= 0 && n <= v->capacity);
    if (n) memcpy(v->tokens, tokens, (size_t)n * sizeof *tokens);
    v->n = n;
    v->noisy = NULL;
    read_forward(v);
    read_backward(v);
}

void process_read_noisy(struct process_view *v, const double *likelihood, int32_t n)
{
    CHECK(n >= 0 && n <= v->capacity);
    v->n = n;
    v->noisy = likelihood;
    read_forward(v);
    read_backward(v);
}

double process_log_seen(struct process_view *v, const int32_t *tokens, int32_t n)
{
    CHECK(n >= 0 && n <= v->capacity);
    if (n) memcpy(v->tokens, tokens, (size_t)n * sizeof *tokens);
    v->n = n;
    v->noisy = NULL;
    read_forward(v);
    return v->log_seen;
}

/* Weights of the states at a position of which nothing is seen. */
static void states_at(const struct process_view *v, int32_t position, double *state)
{
    const struct process *p = v->process;
    size_t size = (size_t)p->n_states * sizeof *state;
    if (position < v->n) {
        for (int32_t s = 0; s < p->n_states; s++)
            state[s] = v->before[(size_t)position * p->n_states + s] *
                       v->after[(size_t)position * p->n_states + s];
        return;
    }
    int32_t at = 0;
    if (v->n == 0) {
        memcpy(state, p->initial, size);
    } else {
        filter(v, v->n - 1, state);
        at = v->n - 1;
    }
    for (double next[PROCESS_MAX_STATES]; at < position; at++) {
        advance(p, state, next);
        memcpy(state, next, size);
    }
}

void process_state(struct process_view *v, const int32_t *tokens, int32_t n, double *state)
{
    process_log_seen(v, tokens, n);
    states_at(v, n, state);
}

void process_posterior(const struct process_view *v, int32_t position, double *out)
{
    const struct process *p = v->process;
    double state[PROCESS_MAX_STATES];
    bool noisy = v->noisy && position < v->n;
    if (!v->noisy && position < v->n && is_symbol(p, v->tokens[position])) {
        for (int32_t x = 0; x < p->n_symbols; x++) out[x] = x == v->tokens[position];
        return;
    }
    states_at(v, position, state);
    for (int32_t x = 0; x < p->n_symbols; x++) {
        out[x] = 0;
        for (int32_t s = 0; s < p->n_states; s++) out[x] += state[s] * p->emission[s][x];
        if (noisy) out[x] *= v->noisy[(size_t)position * p->n_symbols + x];
    }
    normalize(out, p->n_symbols);
}

/* The index whose part of [0, 1) a number falls into. */
static int32_t draw(const double *p, int32_t n, double u)
{
    for (int32_t i = 0; i < n - 1; i++) {
        if (u < p[i]) return i;
        u -= p[i];
    }
    return n - 1;
}

void process_sample(struct process_view *v, uint64_t seed, uint32_t request, int32_t first,
                    int32_t *tokens, int32_t n)
{
    enum { STREAM_TRUTH = 7 };
    const struct process *p = v->process;
    double state[PROCESS_MAX_STATES], next[PROCESS_MAX_STATES], symbol[PROCESS_MAX_SYMBOLS];
    process_log_seen(v, tokens, first);
    if (first > 0) filter(v, first - 1, state);
    for (int32_t i = first; i < n; i++) {
        uint32_t counter[4] = {(uint32_t)i, 0, STREAM_TRUTH, request};
        struct philox r = philox4x32(counter, seed);
        double u = ((double)r.word[0] + (double)r.word[1] * 0x1p-32) * 0x1p-32;
        if (i == 0)
            memcpy(next, p->initial, sizeof next);
        else
            advance(p, state, next);
        for (int32_t x = 0; x < p->n_symbols; x++) {
            symbol[x] = 0;
            for (int32_t s = 0; s < p->n_states; s++) symbol[x] += next[s] * p->emission[s][x];
        }
        tokens[i] = draw(symbol, p->n_symbols, u);
        for (int32_t s = 0; s < p->n_states; s++) state[s] = next[s] * p->emission[s][tokens[i]];
        normalize(state, p->n_states);
    }
}
