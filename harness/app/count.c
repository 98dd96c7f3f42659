/* count.c - which passes are made over a run, and what becomes of one that fails. */
#include "harness/app/count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/count_pass.h"
#include "roofline/probe.h"

const struct count_limits count_default = {
    .max_decodes = 6, /* the fewest that have a 95 % interval */
    .decode_ns = 3000 * 1000000LL,
    .energy_ns = 2000 * 1000000LL, /* twenty of the energy counter's own steps */
    .max_forwards = 512,
    .known = {.matmul = 4096},
};

/* Enough to fill a CPU's time, and to pass through its caches. */
const struct count_limits count_default_cpu = {
    .max_decodes = 6,
    .decode_ns = 3000 * 1000000LL,
    .max_forwards = 512,
    .known = {.matmul = 1024},
};

static const struct count_probe probes[] = {
    /* Before the others: it changes least of what runs. */
    {"cupti-activity", "which kernels a forward runs, when, and in which shape",
     &probe_cupti_activity, false},
    {"nvml", "clocks, temperature, power and energy of repeated decodes", NULL, false},
    {"cupti-base", "bytes at DRAM, L2 and L1 and tensor-core FLOPs of every forward",
     &probe_cupti_base, false},
    {"cupti-wide", "traffic between L1, L2 and the host, in several passes", &probe_cupti_wide,
     false},
    {"cupti-kernel", "bytes and FLOPs kernel by kernel", &probe_cupti_kernel, false},
    /* Last: kernels are rewritten to count their instructions. */
    {"cupti-vector", "CUDA-core FLOPs of every forward", &probe_cupti_vector, false},
    {"perf",
     "CPU cycles, instructions and cache misses, and bytes at DRAM where the kernel names them",
     &probe_perf, true},
    {"perf-software", "the kernel's own counts: task clock, page faults, context switches",
     &probe_perf_software, true},
};
enum { N_PROBES = sizeof probes / sizeof probes[0] };

const struct count_probe *count_probe_at(int32_t i)
{
    return i >= 0 && i < N_PROBES ? &probes[i] : NULL;
}

static bool is_cuda(const char *device)
{
    return strncmp(device, "cuda:", 5) == 0;
}

bool count_wanted(const struct count_options *o, const char *device)
{
    if (strncmp(device, "sim:", 4) == 0) return false;
    return o->mode == COUNTERS_DEFAULT ? is_cuda(device) : o->mode != COUNTERS_OFF;
}

/* The usual probes of the device stand for a list that was not given. */
static const char *list_of(const struct count_options *o, int32_t device)
{
    return o->probes ? o->probes : device == COUNT_CPU ? COUNT_PROBES_CPU : COUNT_PROBES;
}

/* Whether a probe is among those asked for. */
static bool is_asked(const struct count_options *o, int32_t device, const char *name)
{
    const char *list = list_of(o, device);
    size_t n = strlen(name);
    for (const char *p = list; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == '\0')) return true;
    return false;
}

static enum err check_names(const struct count_options *o)
{
    for (const char *p = o->probes; p;) {
        size_t n = strcspn(p, ",");
        bool known = false;
        for (int32_t i = 0; i < N_PROBES; i++)
            known |= strlen(probes[i].name) == n && strncmp(probes[i].name, p, n) == 0;
        if (!known)
            return err_set(ERR_USAGE, "--probes: no probe \"%.*s\" (regime list probes)", (int)n,
                           p);
        p = p[n] ? p + n + 1 : NULL;
    }
    return ERR_NONE;
}

int32_t count_device(const char *device)
{
    return is_cuda(device) ? (int32_t)atoi(device + 5) : COUNT_CPU;
}

/* A probe of the other kind of device counts nothing of this one. */
static enum err check_kind(const struct count_probe *p, int32_t device)
{
    if (p->of_cpu == (device == COUNT_CPU)) return ERR_NONE;
    return err_set(ERR_UNSUPPORTED, "%s counts on %s", p->name,
                   p->of_cpu ? "the CPU (cpu)" : "NVIDIA GPUs (cuda:N)");
}

static enum err open_probe(const struct count_probe *p, int32_t device, void **state,
                           struct nvml **nvml)
{
    TRY(check_kind(p, device));
    return p->ops ? p->ops->open(device, state) : nvml_open(device, nvml);
}

void count_probe_reason(const struct count_probe *p, int32_t device, char *why, size_t size)
{
    void *state = NULL;
    struct nvml *nvml = NULL;
    enum err e = open_probe(p, device, &state, &nvml);
    snprintf(why, size, "%s", e == ERR_NONE ? "" : err_msg());
    if (p->ops) p->ops->close(state);
    nvml_close(nvml);
}

