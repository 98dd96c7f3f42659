/* Every view against numbers worked out by hand.
 *
 * One forward in these runs is: a matmul of 800 FLOP that reads 400 bytes of weights and moves 20
 * of activations and 10 of logits, and attention of 200 FLOP over 100 bytes of K/V.  DRAM bytes
 * 500, between 500 and 560.  The machine does 1e11 FLOP/s and 1e10 bytes/s: ridge 10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/store_fixture.h"

enum { MAX_ROWS = 64 };

struct script { /* a run being put together */
    struct ledger ledger;
    struct forward_row row[MAX_ROWS];
    int32_t n;
};

static struct ledger unit_ledger(void)
{
    struct ledger l = {0};
    l.op[OP_MATMUL] = (struct ledger_entry){
        .calls = 2,
        .cost = {.flop_matmul = 800, .flop_vector = 3, .flop_executed = 3200,
                 .bytes = {[ROLE_WEIGHT] = 400, [ROLE_ACTIVATION] = 20, [ROLE_LOGITS] = 10},
                 .bytes_dram = 400, .bytes_dram_lo = 400, .bytes_dram_hi = 460},
        .predicted_ns = {[TIER_DATASHEET] = 30, [TIER_CEILINGS] = 60},
        .memory_ns = {[TIER_DATASHEET] = 0, [TIER_CEILINGS] = 60},
        .time_ns = 75};
    l.op[OP_ATTENTION] = (struct ledger_entry){
        .calls = 1,
        .cost = {.flop_attention = 200, .flop_executed = 200, .bytes = {[ROLE_KV] = 100},
                 .bytes_dram = 100, .bytes_dram_lo = 100, .bytes_dram_hi = 100},
        .predicted_ns = {[TIER_DATASHEET] = 10, [TIER_CEILINGS] = 20},
        .memory_ns = {[TIER_DATASHEET] = 10, [TIER_CEILINGS] = 0},
        .time_ns = 25};
    return l;
}

static struct forward_row *add(struct script *c, enum forward_kind kind, enum phase phase,
                               int32_t round, int64_t time_ns)
{
    assert_true(c->n < MAX_ROWS);
    struct forward_row *f = &c->row[c->n++];
    *f = (struct forward_row){.kind = kind, .phase = phase, .round = round, .sample = round,
                              .n_forwards = 1, .time_ns = time_ns, .other_cpus = -1,
                              .work = {.phase = phase, .rows = 2, .logit_rows = 2,
                                       .tokens_committed = 2, .flop_useful = 250},
                              .ledger = &c->ledger};
    return f;
}

static void unit_price(struct run_row *r)
{
    r->price[TIER_CEILINGS] = (struct price){.known = true, .matmul_flop_per_s = 1e11,
                                             .attention_flop_per_s = 5e10, .bytes_per_s = 1e10};
    r->price[TIER_DATASHEET] = (struct price){.known = true, .matmul_flop_per_s = 2e11,
                                              .attention_flop_per_s = 1e11, .bytes_per_s = 4e10};
}

static struct run_row ok_run(const char *pair_id, bool baseline)
{
    struct run_row r = {.status = "ok", .pair_id = pair_id, .pair_baseline = baseline,
                        .weight_bytes = 400, .threads = 2};
    unit_price(&r);
    return r;
}

/* Baseline: two whole decodes of a prefill and three decodes, and a step pinned in 6 rounds. */
static void ar_script(struct script *c)
{
    *c = (struct script){.ledger = unit_ledger()};
    for (int32_t s = 0; s < 2; s++) {
        struct forward_row *f = add(c, FORWARD_DECODE, PHASE_PREFILL, s, 1000);
        f->work.rows = 8;
        for (int32_t i = 0; i < 3; i++) {
            f = add(c, FORWARD_DECODE, PHASE_DECODE, s, 100 + 10 * i + 30 * s);
            f->step = i + 1;
        }
    }
    add(c, FORWARD_DECODE, PHASE_DECODE, 0, 12345)->warmup = true;
    for (int32_t r = 0; r < 6; r++) add(c, FORWARD_PINNED, PHASE_DECODE, r, 110 - 2 * r);
    add(c, FORWARD_PINNED, PHASE_DECODE, 0, 999)->warmup = true;
    add(c, FORWARD_PINNED, PHASE_DECODE, 0, 888)->after_switch = true;
    for (int32_t r = 0; r < 3; r++) add(c, FORWARD_TRACE, PHASE_DECODE, r, 130);
    add(c, FORWARD_TRACE, PHASE_DECODE, 0, 130)->warmup = true;
}

