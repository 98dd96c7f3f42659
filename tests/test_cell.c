/* Cells: one spelling per experiment, and a key that is the hash of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/hash.h"
#include "results/cell.h"

static struct cell block_cell(void)
{
    return (struct cell){.model = "tiny-25m",
                         .decoder = "block",
                         .spec = {.batch = 4,
                                  .n_prompt = 64,
                                  .n_gen = 32,
                                  .block_length = 8,
                                  .steps = 4,
                                  .seed = 1},
                         .dtype = DTYPE_BF16,
                         .kv_dtype = DTYPE_BF16,
                         .device = "cpu",
                         .match = "policy"};
}

static void assert_same(const struct cell *a, const struct cell *b, bool same)
{
    char x[CELL_KEY_SIZE], y[CELL_KEY_SIZE];
    cell_key(a, x);
    cell_key(b, y);
    assert_int_equal(strlen(x), 64);
    if (same) assert_string_equal(x, y);
    else assert_string_not_equal(x, y);
}

static void canonical_is_sorted_json(void **state)
{
    struct cell c = block_cell();
    struct strbuf b = {0};
    cell_canonical(&c, &b);
    /* tiny-25m has 8 layers and heads that predict their own position. */
    assert_string_equal(strbuf_text(&b),
                        "{\"batch\":4,\"block-length\":8,\"decoder\":\"block\",\"dtype\":\"bf16\","
                        "\"head\":\"same\",\"kv-dtype\":\"bf16\",\"layers\":8,"
                        "\"logits\":\"masked\",\"model\":\"tiny-25m\",\"n-gen\":32,"
                        "\"n-prompt\":64,\"seed\":1,\"steps\":4,\"strategy\":\"random\","
                        "\"workload\":2}");
    char want[SHA256_HEX_SIZE], got[CELL_KEY_SIZE];
    sha256_hex(strbuf_text(&b), strlen(strbuf_text(&b)), want);
    cell_key(&c, got);
    assert_string_equal(got, want);
    strbuf_free(&b);
}

/* Keys of databases in use: a change here makes their results count as not done. */
static void keys_are_stable(void **state)
{
    struct cell c = block_cell();
    char key[CELL_KEY_SIZE];
    cell_key(&c, key);
    assert_string_equal(key, "a68d4a93c3946b2b8f344836713d57a05e1fe5e97b1f5b29db0b45736e1986bd");
    snprintf(c.decoder, sizeof c.decoder, "ar");
    cell_key(&c, key);
    assert_string_equal(key, "086142b7e7c4945a98186748c0795e2ddc7e36976eb699618413613da647ae07");
}

static void every_axis_counts(void **state)
{
    const struct cell a = block_cell();
    struct cell variant[20];
    int n = 0;
    for (int i = 0; i < 20; i++) variant[i] = a;
    snprintf(variant[n++].model, sizeof a.model, "llama3-8b");
    variant[n++].layers = 4;
    snprintf(variant[n++].decoder, sizeof a.decoder, "diffusion");
    variant[n++].spec.batch = 5;
    variant[n++].spec.n_prompt = 65;
    variant[n++].spec.n_gen = 33;
    variant[n++].spec.block_length = 16;
    variant[n++].spec.block_length = 0;
    variant[n++].spec.steps = 5;
    variant[n++].spec.logits = LOGITS_ALL;
    variant[n++].spec.head = HEAD_SHIFTED;
    variant[n++].spec.strategy = STRATEGY_SEQUENTIAL;
    variant[n++].spec.batch_policy = BATCH_RAGGED;
    variant[n++].spec.temperature = 0.7f;
    variant[n++].spec.seed = 2;
    variant[n++].dtype = DTYPE_F32;
    variant[n++].kv_dtype = DTYPE_F32;
    variant[n++].threads = 3;
    variant[n++].launch_ns = 4000;
    variant[n++].compute = DTYPE_BF16;
    for (int i = 0; i < n; i++) {
        assert_same(&a, &variant[i], false);
        for (int k = 0; k < i; k++) assert_same(&variant[i], &variant[k], false);
    }
}

/* Who asks, and where it is run, is not what is run. */
static void device_and_match_do_not_count(void **state)
{
    struct cell a = block_cell(), b = a;
    snprintf(b.device, sizeof b.device, "sim:a100-80gb");
    snprintf(b.match, sizeof b.match, "memory");
    assert_same(&a, &b, true);
}

