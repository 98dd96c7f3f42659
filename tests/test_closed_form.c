/* test_closed_form.c - the closed forms against published tables and identities.
 *
 * The tables were derived separately from the same mathematics and are printed with the
 * digits below; a value agrees when it rounds to the same digits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "roofline/closed_form.h"

static const struct roof a100_40 = {312e12, 1555e9}, a100_80 = {312e12, 2039e9},
                         h100 = {989e12, 3350e9}, h200 = {989e12, 4800e9};

/* Shapes are spelled out here so that a wrong preset cannot hide a wrong formula. */
static const struct model_config llama3_8b = {.n_layer = 32,
                                              .d_model = 4096,
                                              .n_head = 32,
                                              .n_kv_head = 8,
                                              .d_head = 128,
                                              .d_ff = 14336,
                                              .n_vocab = 128256};
static const struct model_config llada_8b = {.n_layer = 32,
                                             .d_model = 4096,
                                             .n_head = 32,
                                             .n_kv_head = 32,
                                             .d_head = 128,
                                             .d_ff = 12288,
                                             .n_vocab = 126464};
static const struct model_config qwen25_7b = {.n_layer = 28,
                                              .d_model = 3584,
                                              .n_head = 28,
                                              .n_kv_head = 4,
                                              .d_head = 128,
                                              .d_ff = 18944,
                                              .n_vocab = 152064};
static const struct model_config tinyllama = {.n_layer = 22,
                                              .d_model = 2048,
                                              .n_head = 32,
                                              .n_kv_head = 4,
                                              .d_head = 64,
                                              .d_ff = 5632,
                                              .n_vocab = 32000};

static struct closed_model bf16(const struct model_config *c)
{
    return closed_model_of(c, DTYPE_BF16, DTYPE_BF16);
}

/* got, printed with the digits of the table, is want.  `digit` is the value of the last
 * printed digit; half of it plus the rounding of doubles is allowed. */
static void rounds_to(double got, double want, double digit, const char *what)
{
    if (!(fabs(got - want) <= 0.5 * digit * (1.0 + 1e-9)))
        fail_msg("%s: got %.6g, table has %.6g", what, got, want);
}

static void same(double got, double want, const char *what)
{
    /* A dozen double operations: a few units in the last place. */
    if (!(fabs(got - want) <= 1e-13 * fabs(want)))
        fail_msg("%s: got %.17g, want %.17g", what, got, want);
}

static void sizes_of_known_shapes(void **state)
{
    struct closed_model m = bf16(&llama3_8b);
    rounds_to(m.p_lin / 1e9, 6.979, 0.001, "P_lin");
    rounds_to(m.p_head / 1e9, 0.525, 0.001, "P_head");
    rounds_to(m.s * m.p / 1e9, 15.01, 0.01, "sP");
    same(m.kappa, 131072, "kappa");
    same(m.a, 524288, "a");
    same(m.group, 4, "G");
    m = bf16(&llada_8b);
    rounds_to(m.s * m.p / 1e9, 14.99, 0.01, "LLaDA sP");
    same(m.kappa, 524288, "LLaDA kappa");
    same(m.p_lin, bf16(&llama3_8b).p_lin, "LLaDA and Llama-3 have the same linear maps");
    m = bf16(&qwen25_7b);
    rounds_to(m.p_lin / 1e9, 6.525, 0.001, "Qwen P_lin");
    same(m.kappa, 57344, "Qwen kappa");
    same(m.a, 401408, "Qwen a");
}

static void ar_speed_limit_at_batch_one(void **state)
{
    struct closed_model llama = bf16(&llama3_8b), tiny = bf16(&tinyllama);
    rounds_to(1.0 / closed_ar_time(&llama, a100_40, 1, 0), 103.6, 0.1, "A100-40");
    rounds_to(1.0 / closed_ar_time(&llama, a100_80, 1, 0), 135.8, 0.1, "A100-80");
    rounds_to(1.0 / closed_ar_time(&llama, h100, 1, 0), 223, 1, "H100");
    rounds_to(1.0 / closed_ar_time(&llama, h200, 1, 0), 320, 1, "H200");
    rounds_to(1.0 / closed_ar_time(&tiny, a100_80, 1, 0), 986, 1, "TinyLlama");
}

