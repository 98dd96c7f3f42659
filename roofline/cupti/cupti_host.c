/* cupti_host.c - the profiler's host interface: names, configurations, decoding. */
#include "roofline/cupti_host.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roofline/cupti/cupti_api.h"

/* More passes than any set may take: a garbage image yields any number. */
enum { MAX_PASSES = 64, NAME_SIZE = 128 };

struct cupti_host {
    struct cupti cupti;
    CUpti_Profiler_Host_Object *object;
    char chip[16];
    bool configured;
};

const char *cupti_disabled(void)
{
    return NULL;
}

enum err cupti_host_open(const char *chip, const struct cupti_image *availability,
                         struct cupti_host **out)
{
    enum err e = ERR_NONE;
    struct cupti_host *h = calloc(1, sizeof *h);
    *out = NULL;
    if (!h) return err_set(ERR_NOMEM, "counters of %s: out of memory", chip);
    snprintf(h->chip, sizeof h->chip, "%s", chip);
    TRY_OUT(cupti_library_open(&h->cupti));
    CUpti_Profiler_Host_Initialize_Params p = CUPTI_PARAMS(CUpti_Profiler_Host_Initialize_Params);
    p.profilerType = CUPTI_PROFILER_TYPE_RANGE_PROFILER;
    p.pChipName = h->chip;
    p.pCounterAvailabilityImage = availability ? availability->data : NULL;
    TRY_OUT(cupti_check(&h->cupti, h->cupti.p_cuptiProfilerHostInitialize(&p),
                        "cuptiProfilerHostInitialize"));
    h->object = p.pHostObject;
    *out = h;
    return ERR_NONE;
out:
    cupti_host_close(h);
    return e;
}

void cupti_host_close(struct cupti_host *h)
{
    if (!h) return;
    if (h->object) {
        CUpti_Profiler_Host_Deinitialize_Params p =
            CUPTI_PARAMS(CUpti_Profiler_Host_Deinitialize_Params);
        p.pHostObject = h->object;
        h->cupti.p_cuptiProfilerHostDeinitialize(&p);
    }
    cupti_library_close(&h->cupti);
    free(h);
}

int32_t cupti_host_version(const struct cupti_host *h)
{
    return (int32_t)h->cupti.version;
}

/* ---- names ---- */

static enum err unknown_metric(const struct cupti_host *h, const char *name)
{
    return err_set(ERR_USAGE, "the chip %s has no counter \"%s\" (CUPTI %u)", h->chip, name,
                   h->cupti.version);
}

static enum err properties(struct cupti_host *h, const char *name,
                           CUpti_Profiler_Host_GetMetricProperties_Params *p)
{
    *p = (CUpti_Profiler_Host_GetMetricProperties_Params)CUPTI_PARAMS(
        CUpti_Profiler_Host_GetMetricProperties_Params);
    p->pHostObject = h->object;
    p->pMetricName = name;
    CUptiResult r = h->cupti.p_cuptiProfilerHostGetMetricProperties(p);
    if (r == CUPTI_ERROR_INVALID_METRIC_NAME) return unknown_metric(h, name);
    return cupti_check(&h->cupti, r, "cuptiProfilerHostGetMetricProperties");
}

/* The library accepts some names whose roll-up it then refuses to configure. */
static enum err verify_rollup(struct cupti_host *h, const struct cupti_metric *m,
                              CUpti_MetricType type)
{
    char base[NAME_SIZE];
    size_t n = strlen(m->name) - strlen(m->rollup) - 1;
    CHECK(n < sizeof base && m->name[n] == '.');
    snprintf(base, sizeof base, "%.*s", (int)n, m->name);
    CUpti_Profiler_Host_GetSubMetrics_Params p =
        CUPTI_PARAMS(CUpti_Profiler_Host_GetSubMetrics_Params);
    p.pHostObject = h->object;
    p.metricType = type;
    p.pMetricName = base;
    CUPTI_TRY(&h->cupti, cuptiProfilerHostGetSubMetrics, &p);
    for (size_t i = 0; i < p.numOfSubmetrics; i++) {
        const char *s = p.ppSubMetrics[i];
        if (strcmp(s + (*s == '.'), m->rollup) == 0) return ERR_NONE;
    }
    return err_set(ERR_VERIFY, "the counter %s of %s has no roll-up \".%s\"", base, h->chip,
                   m->rollup);
}

enum err cupti_host_verify(struct cupti_host *h, const struct cupti_metric *m)
{
    CUpti_Profiler_Host_GetMetricProperties_Params p;
    TRY(properties(h, m->name, &p));
    if (!p.pDimUnit || strcmp(p.pDimUnit, m->unit) != 0)
        return err_set(ERR_VERIFY, "the counter %s of %s counts in \"%s\", not in \"%s\"", m->name,
                       h->chip, p.pDimUnit ? p.pDimUnit : "", m->unit);
    return verify_rollup(h, m, p.metricType);
}

/* ---- configurations ---- */

/* All at once: each call of AddMetrics would start passes of its own, and one unknown name makes
 * it fail without saying which. */