/* Partner: one decode of two blocks, each two denoises and a commit. */
static void block_script(struct script *c)
{
    *c = (struct script){.ledger = unit_ledger()};
    for (int32_t b = 0; b < 2; b++) {
        add(c, FORWARD_DECODE, PHASE_DENOISE, 0, 200)->work.tokens_committed = 4;
        add(c, FORWARD_DECODE, PHASE_DENOISE, 0, 220)->work.tokens_committed = 4;
        struct forward_row *f = add(c, FORWARD_DECODE, PHASE_COMMIT, 0, 180);
        f->work.tokens_committed = f->work.flop_useful = f->work.logit_rows = 0;
    }
    for (int32_t r = 0; r < 6; r++) {
        add(c, FORWARD_PINNED, PHASE_DENOISE, r, 200 + 10 * r);
        add(c, FORWARD_PINNED, PHASE_COMMIT, r, 180);
    }
}

static void record(struct store *s, const char *invocation, const char *decoder,
                   struct run_row *r, const struct script *c)
{
    struct cell cell = small_cell(decoder, "cpu");
    if (strcmp(decoder, "ar") != 0) cell.spec.block_length = 4, cell.spec.steps = 2;
    ok(store_add_run(s, invocation, &cell, r, c->row, c->n));
}

struct two_runs {
    struct store *store;
    char invocation[37];
    struct run_row ar, block;
    struct script script;
};

static void open_two_runs(struct two_runs *t)
{
    t->store = memory_store();
    begin_on(t->store, "cpu", t->invocation);
    t->ar = ok_run("pair 1", true);
    t->block = ok_run("pair 1", false);
    ar_script(&t->script);
    record(t->store, t->invocation, "ar", &t->ar, &t->script);
    block_script(&t->script);
    record(t->store, t->invocation, "block", &t->block, &t->script);
}

static void phases_are_sums(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    const char *run = t.ar.run_id;
#define PHASE(column) \
    ask_int(t.store, "SELECT " column " FROM v_phase WHERE run_id = ?1 AND phase = 'decode'", run)
    assert_int_equal(PHASE("samples"), 2);
    assert_int_equal(PHASE("forwards"), 6);
    assert_int_equal(PHASE("rows"), 12);
    assert_int_equal(PHASE("logit_rows"), 12);
    assert_int_equal(PHASE("tokens_committed"), 12);
    assert_int_equal(PHASE("time_ns"), 330 + 420); /* the warm-up is left out */
    assert_int_equal(PHASE("flop_matmul"), 4800);
    assert_int_equal(PHASE("flop_attention"), 1200);
    assert_int_equal(PHASE("flop"), 6000);
    assert_int_equal(PHASE("flop_vector"), 18);
    assert_int_equal(PHASE("flop_executed"), 6 * 3400);
    assert_int_equal(PHASE("flop_useful"), 1500);
    assert_int_equal(PHASE("bytes_weight"), 2400);
    assert_int_equal(PHASE("bytes_kv"), 600);
    assert_int_equal(PHASE("bytes_activation"), 120);
    assert_int_equal(PHASE("bytes_logits"), 60);
    assert_int_equal(PHASE("bytes_kernel"), 3180);
    assert_int_equal(PHASE("bytes_dram"), 3000);
    assert_int_equal(PHASE("bytes_dram_lo"), 3000);
    assert_int_equal(PHASE("bytes_dram_hi"), 3360);
    assert_int_equal(PHASE("predicted_table_ns IS NULL AND flop_counter IS NULL "
                           "AND dram_read_bytes_counter IS NULL "
                           "AND dram_write_bytes_counter IS NULL"), 1);
#undef PHASE
    const char *where = "FROM v_phase WHERE run_id = ?1 AND phase = 'decode'";
    char sql[256];
#define REAL(column) (snprintf(sql, sizeof sql, "SELECT %s %s", column, where), \
                      ask_real(t.store, sql, run))
    assert_near(REAL("predicted_ns"), 480); /* ceilings before data sheet */
    assert_near(REAL("predicted_ceilings_ns"), 480);
    assert_near(REAL("predicted_datasheet_ns"), 240);
    assert_near(REAL("memory_time_share"), 0.75);
