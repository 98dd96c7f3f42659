/* perf.c - groups of perf events, one for each thread and one for each memory controller. */
#include "roofline/perf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "roofline/perf_memory.h"

static int open_event(void *ctx, struct perf_event_attr *attr, pid_t thread, int cpu, int group)
{
    (void)ctx;
    return (int)syscall(SYS_perf_event_open, attr, thread, cpu, group, PERF_FLAG_FD_CLOEXEC);
}

static ssize_t read_event(void *ctx, int fd, void *buf, size_t n)
{
    (void)ctx;
    return read(fd, buf, n);
}

static void close_event(void *ctx, int fd)
{
    (void)ctx;
    close(fd);
}

const struct perf_system perf_linux = {
    .open = open_event,
    .read = read_event,
    .close = close_event,
    .tasks = "/proc/self/task",
    .sysfs = "/sys/bus/event_source/devices",
    .paranoid = "/proc/sys/kernel/perf_event_paranoid",
};

enum { GROUP_MAX = 3 };

struct event {
    enum counter counter;
    uint32_t type;
    uint64_t config;
    double scale; /* what one count stands for */
};

/* Events that are on the counters together, or not at all; the first leads. */
struct group {
    int fd[GROUP_MAX], n;
    struct event event[GROUP_MAX];
    uint64_t before[3 + GROUP_MAX]; /* as read: number, times enabled and running, counts */
};

struct perf {
    const struct perf_system *sys;
    enum perf_kind kind;
    pid_t *thread; /* owned */
    int32_t n_threads;
    struct group *group; /* owned */
    int32_t n_groups;
    bool with_kernel, has[COUNTER_COUNT];
    char memory_why[300]; /* why bytes at the memory are not counted; "": they are, or not asked */
};

static const struct event hardware[] = {
    {COUNTER_CPU_CYCLES, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 1},
    {COUNTER_CPU_INSTRUCTIONS, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 1},
    {COUNTER_LLC_MISSES, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, 1},
};
static const struct event software[] = {
    {COUNTER_TASK_CLOCK_NS, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, 1},
    {COUNTER_PAGE_FAULTS, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, 1},
    /* Happens in the kernel: 0, and not the truth, where that is left out. */
    {COUNTER_CONTEXT_SWITCHES, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, 1},
};

/* ---- refusals ---- */

static int paranoid_level(const struct perf_system *sys, int *level)
{
    FILE *f = fopen(sys->paranoid, "re");
    int n = f ? fscanf(f, "%d", level) : 0;
    if (f) fclose(f);
    return n == 1;
}

/* least: the level at which everybody may count this. */
static enum err refused(const struct perf_system *sys, int error, const char *what, int least)
{
    int level;
    if (error == ENOSYS)
        return err_set(ERR_UNSUPPORTED, "%s: this kernel has no perf_event_open", what);
    if (error == ENOENT || error == ENODEV || error == EOPNOTSUPP)
        return err_set(ERR_UNSUPPORTED,
                       "%s: the kernel finds no counter for it (%s); virtual machines often pass "
                       "none through",
                       what, strerror(error));
    if (error == EMFILE || error == ENFILE)
        return err_set(ERR_UNSUPPORTED, "%s: %s: each thread needs three (ulimit -n)", what,
                       strerror(error));
    if (error == EBUSY)
        return err_set(ERR_UNSUPPORTED, "%s: another program holds the counters", what);
    if (error != EACCES && error != EPERM)
        return err_set(ERR_UNSUPPORTED, "%s: perf_event_open: %s", what, strerror(error));
    if (!paranoid_level(sys, &level))
        return err_set(ERR_UNSUPPORTED, "%s: %s, and %s cannot be read", what, strerror(error),
                       sys->paranoid);
    if (level > least)
        return err_set(ERR_UNSUPPORTED,
                       "%s: not allowed: perf_event_paranoid is %d; sysctl "
                       "kernel.perf_event_paranoid=%d, or CAP_PERFMON",
                       what, level, least);
    return err_set(ERR_UNSUPPORTED,
                   "%s: not allowed although perf_event_paranoid is %d: a container's seccomp "
                   "filter? (--cap-add=PERFMON, or a profile with perf_event_open)",
                   what, level);
}

/* ---- opening ---- */

static struct perf_event_attr attr_of(const struct perf *p, const struct event *e, bool leads)
{
    bool user_only = e->type == PERF_TYPE_HARDWARE || !p->with_kernel;
    bool of_process = e->type == PERF_TYPE_HARDWARE || e->type == PERF_TYPE_SOFTWARE;
    return (struct perf_event_attr){
        .type = e->type,
        .size = sizeof(struct perf_event_attr),
        .config = e->config,
        .read_format =
            PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
        .pinned = leads && e->type == PERF_TYPE_HARDWARE, /* on the counters, or an error */
        .exclude_kernel = of_process && user_only,        /* so that level 2 is enough */
        .exclude_hv = of_process && user_only,
    };
}

