/* nelbo.c - masks, passes over what they leave, and the weighted sums of what is said. */
#include "diffusion/nelbo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

#define PI 3.14159265358979323846
#define LEFT_CLEAN 1e-3 /* log-linear: share that is not masked at time 1 */

static double linear_rate(double t)
{
    return t;
}

static double inverse(double t)
{
    return 1 / t;
}

static double log_linear_rate(double t)
{
    return (1 - LEFT_CLEAN) * t;
}

static double cosine_rate(double t)
{
    return 2 * sin(PI * t / 4) * sin(PI * t / 4); /* 1 - cos(pi t / 2) without cancellation */
}

static double cosine_weight(double t)
{
    return PI / 2 / tan(PI * t / 4);
}

static double sine_rate(double t)
{
    return sin(PI * t / 2);
}

static double sine_weight(double t)
{
    return PI / 2 / tan(PI * t / 2);
}

static double square_rate(double t)
{
    return t * t;
}

static double square_weight(double t)
{
    return 2 / t;
}

static const struct noise_schedule schedules[] = {
    {"linear", "rate t (LLaDA)", 1, linear_rate, inverse},
    {"log-linear", "rate 0.999 t, taken on to where it is 1 (SEDD, MDLM)", 1 / (1 - LEFT_CLEAN),
     log_linear_rate, inverse},
    {"cosine", "rate 1 - cos(pi t / 2) (MDLM)", 1, cosine_rate, cosine_weight},
    {"maskgit", "rate sin(pi t / 2)", 1, sine_rate, sine_weight},
    {"square", "rate t^2 (BD3-LM)", 1, square_rate, square_weight},
};
enum { N_SCHEDULES = sizeof schedules / sizeof schedules[0] };

const struct noise_schedule *noise_schedule_at(int32_t i)
{
    return i >= 0 && i < N_SCHEDULES ? &schedules[i] : NULL;
}

const char *nelbo_estimator_name(enum nelbo_estimator e)
{
    static const char *const names[] = {"chain", "time", "count"};
    return names[e];
}

struct nelbo {
    struct nelbo_spec spec;
    struct scorer *scorer; /* borrowed */
    int32_t length;
    int32_t *tokens;      /* owned [length]: a masked sequence                    */
    int32_t *open;        /* owned [length]: a block's positions to be judged, masked ones first */
    int32_t *row, *want;  /* owned [length]: logit rows and the tokens asked for  */
    struct row_key *keys; /* owned [length] */
    double *log_p;        /* owned [length] */
    struct pass_seq seq;
};

enum err nelbo_create(const struct nelbo_spec *s, struct scorer *scorer, struct nelbo **out)
{
    size_t length = (size_t)s->n_prompt + (size_t)s->n_gen;
    *out = NULL;
    if (s->n_prompt < 1 || s->n_gen < 1 || s->draws < 1)
        return err_set(ERR_USAGE, "n-prompt %d, n-gen %d, draws %d: want at least 1 of each",
                       s->n_prompt, s->n_gen, s->draws);
    if (s->block_length && length % (size_t)s->block_length)
        return err_set(ERR_USAGE, "n-prompt %d + n-gen %d is not a multiple of block-length %d",
                       s->n_prompt, s->n_gen, s->block_length);
    struct nelbo *n = calloc(1, sizeof *n);
    if (!n) return err_set(ERR_NOMEM, "bound: out of memory");
    n->spec = *s;
    n->scorer = scorer;
    n->length = (int32_t)length;
    n->tokens = calloc(length, sizeof *n->tokens);
    n->open = calloc(length, sizeof *n->open);
    n->row = calloc(length, sizeof *n->row);
    n->want = calloc(length, sizeof *n->want);
    n->keys = calloc(length, sizeof *n->keys);
    n->log_p = calloc(length, sizeof *n->log_p);
    if (n->tokens && n->open && n->row && n->want && n->keys && n->log_p) {
        *out = n;
        return ERR_NONE;
    }
    nelbo_free(n);
    return err_set(ERR_NOMEM, "bound of %zu tokens: out of memory", length);
}

