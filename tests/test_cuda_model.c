/* test_cuda_model.c - the tiny model end to end on the CUDA backend, emulated, against the CPU
 * backend; and what the decoders promise of each other there.  Linked with cusim_gpu.c instead
 * of the emulator it asks a GPU the same (but not for equal bits: cuBLAS sums in another order
 * for another number of rows). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/decode/session.h"
#include "tests/cusim/cusim.h"
#include "tests/cusim/named.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

enum { N = 24, SEED = 7 }; /* toy_open's seed */

static const int32_t text[N] = {3,  141, 59, 26, 53, 58, 97, 93, 23, 84, 62, 64,
                                33, 83,  27, 9,  50, 28, 84, 19, 71, 69, 39, 93};

/* Activations are rounded to bf16 where the CPU keeps f32.  A rounding is off by at most half a
 * spacing, evenly spread, so by 2^-7 / sqrt(12) of the value at most, root mean square.  A value
 * passes 12 of them a layer (two norms, qkv, their norm, rotation, attention, two projections,
 * gate and up, SwiGLU, two residual sums), and the embedding's and the last norm's: 38 in three
 * layers, which add up like a random walk.  Dot products keep relative errors of that kind as
 * they are; times 2 for the growth through softmax and norms.  In units of the largest logit,
 * since the largest of many errors stands to the largest of as many logits as the typical ones. */
static double tolerance(void)
{
    return 2 * sqrt(38) * 0x1p-7 / sqrt(12);
}

static void fresh_device(void)
{
    cusim_clear();
    cusim_set_order(CUSIM_RANDOM);
    cusim_set_eager(false);
}

static void open_cuda(struct toy *t, enum dtype dtype)
{
    struct kernels_config c = {.backend = "cuda"};
    OK(model_preset("tiny-test", 0, &t->config));
    struct kernels_mode mode = {.matmul = dtype == DTYPE_INT8 ? MATMUL_OWN : MATMUL_CUBLAS};
    OK(kernels_open(&c, &t->k));
    OK(kernels_set_mode(t->k, &mode));
    OK(model_create(t->k, &t->config, dtype, SEED, &t->model));
}

static void close_cuda(struct toy *t)
{
    toy_close(t);
    if (cusim_report()) fail_msg("%s", cusim_report());
    assert_int_equal(cusim_live_objects(), 0);
}

/* Logits of n tokens seen whole. */
static float *whole(struct toy *t, const int32_t *tokens, int32_t n, enum mask mask, int32_t block,
                    enum dtype kv)
{
    struct kv_cache_size s = {
        .n_slots = 1, .capacity = n, .max_rows = n, .max_logits = n, .dtype = kv};
    struct kv_cache *c;
    OK(kv_cache_create(t->model, &s, &c));
    float *logits = toy_rows(t, c, 0, tokens, 0, n, mask, block, true);
    kv_cache_free(c);
    return logits;
}

static float largest(const float *x, int64_t n)
{
    float max = 0;
    for (int64_t i = 0; i < n; i++) max = fmaxf(max, fabsf(x[i]));
    return max;
}

static double difference(const float *a, const float *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    return worst / (double)largest(b, n);
}

static const struct {
    enum mask mask;
    int32_t block;
} masks[] = {{MASK_CAUSAL, 0}, {MASK_FULL, 0}, {MASK_BLOCK, 5}};

static void logits_agree_with_the_cpu(void **state)
{
    (void)state;
    fresh_device();
    for (enum dtype dtype = DTYPE_F32; dtype < DTYPE_COUNT; dtype++) {
        struct toy cpu, cuda;
        toy_open(&cpu, "tiny-test", dtype, 1);
        open_cuda(&cuda, dtype);
        int64_t n = (int64_t)N * cpu.config.n_vocab;
        float *before = NULL;
        for (int32_t m = 0; m < 3; m++)
            for (enum dtype kv = DTYPE_F32; kv <= DTYPE_BF16; kv++) {
                float *want = whole(&cpu, text, N, masks[m].mask, masks[m].block, kv);
                float *got = whole(&cuda, text, N, masks[m].mask, masks[m].block, kv);
                double e = difference(got, want, n);
                if (!(e < tolerance()))
                    fail_msg("mask %d, weights %s, K/V %s: off by %g, allowed %g", m,
                             dtype_name(dtype), dtype_name(kv), e, tolerance());
                assert_true(e > 0x1p-12); /* it is another computation, in bf16 */
                /* The bound is not so wide that another mask's logits would pass. */
                if (before) assert_true(kv || difference(want, before, n) > 5 * tolerance());
                free(before);
                before = want;
                free(got);
            }
        free(before);
        toy_close(&cpu);
        close_cuda(&cuda);
    }
}

