/* cupti_target.c - see cupti_target.h. */
#include "roofline/cupti/cupti_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cupti_target {
    struct cupti cupti;
    struct cupti_driver driver;
    CUdevice device;
    CUcontext context; /* NULL: not retained */
    char chip[16];
    struct cupti_image availability;
    bool initialized;
    CUpti_RangeProfiler_Object *profiler; /* NULL: not armed */
    bool started;
};

/* ---- finding out whether it can be done ---- */

static const char *support_name(CUpti_Profiler_Support_Level l)
{
    switch (l) {
    case CUPTI_PROFILER_CONFIGURATION_SUPPORTED:
        return NULL;
    case CUPTI_PROFILER_CONFIGURATION_DISABLED:
        return "switched off";
    case CUPTI_PROFILER_CONFIGURATION_UNSUPPORTED:
        return "not supported";
    default:
        return "in an unknown state";
    }
}

static enum err check_supported(struct cupti_target *t)
{
    CUpti_Profiler_DeviceSupported_Params p = CUPTI_PARAMS(CUpti_Profiler_DeviceSupported_Params);
    p.cuDevice = t->device;
    p.api = CUPTI_PROFILER_RANGE_PROFILING;
    CUPTI_TRY(&t->cupti, cuptiProfilerDeviceSupported, &p);
    if (p.isSupported == CUPTI_PROFILER_CONFIGURATION_SUPPORTED) return ERR_NONE;
    const struct {
        const char *what;
        CUpti_Profiler_Support_Level level;
    } reasons[] = {
        {"counting on this architecture", p.architecture},
        {"counting in SLI mode", p.sli},
        {"counting on this virtual GPU (the host's administrator enables it)", p.vGpu},
        {"counting under confidential computing", p.confidentialCompute},
        {"counting on this mining card", p.cmp},
        {"counting under Windows' Linux", p.wsl},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (support_name(reasons[i].level))
            return err_set(ERR_UNSUPPORTED, "%s is %s", reasons[i].what,
                           support_name(reasons[i].level));
    return err_set(ERR_UNSUPPORTED,
                   "this GPU's counters cannot be read, and CUPTI does not say why");
}

/* The first call that a lack of privileges or another profiler makes fail. */
static enum err read_availability(struct cupti_target *t)
{
    CUpti_Profiler_GetCounterAvailability_Params p =
        CUPTI_PARAMS(CUpti_Profiler_GetCounterAvailability_Params);
    p.ctx = t->context;
    CUPTI_TRY(&t->cupti, cuptiProfilerGetCounterAvailability, &p);
    TRY(cupti_image_alloc(&t->availability, p.counterAvailabilityImageSize));
    p.pCounterAvailabilityImage = t->availability.data;
    CUPTI_TRY(&t->cupti, cuptiProfilerGetCounterAvailability, &p);
    return ERR_NONE;
}

#define DRIVER_TRY(t, f, ...)                                                                      \
    TRY(cupti_driver_check(&(t)->driver, (t)->driver.p_##f(__VA_ARGS__), #f))

static enum err open_target(struct cupti_target *t, int32_t device)
{
    /* In this order: without a driver some of CUPTI's calls crash instead of failing. */
    TRY(cupti_driver_open(device, &t->driver));
    TRY(cupti_library_open(&t->cupti));
    DRIVER_TRY(t, cuDeviceGet, &t->device, device);
    CUcontext context = NULL;
    DRIVER_TRY(t, cuDevicePrimaryCtxRetain, &context, t->device);
    t->context = context;
    DRIVER_TRY(t, cuCtxSetCurrent, t->context);

    CUpti_Profiler_Initialize_Params init = CUPTI_PARAMS(CUpti_Profiler_Initialize_Params);
    CUPTI_TRY(&t->cupti, cuptiProfilerInitialize, &init);
    t->initialized = true;
    TRY(check_supported(t));
    CUpti_Device_GetChipName_Params chip = CUPTI_PARAMS(CUpti_Device_GetChipName_Params);
    chip.deviceIndex = (size_t)device;
    CUPTI_TRY(&t->cupti, cuptiDeviceGetChipName, &chip);
    snprintf(t->chip, sizeof t->chip, "%s", chip.pChipName ? chip.pChipName : "");
    return read_availability(t);
}

enum err cupti_target_open(int32_t device, struct cupti_target **out)
{
    struct cupti_target *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t) return err_set(ERR_NOMEM, "counters: out of memory");
    enum err e = open_target(t, device);
    if (e == ERR_NONE)
        *out = t;
    else
        cupti_target_close(t);
    return e;
}

/* What fails on the way out has nobody left to tell. */
void cupti_target_close(struct cupti_target *t)
{
    if (!t) return;
    if (t->profiler && cupti_target_disarm(t) != ERR_NONE) t->profiler = NULL;
    if (t->initialized) {
        CUpti_Profiler_DeInitialize_Params p = CUPTI_PARAMS(CUpti_Profiler_DeInitialize_Params);
        t->cupti.p_cuptiProfilerDeInitialize(&p);
    }
    if (t->context) t->driver.p_cuDevicePrimaryCtxRelease(t->device);
    cupti_image_free(&t->availability);
    cupti_library_close(&t->cupti);
    cupti_driver_close(&t->driver);
    free(t);
}

const char *cupti_target_chip(const struct cupti_target *t)
{
    return t->chip;
}

const struct cupti_image *cupti_target_availability(const struct cupti_target *t)
{
    return &t->availability;
}

/* ---- one series ---- */

static enum err allocate_counted(struct cupti_target *t, const struct cupti_set *set,
                                 int32_t n_ranges, struct cupti_image *counted)
{
    const char *names[CUPTI_SET_MAX];
    for (int32_t i = 0; i < set->n; i++) names[i] = set->metric[i].name;
    CUpti_RangeProfiler_GetCounterDataSize_Params size =
        CUPTI_PARAMS(CUpti_RangeProfiler_GetCounterDataSize_Params);
    size.pRangeProfilerObject = t->profiler;
    size.pMetricNames = names;
    size.numMetrics = (size_t)set->n;
    size.maxNumOfRanges = (size_t)n_ranges;
    size.maxNumRangeTreeNodes = (uint32_t)n_ranges;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerGetCounterDataSize, &size);
    TRY(cupti_image_alloc(counted, size.counterDataSize));
    CUpti_RangeProfiler_CounterDataImage_Initialize_Params init =
        CUPTI_PARAMS(CUpti_RangeProfiler_CounterDataImage_Initialize_Params);
    init.pRangeProfilerObject = t->profiler;
    init.counterDataSize = counted->bytes;
    init.pCounterData = counted->data;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerCounterDataImageInitialize, &init);
    return ERR_NONE;
}

