/* test_perf.c - the kernel's counters: what is asked of the system, what is made of its answers,
 * and every way in which it refuses.  A stand-in answers here; at the end the real kernel does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/build_info.h"
#include "harness/base/clock.h"
#include "roofline/perf.h"
#include "roofline/perf_memory.h"
#include "roofline/probe.h"
#include "tests/store_fixture.h"

/* ---- a system that answers as a test wants ---- */

enum { FDS = 64, FIRST_FD = 1000, UNCORE_TYPE = 13 };

struct fake {
    char folder[64], tasks[80], devices[80], paranoid[80];
    struct perf_system sys;
    struct perf_event_attr attr[FDS]; /* of what was opened */
    int thread[FDS], cpu[FDS], group[FDS], reads[FDS], n, n_closed;

    bool (*refuses)(const struct perf_event_attr *a, int thread);
    int error;          /* with this */
    uint64_t lost_ns;   /* off the counters between two readings                        */
    ssize_t short_read; /* -1: an error, 0: taken away, 8: too little; 1: as it should be */
};

static int fake_open(void *ctx, struct perf_event_attr *a, pid_t thread, int cpu, int group)
{
    struct fake *f = ctx;
    if (f->refuses && f->refuses(a, thread)) {
        errno = f->error;
        return -1;
    }
    assert_true(f->n < FDS);
    f->attr[f->n] = *a;
    f->thread[f->n] = thread;
    f->cpu[f->n] = cpu;
    f->group[f->n] = group;
    return FIRST_FD + f->n++;
}

/* From one reading to the next every count grows by 100 for its place in the group: 100, 200, 300.
 */
static ssize_t fake_read(void *ctx, int fd, void *buf, size_t bytes)
{
    struct fake *f = ctx;
    uint64_t *out = buf, n = 1, later = (uint64_t)f->reads[fd - FIRST_FD]++;
    for (int i = 0; i < f->n; i++) n += f->group[i] == fd;
    errno = EIO;
    if (f->short_read != 1) return f->short_read;
    assert_int_equal(bytes, (3 + n) * 8);
    out[0] = n;
    out[1] = 1000 + 4000 * later;
    out[2] = 1000 + (4000 - f->lost_ns) * later;
    for (uint64_t i = 0; i < n; i++) out[3 + i] = 7 + later * 100 * (i + 1);
    return (ssize_t)bytes;
}

static void fake_close(void *ctx, int fd)
{
    struct fake *f = ctx;
    assert_true(fd >= FIRST_FD && fd < FIRST_FD + f->n);
    f->n_closed++;
}

