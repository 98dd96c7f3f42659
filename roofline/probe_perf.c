/* probe_perf.c - the kernel's counters around the forwards of a series. */
#include <stdlib.h>

#include "roofline/perf.h"
#include "roofline/probe.h"

struct state {
    struct perf *perf;
    struct counters *counted; /* owned, of each forward of the series */
    int32_t n, room;
};

static void close_perf(void *state)
{
    struct state *s = state;
    if (!s) return;
    perf_close(s->perf);
    free(s->counted);
    free(s);
}

static enum err open_kind(enum perf_kind kind, void **state)
{
    *state = NULL;
    struct state *s = calloc(1, sizeof *s);
    if (!s) return err_set(ERR_NOMEM, "counters: out of memory");
    enum err e = perf_open(&perf_linux, kind, &s->perf);
    if (e == ERR_NONE)
        *state = s;
    else
        close_perf(s);
    return e;
}

static enum err open_hardware(int32_t device, void **state)
{
    (void)device;
    return open_kind(PERF_HARDWARE, state);
}

static enum err open_software(int32_t device, void **state)
{
    (void)device;
    return open_kind(PERF_SOFTWARE, state);
}

static enum err start(void *state, int32_t n_forwards)
{
    struct state *s = state;
    TRY(perf_check_threads(s->perf));
    free(s->counted);
    s->counted = calloc((size_t)n_forwards + 1, sizeof *s->counted);
    s->n = 0;
    s->room = n_forwards;
    return s->counted ? ERR_NONE : err_set(ERR_NOMEM, "counters: out of memory");
}

static enum err begin(void *state)
{
    struct state *s = state;
    CHECK(s->n < s->room);
    return perf_begin(s->perf);
}

static enum err end(void *state, struct measured *out)
{
    struct state *s = state;
    *out = measured_nothing();
    return perf_end(s->perf, &s->counted[s->n++]);
}

static enum err stop(void *state, bool *again)
{
    struct state *s = state;
    *again = false;
    return perf_check_threads(s->perf);
}

static enum err read_counted(void *state, int32_t i, struct measured *out)
{
    const struct state *s = state;
    CHECK(i < s->n);
    *out = measured_nothing();
    out->counters = s->counted[i];
    return ERR_NONE;
}

static void facts(void *state, struct probe_facts *out)
{
    (void)state;
    *out = (struct probe_facts){.passes = 1};
}

#define PERF_OPS                                                                                   \
    .evidence = "counter", .begin = begin, .end = end, .close = close_perf, .start = start,        \
    .stop = stop, .read = read_counted, .facts = facts

const struct probe_ops probe_perf = {
    .name = "perf",
    .help = "the CPU's own counters",
    .open = open_hardware,
    PERF_OPS,
};

const struct probe_ops probe_perf_software = {
    .name = "perf-software",
    .help = "the kernel's own counts",
    .open = open_software,
    PERF_OPS,
};
