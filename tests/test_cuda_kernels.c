/* test_cuda_kernels.c - the CUDA backend on the emulator: every operation at every case of
 * kernel_cases.h against the double-precision reference, whatever order threads run in.
 * Linked with cusim_gpu.c instead of the emulator it asks a GPU the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check_kernels.h"
#include "tests/cusim/cusim.h"
#include "tests/cusim/named.h"
#include "tests/ref.h"

static struct kernels *open_cuda(enum cusim_order order, bool eager)
{
    struct kernels *k = NULL;
    struct kernels_config config = {.backend = "cuda"};
    cusim_clear();
    cusim_set_order(order);
    cusim_set_eager(eager);
    if (kernels_open(&config, &k) != ERR_NONE) fail_msg("%s", err_msg());
    assert_int_equal(kernels_activation_dtype(k), DTYPE_BF16);
    return k;
}

static void close_cuda(struct kernels *k)
{
    kernels_close(k);
    if (cusim_report()) fail_msg("%s", cusim_report());
    assert_int_equal(cusim_live_objects(), 0);
}

static void check_order(enum cusim_order order, bool eager)
{
    struct kernels *k = open_cuda(order, eager);
    check_all(k);
    close_cuda(k);
}

static void threads_in_turn_agree_with_the_reference(void **state)
{
    (void)state;
    check_order(CUSIM_IN_TURN, false);
}

static void threads_backwards_agree_with_the_reference(void **state)
{
    (void)state;
    check_order(CUSIM_BACKWARDS, true);
}

static void threads_at_random_agree_with_the_reference(void **state)
{
    (void)state;
    check_order(CUSIM_RANDOM, false);
}

/* One row of logits under a rule; temperature 0. */
static struct row_stat choose(struct kernels *k, float *x, int64_t v, int32_t n_ids,
                              int32_t mask_id)
{
    struct row_stat stat;
    struct row_key key = {0};
    struct choice_rule rule = {.n_ids = n_ids, .mask_id = mask_id};
    struct guarded g = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, 1, v));
    guarded_set(&g, x);
    if (kn_rowstat(k, &stat, g.t, &key, &rule) != ERR_NONE) fail_msg("%s", err_msg());
    guarded_close(&g);
    return stat;
}

static void ties_go_to_the_lowest_allowed_id(void **state)
{
    (void)state;
    enum { V = 10000 };
    static float x[V];
    struct kernels *k = open_cuda(CUSIM_RANDOM, false);
    for (int32_t i = 0; i < V; i++) x[i] = 0;
    struct row_stat s = choose(k, x, V, V, -1);
    assert_int_equal(s.id, 0);
    assert_true(s.confidence == s.p_first && s.p_second == s.p_first);
    assert_true(fabs(s.p_first * V - 1) < 1e-6 && fabs(s.entropy_nats - log(V)) < 1e-5);
    assert_int_equal(choose(k, x, V, V, 0).id, 1);
    /* Equals within a thread's four ids, in other threads, warps and slices. */
    x[9999] = x[8192] = x[4097] = x[4096] = x[1300] = x[70] = x[69] = 5;
    assert_int_equal(choose(k, x, V, V, -1).id, 69);
    assert_int_equal(choose(k, x, V, V, 69).id, 70);
    x[69] = x[70] = 0;
    assert_int_equal(choose(k, x, V, V, -1).id, 1300);
    assert_int_equal(choose(k, x, V, V, 1300).id, 4096);
    assert_int_equal(choose(k, x, V, 1300, -1).id, 0);
    s = choose(k, x, V, 1301, -1);
    assert_int_equal(s.id, 1300);
    assert_true(s.p_second < s.p_first); /* the equals are not allowed */
    assert_int_equal(choose(k, x, V, 1, -1).id, 0);
    close_cuda(k);
}

