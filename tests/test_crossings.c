/* test_crossings.c - the views of paired forwards and of crossings over the ridge, on planted
 * times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/store_fixture.h"

struct planted {
    struct cell cell;
    enum phase phase;
    int32_t rows, tokens; /* of a forward */
    int64_t ns;           /* in round 0; each later round is slower by a tenth of that */
    bool baseline;
    const char *pair;    /* NULL: "pair"            */
    double predicted_ns; /* in every round; 0: none */
};

enum { ROUNDS = 9 };

/* One whole decode of one forward, and one pinned forward a round.  Ridge: 4 FLOP per byte. */
static void plant(struct store *s, const char *invocation, const struct planted *p)
{
    struct ledger l = {0};
    l.op[OP_MATMUL] = (struct ledger_entry){
        .calls = 1,
        .cost = {.flop_matmul = 100, .bytes_dram = 10, .bytes_dram_lo = 10, .bytes_dram_hi = 10},
        .predicted_ns = {[TIER_CEILINGS] = p->predicted_ns}};
    struct forward_row f[ROUNDS + 1];
    for (int32_t i = 0; i <= ROUNDS; i++)
        f[i] = (struct forward_row){
            .kind = i < ROUNDS ? FORWARD_PINNED : FORWARD_DECODE,
            .phase = p->phase,
            .round = i % ROUNDS,
            .sample = i < ROUNDS ? i : 1,
            .n_forwards = 1,
            .time_ns = p->ns + p->ns / 10 * (i % ROUNDS),
            .other_cpus = -1,
            .work = {.phase = p->phase, .rows = p->rows, .tokens_committed = p->tokens},
            .ledger = &l};
    struct run_row r = {.status = "ok",
                        .pair_id = p->pair ? p->pair : "pair",
                        .pair_baseline = p->baseline,
                        .threads = 2,
                        .variant = "avx2"};
    r.price[TIER_CEILINGS] = (struct price){.known = true,
                                            .matmul_flop_per_s = 4e9,
                                            .attention_flop_per_s = 4e9,
                                            .vector_flop_per_s = 4e9,
                                            .bytes_per_s = 1e9};
    ok(store_add_run(s, invocation, &p->cell, &r, f, ROUNDS + 1));
}

static struct cell cell_of(const char *decoder, int32_t batch)
{
    struct cell c = small_cell(decoder, "cpu");
    c.spec.batch = batch;
    c.spec.n_prompt = 16;
    c.spec.n_gen = 48;
    return c;
}

/* Rounds drift by four fifths; the ratio in each is 1.1. */
static void the_same_rows_are_compared_round_by_round(void **state)
{
    (void)state;
    struct store *s = memory_store();
    char invocation[37];
    begin_on(s, "cpu", invocation);
    struct planted verify = {cell_of("ar-verify", 1), PHASE_VERIFY, 4, 4, 1000, true, NULL, 0};
    struct planted block = {cell_of("block", 1), PHASE_DENOISE, 4, 4, 1100, false, NULL, 0};
    struct planted other = {cell_of("block", 2), PHASE_DENOISE, 8, 8, 1100, false, NULL, 0};
    plant(s, invocation, &verify);
    plant(s, invocation, &block);
    plant(s, invocation, &other); /* other rows: no partner */
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_same_physics", NULL), 1);
    assert_near(ask_real(s, "SELECT time_ratio FROM v_same_physics", NULL), 1.1);
    assert_near(ask_real(s, "SELECT time_ratio_lo FROM v_same_physics", NULL), 1.1);
    assert_near(ask_real(s, "SELECT time_ratio_hi FROM v_same_physics", NULL), 1.1);
    assert_int_equal(ask_int(s, "SELECT rounds FROM v_same_physics", NULL), ROUNDS);
    store_close(s);
}

