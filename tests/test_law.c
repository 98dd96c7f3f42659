/* test_law.c - the probabilities that strategies are said to produce tokens with: they sum to one,
 * are those along the way where there is one way, and those of what decoders really produce. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/law.h"
#include "harness/app/decoders.h"
#include "harness/decode/exact.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { PROMPT = 2, GEN = 4, LENGTH = PROMPT + GEN, BINARY = 16 };

struct variant {
    enum strategy strategy;
    int32_t steps;
    float at; /* threshold, factor, entropy bound or eta */
    const char *decoder;
    int32_t block;
    enum head_policy head;
    float temperature;
};

static struct decode_spec spec_of(const struct variant *v, int32_t batch)
{
    return (struct decode_spec){.batch = batch,
                                .n_prompt = PROMPT,
                                .n_gen = GEN,
                                .block_length = v->block,
                                .steps = v->steps,
                                .strategy = v->strategy,
                                .threshold = v->at,
                                .factor = v->at,
                                .entropy_bound = v->at,
                                .eta = v->at,
                                .head = v->head,
                                .informed = true,
                                .temperature = v->temperature,
                                .seed = 17};
}

static struct law *open_law(const struct decode_spec *s, const struct variant *v,
                            const struct process *p)
{
    struct law *l;
    struct law_spec spec = {s, strcmp(v->decoder, "block") == 0, v->head == HEAD_SHIFTED};
    assert_true(law_covers(&spec, p));
    OK(law_create(&spec, p, &l));
    return l;
}

static void digits(int32_t i, int32_t base, int32_t n, int32_t *out)
{
    for (int32_t j = n - 1; j >= 0; j--, i /= base) out[j] = i % base;
}

/* Strategies whose choice hangs on what is drawn, and those it does not. */
static const struct variant variants[] = {
    {STRATEGY_LOW_CONFIDENCE, 4, 0, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_LOW_CONFIDENCE, 2, 0, "diffusion", 0, HEAD_SHIFTED, 1},
    {STRATEGY_LOW_CONFIDENCE, 3, 0, "block", 3, HEAD_SAME, 1},
    {STRATEGY_LOW_CONFIDENCE, 2, 0, "block", 3, HEAD_SHIFTED, 0.7f},
    {STRATEGY_THRESHOLD, 4, 0.8f, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_THRESHOLD, 2, 0.9f, "block", 6, HEAD_SAME, 1.5f},
    {STRATEGY_FACTOR, 4, 1, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_FACTOR, 4, 0.5f, "block", 3, HEAD_SHIFTED, 1},
    {STRATEGY_RANDOM, 2, 0, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_RANDOM, 3, 0, "block", 6, HEAD_SHIFTED, 0.7f},
    {STRATEGY_FIRST_HITTING, 1, 0, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_SEQUENTIAL, 2, 0, "block", 6, HEAD_SAME, 1},
    {STRATEGY_MARGIN, 2, 0, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_ENTROPY, 3, 0, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_ENTROPY_BOUND, 4, 0.4f, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_REMDM_CAP, 5, 0.1f, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_REMDM_RESCALE, 3, 0.9f, "diffusion", 0, HEAD_SAME, 0.7f},
    {STRATEGY_REMDM_LOOP, 9, 0.3f, "block", 3, HEAD_SHIFTED, 1},
    {STRATEGY_UNIFORM, 1, 0, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_UNIFORM, 4, 0, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_UNIFORM, 7, 0, "block", 3, HEAD_SAME, 0.7f},
    {STRATEGY_UNIFORM, 3, 0, "block", 3, HEAD_SHIFTED, 1},
    {STRATEGY_RENOISE, 4, 0.2f, "diffusion", 0, HEAD_SAME, 1},
    {STRATEGY_RENOISE, 3, 0.9f, "block", 3, HEAD_SHIFTED, 1.5f},
};
enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

/* Every generation after a prompt, on a process with ties (sticky) and without. */
static void probabilities_sum_to_one(void **state)
{
    static const char *const names[] = {"sticky-4", "hmm-8x4", "even-2"};
    for (size_t a = 0; a < 3; a++)
        for (size_t i = 0; i < N_VARIANTS; i++) {
            struct process p;
            OK(process_preset(names[a], &p));
            struct decode_spec s = spec_of(&variants[i], 1);
            struct law *l = open_law(&s, &variants[i], &p);
            int32_t x[LENGTH] = {1, 0}, V = p.n_symbols;
            double sum = 0;
            for (int32_t k = 0; k < V * V * V * V; k++) {
                digits(k, V, GEN, x + PROMPT);
                sum += exp(law_log(l, x));
            }
            if (fabs(sum - 1) > 1e-10) fail_msg("%s, variant %zu: %.12g", names[a], i, sum);
            law_free(l);
        }
}

