/* test_cuda_attention.c - both attention kernels on CUDA, emulated: against double precision at
 * every mask, group and cut; bit for bit the same however rows and keys are shared out; and
 * with every key and value read once per key/value head.  Linked with cusim_gpu.c instead of the
 * emulator it asks a GPU the same, but for what was read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "tests/check_kernels.h"
#include "tests/cusim/device.h"
#include "tests/cusim/named.h"
#include "tests/ref.h"

/* How a call is cut: blocks of 16 or 64 pairs, or 0, the plain kernel; keys shared or not. */
struct cut {
    int32_t block_rows, n_splits;
};

/* Operands of one case, on the device and on the host. */
struct operands {
    cudaStream_t s;
    struct attention_case c;
    int32_t n;
    struct span spans[4];
    float *q, *keys, *values; /* as the device has them */
    struct tensor tq, tout, tk, tv;
};

static struct tensor cache_of(cudaStream_t s, const struct attention_case *c, float *x)
{
    int64_t rows = (int64_t)c->slots * c->hk * c->cap;
    struct tensor t = device_put(s, x, rows, c->d, 0, c->kv);
    return tensor_4d(t.data, c->kv, ROLE_KV, c->slots, c->hk, c->cap, c->d);
}

static struct operands operands_open(cudaStream_t s, const struct attention_case *c)
{
    struct operands o = {.s = s, .c = *c};
    for (int32_t i = 0; i < c->n_spans; o.n += o.spans[i++].n_rows) {
        o.spans[i] = c->spans[i];
        o.spans[i].row0 = o.n;
    }
    int64_t width = (int64_t)c->h * c->d, n_cache = (int64_t)c->slots * c->hk * c->cap * c->d;
    o.q = random_floats(o.n * width, 4, 2);
    o.keys = random_floats(n_cache, 5, 2);
    o.values = random_floats(n_cache, 6, 1);
    /* What no row may see is not a number: one use of it shows. */
    for (int32_t i = 0; i < c->n_spans; i++)
        for (int64_t head = 0; head < c->hk; head++) {
            int64_t at = ((int64_t)o.spans[i].slot * c->hk + head) * c->cap * c->d;
            for (int64_t j = (int64_t)o.spans[i].n_visible * c->d; j < (int64_t)c->cap * c->d; j++)
                o.keys[at + j] = o.values[at + j] = NAN;
        }
    o.tq = device_put(s, o.q, o.n, width, 2 * c->hk * c->d, DTYPE_BF16);
    o.tout = device_put(s, NULL, o.n, width, 0, DTYPE_BF16);
    o.tq.n_dim = o.tout.n_dim = 3;
    o.tq.dim[1] = o.tout.dim[1] = c->h;
    o.tq.dim[2] = o.tout.dim[2] = c->d;
    o.tk = cache_of(s, c, o.keys);
    o.tv = cache_of(s, c, o.values);
    return o;
}

static void operands_close(struct operands *o)
{
    device_free(o->tq.data), device_free(o->tout.data);
    device_free(o->tk.data), device_free(o->tv.data);
    free(o->q), free(o->keys), free(o->values);
}

