/* cuda_prepare.c - what kernels need of a device before their first launch. */
#include "harness/kernels/cuda/launch.h"

cudaError_t cuda_kernels_prepare(void)
{
    static cudaError_t (*const prepare[])(void) = {
        cuda_prepare_matmul_few,
        cuda_prepare_matmul_many,
        cuda_prepare_attention,
    };
    cudaError_t e = cudaSuccess;
    for (size_t i = 0; e == cudaSuccess && i < sizeof prepare / sizeof prepare[0]; i++)
        e = prepare[i]();
    return e;
}
