/* doctor.c - can this machine give good numbers?  One line for each thing that decides it. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "harness/app/doctor.h"
#include "harness/app/table.h"
#include "harness/app/verbs.h"
#include "harness/base/cpuinfo.h"
#include "harness/base/mem.h"
#include "roofline/perf.h"

/* The first line of a small system file; false when it cannot be read. */
static bool read_line(const char *path, char *buf, size_t size)
{
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool ok = fgets(buf, (int)size, f) != NULL;
    fclose(f);
    if (ok) buf[strcspn(buf, "\n")] = '\0';
    return ok;
}

static void check_cpu(const struct options *o, struct finding *f)
{
    struct cpuinfo c;
    enum isa isa;
    (void)o;
    cpuinfo_read(&c);
    if (isa_choose(ISA_AUTO, &isa) != ERR_NONE) {
        f->state = STATE_MISSING;
        DETAIL(f, "%.200s", err_msg());
        f->cure = "unset REGIME_ISA, or name an instruction set this CPU has";
        return;
    }
    DETAIL(f, "%s, kernels use %s, last-level cache %.1f MiB", c.model,
           isa == ISA_AMX ? "avx512 (amx for --compute-dtype bf16)" : isa_name(isa),
           (double)c.llc_bytes / (1 << 20));
    if (isa == ISA_SCALAR) {
        f->state = STATE_WARN;
        f->cure = "a CPU with AVX2 or AVX-512 is 5 to 20 times faster";
    }
}

/* CPUs that a control group's quota allows; 0: no limit is known. */
static double cpu_quota(void)
{
    char line[64];
    double quota, period;
    if (!read_line("/sys/fs/cgroup/cpu.max", line, sizeof line)) return 0;
    return sscanf(line, "%lf %lf", &quota, &period) == 2 && period > 0 ? quota / period : 0;
}

static void check_threads(const struct options *o, struct finding *f)
{
    struct cpuinfo c;
    (void)o;
    cpuinfo_read(&c);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    double quota = cpu_quota();
    DETAIL(f, "%d of %ld CPUs in the affinity mask", c.n_cpus, online);
    if (quota > 0 && quota < c.n_cpus) {
        f->state = STATE_WARN;
        DETAIL(f, "%d CPUs, but a control group allows the time of %.2f", c.n_cpus, quota);
        f->cure = "give --threads no more than the quota, or raise it";
    }
}

static void check_memory(const struct options *o, struct finding *f)
{
    struct cpuinfo c;
    (void)o;
    cpuinfo_read(&c);
    int64_t available = mem_available_bytes();
    if (available < 0) {
        f->state = STATE_UNKNOWN;
        DETAIL(f, "neither /proc/meminfo nor a control group says what is available");
        f->cure = "a cell that does not fit will end the program";
        return;
    }
    DETAIL(f, "%.1f GiB available to this process, %.1f GiB in the machine",
           (double)available / (1 << 30), (double)c.mem_total_bytes / (1 << 30));
    if (available < (int64_t)2 << 30) {
        f->state = STATE_WARN;
        f->cure = "qwen2.5-0.5b needs about 2 GiB; use tiny-25m or fewer --layers";
    }
}

static void check_huge_pages(const struct options *o, struct finding *f)
{
    char line[100];
    (void)o;
    if (!read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line)) {
        f->state = STATE_UNKNOWN;
        DETAIL(f, "this kernel does not say whether it has transparent huge pages");
        return;
    }
    bool off = strstr(line, "[never]") != NULL;
    DETAIL(f, "transparent huge pages: %s", line);
    f->state = off ? STATE_WARN : STATE_OK;
    if (off) f->cure = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
}

