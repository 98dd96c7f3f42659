/* cupti_stub.c - stands in for this folder where a build has no CUPTI. */
#include "roofline/cupti_host.h"
#include "roofline/probe.h"

#define DISABLED "built without CUPTI (make config says why)"

const char *cupti_disabled(void)
{
    return DISABLED;
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

static enum err stub_open(int32_t device, void **state)
{
    *state = NULL;
    return err_set(ERR_UNSUPPORTED, "counters of GPU %d: %s", device, cupti_disabled());
}

static enum err stub_begin(void *state)
{
    return never_opened();
}

static enum err stub_end(void *state, struct measured *out)
{
    *out = measured_nothing();
    return never_opened();
}

static void stub_close(void *state)
{
}

#define STUB(name_, evidence_)                                                                     \
    .name = name_, .evidence = evidence_, .help = "", .disabled = DISABLED, .open = stub_open,     \
    .begin = stub_begin, .end = stub_end, .close = stub_close

const struct probe_ops probe_cupti_base = {STUB("cupti-base", "counter")};
const struct probe_ops probe_cupti_vector = {STUB("cupti-vector", "counter")};
const struct probe_ops probe_cupti_wide = {STUB("cupti-wide", "counter")};
const struct probe_ops probe_cupti_kernel = {STUB("cupti-kernel", "counter")};
const struct probe_ops probe_cupti_activity = {STUB("cupti-activity", "timing")};
