/* probe_clock.c - the host's monotonic clock: works everywhere, sees nothing but time. */
#include <stdlib.h>

#include "harness/base/clock.h"
#include "roofline/probe.h"

struct clock_state {
    int64_t begin_ns;
};

static enum err clock_open(int32_t device, void **state)
{
    *state = calloc(1, sizeof(struct clock_state));
    if (*state == NULL) return err_set(ERR_NOMEM, "no memory for a clock probe");
    return ERR_NONE;
}

static enum err clock_begin(void *state)
{
    struct clock_state *s = state;
    s->begin_ns = clock_ns();
    return ERR_NONE;
}

static enum err clock_end(void *state, struct measured *out)
{
    const struct clock_state *s = state;
    int64_t now = clock_ns();
    *out = measured_nothing();
    out->time_ns = now - s->begin_ns;
    return ERR_NONE;
}

const struct probe_ops probe_clock = {
    .name = "clock",
    .evidence = "timing",
    .help = "the host's monotonic clock",
    .open = clock_open,
    .begin = clock_begin,
    .end = clock_end,
    .close = free,
};
