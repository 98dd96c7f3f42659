/* probe_cupti_activity.c - which kernels a forward runs, when, and in which shape.
 *
 * A forward's launches carry its number, and that of the operation they are made for, as an
 * external correlation: CUPTI records, for each call of the CUDA interface, the pair (number,
 * correlation id), and for each kernel the correlation id of the call that launched it, which for
 * a graph is one call for all of its kernels. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roofline/cupti/cupti_api.h"
#include "roofline/probe.h"

enum { BUFFER_BYTES = 4 << 20, ALIGNMENT = 64 };

/* What CUPTI writes into, handed out and taken back by callbacks on a thread of its own. */
struct buffer {
    struct buffer *next;
    size_t valid; /* bytes of records */
    _Alignas(ALIGNMENT) uint8_t data[BUFFER_BYTES];
};

/* CUPTI's callbacks carry no pointer of ours, so what they fill has to be found without one. */
static struct {
    pthread_mutex_t lock;
    struct buffer *full;
    bool out_of_memory;
} collector = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void CUPTIAPI on_request(uint8_t **data, size_t *size, size_t *max_records)
{
    struct buffer *b = aligned_alloc(ALIGNMENT, sizeof *b);
    *max_records = 0; /* as many as fit */
    *data = b ? b->data : NULL;
    *size = b ? BUFFER_BYTES : 0;
    if (b) return;
    pthread_mutex_lock(&collector.lock);
    collector.out_of_memory = true;
    pthread_mutex_unlock(&collector.lock);
}

static void CUPTIAPI on_complete(CUcontext context, uint32_t stream, uint8_t *data, size_t size,
                                 size_t valid)
{
    struct buffer *b = (struct buffer *)(void *)(data - offsetof(struct buffer, data));
    (void)context;
    (void)stream;
    (void)size;
    b->valid = valid;
    pthread_mutex_lock(&collector.lock);
    b->next = collector.full;
    collector.full = b;
    pthread_mutex_unlock(&collector.lock);
}

static struct buffer *take_buffers(bool *out_of_memory)
{
    pthread_mutex_lock(&collector.lock);
    struct buffer *list = collector.full;
    *out_of_memory = collector.out_of_memory;
    collector.full = NULL;
    collector.out_of_memory = false;
    pthread_mutex_unlock(&collector.lock);
    return list;
}

static void free_buffers(struct buffer *list)
{
    while (list) {
        struct buffer *next = list->next;
        free(list);
        list = next;
    }
}

/* ---- the probe ---- */

struct launch { /* a call of the CUDA interface and what it was made for */
    uint32_t correlation;
    uint64_t external;
};

/* The two in one number, as one stack of CUPTI's has them: operations from 1 on, 0: none. */
static uint64_t external_id(int32_t forward, int32_t call)
{
    return (uint64_t)(uint32_t)(call + 1) << 32 | (uint32_t)forward;
}

struct raw_kernel {
    uint32_t correlation;
    struct kernel_record record; /* times still absolute */
};

struct activity_state {
    struct cupti cupti;
    struct cupti_driver driver;
    CUdevice device;
    CUcontext context; /* NULL: not retained */
    int32_t n_enabled; /* kinds, in order */
    int32_t n_forwards, n_begun;
    int32_t n_pushed; /* on CUPTI's stack: the forward, an operation of it */
    struct launch *launch;
    size_t n_launches, launch_room;
    struct raw_kernel *raw;
    size_t n_raw, raw_room;
    struct kernel_record *kernels;
    int32_t n_kernels;
};

/* Never KIND_KERNEL, which runs kernels one at a time.  Correlations exist only for calls that
 * are recorded themselves. */