static void check_load(const struct options *o, struct finding *f)
{
    struct cpu_usage before;
    const struct timespec wait = {.tv_nsec = 300 * 1000 * 1000};
    (void)o;
    cpu_usage_now(&before);
    nanosleep(&wait, NULL);
    double others = cpu_usage_others(&before);
    if (others < 0) {
        f->state = STATE_UNKNOWN;
        DETAIL(f, "/proc/stat cannot be read");
        return;
    }
    DETAIL(f, "other processes used %.2f CPUs during 0.3 s", others);
    if (others > 0.1) {
        f->state = STATE_WARN;
        f->cure = "stop them: they take bandwidth and time from what is measured";
    }
}

static void check_clock(const struct options *o, struct finding *f)
{
    char governor[64] = "", boost[16] = "";
    (void)o;
    bool known = read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor,
                           sizeof governor);
    bool has_boost = read_line("/sys/devices/system/cpu/cpufreq/boost", boost, sizeof boost);
    bool intel = !has_boost &&
                 read_line("/sys/devices/system/cpu/intel_pstate/no_turbo", boost, sizeof boost);
    if (!known && !has_boost && !intel) {
        f->state = STATE_UNKNOWN;
        DETAIL(f, "no cpufreq here (a virtual machine?): governor and turbo cannot be read");
        f->cure = "ceilings are measured before and after a sweep and show a changed clock";
        return;
    }
    bool turbo = (has_boost && boost[0] == '1') || (intel && boost[0] == '0');
    bool slow = known && strcmp(governor, "performance") != 0;
    DETAIL(f, "governor %s, turbo %s", known ? governor : "unknown",
           has_boost || intel ? turbo ? "on" : "off" : "unknown");
    f->state = slow ? STATE_WARN : STATE_OK;
    if (slow) f->cure = "cpupower frequency-set -g performance";
}

/* What the kernel lets this process count of itself. */
static void check_cpu_counters(const struct options *o, struct finding *f)
{
    struct perf *p;
    (void)o;
    if (perf_open(&perf_linux, PERF_HARDWARE, &p) == ERR_NONE) {
        perf_describe(p, f->detail, sizeof f->detail);
        perf_close(p);
        f->cure = "regime run --counters auto counts every forward, after it was timed";
        return;
    }
    f->state = STATE_MISSING;
    DETAIL(f, "%.230s", err_msg());
    f->cure = "runs are timed without them; --counters auto still counts what the kernel counts";
    if (perf_open(&perf_linux, PERF_SOFTWARE, &p) != ERR_NONE)
        f->cure = "runs are timed without them";
    else
        perf_close(p);
}

static bool on_path(const char *program)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        char file[1024];
        const char *end = strchrnul(path, ':');
        int n = snprintf(file, sizeof file, "%.*s/%s", (int)(end - path), path, program);
        if (n < (int)sizeof file && access(file, X_OK) == 0) return true;
        path = *end ? end + 1 : end;
    }
    return false;
}

static void check_gnuplot(const struct options *o, struct finding *f)
{
    (void)o;
    if (on_path("gnuplot")) {
        DETAIL(f, "found");
        return;
    }
    f->state = STATE_MISSING;
    DETAIL(f, "not on PATH: figures stay as data and script");
    f->cure = "apt-get install gnuplot-nox";
}

static void check_fonts(const struct options *o, struct finding *f)
{
    static const char *const files[] = {
        "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
        "/usr/share/fonts/truetype/liberation2/LiberationSans-Regular.ttf",
    };
    (void)o;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (access(files[i], R_OK) != 0) continue;
        DETAIL(f, "Liberation found");
        return;
    }
    f->state = STATE_WARN;
    DETAIL(f, "Liberation is not installed: figures use another font and look different");
    f->cure = "apt-get install fonts-liberation";
}

static const char *file_system_name(long type)
{
    static const struct {
        long type;
        const char *name;
    } known[] = {
        {0x6969, "nfs"},        {0xff534d42, "cifs"},  {0xfe534d42, "smb2"},
        {0x0bd00bd0, "lustre"}, {0x47504653, "gpfs"},  {0x65735546, "fuse"},
        {0x01021997, "9p"},     {0xef53, "ext4"},      {0x58465342, "xfs"},
        {0x9123683e, "btrfs"},  {0x01021994, "tmpfs"}, {0x794c7630, "overlay"},
        {0x2fc12fc1, "zfs"},    {0x00c36400, "ceph"},  {0x19830326, "beegfs"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].type == type) return known[i].name;
    return "unknown kind";
}

