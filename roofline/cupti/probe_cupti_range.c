/* probe_cupti_range.c - hardware counters of every forward of a series, or of its kernels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roofline/cupti/cupti_target.h"
#include "roofline/probe.h"

/* Kernels of one forward, when each is counted alone: more than the largest model launches. */
enum { MAX_KERNELS = 4096 };

struct range_state {
    const char *set_name;
    enum cupti_range mode;
    struct cupti_target *target;
    struct cupti_host *host; /* configured for the set */
    const struct cupti_set *set;
    struct cupti_image config, counted;
    int32_t n_forwards, n_begun, n_stops;
    struct measured *measured;     /* owned, [n_forwards] */
    struct kernel_record *kernels; /* owned; mode KERNEL */
    int32_t n_kernels, room;
};

static void range_close(void *state)
{
    struct range_state *s = state;
    if (!s) return;
    cupti_target_close(s->target); /* before the images it was given */
    cupti_host_close(s->host);
    cupti_image_free(&s->config);
    cupti_image_free(&s->counted);
    free(s->measured);
    free(s->kernels);
    free(s);
}

static enum err open_state(struct range_state *s, int32_t device)
{
    TRY(cupti_target_open(device, &s->target));
    TRY(cupti_set_find(cupti_target_chip(s->target), s->set_name, &s->set));
    TRY(cupti_host_open(s->set->chip, cupti_target_availability(s->target), &s->host));
    TRY(cupti_host_configure(s->host, s->set, &s->config));
    /* Kernel by kernel nothing could be repeated. */
    if (s->mode == CUPTI_RANGE_KERNEL && s->set->passes != 1)
        return err_set(ERR_INTERNAL, "the counters \"%s\" take %d passes", s->set_name,
                       s->set->passes);
    return ERR_NONE;
}

static enum err open_range(int32_t device, const char *set, enum cupti_range mode, void **state)
{
    *state = NULL;
    struct range_state *s = calloc(1, sizeof *s);
    if (!s) return err_set(ERR_NOMEM, "counters: out of memory");
    s->set_name = set;
    s->mode = mode;
    enum err e = open_state(s, device);
    if (e == ERR_NONE)
        *state = s;
    else
        range_close(s);
    return e;
}

/* A new series; in mode KERNEL a new forward. */
static enum err arm(struct range_state *s, int32_t n_ranges)
{
    cupti_image_free(&s->counted);
    return cupti_target_arm(s->target, s->set, &s->config, n_ranges, s->mode, &s->counted);
}

static enum err range_start(void *state, int32_t n_forwards)
{
    struct range_state *s = state;
    bool same_series = s->n_stops > 0 && s->n_stops < s->set->passes;
    s->n_begun = 0;
    if (!same_series) {
        s->n_stops = s->n_kernels = 0;
        s->n_forwards = n_forwards;
        free(s->measured);
        s->measured = calloc((size_t)n_forwards + 1, sizeof *s->measured);
        if (!s->measured)
            return err_set(ERR_NOMEM, "counters of %d forwards: out of memory", n_forwards);
        if (s->mode == CUPTI_RANGE_USER) TRY(arm(s, n_forwards));
    }
    CHECK(n_forwards == s->n_forwards);
    return s->mode == CUPTI_RANGE_USER ? cupti_target_start(s->target) : ERR_NONE;
}

static void range_name(int32_t i, char out[CUPTI_RANGE_NAME])
{
    snprintf(out, CUPTI_RANGE_NAME, "forward%d", i);
}

static enum err range_begin(void *state)
{
    struct range_state *s = state;
    char name[CUPTI_RANGE_NAME];
    CHECK(s->n_begun < s->n_forwards);
    range_name(s->n_begun, name);
    if (s->mode == CUPTI_RANGE_USER) return cupti_target_push(s->target, name);
    TRY(arm(s, MAX_KERNELS));
    return cupti_target_start(s->target);
}

static enum err room_for_kernels(struct range_state *s, int32_t n)
{
    if (n <= s->room - s->n_kernels) return ERR_NONE;
    int32_t room = 2 * (s->n_kernels + n);
    struct kernel_record *grown = realloc(s->kernels, (size_t)room * sizeof *grown);
    if (!grown) return err_set(ERR_NOMEM, "counters of %d kernels: out of memory", room);
    s->kernels = grown;
    s->room = room;
    return ERR_NONE;
}

/* Every kernel of the forward just ended.  Their ranges are named by the order of the launches,
 * "0", "1", ..., and may come back in another one. */
static enum err take_kernels(struct range_state *s)
{
    bool again;
    int32_t n = 0;
    TRY(cupti_target_stop(s->target, &again));
    if (again) return err_set(ERR_DEVICE, "counters of one pass want another one");
    TRY(cupti_target_decode(s->target));
    TRY(cupti_target_disarm(s->target)); /* a device has one session at a time */
    TRY(cupti_host_ranges(s->host, &s->counted, &n));
    TRY(room_for_kernels(s, n));
    struct kernel_record *first = &s->kernels[s->n_kernels];
    for (int32_t i = 0; i < n; i++) first[i].ordinal = -1;
    for (int32_t i = 0; i < n; i++) {
        char name[CUPTI_RANGE_NAME], *end;
        struct counters c;
        TRY(cupti_host_decode(s->host, s->set, &s->counted, i, name, &c));
        long ordinal = strtol(name, &end, 10);
        if (!*name || *end || ordinal < 0 || ordinal >= n || first[ordinal].ordinal >= 0)
            return err_set(ERR_DEVICE,
                           "a kernel's range came back named \"%s\", which is none of "
                           "%d launches or came twice",
                           name, n);
        first[ordinal] = (struct kernel_record){.forward = s->n_begun,
                                                .call = -1,
                                                .ordinal = (int32_t)ordinal,
                                                .start_ns = -1,
                                                .end_ns = -1,
                                                .registers = -1,
                                                .shared_bytes = -1,
                                                .counters = c};
    }
    s->n_kernels += n;
    return ERR_NONE;
}

