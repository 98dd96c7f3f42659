/* test_exact.c - exact processes, and unchanged decoders on them: held against enumeration of
 * every sequence, where the joint probability is a sum over paths of states written out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/decode/exact.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

static struct kernels *open_kernels(void)
{
    struct kernels *k;
    struct kernels_config c = {.backend = "cpu", .n_threads = 1};
    OK(kernels_open(&c, &k));
    return k;
}

static int64_t power(int64_t base, int32_t n)
{
    return n == 0 ? 1 : base * power(base, n - 1);
}

/* Tokens of sequence number i in base V, the first one most significant. */
static void digits(int64_t i, int32_t base, int32_t n, int32_t *out)
{
    for (int32_t j = n - 1; j >= 0; j--, i /= base) out[j] = (int32_t)(i % base);
}

/* p(x, state of the last token) summed over all paths, one path at a time. */
static double paths(const struct process *p, const int32_t *x, int32_t n, int32_t at, int32_t from)
{
    double sum = 0;
    if (at == n) return 1;
    for (int32_t s = 0; s < p->n_states; s++)
        sum += (at ? p->transition[from][s] : p->initial[s]) * p->emission[s][x[at]] *
               paths(p, x, n, at + 1, s);
    return sum;
}

/* joint[V^n] by sequence number. */
static double *enumerate(const struct process *p, int32_t n)
{
    int64_t count = power(p->n_symbols, n);
    int32_t x[8];
    double *joint = malloc((size_t)count * sizeof *joint), sum = 0;
    assert_non_null(joint);
    for (int64_t i = 0; i < count; i++) {
        digits(i, p->n_symbols, n, x);
        sum += joint[i] = paths(p, x, n, 0, 0);
    }
    assert_true(fabs(sum - 1) < 1e-12);
    return joint;
}

/* Every preset, every set of seen positions of 4, every value of them: each hidden token's
 * distribution, the next one's and the probability of what is seen.  The recursion's sums have
 * at most 4 * 8 * 8 terms of relative error 1e-16 each. */
static void posteriors_are_those_of_enumeration(void **state)
{
    enum { N = 4 };
    for (int32_t i = 0; process_preset_at(i); i++) {
        struct process p;
        struct process_view v;
        OK(process_preset(process_preset_at(i)->name, &p));
        OK(process_view_create(&v, &p, N));
        double *joint = enumerate(&p, N), *longer = enumerate(&p, N + 1);
        int32_t x[N + 1], y[N + 1], V = p.n_symbols;
        /* Digit V stands for hidden. */
        for (int64_t code = 0; code < power(V + 1, N); code++) {
            double seen = 0, at[N + 1][PROCESS_MAX_SYMBOLS] = {{0}}, got[PROCESS_MAX_SYMBOLS];
            digits(code, V + 1, N, x);
            for (int64_t k = 0; k < power(V, N + 1); k++) {
                bool fits = true;
                digits(k, V, N + 1, y);
                for (int32_t j = 0; j < N; j++) fits = fits && (x[j] == V || x[j] == y[j]);
                if (!fits) continue;
                seen += longer[k];
                for (int32_t j = 0; j <= N; j++) at[j][y[j]] += longer[k];
            }
            process_read(&v, x, N);
            assert_true(fabs(v.log_seen - log(seen)) < 1e-12);
            assert_true(fabs(process_log_seen(&v, x, N) - log(seen)) < 1e-12);
            process_read(&v, x, N);
            for (int32_t j = 0; j <= N; j++) {
                process_posterior(&v, j, got);
                for (int32_t a = 0; a < V; a++)
                    if (fabs(got[a] - at[j][a] / seen) > 1e-12)
                        fail_msg("%s %lld: position %d symbol %d: %.17g, enumerated %.17g", p.name,
                                 (long long)code, j, a, got[a], at[j][a] / seen);
            }
        }
        free(joint);
        free(longer);
        process_view_free(&v);
    }
}

