/* double_host.c - the host half of CUPTI and finding it.  A configuration is its metrics' names, a
 * counter image its ranges' names. */
#include "tests/cupti/double_cupti.h"

#include <stdlib.h>

#include "roofline/cupti_metrics.h"

struct CUpti_Profiler_Host_Object {
    char config[4096];
};

static CUptiResult fake_cuptiGetVersion(uint32_t *version)
{
    ENTER(cuptiGetVersion);
    *version = 130001;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiGetResultString(CUptiResult result, const char **words)
{
    (void)result;
    *words = "words of the double";
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiProfilerHostInitialize(CUpti_Profiler_Host_Initialize_Params *p)
{
    ENTER_SIZED(cuptiProfilerHostInitialize, CUpti_Profiler_Host_Initialize_Params);
    p->pHostObject = calloc(1, sizeof *p->pHostObject);
    cupti_double()->n_held++;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiProfilerHostDeinitialize(CUpti_Profiler_Host_Deinitialize_Params *p)
{
    free(p->pHostObject);
    cupti_double()->n_held--;
    return CUPTI_SUCCESS;
}

static CUptiResult
fake_cuptiProfilerHostGetMetricProperties(CUpti_Profiler_Host_GetMetricProperties_Params *p)
{
    ENTER_SIZED(cuptiProfilerHostGetMetricProperties,
                CUpti_Profiler_Host_GetMetricProperties_Params);
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiProfilerHostGetSubMetrics(CUpti_Profiler_Host_GetSubMetrics_Params *p)
{
    ENTER_SIZED(cuptiProfilerHostGetSubMetrics, CUpti_Profiler_Host_GetSubMetrics_Params);
    p->numOfSubmetrics = 0;
    return CUPTI_SUCCESS;
}

static CUptiResult
fake_cuptiProfilerHostConfigAddMetrics(CUpti_Profiler_Host_ConfigAddMetrics_Params *p)
{
    ENTER_SIZED(cuptiProfilerHostConfigAddMetrics, CUpti_Profiler_Host_ConfigAddMetrics_Params);
    char *text = p->pHostObject->config;
    RULE(!*text, cuptiProfilerHostConfigAddMetrics, "once per host");
    for (size_t i = 0; i < p->numMetrics; i++) {
        strcat(text, p->ppMetricNames[i]);
        strcat(text, "\n");
    }
    return CUPTI_SUCCESS;
}

static CUptiResult
fake_cuptiProfilerHostGetConfigImageSize(CUpti_Profiler_Host_GetConfigImageSize_Params *p)
{
    ENTER_SIZED(cuptiProfilerHostGetConfigImageSize, CUpti_Profiler_Host_GetConfigImageSize_Params);
    p->configImageSize = strlen(p->pHostObject->config) + 1;
    return CUPTI_SUCCESS;
}

static CUptiResult
fake_cuptiProfilerHostGetConfigImage(CUpti_Profiler_Host_GetConfigImage_Params *p)
{
    ENTER_SIZED(cuptiProfilerHostGetConfigImage, CUpti_Profiler_Host_GetConfigImage_Params);
    memcpy(p->pConfigImage, p->pHostObject->config, p->configImageSize);
    return CUPTI_SUCCESS;
}

/* Of the set with these metrics. */
int32_t double_passes(const uint8_t *config)
{
    const struct cupti_set *s;
    if (cupti_double()->passes > 0) return cupti_double()->passes;
    for (int32_t i = 0; (s = cupti_set_at(i)); i++) {
        char text[4096] = "";
        for (int32_t k = 0; k < s->n; k++) {
            strcat(text, s->metric[k].name);
            strcat(text, "\n");
        }
        if (strcmp(s->chip, cupti_double()->chip) == 0 && strcmp(text, (const char *)config) == 0)
            return s->passes;
    }
    return 1;
}

static CUptiResult
fake_cuptiProfilerHostGetNumOfPasses(CUpti_Profiler_Host_GetNumOfPasses_Params *p)
{
    ENTER_SIZED(cuptiProfilerHostGetNumOfPasses, CUpti_Profiler_Host_GetNumOfPasses_Params);
    p->numOfPasses = (size_t)double_passes(p->pConfigImage);
    return CUPTI_SUCCESS;
}

static const struct double_image *image_of(const uint8_t *data, size_t range)
{
    const struct double_image *i = (const void *)data;
    RULE_OR(i->decoded && range < (size_t)i->n_ranges, "decoding", "only what was written", NULL);
    return i;
}

/* The real one has an order of its own, too: the last range comes first here. */
static const char *range_name(const struct double_image *i, size_t range)
{
    return i->name[(size_t)i->n_ranges - 1 - range];
}

static CUptiResult
fake_cuptiRangeProfilerGetCounterDataInfo(CUpti_RangeProfiler_GetCounterDataInfo_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerGetCounterDataInfo,
                CUpti_RangeProfiler_GetCounterDataInfo_Params);
    p->numTotalRanges =
        (size_t)((const struct double_image *)(const void *)p->pCounterDataImage)->n_ranges;
    return CUPTI_SUCCESS;
}

static CUptiResult fake_cuptiRangeProfilerCounterDataGetRangeInfo(
    CUpti_RangeProfiler_CounterData_GetRangeInfo_Params *p)
{
    ENTER_SIZED(cuptiRangeProfilerCounterDataGetRangeInfo,
                CUpti_RangeProfiler_CounterData_GetRangeInfo_Params);
    const struct double_image *i = image_of(p->pCounterDataImage, p->rangeIndex);
    if (!i) return CUPTI_ERROR_INVALID_PARAMETER;
    p->rangeName = range_name(i, p->rangeIndex);
    return CUPTI_SUCCESS;
}

static CUptiResult
fake_cuptiProfilerHostEvaluateToGpuValues(CUpti_Profiler_Host_EvaluateToGpuValues_Params *p)
{
    ENTER_SIZED(cuptiProfilerHostEvaluateToGpuValues,
                CUpti_Profiler_Host_EvaluateToGpuValues_Params);
    const struct double_image *i = image_of(p->pCounterDataImage, p->rangeIndex);
    if (!i) return CUPTI_ERROR_INVALID_PARAMETER;
    for (size_t k = 0; k < p->numMetrics; k++)
        p->pMetricValues[k] =
            cupti_double()->value(i->session, range_name(i, p->rangeIndex), p->ppMetricNames[k]);
    return CUPTI_SUCCESS;
}

/* ---- in place of cupti_library.c ---- */

enum err cupti_library_open(struct cupti *c)
{
    memset(c, 0, sizeof *c);
    if (cupti_double()->no_library)
        return err_set(ERR_UNSUPPORTED, "no CUPTI on this machine (the double has none)");
    cupti_double()->n_libraries++;
    c->library = c;
#define FAKE(f) c->p_##f = fake_##f;
    CUPTI_HOST_CALLS(FAKE)
#undef FAKE
    double_target_calls(c);
    enum err e = cupti_check(c, c->p_cuptiGetVersion(&c->version), "cuptiGetVersion");
    if (e != ERR_NONE) cupti_library_close(c);
    return e;
}

void cupti_library_close(struct cupti *c)
{
    if (c->library) cupti_double()->n_libraries--;
    c->library = NULL;
}