static void put_file(const struct fake *f, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    for (char *slash = path + strlen(f->folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void drop(const struct fake *f, const char *name)
{
    char command[500];
    snprintf(command, sizeof command, "rm -rf '%s/%s'", f->folder, name);
    assert_int_equal(system(command), 0);
}

/* One controller as sysfs describes it. */
static void describe(const struct fake *f, const char *pmu, const char *read, const char *write,
                     const char *cpus)
{
    char name[200];
    snprintf(name, sizeof name, "devices/%s/type", pmu);
    put_file(f, name, "13\n");
    snprintf(name, sizeof name, "devices/%s/cpumask", pmu);
    put_file(f, name, cpus);
    snprintf(name, sizeof name, "devices/%s/format/event", pmu);
    put_file(f, name, "config:0-7\n");
    snprintf(name, sizeof name, "devices/%s/format/umask", pmu);
    put_file(f, name, "config:8-15\n");
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "devices/%s/events/%s", pmu, i ? write : read);
        put_file(f, name, i ? "event=0x04,umask=0x0c\n" : "event=0x04,umask=0x03\n");
        snprintf(name, sizeof name, "devices/%s/events/%s.scale", pmu, i ? write : read);
        put_file(f, name, "6.103515625e-5\n"); /* 64 bytes, in MiB */
        snprintf(name, sizeof name, "devices/%s/events/%s.unit", pmu, i ? write : read);
        put_file(f, name, "MiB\n");
    }
}

static int set_up(void **state)
{
    struct fake *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->short_read = 1;
    strcpy(f->folder, "/tmp/regime-perf-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->tasks, sizeof f->tasks, "%s/tasks", f->folder);
    snprintf(f->devices, sizeof f->devices, "%s/devices", f->folder);
    snprintf(f->paranoid, sizeof f->paranoid, "%s/paranoid", f->folder);
    f->sys = (struct perf_system){fake_open, fake_read,  fake_close, f,
                                  f->tasks,  f->devices, f->paranoid};
    put_file(f, "tasks/41/comm", "");
    put_file(f, "tasks/42/comm", "");
    put_file(f, "paranoid", "2\n");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    drop(*state, "");
    free(*state);
    return 0;
}

static bool everything(const struct perf_event_attr *a, int thread)
{
    (void)thread;
    return a != NULL;
}

static bool cache_misses(const struct perf_event_attr *a, int thread)
{
    (void)thread;
    return a->type == PERF_TYPE_HARDWARE && a->config == PERF_COUNT_HW_CACHE_MISSES;
}

static bool the_second_thread(const struct perf_event_attr *a, int thread)
{
    (void)a;
    return thread == 42;
}

static bool writes_at_memory(const struct perf_event_attr *a, int thread)
{
    (void)thread;
    return a->type == UNCORE_TYPE && a->config == 0x0c04;
}

static bool the_kernel(const struct perf_event_attr *a, int thread)
{
    (void)thread;
    return !a->exclude_kernel;
}

/* ---- counting ---- */

static struct counters count_once(struct fake *f, enum perf_kind kind)
{
    struct counters c;
    struct perf *p;
    ok(perf_open(&f->sys, kind, &p));
    ok(perf_check_threads(p));
    ok(perf_begin(p));
    ok(perf_end(p, &c));
    perf_close(p);
    assert_int_equal(f->n_closed, f->n);
    return c;
}

static void threads_and_controllers_are_added_up(void **state)
{
    struct fake *f = *state;
    describe(f, "uncore_imc_0", "cas_count_read", "cas_count_write", "0,18\n");
    struct counters c = count_once(f, PERF_HARDWARE);
    /* Two threads: 2 x 100, 2 x 200, 2 x 300.  Two sockets: 2 x 100 and 2 x 200 lines of 64 bytes.
     */
    assert_int_equal(c.value[COUNTER_CPU_CYCLES], 200);
    assert_int_equal(c.value[COUNTER_CPU_INSTRUCTIONS], 400);
    assert_int_equal(c.value[COUNTER_LLC_MISSES], 600);
    assert_int_equal(c.value[COUNTER_DRAM_READ_BYTES], 2 * 100 * 64);
    assert_int_equal(c.value[COUNTER_DRAM_WRITE_BYTES], 2 * 200 * 64);
    assert_int_equal(c.value[COUNTER_TASK_CLOCK_NS], -1);
    assert_int_equal(c.value[COUNTER_FLOP_VECTOR], -1);

    assert_int_equal(f->n, 2 * 3 + 2 * 2);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(f->thread[i], 41 + i / 3);
        assert_int_equal(f->cpu[i], -1);
        assert_int_equal(f->group[i], i % 3 ? FIRST_FD + i / 3 * 3 : -1);
        assert_int_equal(f->attr[i].pinned, i % 3 == 0);
        assert_true(f->attr[i].exclude_kernel && f->attr[i].exclude_hv);
        assert_int_equal(f->attr[i].type, PERF_TYPE_HARDWARE);
    }
    for (int i = 6; i < 10; i++) {
        assert_int_equal(f->thread[i], -1);
        assert_int_equal(f->cpu[i], i < 8 ? 0 : 18);
        assert_int_equal(f->attr[i].type, UNCORE_TYPE);
        assert_int_equal(f->attr[i].config, i % 2 ? 0x0c04 : 0x0304);
        assert_false(f->attr[i].exclude_kernel); /* memory is everybody's */
    }
}

static void what_the_kernel_counts_is_not_called_hardware(void **state)
{
    struct fake *f = *state;
    struct counters c = count_once(f, PERF_SOFTWARE);
    /* Each leads a group of its own. */
    assert_int_equal(c.value[COUNTER_TASK_CLOCK_NS], 200);
    assert_int_equal(c.value[COUNTER_PAGE_FAULTS], 200);
    assert_int_equal(c.value[COUNTER_CONTEXT_SWITCHES], 200);
    for (int i = 0; i < COUNTER_COUNT; i++)
        assert_true(i >= COUNTER_TASK_CLOCK_NS || c.value[i] == -1);
    for (int i = 0; i < f->n; i++) assert_int_equal(f->attr[i].type, PERF_TYPE_SOFTWARE);
}

/* In user mode there are no context switches: 0 would be a lie. */
static void context_switches_need_the_kernel(void **state)
{
    struct fake *f = *state;
    f->refuses = the_kernel;
    f->error = EACCES;
    struct counters c = count_once(f, PERF_SOFTWARE);
    assert_int_equal(c.value[COUNTER_TASK_CLOCK_NS], 200);
    assert_int_equal(c.value[COUNTER_PAGE_FAULTS], 200);
    assert_int_equal(c.value[COUNTER_CONTEXT_SWITCHES], -1);
}

static void an_event_the_cpu_lacks_is_not_counted(void **state)
{
    struct fake *f = *state;
    f->refuses = cache_misses;
    f->error = ENOENT;
    struct counters c = count_once(f, PERF_HARDWARE);
    assert_int_equal(c.value[COUNTER_CPU_CYCLES], 200);
    assert_int_equal(c.value[COUNTER_CPU_INSTRUCTIONS], 400);
    assert_int_equal(c.value[COUNTER_LLC_MISSES], -1);
    assert_int_equal(c.value[COUNTER_DRAM_READ_BYTES], -1);
}

/* ---- refusals ---- */

static void every_refusal_has_its_cause_and_its_cure(void **state)
{
    static const struct {
        int error;
        const char *paranoid, *says;
    } cases[] = {
        {ENOSYS, "2", "this kernel has no perf_event_open"},
        {ENOENT, "2", "no counter for it (No such file or directory); virtual machines"},
        {EOPNOTSUPP, "2", "no counter for it"},
        {EACCES, "4", "perf_event_paranoid is 4; sysctl kernel.perf_event_paranoid=2"},
        {EPERM, "3", "perf_event_paranoid is 3"},
        {EPERM, "2", "although perf_event_paranoid is 2: a container's seccomp filter?"},
        {EACCES, "-1", "although perf_event_paranoid is -1"},
        {EPERM, NULL, "paranoid cannot be read"},
        {EMFILE, "2", "each thread needs three (ulimit -n)"},
        {EBUSY, "2", "another program holds the counters"},
        {EINVAL, "2", "perf_event_open: Invalid argument"},
    };
    struct fake *f = *state;
    f->refuses = everything;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct perf *p;
        f->error = cases[i].error;
        drop(f, "paranoid");
        if (cases[i].paranoid) put_file(f, "paranoid", cases[i].paranoid);
        fails(perf_open(&f->sys, PERF_HARDWARE, &p), ERR_UNSUPPORTED, cases[i].says);
        assert_null(p);
        fails(perf_open(&f->sys, PERF_SOFTWARE, &p), ERR_UNSUPPORTED,
              strchr(cases[i].says, '=') ? "perf_event_paranoid" : cases[i].says);
    }
    assert_int_equal(f->n, 0);
}

