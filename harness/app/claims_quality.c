/* claims_quality.c - what is said about the quality of decoding policies, asked of those judged on
 * exact processes (docs/QUALITY.md). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/claims_ask.h"

static const char load_sql[] =
    "SELECT process, decoder, COALESCE(strategy, ''), batch_seqs, prompt_tokens, gen_tokens,"
    " COALESCE(block_tokens, gen_tokens), COALESCE(denoise_steps, 0), COALESCE(temperature, 1),"
    " law = 'bound', kl, kl_lo, kl_hi, entropy"
    " FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY cell_id, process_sha256"
    "                                    ORDER BY recorded_utc DESC, quality_id) AS age"
    "       FROM v_quality WHERE kl IS NOT NULL AND head = 'same' AND batch_policy = 'lockstep')"
    " WHERE age = 1 ORDER BY process, decoder, strategy, block_tokens, denoise_steps, quality_id";

static enum err load_row(void *ctx, const struct store_result_row *row)
{
    struct policy_list *l = ctx;
    const struct store_value *v = row->value;
    if (l->n == l->room) {
        int32_t room = l->room ? 2 * l->room : 64;
        struct seen_policy *grown = realloc(l->policy, (size_t)room * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "%d policies: out of memory", l->n);
        l->policy = grown;
        l->room = room;
    }
    struct seen_policy *p = &l->policy[l->n++];
    *p = (struct seen_policy){.batch = (int32_t)v[3].i,
                              .n_prompt = (int32_t)v[4].i,
                              .n_gen = (int32_t)v[5].i,
                              .block = (int32_t)v[6].i,
                              .steps = (int32_t)v[7].i,
                              .temperature = v[8].r,
                              .is_bound = v[9].i != 0,
                              .kl = {v[10].r, v[11].r, v[12].r},
                              .entropy = v[13].r};
    snprintf(p->process, sizeof p->process, "%s", v[0].text);
    snprintf(p->decoder, sizeof p->decoder, "%s", v[1].text);
    snprintf(p->strategy, sizeof p->strategy, "%s", v[2].text);
    return ERR_NONE;
}

enum err policies_load(struct store *s, struct policy_list *out)
{
    *out = (struct policy_list){0};
    enum err e = store_query(s, load_sql, NULL, 0, load_row, out);
    if (e != ERR_NONE) policies_free(out);
    return e;
}

void policies_free(struct policy_list *l)
{
    free(l->policy);
    *l = (struct policy_list){0};
}

static const char *policy_text(const struct seen_policy *p, char buf[RUN_TEXT_SIZE])
{
    snprintf(buf, RUN_TEXT_SIZE, "%s, %s, block %d, %d steps, on %s", p->decoder, p->strategy,
             p->block, p->steps, p->process);
    return buf;
}

/* The next judged policy that denoises with one of these strategies (names with blanks around). */
static const struct seen_policy *next(const struct trial *t, const char *strategies, int32_t *i)
{
    char word[40];
    while (*i < t->n_policies) {
        const struct seen_policy *p = &t->policy[(*i)++];
        snprintf(word, sizeof word, " %s ", p->strategy);
        if (*p->strategy && p->temperature == 1 && strstr(strategies, word)) return p;
    }
    return NULL;
}

static const char heedless[] = " random sequential topk-margin entropy ";

/* "C27": a hundredth of the entropy would pass for nothing. */
void ask_parallel_free(struct trial *t)
{
    int32_t i = 0;
    const struct seen_policy *p;
    char text[RUN_TEXT_SIZE];
    while ((p = next(t, heedless, &i))) {
        if (p->steps >= p->block || p->is_bound) continue;
        trial_ask(t,
                  &(struct asking){.predicted = 0,
                                   .counted = true,
                                   .found = p->kl,
                                   .least = -INFINITY,
                                   .most = 0.01 * p->entropy},
                  "nats per token from the truth, %s", policy_text(p, text));
    }
}

static const struct seen_policy *random_like(const struct trial *t, const struct seen_policy *like)
{
    int32_t i = 0;
    const struct seen_policy *p;
    while ((p = next(t, " random ", &i)))
        if (strcmp(p->process, like->process) == 0 && strcmp(p->decoder, like->decoder) == 0 &&
            p->n_prompt == like->n_prompt && p->n_gen == like->n_gen && p->block == like->block &&
            p->steps == like->steps && !p->is_bound)
            return p;
    return NULL;
}

/* "C28" */
void ask_confidence_better(struct trial *t)
{
    int32_t i = 0;
    const struct seen_policy *p;
    char text[RUN_TEXT_SIZE];
    while ((p = next(t, " low-confidence ", &i))) {
        const struct seen_policy *other = random_like(t, p);
        if (p->steps <= 1 || p->steps >= p->block || !other || !(other->kl.lo > 0)) continue;
        trial_ask(t,
                  &(struct asking){.predicted = NAN,
                                   .counted = true,
                                   .found = reading_ratio(p->kl, other->kl),
                                   .least = 0,
                                   .most = nextafter(1, 0)},
                  "divergence over that of random order, %s", policy_text(p, text));
    }
}

/* "C29" */
void ask_one_by_one_exact(struct trial *t)
{
    int32_t i = 0;
    const struct seen_policy *p;
    char text[RUN_TEXT_SIZE];
    while ((p = next(t, heedless, &i))) {
        if (p->steps < p->block) continue;
        trial_ask(
            t,
            &(struct asking){
                .predicted = 0, .counted = true, .found = p->kl, .least = -1e-9, .most = 1e-9},
            "nats per token from the truth, %s", policy_text(p, text));
    }
}

/* "C30" */
void ask_confidence_unfaithful(struct trial *t)
{
    int32_t i = 0;
    const struct seen_policy *p;
    char text[RUN_TEXT_SIZE];
    while ((p = next(t, " low-confidence ", &i))) {
        if (p->steps < p->block || p->block < 2) continue;
        trial_ask(t,
                  &(struct asking){.predicted = NAN,
                                   .counted = true,
                                   .found = p->kl,
                                   .least = 0.01 * p->entropy,
                                   .most = INFINITY},
                  "nats per token from the truth, %s", policy_text(p, text));
    }
}