void nelbo_free(struct nelbo *n)
{
    if (!n) return;
    free(n->tokens);
    free(n->open);
    free(n->row);
    free(n->want);
    free(n->keys);
    free(n->log_p);
    free(n);
}

/* Add a row to the pass to come: of a span from pos0, the one that decides `position`. */
static void ask(struct nelbo *n, int32_t pos0, int32_t row, int32_t position, int32_t token)
{
    int32_t i = n->seq.n_logits++;
    CHECK(row >= 0);
    n->row[i] = row;
    n->want[i] = token;
    n->keys[i] = (struct row_key){0, (uint32_t)position, 0};
}

/* Run the pass over [pos0, end) of tokens and add weight times the -log p of what was asked. */
static enum err run(struct nelbo *n, const int32_t *tokens, struct span span, bool keep,
                    double weight, double *nats)
{
    span.n_visible = span.pos0 + span.n_rows;
    span.block = n->spec.block_length;
    n->seq.span = span;
    n->seq.tokens = tokens + span.pos0;
    n->seq.logit_row = n->row;
    n->seq.n_kept = keep ? span.n_rows : 0;
    struct pass p = {keep ? PHASE_COMMIT : PHASE_DENOISE, 1, &n->seq};
    TRY(scorer_score(n->scorer, &p, n->keys, n->want, n->log_p));
    for (int32_t i = 0; i < n->seq.n_logits; i++) *nats -= weight * n->log_p[i];
    n->seq.n_logits = 0;
    return ERR_NONE;
}

static enum err chain(struct nelbo *n, const int32_t *tokens, double *nats)
{
    for (int32_t pos = n->spec.n_prompt; pos < n->length; pos++)
        ask(n, 0, pos - 1, pos, tokens[pos]);
    return run(n, tokens, (struct span){.n_rows = n->length, .mask = MASK_CAUSAL}, false, 1, nats);
}

/* Random numbers of one position in one draw of a block; of the block as a whole for i = -1. */
static struct philox numbers(const struct nelbo *n, uint32_t request, int32_t block, int32_t draw,
                             int32_t i)
{
    enum { STREAM_NELBO = 0x7ffffe00 };
    uint32_t counter[4] = {(uint32_t)i, (uint32_t)draw, STREAM_NELBO, request};
    return philox4x32(counter, mix64(n->spec.seed + ((uint64_t)block << 32)));
}

static double uniform(const struct philox *r)
{
    uint64_t w = (uint64_t)r->word[0] << 32 | r->word[1];
    return ((double)(w >> 11) + 0.5) * 0x1p-53;
}

static void swap(int32_t *x, int32_t i, int32_t j)
{
    int32_t was = x[i];
    x[i] = x[j];
    x[j] = was;
}

/* Mask so many of the open positions. */
static void mask_count(struct nelbo *n, int32_t n_open, int32_t n_masked, uint32_t request,
                       int32_t block, int32_t draw)
{
    for (int32_t i = 0; i < n_masked; i++) {
        struct philox r = numbers(n, request, block, draw, i);
        swap(n->open, i, i + (int32_t)rng_below(r.word[2], (uint32_t)(n_open - i)));
    }
}

/* Mask one of them and each other one at a rate.  Returns how many are. */
static int32_t mask_rate(struct nelbo *n, int32_t n_open, double rate, uint32_t request,
                         int32_t block, int32_t draw)
{
    int32_t n_masked = 1;
    mask_count(n, n_open, 1, request, block, draw);
    for (int32_t i = 1; i < n_open; i++) {
        struct philox r = numbers(n, request, block, draw, i);
        if (uniform(&r) < rate) swap(n->open, n_masked++, i);
    }
    return n_masked;
}

/* Mask some of the n_open open positions, which come first in open[] afterwards.  Returns their
 * number and the weight of what is said about them. */
