/* test_drift.c - what a cache costs in logits: nothing where it is exact, and measured where not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ar_baseline/ar.h"
#include "ar_baseline/ar_verify.h"
#include "diffusion/block.h"
#include "diffusion/diffusion.h"
#include "harness/decode/drift.h"
#include "tests/toy.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

static struct decode_spec spec(void)
{
    return (struct decode_spec){.batch = 2,
                                .n_prompt = 8,
                                .n_gen = 16,
                                .block_length = 8,
                                .steps = 8,
                                .head = HEAD_SAME,
                                .draft_tokens = 3,
                                .acceptance = 0.6f,
                                .seed = 3};
}

static void assert_none(const struct drift d[PHASE_COUNT], int64_t rows)
{
    int64_t n = 0;
    for (int ph = 0; ph < PHASE_COUNT; ph++) {
        assert_int_equal(d[ph].unequal + d[ph].differing, 0);
        assert_true(d[ph].largest == 0);
        n += d[ph].rows;
    }
    if (rows) assert_int_equal(n, rows);
}

static void exact_caches_do_not_drift(void **state)
{
    struct toy t;
    struct drift d[PHASE_COUNT];
    struct decode_spec s = spec();
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    OK(drift_measure(t.model, &decoder_ar, &s, DTYPE_BF16, MASK_CAUSAL, d));
    assert_none(d, 2 * 16);
    OK(drift_measure(t.model, &decoder_ar_verify, &s, DTYPE_BF16, MASK_CAUSAL, d));
    assert_none(d, 0);
    for (s.commit = COMMIT_SEPARATE; s.commit <= COMMIT_FUSED; s.commit++) {
        OK(drift_measure(t.model, &decoder_block, &s, DTYPE_BF16, MASK_BLOCK, d));
        assert_none(d, 2 * 2 * (8 + 7 + 6 + 5 + 4 + 3 + 2 + 1));
    }
    s.commit = COMMIT_SEPARATE;
    /* It would be noticed: a block's rows do not see what causal ones do. */
    OK(drift_measure(t.model, &decoder_block, &s, DTYPE_BF16, MASK_CAUSAL, d));
    assert_true(d[PHASE_DENOISE].unequal > 0 && d[PHASE_DENOISE].differing > 0);
    toy_close(&t);
}

/* Only after a reveal, only in reuse forwards, and not with one layer, whose keys and values are
 * those of the tokens themselves. */
static void approximate_caches_drift_by_so_much(void **state)
{
    struct toy t, one;
    struct drift d[PHASE_COUNT];
    struct kernels_config k = {.backend = "cpu", .n_threads = 2};
    toy_open(&t, "tiny-test", DTYPE_BF16, 2);
    OK(model_preset("tiny-test", 1, &one.config));
    OK(kernels_open(&k, &one.k));
    OK(model_create(one.k, &one.config, DTYPE_BF16, 7, &one.model));
    for (enum cache_policy cache = CACHE_PREFIX; cache <= CACHE_DKV; cache++) {
        struct decode_spec s = spec();
        s.cache = cache;
        OK(drift_measure(one.model, &decoder_diffusion, &s, DTYPE_F32, MASK_FULL, d));
        assert_none(d, 0);
        OK(drift_measure(t.model, &decoder_diffusion, &s, DTYPE_F32, MASK_FULL, d));
        const struct drift *reuse = &d[PHASE_REUSE], *refresh = &d[PHASE_REFRESH];
        assert_int_equal(refresh->unequal, 0);
        assert_true(refresh->rows > 0 && reuse->rows > 0);
        assert_int_equal(reuse->unequal, reuse->rows); /* all come after a reveal */
        assert_true(reuse->largest > 0 && reuse->largest < 20 * reuse->spread);
        assert_true(reuse->differing <= reuse->unequal);
        s.refresh = 1;
        OK(drift_measure(t.model, &decoder_diffusion, &s, DTYPE_F32, MASK_FULL, d));
        assert_none(d, 0);
    }
    toy_close(&one);
    toy_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_caches_do_not_drift),
        cmocka_unit_test(approximate_caches_drift_by_so_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