#undef REAL
    assert_int_equal(ask_int(t.store, "SELECT COUNT(*) FROM v_phase WHERE run_id = ?1", run), 2);
    assert_int_equal(ask_int(t.store, "SELECT rows FROM v_phase WHERE run_id = ?1 "
                                      "AND phase = 'prefill'", run), 16);
    store_close(t.store);
}

static void operations_add_up_to_the_phase(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    assert_int_equal(ask_int(t.store, "SELECT calls FROM v_op WHERE run_id = ?1 "
                                      "AND phase = 'decode' AND op = 'matmul'", t.ar.run_id), 12);
    assert_near(ask_real(t.store, "SELECT memory_time_share FROM v_op WHERE run_id = ?1 "
                                  "AND phase = 'decode' AND op = 'attention'", t.ar.run_id), 0);
    assert_int_equal(ask_int(t.store, "SELECT COUNT(*) FROM v_op o WHERE time_ns IS NOT NULL",
                             NULL), 0);
    /* Of both runs, all phases. */
    assert_int_equal(
        ask_int(t.store,
                "SELECT COUNT(*) FROM v_phase p JOIN (SELECT run_id, phase, SUM(flop) AS flop, "
                "SUM(bytes_kernel) AS bytes_kernel, SUM(bytes_dram_hi) AS hi, "
                "SUM(flop_executed) AS executed, SUM(predicted_ns) AS predicted "
                "FROM v_op GROUP BY run_id, phase) o USING (run_id, phase) "
                "WHERE p.flop = o.flop AND p.bytes_kernel = o.bytes_kernel "
                "AND p.bytes_dram_hi = o.hi AND p.flop_executed = o.executed "
                "AND p.predicted_ns = o.predicted", NULL),
        4);
    store_close(t.store);
}

static void breakdown_is_of_traced_time(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    const char *where = "FROM v_breakdown WHERE run_id = ?1 AND op = 'matmul'";
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT time_ns %s", where);
    assert_int_equal(ask_int(t.store, sql, t.ar.run_id), 3 * 75);
    snprintf(sql, sizeof sql, "SELECT share %s", where);
    assert_near(ask_real(t.store, sql, t.ar.run_id), 0.75);
    snprintf(sql, sizeof sql, "SELECT n * 100 + calls %s AND evidence = 'timing'", where);
    assert_int_equal(ask_int(t.store, sql, t.ar.run_id), 306);
    assert_int_equal(ask_int(t.store, "SELECT COUNT(*) FROM v_breakdown WHERE run_id = ?1",
                             t.block.run_id), 0); /* nothing was traced */
    store_close(t.store);
}

static void steps_are_medians_with_rank_intervals(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    const char *run = t.ar.run_id;
    /* 100 102 104 106 108 110: of six, the interval is the whole range. */
    assert_int_equal(ask_int(t.store, "SELECT n FROM v_step WHERE run_id = ?1", run), 6);
    assert_near(ask_real(t.store, "SELECT median_ns FROM v_step WHERE run_id = ?1", run), 105);
    assert_int_equal(ask_int(t.store, "SELECT ci_lo_ns FROM v_step WHERE run_id = ?1", run), 100);
    assert_int_equal(ask_int(t.store, "SELECT ci_hi_ns FROM v_step WHERE run_id = ?1", run), 110);

    /* Ten samples: ranks 2 and 9.  Five: no interval. */
    for (int32_t n = 10; n >= 5; n -= 5) {
        struct script c = {.ledger = unit_ledger()};
        for (int32_t i = 0; i < n; i++) add(&c, FORWARD_PINNED, PHASE_DECODE, i, 100 + i * i);
        struct run_row r = ok_run(NULL, false);
        record(t.store, t.invocation, "ar", &r, &c);
        assert_near(ask_real(t.store, "SELECT median_ns FROM v_step WHERE run_id = ?1", r.run_id),
                    n == 10 ? 120.5 : 104);
        assert_int_equal(ask_int(t.store, "SELECT COALESCE(ci_lo_ns, -1) FROM v_step "
                                          "WHERE run_id = ?1", r.run_id), n == 10 ? 101 : -1);
        assert_int_equal(ask_int(t.store, "SELECT COALESCE(ci_hi_ns, -1) FROM v_step "
                                          "WHERE run_id = ?1", r.run_id), n == 10 ? 164 : -1);
    }
    store_close(t.store);
}