static void ar_intensity_table(void **state)
{
    struct closed_model m = bf16(&llama3_8b);
    const double batch[] = {1, 4, 16, 64, 256};
    const struct {
        double len, want[5], digit[5], limit, limit_digit;
    } row[] = {
        {256, {1.01, 4.0, 15.6, 56, 164}, {0.01, 0.1, 0.1, 1, 1}, 451, 1},
        {1024, {1.03, 4.0, 14.5, 42, 81}, {0.01, 0.1, 0.1, 1, 1}, 116, 1},
        {4096, {1.10, 4.0, 11.6, 22, 29}, {0.01, 0.1, 0.1, 1, 1}, 32, 1},
        {32768, {1.67, 4.0, 6.2, 7.1, 7.4}, {0.01, 0.1, 0.1, 0.1, 0.1}, 7.5, 0.1},
    };
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 5; j++)
            rounds_to(closed_ar_intensity(&m, batch[j], row[i].len), row[i].want[j],
                      row[i].digit[j], "I_AR");
        rounds_to(closed_ar_intensity_limit(&m, row[i].len), row[i].limit, row[i].limit_digit,
                  "I_AR limit");
    }
}

static void ar_intensity_without_context_is_two_over_s(void **state)
{
    const struct model_config *all[] = {&llama3_8b, &llada_8b, &qwen25_7b, &tinyllama};
    for (int i = 0; i < 4; i++) {
        struct closed_model m = bf16(all[i]);
        same(closed_ar_intensity(&m, 1, 0), 1.0, "bf16");
        m = closed_model_of(all[i], DTYPE_F32, DTYPE_F32);
        same(closed_ar_intensity(&m, 1, 0), 0.5, "f32");
    }
    /* Long contexts tend to the group size of query heads per K/V head (bf16). */
    struct closed_model m = bf16(&llama3_8b);
    rounds_to(closed_ar_intensity(&m, 1, 1e12), 4.0, 1e-5, "I_AR at L -> inf");
}

static void ar_ridge_batch_and_longest_context(void **state)
{
    struct closed_model m = bf16(&llama3_8b);
    rounds_to(closed_ar_ridge_batch(&m, a100_80, 0).value, 153, 1, "L=0");
    rounds_to(closed_ar_ridge_batch(&m, a100_80, 128).value, 184, 1, "L=128");
    rounds_to(closed_ar_ridge_batch(&m, a100_80, 512).value, 459, 1, "L=512");
    rounds_to(closed_ar_max_len(&m, a100_40).value, 582, 1, "L_max A100-40");
    rounds_to(closed_ar_max_len(&m, a100_80).value, 768, 1, "L_max A100-80");
    rounds_to(closed_ar_max_len(&m, h100).value, 393, 1, "L_max H100");
    rounds_to(closed_ar_max_len(&m, h200).value, 567, 1, "L_max H200");
    assert_true(closed_ar_ridge_batch(&m, a100_80, 768).exists);
    assert_false(closed_ar_ridge_batch(&m, a100_80, 769).exists);

    m = bf16(&llada_8b);
    rounds_to(closed_ar_ridge_batch(&m, a100_80, 128).value, 479, 1, "MHA L=128");
    struct closed_value none = closed_ar_ridge_batch(&m, a100_80, 512);
    assert_false(none.exists);
    assert_true(isnan(none.value));
    assert_non_null(none.why);
    rounds_to(closed_ar_max_len(&m, a100_80).value, 188, 1, "MHA L_max");
    m = bf16(&qwen25_7b);
    rounds_to(closed_ar_ridge_batch(&m, a100_80, 128).value, 166, 1, "Qwen L=128");
    rounds_to(closed_ar_max_len(&m, a100_80).value, 1689, 1, "Qwen L_max");
    m = bf16(&tinyllama);
    rounds_to(closed_ar_ridge_batch(&m, a100_80, 512).value, 799, 1, "TinyLlama L=512");

    /* At the ridge batch the intensity is the ridge. */
    double b = closed_ar_ridge_batch(&m, h100, 200).value;
    assert_true(fabs(closed_ar_intensity(&m, b, 200) / roof_ridge(h100) - 1) < 1e-12);
}

