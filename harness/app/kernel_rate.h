/* kernel_rate.h - how fast the kernels multiply when their operands are at hand. */
#ifndef APP_KERNEL_RATE_H
#define APP_KERNEL_RATE_H

#include "harness/app/engine.h"

/* FLOP/s, undisturbed, of a matmul of many rows whose weights, of each cell's storage, lie in a
 * cache: the fastest of samples in turns over the n cells' threads and instruction sets. */
enum err kernel_rates(struct engine *engine, const struct cell *cell, int32_t n,
                      double *flop_per_s) MUST_CHECK;

#endif
