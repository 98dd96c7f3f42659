/* team.c - persistent pinned threads: one gate starts a run, one barrier ends it. */
#include "harness/base/team.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/base/cpuset.h"

enum {
    SPINS = 20000, /* up to a millisecond: longer than any gap between two kernels of a forward */
    MAX_MEMBERS = 4096
};

/* A number that threads wait to see change. */
struct gate {
    _Alignas(64) _Atomic uint32_t value;
    _Atomic uint32_t n_sleeping;
};

struct member {
    struct team *team;
    pthread_t thread;
    int32_t index;
};

struct team {
    struct gate start;   /* one up per run                                       */
    struct gate barrier; /* one up per time that all have arrived                */
    _Alignas(64) _Atomic int32_t n_arrived;
    team_fn *fn; /* NULL ends the members                                        */
    void *arg;
    int32_t n_members, n_started;
    int32_t spins; /* 0 when members share CPUs: a spinner would hold up the one it waits for */
    bool pinned;
    cpu_set_t process_cpus; /* the caller's mask on team_free, if pinned         */
    struct member *members; /* owned; [n_members], entry 0 is the caller         */
};

static void futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
    /* Every outcome (woken, value changed, signal) is followed by a new look at the word. */
    syscall(SYS_futex, (uint32_t *)word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void gate_wait(struct gate *g, uint32_t old, int32_t spins)
{
    for (int32_t i = 0; i < spins; i++) {
        if (atomic_load_explicit(&g->value, memory_order_acquire) != old) return;
        __builtin_ia32_pause();
    }
    atomic_fetch_add(&g->n_sleeping, 1);
    while (atomic_load(&g->value) == old) futex(&g->value, FUTEX_WAIT, old);
    atomic_fetch_sub(&g->n_sleeping, 1);
}

/* Sequentially consistent against gate_wait: either this sees the sleeper, or the
 * sleeper sees the new value before it sleeps. */
static void gate_open(struct gate *g)
{
    atomic_fetch_add(&g->value, 1);
    if (atomic_load(&g->n_sleeping) > 0) futex(&g->value, FUTEX_WAKE, INT_MAX);
}

void team_barrier(struct team *t, int32_t member)
{
    CHECK(member >= 0 && member < t->n_members);
    if (t->n_members == 1) return;
    uint32_t old = atomic_load_explicit(&t->barrier.value, memory_order_relaxed);
    if (atomic_fetch_add(&t->n_arrived, 1) + 1 == t->n_members) {
        atomic_store(&t->n_arrived, 0);
        gate_open(&t->barrier);
    } else {
        gate_wait(&t->barrier, old, t->spins);
    }
}

static void *member_main(void *arg)
{
    struct member *m = arg;
    struct team *t = m->team;
    for (uint32_t run = 0;; run++) {
        gate_wait(&t->start, run, t->spins);
        if (t->fn == NULL) return NULL;
        t->fn(t->arg, m->index, t->n_members);
        team_barrier(t, m->index);
    }
}

void team_run(struct team *t, team_fn *fn, void *arg)
{
    CHECK(fn != NULL);
    t->fn = fn;
    t->arg = arg;
    if (t->n_members > 1) gate_open(&t->start);
    fn(arg, 0, t->n_members);
    team_barrier(t, 0);
}

/* Give member i the i-th CPU of the process; the caller keeps what the others leave, so
 * that all threads' masks together remain the process's. */
static void pin(struct team *t)
{
    cpu_set_t rest = t->process_cpus;
    int cpu = -1;
    for (int32_t i = 0; i < t->n_members; i++) {
        cpu_set_t one;
        do cpu++;
        while (!CPU_ISSET(cpu, &t->process_cpus));
        if (i == 0) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        CPU_CLR(cpu, &rest);
        pthread_setaffinity_np(t->members[i].thread, sizeof one, &one);
    }
    pthread_setaffinity_np(pthread_self(), sizeof rest, &rest);
    t->pinned = true;
}

enum err team_create(int32_t n_threads, struct team **out)
{
    enum err e = ERR_NONE;
    cpu_set_t cpus;
    int32_t n_cpus = cpuset_process(&cpus);
    int32_t n = n_threads > 0 ? n_threads : n_cpus;
    struct team *t = NULL;
    *out = NULL;
    if (n_threads < 0 || n > MAX_MEMBERS)
        return err_set(ERR_USAGE, "%d threads: must be 1 to %d", n_threads, MAX_MEMBERS);
    t = aligned_alloc(_Alignof(struct team), sizeof *t);
    if (t == NULL) return err_set(ERR_NOMEM, "no memory for a team of %d threads", n);
    memset(t, 0, sizeof *t);
    t->process_cpus = cpus;
    t->n_members = n;
    t->spins = n > n_cpus ? 0 : SPINS;
    t->members = calloc((size_t)n, sizeof *t->members);
    if (t->members == NULL) {
        e = err_set(ERR_NOMEM, "no memory for a team of %d threads", n);
        goto out;
    }
    for (int32_t i = 0; i < n; i++) {
        struct member *m = &t->members[i];
        *m = (struct member){.team = t, .index = i};
        int failed = i > 0 ? pthread_create(&m->thread, NULL, member_main, m) : 0;
        if (failed) {
            e = err_set(ERR_NOMEM, "cannot start thread %d of %d: %s", i + 1, n, strerror(failed));
            goto out;
        }
        t->n_started = i + 1;
    }
    if (n > 1 && n <= n_cpus) pin(t);
    *out = t;
    return ERR_NONE;
out:
    team_free(t);
    return e;
}

void team_free(struct team *t)
{
    if (t == NULL) return;
    t->fn = NULL;
    if (t->n_started > 1) gate_open(&t->start);
    for (int32_t i = 1; i < t->n_started; i++) pthread_join(t->members[i].thread, NULL);
    if (t->pinned) pthread_setaffinity_np(pthread_self(), sizeof t->process_cpus, &t->process_cpus);
    free(t->members);
    free(t);
}

int32_t team_size(const struct team *t)
{
    return t->n_members;
}

void team_share(int64_t n, int64_t unit, int32_t member, int32_t n_members, int64_t *begin,
                int64_t *end)
{
    int64_t n_units = (n + unit - 1) / unit;
    int64_t b = n_units * member / n_members * unit, e = n_units * (member + 1) / n_members * unit;
    *begin = b < n ? b : n;
    *end = e < n ? e : n;
}
