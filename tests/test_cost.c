/* test_cost.c - every counting formula against numbers worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "harness/kernels/cost.h"
#include "harness/kernels/price.h"

/* A cache of 2000 bytes: operands above 1000 bytes go to DRAM. */
static const struct traffic_model small = {.llc_bytes = 2000, .row_tile = 1};
static const struct traffic_model tiled = {
    .llc_bytes = 100, .row_tile = 16, .block_rows = 4, .block_cols = 8};

static struct tensor act(int64_t n, int64_t m)
{
    return tensor_2d(NULL, DTYPE_F32, ROLE_ACTIVATION, n, m);
}

static struct tensor weight(int64_t n, int64_t m)
{
    return tensor_2d(NULL, DTYPE_BF16, ROLE_WEIGHT, n, m);
}

static void matmul_counts(void **state)
{
    struct cost c;
    struct tensor none = {0};
    assert_true(cost_matmul(&small, NULL, act(3, 5), act(3, 7), weight(5, 7), none, &c));
    assert_int_equal(c.flop_matmul, 2 * 3 * 5 * 7);
    assert_int_equal(c.flop_executed, 210);
    assert_int_equal(c.flop_vector, 0);
    assert_int_equal(c.bytes[ROLE_WEIGHT], 5 * 7 * 2);
    assert_int_equal(c.bytes[ROLE_ACTIVATION], 3 * 7 * 4 + 3 * 5 * 4);
    assert_int_equal(cost_bytes_kernel(&c), 70 + 84 + 60);
    assert_int_equal(c.bytes_dram, 70); /* both activations fit */
    assert_int_equal(c.bytes_dram_lo, 70);
    assert_int_equal(c.bytes_dram_hi, 214);
}

/* Rows of 70: a byte each and the scales of three groups. */
static void int8_weights_count_their_scales(void **state)
{
    struct cost c;
    struct tensor none = {0}, w = tensor_2d(NULL, DTYPE_INT8, ROLE_WEIGHT, 5, 70);
    assert_true(cost_matmul(&small, NULL, act(3, 5), act(3, 70), w, none, &c));
    assert_int_equal(c.flop_matmul, 2 * 3 * 5 * 70);
    assert_int_equal(c.bytes[ROLE_WEIGHT], 5 * (70 + 3));
    assert_int_equal(tensor_bytes(w), 365);
    assert_true(cost_embed(&small, act(3, 70), w, &c));
    assert_int_equal(c.bytes[ROLE_WEIGHT], 3 * 73);
    w.dim[1] = 64;
    assert_int_equal(tensor_bytes(w), 5 * 66);
}

static void matmul_with_bias_counts(void **state)
{
    struct cost c;
    struct tensor bias = tensor_1d(NULL, DTYPE_BF16, ROLE_WEIGHT, 5);
    assert_true(cost_matmul(&small, NULL, act(3, 5), act(3, 7), weight(5, 7), bias, &c));
    assert_int_equal(c.bytes[ROLE_WEIGHT], 70 + 10);
    assert_int_equal(c.flop_vector, 3 * 5);
    assert_int_equal(c.flop_matmul, 210);
}

static void matmul_pads_rows_and_reads_again(void **state)
{
    struct cost c;
    struct tensor none = {0};
    /* 10 rows, two tiles of 16 would be 32: 16 is enough.  w (40 x 7 x 2 = 560 bytes) and x
     * (10 x 7 x 4 = 280) both exceed half the cache; w is read for 3 blocks of 4 rows, x for
     * 5 blocks of 8 columns. */
    assert_true(cost_matmul(&tiled, NULL, act(10, 40), act(10, 7), weight(40, 7), none, &c));
    assert_int_equal(c.flop_matmul, 2 * 10 * 40 * 7);
    assert_int_equal(c.flop_executed, 2 * 16 * 40 * 7);
    assert_int_equal(c.bytes_dram, 560 + 280 + 1600);
    assert_int_equal(c.bytes_dram_lo, 560);
    assert_int_equal(c.bytes_dram_hi, 3 * 560 + 5 * 280 + 1600);
}

/* A kernel that says what its tiles are: 10 rows in blocks of 8, 40 columns in blocks of 16, k 7 in
 * steps of 4. */
static void matmul_pads_to_the_tiles_of_its_kernel(void **state)
{
    struct cost c;
    struct tensor none = {0};
    const struct matmul_tile tile = {8, 16, 4};
    assert_true(cost_matmul(&tiled, &tile, act(10, 40), act(10, 7), weight(40, 7), none, &c));
    assert_int_equal(c.flop_matmul, 2 * 10 * 40 * 7);
    assert_int_equal(c.flop_executed, 2 * 16 * 48 * 8);
}