/* Blocks of positions through the cache, one after the other, and all of them at once. */
static void cached_equals_uncached(void **state)
{
    (void)state;
    fresh_device();
    struct toy t;
    open_cuda(&t, DTYPE_BF16);
    size_t v = (size_t)t.config.n_vocab;
    for (int32_t b = 1; b <= N; b *= 4) {
        float *want = whole(&t, text, N, MASK_BLOCK, b, DTYPE_F32);
        struct kv_cache *c = toy_cache(&t, 1, N);
        for (int32_t pos = 0; pos < N; pos += b) {
            int32_t n = pos + b > N ? N - pos : b;
            float *got = toy_rows(&t, c, 0, text + pos, pos, n, MASK_FULL, 0, true);
            assert_memory_equal(got, want + (size_t)pos * v, (size_t)n * v * sizeof *got);
            free(got);
        }
        kv_cache_free(c);
        free(want);
    }
    close_cuda(&t);
}

/* With kernels of this program alone a position's logits have the same bits in a prefill, among
 * the rows of a block and by itself, whatever else is in the pass: so it is on a GPU, too, where
 * cuBLAS chooses another kernel for another number of rows. */
static void check_equal_bits(enum dtype dtype)
{
    enum { LENGTH = 70, FIRST = 60 };
    struct toy t;
    struct kernels_config c = {.backend = "cuda"};
    struct kernels_mode mode = {.matmul = MATMUL_OWN};
    int32_t tokens[LENGTH];
    fresh_device();
    /* Wide enough for tensor cores everywhere, and narrow enough to be emulated. */
    OK(model_preset("tiny-test", 1, &t.config));
    t.config.n_head = 4, t.config.n_kv_head = 2, t.config.d_head = 64;
    t.config.d_model = 64, t.config.d_ff = dtype == DTYPE_INT8 ? 64 : 88;
    for (int32_t i = 0; i < LENGTH; i++) tokens[i] = i * 37 % t.config.n_ids;
    OK(kernels_open(&c, &t.k));
    OK(kernels_set_mode(t.k, &mode));
    OK(model_create(t.k, &t.config, dtype, SEED, &t.model));
    size_t v = (size_t)t.config.n_vocab;
    float *want = whole(&t, tokens, LENGTH, MASK_CAUSAL, 0, DTYPE_BF16);
    for (int32_t b = 1; b <= 5; b += 4) {
        struct kv_cache_size size = {.n_slots = 2,
                                     .capacity = LENGTH + 300,
                                     .max_rows = LENGTH,
                                     .max_logits = LENGTH,
                                     .dtype = DTYPE_BF16};
        struct kv_cache *cache;
        OK(kv_cache_create(t.model, &size, &cache));
        free(toy_rows(&t, cache, 1, tokens, 0, FIRST, MASK_CAUSAL, 0, true));
        for (int32_t pos = FIRST; pos < LENGTH; pos += b) {
            float *got = toy_rows(&t, cache, 1, tokens + pos, pos, b, MASK_CAUSAL, 0, true);
            assert_memory_equal(got, want + (size_t)pos * v, (size_t)b * v * sizeof *got);
            free(got);
        }
        kv_cache_free(cache);
    }
    free(want);
    close_cuda(&t);
}

static void own_kernels_give_equal_bits_in_any_pass(void **state)
{
    (void)state;
    check_equal_bits(DTYPE_BF16);
    check_equal_bits(DTYPE_INT8);
}

/* ---- decoders ---- */

static struct decode_spec spec(int32_t batch, int32_t n_prompt, int32_t n_gen, int32_t block,
                               int32_t steps, enum head_policy head)
{
    return (struct decode_spec){.batch = batch,
                                .n_prompt = n_prompt,
                                .n_gen = n_gen,
                                .block_length = block,
                                .steps = steps,
                                .seed = 5,
                                .head = head};
}

static int32_t *decode(struct toy *t, const char *decoder, const struct decode_spec *s)
{
    struct session *n;
    size_t count = (size_t)s->batch * (size_t)(s->n_prompt + s->n_gen);
    const struct decoder_ops *ops = decoder_find(decoder);
    OK(ops->check(s, &t->config));
    OK(session_create(t->model, ops, s, DTYPE_BF16, &n));
    while (!session_done(n)) {
        struct step_work w;
        OK(session_step(n, &w));
    }
    int32_t *tokens = malloc(count * sizeof *tokens);
    memcpy(tokens, session_tokens(n), count * sizeof *tokens);
    session_free(n);
    return tokens;
}

static void assert_same(const int32_t *a, const int32_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) fail_msg("token %zu: %d and %d", i, a[i], b[i]);
}

/* The emulated backend's choice is, on the CPU, within rounding of the best. */
static void assert_good_choice(const struct toy *cpu, const float *logits, int32_t token,
                               float scale, int32_t position)
{
    float best = -INFINITY;
    for (int32_t i = 0; i < cpu->config.n_ids; i++)
        if (i != cpu->config.mask_id) best = fmaxf(best, logits[i]);
    assert_true(token >= 0 && token < cpu->config.n_ids && token != cpu->config.mask_id);
    if ((double)(best - logits[token]) > 2 * tolerance() * (double)scale)
        fail_msg("position %d: token %d has logit %g, the best has %g", position, token,
                 (double)logits[token], (double)best);
}