#define ROOF(column, phase, work) \
    "SELECT " column " FROM v_roofline WHERE run_id = ?1 AND phase = '" phase \
    "' AND work = '" work "'"

static void rooflines_by_work(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    struct store *s = t.store;
    const char *run = t.ar.run_id;
    char text[256];
    /* Algorithmic: 1000 FLOP on 500 bytes in 105 ns, under 2 x 1e10. */
    assert_near(ask_real(s, ROOF("intensity_flop_per_byte", "decode", "algorithmic"), run), 2);
    assert_near(ask_real(s, ROOF("intensity_lo", "decode", "algorithmic"), run), 1000.0 / 560);
    assert_near(ask_real(s, ROOF("intensity_hi", "decode", "algorithmic"), run), 2);
    assert_near(ask_real(s, ROOF("flop_per_s", "decode", "algorithmic"), run), 1000e9 / 105);
    assert_near(ask_real(s, ROOF("flop_per_s_lo", "decode", "algorithmic"), run), 1000e9 / 110);
    assert_near(ask_real(s, ROOF("roof_flop_per_s", "decode", "algorithmic"), run), 2e10);
    assert_near(ask_real(s, ROOF("roof_fraction", "decode", "algorithmic"), run),
                1000e9 / 105 / 2e10);
    assert_near(ask_real(s, ROOF("ridge_flop_per_byte", "decode", "algorithmic"), run), 10);
    assert_string_equal(ask_text(s, ROOF("side", "decode", "algorithmic"), run, text), "memory");
    assert_string_equal(ask_text(s, ROOF("bound", "decode", "algorithmic"), run, text), "(null)");
    assert_string_equal(ask_text(s, ROOF("evidence", "decode", "algorithmic"), run, text),
                        "timing");
    assert_string_equal(ask_text(s, ROOF("basis", "decode", "algorithmic"), run, text), "pinned");
    assert_int_equal(ask_int(s, ROOF("above_roof", "decode", "algorithmic"), run), 0);
    /* Executed: 3400 FLOP in the same time. */
    assert_near(ask_real(s, ROOF("intensity_flop_per_byte", "decode", "executed"), run), 6.8);
    assert_near(ask_real(s, ROOF("flop_per_s", "decode", "executed"), run), 3400e9 / 105);
    /* Useful: 250 of each whole forward, 750 ns for six. */
    assert_near(ask_real(s, ROOF("intensity_flop_per_byte", "decode", "useful"), run), 0.5);
    assert_near(ask_real(s, ROOF("flop_per_s", "decode", "useful"), run), 1500e9 / 750);
    assert_string_equal(ask_text(s, ROOF("basis", "decode", "useful"), run, text), "whole");
    /* Prefill was not pinned: two of 1000 ns each, no limits. */
    assert_near(ask_real(s, ROOF("flop_per_s", "prefill", "algorithmic"), run), 1e9);
    assert_int_equal(ask_int(s, ROOF("above_roof IS NULL", "prefill", "algorithmic"), run), 1);
    /* A commit commits no token of its own. */
    assert_near(ask_real(s, ROOF("intensity_flop_per_byte", "commit", "useful"), t.block.run_id),
                0);
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_roofline", NULL), 3 * 4);
    store_close(s);
}

/* Intensity between lo and hi around a ridge of 10. */
static void side_of(struct store *s, const char *invocation, int64_t dram_lo, int64_t dram_hi,
                    const char *want)
{
    struct script c = {.ledger = unit_ledger()};
    for (int op = 0; op < OP_COUNT; op++) c.ledger.op[op].cost.bytes_dram_lo = 0;
    for (int op = 0; op < OP_COUNT; op++) c.ledger.op[op].cost.bytes_dram_hi = 0;
    c.ledger.op[OP_MATMUL].cost.bytes_dram_lo = dram_lo;
    c.ledger.op[OP_MATMUL].cost.bytes_dram_hi = dram_hi;
    add(&c, FORWARD_PINNED, PHASE_DECODE, 0, 100);
    struct run_row r = ok_run(NULL, false);
    record(s, invocation, "ar", &r, &c);
    char text[256];
    assert_string_equal(ask_text(s, ROOF("side", "decode", "algorithmic"), r.run_id, text), want);
}

