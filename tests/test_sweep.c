/* test_sweep.c - sweep files: what they mean, and what is wrong with them, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/app/sweep.h"

static enum err parse(const char *text, struct sweep *s)
{
    return sweep_parse("f.yaml", text, strlen(text), "cpu", s);
}

/* The example of the design, word for word. */
static const char example[] = "name: quickstart\n"
                              "defaults: {model: qwen2.5-0.5b, layers: 12, dtype: bf16, n-prompt: "
                              "32, n-gen: 32, seed: 1}\n"
                              "pair: {axis: decoder, baseline: ar}\n"
                              "groups:\n"
                              "  - decoder: ar\n"
                              "    batch: [1, 4, 16]\n"
                              "  - decoder: block\n"
                              "    batch: [1, 4]\n"
                              "    block-length: [8, 32]\n"
                              "    steps: block-length / 4          # tied to another axis\n"
                              "    skip: batch * block-length > 64\n"
                              "  - decoder: diffusion\n"
                              "    batch: 1\n"
                              "    steps: [8, 32]\n";

static void the_example_means_what_it_says(void **state)
{
    static const struct {
        const char *decoder;
        int32_t batch, block, steps, pair;
        const char *skip;
    } want[] = {
        {"ar", 1, 0, 0, 0, ""},
        {"ar", 4, 0, 0, 1, ""},
        {"ar", 16, 0, 0, -1, ""},
        {"block", 1, 8, 2, 0, ""},
        {"block", 1, 32, 8, 0, ""},
        {"block", 4, 8, 2, 1, ""},
        {"block", 4, 32, 8, -1, "batch * block-length > 64"},
        {"diffusion", 1, 0, 8, 0, ""},
        {"diffusion", 1, 0, 32, 0, ""},
    };
    struct sweep s;
    struct cell_list l;
    (void)state;
    assert_int_equal(parse(example, &s), ERR_NONE);
    assert_string_equal(s.name, "quickstart");
    assert_string_equal(s.title, "");
    assert_string_equal(s.text, example);
    assert_int_equal(cells_expand(&s.space, &l), ERR_NONE);
    assert_int_equal(l.n, sizeof want / sizeof want[0]);
    assert_int_equal(l.n_pairs, 2);
    for (int32_t i = 0; i < l.n; i++) {
        const struct planned_cell *p = &l.cell[i];
        assert_string_equal(p->cell.decoder, want[i].decoder);
        assert_string_equal(p->cell.model, "qwen2.5-0.5b");
        assert_int_equal(p->cell.layers, 12);
        assert_int_equal(p->cell.spec.n_gen, 32);
        assert_int_equal(p->cell.spec.batch, want[i].batch);
        assert_int_equal(p->cell.spec.block_length, want[i].block);
        assert_int_equal(p->cell.spec.steps, want[i].steps);
        assert_int_equal(p->pair, want[i].pair);
        assert_int_equal(p->baseline, i < 2);
        assert_string_equal(p->skip_reason, want[i].skip);
    }
    cell_list_free(&l);
    sweep_free(&s);
}

/* A sweep of one group around these lines, which begin in line 4. */
#define GROUP(lines) "name: x\ngroups:\n  - decoder: block\n" lines

static void ranges_and_lists_of_ranges_are_read(void **state)
{
    struct sweep s;
    struct cell_list l;
    (void)state;
    assert_int_equal(parse(GROUP("    batch: [1-4*2, 16, \"32-33\"]\n    n-prompt: 64\n"), &s),
                     ERR_NONE);
    assert_int_equal(cells_expand(&s.space, &l), ERR_NONE);
    static const int32_t batch[] = {1, 2, 4, 16, 32, 33};
    assert_int_equal(l.n, 6);
    for (int32_t i = 0; i < 6; i++) assert_int_equal(l.cell[i].cell.spec.batch, batch[i]);
    assert_int_equal(l.n_pairs, 0); /* no pair section: nothing is paired */
    cell_list_free(&l);
    sweep_free(&s);
}

static void groups_override_what_they_inherit(void **state)
{
    struct sweep s;
    struct cell_list l;
    (void)state;
    assert_int_equal(parse("name: x\ndefaults: {batch: [2, 3], n-gen: 64}\n"
                           "groups:\n  - n-gen: 32\n  - batch: 5\n",
                           &s),
                     ERR_NONE);
    assert_int_equal(cells_expand(&s.space, &l), ERR_NONE);
    static const int32_t batch[] = {2, 3, 5}, n_gen[] = {32, 32, 64};
    assert_int_equal(l.n, 3);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(l.cell[i].cell.spec.batch, batch[i]);
        assert_int_equal(l.cell[i].cell.spec.n_gen, n_gen[i]);
    }
    cell_list_free(&l);
    sweep_free(&s);
}