/* 0, or errno. */
static int add_event(struct perf *p, struct group *g, const struct event *e, pid_t thread, int cpu)
{
    struct perf_event_attr a = attr_of(p, e, g->n == 0);
    int fd = p->sys->open(p->sys->ctx, &a, thread, cpu, g->n ? g->fd[0] : -1);
    if (fd < 0) return errno;
    g->event[g->n] = *e;
    g->fd[g->n++] = fd;
    p->has[e->counter] = true;
    return 0;
}

/* What the first thread's group cannot have, none has; what it has, all must have. */
static enum err open_thread(struct perf *p, const struct event *list, int n, int32_t i)
{
    struct group *g = NULL;
    for (int k = 0; k < n; k++) {
        const char *name = counter_name(list[k].counter);
        bool in_kernel = list[k].counter == COUNTER_CONTEXT_SWITCHES;
        if ((i > 0 && !p->has[list[k].counter]) || (in_kernel && !p->with_kernel)) continue;
        /* The kernel's events each by themselves: behind a task clock that leads, some count 0. */
        if (!g || (g->n > 0 && p->kind == PERF_SOFTWARE)) g = &p->group[p->n_groups++];
        int error = add_event(p, g, &list[k], p->thread[i], -1);
        if (error == 0) continue;
        bool allowed = error == EACCES || error == EPERM;
        if (i == 0 && k == 0 && allowed && p->kind == PERF_SOFTWARE && p->with_kernel) {
            p->with_kernel = false; /* once more, without */
            k--;
        } else if (i > 0 || k == 0 || allowed || error == EMFILE || error == ENFILE) {
            return refused(p->sys, error, name, p->kind == PERF_SOFTWARE && p->with_kernel ? 1 : 2);
        }
    }
    return ERR_NONE;
}

static int is_number(const struct dirent *d)
{
    return d->d_name[0] >= '0' && d->d_name[0] <= '9';
}

static enum err list_threads(const struct perf_system *sys, pid_t **out, int32_t *n)
{
    struct dirent **name = NULL;
    int found = scandir(sys->tasks, &name, is_number, alphasort);
    *out = calloc((size_t)(found > 0 ? found : 1), sizeof **out);
    *n = 0;
    for (int i = 0; i < found; i++) {
        if (*out) (*out)[(*n)++] = (pid_t)atol(name[i]->d_name);
        free(name[i]);
    }
    free(name);
    if (!*out) return err_set(ERR_NOMEM, "counters: out of memory");
    return *n > 0 ? ERR_NONE
                  : err_set(ERR_UNSUPPORTED, "%s: lists no threads of this process", sys->tasks);
}

static void drop_last_group(struct perf *p)
{
    struct group *g = &p->group[--p->n_groups];
    for (int i = 0; i < g->n; i++) p->sys->close(p->sys->ctx, g->fd[i]);
    g->n = 0;
}

static enum err open_memory_counter(struct perf *p, const struct memory_counter *m)
{
    static const enum counter counters[] = {COUNTER_DRAM_READ_BYTES, COUNTER_DRAM_WRITE_BYTES};
    struct group *g = &p->group[p->n_groups++];
    for (int d = 0; d < MEMORY_DIRECTIONS; d++) {
        const struct event e = {counters[d], m->type, m->config[d], m->bytes[d]};
        int error = add_event(p, g, &e, -1, m->cpu);
        if (error) return refused(p->sys, error, counter_name(counters[d]), 0);
    }
    return ERR_NONE;
}

/* All of the memory or none of it; without it the rest still counts. */
static enum err open_memory(struct perf *p, const struct memory_counter *m, int32_t n)
{
    enum err e = ERR_NONE;
    if (n == 0) {
        snprintf(p->memory_why, sizeof p->memory_why,
                 "no memory controller with counts of bytes is described under %s", p->sys->sysfs);
        return ERR_NONE;
    }
    for (int32_t i = 0; i < n && e == ERR_NONE; i++) e = open_memory_counter(p, &m[i]);
    if (e == ERR_NONE) return ERR_NONE;
    snprintf(p->memory_why, sizeof p->memory_why, "%.290s", err_msg());
    while (p->n_groups > p->n_threads) drop_last_group(p);
    p->has[COUNTER_DRAM_READ_BYTES] = p->has[COUNTER_DRAM_WRITE_BYTES] = false;
    return ERR_NONE;
}