static void defaults_are_spelled_out(void **state)
{
    struct cell a = block_cell(), b = a;
    b.layers = 8;
    b.spec.head = HEAD_SAME;
    assert_same(&a, &b, true);
    snprintf(a.model, sizeof a.model, "dream-7b"); /* predicts the next position */
    b = a;
    b.layers = 28;
    b.spec.head = HEAD_SHIFTED;
    assert_same(&a, &b, true);
}

/* One ar run serves all its partners, whatever their schedule. */
static void ar_ignores_the_schedule(void **state)
{
    struct cell a = block_cell(), b;
    snprintf(a.decoder, sizeof a.decoder, "ar");
    b = a;
    b.spec.block_length = b.spec.steps = 0;
    b.spec.logits = LOGITS_ALL;
    b.spec.head = HEAD_SHIFTED;
    b.spec.strategy = STRATEGY_SEQUENTIAL;
    b.spec.batch_policy = BATCH_RAGGED;
    assert_same(&a, &b, true);
    b.spec.batch = 8;
    assert_same(&a, &b, false);
}

/* Only where there is one does it make a cell another one; the default is not spelled. */
static void only_diffusion_has_a_cache(void **state)
{
    struct cell a = block_cell(), b = a;
    b.spec.cache = CACHE_DUAL;
    assert_same(&a, &b, true);
    snprintf(a.decoder, sizeof a.decoder, "diffusion");
    b = a;
    b.spec.cache = CACHE_PREFIX;
    assert_same(&a, &b, false);
    struct cell c = b;
    c.spec.cache = CACHE_DUAL;
    assert_same(&b, &c, false);
    struct strbuf text = {0};
    cell_canonical(&c, &text);
    assert_non_null(
        strstr(strbuf_text(&text), "\"block-length\":8,\"cache\":\"dual\",\"decoder\""));
    strbuf_free(&text);
    cell_canonical(&a, &text);
    assert_null(strstr(strbuf_text(&text), "cache"));
    strbuf_free(&text);
}

static void only_ar_verify_has_drafts(void **state)
{
    struct cell a = block_cell(), b = a;
    b.spec.draft_tokens = 4;
    b.spec.acceptance = 0.8f;
    assert_same(&a, &b, true);
    snprintf(b.decoder, sizeof b.decoder, "ar-verify");
    struct strbuf text = {0};
    cell_canonical(&b, &text);
    assert_string_equal(strbuf_text(&text),
                        "{\"acceptance\":0.8,\"batch\":4,\"decoder\":\"ar-verify\","
                        "\"draft-tokens\":4,\"dtype\":\"bf16\",\"kv-dtype\":\"bf16\","
                        "\"layers\":8,\"model\":\"tiny-25m\",\"n-gen\":32,\"n-prompt\":64,"
                        "\"seed\":1,\"workload\":2}");
    strbuf_free(&text);
    a = b;
    a.spec.draft_tokens = 0;
    assert_same(&a, &b, false);
    a = b;
    a.spec.acceptance = 0.7f;
    assert_same(&a, &b, false);
}

static void unknown_models_keep_what_was_asked(void **state)
{
    struct cell a = block_cell(), b;
    snprintf(a.model, sizeof a.model, "no-such-model");
    b = a;
    b.layers = 8;
    assert_same(&a, &b, false);
}

static void temperature_prints_as_written(void **state)
{
    struct cell c = block_cell();
    c.spec.temperature = 0.7f;
    assert_true(cell_number(c.spec.temperature) == 0.7);
    c.spec.temperature = 0.1f + 0.2f; /* not 0.3f: all its digits are needed */
    assert_true((float)cell_number(c.spec.temperature) == c.spec.temperature);
    assert_true(cell_number(0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_is_sorted_json),
        cmocka_unit_test(keys_are_stable),
        cmocka_unit_test(every_axis_counts),
        cmocka_unit_test(device_and_match_do_not_count),
        cmocka_unit_test(defaults_are_spelled_out),
        cmocka_unit_test(ar_ignores_the_schedule),
        cmocka_unit_test(only_diffusion_has_a_cache),
        cmocka_unit_test(only_ar_verify_has_drafts),
        cmocka_unit_test(unknown_models_keep_what_was_asked),
        cmocka_unit_test(temperature_prints_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
