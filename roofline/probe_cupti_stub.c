/* probe_cupti_stub.c - stands in for hardware counters where the build has none. */
#include "roofline/probe.h"

static enum err stub_open(int32_t device, void **state)
{
    return err_set(ERR_UNSUPPORTED, "probe cupti: %s", probe_cupti.disabled);
}

static enum err stub_begin(void *state)
{
    return err_set(ERR_INTERNAL, "probe cupti was never opened");
}

static enum err stub_end(void *state, struct measured *out)
{
    *out = measured_nothing();
    return err_set(ERR_INTERNAL, "probe cupti was never opened");
}

static void stub_close(void *state)
{
}

const struct probe_ops probe_cupti = {
    .name = "cupti",
    .evidence = "counter",
    .disabled = "built without CUPTI",
    .open = stub_open,
    .begin = stub_begin,
    .end = stub_end,
    .close = stub_close,
};
