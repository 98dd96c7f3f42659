/* test_cuda_matmul.c - this program's own matrix products on CUDA, emulated: against double
 * precision, bit for bit the same whichever kernel makes a row and in whatever company, and
 * with every weight read once.  Linked with cusim_gpu.c instead of the emulator it asks a GPU
 * the same, but for what was read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include "tests/check_kernels.h"
#include "tests/cusim/device.h"
#include "tests/cusim/named.h"
#include "tests/ref.h"

enum { FEW_SMS = 1, MANY_SMS = 1 << 20 }; /* n > 64: tiles whatever their number, and never */

struct own_case {
    int32_t n, m, k;
    enum dtype w, y;
    bool bias;
    int32_t x_pad, y_pad; /* elements between rows */
};

/* Every kernel, with edges inside a tile, a part of k, and a wide store; k that is no multiple of
 * 8 and f32 weights go to the plain one. */
/* clang-format off */
static const struct own_case cases[] = {
    {1, 16, 8, DTYPE_BF16, DTYPE_BF16, false, 0, 0},   {1, 33, 72, DTYPE_BF16, DTYPE_F32, true, 0, 7},
    {3, 40, 264, DTYPE_BF16, DTYPE_BF16, true, 8, 8},  {8, 16, 512, DTYPE_BF16, DTYPE_F32, false, 0, 0},
    {9, 31, 320, DTYPE_BF16, DTYPE_BF16, true, 0, 1},  {16, 48, 136, DTYPE_BF16, DTYPE_F32, false, 16, 3},
    {17, 70, 328, DTYPE_BF16, DTYPE_BF16, true, 0, 0}, {32, 64, 64, DTYPE_BF16, DTYPE_BF16, false, 0, 0},
    {33, 65, 200, DTYPE_BF16, DTYPE_F32, true, 0, 7},  {64, 130, 448, DTYPE_BF16, DTYPE_BF16, true, 0, 0},
    {65, 72, 136, DTYPE_BF16, DTYPE_BF16, true, 8, 0}, {130, 129, 328, DTYPE_BF16, DTYPE_F32, true, 0, 7},
    {5, 35, 100, DTYPE_BF16, DTYPE_BF16, true, 1, 1},  {70, 33, 65, DTYPE_F32, DTYPE_F32, true, 0, 0},
    {2, 31, 33, DTYPE_F32, DTYPE_BF16, false, 0, 5},
};
/* clang-format on */

static void check_case(cudaStream_t s, const struct own_case *c, int32_t n_sms)
{
    char what[128];
    snprintf(what, sizeof what, "n %d m %d k %d %s -> %s", c->n, c->m, c->k, dtype_name(c->w),
             dtype_name(c->y));
    int64_t n_y = (int64_t)c->n * c->m, stride = c->m + c->y_pad;
    float *x = random_floats((int64_t)c->n * c->k, 1, 1);
    float *w = random_floats((int64_t)c->m * c->k, 2, 1), *bias = random_floats(c->m, 3, 1);
    double *want = calloc((size_t)n_y, sizeof *want), *bound = calloc((size_t)n_y, sizeof *bound);
    float *got = malloc((size_t)n_y * sizeof *got);
    void *raw = malloc((size_t)(c->n * stride) * sizeof(float));
    struct tensor tx = device_put(s, x, c->n, c->k, c->x_pad, DTYPE_BF16);
    struct tensor tw = device_put(s, w, c->m, c->k, 0, c->w), none = {0};
    struct tensor tb = device_put(s, bias, 1, c->m, 0, c->w),
                  ty = device_put(s, NULL, c->n, c->m, c->y_pad, c->y);
    tb.n_dim = 1;
    must_do(cuda_launch_matmul(s, ty, tx, tw, c->bias ? tb : none, n_sms));
    device_get(s, ty, raw);
    ref_matmul(want, bound, x, w, c->bias ? bias : NULL, c->n, c->m, c->k);
    for (int64_t i = 0; i < c->n * stride; i++) {
        bool half = c->y == DTYPE_BF16, inside = i % stride < c->m;
        int64_t at = i / stride * c->m + i % stride;
        float v = half ? bf16_to_f32(((uint16_t *)raw)[i]) : ((float *)raw)[i];
        if (inside) got[at] = v;
        if (!inside && v == v) fail_msg("%s: written between rows", what);
    }
    /* Products of bf16 are exact; a tensor core cuts sums off where f32 rounds: 2 u an addition,
     * k + 4 of them. */
    for (int64_t i = 0; i < n_y; i++)
        bound[i] = 2 * (c->k + 4) * U_F32 * bound[i] +
                   (c->y == DTYPE_BF16 ? U_BF16 * (want[i] < 0 ? -want[i] : want[i]) : 0);
    check_close(what, got, want, bound, n_y);
    device_free(tx.data), device_free(tw.data), device_free(tb.data);
    device_free(ty.data);
    free(x), free(w), free(bias), free(want), free(bound), free(got), free(raw);
}