static void what_one_thread_has_all_must_have(void **state)
{
    struct fake *f = *state;
    struct perf *p;
    f->refuses = the_second_thread;
    f->error = EMFILE;
    fails(perf_open(&f->sys, PERF_HARDWARE, &p), ERR_UNSUPPORTED, "cpu_cycles: ");
    assert_int_equal(f->n, 3);
    assert_int_equal(f->n_closed, 3);
    drop(f, "tasks");
    fails(perf_open(&f->sys, PERF_HARDWARE, &p), ERR_UNSUPPORTED, "lists no threads");
}

/* Half of the traffic would pass for all of it. */
static void memory_is_counted_whole_or_not_at_all(void **state)
{
    struct fake *f = *state;
    char words[400];
    struct perf *p;
    describe(f, "uncore_imc_0", "cas_count_read", "cas_count_write", "0\n");
    f->refuses = writes_at_memory;
    f->error = EACCES;
    ok(perf_open(&f->sys, PERF_HARDWARE, &p));
    perf_describe(p, words, sizeof words);
    assert_string_equal(words,
                        "cpu_cycles, cpu_instructions, llc_misses; dram_write_bytes: not allowed: "
                        "perf_event_paranoid is 2; sysctl kernel.perf_event_paranoid=0, or "
                        "CAP_PERFMON");
    struct counters c;
    ok(perf_begin(p));
    ok(perf_end(p, &c));
    assert_int_equal(c.value[COUNTER_CPU_CYCLES], 200);
    assert_int_equal(c.value[COUNTER_DRAM_READ_BYTES], -1);
    assert_int_equal(c.value[COUNTER_DRAM_WRITE_BYTES], -1);
    perf_close(p);
    assert_int_equal(f->n_closed, f->n);
    drop(f, "devices");
    ok(perf_open(&f->sys, PERF_HARDWARE, &p));
    perf_describe(p, words, sizeof words);
    assert_non_null(strstr(words, "; no memory controller with counts of bytes is described"));
    perf_close(p);
}

