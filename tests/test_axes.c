/* test_axes.c - values of axes, expressions over them, and cells made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/app/cells.h"

static struct axis_entry *add_axis(struct cell_group *g, const char *name, const char *text)
{
    struct axis_entry *e;
    assert_int_equal(cell_group_add_axis(g, axis_find(name), name, &e), ERR_NONE);
    assert_int_equal(axis_entry_parse(e, text), ERR_NONE);
    return e;
}

/* ---- values ---- */

static void lists_and_ranges_expand(void **state)
{
    static const struct {
        const char *axis, *text;
        int32_t n;
        int64_t first, last;
    } cases[] = {
        {"batch", "1,2,4", 3, 1, 4},
        {"batch", "1-64*2", 7, 1, 64},
        {"n-prompt", "128-512+128", 4, 128, 512},
        {"n-prompt", "2k", 1, 2000, 2000},
        {"n-prompt", "4Ki", 1, 4096, 4096},
        {"n-prompt", "0", 1, 0, 0},
        {"dtype", "f32,bf16", 2, DTYPE_F32, DTYPE_BF16},
        {"dtype", "bf16, bf16", 1, DTYPE_BF16, DTYPE_BF16},
        {"seed", "9223372036854775807", 1, INT64_MAX, INT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct axis_list l = {0};
        assert_int_equal(axis_parse_list(axis_find(cases[i].axis), cases[i].text, &l), ERR_NONE);
        assert_int_equal(l.n, cases[i].n);
        assert_int_equal(l.value[0].i, cases[i].first);
        assert_int_equal(l.value[l.n - 1].i, cases[i].last);
        free(l.value);
    }
}

static void bad_values_are_refused_with_what_was_expected(void **state)
{
    static const struct {
        const char *axis, *text, *sentence;
    } cases[] = {
        {"batch", "0", "0 is too small; expected a whole number from 1 to 1048576"},
        {"batch", "-3", "\"-3\" is negative; expected a whole number from 1 to 1048576"},
        {"batch", "1048577", "1048577 is too large; expected a whole number from 1 to 1048576"},
        {"batch", "99999999999999999999",
         "\"99999999999999999999\" is too large; expected a whole number from 1 to 1048576"},
        {"batch", "", "the value is empty; expected a whole number from 1 to 1048576"},
        {"n-gen", "0", "0 is too small; expected a whole number from 1 to 16777216"},
        {"seed", "-1", "\"-1\" is negative; expected a whole number of at least 0"},
        {"dtype", "fp16", "\"fp16\" is not one; expected f32, bf16 or int8"},
        {"kv-dtype", "int8", "\"int8\" is not one; expected f32 or bf16"},
        {"logits", "some", "\"some\" is not one; expected masked or all"},
        {"temperature", "nan", "\"nan\" is not one; expected a number from 0 to 100"},
        {"temperature", "-0.5", "-0.5 is too small; expected a number from 0 to 100"},
        {"temperature", "0x1p3", "\"0x1p3\" is not one; expected a number from 0 to 100"},
        {"decoder", "blok", "no decoder \"blok\"; the nearest is \"block\" (regime list decoders)"},
        {"device", "cuda",
         "no device \"cuda\"; expected cpu, cuda:N or sim:NAME "
         "(regime list devices)"},
        {"device", "cuda:x",
         "no device \"cuda:x\"; expected cpu, cuda:N or sim:NAME "
         "(regime list devices)"},
        {"cache", "full", "\"full\" is not one; expected none, prefix, dual or dkv"},
        {"draft-tokens", "65", "65 is too large; expected a whole number from 0 to 64"},
        {"acceptance", "1.5", "1.5 is too large; expected a number from 0 to 1"},
        {"draft", "model",
         "\"model\" drafts nothing; expected none, ngram, self, self-denoise or a model's "
         "name (regime list models)"},
        {"match", "price", "\"price\" cannot be held equal; expected policy, memory or latency"},
        {"decoder", "a-name-that-is-much-longer-than-forty-letters",
         "\"a-name-that-is-much-longer-tha...\" is longer than any name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct axis_list l = {0};
        assert_int_equal(axis_parse_list(axis_find(cases[i].axis), cases[i].text, &l), ERR_USAGE);
        assert_string_equal(err_msg(), cases[i].sentence);
        free(l.value);
    }
}

static void every_axis_survives_being_written_and_read(void **state)
{
    static const struct {
        const char *axis, *text;
    } values[] = {
        {"model", "tiny-25m"},
        {"layers", "3"},
        {"dtype", "f32"},
        {"kv-dtype", "bf16"},
        {"batch", "7"},
        {"n-depth", "16"},
        {"n-prompt", "0"},
        {"n-gen", "48"},
        {"batch-policy", "ragged"},
        {"seed", "9223372036854775807"},
        {"decoder", "block"},
        {"block-length", "8"},
        {"steps", "3"},
        {"strategy", "sequential"},
        {"schedule", "cosine"},
        {"threshold", "0.85"},
        {"factor", "1.5"},
        {"entropy-bound", "0.25"},
        {"eta", "0.008"},
        {"trace", "somewhere/trace.jsonl"},
        {"prompts", "somewhere/prompts.jsonl"},
        {"eos", "stop"},
        {"weights", "seeded"},
        {"guidance", "1.5"},
        {"logits", "all"},
        {"head", "shifted"},
        {"cache", "dkv"},
        {"refresh", "4"},
        {"commit", "fused"},
        {"draft-tokens", "7"},
        {"acceptance", "0.6"},
        {"draft", "tiny-25m"},
        {"draft-layers", "2"},
        {"temperature", "0.7"},
        {"top-p", "0.9"},
        {"match", "memory"},
        {"memory-budget", "17179869184"},
        {"latency-ms", "12.5"},
        {"device", "sim:h200"},
        {"threads", "2"},
        {"isa", "avx2"},
        {"arithmetic", "twice"},
        {"compute-dtype", "bf16"},
        {"launch-ns", "5000"},
        {"graph", "on"},
        {"matmul", "own"},
    };
    const struct axis *a;
    int32_t n = 0;
    (void)state;
    while ((a = axis_at(n)) && !a->not_yet) n++;
    assert_int_equal(n, sizeof values / sizeof values[0]);
    struct cell c;
    axes_default(&c, "cpu");
    for (int32_t i = 0; i < n; i++) {
        struct axis_value v;
        char text[64];
        a = axis_find(values[i].axis);
        assert_int_equal(axis_parse(a, values[i].text, &v), ERR_NONE);
        axis_set(a, &c, &v);
        axis_text(a, &c, text, sizeof text);
        assert_string_equal(text, values[i].text);
    }
    /* No axis has overwritten another one's field. */
    for (int32_t i = 0; i < n; i++) {
        char text[64];
        axis_text(axis_find(values[i].axis), &c, text, sizeof text);
        assert_string_equal(text, values[i].text);
    }
}

static void defaults_are_the_documented_ones(void **state)
{
    struct cell c;
    (void)state;
    axes_default(&c, "cpu");
    axes_resolve(&c);
    assert_string_equal(c.model, "qwen2.5-0.5b");
    assert_string_equal(c.decoder, "ar");
    assert_string_equal(c.device, "cpu");
    assert_string_equal(c.match, "policy");
    assert_int_equal(c.layers, 0);
    assert_int_equal(c.spec.batch, 1);
    assert_int_equal(c.spec.n_prompt, 64);
    assert_int_equal(c.spec.n_gen, 64);
    assert_int_equal(c.dtype, DTYPE_BF16);
    assert_int_equal(c.kv_dtype, DTYPE_BF16);
    assert_int_equal(c.spec.seed, 1);
    assert_int_equal(c.spec.block_length, 0);
    assert_int_equal(c.spec.steps, 0);
}

static void what_is_derived_follows_the_decoder(void **state)
{
    static const struct {
        const char *decoder;
        int32_t block_length, n_gen; /* given; 0: not */
        int32_t want_block, want_steps;
    } cases[] = {
        {"ar", 16, 48, 0, 0},     {"diffusion", 0, 48, 0, 48}, {"diffusion", 16, 48, 16, 16},
        {"block", 0, 48, 32, 32}, {"block", 8, 48, 8, 8},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cell c;
        axes_default(&c, "cpu");
        strcpy(c.decoder, cases[i].decoder);
        c.spec.block_length = cases[i].block_length;
        c.spec.n_gen = cases[i].n_gen;
        c.dtype = DTYPE_F32;
        axes_resolve(&c);
        assert_int_equal(c.spec.block_length, cases[i].want_block);
        assert_int_equal(c.spec.steps, cases[i].want_steps);
        assert_int_equal(c.kv_dtype, DTYPE_F32);
    }
}

static void naming_all_layers_is_the_same_as_naming_none(void **state)
{
    struct cell c;
    (void)state;
    axes_default(&c, "cpu");
    c.layers = 24; /* as many as qwen2.5-0.5b has */
    axes_resolve(&c);
    assert_int_equal(c.layers, 0);
}

/* ---- expressions ---- */

static struct cell block_cell(void)
{
    struct cell c;
    axes_default(&c, "cpu");
    strcpy(c.decoder, "block");
    c.spec.batch = 4;
    c.spec.block_length = 6;
    c.spec.n_gen = 48;
    c.spec.temperature = 0.5f;
    return c;
}

static void expressions_compute(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } cases[] = {
        {"block-length / 3", 2},
        {"batch + block-length * 2", 16},
        {"(batch + block-length) * 2", 20},
        {"n-gen - batch - block-length", 38}, /* left to right */
        {"n-gen / block-length / 4", 2},
        {"n-gen % 7", 6},
        {"4Ki / batch", 1024},
    };
    struct cell c = block_cell();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct expr *e;
        int64_t got = -1;
        char why[128];
        assert_int_equal(expr_create("here", cases[i].text, EXPR_NUMBER, &e), ERR_NONE);
        assert_int_equal(expr_int(e, &c, &got, why, sizeof why), EXPR_OK);
        assert_int_equal(got, cases[i].want);
        expr_free(e);
    }
}