/* Medians are the fifth rounds: 1.4 times what is planted, everywhere, so ratios stay. */
static void crossings_are_worked_out_by_hand(void **state)
{
    (void)state;
    struct store *s = memory_store();
    char invocation[37];
    begin_on(s, "cpu", invocation);
    struct planted ar[] = {{cell_of("ar", 1), PHASE_DECODE, 1, 1, 1000, true, "one", 800},
                           {cell_of("ar", 2), PHASE_DECODE, 2, 2, 1000, true, "two", 800},
                           {cell_of("ar", 4), PHASE_DECODE, 4, 4, 2000, true, "four", 1000}};
    struct planted block[] = {
        {cell_of("block", 1), PHASE_DENOISE, 8, 4, 1000, false, "one", 500},
        {cell_of("block", 2), PHASE_DENOISE, 16, 8, 2000, false, "two", 1600},
        {cell_of("block", 4), PHASE_DENOISE, 32, 16, 16000, false, "four", 10000}};
    struct planted full = {
        cell_of("diffusion", 1), PHASE_DENOISE, 64, 1, 20000, false, "one", 12500};
    for (int i = 0; i < 3; i++) {
        block[i].cell.spec.block_length = 8;
        plant(s, invocation, &ar[i]);
        plant(s, invocation, &block[i]);
    }
    plant(s, invocation, &full);
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_ridge_dial", NULL), 1);
    /* bf16: two bytes per weight, so a row is a FLOP per byte. */
    assert_near(ask_real(s, "SELECT ridge_rows FROM v_ridge_dial", NULL), 4);
    /* The largest block takes 16000 / 32 = 500 for a row, AR 1000 for its one. */
    assert_near(ask_real(s, "SELECT ridge_rows_reached FROM v_ridge_dial", NULL), 2);
    /* T* L / Lg = 64 x 1000 / 20000. */
    assert_near(ask_real(s, "SELECT steps_x FROM v_ridge_dial", NULL), 3.2);
    assert_near(ask_real(s, "SELECT steps_x_per_ridge FROM v_ridge_dial", NULL), 0.8);
    assert_near(ask_real(s, "SELECT steps_x_per_reached FROM v_ridge_dial", NULL), 1.6);
    /* Every forward is planted with as many FLOPs: 16000 / 20000. */
    assert_near(ask_real(s, "SELECT steps_x_work_per_reached FROM v_ridge_dial", NULL), 0.8);
    /* Blocks commit 4 tokens a forward and sequence: 4, 2 and 0.5 times as fast.  Between batch 2
     * and 4 a block forward goes from 1/2 to 2 of what it may take: equal, 1, after a third of the
     * way; times b / TPF = 2. */
    assert_near(ask_real(s, "SELECT batch_x FROM v_ridge_dial", NULL), 2 * (2 + 2 / 3.0));
    assert_near(ask_real(s, "SELECT batch_x_per_reached FROM v_ridge_dial", NULL), 2 + 2 / 3.0);
    /* AR takes 1000 / 800 of what is predicted at batch 1 and 2, 2000 / 1000 at 4; blocks 2, 1.25
     * and 1.6; the full-sequence forward 1.6.  1.25 / 1.6; and from 1.25 / 1.25 a third of the
     * way to 2 / 1.6.  Every round says the same, so limits are where the median is. */
    assert_near(ask_real(s, "SELECT steps_x_per_model FROM v_ridge_dial", NULL), 1.25 / 1.6);
    assert_near(ask_real(s, "SELECT batch_x_per_model FROM v_ridge_dial", NULL), 1 + 0.25 / 3);
    assert_near(ask_real(s, "SELECT batch_x_per_model_lo FROM v_ridge_dial", NULL), 1 + 0.25 / 3);
    assert_near(ask_real(s, "SELECT batch_x_per_model_hi FROM v_ridge_dial", NULL), 1 + 0.25 / 3);
    assert_near(ask_real(s, "SELECT batch_x_work_per_reached FROM v_ridge_dial", NULL),
                (1 + 0.25 / 3) / (1.25 / 1.6));
    /* Block of 8 at batch 1: 1000 / 1000, 800 / 500 predicted, so 0.625. */
    const char *of_one = " FROM v_pair_prediction WHERE run_id = (SELECT run_id FROM v_run WHERE "
                         "decoder = 'block' AND batch_seqs = 1)";
    static const struct {
        const char *column;
        double is;
    } one[] = {{"time_ratio", 1},      {"predicted_ratio", 1.6}, {"residual", 0.625},
               {"residual_lo", 0.625}, {"residual_hi", 0.625},   {"rounds", ROUNDS}};
    for (size_t i = 0; i < sizeof one / sizeof one[0]; i++) {
        char sql[300];
        snprintf(sql, sizeof sql, "SELECT 1.0 * %s%s", one[i].column, of_one);
        assert_near(ask_real(s, sql, NULL), one[i].is);
    }
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_rows_are_compared_round_by_round),
        cmocka_unit_test(crossings_are_worked_out_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
