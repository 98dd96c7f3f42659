/* test_cuda_graph.c - CUDA graphs on the emulator: every decoder's tokens, logits and counts are
 * bit for bit those without graphs, and once a decode has been seen nothing is launched singly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

enum { SEED = 7, MAX_FORWARDS = 64 };

static void open_cuda(struct toy *t, enum dtype dtype)
{
    struct kernels_config c = {.backend = "cuda"};
    cusim_clear();
    cusim_set_order(CUSIM_RANDOM);
    cusim_set_eager(false);
    OK(model_preset("tiny-test", 1, &t->config));
    OK(kernels_open(&c, &t->k));
    OK(model_create(t->k, &t->config, dtype, SEED, &t->model));
}

static void close_cuda(struct toy *t)
{
    toy_close(t);
    if (cusim_report()) fail_msg("%s", cusim_report());
    assert_int_equal(cusim_live_objects(), 0);
}

static void set_graph(struct toy *t, bool on, enum matmul_by matmul)
{
    struct kernels_mode mode = {.graph = on, .matmul = matmul};
    OK(kernels_set_mode(t->k, &mode));
}

/* A decode as it went. */
struct trail {
    int32_t n, *tokens; /* forwards; owned */
    struct ledger ledger[MAX_FORWARDS];
};

static void decode(struct toy *t, struct session *s, size_t n_tokens, struct trail *out)
{
    out->n = 0;
    OK(session_restart(s));
    while (!session_done(s)) {
        struct step_work w;
        assert_true(out->n < MAX_FORWARDS);
        ledger_clear(kernels_ledger(t->k));
        OK(session_step(s, &w));
        out->ledger[out->n++] = *kernels_ledger(t->k);
    }
    out->tokens = malloc(n_tokens * sizeof *out->tokens);
    memcpy(out->tokens, session_tokens(s), n_tokens * sizeof *out->tokens);
}

static void assert_same_trail(const struct trail *a, const struct trail *b, size_t n_tokens)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->tokens, b->tokens, n_tokens * sizeof *a->tokens);
    for (int32_t i = 0; i < a->n; i++)
        for (int op = 0; op < OP_COUNT; op++) {
            const struct ledger_entry *e = &a->ledger[i].op[op], *f = &b->ledger[i].op[op];
            assert_int_equal(e->calls, f->calls);
            assert_memory_equal(&e->cost, &f->cost, sizeof e->cost);
        }
}

static void check_decoder(const char *decoder, struct decode_spec s, enum dtype dtype,
                          enum matmul_by matmul)
{
    struct toy t;
    struct session *n;
    static struct trail plain, first, again;
    size_t n_tokens = (size_t)s.batch * (size_t)(s.n_prompt + s.n_gen);
    const struct decoder_ops *ops = decoder_find(decoder);
    open_cuda(&t, dtype);
    s.seed = 5;
    OK(ops->check(&s, &t.config));
    OK(session_create(t.model, ops, &s, dtype, &n));

    set_graph(&t, false, matmul);
    decode(&t, n, n_tokens, &plain);
    assert_int_equal(kernels_graphs(t.k).captured, 0);
    set_graph(&t, true, matmul);
    decode(&t, n, n_tokens, &first);
    struct kernels_graphs before = kernels_graphs(t.k);
    int64_t single = cusim_single_kernels();
    decode(&t, n, n_tokens, &again);
    struct kernels_graphs after = kernels_graphs(t.k);

    assert_same_trail(&first, &plain, n_tokens);
    assert_same_trail(&again, &plain, n_tokens);
    assert_true(before.captured >= 1 && before.captured <= first.n);
    assert_int_equal(after.captured, before.captured); /* nothing new, though contexts differ */
    assert_int_equal(after.launched - before.launched, again.n);
    assert_int_equal(cusim_single_kernels(), single);
    free(plain.tokens);
    free(first.tokens);
    free(again.tokens);
    session_free(n);
    close_cuda(&t);
}

static void graphs_change_no_bit(void **state)
{
    (void)state;
    struct decode_spec s = {.batch = 2, .n_prompt = 5, .n_gen = 9};
    check_decoder("ar", s, DTYPE_BF16, MATMUL_CUBLAS);
    check_decoder("ar", s, DTYPE_BF16, MATMUL_OWN);
    s.temperature = 1;
    check_decoder("ar", s, DTYPE_F32, MATMUL_CUBLAS);
    s = (struct decode_spec){.batch = 2, .n_prompt = 5, .n_gen = 9, .draft_tokens = 3};
    s.acceptance = 0.5f;
    check_decoder("ar-verify", s, DTYPE_BF16, MATMUL_CUBLAS);
    s = (struct decode_spec){.batch = 1, .n_prompt = 5, .n_gen = 8, .steps = 4};
    check_decoder("diffusion", s, DTYPE_BF16, MATMUL_CUBLAS);
    s.block_length = 4;
    s.steps = 3;
    s.cache = CACHE_DUAL;
    check_decoder("diffusion", s, DTYPE_BF16, MATMUL_CUBLAS);
    s = (struct decode_spec){.batch = 3, .n_prompt = 6, .n_gen = 6, .block_length = 4, .steps = 2};
    check_decoder("block", s, DTYPE_BF16, MATMUL_CUBLAS);
    check_decoder("block", s, DTYPE_BF16, MATMUL_OWN);
    s.batch_policy = BATCH_RAGGED;
    check_decoder("block", s, DTYPE_BF16, MATMUL_CUBLAS);
}

