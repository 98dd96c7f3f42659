/* Tests of the counters' table against NVIDIA's own host library, which needs no GPU; skipped
 * where the build or the machine has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "roofline/cupti_file.h"
#include "roofline/cupti_host.h"
#include "tests/store_fixture.h"

/* Skips the test, with the reason, where there is no library. */
static struct cupti_host *host(const char *chip)
{
    struct cupti_host *h = NULL;
    enum err e = cupti_host_open(chip, NULL, &h);
    if (e == ERR_UNSUPPORTED) {
        print_message("skipped: %s\n", err_msg());
        skip();
    }
    ok(e);
    return h;
}

static const struct cupti_set *set_of(const char *chip, const char *name)
{
    const struct cupti_set *s = NULL;
    ok(cupti_set_find(chip, name, &s));
    return s;
}

/* ---- against the library ---- */

static void every_metric_exists_with_its_unit_and_rollup(void **state)
{
    const struct cupti_set *s;
    int32_t n = 0;
    for (int32_t i = 0; (s = cupti_set_at(i)); i++) {
        struct cupti_host *h = host(s->chip);
        for (int32_t k = 0; k < s->n; k++, n++) ok(cupti_host_verify(h, &s->metric[k]));
        cupti_host_close(h);
    }
    assert_true(n > 50);
}

static void a_wrong_name_unit_or_rollup_is_named(void **state)
{
    static const struct cupti_metric wrong_name = {"dram__bytes_raed.sum", "sum", "byte",
                                                   COUNTER_DRAM_READ_BYTES, 1};
    static const struct cupti_metric wrong_unit = {"dram__bytes_read.sum", "sum", "l2_sector",
                                                   COUNTER_DRAM_READ_BYTES, 1};
    static const struct cupti_metric no_rollup = {"dram__bytes_read.total", "total", "byte",
                                                  COUNTER_DRAM_READ_BYTES, 1};
    struct cupti_host *h = host("GA100");
    fails(cupti_host_verify(h, &wrong_name), ERR_USAGE, "\"dram__bytes_raed.sum\"");
    fails(cupti_host_verify(h, &wrong_unit), ERR_VERIFY, "in \"byte\", not in \"l2_sector\"");
    assert_int_not_equal(cupti_host_verify(h, &no_rollup), ERR_NONE);
    assert_non_null(strstr(err_msg(), "dram__bytes_read"));

    /* In a set, too, where the library itself would not say which. */
    const struct cupti_metric two[] = {set_of("GA100", "base")->metric[1], wrong_name};
    const struct cupti_set set = {
        .name = "planted", .chip = "GA100", .passes = 1, .metric = two, .n = 2};
    struct cupti_image config;
    fails(cupti_host_configure(h, &set, &config), ERR_USAGE, "\"dram__bytes_raed.sum\"");
    assert_null(config.data);
    cupti_host_close(h);
}

static void every_set_takes_the_passes_it_says(void **state)
{
    const struct cupti_set *s;
    for (int32_t i = 0; (s = cupti_set_at(i)); i++) {
        struct cupti_host *h = host(s->chip);
        struct cupti_image config;
        int32_t passes = 0;
        ok(cupti_host_configure(h, s, &config));
        assert_true(config.bytes > 100);
        ok(cupti_host_passes(h, &config, &passes));
        assert_int_equal(passes, s->passes);
        if (strcmp(s->name, "wide") != 0) assert_int_equal(passes, 1);
        cupti_image_free(&config);
        cupti_host_close(h);
    }
}

/* The one-pass set stays one only while nothing that shares its counters is added. */
static void another_number_of_passes_is_refused(void **state)
{
    const struct cupti_set *base = set_of("GA100", "base");
    struct cupti_metric more[CUPTI_SET_MAX];
    memcpy(more, base->metric, (size_t)base->n * sizeof *more);
    more[base->n] =
        (struct cupti_metric){"lts__t_sector_hit_rate.pct", "pct", "", COUNTER_L2_BYTES, 1};
    const struct cupti_set set = {
        .name = "more", .chip = "GA100", .passes = 1, .metric = more, .n = base->n + 1};
    struct cupti_host *h = host("GA100");
    struct cupti_image config;
    fails(cupti_host_configure(h, &set, &config), ERR_VERIFY, "passes here, not 1");
    assert_null(config.data);
    cupti_host_close(h);
}

static void a_chip_nobody_knows_is_refused(void **state)
{
    struct cupti_host *h = host("GA100");
    cupti_host_close(h);
    fails(cupti_host_open("GZ999", NULL, &h), ERR_UNSUPPORTED, "does not know the chip");
    assert_null(h);
}

/* ---- the table itself ---- */

