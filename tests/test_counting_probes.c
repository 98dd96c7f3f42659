/* test_counting_probes.c - the probes that count, against a stand-in for the device half of
 * CUPTI: what comes back, and every call of it failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roofline/nvml.h"
#include "roofline/probe.h"
#include "tests/cupti/double.h"
#include "tests/store_fixture.h"

enum { N = 5 };

static int set_up(void **state)
{
    cupti_double_reset();
    *state = cupti_double();
    return 0;
}

static struct cupti_double *stand_in(void **state)
{
    if (!*state) {
        print_message("skipped: built without CUPTI, so there is nothing to stand in for\n");
        skip();
    }
    return *state;
}

/* Whatever was taken was given back, and no rule of a call was broken. */
static void all_is_put_back(const struct cupti_double *d)
{
    assert_string_equal(d->misused, "");
    assert_int_equal(d->n_held, 0);
    assert_int_equal(d->n_libraries, 0);
}

/* A series of n forwards, as often as the probe wants it; runs counts how often that was. */
static enum err series(const struct probe_ops *p, void *state, int32_t n, int32_t *runs)
{
    struct measured m;
    bool again = false;
    *runs = 0;
    do {
        TRY(p->start(state, n));
        for (int32_t i = 0; i < n; i++) {
            TRY(p->begin(state));
            TRY(p->end(state, &m));
            for (int c = 0; c < COUNTER_COUNT; c++) assert_int_equal(m.counters.value[c], -1);
        }
        TRY(p->stop(state, &again));
        ++*runs;
        assert_true(*runs < 20);
    } while (again);
    return ERR_NONE;
}

/* Forward i counts 1000 i and what tells its metric: 1 reads, 2 writes, 3 L2 sectors. */
static double by_forward(int32_t session, const char *range, const char *metric)
{
    int i = -1;
    (void)session;
    sscanf(range, "forward%d", &i);
    double kind = strstr(metric, "bytes_read")    ? 1
                  : strstr(metric, "bytes_write") ? 2
                  : strstr(metric, "srcunit_tex") ? 3
                                                  : 9;
    return 1000 * i + kind;
}

static void counters_come_back_to_their_forward(void **state)
{
    struct cupti_double *d = stand_in(state);
    void *p = NULL;
    int32_t runs;
    struct measured m;
    struct probe_facts facts;
    d->value = by_forward;
    ok(probe_cupti_base.open(0, &p));
    for (int repeat = 0; repeat < 2; repeat++) {
        ok(series(&probe_cupti_base, p, N + repeat, &runs));
        assert_int_equal(runs, 1);
        for (int32_t i = 0; i < N + repeat; i++) {
            ok(probe_cupti_base.read(p, i, &m));
            assert_int_equal(m.time_ns, -1);
            assert_int_equal(m.counters.value[COUNTER_DRAM_READ_BYTES], 1000 * i + 1);
            assert_int_equal(m.counters.value[COUNTER_DRAM_WRITE_BYTES], 1000 * i + 2);
            assert_int_equal(m.counters.value[COUNTER_L2_BYTES], 32 * (1000 * i + 3));
            assert_int_equal(m.counters.value[COUNTER_FLOP_VECTOR], -1);
        }
    }
    probe_cupti_base.facts(p, &facts);
    assert_string_equal(facts.chip, "GA100");
    assert_string_equal(facts.set, "base");
    assert_int_equal(facts.passes, 1);
    assert_int_equal(facts.version, 130001);
    assert_true(facts.config->bytes > 0 && facts.counted->bytes > 0);
    probe_cupti_base.close(p);
    all_is_put_back(d);
}

static void more_passes_ask_for_the_same_series_again(void **state)
{
    struct cupti_double *d = stand_in(state);
    void *p = NULL;
    int32_t runs;
    struct measured m;
    d->value = by_forward;
    d->chip = "GH100"; /* wide: 2 passes; on GA100 5 */
    ok(probe_cupti_wide.open(0, &p));
    ok(series(&probe_cupti_wide, p, N, &runs));
    assert_int_equal(runs, 2);
    ok(probe_cupti_wide.read(p, 3, &m));
    assert_int_equal(m.counters.value[COUNTER_DRAM_READ_BYTES], 3001);
    probe_cupti_wide.close(p);
    d->chip = "GA100";
    ok(probe_cupti_wide.open(0, &p));
    for (int repeat = 0; repeat < 2; repeat++) {
        ok(series(&probe_cupti_wide, p, N, &runs));
        assert_int_equal(runs, 5);
    }
    probe_cupti_wide.close(p);
    all_is_put_back(d);
}