static void samples_have_the_process_frequencies(void **state)
{
    enum { N = 3, DRAWS = 40000 };
    struct process p;
    struct process_view v;
    OK(process_preset("hmm-8x4", &p));
    OK(process_view_create(&v, &p, N));
    double *joint = enumerate(&p, N);
    int32_t count[64] = {0}, x[N];
    for (uint32_t r = 0; r < DRAWS; r++) {
        process_sample(&v, 3, r, 0, x, N);
        count[x[0] * 16 + x[1] * 4 + x[2]]++;
    }
    /* Chi-square of 63 degrees of freedom: above 133 once in a million times. */
    double chi = 0;
    for (int32_t i = 0; i < 64; i++) {
        double want = DRAWS * joint[i];
        assert_true(want > 5);
        chi += (count[i] - want) * (count[i] - want) / want;
    }
    assert_true(chi < 133);
    free(joint);
    process_view_free(&v);
}

/* Hand-worked: a chain that repeats with 0.85 and else takes one of three with 0.05. */
static void entropy_of_the_sticky_chain(void **state)
{
    struct process p;
    OK(process_preset("sticky-4", &p));
    assert_true(process_is_markov(&p));
    double want = -0.85 * log(0.85) - 3 * 0.05 * log(0.05);
    assert_true(fabs(process_markov_entropy(&p) - want) < 1e-12);
    for (int32_t s = 0; s < 4; s++) assert_true(fabs(p.initial[s] - 0.25) < 1e-12);
    OK(process_preset("hmm-8x4", &p));
    assert_false(process_is_markov(&p));
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_process_comes_from_a_file(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"states 2 symbols 2 transition 0.5 0.4 0.5 0.5 emission 1 0 0 1", "do not sum to 1"},
        {"states 2 symbols 2 transition 1 0 0 1 emission 1 0 0 1", "cannot follow"},
        {"states 17 symbols 2", "from 1 to 16"},
        {"states 1 symbols 2 transition 1 emission 0.5", "expected a number of emission"},
        {"states 1 symbols 2 transition 1 emission 0.5 0.5 0.5", "expected the end"},
        {"symbols 2", "expected \"states\""},
    };
    char path[] = "/tmp/regime-process-XXXXXX", name[64];
    struct process p;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    write_file(path, "# weather\nstates 2 symbols 2\ntransition 0.9 0.1 # dry\n 0.3 0.7\n"
                     "emission 0.8 0.2\n0.1 0.9\n");
    snprintf(name, sizeof name, "%s", path);
    OK(process_open(name, &p));
    /* 0.75 * 0.1 = 0.25 * 0.3: the chain is stationary there. */
    assert_true(fabs(p.initial[0] - 0.75) < 1e-12 && p.emission[1][1] == 0.9);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file(path, bad[i].text);
        assert_int_equal(process_open(name, &p), ERR_USAGE);
        if (!strstr(err_msg(), bad[i].says)) fail_msg("\"%s\"", err_msg());
    }
    remove(path);
    assert_int_equal(process_open(name, &p), ERR_USAGE);
    assert_int_equal(process_open("markow-4", &p), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "\"markov-4\""));
}

/* ---- decoders ---- */

enum { PROMPT = 2, GEN = 4, LENGTH = PROMPT + GEN };

struct variant {
    const char *decoder;
    int32_t block, steps;
    enum strategy strategy;
    enum head_policy head;
    enum logits_policy logits;
};

static struct decode_spec spec_of(const struct variant *v, int32_t batch, uint64_t seed)
{
    return (struct decode_spec){.batch = batch,
                                .n_prompt = PROMPT,
                                .n_gen = GEN,
                                .block_length = v->block,
                                .steps = v->steps,
                                .strategy = v->strategy,
                                .head = v->head,
                                .logits = v->logits,
                                .draft_tokens = 2,
                                .acceptance = 0.5f,
                                .temperature = 1,
                                .seed = seed};
}