static void full_sequence_intensity_and_its_activation_band(void **state)
{
    struct closed_model m = bf16(&llama3_8b);
    double flop = closed_full_flop(&m, 1, 1024, 1024), bytes = closed_full_bytes(&m, 1, 1024);
    rounds_to(closed_full_intensity(&m, 1, 1024), 1042, 1, "ideal");
    double act = closed_activation_bytes(&llama3_8b, DTYPE_BF16);
    double fused = closed_activation_bytes_fused(&llama3_8b, DTYPE_BF16);
    rounds_to(act / 1e6, 11.0, 0.1, "activation bytes");
    rounds_to(fused / 1e6, 3.9, 0.1, "fused activation bytes");
    rounds_to(flop / (bytes + 1024 * fused), 825, 1, "fused");
    rounds_to(flop / (bytes + 1024 * act), 600, 1, "unfused");
}

static void full_sequence_equal_steps_table(void **state)
{
    struct closed_model m = bf16(&llama3_8b);
    const struct roof device[] = {a100_40, a100_80, h100, h200};
    const double row[][6] = {
        {0, 256, 199, 152, 254, 204}, {0, 1024, 195, 148, 286, 200}, {128, 256, 132, 101, 195, 136},
        {920, 256, 42, 32, 62, 43},   {1024, 1024, 95, 72, 140, 97}, {4096, 1024, 35, 27, 52, 36},
    };
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 4; j++)
            rounds_to(closed_full_equal_steps(&m, device[j], 1, row[i][0], row[i][1]),
                      row[i][2 + j], 1, "T*");

    const struct {
        double batch, want[2], digit[2];
    } lumped[] = {{1, {148, 286}, {1, 1}},
                  {4, {38, 73}, {1, 1}},
                  {16, {9.9, 19}, {0.1, 1}},
                  {64, {3.0, 5.7}, {0.1, 0.1}},
                  {256, {1.2, 2.4}, {0.1, 0.1}}};
    for (int i = 0; i < 5; i++) {
        double b = lumped[i].batch;
        rounds_to(closed_full_equal_steps_lumped(&m, a100_80, b, 0, 1024), lumped[i].want[0],
                  lumped[i].digit[0], "T*(B) A100-80");
        rounds_to(closed_full_equal_steps_lumped(&m, h100, b, 0, 1024), lumped[i].want[1],
                  lumped[i].digit[1], "T*(B) H100");
    }
    m = bf16(&llada_8b);
    rounds_to(closed_full_equal_steps_lumped(&m, a100_80, 64, 0, 1024), 5.0, 0.1, "MHA 64");
    rounds_to(closed_full_equal_steps_lumped(&m, a100_80, 256, 0, 1024), 3.2, 0.1, "MHA 256");
    rounds_to(closed_full_equal_steps_lumped(&m, h100, 64, 0, 1024), 9.6, 0.1, "MHA 64 H100");
    rounds_to(closed_full_equal_steps_lumped(&m, h100, 256, 0, 1024), 6.2, 0.1, "MHA 256 H100");
}