static void a_side_needs_the_whole_band(void **state)
{
    struct store *s = memory_store();
    char invocation[37];
    begin_on(s, "cpu", invocation);
    side_of(s, invocation, 101, 200, "memory");   /* 5 .. 9.9  */
    side_of(s, invocation, 100, 200, "undecided"); /* 5 .. 10   */
    side_of(s, invocation, 50, 101, "undecided");  /* 9.9 .. 20 */
    side_of(s, invocation, 50, 100, "compute");    /* 10 .. 20  */
    store_close(s);
}

/* Six forwards of 40 ns: 2.5e10 FLOP/s where the roof before was 2e10. */
static int64_t above_roof(double bandwidth_after, double peak_after)
{
    struct store *s = memory_store();
    char invocation[37];
    begin_on(s, "cpu", invocation);
    struct script k = {.ledger = unit_ledger()};
    for (int32_t i = 0; i < 6; i++) add(&k, FORWARD_PINNED, PHASE_DECODE, i, 40);
    struct run_row r = ok_run(NULL, false);
    record(s, invocation, "ar", &r, &k);
    struct price after[TIER_COUNT] = {[TIER_CEILINGS] = {.known = true,
                                                         .matmul_flop_per_s = peak_after,
                                                         .bytes_per_s = bandwidth_after}};
    if (bandwidth_after > 0) ok(store_add_price_after(s, r.run_id, after));
    int64_t above = ask_int(s, ROOF("above_roof", "decode", "algorithmic"), r.run_id);
    store_close(s);
    return above;
}

static void above_the_larger_of_two_roofs(void **state)
{
    assert_int_equal(above_roof(-1, 0), 1);         /* 2.1e10 is the most that is excused */
    assert_int_equal(above_roof(0.5e10, 1e11), 1);  /* a lower roof afterwards does not matter */
    assert_int_equal(above_roof(1.19e10, 1e11), 1); /* 2.499e10 */
    assert_int_equal(above_roof(1.2e10, 1e11), 0);  /* 2.52e10 */
    assert_int_equal(above_roof(1.2e10, 1e9), 0);   /* the peak before was 1e11 */
}

static void throughput_is_a_ratio_of_sums(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    struct store *s = t.store;
    const char *run = t.ar.run_id;
#define RATE(column) "SELECT " column " FROM v_throughput WHERE run_id = ?1"
    assert_int_equal(ask_int(s, RATE("tokens"), run), 16);
    assert_int_equal(ask_int(s, RATE("forwards"), run), 8);
    assert_int_equal(ask_int(s, RATE("time_prefill_ns"), run), 2000);
    assert_int_equal(ask_int(s, RATE("time_decode_ns"), run), 750);
    assert_near(ask_real(s, RATE("tokens_per_s"), run), 16e9 / 2750);
    assert_near(ask_real(s, RATE("decode_tokens_per_s"), run), 12e9 / 750);
    assert_near(ask_real(s, RATE("tokens_per_forward"), run), 2);
    /* Block: 16 tokens, six forwards with the commits, no prefill. */
    run = t.block.run_id;
    assert_int_equal(ask_int(s, RATE("tokens"), run), 16);
    assert_int_equal(ask_int(s, RATE("time_prefill_ns IS NULL"), run), 1);
    assert_int_equal(ask_int(s, RATE("time_decode_ns"), run), 1200);
    assert_near(ask_real(s, RATE("tokens_per_s"), run), 16e9 / 1200);
    assert_near(ask_real(s, RATE("tokens_per_forward"), run), 16.0 / 6);
    store_close(s);
}