static bool is_network(const char *name)
{
    static const char *const names[] = {"nfs",  "cifs", "smb2", "lustre", "gpfs",
                                        "fuse", "9p",   "ceph", "beegfs"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static void check_database(const struct options *o, struct finding *f)
{
    char path[4096];
    struct statfs fs;
    snprintf(path, sizeof path, "%s", o->db);
    const char *folder = dirname(path);
    if (access(folder, W_OK) != 0 || statfs(folder, &fs) != 0) {
        f->state = STATE_MISSING;
        DETAIL(f, "%.150s: %s", folder, strerror(errno));
        f->cure = "name a file in a folder you can write to with --db or REGIME_DB";
        return;
    }
    if (access(o->db, F_OK) == 0 && access(o->db, W_OK) != 0) {
        f->state = STATE_MISSING;
        DETAIL(f, "%.150s: %s", o->db, strerror(errno));
        f->cure = "make it writable, or name another one with --db";
        return;
    }
    const char *kind = file_system_name((long)fs.f_type);
    DETAIL(f, "%.120s, %s, %.1f GiB free", o->db, kind,
           (double)fs.f_bavail * (double)fs.f_bsize / (1 << 30));
    if (is_network(kind)) {
        f->state = STATE_WARN;
        f->cure = "a network file system: slower, and one writer at a time; prefer a local disk";
    }
}

static void check_cuda(const struct options *o, struct finding *f)
{
    const char *name, *why = NULL;
    (void)o;
    for (int32_t i = 0; (name = kernels_backend(i, &why)); i++)
        if (strcmp(name, "cuda") == 0) break;
    if (name && !why) {
        DETAIL(f, "in this build");
        return;
    }
    f->state = STATE_MISSING;
    DETAIL(f, "%s", name ? why : "not in this build");
    f->cure = "the CPU and every sim: device work without it";
}

static const struct {
    const char *name;
    void (*check)(const struct options *o, struct finding *f);
} checks[] = {
    {"cpu", check_cpu},
    {"threads", check_threads},
    {"memory", check_memory},
    {"huge pages", check_huge_pages},
    {"load", check_load},
    {"clock", check_clock},
    {"cpu counters", check_cpu_counters},
    {"gnuplot", check_gnuplot},
    {"fonts", check_fonts},
    {"database", check_database},
    {"cuda", check_cuda},
    {"driver", check_gpu_driver},
    {"cupti", check_cupti},
    {"counters", check_counters},
    {"privileges", check_privileges},
    {"mig", check_mig},
    {"persistence", check_persistence},
    {"dcgm", check_dcgm},
    {"container", check_container},
};

static const char *state_name(enum state s)
{
    static const char *const names[] = {"ok", "warning", "missing", "unknown"};
    return names[s];
}

/* Lines to read, or rows for a program. */
static void print_lines(const struct finding *f)
{
    printf("%-8s %-12s %s\n", state_name(f->state), f->check, f->detail);
    if (*f->cure) printf("%-21s -> %s\n", "", f->cure);
}

enum err verb_doctor(const struct options *o)
{
    static const char *const columns[] = {"check", "state", "detail", "cure", NULL};
    struct table t;
    table_open(&t, "checks", columns);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct finding f = {.check = checks[i].name, .cure = ""};
        checks[i].check(o, &f);
        if (o->output == OUTPUT_MD) print_lines(&f);
        table_text(&t, f.check);
        table_text(&t, state_name(f.state));
        table_text(&t, f.detail);
        table_text(&t, *f.cure ? f.cure : NULL);
    }
    enum err e = o->output == OUTPUT_MD ? ERR_NONE : table_print(&t, o->output);
    table_free(&t);
    return e;
}