static void equal_steps_do_not_depend_on_the_model_size(void **state)
{
    /* At batch 1 and L above the ridge, T* is R' Lg / L times (1 + kappa Lbar / s P) over
     * (1 + a L / 2P).  For these shapes the first bracket is below 1.003, the second is
     * 1.013 and 1.033; so sizes agree within 5 %, with each other and with R' Lg / L. */
    struct closed_model big = bf16(&llama3_8b), small = bf16(&tinyllama);
    double t_big = closed_full_equal_steps(&big, a100_80, 1, 128, 256);
    double t_small = closed_full_equal_steps(&small, a100_80, 1, 128, 256);
    double simple = roof_ridge(a100_80) * 256 / 384;
    assert_true(fabs(t_small / t_big - 1) < 0.05);
    assert_true(fabs(t_big / simple - 1) < 0.05);
    same(closed_full_equal_tpf(&big, a100_80, 1, 128, 256) * t_big, 256, "TPF T = Lg");
}

static void full_sequence_spends_steps_times_length_over_tokens(void **state)
{
    struct closed_model m = bf16(&llama3_8b);
    double per_token = closed_full_flop_per_token(&m, 0, 512, 512);
    same(per_token, 512 * (2 * m.p + m.a * 512), "T = Lg");
    same(closed_full_flop_per_token(&m, 0, 512, 1), 2 * m.p + m.a * 512, "T = 1");
    double b = closed_full_ridge_batch(&m, a100_80, 64).value;
    assert_true(fabs(closed_full_intensity(&m, b, 64) / roof_ridge(a100_80) - 1) < 1e-12);
    /* Every real shape crosses the ridge at L = 64; one with a million times the K/V does not. */
    m.kappa *= 1e6;
    assert_false(closed_full_ridge_batch(&m, a100_80, 64).exists);
}

static void block_ridge_batch_table(void **state)
{
    const double block[] = {4, 8, 16, 32, 64, 256};
    const struct {
        const struct model_config *model;
        const struct roof *device;
        double want[6], digit[6]; /* 0: does not exist */
    } row[] = {
        {&llama3_8b, &a100_80, {55, 22, 10, 4.8, 2.4, 0.6}, {1, 1, 1, 0.1, 0.1, 0.1}},
        {&llama3_8b, &h100, {199, 53, 21, 9.7, 4.7, 1.1}, {1, 1, 1, 0.1, 0.1, 0.1}},
        {&llada_8b, &a100_80, {0, 56, 14, 5.6, 2.5, 0.6}, {1, 1, 1, 0.1, 0.1, 0.1}},
        {&llada_8b, &h100, {0, 0, 52, 13, 5.4, 1.2}, {1, 1, 1, 1, 0.1, 0.1}},
    };
    for (int i = 0; i < 4; i++) {
        struct closed_model m = bf16(row[i].model);
        for (int j = 0; j < 6; j++) {
            struct closed_value v = closed_block_ridge_batch(&m, *row[i].device, 1024, block[j]);
            assert_int_equal(v.exists, row[i].want[j] > 0);
            if (v.exists) rounds_to(v.value, row[i].want[j], row[i].digit[j], "B*_BD");
        }
    }
}

/* The closed form of B_x leaves out the K/V of the block's own 2b positions.  With them the
 * equation TPF (1 + B x / R') = B b / R' + B x (C + 2b) / (C R') has the denominator
 * b - (TPF - 1) x + 2b x / C; bisection stops at a relative 1e-9. */
static void differ_by_own_positions(double form, double exact, double x, double cached,
                                    double block, double tpf)
{
    double neglected = 2 * block * x / cached / (block - (tpf - 1) * x);
    if (!(fabs(form / exact - 1 - neglected) < 1e-8))
        fail_msg("B_x: form %.9g, additive %.9g", form, exact);
}