static void extreme_logits_keep_probabilities_finite(void **state)
{
    (void)state;
    enum { V = 9000 };
    static float x[V];
    struct kernels *k = open_cuda(CUSIM_RANDOM, false);
    /* Minus infinity everywhere, a whole slice too, but at two equal ids: a fair coin. */
    for (int32_t i = 0; i < V; i++) x[i] = -INFINITY;
    x[10] = x[8500] = -3;
    struct row_stat s = choose(k, x, V, V, -1);
    assert_int_equal(s.id, 10);
    assert_true(s.confidence == 0.5f && s.p_first == 0.5f && s.p_second == 0.5f);
    assert_true(fabs(s.entropy_nats - log(2)) < 1e-6);
    /* One id above all: certainty, and no entropy. */
    for (int32_t i = 0; i < V; i++) x[i] = -3e38f;
    x[V - 1] = 3e38f;
    s = choose(k, x, V, V, -1);
    assert_int_equal(s.id, V - 1);
    assert_true(s.confidence == 1 && s.p_second == 0 && s.entropy_nats == 0);
    /* It may not be chosen: what is chosen has probability 0. */
    s = choose(k, x, V, V, V - 1);
    assert_int_equal(s.id, 0);
    assert_true(s.confidence == 0 && s.p_first == 0);
    close_cuda(k);
}

/* Frequencies of 1000 draws from 5 probabilities: each within 4.5 standard deviations; the mask
 * id, likelier than all of them, is never drawn. */
static void sampling_follows_the_softmax(void **state)
{
    (void)state;
    enum { V = 6, MASK = 2, DRAWS = 1000 };
    static const double p[V] = {0.5, 0.25, 0, 0.15, 0.08, 0.02};
    static float x[DRAWS * V];
    static struct row_stat stats[DRAWS];
    static struct row_key keys[DRAWS];
    struct choice_rule rule = {.temperature = 0.5f, .seed = 3, .n_ids = V, .mask_id = MASK};
    struct kernels *k = open_cuda(CUSIM_IN_TURN, false);
    int32_t count[V] = {0};
    for (int32_t i = 0; i < DRAWS; i++) {
        keys[i] = (struct row_key){.request = (uint32_t)i % 7, .position = (uint32_t)i / 7};
        for (int32_t j = 0; j < V; j++) x[i * V + j] = j == MASK ? 5 : (float)(0.5 * log(p[j]));
    }
    struct guarded g = guarded_open(k, tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, DRAWS, V));
    guarded_set(&g, x);
    if (kn_rowstat(k, stats, g.t, keys, &rule) != ERR_NONE) fail_msg("%s", err_msg());
    for (int32_t i = 0; i < DRAWS; i++) count[stats[i].id]++;
    assert_int_equal(count[MASK], 0);
    for (int32_t j = 0; j < V; j++)
        assert_true(fabs(count[j] - DRAWS * p[j]) <= 4.5 * sqrt(DRAWS * p[j] * (1 - p[j])));
    guarded_close(&g);
    close_cuda(k);
}

static void top_p_samples_from_the_nucleus(void **state)
{
    (void)state;
    int32_t judged = 0;
    for (enum cusim_order order = CUSIM_IN_TURN; order < CUSIM_ORDERS; order++) {
        struct kernels *k = open_cuda(order, false);
        judged += check_top_p(k);
        if (order == CUSIM_RANDOM) check_nucleus_line(k, 400);
        close_cuda(k);
    }
    assert_true(judged > 50);
}

/* The CPU's choices for every case that samples, whatever the share: the same ids. */
static void top_p_chooses_as_the_cpu_does(void **state)
{
    (void)state;
    static const float shares[] = {0.05f, 0.3f, 0.7f, 0.95f};
    struct kernels *k = open_cuda(CUSIM_RANDOM, false), *cpu = NULL;
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    if (kernels_open(&config, &cpu) != ERR_NONE) fail_msg("%s", err_msg());
    for (int32_t i = 0; i < N_CASES(rowstat_cases); i++) {
        const struct rowstat_case *c = &rowstat_cases[i];
        float *x = random_floats((int64_t)c->m * c->v, 7, c->spread);
        struct tensor shape = tensor_2d(NULL, DTYPE_F32, ROLE_LOGITS, c->m, c->v);
        struct guarded here = guarded_open(k, shape), there = guarded_open(cpu, shape);
        struct row_stat got[16], want[16];
        struct row_key keys[16] = {{0}};
        assert_true(c->m <= 16);
        for (int32_t r = 0; r < c->m; r++) keys[r].position = (uint32_t)r;
        guarded_set(&here, x);
        guarded_set(&there, x);
        for (int32_t p = 0; c->temperature > 0 && p < N_CASES(shares); p++) {
            struct choice_rule rule = {.temperature = c->temperature,
                                       .seed = 11,
                                       .n_ids = c->n_ids,
                                       .mask_id = c->mask_id,
                                       .top_p = shares[p]};
            if (kn_rowstat(k, got, here.t, keys, &rule) != ERR_NONE) fail_msg("%s", err_msg());
            if (kn_rowstat(cpu, want, there.t, keys, &rule) != ERR_NONE) fail_msg("%s", err_msg());
            for (int32_t r = 0; r < c->m; r++)
                if (got[r].id != want[r].id)
                    fail_msg("case %d, top-p %g, row %d: %d, the CPU's %d", i, (double)shares[p], r,
                             got[r].id, want[r].id);
        }
        guarded_close(&here);
        guarded_close(&there);
        free(x);
    }
    kernels_close(cpu);
    close_cuda(k);
}