static void products_agree_with_double_precision(void **state)
{
    (void)state;
    for (enum cusim_order order = CUSIM_IN_TURN; order < CUSIM_ORDERS; order++) {
        cudaStream_t s = device_open(order);
        for (int32_t i = 0; i < N_CASES(cases); i++)
            check_case(s, &cases[i], order == CUSIM_RANDOM ? MANY_SMS : FEW_SMS);
        device_close(s);
    }
}

enum { N = 200, M = 136, K = 456 }; /* parts of 2, 2, 2 and 2 steps, the last of 8 elements */

static void a_row_has_the_same_bits_in_any_company(void **state)
{
    (void)state;
    static const int32_t counts[] = {1, 8, 13, 16, 30, 32, 57, 64, 65, 128, N};
    cudaStream_t s = device_open(CUSIM_BACKWARDS);
    float *x = random_floats(N * K, 1, 1), *w = random_floats(M * K, 2, 1);
    static float want[N][M], got[N][M];
    struct tensor tw = device_put(s, w, M, K, 0, DTYPE_BF16),
                  ty = device_put(s, NULL, N, M, 0, DTYPE_F32), b = {0};
    struct tensor tx = device_put(s, x, N, K, 0, DTYPE_BF16);
    must_do(cuda_launch_matmul(s, ty, tx, tw, b, FEW_SMS));
    device_get(s, ty, want);
    for (int32_t i = 0; i < N_CASES(counts); i++)
        for (int32_t sms = FEW_SMS; sms <= MANY_SMS; sms += MANY_SMS - FEW_SMS) {
            int32_t n = counts[i], first = N - n;
            struct tensor rows = tx, out = ty;
            rows.data = (char *)tx.data + first * K * 2;
            rows.dim[0] = out.dim[0] = n;
            must_do(cuda_launch_matmul(s, out, rows, tw, b, sms));
            device_get(s, out, got);
            for (int32_t r = 0; r < n; r++)
                if (memcmp(got[r], want[first + r], sizeof got[r]) != 0)
                    fail_msg("row %d among %d rows is another", first + r, n);
        }
    device_free(tx.data), device_free(tw.data), device_free(ty.data);
    free(x), free(w);
    device_close(s);
}

/* What one product read of its weights and of x, in bytes, and executed. */
static void read_by(int32_t n, int32_t n_sms, int64_t *of_w, int64_t *of_x, int64_t *flop)
{
    int64_t flop_before = cusim_mma_flop();
    cudaStream_t s = device_open(CUSIM_IN_TURN);
    float *x = random_floats(n * K, 1, 1), *w = random_floats(M * K, 2, 1);
    struct tensor tw = device_put(s, w, M, K, 0, DTYPE_BF16),
                  ty = device_put(s, NULL, n, M, 0, DTYPE_F32), b = {0};
    struct tensor tx = device_put(s, x, n, K, 0, DTYPE_BF16);
    must_do(cuda_launch_matmul(s, ty, tx, tw, b, n_sms));
    must_do(cudaStreamSynchronize(s));
    *of_w = cusim_bytes_read(tw.data);
    *of_x = cusim_bytes_read(tx.data);
    *flop = cusim_mma_flop() - flop_before;
    device_free(tx.data), device_free(tw.data), device_free(ty.data);
    free(x), free(w);
    device_close(s);
}

/* The least there is: each weight once for up to 64 rows, x once per block of weights; and no more
 * padding than to 8, 16, 32 or 64 rows (128 in tiles), whole blocks of columns and steps of k. */
static void weights_are_read_once(void **state)
{
    (void)state;
    static const struct {
        int32_t n, n_sms, w_reads, block_m, padded_n;
    } want[] = {
        {1, 1, 1, 16, 8},          {8, 1, 1, 16, 8},
        {9, 1, 1, 16, 16},         {16, 1, 1, 16, 16},
        {32, 1, 1, 32, 32},        {32, MANY_SMS, 1, 16, 32},
        {33, 1, 1, 32, 64},        {64, 1, 1, 32, 64},
        {64, MANY_SMS, 1, 16, 64}, {128, MANY_SMS, 2, 16, 128},
        {128, 1, 1, 128, 128},     {200, 1, 2, 128, 256},
    };
    for (int32_t i = 0; i < N_CASES(want); i++) {
        int64_t of_w, of_x, flop, n_blocks = (M + want[i].block_m - 1) / want[i].block_m;
        int64_t padded_k = (K + 63) / 64 * 64;
        read_by(want[i].n, want[i].n_sms, &of_w, &of_x, &flop);
        if (of_w != (int64_t)want[i].w_reads * M * K * 2)
            fail_msg("%d rows: %lld bytes of weights", want[i].n, (long long)of_w);
        if (of_x != n_blocks * want[i].n * K * 2)
            fail_msg("%d rows: %lld bytes of x", want[i].n, (long long)of_x);
        if (flop != 2 * want[i].padded_n * n_blocks * want[i].block_m * padded_k)
            fail_msg("%d rows: %lld FLOP executed", want[i].n, (long long)flop);
    }
}

