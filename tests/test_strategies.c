/* test_strategies.c - which positions are revealed, how many, and when: rules on hand-made rows,
 * laws of the samplers over time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/unmask.h"
#include "harness/base/rng.h"

enum { MASK = 99, LENGTH = 512 };

/* One in 150,000 tests of a true law fails at this many standard errors. */
static const double z_limit = 4.5;

static void near_mean(const char *what, double mean, double want, double variance, double n)
{
    double z = (mean - want) / sqrt(variance / n);
    if (!(fabs(z) < z_limit)) fail_msg("%s: mean %g, want %g: z = %.2f", what, mean, want, z);
}

/* ---- schedules ---- */

static void linear_shares_the_masks(void **state)
{
    static const int32_t want[] = {7, 4, 2, 0};
    int32_t left = 10;
    for (int32_t j = 0; j < 4; j++)
        assert_int_equal(left = schedule_left(SCHEDULE_LINEAR, 10, 4, j, left), want[j]);
    for (int32_t n = 1; n < 40; n++)
        for (int32_t s = 1; s < 50; s++) {
            int32_t last = n;
            left = n;
            for (int32_t j = 0; j < s; j++) {
                int32_t next = schedule_left(SCHEDULE_LINEAR, n, s, j, left), q = left - next;
                assert_true(q <= last && (q >= 1 || left == 0));
                left = next;
                last = q;
            }
            assert_int_equal(left, 0);
        }
}

/* floor(N cos(pi j / 2 S)), the cosines from a table. */
static void cosine_reveals_few_at_first(void **state)
{
    static const struct {
        int32_t n, s, left[8];
    } want[] = {
        {8, 4, {7, 5, 3, 0}}, /* .9239 .7071 .3827: 7.39 5.66 3.06               */
        {12, 3, {10, 6, 0}},  /* .8660 .5: 10.39 6 exactly                        */
        {3000, 3, {2598, 1500, 0}},
        {5, 4, {4, 3, 1, 0}}, /* 4.62 3.54 1.91                                   */
        {4, 4, {3, 2, 1, 0}},
        {4, 9, {3, 2, 1, 0}}, /* no more steps than masks                         */
        {3, 3, {2, 1, 0}},
        {100, 5, {95, 80, 58, 30, 0}}, /* .9511 .8090 .5878 .3090                  */
        {6, 5, {5, 4, 3, 1, 0}},       /* 5.71 4.85 3.53 1.85                      */
        {10, 6, {9, 8, 7, 5, 2, 0}},   /* 9.66 8.66 7.07 5.00 2.59                 */
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        int32_t left = want[i].n;
        for (int32_t j = 0; left > 0; j++)
            assert_int_equal(left = schedule_left(SCHEDULE_COSINE, want[i].n, want[i].s, j, left),
                             want[i].left[j]);
    }
    for (int32_t n = 1; n < 60; n++)
        for (int32_t s = 1; s <= n; s++) {
            int32_t left = n;
            for (int32_t j = 0; j < s; j++) {
                int32_t next = schedule_left(SCHEDULE_COSINE, n, s, j, left);
                assert_true(next < left);
                left = next;
            }
            assert_int_equal(left, 0);
        }
}

/* ---- choices ---- */

static const int32_t five_positions[] = {3, 4, 7, 8, 9};
static const struct row_stat five[] = {
    {.id = 1, .confidence = 0.50f, .p_first = 0.50f, .p_second = 0.30f, .entropy_nats = 1.0f},
    {.id = 2, .confidence = 0.95f, .p_first = 0.95f, .p_second = 0.02f, .entropy_nats = 0.3f},
    {.id = 3, .confidence = 0.50f, .p_first = 0.50f, .p_second = 0.10f, .entropy_nats = 2.0f},
    {.id = 4, .confidence = 0.90f, .p_first = 0.90f, .p_second = 0.10f, .entropy_nats = 0.3f},
    {.id = 5, .confidence = 0.80f, .p_first = 0.80f, .p_second = 0.05f, .entropy_nats = 0.9f},
};