/* Where a device offers fewer counters at once than its chip has, the set that takes one pass
 * takes three: nothing is measured with it. */
static void another_number_of_passes_than_expected_is_refused(void **state)
{
    struct cupti_double *d = stand_in(state);
    void *p = NULL;
    d->passes = 3;
    fails(probe_cupti_base.open(0, &p), ERR_VERIFY, "take 3 passes here, not 1");
    assert_null(p);
    all_is_put_back(d);
}

static void lost_ranges_are_no_counters(void **state)
{
    struct cupti_double *d = stand_in(state);
    void *p = NULL;
    int32_t runs;
    d->dropped = 2;
    ok(probe_cupti_base.open(0, &p));
    fails(series(&probe_cupti_base, p, N, &runs), ERR_DEVICE, "lost the counters of 2 ranges");
    probe_cupti_base.close(p);
    d->dropped = 0;
    d->missing = 1;
    ok(probe_cupti_base.open(0, &p));
    fails(series(&probe_cupti_base, p, N, &runs), ERR_DEVICE, "4 ranges came back for 5 forwards");
    probe_cupti_base.close(p);
    all_is_put_back(d);
}

static double impossible(int32_t session, const char *range, const char *metric)
{
    (void)session;
    return strcmp(range, "forward2") == 0 && strstr(metric, "dram__bytes_read") ? -1 : 1;
}

static void a_value_that_is_no_count_is_refused(void **state)
{
    struct cupti_double *d = stand_in(state);
    void *p = NULL;
    int32_t runs;
    d->value = impossible;
    ok(probe_cupti_base.open(0, &p));
    fails(series(&probe_cupti_base, p, N, &runs), ERR_DEVICE,
          "dram__bytes_read.sum came back as -1");
    probe_cupti_base.close(p);
    all_is_put_back(d);
}

static double by_kernel(int32_t session, const char *range, const char *metric)
{
    return strstr(metric, "bytes_read") ? 10 * session + atoi(range) : 0;
}

static void each_kernel_is_counted_alone(void **state)
{
    struct cupti_double *d = stand_in(state);
    void *p = NULL;
    int32_t runs, n = 0;
    const struct kernel_record *k = NULL;
    d->value = by_kernel;
    ok(probe_cupti_kernel.open(0, &p));
    ok(series(&probe_cupti_kernel, p, 2, &runs));
    ok(probe_cupti_kernel.kernels(p, &k, &n));
    assert_int_equal(n, 2 * 3);
    for (int32_t i = 0; i < n; i++) { /* they come back last first */
        assert_int_equal(k[i].forward, i / 3);
        assert_int_equal(k[i].ordinal, i % 3);
        assert_int_equal(k[i].counters.value[COUNTER_DRAM_READ_BYTES], 10 * (1 + i / 3) + i % 3);
        assert_int_equal(k[i].start_ns, -1);
    }
    probe_cupti_kernel.close(p);
    all_is_put_back(d);
}

static void kernels_join_their_forward_in_order(void **state)
{
    struct cupti_double *d = stand_in(state);
    void *p = NULL;
    int32_t runs, n = 0;
    const struct kernel_record *k = NULL;
    ok(probe_cupti_activity.open(0, &p));
    for (int repeat = 0; repeat < 2; repeat++) {
        ok(series(&probe_cupti_activity, p, N, &runs));
        ok(probe_cupti_activity.kernels(p, &k, &n));
        assert_int_equal(n, N * 3); /* the stray one between forwards is not among them */
        for (int32_t i = 0; i < n; i++) {
            static const char *const names[] = {"matmul", "attention", "add"};
            assert_int_equal(k[i].forward, i / 3);
            assert_int_equal(k[i].ordinal, i % 3);
            assert_string_equal(k[i].name, names[i % 3]);
            assert_int_equal(k[i].start_ns, 100 * (i % 3));
            assert_int_equal(k[i].end_ns - k[i].start_ns, 60);
            assert_int_equal(k[i].grid[0], 10 + i % 3);
            assert_int_equal(k[i].block[0], 128);
            assert_int_equal(k[i].shared_bytes, 1536);
            assert_int_equal(k[i].counters.value[COUNTER_DRAM_READ_BYTES], -1);
        }
    }
    probe_cupti_activity.close(p);
    all_is_put_back(d);

    d->dropped = 4;
    ok(probe_cupti_activity.open(0, &p));
    fails(series(&probe_cupti_activity, p, N, &runs), ERR_DEVICE, "lost 4 records");
    probe_cupti_activity.close(p);
    d->dropped = 0;
    d->no_times = true;
    ok(probe_cupti_activity.open(0, &p));
    fails(series(&probe_cupti_activity, p, N, &runs), ERR_DEVICE, "without its times");
    probe_cupti_activity.close(p);
    all_is_put_back(d);
}