/* Attention of those spans; rows of others are left undefined.  out[n, h, d] bf16. */
static void attend(struct operands *o, const struct span *spans, int32_t n_spans, struct cut cut,
                   uint16_t *out)
{
    struct cuda_attention_plan plan =
        cuda_attention_plan(o->tout, o->tq, o->tk, o->tv, spans, n_spans, 1);
    struct cuda_row *rows = calloc((size_t)o->n, sizeof *rows);
    struct cuda_tile *tiles = calloc((size_t)o->n, sizeof *tiles);
    int32_t group = o->c.h / o->c.hk, n_chunks = (o->c.cap + CUDA_CHUNK - 1) / CUDA_CHUNK;
    for (int32_t i = 0; i < n_spans; i++)
        for (int32_t r = 0; r < spans[i].n_rows; r++)
            rows[spans[i].row0 + r] =
                (struct cuda_row){.slot = spans[i].slot,
                                  .pos = spans[i].pos0 + r,
                                  .n_visible = (int32_t)span_visible(&spans[i], r)};
    struct cuda_row *on_device = device_copy(o->s, rows, (size_t)o->n * sizeof *rows);
    if (cut.block_rows == 0) {
        assert_int_equal(n_spans, o->c.n_spans); /* it knows whole tensors only */
        must_do(cuda_launch_attention(o->s, o->tout, o->tq, o->tk, o->tv, on_device));
    } else {
        assert_int_not_equal(plan.block_rows, 0);
        plan.block_rows = cut.block_rows;
        plan.tile_rows = cut.block_rows / group;
        plan.n_splits = cut.n_splits;
        plan.n_tiles = 0;
        for (int32_t i = 0; i < n_spans; i++)
            plan.n_tiles += (spans[i].n_rows + plan.tile_rows - 1) / plan.tile_rows;
        cuda_attention_tiles(&plan, spans, n_spans, tiles);
        void *tiles_there = device_copy(o->s, tiles, (size_t)plan.n_tiles * sizeof *tiles), *parts;
        size_t n = (size_t)n_chunks * (size_t)(o->n * o->c.h * (o->c.d + 2));
        must_do(cudaMalloc(&parts, n * sizeof(float)));
        must_do(cuda_launch_attention_fused(o->s, o->tout, o->tq, o->tk, o->tv, on_device,
                                            tiles_there, &plan, parts));
        must_do(cudaStreamSynchronize(o->s));
        device_free(tiles_there), device_free(parts);
    }
    device_get(o->s, o->tout, out);
    device_free(on_device);
    free(rows), free(tiles);
}

static int32_t most_rows(const struct operands *o)
{
    int32_t most = 0;
    for (int32_t i = 0; i < o->c.n_spans; i++)
        if (o->spans[i].n_rows > most) most = o->spans[i].n_rows;
    return most;
}

/* clang-format off */
static const struct attention_case cases[] = {
    /* one key; decode of two lengths, the second ending a chunk; a group that fills its block */
    {1, 1, 64, 4, 1, DTYPE_BF16, 1, {{.n_rows = 1, .n_visible = 1}}},
    {8, 2, 64, 520, 2, DTYPE_BF16, 2,
     {{.slot = 0, .n_rows = 1, .pos0 = 300, .n_visible = 301},
      {.slot = 1, .n_rows = 1, .pos0 = 255, .n_visible = 256}}},
    {16, 1, 128, 330, 1, DTYPE_BF16, 1, {{.n_rows = 1, .pos0 = 320, .n_visible = 321}}},
    /* groups of 7, a block of rows that sees all of the context and of itself */
    {14, 2, 64, 340, 1, DTYPE_BF16, 1,
     {{.n_rows = 2, .pos0 = 318, .n_visible = 320, .mask = MASK_FULL}}},
    {7, 1, 128, 100, 1, DTYPE_BF16, 1,
     {{.n_rows = 20, .pos0 = 60, .n_visible = 85, .mask = MASK_FULL}}},
    /* prefills: every row another end, within tiles of keys and of rows */
    {2, 2, 64, 130, 1, DTYPE_BF16, 1, {{.n_rows = 100, .pos0 = 25, .n_visible = 125}}},
    {4, 1, 128, 80, 1, DTYPE_BF16, 1, {{.n_rows = 66, .n_visible = 66}}},
    /* block-causal, blocks cut by the start and by the end */
    {4, 2, 64, 320, 1, DTYPE_BF16, 1,
     {{.n_rows = 60, .pos0 = 250, .n_visible = 310, .block = 8, .mask = MASK_BLOCK}}},
    /* a ragged pass: prefill, decode, denoise and a block at once */
    {4, 2, 64, 300, 4, DTYPE_BF16, 4,
     {{.slot = 2, .n_rows = 20, .pos0 = 0, .n_visible = 20},
      {.slot = 0, .n_rows = 1, .pos0 = 270, .n_visible = 271},
      {.slot = 3, .n_rows = 16, .pos0 = 30, .n_visible = 60, .mask = MASK_FULL},
      {.slot = 1, .n_rows = 12, .pos0 = 8, .n_visible = 20, .block = 4, .mask = MASK_BLOCK}}},
    /* one head has more query heads than a small block has rows */
    {40, 1, 64, 70, 1, DTYPE_BF16, 1, {{.n_rows = 3, .pos0 = 64, .n_visible = 67}}},
};
/* clang-format on */