/* Positions chosen, in order; -1 ends. */
static void chooses(struct decode_spec s, enum strategy which, int32_t quota, const int32_t *want)
{
    struct ranked r[5];
    struct strategy_view v = {
        .spec = &s, .n_steps = 5, .quota = quota, .n = 5, .position = five_positions, .stat = five};
    int32_t n = strategy_choose(strategy_of(which), &v, r);
    for (int32_t i = 0; i < n; i++)
        if (v.position[r[i].at] != want[i])
            fail_msg("%s: choice %d is %d, want %d", strategy_of(which)->name, i,
                     v.position[r[i].at], want[i]);
    assert_int_equal(want[n], -1);
}

#define CHOOSES(which, quota, ...) chooses(s, which, quota, (const int32_t[]){__VA_ARGS__, -1})

static void the_best_come_first_and_the_left_of_equals(void **state)
{
    struct decode_spec s = {.seed = 1};
    CHOOSES(STRATEGY_SEQUENTIAL, 3, 3, 4, 7);
    CHOOSES(STRATEGY_LOW_CONFIDENCE, 4, 4, 8, 9, 3); /* 3 and 7 are equal */
    CHOOSES(STRATEGY_MARGIN, 5, 4, 8, 9, 7, 3);      /* .93 .80 .75 .40 .20 */
    CHOOSES(STRATEGY_ENTROPY, 2, 4, 8);              /* both 0.3 */
    CHOOSES(STRATEGY_ENTROPY, 5, 4, 8, 9, 3, 7);
}

static void a_threshold_never_reveals_nothing(void **state)
{
    struct decode_spec s = {.threshold = 0.9f};
    CHOOSES(STRATEGY_THRESHOLD, 1, 4, 8); /* 0.9 is as probable as 0.9 */
    CHOOSES(STRATEGY_THRESHOLD, 3, 4, 8, 9);
    s.threshold = 0.99f;
    CHOOSES(STRATEGY_THRESHOLD, 1, 4);
    s.threshold = 0;
    CHOOSES(STRATEGY_THRESHOLD, 1, 4, 8, 9, 3, 7);
    s.threshold = 1.5f;
    CHOOSES(STRATEGY_THRESHOLD, 1, 4);
}

/* (n + 1)(1 - c_n): n = 2: 3 x .1 = .3; 3: 4 x .2 = .8; 4: 5 x .5 = 2.5; 5: 6 x .5 = 3. */
static void a_factor_counts_the_doubts(void **state)
{
    struct decode_spec s = {.factor = 0};
    CHOOSES(STRATEGY_FACTOR, 1, 4);
    s.factor = 0.29f;
    CHOOSES(STRATEGY_FACTOR, 1, 4);
    s.factor = 0.31f;
    CHOOSES(STRATEGY_FACTOR, 1, 4, 8);
    s.factor = 1;
    CHOOSES(STRATEGY_FACTOR, 1, 4, 8, 9);
    CHOOSES(STRATEGY_FACTOR, 4, 4, 8, 9, 3);
    s.factor = 2.51f;
    CHOOSES(STRATEGY_FACTOR, 1, 4, 8, 9, 3);
    s.factor = 6; /* n + 1 */
    CHOOSES(STRATEGY_FACTOR, 1, 4, 8, 9, 3, 7);
}

/* Sums of entropies before the last: .3, .6, 1.5, 2.5. */
static void an_entropy_bound_leaves_out_the_largest(void **state)
{
    struct decode_spec s = {.entropy_bound = 0};
    CHOOSES(STRATEGY_ENTROPY_BOUND, 1, 4);
    s.entropy_bound = 0.31f;
    CHOOSES(STRATEGY_ENTROPY_BOUND, 1, 4, 8);
    s.entropy_bound = 0.61f;
    CHOOSES(STRATEGY_ENTROPY_BOUND, 1, 4, 8, 9);
    s.entropy_bound = 1.6f;
    CHOOSES(STRATEGY_ENTROPY_BOUND, 1, 4, 8, 9, 3);
    CHOOSES(STRATEGY_ENTROPY_BOUND, 5, 4, 8, 9, 3, 7);
    s.entropy_bound = INFINITY;
    CHOOSES(STRATEGY_ENTROPY_BOUND, 1, 4, 8, 9, 3, 7);
}

/* ---- whole blocks on made-up rows ---- */

struct bench {
    struct decode_spec spec;
    struct model_config config; /* its ids and its mask */
    struct unmask u;
    int32_t tokens[LENGTH];
    struct row_stat stat[LENGTH];
    int32_t forwards, largest, smallest; /* of the last block: most and fewest revealed */
};