static void several_skips_each_apply(void **state)
{
    struct sweep s;
    struct cell_list l;
    (void)state;
    assert_int_equal(parse(GROUP("    batch: [1, 2, 3]\n    skip: [batch > 2, batch == 1]\n"), &s),
                     ERR_NONE);
    assert_int_equal(cells_expand(&s.space, &l), ERR_NONE);
    assert_string_equal(l.cell[0].skip_reason, "batch == 1");
    assert_string_equal(l.cell[1].skip_reason, "");
    assert_string_equal(l.cell[2].skip_reason, "batch > 2");
    cell_list_free(&l);
    sweep_free(&s);
}

/* A block's length is tied to, and skipped on, though nobody gave it: it has a default. */
static void ties_see_derived_values(void **state)
{
    struct sweep s;
    struct cell_list l;
    (void)state;
    assert_int_equal(parse(GROUP("    steps: block-length / 8\n    skip: block-length > 31\n"), &s),
                     ERR_NONE);
    assert_int_equal(cells_expand(&s.space, &l), ERR_NONE);
    assert_int_equal(l.cell[0].cell.spec.steps, 4);
    assert_string_equal(l.cell[0].skip_reason, "block-length > 31");
    cell_list_free(&l);
    sweep_free(&s);
}

static void mistakes_are_refused_with_their_line(void **state)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "f.yaml:1: expected a mapping with name and groups"},
        {"- a\n- b\n", "f.yaml:1: expected a mapping with name and groups"},
        {"groups: [{batch: 1}]\n", "f.yaml:1: name: missing, expected the name of the sweep"},
        {"name: x\n", "f.yaml:1: groups: missing, expected a list of groups"},
        {"name: x\ngroups: []\n",
         "f.yaml:2: groups: expected a list of groups, each a mapping of axes"},
        {"name: x\ngroups:\n  - 3\n",
         "f.yaml:3: groups: expected a list of groups, each a mapping of axes"},
        {"name: [x]\n", "f.yaml:1: name: expected a word of at most 60 letters, digits and . _ -"},
        {"name: a b\n", "f.yaml:1: name: expected a word of at most 60 letters, digits and . _ -"},
        {"name: x\ntitle: {a: b}\n", "f.yaml:2: title: expected one line of text"},
        {"name: x\ngroup: []\n", "f.yaml:2: group: no such key; the nearest is \"groups\""},
        {"name: x\nwhatever: 1\n",
         "f.yaml:2: whatever: no such key; expected name, title, defaults, pair, groups"},
        {"name: x\nname: y\n", "f.yaml:2: name: given twice, first in line 1; expected once"},
        {"name: x\n? [a, b]\n: c\n", "f.yaml:2: expected a word as key"},
        {"name: x\ndefaults: 3\n", "f.yaml:2: defaults: expected a mapping of axes"},
        {"name: x\ndefaults: {skip: batch > 1}\n",
         "f.yaml:2: skip: no such key; expected an axis (regime list axes)"},
        {"name: x\npair: ar\n", "f.yaml:2: pair: expected the form {axis: decoder, baseline: ar}"},
        {"name: x\npair: {axis: decoder}\n",
         "f.yaml:2: pair: expected the form {axis: decoder, baseline: ar}"},
        {"name: x\npair: {axis: decodr, baseline: ar}\n",
         "f.yaml:2: axis: \"decodr\" is no axis; expected the form {axis: decoder, baseline: ar}"},
        {"name: x\npair: {axis: decoder, baseline: ar, precision: 1}\n",
         "f.yaml:2: precision: expected a percentage above 0, like 1%"},
        {"name: x\npair: {axis: decoder, baseline: ar, precision: 0%}\n",
         "f.yaml:2: precision: expected a percentage above 0, like 1%"},
        {"name: x\npair:\n  axis: decoder\n  baseline: arr\n",
         "f.yaml:4: baseline: no decoder \"arr\"; the nearest is \"ar\" (regime list decoders)"},
        {"name: x\npair: {axis: decoder, base: ar}\n",
         "f.yaml:2: base: no such key; the nearest is \"baseline\""},
        {GROUP("    bacth: 1\n"), "f.yaml:4: bacth: no such key; the nearest is \"batch\""},
        {GROUP("    batch: 1\n    batch: 2\n"),
         "f.yaml:5: batch: given twice, first in line 4; expected once"},
        {GROUP("    batch: 0\n"),
         "f.yaml:4: batch: 0 is too small; expected a whole number from 1 to 1048576"},
        {GROUP("    batch:\n      - 1\n      - -2\n"),
         "f.yaml:6: batch: \"-2\" is negative; expected a whole number from 1 to 1048576"},
        {GROUP("    batch: []\n"),
         "f.yaml:4: batch: the list is empty; expected a value or a list of values"},
        {GROUP("    batch:\n"),
         "f.yaml:4: batch: the value is empty; expected a whole number from 1 to 1048576"},
        {GROUP("    batch: {a: 1}\n"), "f.yaml:4: batch: expected a value or a list of values"},
        {GROUP("    batch: [[1]]\n"), "f.yaml:4: batch: expected a value in the list"},
        {GROUP("    batch: 9223372036854775808\n"),
         "f.yaml:4: batch: \"9223372036854775808\" is too large; expected a whole number from 1 to "
         "1048576"},
        {GROUP("    dtype: fp8\n"),
         "f.yaml:4: dtype: \"fp8\" is not one; expected f32, bf16 or int8"},
        {GROUP("    steps: block-length/4\n"),
         "f.yaml:4: steps: \"/\" needs a space on both sides, at column 13 of \"block-length/4\""},
        {GROUP("    steps: block-length / x\n"),
         "f.yaml:4: steps: no axis is called \"x\", at column 16 of \"block-length / x\""},
        {GROUP("    steps: steps / 4\n"), "f.yaml:4: steps: steps cannot be computed from itself"},
        {GROUP("    steps: [1, block-length / 4]\n"),
         "f.yaml:4: steps: expected values or one expression, not both"},
        {GROUP("    skip: batch\n"),
         "f.yaml:4: skip: expected a comparison, like `batch * block-length > 64`, at column 1 of "
         "\"batch\""},
        {GROUP("    skip: {a: b}\n"),
         "f.yaml:4: skip: expected a comparison, like `batch * block-length > 64`"},
        {GROUP("    batch: !!int 3\n"), "f.yaml:4: tags are not allowed, expected a plain value"},
        {GROUP("    batch: &b 3\n"),
         "f.yaml:4: anchors are not allowed, expected the value itself"},
        {"name: x\ngroups:\n  - &g {batch: 1}\n",
         "f.yaml:3: anchors are not allowed, expected the value itself"},
        {"name: x\ngroups: *g\n", "f.yaml:2: aliases are not allowed, expected the value itself"},
        {"name: x\ngroups: [{batch: 1}]\n---\nname: y\n",
         "f.yaml:3: a second document, expected one"},
        {"name: \"\xff\"\n", "f.yaml:1: invalid leading UTF-8 octet, expected UTF-8 text"},
        {"name: x\n\n# \x01\n",
         "f.yaml:3: control characters are not allowed, expected UTF-8 text"},
        {"name: x\ngroups: [\n", "f.yaml:3: not YAML: did not find expected node content while "
                                 "parsing a flow node"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sweep s;
        enum err e = parse(cases[i].text, &s);
        if (e != ERR_USAGE) print_error("accepted: %s\n", cases[i].text);
        assert_int_equal(e, ERR_USAGE);
        assert_string_equal(err_msg(), cases[i].sentence);
    }
}