static void check_cut(struct operands *o, struct cut cut)
{
    char what[128];
    const struct attention_case *c = &o->c;
    snprintf(what, sizeof what, "attention h %d hk %d d %d mask %d, blocks of %d, %d share keys",
             c->h, c->hk, c->d, (int)c->spans[0].mask, cut.block_rows, cut.n_splits);
    int64_t n_out = (int64_t)o->n * c->h * c->d;
    uint16_t *raw = malloc((size_t)n_out * sizeof *raw);
    float *got = malloc((size_t)n_out * sizeof *got);
    double *want = calloc((size_t)n_out, sizeof *want),
           *bound = calloc((size_t)n_out, sizeof *bound);
    double *score = calloc((size_t)o->n * (size_t)c->h, sizeof *score);
    struct ref_attention_shape shape = {o->n, c->h, c->hk, c->d, c->cap};
    ref_attention(want, bound, score, o->q, o->keys, o->values, &shape, o->spans, c->n_spans);
    attend(o, o->spans, c->n_spans, cut, raw);
    for (int64_t i = 0; i < n_out; i++) {
        /* Tensor cores cut sums off where f32 rounds: 2 u an addition.  Scores off by e change a
         * weight by a factor e^e, and the sum of weights likewise; exponentials are good to 4 u.
         * Weights are rounded to bf16 before they meet the values, and so is the result. */
        double e = 2 * (c->d + 4) * U_F32 * score[i / c->d];
        double weight = cut.block_rows ? U_BF16 : 0;
        bound[i] = (2 * e + (4 * c->cap + 64) * U_F32 + weight) * bound[i];
        bound[i] += U_BF16 * (fabs(want[i]) + bound[i]);
        got[i] = bf16_to_f32(raw[i]);
    }
    check_close(what, got, want, bound, n_out);
    free(raw), free(got), free(want), free(bound), free(score);
}

static void attention_agrees_with_double_precision(void **state)
{
    (void)state;
    for (enum cusim_order order = CUSIM_IN_TURN; order < CUSIM_ORDERS; order++) {
        cudaStream_t s = device_open(order);
        for (int32_t i = 0; i < N_CASES(cases); i++) {
            struct operands o = operands_open(s, &cases[i]);
            bool few = most_rows(&o) * o.c.h / o.c.hk <= 16;
            if (few) check_cut(&o, (struct cut){16, 1});
            if (few) check_cut(&o, (struct cut){16, 2});
            if (!few || order == CUSIM_IN_TURN) check_cut(&o, (struct cut){64, 1});
            if (!few || order == CUSIM_BACKWARDS) check_cut(&o, (struct cut){64, 3});
            if (order == CUSIM_IN_TURN) check_cut(&o, (struct cut){0, 1});
            operands_close(&o);
        }
        device_close(s);
    }
}

/* A prefill over three chunks, whole; then some of its rows by themselves, as a decode computes
 * them, in blocks of either kind, by one block or by several. */