static void block_crossover_table(void **state)
{
    /* The table names the first whole batch at which AR is faster; 0: never. */
    struct closed_model m = bf16(&llama3_8b);
    const double cached[] = {256, 1024, 4096};
    const struct {
        const struct roof *device;
        double tpf, want[3];
    } row[] = {
        {&a100_80, 1.5, {8, 8, 8}}, {&a100_80, 2.5, {13, 13, 17}}, {&a100_80, 4, {20, 22, 40}},
        {&a100_80, 8, {42, 55, 0}}, {&h100, 2.5, {24, 27, 46}},    {&h100, 4, {40, 49, 0}},
        {&h100, 8, {86, 173, 0}},
    };
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < 3; j++) {
            struct closed_value exact =
                closed_block_crossover_additive(&m, *row[i].device, cached[j], 32, row[i].tpf, 1e6);
            struct closed_value form =
                closed_block_crossover(&m, *row[i].device, cached[j], 32, row[i].tpf);
            assert_int_equal(exact.exists, row[i].want[j] > 0);
            assert_int_equal(form.exists, exact.exists);
            if (!exact.exists) continue;
            rounds_to(ceil(exact.value), row[i].want[j], 1, "B_x");
            differ_by_own_positions(form.value, exact.value,
                                    closed_block_x(&m, *row[i].device, cached[j]), cached[j], 32,
                                    row[i].tpf);
        }
    }
}

static void block_share_of_cache_and_break_even_tokens_table(void **state)
{
    struct closed_model llama = bf16(&llama3_8b), llada = bf16(&llada_8b);
    rounds_to(closed_block_x(&llama, a100_80, 1024), 1.37, 0.01, "x(1024)");
    rounds_to(closed_block_x(&llama, a100_80, 4096), 5.5, 0.1, "x(4096)");
    rounds_to(closed_block_x(&llama, a100_80, 16384), 21.9, 0.1, "x(16384)");
    rounds_to(closed_block_x(&llada, a100_80, 4096), 21.9, 0.1, "MHA x(4096)");
    rounds_to(closed_block_tpf_inf(&llama, a100_80, 1024, 4), 2.27, 0.01, "b=4");
    rounds_to(closed_block_tpf_inf(&llama, a100_80, 1024, 16), 7.3, 0.1, "b=16");
    rounds_to(closed_block_tpf_inf(&llama, a100_80, 1024, 32), 14.1, 0.1, "b=32");
    rounds_to(closed_block_tpf_inf(&llama, h100, 1024, 32), 9.5, 0.1, "b=32 H100");
    rounds_to(closed_block_tpf_inf(&llama, a100_80, 16384, 32), 2.35, 0.01, "C=16384");
    rounds_to(closed_block_tpf_inf(&llada, a100_80, 1024, 32), 5.8, 0.1, "MHA");
}

static void the_crossover_at_tpf_inf_is_the_ridge(void **state)
{
    struct closed_model m = bf16(&llama3_8b);
    double inf = closed_block_tpf_inf(&m, a100_80, 1024, 32);
    double just_below = inf * (1 - 1e-9);
    double b = closed_block_crossover(&m, a100_80, 1024, 32, just_below).value;
    assert_true(fabs(b / roof_ridge(a100_80) - 1) < 1e-6);
    assert_false(closed_block_crossover(&m, a100_80, 1024, 32, inf).exists);
    struct closed_value behind = closed_block_crossover(&m, a100_80, 1024, 32, 0.9);
    struct closed_value ahead = closed_block_crossover(&m, a100_80, 1024, 32, 15);
    assert_false(behind.exists || ahead.exists);
    assert_string_not_equal(behind.why, ahead.why);
    /* At the crossing both are equally fast. */
    b = closed_block_crossover_additive(&m, a100_80, 1024, 32, 2.5, 1e6).value;
    assert_true(fabs(closed_block_equal_tpf(&m, a100_80, b, 1024, 32) / 2.5 - 1) < 1e-6);
}

