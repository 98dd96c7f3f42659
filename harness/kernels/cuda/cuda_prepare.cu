/* cuda_prepare.cu - what kernels need of a device before their first launch. */
#include "harness/kernels/cuda/cuda_matmul_own.h"

cudaError_t cuda_kernels_prepare(void)
{
    cudaError_t e = matmul_few_prepare();
    return e == cudaSuccess ? matmul_many_prepare() : e;
}