static void a_row_has_the_same_bits_however_it_is_cut(void **state)
{
    (void)state;
    enum { N = 530, H = 4, D = 64, ROW = H * D };
    static const int32_t rows[] = {0, 1, 62, 63, 64, 200, 255, 256, 257, 511, 512, N - 1};
    static const struct cut cuts[] = {{16, 1}, {16, 2}, {16, 3}, {64, 1}, {64, 2}, {64, 5}};
    static uint16_t want[N][ROW], got[N][ROW];
    struct attention_case c = {H, 2, D, N + 6, 1, DTYPE_BF16, 1, {{.n_rows = N, .n_visible = N}}};
    cudaStream_t s = device_open(CUSIM_BACKWARDS);
    struct operands o = operands_open(s, &c);
    attend(&o, o.spans, 1, (struct cut){64, 1}, want[0]);
    attend(&o, o.spans, 1, (struct cut){64, 2}, got[0]);
    assert_memory_equal(got, want, sizeof got);
    for (int32_t i = 0; i < N_CASES(cuts); i++) {
        struct span one[N_CASES(rows)];
        for (int32_t r = 0; r < N_CASES(rows); r++)
            one[r] = (struct span){
                .row0 = rows[r], .n_rows = 1, .pos0 = rows[r], .n_visible = rows[r] + 1};
        /* One after the other, and all in a batch. */
        int32_t together = i % 2 ? N_CASES(rows) : 1;
        for (int32_t r = 0; r < N_CASES(rows); r++) {
            if (r % together == 0) attend(&o, one + r, together, cuts[i], got[0]);
            if (memcmp(got[rows[r]], want[rows[r]], sizeof got[0]) != 0)
                fail_msg("row %d is another in blocks of %d, %d of them", rows[r],
                         cuts[i].block_rows, cuts[i].n_splits);
        }
    }
    operands_close(&o);
    device_close(s);
}

/* By the plain kernel once per query head and row. */
static void keys_and_values_are_read_once(void **state)
{
    (void)state;
    static const struct cut cuts[] = {{16, 1}, {16, 3}, {64, 1}, {64, 2}, {0, 1}};
    enum { H = 8, HK = 2, D = 64, SEES = 600, ROWS = 4 };
    static uint16_t out[ROWS * H * D];
    /* A block of four rows that see 600 keys: 16 pairs of each key/value head. */
    struct attention_case c = {
        H, HK,
        D, 700,
        1, DTYPE_BF16,
        1, {{.n_rows = ROWS, .pos0 = SEES - ROWS, .n_visible = SEES, .mask = MASK_FULL}}};
    for (int32_t i = 0; i < N_CASES(cuts); i++) {
        cudaStream_t s = device_open(CUSIM_IN_TURN);
        struct operands o = operands_open(s, &c);
        int64_t flop = cusim_mma_flop();
        attend(&o, o.spans, 1, cuts[i], out);
        /* Scores and values of 640 keys: tiles of 64, and blocks of pairs, are whole. */
        assert_int_equal(cusim_mma_flop() - flop, 4 * HK * cuts[i].block_rows * 640 * D);
        int64_t once = (int64_t)HK * SEES * D * 2, times = cuts[i].block_rows ? 1 : H / HK * ROWS;
        int64_t q_once = (int64_t)ROWS * H * D * 2;
        assert_int_equal(cusim_bytes_read(o.tk.data), times * once);
        assert_int_equal(cusim_bytes_read(o.tv.data), times * once);
        if (cuts[i].block_rows)
            assert_int_equal(cusim_bytes_read(o.tq.data), cuts[i].n_splits * q_once);
        operands_close(&o);
        device_close(s);
    }
}