static void repeated_cells_are_refused_unless_they_are_the_baseline(void **state)
{
    struct sweep s;
    struct cell_list l;
    (void)state;
    assert_int_equal(parse("name: x\ngroups:\n  - batch: [1, 2]\n  - batch: [2, 3]\n", &s),
                     ERR_NONE);
    assert_int_equal(cells_expand(&s.space, &l), ERR_USAGE);
    assert_string_equal(err_msg(), "f.yaml:4: repeats a cell of the group at f.yaml:3: --model "
                                   "qwen2.5-0.5b --batch 2 --decoder ar --device cpu");
    sweep_free(&s);
    assert_int_equal(parse("name: x\npair: {axis: decoder, baseline: ar}\n"
                           "groups:\n  - batch: [1, 2]\n  - batch: [2, 3]\n",
                           &s),
                     ERR_NONE);
    assert_int_equal(cells_expand(&s.space, &l), ERR_NONE);
    assert_int_equal(l.n, 3);
    assert_true(l.precision == 0);
    cell_list_free(&l);
    sweep_free(&s);
    assert_int_equal(parse("name: x\npair: {axis: decoder, baseline: ar, precision: 0.5%}\n"
                           "groups:\n  - batch: [1, 2]\n",
                           &s),
                     ERR_NONE);
    assert_int_equal(cells_expand(&s.space, &l), ERR_NONE);
    assert_true(l.precision == 0.5 / 100);
    cell_list_free(&l);
    sweep_free(&s);
}

