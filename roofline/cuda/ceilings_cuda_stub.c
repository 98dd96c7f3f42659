/* ceilings_cuda_stub.c - a build without CUDA: nothing to measure. */
#include "roofline/cuda/ceilings_cuda.h"

#include <stddef.h>

enum err ceilings_cuda_open(int32_t device, struct ceilings_cuda **out)
{
    (void)device;
    *out = NULL;
    return err_set(ERR_UNSUPPORTED, "this build has no CUDA backend");
}

void ceilings_cuda_close(struct ceilings_cuda *c)
{
    (void)c;
}

enum err ceilings_cuda_measure(struct ceilings_cuda *c, enum ceilings_extent extent,
                               ceilings_progress_fn *progress, void *ctx, struct ceiling_set *out)
{
    (void)c;
    (void)extent;
    (void)progress;
    (void)ctx;
    (void)out;
    return err_set(ERR_INTERNAL, "the GPU's roofs were never opened");
}