static struct exact_session *decode(struct kernels *k, const struct process *p,
                                    const struct decode_spec *s, const char *decoder)
{
    struct exact_session *n;
    struct step_work w;
    struct model_config c = exact_config(p);
    OK(decoder_find(decoder)->check(s, &c));
    OK(exact_session_create(k, p, decoder_find(decoder), s, &n));
    while (!exact_session_done(n)) OK(exact_session_step(n, &w));
    return n;
}

/* 20000 decodes after one prompt: chi-square of 15 degrees of freedom is above 58 once in a
 * million.  And where tokens alone decide the sets, each decode's own product is the law's sum. */
static void decoders_produce_them(void **state)
{
    enum { DRAWS = 20000 };
    struct process p;
    struct kernels *k;
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    int32_t *prompts = calloc(DRAWS * PROMPT, sizeof *prompts);
    OK(kernels_open(&config, &k));
    OK(process_preset("even-2", &p));
    for (int32_t i = 0; i < DRAWS; i++) prompts[i * PROMPT + 1] = 1; /* after 0 1 */
    for (size_t i = 0; i < N_VARIANTS; i++) {
        const struct variant *v = &variants[i];
        struct decode_spec s = spec_of(v, DRAWS);
        s.prompts = prompts;
        struct law *l = open_law(&s, v, &p);
        struct exact_session *n = decode(k, &p, &s, v->decoder);
        const int32_t *tokens = exact_session_tokens(n);
        double q[BINARY], chi = 0, rest_want = 0, rest_seen = 0;
        int32_t seen[BINARY] = {0}, x[LENGTH] = {0, 1}, df = -1;
        for (int32_t b = 0; b < BINARY; b++) {
            digits(b, 2, GEN, x + PROMPT);
            q[b] = exp(law_log(l, x));
        }
        for (int32_t d = 0; d < DRAWS; d++) {
            const int32_t *g = tokens + (size_t)d * LENGTH + PROMPT;
            int32_t b = g[0] * 8 + g[1] * 4 + g[2] * 2 + g[3];
            seen[b]++;
            bool one_way = v->strategy == STRATEGY_SEQUENTIAL || v->strategy == STRATEGY_MARGIN ||
                           v->strategy == STRATEGY_ENTROPY || v->strategy == STRATEGY_ENTROPY_BOUND;
            if (one_way) assert_true(fabs(exact_log_drawn(n, d) - log(q[b])) < 1e-10);
        }
        for (int32_t b = 0; b < BINARY; b++) { /* rare ones together */
            if (DRAWS * q[b] < 5) {
                rest_want += DRAWS * q[b];
                rest_seen += seen[b];
                continue;
            }
            chi += (seen[b] - DRAWS * q[b]) * (seen[b] - DRAWS * q[b]) / (DRAWS * q[b]);
            df++;
        }
        if (rest_want > 0) chi += (rest_seen - rest_want) * (rest_seen - rest_want) / rest_want;
        assert_true(df >= 4 && (rest_want == 0 || rest_want > 0.5));
        if (chi > 58) fail_msg("variant %zu: chi-square %g", i, chi);
        exact_session_free(n);
        law_free(l);
    }
    free(prompts);
    kernels_close(k);
}

/* Two independent symbols of probabilities 0.4 .. 0.1, one at a time, the likelier draw first:
 * by hand, (a, b) comes up when a is drawn and revealed before what is drawn beside it, or b is.
 * P(a first) = p(a) P(other draw less likely, or as likely: ties go to the left), and the other
 * position is drawn anew. */
static void confidence_of_two_by_hand(void **state)
{
    static const double p[4] = {0.4, 0.3, 0.2, 0.1}, below[4] = {0.6, 0.3, 0.1, 0};
    struct variant v = {STRATEGY_LOW_CONFIDENCE, 2, 0, "diffusion", 2, HEAD_SAME, 1};
    struct process process;
    OK(process_preset("iid-4", &process));
    struct decode_spec s = spec_of(&v, 1);
    struct law *l = open_law(&s, &v, &process);
    int32_t x[LENGTH] = {0};
    for (int32_t a = 0; a < 4; a++)
        for (int32_t b = 0; b < 4; b++) {
            double left = p[a] * (below[a] + p[a]) * p[b], right = p[b] * below[b] * p[a];
            x[2] = x[4] = a;
            x[3] = x[5] = b;
            assert_true(fabs(law_log(l, x) - 2 * log(left + right)) < 1e-12);
        }
    law_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_sum_to_one),
        cmocka_unit_test(decoders_produce_them),
        cmocka_unit_test(confidence_of_two_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