/* Heads that start 8 bytes past a multiple of 16, in rows that keep them there. */
static void views_off_16_bytes_are_read_narrowly(void **state)
{
    (void)state;
    enum { ROWS = 3, HEADS = 2, D = 16, BEGIN = 4, WIDTH = 40, CAP = 8 };
    enum { N_ROW = HEADS * D, N_ALL = ROWS * N_ROW };
    float *x = random_floats(ROWS * WIDTH, 1, 1), *gain = random_floats(D, 2, 1);
    float flat[N_ALL], got[ROWS * WIDTH], kept[HEADS * CAP * D];
    double want[N_ALL], mag[N_ALL], bound[N_ALL];
    int32_t pos[ROWS] = {3, 4, 5};
    struct rope rope = {.base = 10000};
    struct span span = {.n_rows = ROWS, .pos0 = 3, .n_visible = 3 + ROWS};
    struct kernels *k = open_cuda(CUSIM_RANDOM, false);
    struct guarded g = guarded_open(k, tensor_2d(NULL, DTYPE_BF16, ROLE_ACTIVATION, ROWS, WIDTH));
    struct tensor cache = tensor_4d(NULL, DTYPE_BF16, ROLE_KV, 1, HEADS, CAP, D);
    struct guarded keys = guarded_open(k, cache), values = guarded_open(k, cache);
    struct weight w = weight_open(k, gain, 0, D, DTYPE_BF16, LAYOUT_ROWS);
    guarded_set(&g, x);
    struct tensor heads = tensor_heads(g.t, BEGIN, HEADS, D);

    for (int32_t i = 0; i < N_ALL; i++) flat[i] = x[i / N_ROW * WIDTH + BEGIN + i % N_ROW];
    ref_rmsnorm(want, flat, gain, ROWS * HEADS, D, 1e-6);
    for (int32_t i = 0; i < N_ALL; i++) bound[i] = (20 * U_F32 + U_BF16) * fabs(want[i]);
    if (kn_rmsnorm(k, heads, heads, w.t, 1e-6f) != ERR_NONE) fail_msg("%s", err_msg());
    guarded_get(&g, got);
    for (int32_t i = 0; i < N_ALL; i++) flat[i] = got[i / N_ROW * WIDTH + BEGIN + i % N_ROW];
    check_close("rmsnorm of a view", flat, want, bound, N_ALL);

    ref_rope(want, mag, flat, pos, ROWS, HEADS, D, &rope);
    for (int32_t i = 0; i < N_ALL; i++) bound[i] = 4 * U_F32 * mag[i] + U_BF16 * fabs(want[i]);
    if (kn_rope(k, heads, pos, &rope) != ERR_NONE) fail_msg("%s", err_msg());
    guarded_get(&g, got);
    for (int32_t i = 0; i < N_ALL; i++) flat[i] = got[i / N_ROW * WIDTH + BEGIN + i % N_ROW];
    check_close("rope of a view", flat, want, bound, N_ALL);

    if (kn_kv_store(k, keys.t, values.t, heads, heads, &span, 1) != ERR_NONE)
        fail_msg("%s", err_msg());
    guarded_get(&keys, kept);
    for (int32_t i = 0; i < N_ALL; i++) {
        int32_t row = i / N_ROW, head = i / D % HEADS;
        assert_true(kept[(head * CAP + 3 + row) * D + i % D] == flat[i]);
    }
    /* The rest of each row is as it was. */
    for (int32_t i = 0; i < ROWS * WIDTH; i++)
        if (i % WIDTH < BEGIN || i % WIDTH >= BEGIN + N_ROW) assert_true(got[i] == x[i]);
    guarded_close(&g);
    guarded_close(&keys);
    guarded_close(&values);
    weight_close(&w);
    free(x), free(gain);
    close_cuda(k);
}

