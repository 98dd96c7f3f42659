/* double_target.c - the device half of CUPTI's range profiler, and the driver. */
#include "tests/cupti/double_cupti.h"

#include <stdlib.h>

struct CUpti_RangeProfiler_Object {
    bool started, in_range, automatic, configured;
    int32_t passes, stops, n_ranges, max_ranges;
    struct double_image *image;
    char name[DOUBLE_MAX_RANGES][DOUBLE_NAME];
};

static CUptiResult fake_cuptiProfilerInitialize(CUpti_Profiler_Initialize_Params *p)
{
    ENTER_SIZED(cuptiProfilerInitialize, CUpti_Profiler_Initialize_Params);
    cupti_double()->n_sessions = 0;
    cupti_double()->n_held++;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiProfilerDeInitialize(CUpti_Profiler_DeInitialize_Params *p)
{
    (void)p;
    cupti_double()->n_held--;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiProfilerDeviceSupported(CUpti_Profiler_DeviceSupported_Params *p)
{
    ENTER_SIZED(cuptiProfilerDeviceSupported, CUpti_Profiler_DeviceSupported_Params);
    RULE(p->api == CUPTI_PROFILER_RANGE_PROFILING, cuptiProfilerDeviceSupported, "of ranges");
    p->architecture = p->sli = p->confidentialCompute = p->cmp = p->wsl =
        CUPTI_PROFILER_CONFIGURATION_SUPPORTED;
    p->vGpu = p->isSupported = cupti_double()->unsupported ? CUPTI_PROFILER_CONFIGURATION_DISABLED
                                                           : CUPTI_PROFILER_CONFIGURATION_SUPPORTED;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiDeviceGetChipName(CUpti_Device_GetChipName_Params *p)
{
    ENTER_SIZED(cuptiDeviceGetChipName, CUpti_Device_GetChipName_Params);
    p->pChipName = cupti_double()->chip;
    return CUPTI_SUCCESS;
}

static CUptiResult
fake_cuptiProfilerGetCounterAvailability(CUpti_Profiler_GetCounterAvailability_Params *p)
{
    ENTER_SIZED(cuptiProfilerGetCounterAvailability, CUpti_Profiler_GetCounterAvailability_Params);
    if (p->pCounterAvailabilityImage) memset(p->pCounterAvailabilityImage, 1, 128);
    p->counterAvailabilityImageSize = 128;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerEnable(CUpti_RangeProfiler_Enable_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerEnable, CUpti_RangeProfiler_Enable_Params);
    RULE(p->ctx, cuptiRangeProfilerEnable, "wants a context");
    RULE(++cupti_double()->n_armed == 1, cuptiRangeProfilerEnable, "one session at a time");
    p->pRangeProfilerObject = calloc(1, sizeof *p->pRangeProfilerObject);
    cupti_double()->n_held++;
    cupti_double()->n_sessions++;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerDisable(CUpti_RangeProfiler_Disable_Params *p)
{
    bool started = p->pRangeProfilerObject->started;
    free(p->pRangeProfilerObject);
    cupti_double()->n_held--;
    cupti_double()->n_armed--;
    ENTER_SIZED(cuptiRangeProfilerDisable, CUpti_RangeProfiler_Disable_Params);
    RULE(!started, cuptiRangeProfilerDisable, "not while started");
    return CUPTI_SUCCESS;
}

static CUptiResult
fake_cuptiRangeProfilerGetCounterDataSize(CUpti_RangeProfiler_GetCounterDataSize_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerGetCounterDataSize,
                CUpti_RangeProfiler_GetCounterDataSize_Params);
    RULE(p->maxNumRangeTreeNodes >= p->maxNumOfRanges && p->maxNumOfRanges > 0,
         cuptiRangeProfilerGetCounterDataSize, "as many nodes as ranges");
    p->counterDataSize = sizeof(struct double_image);
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerCounterDataImageInitialize(
    CUpti_RangeProfiler_CounterDataImage_Initialize_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerCounterDataImageInitialize,
                CUpti_RangeProfiler_CounterDataImage_Initialize_Params);
    memset(p->pCounterData, 0, p->counterDataSize);
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerSetConfig(CUpti_RangeProfiler_SetConfig_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerSetConfig, CUpti_RangeProfiler_SetConfig_Params);
    struct CUpti_RangeProfiler_Object *o = p->pRangeProfilerObject;
    RULE(p->range == CUPTI_AutoRange || p->replayMode == CUPTI_UserReplay,
         cuptiRangeProfilerSetConfig, "no kernel replay in user ranges");
    RULE(p->counterDataImageSize == sizeof(struct double_image) && p->numNestingLevels == 1 &&
             p->minNestingLevel == 1 && p->targetNestingLevel == 1,
         cuptiRangeProfilerSetConfig, "one level, and the image it gave the size of");
    o->automatic = p->range == CUPTI_AutoRange;
    o->image = (void *)p->pCounterDataImage;
    o->passes = double_passes(p->pConfig);
    o->max_ranges = (int32_t)p->maxRangesPerPass;
    o->configured = true;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerStart(CUpti_RangeProfiler_Start_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerStart, CUpti_RangeProfiler_Start_Params);
    struct CUpti_RangeProfiler_Object *o = p->pRangeProfilerObject;
    RULE(o->configured && !o->started && o->stops < o->passes, cuptiRangeProfilerStart,
         "configured, stopped, and passes left");
    o->started = true;
    o->n_ranges = 0;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerPushRange(CUpti_RangeProfiler_PushRange_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerPushRange, CUpti_RangeProfiler_PushRange_Params);
    struct CUpti_RangeProfiler_Object *o = p->pRangeProfilerObject;
    RULE(o->started && !o->in_range && !o->automatic && o->n_ranges < o->max_ranges,
         cuptiRangeProfilerPushRange, "started, one at a time, as many as said");
    snprintf(o->name[o->n_ranges++], DOUBLE_NAME, "%s", p->pRangeName);
    o->in_range = true;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerPopRange(CUpti_RangeProfiler_PopRange_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerPopRange, CUpti_RangeProfiler_PopRange_Params);
    struct CUpti_RangeProfiler_Object *o = p->pRangeProfilerObject;
    RULE(o->in_range, cuptiRangeProfilerPopRange, "after a push");
    o->in_range = false;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerStop(CUpti_RangeProfiler_Stop_Params *p)
{
    struct CUpti_RangeProfiler_Object *o = p->pRangeProfilerObject;
    bool started = o->started;
    o->started = false; /* also when it fails: nobody can try again */
    ENTER_SIZED(cuptiRangeProfilerStop, CUpti_RangeProfiler_Stop_Params);
    RULE(started, cuptiRangeProfilerStop, "after a start");
    for (int32_t i = 0; o->automatic && i < cupti_double()->n_kernels; i++)
        snprintf(o->name[o->n_ranges++], DOUBLE_NAME, "%d", i);
    o->stops++;
    p->passIndex = (size_t)o->stops;
    p->targetNestingLevel = 1;
    p->isAllPassSubmitted = o->stops >= o->passes;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerDecodeData(CUpti_RangeProfiler_DecodeData_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerDecodeData, CUpti_RangeProfiler_DecodeData_Params);
    struct CUpti_RangeProfiler_Object *o = p->pRangeProfilerObject;
    RULE(!o->started && o->stops == o->passes, cuptiRangeProfilerDecodeData, "after every pass");
    struct double_image *i = o->image;
    i->n_ranges = o->n_ranges - cupti_double()->missing;
    i->session = cupti_double()->n_sessions;
    i->decoded = true;
    memcpy(i->name, o->name, sizeof i->name);
    p->numOfRangeDropped = (size_t)cupti_double()->dropped;
    return CUPTI_SUCCESS;
}

/* ---- the driver ---- */

#define ENTER_DRIVER(f)                                                                            \
    do {                                                                                           \
        if (cupti_double_enter(#f)) return CUDA_ERROR_UNKNOWN;                                     \
    } while (0)

static CUresult fake_cuInit(unsigned flags)
{
    ENTER_DRIVER(cuInit);
    return flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult fake_cuDeviceGetCount(int *n)
{
    ENTER_DRIVER(cuDeviceGetCount);
    *n = cupti_double()->n_gpus;
    return CUDA_SUCCESS;
}

static CUresult fake_cuDeviceGet(CUdevice *out, int ordinal)
{
    ENTER_DRIVER(cuDeviceGet);
    *out = ordinal;
    return CUDA_SUCCESS;
}

static CUresult fake_cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device)
{
    ENTER_DRIVER(cuDevicePrimaryCtxRetain);
    (void)device;
    *out = (CUcontext)(void *)cupti_double();
    cupti_double()->n_held++;
    return CUDA_SUCCESS;
}

static CUresult fake_cuDevicePrimaryCtxRelease(CUdevice device)
{
    (void)device;
    cupti_double()->n_held--;
    return CUDA_SUCCESS;
}

static CUresult fake_cuCtxSetCurrent(CUcontext context)
{
    ENTER_DRIVER(cuCtxSetCurrent);
    return context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

static CUresult fake_cuGetErrorString(CUresult result, const char **words)
{
    (void)result;
    *words = "words of the driver's double";
    return CUDA_SUCCESS;
}

enum err cupti_driver_open(int32_t device, struct cupti_driver *d)
{
    int n = 0;
    memset(d, 0, sizeof *d);
    if (cupti_double()->no_driver)
        return err_set(ERR_UNSUPPORTED, "no NVIDIA driver on this machine (the double has none)");
#define FAKE(f) d->p_##f = fake_##f;
    CUPTI_DRIVER_CALLS(FAKE)
#undef FAKE
    d->library = d;
    cupti_double()->n_libraries++;
    enum err e = cupti_driver_check(d, d->p_cuInit(0), "cuInit");
    if (e == ERR_NONE) e = cupti_driver_check(d, d->p_cuDeviceGetCount(&n), "cuDeviceGetCount");
    if (e == ERR_NONE && device >= n)
        e = err_set(ERR_UNSUPPORTED, "the driver sees %d GPUs, and none has the number %d", n,
                    device);
    if (e != ERR_NONE) cupti_driver_close(d);
    return e;
}

void cupti_driver_close(struct cupti_driver *d)
{
    if (d->library) cupti_double()->n_libraries--;
    d->library = NULL;
}

/* ---- all of the device half ---- */

void double_target_calls(struct cupti *c)
{
#define RANGE_CALLS(X)                                                                             \
    X(cuptiProfilerInitialize)                                                                     \
    X(cuptiProfilerDeInitialize)                                                                   \
    X(cuptiProfilerDeviceSupported)                                                                \
    X(cuptiDeviceGetChipName)                                                                      \
    X(cuptiProfilerGetCounterAvailability)                                                         \
    X(cuptiRangeProfilerEnable)                                                                    \
    X(cuptiRangeProfilerDisable)                                                                   \
    X(cuptiRangeProfilerGetCounterDataSize)                                                        \
    X(cuptiRangeProfilerCounterDataImageInitialize)                                                \
    X(cuptiRangeProfilerSetConfig)                                                                 \
    X(cuptiRangeProfilerStart)                                                                     \
    X(cuptiRangeProfilerStop)                                                                      \
    X(cuptiRangeProfilerPushRange)                                                                 \
    X(cuptiRangeProfilerPopRange)                                                                  \
    X(cuptiRangeProfilerDecodeData)
#define FAKE(f) c->p_##f = fake_##f;
    RANGE_CALLS(FAKE)
#undef FAKE
    double_activity_calls(c);
}