/* 5 causal rows from position 6 in tiles of 2: the tiles' last rows see 8, 10 and 11 keys, in tiles
 * of 4 keys 8, 12 and 12; each tile is 16 pairs for each of 2 K/V heads, and a head of 6 takes 8.
 */
static void attention_pads_to_the_tiles_of_its_kernel(void **state)
{
    struct cost c;
    struct span span = {.n_rows = 5, .pos0 = 6, .n_visible = 11};
    const struct attention_tile tile = {.rows = 2, .pairs = 16, .keys = 4, .width = 8};
    struct tensor q = tensor_3d(NULL, DTYPE_F32, ROLE_ACTIVATION, 5, 4, 6);
    struct tensor keys = tensor_4d(NULL, DTYPE_BF16, ROLE_KV, 1, 2, 16, 6);
    assert_true(cost_attention(&small, &tile, q, q, keys, &span, 1, &c));
    assert_int_equal(c.flop_attention, 4 * 6 * 4 * (7 + 8 + 9 + 10 + 11));
    assert_int_equal(c.flop_executed, 4 * 8 * 2 * 16 * (8 + 12 + 12));
}

static void attention_counts_visible_pairs(void **state)
{
    struct cost c;
    /* 4 query heads, 2 K/V heads of 8; causal rows 5, 6, 7 see 6, 7 and 8 positions; a second
     * sequence has one row that sees 3 of 3. */
    struct span spans[] = {
        {.slot = 0, .row0 = 0, .n_rows = 3, .pos0 = 5, .n_visible = 8, .mask = MASK_CAUSAL},
        {.slot = 1, .row0 = 3, .n_rows = 1, .pos0 = 0, .n_visible = 3, .mask = MASK_FULL},
    };
    struct tensor q = tensor_3d(NULL, DTYPE_F32, ROLE_ACTIVATION, 4, 4, 8);
    struct tensor keys = tensor_4d(NULL, DTYPE_BF16, ROLE_KV, 2, 2, 16, 8);
    assert_true(cost_attention(&small, NULL, q, q, keys, spans, 2, &c));
    assert_int_equal(c.flop_attention, 4 * 8 * 4 * (6 + 7 + 8 + 3));
    assert_int_equal(c.flop_executed, c.flop_attention);
    assert_int_equal(c.flop_matmul, 0);
    /* Positions 0..7 and 0..2, K and V, 2 heads of 8, 2 bytes: once, not once per query head. */
    assert_int_equal(c.bytes[ROLE_KV], (8 + 3) * 2 * 2 * 8 * 2);
    assert_int_equal(c.bytes[ROLE_ACTIVATION], 2 * 4 * 4 * 8 * 4);
    assert_int_equal(c.flop_vector, 4 * 4 * 24);

    /* One row of 2 query heads per K/V head fills 2 of a tile's 16 rows. */
    assert_true(cost_attention(&tiled, NULL, q, q, keys, spans + 1, 1, &c));
    assert_int_equal(c.flop_executed, 8 * c.flop_attention);
}

static void block_mask_sees_to_the_end_of_the_block(void **state)
{
    struct span s = {.n_rows = 10, .pos0 = 0, .n_visible = 10, .block = 4, .mask = MASK_BLOCK};
    /* 4 rows see 4, 4 see 8, 2 see 10: the third block is cut off. */
    assert_int_equal(span_pairs(&s), 4 * 4 + 4 * 8 + 2 * 10);
    assert_int_equal(span_keys(&s), 10);
    s = (struct span){.n_rows = 3, .pos0 = 3, .n_visible = 8, .block = 4, .mask = MASK_BLOCK};
    assert_int_equal(span_pairs(&s), 4 + 8 + 8);
    s.mask = MASK_FULL;
    assert_int_equal(span_pairs(&s), 24);
    s.mask = MASK_CAUSAL;
    assert_int_equal(span_pairs(&s), 4 + 5 + 6);
    assert_int_equal(span_keys(&s), 6);
}

