/* test_cuda_reads.c - each small operation on CUDA, emulated, reads its operands once and no more
 * than its ledger says: bytes counted access by access. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/check_kernels.h"
#include "tests/cusim/device.h"

enum { N = 5, H = 4, D = 64, WIDTH = H * D, PAIR = 2 * WIDTH };

/* N rows of numbers. */
static struct tensor rows_of(cudaStream_t s, int64_t cols, enum dtype dtype)
{
    float *x = random_floats(N * cols, 1, 1);
    struct tensor t = device_put(s, x, N, cols, 0, dtype);
    free(x);
    return t;
}

static struct tensor as_heads(struct tensor t)
{
    return tensor_heads(t, 0, H, D);
}

static void has_read(cudaStream_t s, struct tensor t, int64_t bytes)
{
    must_do(cudaStreamSynchronize(s));
    assert_int_equal(cusim_bytes_read(t.data), bytes);
    device_free(t.data);
}

static void norms_read_a_row_once(void **state)
{
    (void)state;
    /* Lengths of one piece a thread, of more, and of more than threads keep. */
    static const int32_t lengths[] = {15, 64, 896, 8192, 8200};
    for (int32_t i = 0; i < N_CASES(lengths); i++) {
        int64_t d = lengths[i];
        cudaStream_t s = device_open(CUSIM_IN_TURN);
        struct tensor x = rows_of(s, d, DTYPE_BF16), out = rows_of(s, d, DTYPE_BF16);
        struct tensor gain = rows_of(s, d, DTYPE_BF16);
        gain.n_dim = 1;
        gain.dim[0] = d;
        must_do(cuda_launch_rmsnorm(s, out, x, gain, 1e-6f));
        /* What 256 threads cannot keep, 8 elements of 8200, is read twice. */
        int64_t again = d > 8192 ? N * (d - 8192) * 2 : 0;
        has_read(s, x, N * d * 2 + again);
        has_read(s, gain, N * d * 2);
        has_read(s, out, 0);
        device_close(s);
    }
}

static void elementwise_operations_read_once(void **state)
{
    (void)state;
    cudaStream_t s = device_open(CUSIM_BACKWARDS);
    struct tensor a = rows_of(s, WIDTH, DTYPE_BF16), b = rows_of(s, WIDTH, DTYPE_BF16);
    must_do(cuda_launch_add(s, a, b));
    has_read(s, a, N * WIDTH * 2);
    has_read(s, b, N * WIDTH * 2);

    a = rows_of(s, PAIR, DTYPE_BF16), b = rows_of(s, WIDTH, DTYPE_BF16);
    must_do(cuda_launch_swiglu(s, b, a));
    has_read(s, a, N * PAIR * 2);
    has_read(s, b, 0);

    static const int32_t pos[N] = {1, 0, 4, 2, 3};
    struct tensor at = {.data = device_copy(s, pos, sizeof pos)};
    struct tensor table = rows_of(s, D, DTYPE_F32); /* cosines and sines of N positions */
    a = rows_of(s, WIDTH, DTYPE_BF16);
    must_do(cuda_launch_rope(s, as_heads(a), at.data, table.data));
    has_read(s, a, N * WIDTH * 2);
    has_read(s, table, (int64_t)N * H * D * 4); /* by every head: from the caches */
    device_free(at.data);

    static const struct cuda_row rows[N] = {{0, 3, 4}, {0, 4, 5}, {1, 0, 1}, {1, 1, 2}, {1, 2, 3}};
    struct tensor where = {.data = device_copy(s, rows, sizeof rows)};
    struct tensor k = rows_of(s, WIDTH, DTYPE_BF16), v = rows_of(s, WIDTH, DTYPE_BF16);
    a = device_put(s, NULL, 2 * H * 5, D, 0, DTYPE_BF16),
    b = device_put(s, NULL, 2 * H * 5, D, 0, DTYPE_BF16);
    must_do(cuda_launch_kv_store(s, tensor_4d(a.data, DTYPE_BF16, ROLE_KV, 2, H, 5, D),
                                 tensor_4d(b.data, DTYPE_BF16, ROLE_KV, 2, H, 5, D), as_heads(k),
                                 as_heads(v), where.data));
    has_read(s, k, N * WIDTH * 2);
    has_read(s, v, N * WIDTH * 2);
    has_read(s, a, 0);
    has_read(s, b, 0);
    device_free(where.data);

    static const int32_t index[2] = {3, 0};
    struct tensor picked = {.data = device_copy(s, index, sizeof index)};
    a = rows_of(s, WIDTH, DTYPE_BF16), b = device_put(s, NULL, 2, WIDTH, 0, DTYPE_BF16);
    must_do(cuda_launch_copy(s, b, a, picked.data));
    has_read(s, a, 2 * WIDTH * 2);
    has_read(s, b, 0);
    device_free(picked.data);
    device_close(s);
}

/* And the chosen id's logit once more. */
static void choices_read_logits_once(void **state)
{
    (void)state;
    enum { V = 5000 };
    static const struct row_key keys[N] = {{1, 2, 3}, {1, 3, 3}, {2, 2, 3}, {2, 3, 3}, {2, 4, 3}};
    for (int32_t sampled = 0; sampled < 2; sampled++) {
        cudaStream_t s = device_open(CUSIM_RANDOM);
        struct tensor x = rows_of(s, V, DTYPE_F32), stats = rows_of(s, 8, DTYPE_F32);
        struct tensor who = {.data = device_copy(s, keys, sizeof keys)}, slices = {0};
        struct choice_rule rule = {.temperature = (float)sampled, .n_ids = V, .mask_id = -1};
        must_do(cudaMalloc(&slices.data, N * (size_t)cuda_n_slices(V) * sizeof(struct cuda_slice)));
        must_do(cuda_launch_rowstat(s, stats.data, slices.data, x, who.data, NULL, &rule));
        has_read(s, x, N * V * 4 + N * 4);
        device_free(stats.data), device_free(slices.data), device_free(who.data);
        device_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_read_a_row_once),
        cmocka_unit_test(elementwise_operations_read_once),
        cmocka_unit_test(choices_read_logits_once),
    };
    if (cusim_absent()) return cusim_test_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
