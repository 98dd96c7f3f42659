/* law.c - sums over the sets that a block's tokens can be revealed in. */
#include "diffusion/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/canvas_law.h"
#include "harness/decode/exact.h"

enum { MAX_MASKS = LAW_MAX_MASKS, MAX_SYMBOLS = PROCESS_MAX_SYMBOLS };

struct law {
    struct law_spec spec;
    const struct strategy_ops *strategy;
    const struct process *process;
    struct process local;     /* the process from a block's first position on    */
    struct process_view all;  /* of whole sequences                              */
    struct process_view view; /* of a block, on local                            */
    struct canvas_law *chain; /* owned; NULL unless what is revealed may be taken back */
    double *reached;          /* owned [2^masks]: probability that these are the revealed ones,
                                 with their tokens                               */
    double *next;             /* owned [2^masks]: after the step                 */

    /* the block */
    const int32_t *tokens; /* from its first position on                      */
    int32_t size;          /* positions                                       */
    int32_t n_masks, mask[MAX_MASKS];

    /* a state: what is masked in it, and what is drawn there */
    int32_t n_open, open[MAX_MASKS], open_bit[MAX_MASKS];
    double drawn[MAX_MASKS][MAX_SYMBOLS]; /* with which probability      */
    struct row_stat stat[MAX_MASKS];      /* with the block's own token drawn */
    double score[MAX_MASKS][MAX_SYMBOLS]; /* with any token drawn        */
};

static int32_t largest_block(const struct law_spec *s)
{
    return s->decode->block_length ? s->decode->block_length : s->decode->n_gen;
}

bool law_covers(const struct law_spec *s, const struct process *p)
{
    if (strategy_of(s->decode->strategy)->revises)
        return canvas_law_covers(s->decode, largest_block(s), p->n_symbols);
    return s->decode->strategy != STRATEGY_ANCESTRAL && s->decode->batch_policy == BATCH_LOCKSTEP &&
           largest_block(s) <= MAX_MASKS;
}

enum err law_create(const struct law_spec *s, const struct process *p, struct law **out)
{
    enum err e = ERR_NONE;
    size_t states = (size_t)1 << largest_block(s);
    CHECK(law_covers(s, p));
    *out = NULL;
    struct law *l = calloc(1, sizeof *l);
    if (!l) return err_set(ERR_NOMEM, "law of a strategy: out of memory");
    l->spec = *s;
    l->strategy = strategy_of(s->decode->strategy);
    l->process = p;
    l->local = *p;
    l->reached = calloc(states, sizeof *l->reached);
    l->next = calloc(states, sizeof *l->next);
    if (!l->reached || !l->next) TRY_OUT(err_set(ERR_NOMEM, "law of a strategy: out of memory"));
    if (l->strategy->revises)
        TRY_OUT(canvas_law_create(s->decode, largest_block(s), &l->local, &l->chain));
    TRY_OUT(process_view_create(&l->all, p, s->decode->n_prompt + s->decode->n_gen));
    TRY_OUT(process_view_create(&l->view, &l->local, largest_block(s)));
    *out = l;
    return ERR_NONE;
out:
    law_free(l);
    return e;
}

void law_free(struct law *l)
{
    if (!l) return;
    canvas_law_free(l->chain);
    process_view_free(&l->all);
    process_view_free(&l->view);
    free(l->reached);
    free(l->next);
    free(l);
}

/* The score of an open position when x is drawn there: it depends on no other. */
static double score_of(const struct law *l, int32_t j, const double *p, int32_t x)
{
    struct row_stat stat[MAX_MASKS];
    struct strategy_view v = {
        .spec = l->spec.decode, .n = l->n_open, .position = l->open, .stat = stat};
    stat[j] = exact_stat_of(p, l->process->n_symbols, x);
    return l->strategy->score(&v, j);
}

/* The state in which the positions mask[i] of the bits are revealed. */
static void enter(struct law *l, uint32_t revealed)
{
    int32_t seen[MAX_MASKS], V = l->process->n_symbols;
    memcpy(seen, l->tokens, (size_t)l->size * sizeof *seen);
    l->n_open = 0;
    for (int32_t i = 0; i < l->n_masks; i++) {
        if (revealed >> i & 1) continue;
        seen[l->mask[i]] = V;
        l->open[l->n_open] = l->mask[i];
        l->open_bit[l->n_open++] = i;
    }
    process_read(&l->view, seen, l->size);
    for (int32_t j = 0; j < l->n_open; j++) {
        double p[MAX_SYMBOLS];
        process_posterior(&l->view, l->open[j], p);
        exact_temper(p, V, (double)l->spec.decode->temperature, l->drawn[j]);
        l->stat[j] = exact_stat_of(p, V, l->tokens[l->open[j]]);
        for (int32_t x = 0; x < V; x++) l->score[j][x] = score_of(l, j, p, x);
    }
}

static bool is_random(const struct law *l)
{
    enum strategy s = l->spec.decode->strategy;
    return s == STRATEGY_RANDOM || s == STRATEGY_FIRST_HITTING;
}

/* Whether position `at`, with its score, ranks behind r. */
static bool ranks_behind(double score, int32_t at, const struct ranked *r)
{
    return score < r->score || (score == r->score && at > r->at);
}

/* The probability that, set C being drawn as the block has it, the draws at the others leave the
 * strategy to reveal C: each by itself must rank behind all of C and not be counted in.  A count
 * goes down the ranks to the first that fails, so no other draw matters. */
