/* cupti_stub.c - stands in for this folder where a build has no CUPTI. */
#include "roofline/cupti_host.h"

const char *cupti_disabled(void)
{
    return "built without CUPTI (make config says why)";
}

enum err cupti_host_open(const char *chip, const struct cupti_image *availability,
                         struct cupti_host **out)
{
    *out = NULL;
    return err_set(ERR_UNSUPPORTED, "counters of %s: %s", chip, cupti_disabled());
}

void cupti_host_close(struct cupti_host *h)
{
}

static enum err never_opened(void)
{
    return err_set(ERR_INTERNAL, "counters were never opened");
}

int32_t cupti_host_version(const struct cupti_host *h)
{
    return 0;
}

enum err cupti_host_verify(struct cupti_host *h, const struct cupti_metric *m)
{
    return never_opened();
}

enum err cupti_host_configure(struct cupti_host *h, const struct cupti_set *set,
                              struct cupti_image *config)
{
    *config = (struct cupti_image){0};
    return never_opened();
}

enum err cupti_host_passes(struct cupti_host *h, const struct cupti_image *config,
                           int32_t *n_passes)
{
    return never_opened();
}

enum err cupti_host_ranges(struct cupti_host *h, const struct cupti_image *counted,
                           int32_t *n_ranges)
{
    return never_opened();
}

enum err cupti_host_decode(struct cupti_host *h, const struct cupti_set *set,
                           const struct cupti_image *counted, int32_t range,
                           char name[CUPTI_RANGE_NAME], struct counters *out)
{
    return never_opened();
}