static void a_tie_may_not_need_a_later_tie(void **state)
{
    struct sweep s;
    struct cell_list l;
    (void)state;
    assert_int_equal(parse(GROUP("    steps: block-length / 4\n    block-length: n-gen / 2\n"), &s),
                     ERR_NONE);
    assert_int_equal(cells_expand(&s.space, &l), ERR_USAGE);
    assert_string_equal(err_msg(), "f.yaml:4: steps: needs block-length, which is itself computed, "
                                   "further down");
    sweep_free(&s);
    assert_int_equal(parse(GROUP("    block-length: n-gen / 2\n    steps: block-length / 4\n"), &s),
                     ERR_NONE);
    assert_int_equal(cells_expand(&s.space, &l), ERR_NONE);
    assert_int_equal(l.cell[0].cell.spec.block_length, 32);
    assert_int_equal(l.cell[0].cell.spec.steps, 8);
    cell_list_free(&l);
    sweep_free(&s);
}

static void built_in_sweeps_expand_and_run_something(void **state)
{
    int32_t n = 0;
    (void)state;
    for (char *name; (name = sweep_builtin(n)); n++) {
        struct sweep s;
        struct cell_list l;
        int32_t runs = 0;
        assert_int_equal(sweep_load(name, "cpu", &s), ERR_NONE);
        assert_string_equal(s.name, name);
        assert_true(strlen(s.title) > 10);
        assert_int_equal(cells_expand(&s.space, &l), ERR_NONE);
        for (int32_t i = 0; i < l.n; i++) runs += !l.cell[i].skip_reason[0];
        assert_true(runs > 0);
        assert_true(l.n_pairs > 0 || !s.space.pair_axis);
        cell_list_free(&l);
        sweep_free(&s);
        free(name);
    }
    assert_true(n >= 7);
}

static void the_quickstart_is_the_example(void **state)
{
    struct sweep a, b;
    struct cell_list x, y;
    (void)state;
    assert_int_equal(sweep_load("quickstart", "cpu", &a), ERR_NONE);
    assert_int_equal(parse(example, &b), ERR_NONE);
    assert_int_equal(cells_expand(&a.space, &x), ERR_NONE);
    assert_int_equal(cells_expand(&b.space, &y), ERR_NONE);
    assert_int_equal(x.n, y.n);
    for (int32_t i = 0; i < x.n; i++) assert_true(cells_equal(&x.cell[i].cell, &y.cell[i].cell));
    cell_list_free(&x);
    cell_list_free(&y);
    sweep_free(&a);
    sweep_free(&b);
}

static void files_are_found_by_path(void **state)
{
    char path[] = "/tmp/regime-test-sweep-XXXXXX", want[100];
    struct sweep s;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, example, strlen(example)), strlen(example));
    assert_int_equal(sweep_load(path, "cpu", &s), ERR_NONE);
    assert_string_equal(s.text, example);
    sweep_free(&s);

    /* One byte beyond the limit. */
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    assert_int_equal(sweep_load(path, "cpu", &s), ERR_USAGE);
    snprintf(want, sizeof want, "%s: larger than 1 MiB, expected a sweep file", path);
    assert_string_equal(err_msg(), want);
    close(fd);
    unlink(path);

    assert_int_equal(sweep_load("./none.yaml", "cpu", &s), ERR_USAGE);
    assert_string_equal(err_msg(), "./none.yaml: No such file or directory");
    assert_int_equal(sweep_load("/tmp", "cpu", &s), ERR_USAGE);
    assert_string_equal(err_msg(), "/tmp: Is a directory");
    assert_int_equal(sweep_load("quickstrat", "cpu", &s), ERR_USAGE);
    assert_string_equal(err_msg(), "no sweep file or built-in sweep \"quickstrat\"; the nearest is "
                                   "\"quickstart\" (regime list sweeps)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_means_what_it_says),
        cmocka_unit_test(ranges_and_lists_of_ranges_are_read),
        cmocka_unit_test(groups_override_what_they_inherit),
        cmocka_unit_test(several_skips_each_apply),
        cmocka_unit_test(ties_see_derived_values),
        cmocka_unit_test(mistakes_are_refused_with_their_line),
        cmocka_unit_test(repeated_cells_are_refused_unless_they_are_the_baseline),
        cmocka_unit_test(a_tie_may_not_need_a_later_tie),
        cmocka_unit_test(built_in_sweeps_expand_and_run_something),
        cmocka_unit_test(the_quickstart_is_the_example),
        cmocka_unit_test(files_are_found_by_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