/* The closed forms against the definition, row by row. */
static void pairs_equal_the_sum_over_rows(void **state)
{
    for (int32_t pos0 = 0; pos0 < 9; pos0++)
        for (int32_t n = 1; n < 14; n++)
            for (int32_t block = 1; block < 7; block++)
                for (enum mask mask = MASK_CAUSAL; mask <= MASK_BLOCK; mask++)
                    for (int32_t more = 0; more < 4; more++) {
                        struct span s = {.n_rows = n,
                                         .pos0 = pos0,
                                         .n_visible = pos0 + n + more,
                                         .block = block,
                                         .mask = mask};
                        int64_t pairs = 0, most = 0;
                        for (int32_t i = 0; i < n; i++) {
                            int64_t v = span_visible(&s, i);
                            assert_true(v > pos0 + i); /* a row always sees itself */
                            pairs += v;
                            if (v > most) most = v;
                        }
                        assert_int_equal(span_pairs(&s), pairs);
                        assert_int_equal(span_keys(&s), most);
                    }
}

static void other_operations_count(void **state)
{
    struct cost c;
    struct tensor gain = tensor_1d(NULL, DTYPE_BF16, ROLE_WEIGHT, 6);
    assert_true(cost_rmsnorm(&small, act(2, 6), act(2, 6), gain, &c));
    assert_int_equal(c.bytes[ROLE_WEIGHT], 12);
    assert_int_equal(c.bytes[ROLE_ACTIVATION], 2 * 2 * 6 * 4);
    assert_int_equal(c.flop_vector, 4 * 12);
    assert_int_equal(cost_flop(&c), 0);

    assert_true(cost_embed(&small, act(3, 6), weight(100, 6), &c));
    assert_int_equal(c.bytes[ROLE_WEIGHT], 3 * 6 * 2); /* rows read, not the table */
    assert_int_equal(c.bytes[ROLE_ACTIVATION], 3 * 6 * 4);

    struct tensor rows = tensor_3d(NULL, DTYPE_F32, ROLE_ACTIVATION, 5, 2, 8);
    struct tensor cache = tensor_4d(NULL, DTYPE_BF16, ROLE_KV, 1, 2, 64, 8);
    assert_true(cost_kv_store(&small, rows, rows, cache, &c));
    assert_int_equal(c.bytes[ROLE_KV], 5 * 2 * 2 * 8 * 2);
    assert_int_equal(c.bytes[ROLE_ACTIVATION], 2 * 5 * 2 * 8 * 4);

    assert_true(cost_rope(&small, rows, &c));
    assert_int_equal(c.bytes[ROLE_ACTIVATION], 2 * 80 * 4);
    assert_int_equal(c.flop_vector, 3 * 80);

    assert_true(cost_swiglu(&small, act(2, 5), act(2, 10), &c));
    assert_int_equal(c.bytes[ROLE_ACTIVATION], (10 + 20) * 4);
    assert_int_equal(c.flop_vector, 5 * 10);

    struct tensor guided = tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, 3, 7);
    assert_true(cost_guide(&small, guided, guided, &c));
    assert_int_equal(c.flop_vector, 3 * 3 * 7);
    assert_int_equal(c.bytes[ROLE_LOGITS], 3 * (3 * 7 * 4)); /* two read, one written */

    assert_true(cost_add(&small, act(2, 5), act(2, 5), &c));
    assert_int_equal(c.bytes[ROLE_ACTIVATION], 3 * 10 * 4);
    assert_int_equal(c.flop_vector, 10);

    assert_true(cost_gather(&small, act(2, 5), &c));
    assert_int_equal(c.bytes[ROLE_ACTIVATION], 2 * 10 * 4);

    struct tensor logits = tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, 2, 300);
    assert_true(cost_rowstat(&small, logits, true, &c));
    assert_int_equal(c.bytes[ROLE_LOGITS], 2 * 600 * 4);
    assert_int_equal(c.flop_vector, (4 + 5) * 600);
    assert_true(cost_rowstat(&small, logits, false, &c));
    assert_int_equal(c.bytes[ROLE_LOGITS], 2400);
    assert_int_equal(c.bytes_dram, 2400); /* above half of 2000 */
    assert_int_equal(c.bytes_dram_lo, 0);
}

static void counts_that_do_not_fit_are_noticed(void **state)
{
    struct cost c;
    struct tensor none = {0};
    int64_t big = (int64_t)1 << 31;
    assert_false(
        cost_matmul(&small, NULL, act(big, big), act(big, big), weight(big, big), none, &c));
    struct ledger l;
    double zero[TIER_COUNT] = {0};
    ledger_clear(&l);
    c = (struct cost){.flop_matmul = INT64_MAX / 2};
    ledger_add(&l, OP_MATMUL, &c, 2, zero, zero);
    assert_false(l.overflow);
    ledger_add(&l, OP_MATMUL, &c, 1, zero, zero);
    assert_true(l.overflow);
}