static void a_guess_is_not_a_count(void **state)
{
    static const struct {
        uint64_t lost_ns;
        ssize_t short_read;
        const char *says;
    } cases[] = {
        {1500, 1, "cpu_cycles was on a counter for 2500 of 4000 ns"},
        {0, 0, "another user of the counters took them away"},
        {0, 8, "a counter returned 8 bytes, expected 48"},
        {0, -1, "reading a counter: Input/output error"},
    };
    struct fake *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct counters c;
        struct perf *p;
        f->n = f->n_closed = 0;
        memset(f->reads, 0, sizeof f->reads);
        f->short_read = 1;
        f->lost_ns = cases[i].lost_ns;
        ok(perf_open(&f->sys, PERF_HARDWARE, &p));
        ok(perf_begin(p));
        f->short_read = cases[i].short_read;
        fails(perf_end(p, &c), ERR_UNSUPPORTED, cases[i].says);
        if (cases[i].short_read != 1) fails(perf_begin(p), ERR_UNSUPPORTED, cases[i].says);
        perf_close(p);
        assert_int_equal(f->n_closed, 6);
    }
}

static void a_later_thread_is_noticed(void **state)
{
    struct fake *f = *state;
    struct perf *p;
    ok(perf_open(&f->sys, PERF_HARDWARE, &p));
    drop(f, "tasks/42"); /* one that ended is no loss */
    ok(perf_check_threads(p));
    put_file(f, "tasks/43/comm", "");
    fails(perf_check_threads(p), ERR_UNSUPPORTED, "a thread began after");
    perf_close(p);
}

/* ---- descriptions of memory ---- */

static void controllers_are_read_from_sysfs(void **state)
{
    struct fake *f = *state;
    struct memory_counter m[MEMORY_COUNTERS_MAX];
    int32_t n;
    ok(memory_counters_find(f->devices, m, &n)); /* no folder at all */
    assert_int_equal(n, 0);
    describe(f, "uncore_imc_free_running_0", "data_read", "data_write", "0\n");
    describe(f, "cpu", "cache-misses", "cache-references", "0\n");
    ok(memory_counters_find(f->devices, m, &n));
    assert_int_equal(n, 1);
    /* The same traffic under another name is not taken twice. */
    describe(f, "uncore_imc_1", "cas_count_read", "cas_count_write", "0-2\n");
    ok(memory_counters_find(f->devices, m, &n));
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(m[i].type, 13);
        assert_int_equal(m[i].cpu, i);
        assert_int_equal(m[i].config[MEMORY_READ], 0x0304);
        assert_int_equal(m[i].config[MEMORY_WRITE], 0x0c04);
        assert_true(m[i].bytes[MEMORY_READ] == 64);
    }
    /* Split fields: 0x1ff into bits 0-7 and 21. */
    put_file(f, "devices/uncore_imc_1/format/event", "config:0-7,21\n");
    put_file(f, "devices/uncore_imc_1/events/cas_count_read", "event=0x1ff,umask\n");
    ok(memory_counters_find(f->devices, m, &n));
    assert_int_equal(m[0].config[MEMORY_READ], 0x2001ff);
}

