/* ceilings_cuda_loops.h - the kernels that reach a GPU's roofs, as C sees them. */
#ifndef ROOFLINE_CEILINGS_CUDA_LOOPS_H
#define ROOFLINE_CEILINGS_CUDA_LOOPS_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* n_blocks read n_blocks * unit_bytes of data, all of it in every pass, past the L1 cache; a
 * unit is a multiple of 16 bytes.  sink: one word that is never written to, in truth. */
cudaError_t gpu_loop_read(cudaStream_t s, const void *data, int32_t n_blocks, int64_t unit_bytes,
                          int32_t passes, uint32_t *sink);
cudaError_t gpu_loop_copy(cudaStream_t s, void *to, const void *from, int32_t n_blocks,
                          int64_t unit_bytes);
/* n words that are, in 16 or 32 bits, numbers from 1 to 2 of either sign: base | random & mask. */
cudaError_t gpu_loop_fill(cudaStream_t s, uint32_t *out, int64_t n, uint32_t base, uint32_t mask);
cudaError_t gpu_loop_nothing(cudaStream_t s);

#ifdef __cplusplus
}
#endif
#endif