static void break_even_is_a_ratio_of_step_times(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    /* Medians: denoise 225 of 200..250, commit 180; four to two.  Baseline: 105 of 100..110, two
     * tokens a forward, two sequences. */
    double mix = (4 * 225 + 2 * 180) / 6.0, lo = (4 * 200 + 2 * 180) / 6.0,
           hi = (4 * 250 + 2 * 180) / 6.0;
    struct store *s = t.store;
    const char *run = t.block.run_id;
#define EVEN(column) "SELECT " column " FROM v_break_even WHERE run_id = ?1"
    assert_near(ask_real(s, EVEN("forward_ns"), run), mix);
    assert_near(ask_real(s, EVEN("tokens_per_forward_needed"), run), 2 * mix / 105);
    assert_near(ask_real(s, EVEN("tokens_per_forward_needed_lo"), run), 2 * lo / 110);
    assert_near(ask_real(s, EVEN("tokens_per_forward_needed_hi"), run), 2 * hi / 100);
    assert_near(ask_real(s, EVEN("tokens_per_forward_needed_per_seq"), run), mix / 105);
    assert_near(ask_real(s, EVEN("tokens_per_forward_per_seq"), run), 16.0 / 12);
    char text[256];
    assert_string_equal(ask_text(s, EVEN("basis || ' ' || evidence"), run, text),
                        "pinned timing");
    store_close(s);
}

#define PAIR(column) "SELECT " column " FROM v_pair WHERE run_id = ?1"

static void pairs_side_by_side(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    struct store *s = t.store;
    const char *run = t.block.run_id;
    char text[256];
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_pair", NULL), 1);
    assert_string_equal(ask_text(s, PAIR("baseline_run_id"), run, text), t.ar.run_id);
    double decode = (16e9 / 1200) / (12e9 / 750), whole = (16e9 / 1200) / (16e9 / 2750);
    assert_near(ask_real(s, PAIR("decode_ratio"), run), decode);
    assert_near(ask_real(s, PAIR("end_to_end_ratio"), run), whole);
    /* Rounds: six decodes of 110 - 2r against four denoises of 200 + 10r and two commits of 180.
     * The ratio falls with r, so the interval of six rounds is r = 5 .. r = 0. */
    double ratio[6], total[6];
    for (int r = 0; r < 6; r++) {
        double partner = 4 * (200 + 10 * r) + 2 * 180;
        ratio[r] = 6 * (110 - 2 * r) / partner;
        total[r] = (6 * (110 - 2 * r) + 2000) / partner; /* prefill was not pinned */
    }
    double middle = (ratio[2] + ratio[3]) / 2, total_middle = (total[2] + total[3]) / 2;
    assert_int_equal(ask_int(s, PAIR("rounds"), run), 6);
    assert_near(ask_real(s, PAIR("decode_ratio_lo"), run), decode * ratio[5] / middle);
    assert_near(ask_real(s, PAIR("decode_ratio_hi"), run), decode * ratio[0] / middle);
    assert_near(ask_real(s, PAIR("end_to_end_ratio_lo"), run), whole * total[5] / total_middle);
    assert_near(ask_real(s, PAIR("end_to_end_ratio_hi"), run), whole * total[0] / total_middle);
    assert_near(ask_real(s, PAIR("tokens_per_forward"), run), 16.0 / 6);
    assert_near(ask_real(s, PAIR("tokens_per_forward_needed"), run), 2 * 210 / 105.0);
    /* Each arm: the fraction of each phase, weighted by its time in whole decodes. */
    assert_near(ask_real(s, PAIR("baseline_roof_fraction"), run), 50.0 / 105);
    assert_near(ask_real(s, PAIR("roof_fraction"), run),
                (50.0 / 225 * 840 + 50.0 / 180 * 360) / 1200);
    assert_int_equal(ask_int(s, PAIR("same_invocation"), run), 1);
    store_close(s);
}

/* A partner measured later is held against the baseline it has, without an interval; one with a
 * baseline of its own takes that, even when a newer one exists elsewhere. */