static void a_description_that_is_not_understood_is_not_guessed_at(void **state)
{
    static const struct {
        const char *file, *text, *says;
    } cases[] = {
        {"events/cas_count_read.unit", "GB\n", ".unit: \"GB\" is not understood"},
        {"events/cas_count_read.scale", "much\n", ".scale: \"much\""},
        {"events/cas_count_read.scale", "0\n", ".scale: \"0\""},
        {"events/cas_count_write", "event=four\n", "\"four\" is not understood"},
        {"events/cas_count_write", "edge=1\n", "format/edge: \"\""},
        {"format/event", "config1:0-7\n", "\"config1:0-7\""},
        {"format/event", "config:0-70\n", "\"config:0-70\""},
        {"format/event", "config:0-1\n", "has more bits"},
        {"cpumask", "\n", "cpumask: \"\""},
        {"cpumask", "0;1\n", "cpumask: \"0;1\""},
        {"type", "one\n", "type: \"one\""},
    };
    struct fake *f = *state;
    struct memory_counter m[MEMORY_COUNTERS_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[120], words[400];
        int32_t n;
        struct perf *p;
        drop(f, "devices");
        describe(f, "uncore_imc_0", "cas_count_read", "cas_count_write", "0\n");
        snprintf(name, sizeof name, "devices/uncore_imc_0/%s", cases[i].file);
        put_file(f, name, cases[i].text);
        fails(memory_counters_find(f->devices, m, &n), ERR_UNSUPPORTED, cases[i].says);
        f->n = 0;
        ok(perf_open(&f->sys, PERF_HARDWARE, &p)); /* the rest counts */
        perf_describe(p, words, sizeof words);
        assert_non_null(strstr(words, cases[i].says));
        assert_null(strstr(words, "dram"));
        perf_close(p);
    }
}

/* ---- the real kernel ---- */

/* Fresh pages fault once each; the clock of one busy thread is the wall's, or less. */
static void the_kernel_counts_what_is_known(void **state)
{
    enum { PAGES = 500 };
    const struct probe_ops *ops = &probe_perf_software;
    void *probe;
    struct measured m;
    bool again;
    (void)state;
    if (ops->open(0, &probe) != ERR_NONE) {
        print_message("skipped: %s\n", err_msg());
        return;
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *fresh =
        mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(fresh != MAP_FAILED);
    madvise(fresh, PAGES * page, MADV_NOHUGEPAGE);
    ok(ops->start(probe, 2));
    ok(ops->begin(probe));
    for (size_t i = 0; i < PAGES; i++) ((volatile char *)fresh)[i * page] = 1;
    ok(ops->end(probe, &m));
    int64_t begin = clock_ns();
    ok(ops->begin(probe));
    while (clock_ns() - begin < 20000000) continue;
    ok(ops->end(probe, &m));
    int64_t wall = clock_ns() - begin;
    ok(ops->stop(probe, &again));
    assert_false(again);
    ok(ops->read(probe, 0, &m));
    int64_t faults = m.counters.value[COUNTER_PAGE_FAULTS];
    /* A few more where the stack or a library is touched for the first time; and a sanitizer keeps
     * a byte for every eight. */
    bool plain = !build_info.sanitizers || !build_info.sanitizers[0];
    int64_t most = PAGES + 20 + (plain ? 0 : PAGES / 8 + 1);
    if (faults < PAGES || faults > most) fail_msg("%lld faults", (long long)faults);
    ok(ops->read(probe, 1, &m));
    int64_t busy = m.counters.value[COUNTER_TASK_CLOCK_NS];
    if (busy <= 0 || busy > wall) fail_msg("%lld of %lld ns", (long long)busy, (long long)wall);
    assert_int_equal(m.counters.value[COUNTER_CPU_CYCLES], -1);
    munmap(fresh, PAGES * page);
    ops->close(probe);
}

int main(void)
{
#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FAKE(threads_and_controllers_are_added_up),
        WITH_FAKE(what_the_kernel_counts_is_not_called_hardware),
        WITH_FAKE(context_switches_need_the_kernel),
        WITH_FAKE(an_event_the_cpu_lacks_is_not_counted),
        WITH_FAKE(every_refusal_has_its_cause_and_its_cure),
        WITH_FAKE(what_one_thread_has_all_must_have),
        WITH_FAKE(memory_is_counted_whole_or_not_at_all),
        WITH_FAKE(a_guess_is_not_a_count),
        WITH_FAKE(a_later_thread_is_noticed),
        WITH_FAKE(controllers_are_read_from_sysfs),
        WITH_FAKE(a_description_that_is_not_understood_is_not_guessed_at),
        cmocka_unit_test(the_kernel_counts_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
