/* engine_cuda.c - an NVIDIA GPU.  A build without CUDA has this, too: its backend says why not. */
#include "harness/app/engine_kind.h"

#include <stdlib.h>
#include <string.h>

#include "roofline/cuda/ceilings_cuda.h"

static bool cuda_owns(const char *device, int32_t *number)
{
    char *end;
    if (strncmp(device, "cuda:", 5) != 0) return false;
    long n = strtol(device + 5, &end, 10);
    *number = *end || n > INT32_MAX ? INT32_MAX : (int32_t)n; /* refused when it is opened */
    return true;
}

static enum err cuda_open(int32_t number, void **state)
{
    struct ceilings_cuda *c;
    TRY(ceilings_cuda_open(number, &c));
    *state = c;
    return ERR_NONE;
}

static void cuda_close(void *state)
{
    ceilings_cuda_close(state);
}

static struct engine_setup cuda_setup(const void *state, const struct cell *c)
{
    (void)state;
    (void)c;
    return (struct engine_setup){.isa = ISA_AUTO};
}

static enum err cuda_measure(void *state, const struct engine_setup *setup,
                             enum ceilings_extent extent, const struct ceilings_effort *effort,
                             ceilings_progress_fn *progress, void *ctx, struct ceiling_set *out)
{
    (void)setup;
    (void)effort; /* is for CPUs */
    return ceilings_cuda_measure(state, extent, progress, ctx, out);
}

static void cuda_price(const struct ceiling_set *roofs, const struct engine_setup *setup,
                       const struct cell *c, int64_t weight_bytes, struct price *out,
                       bool *cache_resident)
{
    struct ceilings_cuda_use use = {.weights = c->dtype, .kv = c->kv_dtype, .graph = c->graph};
    (void)setup;
    ceilings_cuda_price(roofs, &use, weight_bytes, out, cache_resident);
}

const struct engine_kind engine_cuda = {
    .kind = "cuda",
    .owns = cuda_owns,
    .open = cuda_open,
    .close = cuda_close,
    .setup = cuda_setup,
    .measure = cuda_measure,
    .price = cuda_price,
};
