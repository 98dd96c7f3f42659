/* double_activity.c - records of kernels: every forward runs the same few, and their records come
 * out of order, those of the calls after those of the kernels. */
#include "tests/cupti/double_cupti.h"

enum { MAX_FORWARDS = 256, N_KINDS = 4 };

static struct {
    CUpti_BuffersCallbackRequestFunc request;
    CUpti_BuffersCallbackCompleteFunc complete;
    int32_t n_enabled;
    uint64_t id[MAX_FORWARDS];
    int32_t n_forwards;
    bool in_forward;
} trace;

static CUptiResult fake_cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc request,
                                                       CUpti_BuffersCallbackCompleteFunc complete)
{
    ENTER(cuptiActivityRegisterCallbacks);
    trace.request = request;
    trace.complete = complete;
    trace.n_enabled = trace.n_forwards = 0;
    trace.in_forward = false;
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
             !trace.in_forward && trace.n_forwards < MAX_FORWARDS,
         cuptiActivityPushExternalCorrelationId, "enabled, one at a time");
    trace.id[trace.n_forwards++] = id;
    trace.in_forward = true;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiActivityPopExternalCorrelationId(CUpti_ExternalCorrelationKind kind,
                                                              uint64_t *id)
{
    (void)kind;
    trace.in_forward = false;
    ENTER(cuptiActivityPopExternalCorrelationId);
    *id = trace.id[trace.n_forwards - 1];
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

static CUptiResult fake_cuptiActivityFlushAll(uint32_t flag)
{
    ENTER(cuptiActivityFlushAll);
    static const char *const names[] = {"matmul", "attention", "add"};
    uint8_t *buffer = NULL;
    size_t size = 0, max = 0, at = 0;
    (void)flag;
    if (trace.n_forwards == 0) return CUPTI_SUCCESS;
    trace.request(&buffer, &size, &max);
    for (int32_t f = trace.n_forwards - 1; f >= 0; f--)
        for (int32_t k = cupti_double()->n_kernels - 1; k >= 0; k--) {
            uint64_t start = 1000000 + 1000 * (uint64_t)f + 100 * (uint64_t)k;
            CUpti_ActivityKernel10 r;
            memset(&r, 0, sizeof r);
            r.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
            r.start = cupti_double()->no_times ? 0 : start;
            r.end = cupti_double()->no_times ? 0 : start + 60;
            r.correlationId = (uint32_t)(7 + f);
            r.name = names[k % 3];
            r.gridX = 10 + k;
            r.gridY = r.gridZ = r.blockY = r.blockZ = 1;
            r.blockX = 128;
            r.registersPerThread = 40;
            r.staticSharedMemory = 1024;
            r.dynamicSharedMemory = 512;
            put(buffer, size, &at, &r, sizeof r);
        }
    for (int32_t f = 0; f < trace.n_forwards; f++) {
        CUpti_ActivityExternalCorrelation r;
        memset(&r, 0, sizeof r);
        r.kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION;
        r.externalKind = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0;
        r.externalId = trace.id[f];
        r.correlationId = (uint32_t)(7 + f);
        put(buffer, size, &at, &r, sizeof r);
    }
    /* One that ran between forwards. */
    CUpti_ActivityKernel10 stray;
    memset(&stray, 0, sizeof stray);
    stray.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
    stray.start = 5;
    stray.end = 9;
    stray.correlationId = 3;
    stray.name = "stray";
    put(buffer, size, &at, &stray, sizeof stray);
    trace.n_forwards = 0;
    trace.complete(NULL, 0, buffer, size, at);
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