static void columns_are_sums_of_their_metrics(void **state)
{
    const struct cupti_set *v = set_of("GH100", "vector"), *b = set_of("GH100", "base");
    /* fadd fmul ffma hadd hmul hfma dadd dmul dfma */
    const double thread_instructions[] = {1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7, 1e8};
    struct counters c, d;
    assert_int_equal(v->n, 9);
    ok(cupti_set_columns(v, thread_instructions, &c));
    assert_int_equal(c.value[COUNTER_FLOP_VECTOR], 1 + 10 + 2 * 100 + 2 * 1000 + 2 * 10000 +
                                                       4 * 100000 + 1000000 + 10000000 +
                                                       2 * 100000000LL);
    assert_int_equal(c.value[COUNTER_DRAM_READ_BYTES], -1);

    double values[CUPTI_SET_MAX];
    for (int32_t i = 0; i < b->n; i++) values[i] = 7;
    ok(cupti_set_columns(b, values, &d));
    assert_int_equal(d.value[COUNTER_L2_BYTES], 7 * 32);
    assert_int_equal(d.value[COUNTER_DRAM_READ_BYTES], 7);
    assert_int_equal(d.value[COUNTER_FLOP_VECTOR], -1);
    counters_merge(&d, &c);
    assert_int_equal(d.value[COUNTER_L2_BYTES], 7 * 32);
    assert_int_equal(d.value[COUNTER_FLOP_VECTOR], c.value[COUNTER_FLOP_VECTOR]);
}

static void what_is_no_count_is_refused(void **state)
{
    const struct cupti_set *b = set_of("GA100", "base");
    const double bad[] = {NAN, -1, INFINITY, 0x1p63};
    double values[CUPTI_SET_MAX] = {0};
    struct counters c;
    for (int i = 0; i < 4; i++) {
        values[2] = bad[i];
        fails(cupti_set_columns(b, values, &c), ERR_DEVICE, b->metric[2].name);
    }
}

static void every_name_has_its_rollup_and_sets_are_found(void **state)
{
    const struct cupti_set *s;
    for (int32_t i = 0; (s = cupti_set_at(i)); i++)
        for (int32_t k = 0; k < s->n; k++) {
            const char *point = strchr(s->metric[k].name, '.');
            assert_non_null(point);
            assert_string_equal(point + 1, s->metric[k].rollup);
        }
    fails(cupti_set_find("GV100", "base", &s), ERR_UNSUPPORTED, "only for GA100, GH100");
    fails(cupti_set_find("GA100", "bsae", &s), ERR_USAGE, "base, vector, wide");
}

/* ---- files ---- */

static void a_saved_pass_is_read_back_whole_or_not(void **state)
{
    struct cupti_file f = {.chip = "GA100", .set = "base", .version = 130001}, g;
    const char *path = in_folder(*state, "a.counters"), *cut = in_folder(*state, "cut.counters");
    ok(cupti_image_alloc(&f.config, 100));
    ok(cupti_image_alloc(&f.counted, 70000));
    for (size_t i = 0; i < f.counted.bytes; i++) f.counted.data[i] = (uint8_t)(i % 251);
    ok(cupti_file_write(path, &f));
    ok(cupti_file_read(path, &g));
    assert_string_equal(g.chip, "GA100");
    assert_string_equal(g.set, "base");
    assert_int_equal(g.version, 130001);
    assert_int_equal(g.counted.bytes, f.counted.bytes);
    assert_memory_equal(g.config.data, f.config.data, 100);
    assert_memory_equal(g.counted.data, f.counted.data, 70000);
    cupti_file_free(&g);
    cupti_file_free(&f);

    /* One changed byte, as CUPTI itself would crash on. */
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 5000, SEEK_SET), 0);
    assert_int_equal(fputc(255, file), 255);
    fclose(file);
    fails(cupti_file_read(path, &g), ERR_IO, "is damaged");
    assert_null(g.counted.data);
    assert_int_equal(truncate(path, 70000), 0);
    fails(cupti_file_read(path, &g), ERR_IO, "ends before");
    write_file(cut, "regime-counters 2 GA100 base 1 2 3 00\n");
    fails(cupti_file_read(cut, &g), ERR_IO, "is no file of counters");
    write_file(cut, "regime-counters 1 GA100 base 1 99999999999 3 00\n");
    fails(cupti_file_read(cut, &g), ERR_IO, "more than there can be");
    write_file(cut, "regime-counters 1 GA100 base 1 1 1 00\nabc");
    fails(cupti_file_read(cut, &g), ERR_IO, "goes on after");
    fails(cupti_file_read(in_folder(*state, "none"), &g), ERR_IO, "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_exists_with_its_unit_and_rollup),
        cmocka_unit_test(a_wrong_name_unit_or_rollup_is_named),
        cmocka_unit_test(every_set_takes_the_passes_it_says),
        cmocka_unit_test(another_number_of_passes_is_refused),
        cmocka_unit_test(a_chip_nobody_knows_is_refused),
        cmocka_unit_test(columns_are_sums_of_their_metrics),
        cmocka_unit_test(what_is_no_count_is_refused),
        cmocka_unit_test(every_name_has_its_rollup_and_sets_are_found),
        cmocka_unit_test_setup_teardown(a_saved_pass_is_read_back_whole_or_not, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