static void bench_open(struct bench *b)
{
    memset(b, 0, sizeof *b);
    assert_int_equal(unmask_create(&b->u, LENGTH), ERR_NONE);
    b->config = (struct model_config){.n_ids = 50, .mask_id = MASK};
    b->spec = (struct decode_spec){.seed = 3,
                                   .steps = 8,
                                   .threshold = 0.8f,
                                   .factor = 1,
                                   .entropy_bound = 0.5f,
                                   .eta = 0.1f,
                                   .informed = true};
}

/* Rows that are some function of position and step. */
static void make_rows(struct bench *b)
{
    for (int32_t i = 0; i < b->u.n_open; i++) {
        uint64_t h = mix64((uint64_t)b->u.open[i] * 1000003 + (uint64_t)b->forwards + 7);
        float p = (float)(h % 1024) / 1024;
        b->stat[i] = (struct row_stat){(int32_t)(h >> 20) % 50, p, p, (1 - p) / 2, 1 - p};
    }
}

static void bench_start(struct bench *b, uint32_t request, int32_t begin, int32_t end)
{
    for (int32_t i = 0; i < LENGTH; i++) b->tokens[i] = MASK;
    for (int32_t i = 0; i < begin; i++) b->tokens[i] = 1;
    b->forwards = b->largest = 0;
    b->smallest = INT32_MAX;
    unmask_start(&b->u, &b->spec, request, 2, b->tokens, begin, end, &b->config);
}

static void bench_step(struct bench *b)
{
    make_rows(b);
    unmask_accept(&b->u, b->stat, b->tokens);
    b->forwards++;
    if (b->u.n_revealed > b->largest) b->largest = b->u.n_revealed;
    if (b->u.n_revealed < b->smallest) b->smallest = b->u.n_revealed;
}

static void every_strategy_finishes_its_block(void **state)
{
    struct bench *b = malloc(sizeof *b);
    bench_open(b);
    for (int which = 0; which < STRATEGY_COUNT; which++)
        for (enum schedule sch = SCHEDULE_LINEAR; sch <= SCHEDULE_COSINE; sch++)
            for (int32_t n = 1; n <= 33; n += 4)
                for (int32_t steps = 1; steps <= 40; steps += 3)
                    for (uint32_t request = 0; request < 3; request++) {
                        int32_t seen[LENGTH] = {0};
                        const struct strategy_ops *s = strategy_of((enum strategy)which);
                        b->spec.strategy = (enum strategy)which;
                        b->spec.schedule = sch;
                        b->spec.steps = steps;
                        bench_start(b, request, 5, 5 + n);
                        assert_int_equal(b->u.n_masks, n);
                        while (!unmask_done(&b->u)) {
                            bench_step(b);
                            for (int32_t i = 0; i < b->u.n_revealed; i++) seen[b->u.revealed[i]]++;
                            assert_true(b->forwards <= (s->takes[0] ? steps + n : n));
                        }
                        assert_true(b->smallest >= 1 || s->noisy);
                        if (s->noisy) assert_int_equal(b->forwards, steps);
                        for (int32_t i = 0; i < LENGTH; i++) {
                            assert_int_equal(b->tokens[i] == MASK, i >= 5 + n);
                            if (!s->revises) assert_int_equal(seen[i], i >= 5 && i < 5 + n);
                        }
                        if (strategy_takes(b->spec.strategy, "steps"))
                            assert_true(b->forwards <= steps);
                        int32_t fixed = steps < n ? steps : n;
                        if (which <= STRATEGY_ENTROPY) assert_int_equal(b->forwards, fixed);
                        if (which == STRATEGY_FIRST_HITTING) assert_int_equal(b->forwards, n);
                    }
    unmask_free(&b->u);
    free(b);
}

/* The position asked for first is revealed first and nothing else changes in number. */
static void a_first_position_takes_a_place(void **state)
{
    struct bench *b = malloc(sizeof *b);
    bench_open(b);
    for (int which = 0; which <= STRATEGY_FIRST_HITTING; which++)
        for (int32_t first = 0; first < 16; first += 5) {
            b->spec.strategy = (enum strategy)which;
            bench_start(b, 0, 0, 16);
            bench_step(b);
            int32_t plain = b->u.n_revealed;
            bench_start(b, 0, 0, 16);
            unmask_first(&b->u, first);
            bench_step(b);
            assert_int_equal(b->u.n_revealed, plain);
            assert_int_not_equal(b->tokens[first], MASK);
        }
    unmask_free(&b->u);
    free(b);
}

