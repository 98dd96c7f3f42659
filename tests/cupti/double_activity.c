/* double_activity.c - records of kernels: those that an emulated GPU runs, or else the same few for
 * every forward.  They come out of order, those of the calls after those of the kernels. */
#include "tests/cupti/double_cupti.h"

enum {
    MAX_FORWARDS = 256,
    MAX_MADE_UP = 8, /* kernels of a forward */
    MAX_KERNELS = 8192,
    MAX_DEPTH = 2,
    N_KINDS = 4,
    FIRST_CORRELATION = 7
};

/* A call of CUDA's that launched something, and what was on top of the stack. */
struct launch {
    int64_t number;
    uint64_t external;
};

static struct {
    CUpti_BuffersCallbackRequestFunc request;
    CUpti_BuffersCallbackCompleteFunc complete;
    int32_t n_enabled;
    uint64_t stack[MAX_DEPTH];
    int32_t depth;
    /* made up: the forwards, and of each what was pushed within */
    uint64_t id[MAX_FORWARDS], within[MAX_FORWARDS][MAX_MADE_UP];
    int32_t n_forwards, n_within;
    /* an emulated GPU's */
    struct launch launch[MAX_KERNELS];
    struct cupti_double_kernel ran[MAX_KERNELS];
    int32_t n_launches, n_ran;
} trace;

void cupti_double_launched(int64_t launch)
{
    if (trace.n_enabled < N_KINDS || trace.depth == 0 || trace.n_launches == MAX_KERNELS) return;
    trace.launch[trace.n_launches++] = (struct launch){launch, trace.stack[trace.depth - 1]};
}

void cupti_double_ran(const struct cupti_double_kernel *k)
{
    if (trace.n_enabled < N_KINDS || trace.n_ran == MAX_KERNELS) return;
    trace.ran[trace.n_ran++] = *k;
}

