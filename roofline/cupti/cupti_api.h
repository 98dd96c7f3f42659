/* cupti_api.h - CUPTI's and the driver's calls, found at run time.  Only for the files of this
 * folder and their tests; everything else uses cupti_host.h and probe.h. */
#ifndef ROOFLINE_CUPTI_API_H
#define ROOFLINE_CUPTI_API_H

#include <cuda.h>
#include <cupti.h>
#include <cupti_profiler_host.h>
#include <cupti_range_profiler.h>
#include <cupti_target.h>

#include "harness/base/err.h"

/* Work with no GPU and no driver. */
#define CUPTI_HOST_CALLS(X)                                                                        \
    X(cuptiGetVersion)                                                                             \
    X(cuptiGetResultString)                                                                        \
    X(cuptiProfilerHostInitialize)                                                                 \
    X(cuptiProfilerHostDeinitialize)                                                               \
    X(cuptiProfilerHostGetMetricProperties)                                                        \
    X(cuptiProfilerHostGetSubMetrics)                                                              \
    X(cuptiProfilerHostConfigAddMetrics)                                                           \
    X(cuptiProfilerHostGetConfigImageSize)                                                         \
    X(cuptiProfilerHostGetConfigImage)                                                             \
    X(cuptiProfilerHostGetNumOfPasses)                                                             \
    X(cuptiProfilerHostEvaluateToGpuValues)                                                        \
    X(cuptiRangeProfilerGetCounterDataInfo)                                                        \
    X(cuptiRangeProfilerCounterDataGetRangeInfo)

/* Need a driver: some of them crash without one, so cupti_driver_open comes first. */
#define CUPTI_TARGET_CALLS(X)                                                                      \
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
    X(cuptiRangeProfilerDecodeData)                                                                \
    X(cuptiActivityRegisterCallbacks)                                                              \
    X(cuptiActivityEnable)                                                                         \
    X(cuptiActivityDisable)                                                                        \
    X(cuptiActivityGetNextRecord)                                                                  \
    X(cuptiActivityGetNumDroppedRecords)                                                           \
    X(cuptiActivityPushExternalCorrelationId)                                                      \
    X(cuptiActivityPopExternalCorrelationId)                                                       \
    X(cuptiActivityFlushAll)

#define CUPTI_DRIVER_CALLS(X)                                                                      \
    X(cuInit)                                                                                      \
    X(cuDeviceGetCount)                                                                            \
    X(cuDeviceGet)                                                                                 \
    X(cuDevicePrimaryCtxRetain)                                                                    \
    X(cuDevicePrimaryCtxRelease)                                                                   \
    X(cuCtxSetCurrent)                                                                             \
    X(cuGetErrorString)

#define POINTER(f) __typeof__(&f) p_##f;

struct cupti {
    void *library, *perf; /* libcupti; libnvperf_host, which it needs */
    uint32_t version;
    CUPTI_HOST_CALLS(POINTER)
    CUPTI_TARGET_CALLS(POINTER)
};
struct cupti_driver {
    void *library;
    CUPTI_DRIVER_CALLS(POINTER)
};
#undef POINTER

/* ERR_UNSUPPORTED says what is missing and how to name it. */
enum err cupti_library_open(struct cupti *out) MUST_CHECK;
void cupti_library_close(struct cupti *c);

/* Whether there is a driver and a device of that number; ERR_UNSUPPORTED else. */
enum err cupti_driver_open(int32_t device, struct cupti_driver *out) MUST_CHECK;
void cupti_driver_close(struct cupti_driver *d);

/* A sentence for a result, with what can be done about it; call: the function's name. */
enum err cupti_check(const struct cupti *c, CUptiResult result, const char *call) MUST_CHECK;
enum err cupti_driver_check(const struct cupti_driver *d, CUresult result,
                            const char *call) MUST_CHECK;

/* Call f of table c, or pass on its failure in a sentence. */
#define CUPTI_TRY(c, f, ...) TRY(cupti_check(c, (c)->p_##f(__VA_ARGS__), #f))

/* A parameter block as the calls want it: zero but for its size. */
#define CUPTI_PARAMS(type)                                                                         \
    {                                                                                              \
        .structSize = type##_STRUCT_SIZE                                                           \
    }

#endif
