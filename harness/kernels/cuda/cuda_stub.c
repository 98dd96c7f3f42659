/* cuda_stub.c - the CUDA backend of a build without one: listed, with its reason. */
#include "harness/kernels/backend.h"

const struct backend_ops backend_cuda = {
    .name = "cuda",
    .disabled = "this build has no CUDA backend",
    .computes = true,
};
