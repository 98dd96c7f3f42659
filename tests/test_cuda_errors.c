/* test_cuda_errors.c - every call of CUDA's runtime failing once: each failure comes back as a
 * sentence with CUDA's own words, and nothing is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "harness/kernels/kernels.h"
#include "tests/cusim/cusim.h"

enum { N = 4, D = 64, V = 40, CAP = 8 };

struct buffers {
    void *x, *y, *logits, *cache, *w, *gain;
};

static const struct {
    size_t at, bytes;
} all_buffers[] = {
    {offsetof(struct buffers, x), N *D * 2},      {offsetof(struct buffers, y), N * 2 * D * 2},
    {offsetof(struct buffers, logits), N *V * 4}, {offsetof(struct buffers, cache), CAP *D * 4},
    {offsetof(struct buffers, w), 2 * D *D * 4},  {offsetof(struct buffers, gain), D * 4},
};
enum { N_BUFFERS = sizeof all_buffers / sizeof all_buffers[0] };

static void **buffer(struct buffers *b, int i)
{
    return (void **)(void *)((char *)b + all_buffers[i].at);
}

static void ones(void *ctx, int64_t row, void *out)
{
    (void)ctx;
    (void)row;
    for (int i = 0; i < D; i++) ((float *)out)[i] = 1;
}

/* Each operation once, with all that it may stage and allocate. */
static enum err operations(struct kernels *k, const struct buffers *b)
{
    static const int32_t ids[N] = {1, 2, 3, 0};
    struct span span = {.n_rows = N, .n_visible = N};
    struct row_key keys[N] = {{0}};
    struct row_stat stats[N];
    struct choice_rule rule = {.temperature = 1, .n_ids = V, .mask_id = -1};
    struct rope rope = {.base = 10000};
    float host[N * V];
    struct tensor x = tensor_2d(b->x, DTYPE_BF16, ROLE_ACTIVATION, N, D), none = {0};
    struct tensor y = tensor_2d(b->y, DTYPE_BF16, ROLE_ACTIVATION, N, D);
    struct tensor gate_up = tensor_2d(b->y, DTYPE_BF16, ROLE_ACTIVATION, N, 2 * D);
    struct tensor gain = tensor_1d(b->gain, DTYPE_F32, ROLE_WEIGHT, D);
    struct tensor w = tensor_2d(b->w, DTYPE_F32, ROLE_WEIGHT, D, D), head = w;
    struct tensor cache = tensor_4d(b->cache, DTYPE_BF16, ROLE_KV, 1, 1, CAP, D), values = cache;
    struct tensor logits = tensor_2d(b->logits, DTYPE_F32, ROLE_LOGITS, N, V);
    struct tensor heads = tensor_heads(x, 0, 1, D);
    w.layout = head.layout = LAYOUT_PACKED;
    head.dim[0] = V;
    values.data = (char *)b->cache + tensor_bytes(cache);

    TRY(kernels_load_weight(k, gain, ones, NULL));
    TRY(kernels_load_weight(k, w, ones, NULL));
    TRY(kn_embed(k, x, w, ids));
    TRY(kn_rmsnorm(k, x, x, gain, 1e-6f));
    TRY(kn_matmul(k, y, x, w, gain)); /* by way of f32 */
    TRY(kn_rope(k, heads, ids, &rope));
    TRY(kn_kv_store(k, cache, values, heads, heads, &span, 1));
    TRY(kn_attention(k, tensor_heads(y, 0, 1, D), heads, cache, values, &span, 1));
    TRY(kn_add(k, x, y));
    TRY(kn_swiglu(k, x, gate_up));
    TRY(kn_gather(k, y, x, ids));
    TRY(kn_matmul(k, logits, x, head, none));
    TRY(kn_rowstat(k, stats, logits, keys, &rule));
    TRY(kernels_upload(k, x, host));
    TRY(kernels_download(k, host, logits));
    return kernels_sync(k);
}

static enum err whole_life(bool graph)
{
    enum err e = ERR_NONE;
    struct kernels_config config = {.backend = "cuda"};
    struct kernels_mode mode = {.graph = graph};
    struct kernels *k;
    struct buffers b = {0};
    TRY(kernels_open(&config, &k));
    TRY_OUT(kernels_set_mode(k, &mode));
    for (int i = 0; i < N_BUFFERS; i++)
        TRY_OUT(kernels_alloc(k, all_buffers[i].bytes, buffer(&b, i)));
    TRY_OUT(operations(k, &b));
    /* Again: with graphs, those made by the first time. */
    if (graph) e = operations(k, &b);
out:
    for (int i = 0; i < N_BUFFERS; i++) kernels_free(k, *buffer(&b, i), all_buffers[i].bytes);
    kernels_close(k);
    return e;
}

static void any_call_may_fail(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        bool lazy = way > 0, graph = way > 1;
        int64_t n = 1;
        for (;; n++) {
            cusim_clear();
            cusim_set_order(CUSIM_IN_TURN);
            cusim_set_eager(!lazy);
            cusim_fail_call(n);
            enum err e = whole_life(graph);
            if (cusim_report()) fail_msg("call %lld: %s", (long long)n, cusim_report());
            if (cusim_live_objects() != 0)
                fail_msg("call %lld failed: %lld objects are left", (long long)n,
                         (long long)cusim_live_objects());
            if (e == ERR_NONE) break;
            assert_true(e == ERR_NOMEM || e == ERR_DEVICE || e == ERR_UNSUPPORTED);
            if (!strstr(err_msg(), "out of memory") && !strstr(err_msg(), "GB wanted"))
                fail_msg("call %lld failed, but: %s", (long long)n, err_msg());
        }
        assert_true(n > 60); /* the workout does make that many calls */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_call_may_fail)};
    if (cusim_absent()) return cusim_test_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