static void degenerate_blocks_are_the_other_decoders(void **state)
{
    const struct model_config *all[] = {&llama3_8b, &llada_8b, &qwen25_7b, &tinyllama};
    for (int i = 0; i < 4; i++) {
        struct closed_model m = bf16(all[i]);
        /* b = 1 with L - 1 cached is AR at L, b = L with nothing cached is one full pass. */
        same(closed_block_flop(&m, 3, 99, 1), closed_ar_flop(&m, 3, 100), "F, b = 1");
        same(closed_block_bytes(&m, 3, 99, 1), closed_ar_bytes(&m, 3, 100), "M, b = 1");
        same(closed_block_flop(&m, 3, 0, 256), closed_full_flop(&m, 3, 256, 256), "F, b = L");
        same(closed_block_bytes(&m, 3, 0, 256), closed_full_bytes(&m, 3, 256), "M, b = L");
        /* A dual-cache step over a block as long as the sequence is a full pass. */
        same(closed_dual_reuse_flop(&m, 2, 128, 128), closed_full_flop(&m, 2, 128, 128), "dual F");
        same(closed_dual_reuse_bytes(&m, 2, 128, 128), closed_full_bytes(&m, 2, 128), "dual M");
        /* Causal prefill would see (L + 1) / 2 on average; T = 1 sees all. */
        same(closed_full_flop_per_token(&m, 0, 256, 1), closed_ar_flop(&m, 1, 256), "T = 1");
    }
}

static void four_byte_weights_double_the_rows_of_the_ridge(void **state)
{
    /* The same arithmetic with twice the bytes per weight: R' doubles, intensity halves. */
    struct closed_model two = bf16(&llama3_8b);
    struct closed_model four = closed_model_of(&llama3_8b, DTYPE_F32, DTYPE_F32);
    same(closed_ridge_rows(&four, a100_80), 2 * closed_ridge_rows(&two, a100_80), "R'");
    same(closed_block_intensity(&two, 2, 512, 16), 2 * closed_block_intensity(&four, 2, 512, 16),
         "I");
    double exact = closed_block_crossover_additive(&four, a100_80, 512, 16, 2, 1e6).value;
    double form = closed_block_crossover(&four, a100_80, 512, 16, 2).value;
    differ_by_own_positions(form, exact, closed_block_x(&four, a100_80, 512), 512, 16, 2);
}

static void logit_rows_decide_whether_the_head_counts(void **state)
{
    struct closed_model m = bf16(&tinyllama);
    same(closed_bytes(&m, 1, 0, 0, 0), 2 * m.p_lin, "no head");
    same(closed_bytes(&m, 1, 0, 0, 1), 2 * m.p, "head");
    same(closed_flop(&m, 2, 8, 100, 3), 2 * (16 * m.p_lin + 6 * m.p_head + 8 * 100 * m.a), "F");
}

static void dual_cache_gain_is_bounded(void **state)
{
    const double want[][3] = {{32, 51, 16.3}, {16, 68, 10.9}, {8, 82, 6.6}, {4, 91, 3.7}};
    double last = INFINITY;
    for (int i = 0; i < 4; i++) {
        double gain = closed_dual_gain(1024, 32, want[i][0]);
        rounds_to(100 * closed_dual_refresh_share(1024, 32, want[i][0]), want[i][1], 1, "share");
        rounds_to(gain, want[i][2], 0.1, "gain");
        assert_true(gain <= closed_dual_gain_bound(1024, 32, want[i][0]));
        assert_true(gain < last);
        last = gain;
    }
    struct closed_model m = bf16(&llada_8b);
    /* L / R' + S - 1 < b with L = 1024, b = 32, R' = 153.0: S < 26.3. */
    rounds_to(closed_dual_max_steps(&m, a100_80, 1024, 32).value, 26.3, 0.1, "S");
    assert_false(closed_dual_max_steps(&m, a100_80, 100, 32).exists);
    assert_false(closed_dual_max_steps(&m, a100_80, 1024, 160).exists);
    assert_false(closed_dual_max_steps(&m, a100_80, 8192, 32).exists);
}