static enum err range_end(void *state, struct measured *out)
{
    struct range_state *s = state;
    *out = measured_nothing();
    if (s->mode == CUPTI_RANGE_USER)
        TRY(cupti_target_pop(s->target));
    else
        TRY(take_kernels(s));
    s->n_begun++;
    return ERR_NONE;
}

/* Ranges come in an order of CUPTI's own: the name says which forward one is of. */
static enum err read_ranges(struct range_state *s)
{
    int32_t n = 0;
    TRY(cupti_target_decode(s->target));
    TRY(cupti_target_disarm(s->target)); /* a device has one session at a time */
    TRY(cupti_host_ranges(s->host, &s->counted, &n));
    if (n != s->n_forwards)
        return err_set(ERR_DEVICE, "counters of %d ranges came back for %d forwards", n,
                       s->n_forwards);
    for (int32_t i = 0; i < n; i++) s->measured[i].time_ns = 0; /* none has come yet */
    for (int32_t i = 0; i < n; i++) {
        char name[CUPTI_RANGE_NAME], want[CUPTI_RANGE_NAME];
        struct counters c;
        int forward = -1;
        TRY(cupti_host_decode(s->host, s->set, &s->counted, i, name, &c));
        sscanf(name, "forward%d", &forward);
        range_name(forward, want);
        if (forward < 0 || forward >= n || strcmp(name, want) != 0 ||
            s->measured[forward].time_ns != 0)
            return err_set(ERR_DEVICE,
                           "a range came back named \"%s\", which is none of the %d "
                           "forwards' or came twice",
                           name, n);
        s->measured[forward] = measured_nothing();
        s->measured[forward].counters = c;
    }
    return ERR_NONE;
}

static enum err range_stop(void *state, bool *again)
{
    struct range_state *s = state;
    *again = false;
    if (s->mode == CUPTI_RANGE_KERNEL) return ERR_NONE;
    CHECK(s->n_begun == s->n_forwards);
    TRY(cupti_target_stop(s->target, again));
    s->n_stops++;
    if (*again != (s->n_stops < s->set->passes))
        return err_set(ERR_DEVICE, "counters of %d passes %s after %d", s->set->passes,
                       *again ? "want another one" : "were done", s->n_stops);
    return *again ? ERR_NONE : read_ranges(s);
}

static enum err range_read(void *state, int32_t i, struct measured *out)
{
    struct range_state *s = state;
    CHECK(i >= 0 && i < s->n_forwards && s->n_stops == s->set->passes);
    *out = s->measured[i];
    return ERR_NONE;
}

static enum err range_kernels(void *state, const struct kernel_record **out, int32_t *n)
{
    struct range_state *s = state;
    *out = s->kernels;
    *n = s->n_kernels;
    return ERR_NONE;
}

static void range_facts(void *state, struct probe_facts *out)
{
    struct range_state *s = state;
    *out = (struct probe_facts){.version = cupti_host_version(s->host),
                                .passes = s->set->passes,
                                .config = &s->config,
                                .counted = &s->counted};
    snprintf(out->chip, sizeof out->chip, "%s", s->set->chip);
    snprintf(out->set, sizeof out->set, "%s", s->set->name);
}

static enum err open_base(int32_t device, void **state)
{
    return open_range(device, "base", CUPTI_RANGE_USER, state);
}
static enum err open_vector(int32_t device, void **state)
{
    return open_range(device, "vector", CUPTI_RANGE_USER, state);
}
static enum err open_wide(int32_t device, void **state)
{
    return open_range(device, "wide", CUPTI_RANGE_USER, state);
}
static enum err open_kernel(int32_t device, void **state)
{
    return open_range(device, "base", CUPTI_RANGE_KERNEL, state);
}

#define RANGE_PROBE(name_, open_, help_)                                                           \
    .name = name_, .evidence = "counter", .help = help_, .open = open_, .begin = range_begin,      \
    .end = range_end, .close = range_close, .start = range_start, .stop = range_stop,              \
    .facts = range_facts

const struct probe_ops probe_cupti_base = {
    RANGE_PROBE("cupti-base", open_base, "bytes at DRAM, L2 and L1 and tensor-core FLOPs"),
    .read = range_read,
};
const struct probe_ops probe_cupti_vector = {
    RANGE_PROBE("cupti-vector", open_vector, "CUDA-core FLOPs, by instrumenting the kernels"),
    .read = range_read,
};
const struct probe_ops probe_cupti_wide = {
    RANGE_PROBE("cupti-wide", open_wide, "traffic between L1, L2 and the host, in several passes"),
    .read = range_read,
};
const struct probe_ops probe_cupti_kernel = {
    RANGE_PROBE("cupti-kernel", open_kernel, "bytes and FLOPs kernel by kernel, which run alone"),
    .kernels = range_kernels,
};