/* ---- ancestral ---- */

/* Of T boxes, L balls each fall into one at random: the occupied ones are the forwards. */
static void ancestral_skips_empty_steps(void **state)
{
    struct bench *b = malloc(sizeof *b);
    bench_open(b);
    b->spec.strategy = STRATEGY_ANCESTRAL;
    static const int32_t sizes[][2] = {{32, 32}, {64, 128}, {16, 200}, {100, 10}};
    enum { BLOCKS = 2000 };
    for (int32_t i = 0; i < 4; i++) {
        double l = sizes[i][0], t = sizes[i][1], sum = 0;
        b->spec.steps = sizes[i][1];
        for (uint32_t request = 0; request < BLOCKS; request++) {
            bench_start(b, request, 0, sizes[i][0]);
            while (!unmask_done(&b->u)) bench_step(b);
            sum += b->forwards;
        }
        double empty = pow(1 - 1 / t, l), both = pow(1 - 2 / t, l);
        near_mean("ancestral forwards", sum / BLOCKS, t * (1 - empty),
                  t * (t - 1) * both + t * empty - t * t * empty * empty, BLOCKS);
    }
    unmask_free(&b->u);
    free(b);
}

/* Step k of T reveals the share by which the mask rate falls in it. */
static void reveal_steps_follow_the_schedule(void **state)
{
    enum { T = 10, DRAWS = 40000 };
    for (enum schedule s = SCHEDULE_LINEAR; s <= SCHEDULE_COSINE; s++) {
        int32_t count[T] = {0};
        for (uint32_t i = 0; i < DRAWS; i++)
            count[schedule_step_of(s, schedule_reveal_time(9, i % 64, i / 64), T)]++;
        for (int32_t k = 0; k < T; k++) {
            double from = 1 - (double)k / T, to = 1 - (double)(k + 1) / T;
            double p = s == SCHEDULE_LINEAR ? 1.0 / T : sin(M_PI / 2 * from) - sin(M_PI / 2 * to);
            near_mean("share of a step", (double)count[k] / DRAWS, p, p * (1 - p), DRAWS);
        }
    }
}

/* In ever finer steps ancestral sampling is first-hitting: the same positions in the same order. */
static void fine_steps_are_first_hitting(void **state)
{
    struct bench *b = malloc(sizeof *b);
    int32_t order[2][24];
    bench_open(b);
    b->spec.steps = 1 << 30;
    for (uint32_t request = 0; request < 20; request++) {
        for (int k = 0; k < 2; k++) {
            b->spec.strategy = k ? STRATEGY_FIRST_HITTING : STRATEGY_ANCESTRAL;
            bench_start(b, request, 8, 32);
            for (int32_t i = 0; i < 24; i++) {
                bench_step(b);
                assert_int_equal(b->u.n_revealed, 1);
                order[k][i] = b->u.revealed[0];
            }
            assert_true(unmask_done(&b->u));
        }
        assert_memory_equal(order[0], order[1], sizeof order[0]);
    }
    unmask_free(&b->u);
    free(b);
}

/* The times at which n positions are revealed are n uniform numbers in order: the k-th smallest
 * has mean k / (n + 1) and variance k (n + 1 - k) / ((n + 1)^2 (n + 2)); the order is uniform. */