enum err cupti_target_arm(struct cupti_target *t, const struct cupti_set *set,
                          const struct cupti_image *config, int32_t n_ranges, enum cupti_range mode,
                          struct cupti_image *counted)
{
    CHECK(!t->profiler);
    CUpti_RangeProfiler_Enable_Params enable = CUPTI_PARAMS(CUpti_RangeProfiler_Enable_Params);
    enable.ctx = t->context;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerEnable, &enable);
    t->profiler = enable.pRangeProfilerObject;
    TRY(allocate_counted(t, set, n_ranges, counted));

    CUpti_RangeProfiler_SetConfig_Params p = CUPTI_PARAMS(CUpti_RangeProfiler_SetConfig_Params);
    p.pRangeProfilerObject = t->profiler;
    p.configSize = config->bytes;
    p.pConfig = config->data;
    p.counterDataImageSize = counted->bytes;
    p.pCounterDataImage = counted->data;
    p.range = mode == CUPTI_RANGE_USER ? CUPTI_UserRange : CUPTI_AutoRange;
    /* We repeat the work ourselves: CUPTI's own replay saves and restores all memory a kernel
     * writes, and changes what is in the caches. */
    p.replayMode = CUPTI_UserReplay;
    p.maxRangesPerPass = (size_t)n_ranges;
    p.numNestingLevels = 1;
    p.minNestingLevel = 1;
    p.targetNestingLevel = 1;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerSetConfig, &p);
    return ERR_NONE;
}

enum err cupti_target_start(struct cupti_target *t)
{
    CUpti_RangeProfiler_Start_Params p = CUPTI_PARAMS(CUpti_RangeProfiler_Start_Params);
    p.pRangeProfilerObject = t->profiler;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerStart, &p);
    t->started = true;
    return ERR_NONE;
}

enum err cupti_target_push(struct cupti_target *t, const char *name)
{
    CUpti_RangeProfiler_PushRange_Params p = CUPTI_PARAMS(CUpti_RangeProfiler_PushRange_Params);
    p.pRangeProfilerObject = t->profiler;
    p.pRangeName = name;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerPushRange, &p);
    return ERR_NONE;
}

enum err cupti_target_pop(struct cupti_target *t)
{
    CUpti_RangeProfiler_PopRange_Params p = CUPTI_PARAMS(CUpti_RangeProfiler_PopRange_Params);
    p.pRangeProfilerObject = t->profiler;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerPopRange, &p);
    return ERR_NONE;
}

enum err cupti_target_stop(struct cupti_target *t, bool *again)
{
    CUpti_RangeProfiler_Stop_Params p = CUPTI_PARAMS(CUpti_RangeProfiler_Stop_Params);
    p.pRangeProfilerObject = t->profiler;
    t->started = false;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerStop, &p);
    *again = !p.isAllPassSubmitted;
    return ERR_NONE;
}

enum err cupti_target_decode(struct cupti_target *t)
{
    CUpti_RangeProfiler_DecodeData_Params p = CUPTI_PARAMS(CUpti_RangeProfiler_DecodeData_Params);
    p.pRangeProfilerObject = t->profiler;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerDecodeData, &p);
    if (p.numOfRangeDropped == 0) return ERR_NONE;
    return err_set(ERR_DEVICE,
                   "the device lost the counters of %zu ranges: what is left would be "
                   "counted as the whole",
                   p.numOfRangeDropped);
}

enum err cupti_target_disarm(struct cupti_target *t)
{
    if (!t->profiler) return ERR_NONE;
    CUpti_RangeProfiler_Disable_Params p = CUPTI_PARAMS(CUpti_RangeProfiler_Disable_Params);
    p.pRangeProfilerObject = t->profiler;
    if (t->started) { /* a failure in between: Disable wants a stopped profiler */
        bool again;
        if (cupti_target_stop(t, &again) != ERR_NONE) t->started = false;
    }
    t->profiler = NULL;
    CUPTI_TRY(&t->cupti, cuptiRangeProfilerDisable, &p);
    return ERR_NONE;
}
