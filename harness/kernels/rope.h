/* rope.h - the angles of the rotary position embedding, one rule for every backend. */
#ifndef KERNELS_ROPE_H
#define KERNELS_ROPE_H

#include "harness/kernels/kernels.h"

/* Radians per position of pair j of `half`. */
double rope_frequency(const struct rope *r, int64_t j, int64_t half);

#endif