/* ---- int8: bytes and a power of two for every 32 of them are a bf16 matrix ---- */

struct int8_pair { /* the same matrix twice; opened on a backend, for its way of loading */
    struct kernels *k;
    struct weight bytes, half;
};

static struct int8_pair int8_pair_open(int32_t m, int32_t k)
{
    struct int8_pair p = {0};
    struct kernels_config config = {.backend = "cuda"};
    float *w = random_floats((int64_t)m * k, 2, 1);
    /* Rows of very different sizes, so that a scale of another row shows. */
    for (int64_t i = 0; i < (int64_t)m * k; i++) w[i] *= (float)(1 << i / 32 % 7);
    if (kernels_open(&config, &p.k) != ERR_NONE) fail_msg("%s", err_msg());
    p.bytes = weight_open(p.k, w, m, k, DTYPE_INT8, LAYOUT_PACKED);
    p.half = weight_open(p.k, w, m, k, DTYPE_BF16, LAYOUT_PACKED);
    free(w);
    return p;
}

static void int8_pair_close(struct int8_pair *p)
{
    weight_close(&p->bytes);
    weight_close(&p->half);
    kernels_close(p->k);
}

static void int8_case(cudaStream_t s, const struct int8_pair *p, int32_t n, bool bias,
                      int32_t n_sms)
{
    int32_t m = (int32_t)p->bytes.t.dim[0], k = (int32_t)p->bytes.t.dim[1];
    size_t bytes = (size_t)n * (size_t)m * sizeof(float);
    float *x = random_floats((int64_t)n * k, 1, 1), *b = random_floats(m, 3, 1);
    float *got = malloc(bytes), *want = malloc(bytes);
    struct tensor tx = device_put(s, x, n, k, 0, DTYPE_BF16), none = {0};
    struct tensor ty = device_put(s, NULL, n, m, 0, DTYPE_F32);
    struct tensor tb = device_put(s, b, 1, m, 0, DTYPE_BF16);
    tb.n_dim = 1;
    tb.dim[0] = m, tb.dim[1] = 1;
    must_do(cuda_launch_matmul(s, ty, tx, p->half.t, bias ? tb : none, n_sms));
    device_get(s, ty, want);
    must_do(cuda_launch_matmul(s, ty, tx, p->bytes.t, bias ? tb : none, n_sms));
    device_get(s, ty, got);
    if (memcmp(got, want, bytes) != 0) fail_msg("n %d m %d k %d: not bf16's bits", n, m, k);
    device_free(tx.data), device_free(ty.data), device_free(tb.data);
    free(x), free(b), free(got), free(want);
}

/* By tensor cores and, where neither kind of tile fits, on CUDA cores. */
static void int8_products_have_the_bits_of_bf16(void **state)
{
    (void)state;
    static const int32_t rows[] = {1, 8, 9, 16, 17, 32, 33, 64, 65, 130};
    static const int32_t shapes[][2] = {{136, 448}, {40, 64}, {33, 100}};
    for (int32_t i = 0; i < N_CASES(shapes); i++) {
        cudaStream_t s = device_open(CUSIM_RANDOM);
        struct int8_pair p = int8_pair_open(shapes[i][0], shapes[i][1]);
        for (int32_t r = 0; r < N_CASES(rows); r++)
            for (int32_t sms = FEW_SMS; sms <= MANY_SMS; sms += MANY_SMS - FEW_SMS)
                int8_case(s, &p, rows[r], r % 2, sms);
        int8_pair_close(&p);
        device_close(s);
    }
}

/* To the byte what the ledger says: a byte a weight and one for every 32, up to 64 rows; and more
 * rows in tiles read them once per tile. */
static void int8_weights_are_read_once(void **state)
{
    (void)state;
    static const struct {
        int32_t n, n_sms, reads;
    } want[] = {{1, 1, 1},  {9, 1, 1},         {16, MANY_SMS, 1}, {32, 1, 1},
                {64, 1, 1}, {64, MANY_SMS, 1}, {128, 1, 1},       {200, 1, 2}};
    for (int32_t i = 0; i < N_CASES(want); i++) {
        cudaStream_t s = device_open(CUSIM_IN_TURN);
        enum { WIDTH = 448 };
        struct int8_pair p = int8_pair_open(M, WIDTH);
        int8_case(s, &p, want[i].n, false, want[i].n_sms);
        int64_t got = cusim_bytes_read(p.bytes.t.data);
        if (got != want[i].reads * tensor_bytes(p.bytes.t) || got != want[i].reads * M * (448 + 14))
            fail_msg("%d rows: %lld bytes of weights", want[i].n, (long long)got);
        int8_pair_close(&p);
        device_close(s);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree_with_double_precision),
        cmocka_unit_test(a_row_has_the_same_bits_in_any_company),
        cmocka_unit_test(weights_are_read_once),
        cmocka_unit_test(int8_products_have_the_bits_of_bf16),
        cmocka_unit_test(int8_weights_are_read_once),
    };
    if (cusim_absent()) return cusim_test_all();
    return RUN_NAMED(tests, argc, argv);
}