struct pattern {
    int64_t cols;
};

static void pattern_row(void *ctx, int64_t row, void *out)
{
    const struct pattern *p = ctx;
    for (int64_t i = 0; i < p->cols; i++) ((uint16_t *)out)[i] = (uint16_t)(row * 31 + i);
}

/* Made by several threads, copied in three pieces of which the first two are used again. */
static void large_weights_arrive_whole(void **state)
{
    (void)state;
    enum { ROWS = 4500, COLS = 4096 };
    struct pattern p = {COLS};
    struct kernels *k = open_cuda(CUSIM_IN_TURN, false);
    size_t bytes = kernels_packed_bytes(k, ROWS, COLS, DTYPE_BF16);
    uint16_t *got = malloc(bytes);
    void *data;
    assert_non_null(got);
    if (kernels_alloc(k, bytes, &data) != ERR_NONE) fail_msg("%s", err_msg());
    struct tensor w = tensor_2d(data, DTYPE_BF16, ROLE_WEIGHT, ROWS, COLS);
    w.layout = LAYOUT_PACKED;
    if (kernels_load_weight(k, w, pattern_row, &p) != ERR_NONE) fail_msg("%s", err_msg());
    if (kernels_download(k, got, w) != ERR_NONE) fail_msg("%s", err_msg());
    for (int64_t row = 0; row < ROWS; row++)
        for (int64_t i = 0; i < COLS; i++)
            if (got[row * COLS + i] != (uint16_t)(row * 31 + i))
                fail_msg("row %lld is not what it was made", (long long)row);
    kernels_free(k, data, bytes);
    free(got);
    close_cuda(k);
}

static uint8_t byte_of(int64_t row, int64_t col)
{
    return (uint8_t)(row * 31 + col * 7);
}

static uint8_t scale_of(int64_t row, int64_t group)
{
    return (uint8_t)(row * 13 + group);
}

static void int8_row(void *ctx, int64_t row, void *out)
{
    const struct pattern *p = ctx;
    int64_t n_groups = (p->cols + 31) / 32;
    for (int64_t i = 0; i < n_groups; i++) ((uint8_t *)out)[i] = scale_of(row, i);
    for (int64_t i = 0; i < p->cols; i++) ((uint8_t *)out)[n_groups + i] = byte_of(row, i);
}

/* As cuda_int8.h has them: bytes in turns of two, then scales by steps of two groups. */
static void check_int8_order(const uint8_t *got, int64_t rows, int64_t cols)
{
    static const int32_t order[16] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
    int64_t n_groups = (cols + 31) / 32;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < cols; i++) {
            int64_t col = i < cols / 16 * 16 ? i / 16 * 16 + order[i % 16] : i;
            if (got[row * cols + i] != byte_of(row, col))
                fail_msg("row %lld, byte %lld", (long long)row, (long long)i);
        }
    const uint8_t *scale = got + rows * cols;
    for (int64_t g = 0; g < n_groups; g++)
        for (int64_t row = 0; row < rows; row++) {
            int64_t n = g + 1 < n_groups || g % 2 == 1 ? 2 : 1; /* of the step */
            if (scale[g / 2 * 2 * rows + n * row + g % 2] != scale_of(row, g))
                fail_msg("row %lld, scale %lld", (long long)row, (long long)g);
        }
}

/* Three pieces; an even number of groups, an odd one, and one with a part of a group. */
static void int8_weights_arrive_in_the_order_of_tiles(void **state)
{
    (void)state;
    static const int32_t widths[] = {4160, 4128, 4170};
    enum { ROWS = 8500 };
    for (int32_t i = 0; i < N_CASES(widths); i++) {
        struct kernels *k = open_cuda(CUSIM_IN_TURN, false);
        struct pattern p = {widths[i]};
        size_t bytes = kernels_packed_bytes(k, ROWS, p.cols, DTYPE_INT8);
        assert_int_equal(bytes, ROWS * (p.cols + (p.cols + 31) / 32));
        uint8_t *got = malloc(bytes);
        void *data;
        assert_non_null(got);
        if (kernels_alloc(k, bytes, &data) != ERR_NONE) fail_msg("%s", err_msg());
        struct tensor w = tensor_2d(data, DTYPE_INT8, ROLE_WEIGHT, ROWS, p.cols);
        w.layout = LAYOUT_PACKED;
        if (kernels_load_weight(k, w, int8_row, &p) != ERR_NONE) fail_msg("%s", err_msg());
        struct tensor all = tensor_1d(data, DTYPE_BF16, ROLE_WEIGHT, (int64_t)bytes / 2);
        if (kernels_download(k, got, all) != ERR_NONE) fail_msg("%s", err_msg());
        check_int8_order(got, ROWS, p.cols);
        kernels_free(k, data, bytes);
        free(got);
        close_cuda(k);
    }
}