static void price_takes_the_slower_side(void **state)
{
    struct price p = {.known = true,
                      .matmul_flop_per_s = 100e9,
                      .attention_flop_per_s = 50e9,
                      .vector_flop_per_s = 10e9,
                      .bytes_per_s = 10e9,
                      .launch_ns = 5};
    struct cost c = {
        .flop_matmul = 1000, .flop_attention = 1000, .flop_vector = 1000, .bytes_dram = 500};
    struct tensor none = {0};
    bool memory;
    assert_float_equal(price_call(&p, OP_MATMUL, &c, none, none, &memory), 50 + 5, 1e-9);
    assert_true(memory);
    c.bytes_dram = 50;
    assert_float_equal(price_call(&p, OP_MATMUL, &c, none, none, &memory), 10 + 5, 1e-9);
    assert_false(memory);
    assert_float_equal(price_call(&p, OP_ATTENTION, &c, none, none, &memory), 20 + 5, 1e-9);
    assert_float_equal(price_call(&p, OP_ADD, &c, none, none, &memory), 100 + 5, 1e-9);
}

/* 10 ns at 2 rows, 30 at 6, 80 at 16. */
static void times_are_read_between_what_was_measured(void **state)
{
    struct matmul_shape s = {7, 5, DTYPE_BF16, 2, false, DTYPE_F32}, f32 = s;
    struct matmul_shape one = s, turned = s, warm = s, bf16 = s;
    f32.weight = DTYPE_F32;
    bf16.compute = DTYPE_BF16;
    one.threads = 1;
    turned.columns = 5;
    turned.inner = 7;
    warm.cache_resident = true;
    struct matmul_time time[] = {{s, 16, 80}, {f32, 2, 99},   {s, 6, 30},  {warm, 4, 3},
                                 {s, 2, 10},  {turned, 2, 1}, {one, 2, 20}, {bf16, 4, 2}};
    struct matmul_times t = {time, 8};
    matmul_times_sort(&t);
    assert_true(matmul_times_knows(&t, &s) && matmul_times_knows(&t, &turned));
    struct matmul_shape unknown = s;
    unknown.weight = DTYPE_INT8;
    assert_false(matmul_times_knows(&t, &unknown));
    unknown = s;
    unknown.threads = 3;
    assert_false(matmul_times_knows(&t, &unknown));
    unknown = s;
    unknown.inner = 6;
    assert_false(matmul_times_knows(&t, &unknown));
    static const struct {
        int64_t rows;
        double ns;
    } want[] = {{1, 10}, {2, 10}, {3, 15}, {6, 30}, {11, 55}, {16, 80}, {32, 160}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        assert_float_equal(matmul_times_ns(&t, &s, want[i].rows), want[i].ns, 1e-9);
    assert_float_equal(matmul_times_ns(&t, &bf16, 4), 2, 1e-9);
    assert_float_equal(matmul_times_ns(&t, &one, 4), 40, 1e-9);
    assert_float_equal(matmul_times_ns(&t, &warm, 4), 3, 1e-9);

    /* A price with a table takes matmuls from it, and nothing else. */
    struct price p = {.known = true,
                      .matmul_flop_per_s = 1e9,
                      .attention_flop_per_s = 1e9,
                      .vector_flop_per_s = 1e9,
                      .bytes_per_s = 1e9,
                      .times = &t,
                      .threads = 2};
    struct cost c = {.flop_matmul = 1000, .flop_vector = 700, .bytes_dram = 500};
    struct tensor w = weight(7, 5), y = act(3, 7), none = {0};
    bool memory;
    assert_float_equal(price_call(&p, OP_HEAD, &c, y, w, &memory), 15, 1e-9);
    assert_false(memory);
    assert_float_equal(price_call(&p, OP_ADD, &c, none, none, &memory), 700, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_counts),
        cmocka_unit_test(int8_weights_count_their_scales),
        cmocka_unit_test(matmul_with_bias_counts),
        cmocka_unit_test(matmul_pads_rows_and_reads_again),
        cmocka_unit_test(matmul_pads_to_the_tiles_of_its_kernel),
        cmocka_unit_test(attention_pads_to_the_tiles_of_its_kernel),
        cmocka_unit_test(attention_counts_visible_pairs),
        cmocka_unit_test(block_mask_sees_to_the_end_of_the_block),
        cmocka_unit_test(pairs_equal_the_sum_over_rows),
        cmocka_unit_test(other_operations_count),
        cmocka_unit_test(counts_that_do_not_fit_are_noticed),
        cmocka_unit_test(price_takes_the_slower_side),
        cmocka_unit_test(times_are_read_between_what_was_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