static void hitting_times_are_order_statistics(void **state)
{
    enum { N = 8, BLOCKS = 5000 };
    struct bench *b = malloc(sizeof *b);
    double sum[N + 1] = {0};
    int32_t first[N] = {0}, second_given[N] = {0}, at_zero = 0;
    bench_open(b);
    b->spec.strategy = STRATEGY_FIRST_HITTING;
    for (uint32_t request = 0; request < BLOCKS; request++) {
        int32_t got[N];
        double last = 1;
        bench_start(b, request, 0, N);
        for (int32_t k = N; k > 0; k--) {
            bench_step(b);
            got[N - k] = b->u.revealed[0];
            double t = schedule_reveal_time(b->spec.seed, request, (uint32_t)got[N - k]);
            assert_true(t < last);
            sum[k] += last = t;
        }
        first[got[0]]++;
        if (got[0] != 0) continue;
        at_zero++;
        second_given[got[1]]++;
    }
    for (int32_t k = 1; k <= N; k++)
        near_mean("hitting time", sum[k] / BLOCKS, k / (N + 1.0),
                  k * (N + 1.0 - k) / ((N + 1.0) * (N + 1.0) * (N + 2.0)), BLOCKS);
    for (int32_t i = 0; i < N; i++) {
        near_mean("first", (double)first[i] / BLOCKS, 1.0 / N, 1.0 / N * (1 - 1.0 / N), BLOCKS);
        if (i == 0) continue;
        double p = 1.0 / (N - 1);
        near_mean("second", (double)second_given[i] / at_zero, p, p * (1 - p), at_zero);
    }
    unmask_free(&b->u);
    free(b);
}

/* ---- masking again ---- */

/* After each step the masked positions are Binomial(L, 1 - alpha), whatever is masked
 * again.  With 400 positions every step reveals something, so there is a forward for each: the
 * least likely are 30 of 400. */
static void remasking_keeps_the_mask_rate(void **state)
{
    enum { L = 400, MOST = 12, BLOCKS = 300 };
    static const struct {
        enum strategy strategy;
        double eta;
    } cases[] = {{STRATEGY_REMDM_CAP, 0},
                 {STRATEGY_REMDM_CAP, 0.2},
                 {STRATEGY_REMDM_RESCALE, 0.5},
                 {STRATEGY_REMDM_RESCALE, 1},
                 {STRATEGY_REMDM_LOOP, 0.1}};
    struct bench *b = malloc(sizeof *b);
    bench_open(b);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (enum schedule s = SCHEDULE_LINEAR; s <= SCHEDULE_COSINE; s++) {
            double open[MOST] = {0};
            int32_t n_steps = s == SCHEDULE_LINEAR ? MOST : 4;
            int64_t revealed = 0;
            b->spec.strategy = cases[c].strategy;
            b->spec.schedule = s;
            b->spec.steps = n_steps;
            b->spec.eta = (float)cases[c].eta;
            for (uint32_t request = 0; request < BLOCKS; request++) {
                bench_start(b, request, 0, L);
                for (int32_t k = 0; k < n_steps; k++) {
                    assert_int_equal(b->u.step, k);
                    bench_step(b);
                    open[k] += b->u.n_open;
                    revealed += b->u.n_revealed;
                }
                assert_true(unmask_done(&b->u));
            }
            for (int32_t k = 0; k < n_steps; k++) {
                double t = 1 - (k + 1.0) / n_steps,
                       rate = s == SCHEDULE_LINEAR ? t : sin(M_PI / 2 * t);
                if (cases[c].strategy == STRATEGY_REMDM_LOOP)
                    rate = t > 0.55 ? 1 - 0.9 * (1 - t) / 0.45 : t < 0.05 ? 0.1 * t / 0.05 : 0.1;
                if (k == n_steps - 1)
                    assert_true(open[k] == 0);
                else
                    near_mean(strategy_of(cases[c].strategy)->name, open[k] / BLOCKS, L * rate,
                              L * rate * (1 - rate), BLOCKS);
            }
            if (cases[c].eta == 0)
                assert_int_equal(revealed, (int64_t)BLOCKS * L);
            else
                assert_true(revealed > (int64_t)BLOCKS * L);
        }
    unmask_free(&b->u);
    free(b);
}

/* The second of four steps goes from alpha 1/4 to 1/2, where all of what is masked again may be
 * 1 position: of n0 revealed with probability 0 and n1 with 1, each has 1 or 1/e of n0 + n1 / e
 * shares of it. */