static enum err add_metrics(struct cupti_host *h, const struct cupti_set *set)
{
    const char *names[CUPTI_SET_MAX];
    CUpti_Profiler_Host_GetMetricProperties_Params known;
    for (int32_t i = 0; i < set->n; i++) {
        names[i] = set->metric[i].name;
        TRY(properties(h, names[i], &known));
    }
    CUpti_Profiler_Host_ConfigAddMetrics_Params p =
        CUPTI_PARAMS(CUpti_Profiler_Host_ConfigAddMetrics_Params);
    p.pHostObject = h->object;
    p.ppMetricNames = names;
    p.numMetrics = (size_t)set->n;
    CUPTI_TRY(&h->cupti, cuptiProfilerHostConfigAddMetrics, &p);
    return ERR_NONE;
}

static enum err read_config(struct cupti_host *h, struct cupti_image *config)
{
    CUpti_Profiler_Host_GetConfigImageSize_Params size =
        CUPTI_PARAMS(CUpti_Profiler_Host_GetConfigImageSize_Params);
    size.pHostObject = h->object;
    CUPTI_TRY(&h->cupti, cuptiProfilerHostGetConfigImageSize, &size);
    TRY(cupti_image_alloc(config, size.configImageSize));
    CUpti_Profiler_Host_GetConfigImage_Params p =
        CUPTI_PARAMS(CUpti_Profiler_Host_GetConfigImage_Params);
    p.pHostObject = h->object;
    p.configImageSize = config->bytes;
    p.pConfigImage = config->data;
    CUPTI_TRY(&h->cupti, cuptiProfilerHostGetConfigImage, &p);
    return ERR_NONE;
}

enum err cupti_host_passes(struct cupti_host *h, const struct cupti_image *config,
                           int32_t *n_passes)
{
    CUpti_Profiler_Host_GetNumOfPasses_Params p =
        CUPTI_PARAMS(CUpti_Profiler_Host_GetNumOfPasses_Params);
    p.configImageSize = config->bytes;
    p.pConfigImage = config->data;
    CUPTI_TRY(&h->cupti, cuptiProfilerHostGetNumOfPasses, &p);
    if (p.numOfPasses < 1 || p.numOfPasses > MAX_PASSES)
        return err_set(ERR_VERIFY, "a configuration of counters that takes %zu passes is none",
                       p.numOfPasses);
    *n_passes = (int32_t)p.numOfPasses;
    return ERR_NONE;
}

static enum err configure(struct cupti_host *h, const struct cupti_set *set,
                          struct cupti_image *config)
{
    int32_t n_passes = 0;
    TRY(add_metrics(h, set));
    TRY(read_config(h, config));
    TRY(cupti_host_passes(h, config, &n_passes));
    if (n_passes != set->passes)
        return err_set(ERR_VERIFY, "the counters \"%s\" of %s take %d passes here, not %d",
                       set->name, h->chip, n_passes, set->passes);
    return ERR_NONE;
}

enum err cupti_host_configure(struct cupti_host *h, const struct cupti_set *set,
                              struct cupti_image *config)
{
    CHECK(!h->configured);
    h->configured = true;
    *config = (struct cupti_image){0};
    enum err e = configure(h, set, config);
    if (e != ERR_NONE) cupti_image_free(config);
    return e;
}

/* ---- decoding ---- */

enum err cupti_host_ranges(struct cupti_host *h, const struct cupti_image *counted,
                           int32_t *n_ranges)
{
    CUpti_RangeProfiler_GetCounterDataInfo_Params p =
        CUPTI_PARAMS(CUpti_RangeProfiler_GetCounterDataInfo_Params);
    p.pCounterDataImage = counted->data;
    p.counterDataImageSize = counted->bytes;
    CUPTI_TRY(&h->cupti, cuptiRangeProfilerGetCounterDataInfo, &p);
    if (p.numTotalRanges > INT32_MAX)
        return err_set(ERR_VERIFY, "counters of %zu ranges are none", p.numTotalRanges);
    *n_ranges = (int32_t)p.numTotalRanges;
    return ERR_NONE;
}

enum err cupti_host_decode(struct cupti_host *h, const struct cupti_set *set,
                           const struct cupti_image *counted, int32_t range,
                           char name[CUPTI_RANGE_NAME], struct counters *out)
{
    const char *names[CUPTI_SET_MAX];
    double values[CUPTI_SET_MAX];
    CUpti_RangeProfiler_CounterData_GetRangeInfo_Params info =
        CUPTI_PARAMS(CUpti_RangeProfiler_CounterData_GetRangeInfo_Params);
    info.pCounterDataImage = counted->data;
    info.counterDataImageSize = counted->bytes;
    info.rangeIndex = (size_t)range;
    info.rangeDelimiter = "/";
    CUPTI_TRY(&h->cupti, cuptiRangeProfilerCounterDataGetRangeInfo, &info);
    snprintf(name, CUPTI_RANGE_NAME, "%s", info.rangeName ? info.rangeName : "");

    for (int32_t i = 0; i < set->n; i++) names[i] = set->metric[i].name;
    CUpti_Profiler_Host_EvaluateToGpuValues_Params p =
        CUPTI_PARAMS(CUpti_Profiler_Host_EvaluateToGpuValues_Params);
    p.pHostObject = h->object;
    p.pCounterDataImage = counted->data;
    p.counterDataImageSize = counted->bytes;
    p.rangeIndex = (size_t)range;
    p.ppMetricNames = names;
    p.numMetrics = (size_t)set->n;
    p.pMetricValues = values;
    CUPTI_TRY(&h->cupti, cuptiProfilerHostEvaluateToGpuValues, &p);
    return cupti_set_columns(set, values, out);
}