/* ---- what keeps a process from the counters, each with its cure ---- */

static void every_obstacle_is_named_with_its_cure(void **state)
{
    struct cupti_double *d = stand_in(state);
    void *p = NULL;
    static const struct {
        const char *call;
        int result; /* a CUptiResult */
        const char *says;
    } obstacles[] = {
        {"cuptiProfilerGetCounterAvailability", 35, "NVreg_RestrictProfilingToAdminUsers=0"},
        {"cuptiProfilerGetCounterAvailability", 26, "dcgmi profile --pause"},
        {"cuptiRangeProfilerEnable", 39, "another profiler is attached"},
        {"cuptiProfilerDeviceSupported", 43, "switch MIG off"},
        {"cuptiProfilerGetCounterAvailability", 40, "administrator enables it"},
        {"cuptiProfilerHostInitialize", 46, "install a newer one"},
        {"cuptiProfilerHostInitialize", 15, "libnvperf_host.so"},
        {"cuptiProfilerDeviceSupported", 41, "confidential computing"},
    };
    for (size_t i = 0; i < sizeof obstacles / sizeof obstacles[0]; i++) {
        int32_t runs;
        cupti_double_reset();
        d->fail_call = obstacles[i].call;
        d->fail_from = 1;
        d->fail_with = obstacles[i].result;
        enum err e = probe_cupti_base.open(0, &p);
        if (e == ERR_NONE) e = series(&probe_cupti_base, p, N, &runs);
        fails(e, ERR_UNSUPPORTED, obstacles[i].says);
        assert_non_null(strstr(err_msg(), obstacles[i].call));
        probe_cupti_base.close(p);
        all_is_put_back(d);
    }
    cupti_double_reset();
    d->no_driver = true;
    fails(probe_cupti_base.open(0, &p), ERR_UNSUPPORTED, "no NVIDIA driver");
    assert_int_equal(d->n_calls, 0); /* some of CUPTI's calls crash without one */
    cupti_double_reset();
    d->no_library = true;
    fails(probe_cupti_activity.open(0, &p), ERR_UNSUPPORTED, "no CUPTI");
    cupti_double_reset();
    fails(probe_cupti_base.open(1, &p), ERR_UNSUPPORTED, "sees 1 GPUs");
    d->unsupported = true;
    fails(probe_cupti_base.open(0, &p), ERR_UNSUPPORTED, "virtual GPU");
    cupti_double_reset();
    d->chip = "GV100";
    fails(probe_cupti_base.open(0, &p), ERR_UNSUPPORTED,
          "no counters are chosen for the chip GV100");
    all_is_put_back(d);
}

/* ---- every call failing once ---- */

/* As fails() but for any code: a sentence that names the call which failed. */
static void failed_in_a_sentence(const struct cupti_double *d, enum err e)
{
    assert_int_not_equal(e, ERR_NONE);
    assert_true(strlen(err_msg()) > 20);
    if (!strstr(err_msg(), d->failed)) fail_msg("\"%s\" failed: %s", d->failed, err_msg());
}

static void every_call_can_fail_once(void **state)
{
    struct cupti_double *d = stand_in(state);
    static const struct probe_ops *const probes[] = {&probe_cupti_base, &probe_cupti_wide,
                                                     &probe_cupti_kernel, &probe_cupti_activity};
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        int32_t failures = 0;
        for (int32_t k = 1;; k++) {
            void *p = NULL;
            int32_t runs;
            cupti_double_reset();
            d->fail_at = k;
            enum err e = probes[i]->open(0, &p);
            if (e == ERR_NONE) e = series(probes[i], p, 2, &runs);
            if (e == ERR_NONE && !d->failed[0]) {
                probes[i]->close(p);
                all_is_put_back(d);
                break;
            }
            /* What only closing calls has nobody to tell, but gives everything back, too. */
            if (d->failed[0] && e != ERR_NONE) {
                failed_in_a_sentence(d, e);
                failures++;
            }
            probes[i]->close(p);
            all_is_put_back(d);
        }
        assert_true(failures > 20);
    }
}