static void confidence_shares_out_the_masking(void **state)
{
    enum { L = 64, BLOCKS = 4000 };
    struct bench *b = malloc(sizeof *b);
    double again[2] = {0}, expected[2] = {0};
    bench_open(b);
    b->spec.strategy = STRATEGY_REMDM_CONF;
    b->spec.steps = 4;
    for (uint32_t request = 0; request < BLOCKS; request++) {
        int32_t before[L], n[2] = {0};
        bench_start(b, request, 0, L);
        for (int32_t k = 0; k < 2; k++) {
            memcpy(before, b->tokens, sizeof before);
            make_rows(b);
            for (int32_t i = 0; i < b->u.n_open; i++)
                b->stat[i].confidence = b->u.open[i] % 2 ? 1.0f : 0.0f;
            unmask_accept(&b->u, b->stat, b->tokens);
        }
        for (int32_t i = 0; i < L; i++) {
            n[i % 2] += before[i] != MASK;
            again[i % 2] += before[i] != MASK && b->tokens[i] == MASK;
        }
        double all = n[0] + n[1] * exp(-1);
        expected[0] += n[0] / all;
        expected[1] += n[1] * exp(-1) / all;
    }
    /* Coins vary by less than their mean. */
    for (int c = 0; c < 2; c++) near_mean("masked again", again[c], expected[c], expected[c], 1);
    unmask_free(&b->u);
    free(b);
}

/* ---- batches whose sequences take other numbers of steps ---- */

/* E[max of B] = sum over k of 1 - F(k)^B, against the mean: the straggler factor. */
static void step_counts_have_their_distribution(void **state)
{
    enum { DRAWS = 20000, S = 8, BATCH = 8 };
    for (enum batch_policy p = BATCH_RAGGED; p <= BATCH_GEOMETRIC; p++) {
        struct decode_spec s = {.seed = 11, .steps = S, .batch_policy = p};
        double sum = 0, max_sum = 0, mean = 0, square = 0, e_max = 0, e_max2 = 0, f = 0;
        for (uint32_t i = 0; i < DRAWS; i += BATCH) {
            int32_t most = 0;
            for (uint32_t r = 0; r < BATCH; r++) {
                int32_t n = schedule_steps(&s, r, i);
                assert_true(n >= 1);
                sum += n;
                if (n > most) most = n;
            }
            max_sum += most;
        }
        for (int32_t k = 1; k < 2000; k++) {
            double pk = p == BATCH_RAGGED ? (k <= S) / (double)S : pow(1 - 1.0 / S, k - 1) / S;
            double up_to = pow(f + pk, BATCH) - pow(f, BATCH);
            mean += k * pk;
            square += (double)k * k * pk;
            e_max += k * up_to;
            e_max2 += (double)k * k * up_to;
            f += pk;
        }
        near_mean("steps", sum / DRAWS, mean, square - mean * mean, DRAWS);
        near_mean("most steps", max_sum / (DRAWS / BATCH), e_max, e_max2 - e_max * e_max,
                  (double)DRAWS / BATCH);
    }
}

/* ---- what is refused ---- */

static void adaptive_strategies_need_probabilities(void **state)
{
    for (int which = 0; which < STRATEGY_COUNT; which++) {
        struct decode_spec s = {.steps = 1, .strategy = (enum strategy)which};
        bool refused = strategy_check(&s) != ERR_NONE;
        assert_int_equal(refused, strategy_of(s.strategy)->adaptive);
        if (refused) assert_non_null(strstr(err_msg(), "seeded random weights"));
        s.informed = true;
        assert_int_equal(strategy_check(&s), ERR_NONE);
        s.steps = 0;
        assert_int_equal(strategy_check(&s) != ERR_NONE, strategy_takes(s.strategy, "steps"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_shares_the_masks),
        cmocka_unit_test(cosine_reveals_few_at_first),
        cmocka_unit_test(the_best_come_first_and_the_left_of_equals),
        cmocka_unit_test(a_threshold_never_reveals_nothing),
        cmocka_unit_test(a_factor_counts_the_doubts),
        cmocka_unit_test(an_entropy_bound_leaves_out_the_largest),
        cmocka_unit_test(every_strategy_finishes_its_block),
        cmocka_unit_test(a_first_position_takes_a_place),
        cmocka_unit_test(ancestral_skips_empty_steps),
        cmocka_unit_test(reveal_steps_follow_the_schedule),
        cmocka_unit_test(fine_steps_are_first_hitting),
        cmocka_unit_test(hitting_times_are_order_statistics),
        cmocka_unit_test(remasking_keeps_the_mask_rate),
        cmocka_unit_test(confidence_shares_out_the_masking),
        cmocka_unit_test(step_counts_have_their_distribution),
        cmocka_unit_test(adaptive_strategies_need_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