/* Some of these have no such number of steps: at batch 16 a refresh costs more than AR's block. */
static void cached_decoders_are_as_fast_at_equal_steps(const struct closed_model *m, double batch,
                                                       double n_prompt, double n_gen)
{
    struct closed_value s = closed_dual_equal_steps(m, a100_80, batch, n_prompt, n_gen, 32);
    double one = closed_dual_speed(m, a100_80, batch, n_prompt, n_gen, 32, 1);
    assert_int_equal(s.exists, one >= 1);
    if (s.exists)
        same(closed_dual_speed(m, a100_80, batch, n_prompt, n_gen, 32, s.value), 1, "dual S*");
    s = closed_prefix_equal_steps(m, a100_80, batch, n_prompt, n_gen, 32);
    one = closed_prefix_speed(m, a100_80, batch, n_prompt, n_gen, 32, 1);
    assert_int_equal(s.exists, one >= 1);
    if (s.exists)
        same(closed_prefix_speed(m, a100_80, batch, n_prompt, n_gen, 32, s.value), 1, "prefix S*");
}

static void cached_decoders_against_ar_table(void **state)
{
    struct closed_model m = bf16(&llada_8b);
    const double batch[] = {1, 4, 16};
    const struct {
        double n_prompt, n_gen, steps, want[3][4]; /* none, prefix, dual, block */
    } row[] = {
        {128,
         256,
         32,
         {{0.40, 0.81, 0.95, 0.97}, {0.10, 0.26, 0.77, 0.97}, {0.03, 0.07, 0.24, 0.32}}},
        {128,
         256,
         8,
         {{1.59, 2.95, 3.35, 3.55}, {0.41, 0.89, 1.89, 3.54}, {0.11, 0.25, 0.56, 1.16}}},
        {920,
         256,
         32,
         {{0.13, 0.72, 0.82, 0.97}, {0.04, 0.24, 0.54, 0.97}, {0.01, 0.08, 0.20, 0.39}}},
        {920,
         256,
         8,
         {{0.52, 2.00, 2.17, 3.55}, {0.14, 0.61, 0.91, 3.54}, {0.05, 0.21, 0.33, 1.43}}},
        {512,
         1024,
         8,
         {{0.39, 0.91, 1.85, 3.55}, {0.11, 0.25, 0.72, 3.54}, {0.04, 0.09, 0.25, 1.42}}},
    };
    for (int i = 0; i < 5; i++) {
        double p = row[i].n_prompt, g = row[i].n_gen, s = row[i].steps;
        for (int j = 0; j < 3; j++) {
            const double *want = row[i].want[j];
            double b = batch[j];
            rounds_to(closed_full_equal_steps(&m, a100_80, b, p, g) / (g / 32 * s), want[0], 0.01,
                      "none");
            rounds_to(closed_prefix_speed(&m, a100_80, b, p, g, 32, s), want[1], 0.01, "prefix");
            rounds_to(closed_dual_speed(&m, a100_80, b, p, g, 32, s), want[2], 0.01, "dual");
            cached_decoders_are_as_fast_at_equal_steps(&m, b, p, g);
            /* The table charges C positions of K/V to a block, this C + 2b: up to
             * B kappa 2b / (s P) of the time, beside the rounding. */
            double slack = want[3] * b * m.kappa * 64 / (m.s * m.p);
            rounds_to(closed_block_speed(&m, a100_80, b, p, g, 32, s), want[3], 0.01 + 2 * slack,
                      "block");
        }
    }
}

/* Guided forwards by hand from the times of their parts: streaming weights is shared by a sequence
 * and its twin, rows, pairs and K/V are not. */