/* An AR decode step is one graph whatever the context: positions lie in device memory. */
static void one_graph_serves_every_context(void **state)
{
    (void)state;
    struct toy t;
    struct session *n;
    struct decode_spec s = {.batch = 1, .n_prompt = 3, .n_gen = 20, .seed = 5};
    static struct trail trail;
    open_cuda(&t, DTYPE_BF16);
    OK(session_create(t.model, decoder_find("ar"), &s, DTYPE_BF16, &n));
    decode(&t, n, 23, &trail); /* buffers of the backend grow to their sizes */
    free(trail.tokens);
    set_graph(&t, true, MATMUL_CUBLAS);
    decode(&t, n, 23, &trail);
    assert_int_equal(kernels_graphs(t.k).captured, 2); /* prefill, decode */
    assert_int_equal(kernels_graphs(t.k).launched, 18);
    free(trail.tokens);

    /* Another cache may be anywhere: its graphs are its own. */
    session_free(n);
    OK(session_create(t.model, decoder_find("ar"), &s, DTYPE_BF16, &n));
    decode(&t, n, 23, &trail);
    assert_int_equal(kernels_graphs(t.k).captured, 4);
    free(trail.tokens);
    session_free(n);
    close_cuda(&t);
}

/* What grows in the middle of a forward cuts its calls in two; soon nothing grows any more. */
static void two_decodes_settle_it(void **state)
{
    (void)state;
    struct toy t;
    struct session *n;
    struct decode_spec s = {.batch = 1, .n_prompt = 3, .n_gen = 4, .seed = 5};
    static struct trail trail;
    open_cuda(&t, DTYPE_F32);
    set_graph(&t, true, MATMUL_CUBLAS);
    OK(session_create(t.model, decoder_find("ar"), &s, DTYPE_F32, &n));
    int64_t captured = 0;
    for (int i = 0; i < 3; i++) {
        captured = kernels_graphs(t.k).captured;
        decode(&t, n, 7, &trail);
        free(trail.tokens);
    }
    assert_int_equal(kernels_graphs(t.k).captured, captured);
    session_free(n);
    close_cuda(&t);
}

static void ids_of_row(void *ctx, int64_t row, void *out)
{
    (void)ctx;
    for (int i = 0; i < 8; i++) ((float *)out)[i] = (float)row;
}

/* Two calls that read the same staged array with different contents, nobody waiting between. */
static void staged_arrays_are_read_before_they_change(void **state)
{
    (void)state;
    struct toy t;
    void *table_data, *out_data;
    float host[2][8];
    open_cuda(&t, DTYPE_BF16);
    set_graph(&t, true, MATMUL_CUBLAS);
    OK(kernels_alloc(t.k, 4 * 8 * sizeof(float), &table_data));
    OK(kernels_alloc(t.k, sizeof host, &out_data));
    struct tensor table = tensor_2d(table_data, DTYPE_F32, ROLE_WEIGHT, 4, 8);
    struct tensor out = tensor_2d(out_data, DTYPE_F32, ROLE_ACTIVATION, 1, 8), second = out;
    second.data = (char *)out_data + sizeof host[0];
    OK(kernels_load_weight(t.k, table, ids_of_row, NULL));
    for (int32_t i = 0; i < 3; i++) {
        int32_t a = i, b = i + 1;
        OK(kn_embed(t.k, out, table, &a));
        OK(kn_embed(t.k, second, table, &b));
        OK(kernels_download(t.k, host, tensor_2d(out_data, DTYPE_F32, ROLE_ACTIVATION, 2, 8)));
        for (int j = 0; j < 8; j++) {
            assert_true(host[0][j] == (float)a);
            assert_true(host[1][j] == (float)b);
        }
    }
    kernels_free(t.k, table_data, 4 * 8 * sizeof(float));
    kernels_free(t.k, out_data, sizeof host);
    close_cuda(&t);
}

static void other_backends_have_none(void **state)
{
    (void)state;
    struct kernels_config c = {.backend = "cpu", .n_threads = 1};
    struct kernels *k;
    struct kernels_mode plain = {0}, graph = {.graph = true}, own = {.matmul = MATMUL_OWN};
    OK(kernels_open(&c, &k));
    OK(kernels_set_mode(k, &plain));
    assert_int_equal(kernels_set_mode(k, &graph), ERR_UNSUPPORTED);
    assert_int_equal(kernels_set_mode(k, &own), ERR_UNSUPPORTED);
    kernels_close(k);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_change_no_bit),
        cmocka_unit_test(one_graph_serves_every_context),
        cmocka_unit_test(two_decodes_settle_it),
        cmocka_unit_test(staged_arrays_are_read_before_they_change),
        cmocka_unit_test(other_backends_have_none),
    };
    if (cusim_absent()) return cusim_test_all();
    return RUN_NAMED(tests, argc, argv);
}