/* Decode; the session is the caller's to free.  forced as exact_session_force. */
static struct exact_session *decode(struct kernels *k, const struct process *p,
                                    const struct decode_spec *s, const char *decoder,
                                    const int32_t *forced, int32_t *forwards)
{
    struct exact_session *n;
    struct step_work w;
    struct model_config c = exact_config(p);
    const struct decoder_ops *ops = decoder_find(decoder);
    OK(ops->check(s, &c));
    OK(exact_session_create(k, p, ops, s, &n));
    if (forced) exact_session_force(n, forced);
    while (!exact_session_done(n)) {
        OK(exact_session_step(n, &w));
        if (forwards) ++*forwards;
    }
    return n;
}

/* log p(generated | prompt). */
static double log_truth(const struct process *p, const int32_t *tokens)
{
    struct process_view v;
    OK(process_view_create(&v, p, LENGTH));
    double all = process_log_seen(&v, tokens, LENGTH),
           prompt = process_log_seen(&v, tokens, PROMPT);
    process_view_free(&v);
    return all - prompt;
}

/* One token at a time is the chain rule in some order: whatever the decoder, the order, the
 * head and the rows asked for, each sample is drawn with its true probability. */
static void one_token_at_a_time_is_exact(void **state)
{
    static const struct variant variants[] = {
        {.decoder = "ar"},
        {.decoder = "ar-verify"},
        {"diffusion", 0, GEN, STRATEGY_RANDOM, HEAD_SAME, LOGITS_MASKED},
        {"diffusion", 0, GEN, STRATEGY_SEQUENTIAL, HEAD_SHIFTED, LOGITS_ALL},
        {"diffusion", 2, 2, STRATEGY_RANDOM, HEAD_SAME, LOGITS_ALL},
        {"block", 3, 3, STRATEGY_RANDOM, HEAD_SAME, LOGITS_MASKED},
        {"block", 2, 2, STRATEGY_RANDOM, HEAD_SHIFTED, LOGITS_ALL},
        {"block", 1, 1, STRATEGY_RANDOM, HEAD_SHIFTED, LOGITS_MASKED},
        {"block", 6, 6, STRATEGY_RANDOM, HEAD_SAME, LOGITS_MASKED},
    };
    struct kernels *k = open_kernels();
    for (int32_t i = 0; process_preset_at(i); i++) {
        struct process p;
        OK(process_preset(process_preset_at(i)->name, &p));
        for (size_t j = 0; j < sizeof variants / sizeof variants[0]; j++) {
            struct decode_spec s = spec_of(&variants[j], 16, 9);
            struct exact_session *n = decode(k, &p, &s, variants[j].decoder, NULL, NULL);
            for (int32_t b = 0; b < s.batch; b++) {
                double want = log_truth(&p, exact_session_tokens(n) + b * LENGTH);
                if (fabs(exact_log_drawn(n, b) - want) > 1e-10)
                    fail_msg("%s, %s %zu: drawn with %g, true %g", p.name, variants[j].decoder, j,
                             exact_log_drawn(n, b), want);
            }
            exact_session_free(n);
        }
    }
    kernels_close(k);
}

/* q[V^GEN] of every generation after one prompt, by decoding each of them by force. */
static double *produced(struct kernels *k, const struct process *p, const struct variant *v,
                        const int32_t prompt[PROMPT])
{
    int32_t count = (int32_t)power(p->n_symbols, GEN);
    int32_t *tokens = calloc((size_t)count * LENGTH, sizeof *tokens);
    int32_t *prompts = calloc((size_t)count * PROMPT, sizeof *prompts);
    double *q = calloc((size_t)count, sizeof *q);
    for (int32_t i = 0; i < count; i++) {
        memcpy(prompts + i * PROMPT, prompt, PROMPT * sizeof *prompt);
        memcpy(tokens + i * LENGTH, prompt, PROMPT * sizeof *prompt);
        digits(i, p->n_symbols, GEN, tokens + i * LENGTH + PROMPT);
    }
    struct decode_spec s = spec_of(v, count, 1);
    s.prompts = prompts;
    struct exact_session *n = decode(k, p, &s, v->decoder, tokens, NULL);
    assert_memory_equal(exact_session_tokens(n), tokens, (size_t)count * LENGTH * sizeof *tokens);
    for (int32_t i = 0; i < count; i++) q[i] = exp(exact_log_drawn(n, i));
    exact_session_free(n);
    free(tokens);
    free(prompts);
    return q;
}