static enum err open_all(struct perf *p)
{
    struct memory_counter memory[MEMORY_COUNTERS_MAX];
    int32_t n_memory = 0;
    enum err described = ERR_NONE;
    bool hard = p->kind == PERF_HARDWARE;
    TRY(list_threads(p->sys, &p->thread, &p->n_threads));
    if (hard) described = memory_counters_find(p->sys->sysfs, memory, &n_memory);
    if (described != ERR_NONE) snprintf(p->memory_why, sizeof p->memory_why, "%.290s", err_msg());
    p->group = calloc((size_t)(p->n_threads * GROUP_MAX + n_memory), sizeof *p->group);
    if (!p->group) return err_set(ERR_NOMEM, "counters: out of memory");
    for (int32_t i = 0; i < p->n_threads; i++)
        TRY(open_thread(p, hard ? hardware : software, GROUP_MAX, i));
    return hard && described == ERR_NONE ? open_memory(p, memory, n_memory) : ERR_NONE;
}

enum err perf_open(const struct perf_system *sys, enum perf_kind kind, struct perf **out)
{
    *out = NULL;
    struct perf *p = calloc(1, sizeof *p);
    if (!p) return err_set(ERR_NOMEM, "counters: out of memory");
    p->sys = sys;
    p->kind = kind;
    p->with_kernel = kind == PERF_SOFTWARE;
    enum err e = open_all(p);
    if (e == ERR_NONE)
        *out = p;
    else
        perf_close(p);
    return e;
}

void perf_close(struct perf *p)
{
    if (!p) return;
    while (p->n_groups > 0) drop_last_group(p);
    free(p->group);
    free(p->thread);
    free(p);
}

/* ---- counting ---- */

enum err perf_check_threads(struct perf *p)
{
    pid_t *now;
    int32_t n;
    bool same = true;
    TRY(list_threads(p->sys, &now, &n));
    for (int32_t i = 0; i < n; i++) {
        bool known = false;
        for (int32_t k = 0; k < p->n_threads; k++) known |= now[i] == p->thread[k];
        same &= known;
    }
    free(now);
    return same ? ERR_NONE
                : err_set(ERR_UNSUPPORTED, "a thread began after its counters were opened");
}

static enum err read_group(struct perf *p, const struct group *g, uint64_t out[3 + GROUP_MAX])
{
    size_t bytes = (3 + (size_t)g->n) * sizeof *out;
    ssize_t got = p->sys->read(p->sys->ctx, g->fd[0], out, bytes);
    if (got < 0) return err_set(ERR_UNSUPPORTED, "reading a counter: %s", strerror(errno));
    /* How a pinned group says that it is not on the counters any more. */
    if (got == 0)
        return err_set(ERR_UNSUPPORTED,
                       "another user of the counters took them away (a watchdog: sysctl "
                       "kernel.nmi_watchdog=0; or another perf)");
    if ((size_t)got != bytes || out[0] != (uint64_t)g->n)
        return err_set(ERR_UNSUPPORTED, "a counter returned %zd bytes, expected %zu", got, bytes);
    return ERR_NONE;
}

enum err perf_begin(struct perf *p)
{
    for (int32_t i = 0; i < p->n_groups; i++)
        if (p->group[i].n > 0) TRY(read_group(p, &p->group[i], p->group[i].before));
    return ERR_NONE;
}

enum err perf_end(struct perf *p, struct counters *out)
{
    double sum[COUNTER_COUNT] = {0};
    uint64_t now[3 + GROUP_MAX];
    counters_clear(out);
    for (int32_t i = 0; i < p->n_groups; i++) {
        const struct group *g = &p->group[i];
        if (g->n == 0) continue;
        TRY(read_group(p, g, now));
        uint64_t enabled = now[1] - g->before[1], running = now[2] - g->before[2];
        if (running != enabled)
            return err_set(ERR_UNSUPPORTED,
                           "%s was on a counter for %llu of %llu ns, the rest would be guessed: "
                           "fewer users of the counters",
                           counter_name(g->event[0].counter), (unsigned long long)running,
                           (unsigned long long)enabled);
        for (int k = 0; k < g->n; k++)
            sum[g->event[k].counter] += (double)(now[3 + k] - g->before[3 + k]) * g->event[k].scale;
    }
    for (int c = 0; c < COUNTER_COUNT; c++)
        if (p->has[c]) out->value[c] = (int64_t)(sum[c] + 0.5);
    return ERR_NONE;
}

void perf_describe(const struct perf *p, char *buf, size_t size)
{
    size_t at = 0;
    for (int c = 0; c < COUNTER_COUNT && at < size; c++)
        if (p->has[c])
            at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "",
                                   counter_name((enum counter)c));
    if (at < size && p->memory_why[0]) snprintf(buf + at, size - at, "; %s", p->memory_why);
}
