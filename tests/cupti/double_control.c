/* double_control.c - what all stand-ins share: the settings, and whose turn it is to fail. */
#include <stdio.h>
#include <string.h>

#include "tests/cupti/double.h"

static struct cupti_double control;

static double one(int32_t session, const char *range, const char *metric)
{
    (void)session;
    (void)range;
    (void)metric;
    return 1;
}

void cupti_double_reset(void)
{
    control = (struct cupti_double){
        .chip = "GA100", .n_gpus = 1, .n_kernels = 3, .value = one, .fail_with = 999};
}

struct cupti_double *cupti_double(void)
{
#ifdef NO_CUPTI
    return NULL;
#else
    return &control;
#endif
}

#ifdef NO_CUPTI
void cupti_double_launched(int64_t launch)
{
    (void)launch;
}

void cupti_double_ran(const struct cupti_double_kernel *k)
{
    (void)k;
}
#endif

bool cupti_double_enter(const char *call)
{
    struct cupti_double *d = &control;
    d->n_calls++;
    bool fails = d->n_calls == d->fail_at;
    if (d->fail_call && strcmp(d->fail_call, call) == 0 && ++d->n_named >= d->fail_from)
        fails = true;
    if (fails) snprintf(d->failed, sizeof d->failed, "%s", call);
    return fails;
}

void cupti_double_misuse(const char *call, const char *rule)
{
    if (!control.misused[0])
        snprintf(control.misused, sizeof control.misused, "%s: %s", call, rule);
}