/* p(generated | prompt) of every generation, by the paths. */
static double *truth(const struct process *p, const int32_t prompt[PROMPT])
{
    int64_t count = power(p->n_symbols, GEN);
    double *joint = enumerate(p, LENGTH), sum = 0;
    double *t = malloc((size_t)count * sizeof *t);
    int64_t first = (prompt[0] * p->n_symbols + prompt[1]) * count;
    assert_non_null(t);
    for (int64_t i = 0; i < count; i++) sum += t[i] = joint[first + i];
    for (int64_t i = 0; i < count; i++) t[i] /= sum;
    free(joint);
    return t;
}

static double entropy(const double *p, int64_t n)
{
    double h = 0;
    for (int64_t i = 0; i < n; i++) h -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    return h;
}

/* Sum of the entropies of the tokens in [from, to), less that of all of them together. */
static double total_correlation(const double *joint, int32_t v, int32_t n)
{
    int64_t count = power(v, n);
    double tc = -entropy(joint, count);
    for (int32_t j = 0; j < n; j++) {
        double one[PROCESS_MAX_SYMBOLS] = {0};
        int32_t x[8];
        for (int64_t i = 0; i < count; i++) {
            digits(i, v, n, x);
            one[x[j]] += joint[i];
        }
        tc += entropy(one, v);
    }
    return tc;
}

/* Revealed all at once, sequences have the product of their tokens' distributions; the true
 * ones are KL(true || produced) = the total correlation away.  In two halves from the left, the
 * mean over the first half of the second's conditional one comes to the first's. */
static void parallel_draws_lose_the_total_correlation(void **state)
{
    static const struct variant variants[] = {
        {.decoder = "diffusion", .steps = 1},
        {.decoder = "block", .block = 6, .steps = 1},
        {.decoder = "diffusion", .steps = 2, .strategy = STRATEGY_SEQUENTIAL},
        {.decoder = "block", .block = 2, .steps = 1},
        {.decoder = "diffusion", .block = 2, .steps = 1},
    };
    static const char *const names[] = {"markov-4", "even-2", "hmm-8x4", "iid-4"};
    int32_t prompt[PROMPT] = {1, 0};
    struct kernels *k = open_kernels();
    for (size_t a = 0; a < 4; a++) {
        struct process p;
        OK(process_preset(names[a], &p));
        int32_t v = p.n_symbols, half = v * v;
        int64_t count = power(v, GEN);
        double *t = truth(&p, prompt), want = total_correlation(t, v, GEN);
        /* the halves: TC of the first, and of the second after each first */
        double first[256] = {0}, want_halves = 0;
        for (int64_t i = 0; i < count; i++) first[i / half] += t[i];
        want_halves = total_correlation(first, v, 2);
        for (int32_t f = 0; f < half; f++) {
            double second[256];
            for (int32_t i = 0; i < half; i++) second[i] = t[f * half + i] / first[f];
            want_halves += first[f] * total_correlation(second, v, 2);
        }
        for (size_t b = 0; b < 5; b++) {
            double *q = produced(k, &p, &variants[b], prompt);
            double sum = 0, kl = 0;
            for (int64_t i = 0; i < count; i++) {
                sum += q[i];
                kl += t[i] * log(t[i] / q[i]);
            }
            assert_true(fabs(sum - 1) < 1e-10);
            if (fabs(kl - (b < 2 ? want : want_halves)) > 1e-10)
                fail_msg("%s %zu: KL %.12g, total correlation %.12g", p.name, b, kl,
                         b < 2 ? want : want_halves);
            free(q);
        }
        assert_true(a == 3 ? fabs(want) < 1e-12 : want > 0.01 && want > want_halves);
        free(t);
    }
    kernels_close(k);
}

