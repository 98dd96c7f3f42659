/* test_roofline.c - roof arithmetic, the device table and probes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "roofline/device.h"
#include "roofline/probe.h"
#include "roofline/roof.h"

static void attainable_is_the_lower_roof(void **state)
{
    struct roof r = {.flop_per_s = 100, .bytes_per_s = 4};
    assert_true(roof_ridge(r) == 25);
    assert_true(roof_attainable(r, 1) == 4);
    assert_true(roof_attainable(r, 25) == 100);
    assert_true(roof_attainable(r, 1000) == 100);
    assert_true(roof_attainable(r, INFINITY) == 100);
    assert_true(isnan(roof_attainable(r, NAN)));
    assert_true(roof_time(r, 200, 4) == 2); /* 2 s of FLOPs over 1 s of bytes */
    assert_true(roof_time(r, 100, 20) == 5);
}

static void intensity_without_bytes(void **state)
{
    assert_true(roof_intensity(6, 3) == 2);
    assert_true(roof_intensity(0, 3) == 0);
    assert_true(isinf(roof_intensity(1, 0)));
    assert_true(isnan(roof_intensity(0, 0)));
}

static void a_side_needs_both_ends_of_the_band(void **state)
{
    struct roof r = {.flop_per_s = 100, .bytes_per_s = 4}; /* ridge 25 */
    assert_int_equal(roof_side(r, 1, 24.9), SIDE_MEMORY);
    assert_int_equal(roof_side(r, 25, 25), SIDE_COMPUTE);
    assert_int_equal(roof_side(r, 25, INFINITY), SIDE_COMPUTE);
    assert_int_equal(roof_side(r, 24, 26), SIDE_UNDECIDED);
    assert_int_equal(roof_side(r, NAN, 26), SIDE_UNDECIDED);
    assert_int_equal(roof_side(r, NAN, NAN), SIDE_UNDECIDED);
    assert_string_equal(side_name(SIDE_MEMORY), "memory");
    assert_string_equal(side_name(SIDE_COMPUTE), "compute");
    assert_string_equal(side_name(SIDE_UNDECIDED), "undecided");
}

static void every_device_is_complete_and_sourced(void **state)
{
    int n = 0;
    for (const struct device *d; (d = device_at(n)) != NULL; n++) {
        const char *sources[] = {d->compute_source, d->memory_source, d->l2_source,
                                 d->row_tile_source};
        for (int i = 0; i < 4; i++) assert_true(sources[i] != NULL && strlen(sources[i]) > 5);
        for (int i = 0; i < n; i++) assert_string_not_equal(device_at(i)->name, d->name);
        /* Dense peaks: bf16 twice tf32 on all of them; a figure with sparsity would be four
         * times.  Half a per cent for sources that round. */
        assert_true(fabs(d->tensor_bf16_flop_per_s / d->tensor_tf32_flop_per_s - 2) < 0.01);
        assert_true(d->vector_f32_flop_per_s < d->tensor_bf16_flop_per_s);
        assert_true(d->bytes_per_s > 1e11 && d->bytes_per_s < 2e13);
        assert_true(d->memory_bytes > 100 * d->l2_bytes && d->l2_bytes > 1000000);
        assert_true(d->row_tile == 16 || d->row_tile == 64);
        assert_int_equal(device_activation_dtype(d), DTYPE_BF16);
    }
    assert_true(n >= 6);
    assert_null(device_at(-1));
}

static void ridges_of_the_data_sheets(void **state)
{
    const struct {
        const char *name;
        double ridge; /* bf16 FLOP per byte, to one decimal */
    } want[] = {
        {"sim:a100-40gb", 200.6}, {"sim:a100-80gb", 153.0}, {"sim:a100-80gb-pcie", 161.2},
        {"sim:h100-sxm", 295.2},  {"sim:h200", 206.0},      {"sim:rtx-a6000", 201.6},
    };
    for (int i = 0; i < 6; i++) {
        const struct device *d;
        struct price p;
        assert_int_equal(device_find(want[i].name, &d), ERR_NONE);
        device_price(d, DTYPE_BF16, 0, &p);
        struct roof r = {p.matmul_flop_per_s, p.bytes_per_s};
        assert_true(fabs(roof_ridge(r) - want[i].ridge) <= 0.05 + 1e-9);
    }
}

static void the_price_of_a_device(void **state)
{
    const struct device *d;
    struct price p;
    struct traffic_model t;
    assert_int_equal(device_find("a100-80gb", &d), ERR_NONE);
    device_price(d, DTYPE_BF16, 3000, &p);
    assert_true(p.known && p.launch_ns == 3000);
    assert_true(p.matmul_flop_per_s == 312e12 && p.attention_flop_per_s == 312e12);
    assert_true(p.vector_flop_per_s == 19.5e12 && p.bytes_per_s == 2039e9);
    device_price(d, DTYPE_F32, 0, &p);
    assert_true(p.matmul_flop_per_s == 156e12 && p.launch_ns == 0);
    device_traffic(d, &t);
    assert_int_equal(t.llc_bytes, 40 * 1024 * 1024);
    assert_int_equal(t.row_tile, 16);
    assert_int_equal(t.block_rows, 1024);
    assert_int_equal(t.block_cols, 1024);
}

static void a_mistyped_device_gets_a_suggestion(void **state)
{
    const struct device *d = NULL;
    assert_int_equal(device_find("sim:a100-80g", &d), ERR_USAGE);
    assert_null(d);
    assert_non_null(strstr(err_msg(), "\"a100-80gb\""));
    assert_int_equal(device_find("sim:abacus", &d), ERR_USAGE);
    assert_null(strstr(err_msg(), "nearest"));
    assert_int_equal(device_find("sim:", &d), ERR_USAGE);
    assert_int_equal(device_find("", &d), ERR_USAGE);
}

static void the_clock_measures_time_and_nothing_else(void **state)
{
    void *p;
    struct measured m;
    assert_null(probe_clock.disabled);
    assert_int_equal(probe_clock.open(0, &p), ERR_NONE);
    assert_int_equal(probe_clock.begin(p), ERR_NONE);
    assert_int_equal(probe_clock.end(p, &m), ERR_NONE);
    assert_true(m.time_ns >= 0);
    for (int i = 0; i < COUNTER_COUNT; i++) assert_int_equal(m.counters.value[i], -1);
    probe_clock.close(p);
    probe_clock.close(NULL);
}

static void a_probe_that_is_not_there_says_why(void **state)
{
    void *p = NULL;
    int n = 0;
    for (const struct probe_ops *o; (o = probe_at(n)) != NULL; n++) {
        assert_non_null(o->name);
        assert_true(strcmp(o->evidence, "timing") == 0 || strcmp(o->evidence, "counter") == 0);
        if (o->disabled == NULL) continue;
        assert_int_equal(o->open(0, &p), ERR_UNSUPPORTED);
        assert_non_null(strstr(err_msg(), o->disabled));
        o->close(NULL);
    }
    assert_true(n >= 1);
    assert_null(probe_at(-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attainable_is_the_lower_roof),
        cmocka_unit_test(intensity_without_bytes),
        cmocka_unit_test(a_side_needs_both_ends_of_the_band),
        cmocka_unit_test(every_device_is_complete_and_sourced),
        cmocka_unit_test(ridges_of_the_data_sheets),
        cmocka_unit_test(the_price_of_a_device),
        cmocka_unit_test(a_mistyped_device_gets_a_suggestion),
        cmocka_unit_test(the_clock_measures_time_and_nothing_else),
        cmocka_unit_test(a_probe_that_is_not_there_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
