/* test_together.c - the bound of parallel decoding: by hand, against all ways there are, against
 * enumerated chains, and met by a decoder that reveals the sets it names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/diffusion.h"
#include "diffusion/together.h"
#include "harness/decode/commit_trace.h"
#include "harness/decode/exact.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { N = 4, V = 4, ALL = V * V * V * V };

static const char *const chains[] = {"markov-4", "sticky-4"};

static double plogp(double p)
{
    return p > 0 ? p * log(p) : 0;
}

/* Two tokens at once share what the first says of the second; apart, nothing. */
static void two_tokens_by_hand(void **state)
{
    struct process p;
    OK(process_preset("markov-4", &p));
    double together = 0;
    for (int32_t a = 0; a < V; a++)
        for (int32_t c = 0; c < V; c++) {
            double two_on = 0;
            for (int32_t b = 0; b < V; b++) two_on += p.transition[a][b] * p.transition[b][c];
            together += p.initial[a] * (plogp(p.transition[a][c]) - plogp(two_on));
        }
    int32_t at_once[2] = {0, 0}, apart[2] = {1, 0};
    assert_true(fabs(together_cost(&p, 2, at_once) - together) < 1e-12);
    assert_true(fabs(together_least(&p, 2, 1, NULL) - together) < 1e-12);
    assert_true(together_cost(&p, 2, apart) == 0 && together_least(&p, 2, 2, NULL) == 0);
}

/* Every way to give 5 positions one of S forwards, none of them idle. */
static void the_least_is_that_of_all_ways(void **state)
{
    enum { LONG = 5 };
    for (size_t a = 0; a < 2; a++) {
        struct process p;
        OK(process_preset(chains[a], &p));
        double last = INFINITY;
        for (int32_t steps = 1; steps <= LONG; steps++) {
            int32_t way[LONG], best[LONG];
            double least = INFINITY, got = together_least(&p, LONG, steps, best);
            for (int32_t code = 0; code < 3125; code++) {
                uint32_t used = 0;
                for (int32_t i = 0, rest = code; i < LONG; i++, rest /= 5)
                    used |= 1u << (way[i] = rest % 5);
                if (used == (1u << steps) - 1) least = fmin(least, together_cost(&p, LONG, way));
            }
            assert_true(fabs(got - least) < 1e-12);
            assert_true(fabs(together_cost(&p, LONG, best) - least) < 1e-12);
            assert_true(got < last || got == 0); /* a forward more is worth something */
            last = got;
        }
        assert_true(last == 0);
    }
}

/* A trace in which every request reveals the same sets. */
static struct commit_trace *trace_of(const int32_t step[N], int32_t n_steps, int32_t n_requests)
{
    struct strbuf text = {0};
    struct commit_trace *t;
    for (int32_t r = 0; r < n_requests; r++)
        for (int32_t s = 0; s < n_steps; s++) {
            int32_t position[N], n = 0;
            for (int32_t i = 0; i < N; i++)
                if (step[i] == s) position[n++] = i;
            struct trace_line l = {.request = r,
                                   .forward = s,
                                   .block = -1,
                                   .phase = PHASE_DENOISE,
                                   .position = position,
                                   .n = n};
            commit_trace_write(&text, &l);
        }
    OK(commit_trace_parse("made", strbuf_text(&text), text.len, &t));
    strbuf_free(&text);
    return t;
}

/* KL(true || produced) of 4 tokens after one, summed over all of them: the decoder is made to
 * reveal these sets and to draw each generation in turn. */
static double divergence(const struct process *p, const int32_t step[N], int32_t n_steps)
{
    enum { LENGTH = 1 + N };
    static int32_t tokens[ALL * LENGTH], prompts[ALL];
    struct kernels *k;
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    struct commit_trace *t = trace_of(step, n_steps, ALL);
    double kl = 0;
    OK(kernels_open(&config, &k));
    for (int32_t a = 0; a < V; a++) {
        struct exact_session *n;
        struct step_work w;
        struct decode_spec s = {.batch = ALL,
                                .n_prompt = 1,
                                .n_gen = N,
                                .trace = t,
                                .head = HEAD_SAME,
                                .informed = true,
                                .temperature = 1,
                                .prompts = prompts};
        struct model_config c = exact_config(p);
        for (int32_t i = 0; i < ALL; i++) {
            prompts[i] = tokens[i * LENGTH] = a;
            for (int32_t j = N, rest = i; j > 0; j--, rest /= V) tokens[i * LENGTH + j] = rest % V;
        }
        OK(decoder_diffusion.check(&s, &c));
        OK(exact_session_create(k, p, &decoder_diffusion, &s, &n));
        exact_session_force(n, tokens);
        while (!exact_session_done(n)) OK(exact_session_step(n, &w));
        for (int32_t i = 0; i < ALL; i++) {
            double truth = 1;
            for (int32_t j = 0; j < N; j++)
                truth *= p->transition[tokens[i * LENGTH + j]][tokens[i * LENGTH + j + 1]];
            if (truth > 0) kl += p->initial[a] * truth * (log(truth) - exact_log_drawn(n, i));
        }
        exact_session_free(n);
    }
    kernels_close(k);
    commit_trace_free(t);
    return kl;
}

static void a_decoder_meets_the_bound(void **state)
{
    static const int32_t ways[][N] = {{0, 0, 1, 1}, {1, 0, 2, 0}, {0, 1, 1, 0}, {3, 1, 2, 0}};
    static const int32_t n_steps[] = {2, 3, 2, 4};
    for (size_t a = 0; a < 2; a++) {
        struct process p;
        OK(process_preset(chains[a], &p));
        for (size_t i = 0; i < 4; i++) {
            double got = divergence(&p, ways[i], n_steps[i]), cost = together_cost(&p, N, ways[i]);
            if (fabs(got - cost) > 1e-10) fail_msg("way %zu: %.12g, %.12g", i, got, cost);
            assert_true(cost >= together_least(&p, N, n_steps[i], NULL) - 1e-12);
        }
        for (int32_t s = 1; s <= N; s++) {
            int32_t best[N];
            double least = together_least(&p, N, s, best);
            assert_true(fabs(divergence(&p, best, s) - least) < 1e-10);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_tokens_by_hand),
        cmocka_unit_test(the_least_is_that_of_all_ways),
        cmocka_unit_test(a_decoder_meets_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
