/* ceilings_cuda.h - the roofs of an NVIDIA GPU, measured on a stream of their own.
 *
 * The same rows as a CPU's (ceilings.h), with threads 0:
 *     bandwidth  read   by working set: "l2" is half of the L2 cache, "dram" 16 of it, "curve"
 *                       any other; copy: "dram", bytes read and written
 *     compute    matmul_bf16, matmul_f16, matmul_tf32, matmul_f32: cuBLAS on large square
 *                       matrices, sums in f32
 *     overhead   launch, launch_graph: of an empty kernel among many, queued singly or as nodes
 *                       of a graph; round_trip: of one, until the host knows that it is done;
 *                       matmul_rows: of cuBLAS for a few rows and a decoder's weights (full)
 * Times are of events on the device, except overheads, which the host's clock takes. */
#ifndef ROOFLINE_CEILINGS_CUDA_H
#define ROOFLINE_CEILINGS_CUDA_H

#include "roofline/ceilings.h"

struct ceilings_cuda; /* an opened GPU: stream, cuBLAS, and a buffer that stays allocated */

/* ERR_UNSUPPORTED in a build without CUDA. */
enum err ceilings_cuda_open(int32_t device, struct ceilings_cuda **out) MUST_CHECK;
void ceilings_cuda_close(struct ceilings_cuda *c); /* NULL is allowed */

/* CEILINGS_PROBE: matmul_bf16 and DRAM reads; quick: what a sweep is held against; full: all. */
enum err ceilings_cuda_measure(struct ceilings_cuda *c, enum ceilings_extent extent,
                               ceilings_progress_fn *progress, void *ctx,
                               struct ceiling_set *out) MUST_CHECK;

/* What decides which roofs a cell meets. */
struct ceilings_cuda_use {
    enum dtype weights, kv;
    bool graph;
};

/* TIER_CEILINGS for a forward that streams weight_bytes: as ceilings_price, with the peak of the
 * arithmetic that the dtypes lead to and the launch cost of the mode. */
void ceilings_cuda_price(const struct ceiling_set *s, const struct ceilings_cuda_use *use,
                         int64_t weight_bytes, struct price *out, bool *cache_resident);

#endif