static enum err require(const struct count_probe *p, int32_t device)
{
    char why[512];
    count_probe_reason(p, device, why, sizeof why);
    if (!*why) return ERR_NONE;
    return err_set(ERR_UNSUPPORTED, "counters are required and %s cannot be read: %s", p->name,
                   why);
}

enum err count_check(const struct count_options *o, const char *device)
{
    int32_t number = count_device(device);
    TRY(check_names(o));
    if (o->mode != COUNTERS_REQUIRE || strncmp(device, "sim:", 4) == 0) return ERR_NONE;
    for (int32_t i = 0; i < N_PROBES; i++)
        if (is_asked(o, number, probes[i].name)) TRY(require(&probes[i], number));
    return ERR_NONE;
}

/* ---- one run ---- */

/* A failure of the store ends everything, any other only the pass. */
static enum err keep_reason(struct store *s, const char *run_id, const char *probe,
                            enum l2_state l2, char *why, size_t size)
{
    char reason[512];
    snprintf(reason, sizeof reason, "%s", err_msg());
    if (!*why) snprintf(why, size, "%s: %s", probe, reason);
    const struct counting_row row = {.probe = probe, .l2 = l2, .reason = reason};
    return store_add_counting(s, run_id, &row);
}

/* Whatever this pass is of: what was counted is whole, or nothing of it is kept. */
static enum err one_pass(const struct count_options *o, struct count_subject *subject,
                         struct store *s, const char *run_id, const struct count_probe *p,
                         char *why, size_t size)
{
    bool done;
    struct count_result r = {.row = {.probe = p->name, .l2 = o->l2}};
    TRY(store_is_counted(s, run_id, p->name, o->l2, &done));
    if (done) return ERR_NONE;
    enum err counted = check_kind(p, subject->device);
    if (counted == ERR_NONE)
        counted = p->ops ? count_pass(subject, p->ops, &r) : count_energy(subject, &r);
    if (counted == ERR_NONE && o->files && p->ops) counted = count_save(&r, o->files, run_id);
    enum err e = counted == ERR_NONE ? store_add_counting(s, run_id, &r.row)
                                     : keep_reason(s, run_id, p->name, o->l2, why, size);
    count_result_free(&r);
    return e;
}

static enum err unavailable(const struct count_options *o, int32_t device, struct store *s,
                            const char *run_id, char *why, size_t size)
{
    char reason[512];
    snprintf(reason, sizeof reason, "%s", err_msg());
    for (int32_t i = 0; i < N_PROBES; i++) {
        bool done;
        if (!is_asked(o, device, probes[i].name)) continue;
        TRY(store_is_counted(s, run_id, probes[i].name, o->l2, &done));
        if (done) continue;
        const struct counting_row row = {.probe = probes[i].name, .l2 = o->l2, .reason = reason};
        TRY(store_add_counting(s, run_id, &row));
    }
    if (!*why) snprintf(why, size, "%s", reason);
    return ERR_NONE;
}

static enum err is_done(const struct count_options *o, int32_t device, struct store *s,
                        const char *run_id, bool *done)
{
    *done = true;
    for (int32_t i = 0; i < N_PROBES && *done; i++)
        if (is_asked(o, device, probes[i].name))
            TRY(store_is_counted(s, run_id, probes[i].name, o->l2, done));
    return ERR_NONE;
}

/* Weights are not made and nothing is decoded where no probe can be opened. */
static enum err look_for_one(const struct count_options *o, int32_t device)
{
    char why[512] = "";
    for (int32_t i = 0; i < N_PROBES; i++) {
        if (!is_asked(o, device, probes[i].name)) continue;
        count_probe_reason(&probes[i], device, why, sizeof why);
        if (!*why) return ERR_NONE;
    }
    return err_set(ERR_UNSUPPORTED, "%s", why);
}

enum err count_run(const struct count_options *o, struct engine *e, struct store *s,
                   const struct cell *c, int32_t device, const char *run_id, char *why, size_t size)
{
    struct count_subject subject = {.limits = o->limits             ? o->limits
                                              : device == COUNT_CPU ? &count_default_cpu
                                                                    : &count_default,
                                    .l2 = o->l2,
                                    .device = device};
    bool found, done;
    *why = '\0';
    TRY(store_run_tokens(s, run_id, &found, subject.tokens_sha256));
    if (!found) return ERR_NONE;
    TRY(is_done(o, device, s, run_id, &done));
    if (done) return ERR_NONE;
    enum err opened = look_for_one(o, device);
    if (opened == ERR_NONE) opened = count_open(&subject, e, c);
    enum err err = opened == ERR_NONE ? ERR_NONE : unavailable(o, device, s, run_id, why, size);
    for (int32_t i = 0; i < N_PROBES && opened == ERR_NONE && err == ERR_NONE; i++)
        if (is_asked(o, device, probes[i].name))
            err = one_pass(o, &subject, s, run_id, &probes[i], why, size);
    count_close(&subject);
    return err;
}