/* A causal prefill reads, for each block of rows, what its last row sees: nothing beyond. */
static void what_nobody_sees_is_not_read(void **state)
{
    (void)state;
    enum { N = 150, H = 4, HK = 2, D = 64, PER_TILE = 64 / (H / HK) };
    static uint16_t out[N * H * D];
    struct attention_case c = {H, HK, D, 200, 1, DTYPE_BF16, 1, {{.n_rows = N, .n_visible = N}}};
    cudaStream_t s = device_open(CUSIM_RANDOM);
    struct operands o = operands_open(s, &c);
    attend(&o, o.spans, 1, (struct cut){64, 1}, out);
    int64_t keys = 32 + 64 + 96 + 128 + 150; /* seen by the last rows of tiles of 32 */
    assert_int_equal(PER_TILE, 32);
    assert_int_equal(cusim_bytes_read(o.tk.data), HK * keys * D * 2);
    assert_int_equal(cusim_bytes_read(o.tv.data), HK * keys * D * 2);
    operands_close(&o);
    device_close(s);
}

static struct cuda_attention_plan plan_of(struct attention_case c, int32_t n_sms)
{
    int32_t n = 0;
    struct tensor q, kv = tensor_4d(NULL, c.kv, ROLE_KV, c.slots, c.hk, c.cap, c.d);
    for (int32_t i = 0; i < c.n_spans; i++) n += c.spans[i].n_rows;
    q = tensor_3d(NULL, DTYPE_BF16, ROLE_ACTIVATION, n, c.h, c.d);
    return cuda_attention_plan(q, q, kv, kv, c.spans, c.n_spans, n_sms);
}

/* From shapes and SMs alone: what a captured launch relies on. */
static void cuts_follow_shapes_only(void **state)
{
    (void)state;
    struct attention_case decode = {32, 8, 128, 4096, 1, DTYPE_BF16, 1, {{.n_rows = 1}}};
    struct cuda_attention_plan p = plan_of(decode, 108);
    assert_int_equal(p.block_rows, 16);
    assert_int_equal(p.n_tiles, 1);
    assert_int_equal(p.n_splits, 16); /* 2 * 108 / 8 = 27 blocks, but 16 chunks */
    assert_int_equal(p.parts_bytes, 16 * 32 * (128 + 2) * 4);
    decode.spans[0] = (struct span){.n_rows = 1, .pos0 = 4000, .n_visible = 4001};
    assert_int_equal(plan_of(decode, 108).n_splits, 16);
    decode.n_spans = 4;
    decode.spans[1] = decode.spans[2] = decode.spans[3] = decode.spans[0];
    p = plan_of(decode, 108);
    assert_int_equal(p.n_tiles, 4);
    assert_int_equal(p.n_splits, 6); /* 216 / (4 * 8) */
    /* A long prefill fills the device by itself; many rows over a long cache would need more
     * scratch than it is worth. */
    struct attention_case prefill = {32, 8, 128, 4096, 1, DTYPE_BF16, 1, {{.n_rows = 2048}}};
    p = plan_of(prefill, 108);
    assert_int_equal(p.block_rows, 64);
    assert_int_equal(p.n_tiles, 128);
    assert_int_equal(p.n_splits, 1);
    assert_int_equal(p.parts_bytes, 0);
    struct attention_case block = {32, 8, 128, 4096, 1, DTYPE_BF16, 1, {{.n_rows = 32}}};
    assert_int_equal(plan_of(block, 108).n_splits, 13); /* 216 / (2 * 8) */
    block.cap = 1 << 17;
    assert_int_equal(plan_of(block, 108).n_splits, 1);
    /* Others are the plain kernel's. */
    prefill.kv = DTYPE_F32;
    assert_int_equal(plan_of(prefill, 108).block_rows, 0);
    prefill.kv = DTYPE_BF16;
    prefill.d = 96;
    assert_int_equal(plan_of(prefill, 108).block_rows, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_agrees_with_double_precision),
        cmocka_unit_test(a_row_has_the_same_bits_however_it_is_cut),
        cmocka_unit_test(keys_and_values_are_read_once),
        cmocka_unit_test(what_nobody_sees_is_not_read),
        cmocka_unit_test(cuts_follow_shapes_only),
    };
    if (cusim_absent()) return cusim_test_all();
    return RUN_NAMED(tests, argc, argv);
}
