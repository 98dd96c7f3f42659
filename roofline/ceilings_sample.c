/* ceilings_sample.c - see ceilings_sample.h. */
#include "roofline/ceilings_sample.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#include "harness/base/clock.h"
#include "harness/base/stats.h"

/* A barrier of the active members only: team_barrier waits for all. */
struct gathering {
    _Alignas(64) _Atomic int32_t n_arrived;
    _Alignas(64) _Atomic int32_t round;
};

struct sampling {
    struct gathering gathering;
    int32_t n_active, warmup, n;
    sample_fn *fn;
    void *ctx;
    _Atomic int64_t begin[SAMPLES_MAX], end[SAMPLES_MAX]; /* the first to begin, the last to end */
    _Atomic bool preempted[SAMPLES_MAX];
};

static void gather(struct gathering *g, int32_t n)
{
    int32_t round = atomic_load_explicit(&g->round, memory_order_relaxed);
    if (atomic_fetch_add(&g->n_arrived, 1) + 1 == n) {
        atomic_store_explicit(&g->n_arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&g->round, round + 1, memory_order_release);
        return;
    }
    for (int32_t spin = 0; atomic_load_explicit(&g->round, memory_order_acquire) == round; spin++) {
        __builtin_ia32_pause();
        if (spin > 100000) sched_yield(); /* more threads than CPUs, or a descheduled member */
    }
}

static void note_least(_Atomic int64_t *least, int64_t x)
{
    int64_t seen = atomic_load(least);
    while (x < seen && !atomic_compare_exchange_weak(least, &seen, x)) continue;
}

static void note_most(_Atomic int64_t *most, int64_t x)
{
    int64_t seen = atomic_load(most);
    while (x > seen && !atomic_compare_exchange_weak(most, &seen, x)) continue;
}

/* How often the calling thread lost its CPU without asking to. */
static long times_preempted(void)
{
    struct rusage u;
    return getrusage(RUSAGE_THREAD, &u) == 0 ? u.ru_nivcsw : 0;
}

static void sample_member(void *arg, int32_t member, int32_t n_members)
{
    struct sampling *s = arg;
    if (member >= s->n_active) return;
    for (int32_t i = -s->warmup; i < s->n; i++) {
        gather(&s->gathering, s->n_active);
        long preempted = times_preempted();
        int64_t begin = clock_ns();
        s->fn(s->ctx, member, s->n_active);
        int64_t end = clock_ns();
        if (i < 0) continue;
        note_least(&s->begin[i], begin);
        note_most(&s->end[i], end);
        if (times_preempted() != preempted) s->preempted[i] = true;
    }
}

void samples_take(struct team *team, int32_t n_active, int32_t warmup, int32_t n, sample_fn *fn,
                  void *ctx, struct samples *out)
{
    CHECK(n_active >= 1 && n_active <= team_size(team) && n >= 1 && n <= SAMPLES_MAX);
    struct sampling s = {.n_active = n_active, .warmup = warmup, .n = n, .fn = fn, .ctx = ctx};
    for (int32_t i = 0; i < n; i++) s.begin[i] = INT64_MAX;
    struct contention c;
    contention_begin(&c);
    team_run(team, sample_member, &s);
    out->others = contention_end(&c);
    out->n = n;
    for (int32_t i = 0; i < n; i++) {
        out->ns[i] = (double)(s.end[i] - s.begin[i]);
        out->preempted[i] = s.preempted[i];
    }
}

bool samples_take_quiet(struct team *team, int32_t n_active, int32_t attempts, int32_t n,
                        sample_fn *fn, void *ctx, struct samples *out)
{
    struct samples next;
    struct contention c;
    contention_begin(&c);
    out->n = 0;
    for (int32_t a = 0; a < attempts && out->n < n; a++) {
        samples_take(team, n_active, 1, n, fn, ctx, &next);
        for (int32_t i = 0; i < n && out->n < n; i++) {
            if (next.preempted[i]) continue;
            out->preempted[out->n] = false;
            out->ns[out->n++] = next.ns[i];
        }
    }
    bool quiet = out->n == n;
    for (int32_t i = 0; i < n && out->n < n; i++) {
        if (!next.preempted[i]) continue;
        out->preempted[out->n] = true;
        out->ns[out->n++] = next.ns[i];
    }
    out->others = contention_end(&c);
    return quiet;
}

/* Median and limits of the times themselves; limits NaN when there are too few. */
static void summarise(const struct samples *s, double *median, double *lo, double *hi)
{
    double sorted[SAMPLES_MAX];
    memcpy(sorted, s->ns, (size_t)s->n * sizeof sorted[0]);
    stats_sort(sorted, s->n);
    *median = stats_median(sorted, s->n);
    if (!stats_median_ci(sorted, s->n, 0.95, lo, hi)) *lo = *hi = NAN;
}

void samples_rate(const struct samples *s, double work, double *median, double *lo, double *hi)
{
    double t, t_lo, t_hi;
    summarise(s, &t, &t_lo, &t_hi);
    *median = work / t * 1e9;
    *lo = work / t_hi * 1e9;
    *hi = work / t_lo * 1e9;
}

void samples_cost(const struct samples *s, double parts, double *median, double *lo, double *hi)
{
    summarise(s, median, lo, hi);
    *median /= parts;
    *lo /= parts;
    *hi /= parts;
}