static void pairs_across_invocations(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    struct store *s = t.store;
    char later[37], last[37], text[256];
    begin_on(s, "cpu", later);
    struct run_row again = ok_run("pair 1", false), baseline = ok_run("pair 1", true),
                   elsewhere = ok_run("pair 1", false), failed = ok_run("pair 1", false);
    block_script(&t.script);
    record(s, later, "block", &again, &t.script);
    assert_string_equal(ask_text(s, PAIR("baseline_run_id"), again.run_id, text), t.ar.run_id);
    assert_int_equal(ask_int(s, PAIR("same_invocation = 0 AND rounds IS NULL "
                                     "AND decode_ratio_lo IS NULL"), again.run_id), 1);

    begin_on(s, "cpu", last);
    ar_script(&t.script);
    record(s, last, "ar", &baseline, &t.script);
    assert_string_equal(ask_text(s, PAIR("baseline_run_id"), t.block.run_id, text), t.ar.run_id);
    assert_string_equal(ask_text(s, PAIR("baseline_run_id"), again.run_id, text),
                        baseline.run_id);

    /* Another device is another pair; a failed run is none. */
    begin_on(s, "sim:a100-80gb", last);
    struct cell c = small_cell("block", "sim:a100-80gb");
    ok(store_add_run(s, last, &c, &elsewhere, NULL, 0));
    failed.status = "failed";
    failed.message = "out of memory";
    block_script(&t.script);
    record(s, later, "block", &failed, &t.script);
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_pair", NULL), 2);
    store_close(s);
}

/* A plan: summed forwards, predicted time, no interval, nothing measured. */
static void plans_are_analytic(void **state)
{
    struct store *s = memory_store();
    char invocation[37], text[256];
    begin_on(s, "sim:a100-80gb", invocation);
    struct run_row ar = ok_run("p", true), diffusion = ok_run("p", false);
    for (int i = 0; i < 2; i++) {
        struct script c = {.ledger = unit_ledger()};
        struct forward_row *f = add(&c, FORWARD_PLAN, i ? PHASE_DENOISE : PHASE_DECODE, 0, -1);
        f->n_forwards = i ? 2 : 7;
        f->work.tokens_committed = i ? 16 : 14;
        struct run_row *r = i ? &diffusion : &ar;
        r->price[TIER_CEILINGS].known = false;
        struct cell cell = small_cell(i ? "diffusion" : "ar", "sim:a100-80gb");
        ok(store_add_run(s, invocation, &cell, r, c.row, c.n));
    }
    const char *run = ar.run_id;
    assert_int_equal(ask_int(s, "SELECT samples * 100 + forwards FROM v_phase WHERE run_id = ?1",
                             run), 107);
    assert_int_equal(ask_int(s, "SELECT time_ns IS NULL AND predicted_ceilings_ns IS NULL "
                                "FROM v_phase WHERE run_id = ?1", run), 1);
    assert_near(ask_real(s, "SELECT predicted_ns FROM v_phase WHERE run_id = ?1", run), 40);
    assert_near(ask_real(s, "SELECT memory_time_share FROM v_phase WHERE run_id = ?1", run), 0.25);
    assert_near(ask_real(s, RATE("decode_tokens_per_s"), run), 14e9 / 40);
    assert_near(ask_real(s, RATE("tokens_per_forward"), run), 2);
    assert_near(ask_real(s, ROOF("flop_per_s", "decode", "algorithmic"), run), 1000e9 / 40);
    assert_near(ask_real(s, ROOF("roof_flop_per_s", "decode", "algorithmic"), run), 8e10);
    assert_near(ask_real(s, ROOF("ridge_flop_per_byte", "decode", "algorithmic"), run), 5);
    assert_string_equal(ask_text(s, ROOF("roof_tier || ' ' || evidence || ' ' || basis", "decode",
                                         "useful"), run, text), "datasheet analytic whole");
    assert_int_equal(ask_int(s, ROOF("above_roof IS NULL", "decode", "algorithmic"), run), 1);
    assert_near(ask_real(s, "SELECT share FROM v_breakdown WHERE run_id = ?1 AND op = 'matmul' "
                            "AND evidence = 'analytic'", run), 0.75);
    run = diffusion.run_id;
    assert_near(ask_real(s, PAIR("decode_ratio"), run), 16.0 / 14);
    assert_int_equal(ask_int(s, PAIR("decode_ratio_lo IS NULL AND rounds IS NULL"), run), 1);
    /* 40 ns for two forwards against 40 ns for seven. */
    assert_near(ask_real(s, EVEN("tokens_per_forward_needed"), run), 2 * 20 / (40.0 / 7));
    assert_string_equal(ask_text(s, EVEN("basis || ' ' || evidence"), run, text),
                        "whole analytic");
    store_close(s);
}