static CUptiResult fake_cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc request,
                                                       CUpti_BuffersCallbackCompleteFunc complete)
{
    ENTER(cuptiActivityRegisterCallbacks);
    trace.request = request;
    trace.complete = complete;
    trace.n_enabled = trace.n_forwards = trace.depth = trace.n_launches = trace.n_ran = 0;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiActivityEnable(CUpti_ActivityKind kind)
{
    ENTER(cuptiActivityEnable);
    RULE(kind != CUPTI_ACTIVITY_KIND_KERNEL, cuptiActivityEnable, "it serialises");
    trace.n_enabled++;
    cupti_double()->n_held++;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiActivityDisable(CUpti_ActivityKind kind)
{
    (void)kind;
    trace.n_enabled--;
    cupti_double()->n_held--;
    ENTER(cuptiActivityDisable);
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiActivityPushExternalCorrelationId(CUpti_ExternalCorrelationKind kind,
                                                               uint64_t id)
{
    ENTER(cuptiActivityPushExternalCorrelationId);
    RULE(kind == CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0 && trace.n_enabled == N_KINDS &&
             trace.depth < MAX_DEPTH && trace.n_forwards < MAX_FORWARDS,
         cuptiActivityPushExternalCorrelationId, "enabled, a forward and an operation of it");
    if (trace.depth == 0) {
        trace.id[trace.n_forwards++] = id;
        trace.n_within = 0;
        for (int32_t k = 0; k < MAX_MADE_UP; k++) trace.within[trace.n_forwards - 1][k] = id;
    } else if (trace.n_within < MAX_MADE_UP) {
        trace.within[trace.n_forwards - 1][trace.n_within++] = id;
    }
    trace.stack[trace.depth++] = id;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiActivityPopExternalCorrelationId(CUpti_ExternalCorrelationKind kind,
                                                              uint64_t *id)
{
    (void)kind;
    RULE(trace.depth > 0, cuptiActivityPopExternalCorrelationId, "something pushed");
    trace.depth--;
    ENTER(cuptiActivityPopExternalCorrelationId);
    *id = trace.stack[trace.depth];
    return CUPTI_SUCCESS;
}

/* Append a record to the buffer; one that finds no room is a mistake of the test. */
static void put(uint8_t *buffer, size_t size, size_t *at, const void *record, size_t n)
{
    if (*at + n > size) {
        cupti_double_misuse("cuptiActivityFlushAll", "a buffer with room");
        return;
    }
    memcpy(buffer + *at, record, n);
    *at += n;
}

/* Where records go next. */
struct out {
    uint8_t *buffer;
    size_t size, at;
};

/* The record keeps the name's address. */
static void put_kernel(struct out *o, const struct cupti_double_kernel *k, const char *name,
                       uint32_t correlation)
{
    CUpti_ActivityKernel10 r;
    memset(&r, 0, sizeof r);
    r.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
    r.start = cupti_double()->no_times ? 0 : k->begin_ns;
    r.end = cupti_double()->no_times ? 0 : k->end_ns;
    r.correlationId = correlation;
    r.name = name;
    r.gridX = k->grid[0], r.gridY = k->grid[1], r.gridZ = k->grid[2];
    r.blockX = k->block[0], r.blockY = k->block[1], r.blockZ = k->block[2];
    r.registersPerThread = 40;
    r.staticSharedMemory = 1024;
    r.dynamicSharedMemory = 512;
    put(o->buffer, o->size, &o->at, &r, sizeof r);
}

static void put_external(struct out *o, uint64_t id, uint32_t correlation)
{
    CUpti_ActivityExternalCorrelation r;
    memset(&r, 0, sizeof r);
    r.kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION;
    r.externalKind = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0;
    r.externalId = id;
    r.correlationId = correlation;
    put(o->buffer, o->size, &o->at, &r, sizeof r);
}

static void put_made_up(struct out *o)
{
    static const char *const names[] = {"matmul", "attention", "add"};
    int32_t n = cupti_double()->n_kernels;
    for (int32_t f = trace.n_forwards - 1; f >= 0; f--)
        for (int32_t k = n - 1; k >= 0; k--) {
            uint64_t begin = 1000000 + 1000 * (uint64_t)f + 100 * (uint64_t)k;
            struct cupti_double_kernel one = {.grid = {10 + k, 1, 1},
                                              .block = {128, 1, 1},
                                              .begin_ns = begin,
                                              .end_ns = begin + 60};
            put_kernel(o, &one, names[k % 3], (uint32_t)(FIRST_CORRELATION + f * n + k));
        }
    for (int32_t f = 0; f < trace.n_forwards; f++)
        for (int32_t k = 0; k < n; k++)
            put_external(o, k < MAX_MADE_UP ? trace.within[f][k] : trace.id[f],
                         (uint32_t)(FIRST_CORRELATION + f * n + k));
}

/* A launch is its own correlation. */
static void put_emulated(struct out *o)
{
    for (int32_t i = trace.n_ran - 1; i >= 0; i--)
        put_kernel(o, &trace.ran[i], trace.ran[i].name, (uint32_t)trace.ran[i].launch);
    for (int32_t i = 0; i < trace.n_launches; i++)
        put_external(o, trace.launch[i].external, (uint32_t)trace.launch[i].number);
}

static CUptiResult fake_cuptiActivityFlushAll(uint32_t flag)
{
    ENTER(cuptiActivityFlushAll);
    static const struct cupti_double_kernel stray = {.begin_ns = 5, .end_ns = 9};
    struct out o = {NULL, 0, 0};
    size_t max = 0;
    (void)flag;
    if (trace.n_forwards == 0) return CUPTI_SUCCESS;
    trace.request(&o.buffer, &o.size, &max);
    if (trace.n_ran > 0)
        put_emulated(&o);
    else
        put_made_up(&o);
    put_kernel(&o, &stray, "stray", 3); /* one that ran between forwards */
    trace.n_forwards = trace.n_launches = trace.n_ran = 0;
    trace.complete(NULL, 0, o.buffer, o.size, o.at);
    return CUPTI_SUCCESS;
}

static size_t record_bytes(const CUpti_Activity *r)
{
    return r->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL
               ? sizeof(CUpti_ActivityKernel10)
               : sizeof(CUpti_ActivityExternalCorrelation);
}

static CUptiResult fake_cuptiActivityGetNextRecord(uint8_t *buffer, size_t valid,
                                                   CUpti_Activity **r)
{
    ENTER(cuptiActivityGetNextRecord);
    uint8_t *next = *r ? (uint8_t *)*r + record_bytes(*r) : buffer;
    if (next >= buffer + valid) return CUPTI_ERROR_MAX_LIMIT_REACHED;
    *r = (CUpti_Activity *)(void *)next;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiActivityGetNumDroppedRecords(CUcontext context, uint32_t stream,
                                                          size_t *n)
{
    ENTER(cuptiActivityGetNumDroppedRecords);
    (void)context;
    (void)stream;
    *n = (size_t)cupti_double()->dropped;
    return CUPTI_SUCCESS;
}

void double_activity_calls(struct cupti *c)
{
    c->p_cuptiActivityRegisterCallbacks = fake_cuptiActivityRegisterCallbacks;
    c->p_cuptiActivityEnable = fake_cuptiActivityEnable;
    c->p_cuptiActivityDisable = fake_cuptiActivityDisable;
    c->p_cuptiActivityPushExternalCorrelationId = fake_cuptiActivityPushExternalCorrelationId;
    c->p_cuptiActivityPopExternalCorrelationId = fake_cuptiActivityPopExternalCorrelationId;
    c->p_cuptiActivityFlushAll = fake_cuptiActivityFlushAll;
    c->p_cuptiActivityGetNextRecord = fake_cuptiActivityGetNextRecord;
    c->p_cuptiActivityGetNumDroppedRecords = fake_cuptiActivityGetNumDroppedRecords;
}