/* ---- NVML ---- */

static void the_management_library_is_read(void **state)
{
    stand_in(state);
    struct nvml *n = NULL;
    struct nvml_reading a, b;
    struct nvml_state s;
    char words[200];
    ok(nvml_open(0, &n));
    ok(nvml_read(n, &a));
    ok(nvml_read(n, &b));
    assert_int_equal(a.sm_mhz, 1410);
    assert_int_equal(a.memory_mhz, 1593);
    assert_int_equal(a.power_mw, 250000);
    assert_int_equal(b.energy_mj - a.energy_mj, 50000);
    assert_int_equal(a.temperature_c, 41);
    nvml_throttle_words(a.throttle_bits, words, sizeof words);
    assert_string_equal(words, "power cap");
    nvml_throttle_words(0x48, words, sizeof words);
    assert_string_equal(words, "slowdown (hardware), thermal (hardware)");
    nvml_throttle_words(0, words, sizeof words);
    assert_string_equal(words, "");
    nvml_throttle_words(-1, words, sizeof words);
    assert_string_equal(words, "");
    ok(nvml_read_state(n, &s));
    assert_string_equal(s.driver, "580.65.06");
    assert_int_equal(s.ecc, 1);
    assert_int_equal(s.mig, 0);
    assert_int_equal(s.power_limit_mw, 400000);
    nvml_close(n);
    nvml_close(NULL);
}

static void what_a_gpu_does_not_say_is_unknown(void **state)
{
    struct cupti_double *d = stand_in(state);
    struct nvml *n = NULL;
    struct nvml_reading r;
    d->no_energy = true;
    ok(nvml_open(0, &n));
    ok(nvml_read(n, &r));
    assert_int_equal(r.energy_mj, -1);
    assert_int_equal(r.sm_mhz, 1410);
    nvml_close(n);
    fails(nvml_open(3, &n), ERR_UNSUPPORTED, "no GPU 3");
    d->no_nvml = true;
    fails(nvml_open(0, &n), ERR_UNSUPPORTED, "NVML");
    assert_int_equal(d->n_held, 0);
}

static void every_call_of_nvml_can_fail_once(void **state)
{
    struct cupti_double *d = stand_in(state);
    int32_t failures = 0;
    for (int32_t k = 1;; k++, failures++) {
        struct nvml *n = NULL;
        struct nvml_reading r;
        struct nvml_state s;
        cupti_double_reset();
        d->fail_at = k;
        enum err e = nvml_open(0, &n);
        if (e == ERR_NONE) e = nvml_read(n, &r);
        if (e == ERR_NONE) e = nvml_read_state(n, &s);
        nvml_close(n);
        assert_int_equal(d->n_held, 0);
        if (!d->failed[0]) break;
        assert_int_equal(e, ERR_UNSUPPORTED);
        assert_true(strlen(err_msg()) > 10);
    }
    assert_int_equal(failures, 5 + 6 + 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counters_come_back_to_their_forward, set_up),
        cmocka_unit_test_setup(more_passes_ask_for_the_same_series_again, set_up),
        cmocka_unit_test_setup(another_number_of_passes_than_expected_is_refused, set_up),
        cmocka_unit_test_setup(lost_ranges_are_no_counters, set_up),
        cmocka_unit_test_setup(a_value_that_is_no_count_is_refused, set_up),
        cmocka_unit_test_setup(each_kernel_is_counted_alone, set_up),
        cmocka_unit_test_setup(kernels_join_their_forward_in_order, set_up),
        cmocka_unit_test_setup(every_obstacle_is_named_with_its_cure, set_up),
        cmocka_unit_test_setup(every_call_can_fail_once, set_up),
        cmocka_unit_test_setup(the_management_library_is_read, set_up),
        cmocka_unit_test_setup(what_a_gpu_does_not_say_is_unknown, set_up),
        cmocka_unit_test_setup(every_call_of_nvml_can_fail_once, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