static void runs_with_their_cell(void **state)
{
    struct two_runs t;
    open_two_runs(&t);
    char text[256];
    assert_string_equal(
        ask_text(t.store,
                 "SELECT device || ' ' || device_kind || ' ' || decoder || ' ' || model || ' ' || "
                 "layers || ' ' || dtype || ' ' || batch_policy || ' ' || match || ' ' || status "
                 "FROM v_run WHERE run_id = ?1", t.ar.run_id, text),
        "cpu cpu ar tiny-test 3 bf16 lockstep policy ok");
    assert_int_equal(
        ask_int(t.store,
                "SELECT block_tokens IS NULL AND denoise_steps IS NULL AND strategy IS NULL "
                "AND cache IS NULL AND batch_seqs = 2 AND prompt_tokens = 4 AND gen_tokens = 8 "
                "AND threads = 2 FROM v_run WHERE run_id = ?1", t.ar.run_id), 1);
    assert_int_equal(ask_int(t.store, "SELECT block_tokens = 4 AND denoise_steps = 2 "
                                      "AND strategy = 'random' FROM v_run WHERE run_id = ?1",
                             t.block.run_id), 1);
    store_close(t.store);
}

static void ceilings_newest_with_their_change(void **state)
{
    struct store *s = memory_store();
    char invocation[37];
    struct ceiling_row c = {.kind = "compute", .name = "fma_f32", .dtype = "f32",
                            .source = "measured", .moment = "alone", .threads = 2, .n = 9,
                            .value = 5e9, .ci_lo = 0.0 / 0.0, .ci_hi = 0.0 / 0.0,
                            .other_cpus = 0.25};
    begin_on(s, "cpu", invocation);
    ok(store_add_ceilings(s, invocation, "cpu", &c, 1));
    assert_int_equal(ask_int(s, "SELECT change IS NULL AND before_value IS NULL FROM v_ceiling",
                             NULL), 1);
    begin_on(s, "cpu", invocation);
    c.moment = "before";
    c.value = 8e9;
    ok(store_add_ceilings(s, invocation, "cpu", &c, 1));
    c.moment = "after";
    c.value = 9e9;
    ok(store_add_ceilings(s, invocation, "cpu", &c, 1));
    assert_near(ask_real(s, "SELECT change FROM v_ceiling", NULL), 9.0 / 8 - 1);
    /* A second group: from 9e9 to 6.75e9. */
    c.moment = "before";
    ok(store_add_ceilings(s, invocation, "cpu", &c, 1));
    c.moment = "after";
    c.value = 6.75e9;
    ok(store_add_ceilings(s, invocation, "cpu", &c, 1));
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM ceiling", NULL), 5);
    assert_int_equal(ask_int(s, "SELECT COUNT(*) FROM v_ceiling", NULL), 1);
    assert_near(ask_real(s, "SELECT value FROM v_ceiling", NULL), 6.75e9);
    assert_near(ask_real(s, "SELECT before_value FROM v_ceiling", NULL), 9e9);
    assert_near(ask_real(s, "SELECT change FROM v_ceiling", NULL), -0.25);
    assert_int_equal(ask_int(s, "SELECT ci_lo IS NULL AND level IS NULL AND unit = 'FLOP/s' "
                                "AND working_set_bytes IS NULL FROM v_ceiling", NULL), 1);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_are_sums),
        cmocka_unit_test(operations_add_up_to_the_phase),
        cmocka_unit_test(breakdown_is_of_traced_time),
        cmocka_unit_test(steps_are_medians_with_rank_intervals),
        cmocka_unit_test(rooflines_by_work),
        cmocka_unit_test(a_side_needs_the_whole_band),
        cmocka_unit_test(above_the_larger_of_two_roofs),
        cmocka_unit_test(throughput_is_a_ratio_of_sums),
        cmocka_unit_test(break_even_is_a_ratio_of_step_times),
        cmocka_unit_test(pairs_side_by_side),
        cmocka_unit_test(pairs_across_invocations),
        cmocka_unit_test(plans_are_analytic),
        cmocka_unit_test(runs_with_their_cell),
        cmocka_unit_test(ceilings_newest_with_their_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