/* Every position the decoder filled in one forward per block, from what it had before: rows of
 * the CPU's logits over the same canvas.  shift: the row before predicts. */
static void check_choices(const char *decoder, const struct decode_spec *s, enum dtype dtype,
                          enum mask mask, int32_t block, int32_t shift)
{
    struct toy cpu, cuda;
    int32_t n = s->n_prompt + s->n_gen, canvas[64];
    toy_open(&cpu, "tiny-test", dtype, 1);
    open_cuda(&cuda, dtype);
    int32_t *tokens = decode(&cuda, decoder, s);
    size_t v = (size_t)cpu.config.n_vocab;
    for (int32_t pos = s->n_prompt; pos < n;) {
        int32_t end = (pos / block + 1) * block < n ? (pos / block + 1) * block : n;
        for (int32_t i = 0; i < n; i++) canvas[i] = i < pos ? tokens[i] : cpu.config.mask_id;
        float *logits = whole(&cpu, canvas, n, mask, block, DTYPE_BF16);
        float scale = largest(logits, (int64_t)n * (int64_t)v);
        for (; pos < end; pos++)
            assert_good_choice(&cpu, logits + (size_t)(pos - shift) * v, tokens[pos], scale, pos);
        free(logits);
    }
    free(tokens);
    toy_close(&cpu);
    close_cuda(&cuda);
}

static void decoders_choose_what_the_cpu_finds_best(void **state)
{
    (void)state;
    fresh_device();
    for (enum dtype dtype = DTYPE_BF16; dtype <= DTYPE_INT8; dtype++) {
        struct decode_spec s = spec(1, 9, 15, 0, 0, HEAD_DEFAULT);
        check_choices("ar", &s, dtype, MASK_CAUSAL, 1, 1);
        s = spec(1, 9, 15, 0, 1, HEAD_SAME);
        check_choices("diffusion", &s, dtype, MASK_FULL, N, 0);
        s = spec(1, 9, 15, 6, 1, HEAD_SAME);
        check_choices("block", &s, dtype, MASK_BLOCK, 6, 0);
    }
}

static void blocks_of_one_are_greedy_ar(void **state)
{
    (void)state;
    fresh_device();
    struct toy t;
    open_cuda(&t, DTYPE_BF16);
    struct decode_spec s = spec(2, 7, 16, 1, 1, HEAD_SHIFTED);
    int32_t *a = decode(&t, "ar", &s), *b = decode(&t, "block", &s);
    assert_same(a, b, 2 * 23);
    free(a);
    free(b);
    close_cuda(&t);
}

static void one_block_is_full_sequence(void **state)
{
    (void)state;
    fresh_device();
    struct toy t;
    open_cuda(&t, DTYPE_BF16);
    struct decode_spec s = spec(2, 8, 16, 24, 4, HEAD_SAME),
                       whole_s = spec(2, 8, 16, 0, 4, HEAD_SAME);
    int32_t *a = decode(&t, "block", &s), *b = decode(&t, "diffusion", &whole_s);
    assert_same(a, b, 2 * 24);
    free(a);
    free(b);
    close_cuda(&t);
}

/* Neither the order of threads nor how late a stream runs may show in a single bit. */
static void order_and_lateness_change_no_bit(void **state)
{
    (void)state;
    fresh_device();
    struct toy t;
    open_cuda(&t, DTYPE_BF16);
    size_t bytes = (size_t)N * (size_t)t.config.n_vocab * sizeof(float);
    float *want = whole(&t, text, N, MASK_BLOCK, 5, DTYPE_BF16);
    for (enum cusim_order order = CUSIM_IN_TURN; order <= CUSIM_BACKWARDS; order++) {
        cusim_set_order(order);
        cusim_set_eager(order == CUSIM_BACKWARDS);
        float *got = whole(&t, text, N, MASK_BLOCK, 5, DTYPE_BF16);
        assert_memory_equal(got, want, bytes);
        free(got);
    }
    free(want);
    close_cuda(&t);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_agree_with_the_cpu),
        cmocka_unit_test(order_and_lateness_change_no_bit),
        cmocka_unit_test(cached_equals_uncached),
        cmocka_unit_test(own_kernels_give_equal_bits_in_any_pass),
        cmocka_unit_test(decoders_choose_what_the_cpu_finds_best),
        cmocka_unit_test(blocks_of_one_are_greedy_ar),
        cmocka_unit_test(one_block_is_full_sequence),
    };
    if (cusim_absent()) return cusim_test_all();
    return RUN_NAMED(tests, argc, argv);
}