static void guidance_doubles_what_is_not_streamed(void **state)
{
    static const double batches[] = {1, 7, 64, 512};
    struct closed_model m = bf16(&llama3_8b);
    double cached = 700, b = 16, len = 800, x = closed_block_x(&m, a100_80, cached);
    for (int i = 0; i < 4; i++) {
        double batch = batches[i];
        double linear = fmax(2 * 2 * batch * b * m.p / 312e12, m.s * m.p / 2039e9);
        double attention = fmax(2 * batch * m.a * b * (cached + b) / 312e12,
                                2 * batch * m.kappa * (cached + 2 * b) / 2039e9);
        same(closed_guided_block_equal_tpf(&m, a100_80, batch, cached, b),
             (linear + attention) / closed_ar_time(&m, a100_80, batch, cached), "tokens needed");
        /* Steps at which guided diffusion equals AR: AR's time for all tokens over one forward's,
         * in units of streaming weights, from the definition in closed_form.h. */
        double rows = closed_ridge_rows(&m, a100_80), mean = 500 + 300 / 2.0;
        double ar = fmax(1, batch / rows) + batch * m.kappa * mean / (m.s * m.p);
        double full =
            fmax(1, 2 * batch * len / rows) + 2 * batch * len * (m.a * len / (2 * m.p)) / rows;
        same(closed_guided_equal_steps(&m, a100_80, batch, 500, 300), 300 * ar / full, "steps");
    }
    /* One sequence, few rows: the twin is free up to its attention.  Many rows: twice the time. */
    double one = closed_block_equal_tpf(&m, a100_80, 1, 0, 2);
    assert_true(closed_guided_block_equal_tpf(&m, a100_80, 1, 0, 2) / one < 1.001);
    one = closed_block_equal_tpf(&m, a100_80, 512, cached, b);
    assert_true(closed_guided_block_equal_tpf(&m, a100_80, 512, cached, b) / one > 1.9);
    /* On the ridge: twice B sequences' FLOPs over the weights and twice their K/V. */
    double ridge = closed_guided_block_ridge_batch(&m, a100_80, cached, b).value;
    same(2 * ridge * b * (2 * m.p + m.a * (cached + b)) /
             (m.s * m.p + 2 * ridge * m.kappa * (cached + 2 * b)),
         312e12 / 2039e9, "block ridge");
    ridge = closed_guided_full_ridge_batch(&m, a100_80, len).value;
    same(2 * ridge * len * (2 * m.p + m.a * len) / (m.s * m.p + 4 * ridge * m.kappa * len),
         312e12 / 2039e9, "full ridge");
    /* The crossing: both in units of streaming weights, x units of cache per R' sequences; the
     * twins compute rows and read caches twice. */
    double tpf = 5, at = closed_guided_block_crossover(&m, a100_80, cached, b, tpf).value;
    double u = at / closed_ridge_rows(&m, a100_80);
    same(2 * u * b + 2 * u * x, tpf * (1 + u * x), "crossover");
    assert_false(closed_guided_block_crossover(&m, a100_80, cached, b,
                                               closed_guided_block_tpf_inf(&m, a100_80, cached, b))
                     .exists);
    assert_true(
        closed_guided_block_crossover(&m, a100_80, cached, b,
                                      0.999 * closed_guided_block_tpf_inf(&m, a100_80, cached, b))
            .exists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_known_shapes),
        cmocka_unit_test(ar_speed_limit_at_batch_one),
        cmocka_unit_test(ar_intensity_table),
        cmocka_unit_test(ar_intensity_without_context_is_two_over_s),
        cmocka_unit_test(ar_ridge_batch_and_longest_context),
        cmocka_unit_test(full_sequence_intensity_and_its_activation_band),
        cmocka_unit_test(full_sequence_equal_steps_table),
        cmocka_unit_test(equal_steps_do_not_depend_on_the_model_size),
        cmocka_unit_test(full_sequence_spends_steps_times_length_over_tokens),
        cmocka_unit_test(block_ridge_batch_table),
        cmocka_unit_test(block_crossover_table),
        cmocka_unit_test(block_share_of_cache_and_break_even_tokens_table),
        cmocka_unit_test(the_crossover_at_tpf_inf_is_the_ridge),
        cmocka_unit_test(degenerate_blocks_are_the_other_decoders),
        cmocka_unit_test(four_byte_weights_double_the_rows_of_the_ridge),
        cmocka_unit_test(logit_rows_decide_whether_the_head_counts),
        cmocka_unit_test(dual_cache_gain_is_bounded),
        cmocka_unit_test(cached_decoders_against_ar_table),
        cmocka_unit_test(guidance_doubles_what_is_not_streamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