static void comparisons_hold_or_not(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"batch * block-length > 23", true},
        {"batch * block-length > 24", false},
        {"batch * block-length >= 24", true},
        {"block-length / 4 == 1", false}, /* 1.5 is compared as it is */
        {"block-length / 4 > 1", true},
        {"temperature > 0.4", true},
        {"decoder == block", true},
        {"decoder != block && batch > 1", false},
        {"decoder == ar || batch == 4", true},
        {"device == cpu", true},
        {"logits == all", false},
        {"batch == 4 && (n-gen < 4 || n-gen > 40)", true},
        {"steps > 1 || batch == 4", true}, /* steps has no value, the other side decides */
    };
    struct cell c = block_cell();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct expr *e;
        bool got = !cases[i].want;
        char why[128];
        assert_int_equal(expr_create("here", cases[i].text, EXPR_TRUTH, &e), ERR_NONE);
        assert_int_equal(expr_true(e, &c, &got, why, sizeof why), EXPR_OK);
        assert_int_equal(got, cases[i].want);
        expr_free(e);
    }
}

static void what_has_no_value_says_why(void **state)
{
    static const struct {
        const char *text;
        enum expr_status status;
        const char *why;
    } cases[] = {
        {"block-length / 4", EXPR_NO_VALUE, "6 / 4 is not a whole number"},
        {"block-length / 4 * 4", EXPR_NO_VALUE, "6 / 4 is not a whole number"},
        {"batch / (block-length - 6)", EXPR_NO_VALUE, "a division by zero"},
        {"n-gen * 4611686018427387904", EXPR_NO_VALUE, "a number passes 2^63 - 1"},
        {"temperature * 3", EXPR_NO_VALUE, "1.5 is not a whole number"},
        {"steps + 1", EXPR_ABSENT, "steps has no value here"},
        {"launch-ns + 1", EXPR_ABSENT, "launch-ns has no value here"},
    };
    struct cell c = block_cell();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct expr *e;
        int64_t got;
        char why[128];
        assert_int_equal(expr_create("here", cases[i].text, EXPR_NUMBER, &e), ERR_NONE);
        assert_int_equal(expr_int(e, &c, &got, why, sizeof why), cases[i].status);
        assert_string_equal(why, cases[i].why);
        expr_free(e);
    }
}