static const CUpti_ActivityKind kinds[] = {
    CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
    CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION,
    CUPTI_ACTIVITY_KIND_RUNTIME,
    CUPTI_ACTIVITY_KIND_DRIVER,
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static enum err disable(struct activity_state *s)
{
    while (s->n_enabled > 0) CUPTI_TRY(&s->cupti, cuptiActivityDisable, kinds[--s->n_enabled]);
    return ERR_NONE;
}

static void activity_close(void *state)
{
    struct activity_state *s = state;
    bool ignored;
    if (!s) return;
    for (; s->n_pushed > 0; s->n_pushed--) {
        uint64_t id;
        s->cupti.p_cuptiActivityPopExternalCorrelationId(CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0,
                                                         &id);
    }
    /* What fails on the way out has nobody left to tell. */
    while (s->n_enabled > 0)
        if (disable(s) == ERR_NONE) break;
    if (s->context) {
        s->cupti.p_cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
        s->driver.p_cuDevicePrimaryCtxRelease(s->device);
    }
    free_buffers(take_buffers(&ignored));
    cupti_library_close(&s->cupti);
    cupti_driver_close(&s->driver);
    free(s->launch);
    free(s->raw);
    free(s->kernels);
    free(s);
}

static enum err open_state(struct activity_state *s, int32_t device)
{
    TRY(cupti_driver_open(device, &s->driver));
    TRY(cupti_library_open(&s->cupti));
    TRY(cupti_driver_check(&s->driver, s->driver.p_cuDeviceGet(&s->device, device), "cuDeviceGet"));
    CUcontext context = NULL;
    TRY(cupti_driver_check(&s->driver, s->driver.p_cuDevicePrimaryCtxRetain(&context, s->device),
                           "cuDevicePrimaryCtxRetain"));
    s->context = context;
    CUPTI_TRY(&s->cupti, cuptiActivityRegisterCallbacks, on_request, on_complete);
    return ERR_NONE;
}

static enum err activity_open(int32_t device, void **state)
{
    *state = NULL;
    struct activity_state *s = calloc(1, sizeof *s);
    if (!s) return err_set(ERR_NOMEM, "kernel records: out of memory");
    enum err e = open_state(s, device);
    if (e == ERR_NONE)
        *state = s;
    else
        activity_close(s);
    return e;
}

static enum err activity_start(void *state, int32_t n_forwards)
{
    struct activity_state *s = state;
    bool ignored;
    s->n_forwards = n_forwards;
    s->n_begun = 0;
    s->n_launches = s->n_raw = 0;
    s->n_kernels = 0;
    free_buffers(take_buffers(&ignored));
    for (; s->n_enabled < N_KINDS; s->n_enabled++)
        CUPTI_TRY(&s->cupti, cuptiActivityEnable, kinds[s->n_enabled]);
    return ERR_NONE;
}

static enum err push(struct activity_state *s, uint64_t id)
{
    CUPTI_TRY(&s->cupti, cuptiActivityPushExternalCorrelationId,
              CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0, id);
    s->n_pushed++;
    return ERR_NONE;
}

static enum err pop(struct activity_state *s)
{
    uint64_t id;
    s->n_pushed--;
    CUPTI_TRY(&s->cupti, cuptiActivityPopExternalCorrelationId,
              CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0, &id);
    return ERR_NONE;
}

static enum err activity_begin(void *state)
{
    struct activity_state *s = state;
    CHECK(s->n_begun < s->n_forwards && s->n_pushed == 0);
    return push(s, external_id(s->n_begun, -1));
}

static enum err activity_call_begin(void *state, int32_t call)
{
    struct activity_state *s = state;
    CHECK(s->n_pushed == 1 && call >= 0);
    return push(s, external_id(s->n_begun, call));
}

static enum err activity_call_end(void *state)
{
    struct activity_state *s = state;
    CHECK(s->n_pushed == 2);
    return pop(s);
}

static enum err activity_end(void *state, struct measured *out)
{
    struct activity_state *s = state;
    *out = measured_nothing();
    TRY(pop(s));
    s->n_begun++;
    return ERR_NONE;
}

/* ---- records ---- */

/* Room for one more element; sizes double. */
static void *room_for(void *list, size_t n, size_t *room, size_t size)
{
    if (n < *room) return list;
    size_t wanted = *room ? 2 * *room : 1024;
    void *grown = realloc(list, wanted * size);
    if (grown) *room = wanted;
    return grown;
}

static enum err add_launch(struct activity_state *s, const CUpti_ActivityExternalCorrelation *r)
{
    if (r->externalKind != CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0) return ERR_NONE;
    struct launch *grown = room_for(s->launch, s->n_launches, &s->launch_room, sizeof *s->launch);
    if (!grown) return err_set(ERR_NOMEM, "kernel records: out of memory");
    s->launch = grown;
    s->launch[s->n_launches++] =
        (struct launch){.correlation = r->correlationId, .external = r->externalId};
    return ERR_NONE;
}

static enum err add_kernel(struct activity_state *s, const CUpti_ActivityKernel10 *r)
{
    struct raw_kernel *grown = room_for(s->raw, s->n_raw, &s->raw_room, sizeof *s->raw);
    if (!grown) return err_set(ERR_NOMEM, "kernel records: out of memory");
    s->raw = grown;
    if (r->start == 0 || r->end < r->start)
        return err_set(ERR_DEVICE, "a kernel came back without its times: %.60s",
                       r->name ? r->name : "");
    struct raw_kernel *k = &s->raw[s->n_raw++];
    *k = (struct raw_kernel){
        .correlation = r->correlationId,
        .record = {.start_ns = (int64_t)r->start,
                   .end_ns = (int64_t)r->end,
                   .grid = {r->gridX, r->gridY, r->gridZ},
                   .block = {r->blockX, r->blockY, r->blockZ},
                   .registers = r->registersPerThread,
                   .shared_bytes = (int64_t)r->staticSharedMemory + r->dynamicSharedMemory}};
    /* The name lives as long as the buffer. */
    snprintf(k->record.name, sizeof k->record.name, "%s", r->name ? r->name : "");
    counters_clear(&k->record.counters);
    return ERR_NONE;
}

static enum err walk(struct activity_state *s, struct buffer *b)
{
    CUpti_Activity *r = NULL;
    for (;;) {
        CUptiResult result = s->cupti.p_cuptiActivityGetNextRecord(b->data, b->valid, &r);
        if (result == CUPTI_ERROR_MAX_LIMIT_REACHED) return ERR_NONE;
        TRY(cupti_check(&s->cupti, result, "cuptiActivityGetNextRecord"));
        if (r->kind == CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION)
            TRY(add_launch(s, (const CUpti_ActivityExternalCorrelation *)(void *)r));
        else if (r->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL)
            TRY(add_kernel(s, (const CUpti_ActivityKernel10 *)(void *)r));
    }
}

static enum err walk_all(struct activity_state *s, struct buffer *list)
{
    size_t lost = 0;
    for (struct buffer *b = list; b; b = b->next) TRY(walk(s, b));
    CUPTI_TRY(&s->cupti, cuptiActivityGetNumDroppedRecords, NULL, 0, &lost);
    if (lost > 0) return err_set(ERR_DEVICE, "CUPTI lost %zu records of kernels", lost);
    return ERR_NONE;
}

static int compare_launches(const void *pa, const void *pb)
{
    const struct launch *a = pa, *b = pb;
    return (a->correlation > b->correlation) - (a->correlation < b->correlation);
}

static int compare_kernels(const void *pa, const void *pb)
{
    const struct kernel_record *a = pa, *b = pb;
    if (a->forward != b->forward) return a->forward < b->forward ? -1 : 1;
    return (a->start_ns > b->start_ns) - (a->start_ns < b->start_ns);
}

/* Records come in any order: give each its forward, sort, number, and count from the first. */
static enum err join(struct activity_state *s)
{
    free(s->kernels);
    s->kernels = calloc(s->n_raw + 1, sizeof *s->kernels);
    if (!s->kernels || s->n_raw > INT32_MAX)
        return err_set(ERR_NOMEM, "records of %zu kernels: out of memory", s->n_raw);
    qsort(s->launch, s->n_launches, sizeof *s->launch, compare_launches);
    for (size_t i = 0; i < s->n_raw; i++) {
        struct launch key = {.correlation = s->raw[i].correlation};
        const struct launch *l = s->n_launches ? bsearch(&key, s->launch, s->n_launches,
                                                         sizeof *s->launch, compare_launches)
                                               : NULL;
        uint64_t forward = l ? l->external & UINT32_MAX : UINT64_MAX;
        if (forward >= (uint64_t)s->n_forwards) continue; /* between forwards */
        struct kernel_record *k = &s->kernels[s->n_kernels++];
        *k = s->raw[i].record;
        k->forward = (int32_t)forward;
        k->call = (int32_t)(l->external >> 32) - 1;
    }
    qsort(s->kernels, (size_t)s->n_kernels, sizeof *s->kernels, compare_kernels);
    int64_t first = 0;
    for (int32_t i = 0; i < s->n_kernels; i++) {
        struct kernel_record *k = &s->kernels[i];
        bool begins = i == 0 || k[-1].forward != k->forward;
        if (begins) first = k->start_ns;
        k->ordinal = begins ? 0 : k[-1].ordinal + 1;
        k->start_ns -= first;
        k->end_ns -= first;
    }
    return ERR_NONE;
}

static enum err activity_stop(void *state, bool *again)
{
    struct activity_state *s = state;
    bool out_of_memory;
    *again = false;
    CHECK(s->n_begun == s->n_forwards);
    CUPTI_TRY(&s->cupti, cuptiActivityFlushAll, CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
    TRY(disable(s));
    struct buffer *list = take_buffers(&out_of_memory);
    enum err e =
        out_of_memory ? err_set(ERR_NOMEM, "kernel records: out of memory") : walk_all(s, list);
    free_buffers(list);
    TRY(e);
    return join(s);
}

static enum err activity_kernels(void *state, const struct kernel_record **out, int32_t *n)
{
    struct activity_state *s = state;
    *out = s->kernels;
    *n = s->n_kernels;
    return ERR_NONE;
}

static void activity_facts(void *state, struct probe_facts *out)
{
    struct activity_state *s = state;
    *out = (struct probe_facts){.version = (int32_t)s->cupti.version, .passes = 1};
}

const struct probe_ops probe_cupti_activity = {
    .name = "cupti-activity",
    .evidence = "timing",
    .help = "which kernels a forward runs, when, and in which shape",
    .open = activity_open,
    .begin = activity_begin,
    .end = activity_end,
    .close = activity_close,
    .start = activity_start,
    .stop = activity_stop,
    .call_begin = activity_call_begin,
    .call_end = activity_call_end,
    .kernels = activity_kernels,
    .facts = activity_facts,
};