static int32_t choose_masks(struct nelbo *n, int32_t n_open, uint32_t request, int32_t block,
                            int32_t draw, double *weight)
{
    struct philox r = numbers(n, request, block, 0, -1);
    double u = uniform(&r) + (double)draw / n->spec.draws;
    int32_t n_masked;
    u -= floor(u);
    if (n->spec.estimator == NELBO_COUNT) {
        n_masked = 1 + (int32_t)(u * n_open);
        if (n_masked > n_open) n_masked = n_open; /* u * n_open rounded up */
        mask_count(n, n_open, n_masked, request, block, draw);
        *weight = (double)n_open / n_masked;
        return n_masked;
    }
    const struct noise_schedule *s = n->spec.schedule;
    double t = u * s->end, rate = s->rate(t);
    n_masked = mask_rate(n, n_open, rate, request, block, draw);
    *weight = s->end * s->weight(t) * rate * n_open / n_masked;
    return n_masked;
}

static int ascending(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Add the mean over draws of one block's bound: of positions [first, end), in passes over
 * [pos0, end). */
static enum err block_bound(struct nelbo *n, const int32_t *clean, uint32_t request, int32_t block,
                            int32_t pos0, int32_t first, int32_t end, double *nats)
{
    struct span span = {.pos0 = pos0, .n_rows = end - pos0, .mask = MASK_FULL};
    int32_t n_open = end - first;
    for (int32_t draw = 0; n_open > 0 && draw < n->spec.draws; draw++) {
        double weight;
        for (int32_t i = 0; i < n_open; i++) n->open[i] = first + i;
        int32_t n_masked = choose_masks(n, n_open, request, block, draw, &weight);
        qsort(n->open, (size_t)n_masked, sizeof *n->open, ascending);
        memcpy(n->tokens, clean, (size_t)n->length * sizeof *clean);
        for (int32_t i = 0; i < n_masked; i++) {
            int32_t pos = n->open[i];
            n->tokens[pos] = n->scorer->config.mask_id;
            ask(n, pos0, pos - pos0 - n->spec.shifted, pos, clean[pos]);
        }
        TRY(run(n, n->tokens, span, false, weight / n->spec.draws, nats));
    }
    return ERR_NONE;
}

/* Keep a clean span; with a shifted head its last row decides the token after it. */
static enum err commit(struct nelbo *n, const int32_t *tokens, int32_t pos0, int32_t end,
                       double *nats)
{
    struct span span = {.pos0 = pos0, .n_rows = end - pos0, .mask = pos0 ? MASK_FULL : MASK_BLOCK};
    if (n->spec.shifted && end < n->length && end >= n->spec.n_prompt)
        ask(n, pos0, end - pos0 - 1, end, tokens[end]);
    return run(n, tokens, span, true, 1, nats);
}

static enum err blocks(struct nelbo *n, const int32_t *tokens, uint32_t request, double *nats)
{
    int32_t size = n->spec.block_length, begin = n->spec.n_prompt / size * size;
    if (begin) TRY(commit(n, tokens, 0, begin, nats));
    for (; begin < n->length; begin += size) {
        bool decided = n->spec.shifted && begin >= n->spec.n_prompt; /* its first token is */
        int32_t first = begin + decided;
        if (first < n->spec.n_prompt) first = n->spec.n_prompt;
        TRY(block_bound(n, tokens, request, begin / size, begin, first, begin + size, nats));
        TRY(commit(n, tokens, begin, begin + size, nats));
    }
    return ERR_NONE;
}

enum err nelbo_estimate(struct nelbo *n, const int32_t *tokens, uint32_t request, double *nats)
{
    *nats = 0;
    scorer_clear(n->scorer);
    if (n->spec.estimator == NELBO_CHAIN) return chain(n, tokens, nats);
    if (n->spec.block_length) return blocks(n, tokens, request, nats);
    return block_bound(n, tokens, request, 0, 0, n->spec.n_prompt, n->length, nats);
}
