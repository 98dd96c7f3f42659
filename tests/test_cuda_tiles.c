/* test_cuda_tiles.c - the ledger's executed FLOPs are those that the emulated GPU executed: counted
 * instruction by instruction, for every case of kernel_cases.h and at the edges of every tile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/check_kernels.h"
#include "tests/cusim/cusim.h"
#include "tests/cusim/named.h"

static struct kernels *open_own(void)
{
    struct kernels *k = NULL;
    struct kernels_config config = {.backend = "cuda"};
    struct kernels_mode mode = {.matmul = MATMUL_OWN};
    cusim_clear();
    cusim_set_order(CUSIM_IN_TURN);
    cusim_set_eager(false);
    if (kernels_open(&config, &k) != ERR_NONE) fail_msg("%s", err_msg());
    if (kernels_set_mode(k, &mode) != ERR_NONE) fail_msg("%s", err_msg());
    return k;
}

static void close_own(struct kernels *k)
{
    kernels_close(k);
    if (cusim_report()) fail_msg("%s", cusim_report());
    assert_int_equal(cusim_live_objects(), 0);
}

/* What ran so far: on tensor cores, and in fused multiply-adds on CUDA cores. */
struct executed {
    int64_t mma, fma, ledger;
};

static struct executed executed_of(struct kernels *k, enum op op)
{
    return (struct executed){cusim_mma_flop(), cusim_fma_flop(),
                             kernels_ledger(k)->op[op].cost.flop_executed};
}

/* A kernel that multiplies on tensor cores uses the others for its softmax only. */
static void compare(const char *what, struct kernels *k, enum op op, struct executed before)
{
    struct executed now = executed_of(k, op);
    int64_t mma = now.mma - before.mma, ran = mma > 0 ? mma : now.fma - before.fma;
    if (now.ledger - before.ledger != ran)
        fail_msg("%s: %lld FLOP in the ledger, %lld on %s", what,
                 (long long)(now.ledger - before.ledger), (long long)ran,
                 mma > 0 ? "tensor cores" : "CUDA cores");
}

static void matmul_case(struct kernels *k, const struct matmul_case *c)
{
    char what[96];
    struct executed before = executed_of(k, OP_MATMUL);
    snprintf(what, sizeof what, "n %d m %d k %d %s", c->n, c->m, c->k, dtype_name(c->weight));
    check_matmul(k, c);
    compare(what, k, OP_MATMUL, before);
}

/* The emulated device has few SMs, so all three kernels are there. */
static void matmuls_execute_what_the_ledger_says(void **state)
{
    (void)state;
    static const int32_t rows[] = {1, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129};
    struct kernels *k = open_own();
    for (int32_t i = 0; i < N_CASES(matmul_cases); i++) matmul_case(k, &matmul_cases[i]);
    for (int32_t i = 0; i < N_CASES(int8_cases); i++) matmul_case(k, &int8_cases[i]);
    for (int32_t i = 0; i < N_CASES(rows); i++)
        for (int32_t wide = 0; wide < 2; wide++) {
            struct matmul_case c = {rows[i], wide ? 516 : 24, 72, DTYPE_BF16, false, 0};
            matmul_case(k, &c);
        }
    close_own(k);
}

static void attention_case(struct kernels *k, const struct attention_case *c)
{
    char what[96];
    struct executed before = executed_of(k, OP_ATTENTION);
    snprintf(what, sizeof what, "h %d hk %d d %d %s, %d rows", c->h, c->hk, c->d, dtype_name(c->kv),
             c->spans[0].n_rows);
    check_attention(k, c);
    compare(what, k, OP_ATTENTION, before);
}

/* Every kernel_cases.h case; and a decode, a block and a prefill, of few and of many pairs. */
static void attention_executes_what_the_ledger_says(void **state)
{
    (void)state;
    static const int32_t heads[] = {1, 4, 7, 16, 20};
    static const struct span spans[] = {
        {.n_rows = 1, .pos0 = 64, .n_visible = 65},
        {.n_rows = 4, .pos0 = 60, .n_visible = 64, .mask = MASK_FULL},
        {.n_rows = 70, .n_visible = 70},
        {.n_rows = 20, .pos0 = 56, .n_visible = 76, .block = 8, .mask = MASK_BLOCK},
    };
    struct kernels *k = open_own();
    for (int32_t i = 0; i < N_CASES(attention_cases); i++) attention_case(k, &attention_cases[i]);
    for (int32_t h = 0; h < N_CASES(heads); h++)
        for (int32_t s = 0; s < N_CASES(spans); s++) {
            struct attention_case c = {heads[h], 1, 64, 80, 1, DTYPE_BF16, 1, {spans[s]}};
            attention_case(k, &c);
        }
    close_own(k);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmuls_execute_what_the_ledger_says),
        cmocka_unit_test(attention_executes_what_the_ledger_says),
    };
    if (cusim_absent()) return cusim_test_all();
    return RUN_NAMED(tests, argc, argv);
}