/* What the sampler really produces has the probabilities that decoding by force gives: the whole
 * of it, f32 logits and Gumbel noise included.  The even process has 16 generations of
 * 4, each expected at least 5 times; chi-square of 15 degrees of freedom is above 58 once in a
 * million. */
static void the_sampler_draws_what_is_computed(void **state)
{
    static const struct variant variants[] = {
        {.decoder = "ar"},
        {"block", 3, 2, STRATEGY_SEQUENTIAL, HEAD_SAME, LOGITS_MASKED},
        {"diffusion", 0, 1, STRATEGY_RANDOM, HEAD_SHIFTED, LOGITS_ALL},
        {"diffusion", 0, 2, STRATEGY_SEQUENTIAL, HEAD_SAME, LOGITS_MASKED},
    };
    enum { DRAWS = 20000, COUNT = 16 };
    int32_t prompt[PROMPT] = {0, 1};
    int32_t *prompts = calloc(DRAWS * PROMPT, sizeof *prompts);
    struct process p;
    struct kernels *k = open_kernels();
    OK(process_preset("even-2", &p));
    for (int32_t i = 0; i < DRAWS; i++) memcpy(prompts + i * PROMPT, prompt, sizeof prompt);
    for (size_t a = 0; a < sizeof variants / sizeof variants[0]; a++) {
        double *q = produced(k, &p, &variants[a], prompt), chi = 0;
        int32_t seen[COUNT] = {0};
        struct decode_spec s = spec_of(&variants[a], DRAWS, 31 + a);
        s.prompts = prompts;
        struct exact_session *n = decode(k, &p, &s, variants[a].decoder, NULL, NULL);
        for (int32_t i = 0; i < DRAWS; i++) {
            const int32_t *x = exact_session_tokens(n) + (size_t)i * LENGTH + PROMPT;
            seen[x[0] * 8 + x[1] * 4 + x[2] * 2 + x[3]]++;
        }
        for (int32_t i = 0; i < COUNT; i++) {
            double want = DRAWS * q[i];
            assert_true(want >= 5);
            chi += (seen[i] - want) * (seen[i] - want) / want;
        }
        if (chi > 58) fail_msg("variant %zu: chi-square %g", a, chi);
        exact_session_free(n);
        free(q);
    }
    free(prompts);
    kernels_close(k);
}

/* ar-verify commits what ar does, in fewer forwards, on a process as on a model. */
static void verified_drafts_are_the_tokens_of_ar(void **state)
{
    struct variant ar = {.decoder = "ar"}, verify = {.decoder = "ar-verify"};
    struct process p;
    struct kernels *k = open_kernels();
    OK(process_preset("hmm-8x4", &p));
    struct decode_spec s = spec_of(&ar, 8, 5), w = spec_of(&verify, 8, 5);
    int32_t n_ar = 0, n_verify = 0;
    s.n_gen = w.n_gen = 24;
    w.acceptance = 1;
    struct exact_session *a = decode(k, &p, &s, "ar", NULL, &n_ar);
    struct exact_session *b = decode(k, &p, &w, "ar-verify", NULL, &n_verify);
    assert_memory_equal(exact_session_tokens(a), exact_session_tokens(b), 8 * 26 * sizeof(int32_t));
    for (int32_t i = 0; i < 8; i++)
        assert_true(fabs(exact_log_drawn(a, i) - exact_log_drawn(b, i)) < 1e-10);
    assert_int_equal(n_ar, 24);
    assert_int_equal(n_verify, 9); /* the prefill's token, then 23 by threes */
    exact_session_free(a);
    exact_session_free(b);
    kernels_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posteriors_are_those_of_enumeration),
        cmocka_unit_test(samples_have_the_process_frequencies),
        cmocka_unit_test(entropy_of_the_sticky_chain),
        cmocka_unit_test(a_process_comes_from_a_file),
        cmocka_unit_test(one_token_at_a_time_is_exact),
        cmocka_unit_test(parallel_draws_lose_the_total_correlation),
        cmocka_unit_test(the_sampler_draws_what_is_computed),
        cmocka_unit_test(verified_drafts_are_the_tokens_of_ar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