static double others_stay(const struct law *l, const struct strategy_view *v, uint32_t set)
{
    struct ranked r[MAX_MASKS];
    int32_t n = 0;
    double product = 1;
    for (int32_t j = 0; j < l->n_open; j++) {
        if (!(set >> j & 1)) continue;
        struct ranked own = {l->score[j][l->tokens[l->open[j]]], j};
        int32_t i = n++;
        for (; i > 0 && ranks_behind(r[i - 1].score, r[i - 1].at, &own); i--) r[i] = r[i - 1];
        r[i] = own;
    }
    for (int32_t i = n; i < v->n; i++) r[i] = (struct ranked){-INFINITY, i};
    if (n == l->n_open) return l->strategy->count(v, r) == n;
    for (int32_t j = 0; j < l->n_open && product > 0; j++) {
        if (set >> j & 1) continue;
        double stays = 0;
        for (int32_t x = 0; x < l->process->n_symbols; x++) {
            r[n] = (struct ranked){l->score[j][x], j};
            if (ranks_behind(r[n].score, j, &r[n - 1]) && l->strategy->count(v, r) == n)
                stays += l->drawn[j][x];
        }
        product *= stays;
    }
    return product;
}

static double choose(int32_t n, int32_t k)
{
    double c = 1;
    for (int32_t i = 1; i <= k; i++) c = c * (n - k + i) / i;
    return c;
}

static int32_t bits(uint32_t set)
{
    return __builtin_popcount(set);
}

/* One forward from a state reached with probability p. */
static void move_on(struct law *l, uint32_t state, double p, int32_t quota, double *to)
{
    enter(l, state);
    struct strategy_view v = {.spec = l->spec.decode,
                              .n_steps = l->spec.decode->steps,
                              .quota = quota < l->n_open ? quota : l->n_open,
                              .n = l->n_open,
                              .position = l->open,
                              .stat = l->stat};
    for (uint32_t set = 1; set < 1u << l->n_open; set++) {
        double q = p;
        uint32_t bit = 0;
        int32_t n = bits(set);
        if (n < v.quota || (n > v.quota && !l->strategy->adaptive)) continue;
        q *= is_random(l) ? 1 / choose(l->n_open, n) : others_stay(l, &v, set);
        for (int32_t j = 0; j < l->n_open && q > 0; j++) {
            if (!(set >> j & 1)) continue;
            q *= l->drawn[j][l->tokens[l->open[j]]];
            bit |= 1u << l->open_bit[j];
        }
        if (q > 0) to[state | bit] += q;
    }
}

/* Revealed sets only grow, and grow as numbers too: where every forward has the same quota, one
 * walk up the numbers meets each state when all ways into it are summed. */
static double sum_of_orders(struct law *l)
{
    const struct decode_spec *s = l->spec.decode;
    uint32_t full = (1u << l->n_masks) - 1;
    size_t size = ((size_t)full + 1) * sizeof *l->reached;
    int32_t scheduled = l->n_masks;
    memset(l->reached, 0, size);
    l->reached[0] = 1;
    if (s->steps >= l->n_masks || s->strategy == STRATEGY_FIRST_HITTING) {
        for (uint32_t a = 0; a < full; a++)
            if (l->reached[a] > 0) move_on(l, a, l->reached[a], 1, l->reached);
        return l->reached[full];
    }
    double done = 0;
    for (int32_t step = 0; step < s->steps; step++) {
        int32_t left = schedule_left(s->schedule, l->n_masks, s->steps, step, scheduled);
        int32_t quota = scheduled - left > 1 ? scheduled - left : 1;
        memset(l->next, 0, size);
        for (uint32_t a = 0; a < full; a++)
            if (l->reached[a] > 0) move_on(l, a, l->reached[a], quota, l->next);
        done += l->next[full];
        l->next[full] = 0;
        memcpy(l->reached, l->next, size);
        scheduled = left;
    }
    return done;
}

/* log of the probability of tokens [begin, end), those of them that are generated. */
static double block_log(struct law *l, const int32_t *tokens, int32_t begin, int32_t end)
{
    int32_t n_prompt = l->spec.decode->n_prompt;
    double decided = 0, p[MAX_SYMBOLS];
    l->tokens = tokens + begin;
    l->size = end - begin;
    l->n_masks = 0;
    /* Given all before it, the block is the process started in what that makes of its state. */
    process_state(&l->all, tokens, begin, l->local.initial);
    for (int32_t i = 0; i < l->size; i++) {
        if (begin + i < n_prompt) continue;
        if (i == 0 && l->spec.aligned && l->spec.shifted) {
            process_read(&l->view, NULL, 0);
            process_posterior(&l->view, 0, p);
            exact_temper(p, l->process->n_symbols, (double)l->spec.decode->temperature,
                         l->drawn[0]);
            decided = log(l->drawn[0][l->tokens[0]]);
            continue;
        }
        l->mask[l->n_masks++] = i;
    }
    if (l->chain)
        return decided + canvas_law_log(l->chain, l->tokens, l->size, l->mask, l->n_masks);
    return decided + log(sum_of_orders(l));
}

double law_log(struct law *l, const int32_t *tokens)
{
    const struct decode_spec *s = l->spec.decode;
    int32_t size = largest_block(&l->spec), length = s->n_prompt + s->n_gen;
    int32_t begin = l->spec.aligned ? s->n_prompt / size * size : s->n_prompt;
    double sum = 0;
    for (; begin < length; begin += size) sum += block_log(l, tokens, begin, begin + size);
    return sum;
}