static void int8_weights_agree_with_the_reference(void **state)
{
    (void)state;
    for (enum cusim_order order = CUSIM_IN_TURN; order < CUSIM_ORDERS; order++) {
        struct kernels *k = open_cuda(order, order == CUSIM_BACKWARDS);
        struct kernels_mode mode = {.matmul = MATMUL_OWN};
        if (kernels_set_mode(k, &mode) != ERR_NONE) fail_msg("%s", err_msg());
        check_int8(k);
        close_cuda(k);
    }
}

static void cublas_refuses_int8(void **state)
{
    (void)state;
    enum { M = 8, K = 64 };
    float *x = random_floats(K, 1, 1), *w = random_floats(M * K, 2, 1);
    struct kernels *k = open_cuda(CUSIM_IN_TURN, false);
    struct guarded gx = guarded_open(k, tensor_2d(NULL, DTYPE_BF16, ROLE_ACTIVATION, 1, K));
    struct guarded gy = guarded_open(k, tensor_2d(NULL, DTYPE_BF16, ROLE_ACTIVATION, 1, M));
    struct weight gw = weight_open(k, w, M, K, DTYPE_INT8, LAYOUT_PACKED);
    guarded_set(&gx, x);
    assert_int_equal(kn_matmul(k, gy.t, gx.t, gw.t, (struct tensor){0}), ERR_UNSUPPORTED);
    assert_non_null(strstr(err_msg(), "--matmul own"));
    guarded_check(&gy, "refused");
    guarded_close(&gx);
    guarded_close(&gy);
    weight_close(&gw);
    free(x), free(w);
    close_cuda(k);
}

static void what_cannot_be_done_is_refused(void **state)
{
    (void)state;
    struct kernels *k = open_cuda(CUSIM_IN_TURN, false), *other;
    struct kernels_config config = {.backend = "cuda", .device = 3};
    struct span span = {.n_rows = 1, .n_visible = 1};
    assert_int_equal(kernels_open(&config, &other), ERR_USAGE);
    assert_string_equal(err_msg(), "no GPU 3: there is 1, numbered from 0");
    struct guarded q = guarded_open(k, tensor_3d(NULL, DTYPE_BF16, ROLE_ACTIVATION, 1, 1, 264));
    struct guarded c = guarded_open(k, tensor_4d(NULL, DTYPE_BF16, ROLE_KV, 1, 1, 1, 264));
    assert_int_equal(kn_attention(k, q.t, q.t, c.t, c.t, &span, 1), ERR_UNSUPPORTED);
    assert_non_null(strstr(err_msg(), "264"));
    guarded_close(&q);
    guarded_close(&c);
    close_cuda(k);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_in_turn_agree_with_the_reference),
        cmocka_unit_test(threads_backwards_agree_with_the_reference),
        cmocka_unit_test(threads_at_random_agree_with_the_reference),
        cmocka_unit_test(ties_go_to_the_lowest_allowed_id),
        cmocka_unit_test(extreme_logits_keep_probabilities_finite),
        cmocka_unit_test(sampling_follows_the_softmax),
        cmocka_unit_test(top_p_samples_from_the_nucleus),
        cmocka_unit_test(top_p_chooses_as_the_cpu_does),
        cmocka_unit_test(views_off_16_bytes_are_read_narrowly),
        cmocka_unit_test(large_weights_arrive_whole),
        cmocka_unit_test(int8_weights_arrive_in_the_order_of_tiles),
        cmocka_unit_test(int8_weights_agree_with_the_reference),
        cmocka_unit_test(cublas_refuses_int8),
        cmocka_unit_test(what_cannot_be_done_is_refused),
    };
    if (cusim_absent()) return cusim_test_all();
    return RUN_NAMED(tests, argc, argv);
}