static void bad_expressions_name_their_column(void **state)
{
    static const struct {
        const char *text;
        enum expr_result want;
        const char *sentence;
    } cases[] = {
        {"batch *", EXPR_NUMBER, "\"*\" needs a space on both sides, at column 7 of \"batch *\""},
        {"batch * ", EXPR_NUMBER, "expected a number or an axis, at column 9 of \"batch * \""},
        {"batch /4", EXPR_NUMBER, "\"/\" needs a space on both sides, at column 7 of \"batch /4\""},
        {"bach / 4", EXPR_NUMBER,
         "no axis is called \"bach\"; the nearest is \"batch\", at column 1 of \"bach / 4\""},
        {"(batch + 1", EXPR_NUMBER,
         "this parenthesis is not closed, at column 1 of \"(batch + 1\""},
        {"batch 4", EXPR_NUMBER, "expected an operator before \"4\", at column 7 of \"batch 4\""},
        {"batch + decoder", EXPR_NUMBER,
         "\"+\" needs a number on both sides, at column 7 of \"batch + decoder\""},
        {"batch > 4", EXPR_NUMBER,
         "expected a number, like `block-length / 4`, at column 1 of \"batch > 4\""},
        {"batch + 4", EXPR_TRUTH,
         "expected a comparison, like `batch * block-length > 64`, at "
         "column 1 of \"batch + 4\""},
        {"decoder < block", EXPR_TRUTH,
         "decoder can only be compared with == and !=, at column 9 of \"decoder < block\""},
        {"decoder == blok", EXPR_TRUTH,
         "no decoder \"blok\"; the nearest is \"block\" (regime list decoders), at column 12 of "
         "\"decoder == blok\""},
        {"batch && 4 > 3", EXPR_TRUTH,
         "\"&&\" needs a comparison on both sides, at column 7 of \"batch && 4 > 3\""},
        {"counters > 1", EXPR_TRUTH,
         "counters are read for a whole command, not for a cell: regime sweep --counters, at column "
         "1 of \"counters > 1\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct expr *e;
        char want[300] = "f.yaml:3: steps: ";
        strcat(want, cases[i].sentence);
        assert_int_equal(expr_create("f.yaml:3: steps", cases[i].text, cases[i].want, &e),
                         ERR_USAGE);
        assert_string_equal(err_msg(), want);
    }
}

static void nesting_has_a_limit(void **state)
{
    char text[4001];
    struct expr *e;
    (void)state;
    memset(text, '(', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(expr_create("here", text, EXPR_NUMBER, &e), ERR_USAGE);
    assert_non_null(strstr(err_msg(), "too many parentheses"));
}

/* ---- cells ---- */

static void groups_are_products_in_order(void **state)
{
    struct cell_space s;
    struct cell_group *g;
    struct cell_list l;
    (void)state;
    cell_space_init(&s, "sim:a100-80gb");
    assert_int_equal(cell_space_add_group(&s, "here", &g), ERR_NONE);
    add_axis(g, "batch", "1,2");
    add_axis(g, "n-gen", "8,16");
    assert_int_equal(cells_expand(&s, &l), ERR_NONE);
    assert_int_equal(l.n, 4);
    static const int32_t batch[] = {1, 1, 2, 2}, n_gen[] = {8, 16, 8, 16};
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(l.cell[i].cell.spec.batch, batch[i]);
        assert_int_equal(l.cell[i].cell.spec.n_gen, n_gen[i]);
        assert_string_equal(l.cell[i].cell.device, "sim:a100-80gb");
        assert_int_equal(l.cell[i].pair, -1);
    }
    cell_list_free(&l);
    cell_space_free(&s);
}

static void cells_that_differ_only_in_what_the_decoder_lacks_are_one(void **state)
{
    struct cell_space s;
    struct cell_group *g;
    struct cell_list l;
    (void)state;
    cell_space_init(&s, "cpu");
    s.pair_axis = axis_find("decoder");
    strcpy(s.pair_baseline.text, "ar");
    assert_int_equal(cell_space_add_group(&s, "here", &g), ERR_NONE);
    add_axis(g, "decoder", "ar,block");
    add_axis(g, "block-length", "8,16");
    add_axis(g, "logits", "masked,all");
    add_axis(g, "launch-ns", "0,5000"); /* nothing on a CPU */
    assert_int_equal(cells_expand(&s, &l), ERR_NONE);
    assert_int_equal(l.n, 1 + 4);
    assert_int_equal(l.n_pairs, 1);
    assert_true(l.cell[0].baseline);
    for (int32_t i = 0; i < l.n; i++) assert_int_equal(l.cell[i].pair, 0);
    cell_list_free(&l);
    cell_space_free(&s);
}

static void pairs_ignore_axes_that_the_baseline_lacks(void **state)
{
    struct cell_space s;
    struct cell_group *g;
    struct cell_list l;
    (void)state;
    cell_space_init(&s, "cpu");
    s.pair_axis = axis_find("decoder");
    strcpy(s.pair_baseline.text, "ar");
    assert_int_equal(cell_space_add_group(&s, "one", &g), ERR_NONE);
    add_axis(g, "decoder", "ar");
    add_axis(g, "batch", "1,4,16");
    assert_int_equal(cell_space_add_group(&s, "two", &g), ERR_NONE);
    add_axis(g, "decoder", "block");
    add_axis(g, "batch", "1,4,8");
    add_axis(g, "block-length", "8,16");
    assert_int_equal(cells_expand(&s, &l), ERR_NONE);
    assert_int_equal(l.n, 3 + 6);
    assert_int_equal(l.n_pairs, 2);
    static const int32_t pair[] = {0, 1, -1, 0, 0, 1, 1, -1, -1};
    for (int32_t i = 0; i < l.n; i++) {
        assert_int_equal(l.cell[i].pair, pair[i]);
        assert_int_equal(l.cell[i].baseline, i < 2);
    }
    cell_list_free(&l);
    cell_space_free(&s);
}

/* Pairing by an axis that another one is derived from: KV storage follows the weights'. */
static void any_axis_can_be_the_matched_one(void **state)
{
    struct cell_space s;
    struct cell_group *g;
    struct cell_list l;
    (void)state;
    cell_space_init(&s, "cpu");
    s.pair_axis = axis_find("dtype");
    s.pair_baseline.i = DTYPE_F32;
    assert_int_equal(cell_space_add_group(&s, "here", &g), ERR_NONE);
    add_axis(g, "dtype", "f32,bf16");
    assert_int_equal(cells_expand(&s, &l), ERR_NONE);
    assert_int_equal(l.n_pairs, 1);
    assert_int_equal(l.cell[0].cell.kv_dtype, DTYPE_F32);
    assert_int_equal(l.cell[1].cell.kv_dtype, DTYPE_BF16);
    assert_int_equal(l.cell[1].pair, 0);
    cell_list_free(&l);
    cell_space_free(&s);
}

static void what_cannot_run_is_skipped_with_the_reason(void **state)
{
    static const struct {
        const char *axis, *text, *axis2, *text2, *reason;
    } cases[] = {
        {"steps", "block-length / 4", "block-length", "6", "steps: 6 / 4 is not a whole number"},
        {"steps", "block-length - 8", "block-length", "8",
         "steps: 0 is too small; expected a whole number from 1 to 16777216"},
        {"layers", "99", "n-gen", "64", "qwen2.5-0.5b has 24 layers; 99 were asked for"},
        {"n-gen", "63", "block-length", "32",
         "block: n-prompt 64 + n-gen 63 is not a multiple of block-length 32"},
        {"compute-dtype", "bf16", "dtype", "int8",
         "compute-dtype bf16 multiplies bf16 weights, and these are int8"},
        {"compute-dtype", "bf16", "device", "sim:a100-80gb",
         "compute-dtype is a choice on cpu only: sim:a100-80gb multiplies bf16 and int8 weights in "
         "bf16, f32 ones in tf32"},
        {"dtype", "int8", "device", "cuda:0",
         "cuBLAS cannot multiply int8 weights with a scale for every 32 of them; --matmul own can"},
        {"compute-dtype", "bf16", "isa", "scalar",
         "bf16 is multiplied by avx512 and amx kernels only, not by scalar ones"},
        {"isa", "amx", "compute-dtype", "f32",
         "isa amx multiplies bf16 only: it wants compute-dtype bf16, and f32 and int8 products are "
         "those of avx512"},
        {"compute-dtype", "int8", "dtype", "bf16",
         "compute-dtype int8 multiplies int8 weights, and these are bf16"},
        {"batch", "1048576", "n-gen", "8128",
         "batch x (n-depth + n-prompt + n-gen) is 8589934592 positions; the most is 2147483647"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cell_space s;
        struct cell_group *g;
        struct cell_list l;
        cell_space_init(&s, "cpu");
        assert_int_equal(cell_space_add_group(&s, "here", &g), ERR_NONE);
        add_axis(g, "decoder", "block");
        add_axis(g, cases[i].axis, cases[i].text);
        add_axis(g, cases[i].axis2, cases[i].text2);
        assert_int_equal(cells_expand(&s, &l), ERR_NONE);
        assert_int_equal(l.n, 1);
        assert_string_equal(l.cell[0].skip_reason, cases[i].reason);
        cell_list_free(&l);
        cell_space_free(&s);
    }
}

static void too_many_cells_are_refused(void **state)
{
    struct cell_space s;
    struct cell_group *g;
    struct cell_list l;
    (void)state;
    cell_space_init(&s, "cpu");
    assert_int_equal(cell_space_add_group(&s, "here", &g), ERR_NONE);
    add_axis(g, "batch", "1-1000");
    add_axis(g, "n-gen", "1-1000");
    add_axis(g, "n-prompt", "1-1000");
    assert_int_equal(cells_expand(&s, &l), ERR_USAGE);
    assert_string_equal(err_msg(), "here: the axes make more than 50000 cells");
    cell_space_free(&s);
}

static void flags_leave_out_what_every_cell_has(void **state)
{
    struct cell c;
    struct strbuf s = {0};
    (void)state;
    axes_default(&c, "cpu");
    c.spec.batch = 4;
    axes_resolve(&c);
    cell_flags(&c, &s);
    assert_string_equal(strbuf_text(&s),
                        "--model qwen2.5-0.5b --batch 4 --decoder ar --device cpu");
    strbuf_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_ranges_expand),
        cmocka_unit_test(bad_values_are_refused_with_what_was_expected),
        cmocka_unit_test(every_axis_survives_being_written_and_read),
        cmocka_unit_test(defaults_are_the_documented_ones),
        cmocka_unit_test(what_is_derived_follows_the_decoder),
        cmocka_unit_test(naming_all_layers_is_the_same_as_naming_none),
        cmocka_unit_test(expressions_compute),
        cmocka_unit_test(comparisons_hold_or_not),
        cmocka_unit_test(what_has_no_value_says_why),
        cmocka_unit_test(bad_expressions_name_their_column),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(groups_are_products_in_order),
        cmocka_unit_test(cells_that_differ_only_in_what_the_decoder_lacks_are_one),
        cmocka_unit_test(pairs_ignore_axes_that_the_baseline_lacks),
        cmocka_unit_test(any_axis_can_be_the_matched_one),
        cmocka_unit_test(what_cannot_run_is_skipped_with_the_reason),
        cmocka_unit_test(too_many_cells_are_refused),
        cmocka_unit_test(flags_leave_out_what_every_cell_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
