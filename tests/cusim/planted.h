/* planted.h - the kernels of planted.cu as C sees them: one block of 64 threads (blocks: two). */
#ifndef CUSIM_PLANTED_H
#define CUSIM_PLANTED_H

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

struct planted {
    const char *name;
    void (*kernel)(float *out, const float *in, int n, int barriers);
    unsigned n_blocks;
};

void planted_launch(const char *name, cudaStream_t s, float *out, const float *in, int n,
                    int barriers);

#ifdef __cplusplus
}
#endif
#endif
