/* cpu_tiles_quads.h - what the tiles that multiply int8 by int8 share: how x lies for them.
 *
 * Activations become int8 as weights are (int8.h), INT8_GROUP steps of k of a row with a power of
 * two of their own.  Products of a group are summed as integers, so in any order; the sum, below
 * 2^24, times both scales, is an exact f32, and is added to y in rising groups by one fused
 * rounding.  That is the dot product of the OCP Microscaling Formats specification 1.0.
 *
 * x of a tile is, for each group, the f32 scale of each row, with VNNI where each row's integer sums
 * begin, and for each four steps of k a 32-bit word (in AVX2 two) of each row. */
#ifndef CPU_TILES_QUADS_H
#define CPU_TILES_QUADS_H

#include <string.h>

#include "harness/kernels/cpu/cpu_tiles.h"
#include "harness/kernels/int8.h"

enum { QUAD = 4, GROUP_QUADS = INT8_GROUP / QUAD };

static inline int64_t quads_of(int64_t k)
{
    return (k + QUAD - 1) / QUAD;
}

/* Bytes of a panel's group: scales, then [quads][PANEL][QUAD]. */
static inline int64_t quad_group_bytes(int64_t n_quads)
{
    return PANEL + n_quads * PANEL * QUAD;
}

/* Lines to prefetch with each group, at most those it has itself. */
static inline int64_t quad_lines(struct tile_next next)
{
    const int64_t own = (quad_group_bytes(GROUP_QUADS) + 63) / 64;
    if (next.line == NULL) return 0;
    return INT8_GROUP / (next.step + 1) < own ? INT8_GROUP / (next.step + 1) : own;
}

static inline float power_of_two(int exponent)
{
    uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Of a group whose largest |x| has these bits: the exponent int8_quantise_group gives it, and its
 * scale; not a number where one of x is none, or infinite. */
static inline int group_exponent(uint32_t largest)
{
    int exponent = (int)(largest >> 23) - 127 - 6;
    if (exponent < INT8_SCALE_MIN) return INT8_SCALE_MIN;
    return exponent > INT8_SCALE_MAX ? INT8_SCALE_MAX : exponent;
}

static inline float group_scale(int exponent, uint32_t largest)
{
    return largest < 0x7f800000 ? power_of_two(exponent) : __builtin_nanf("");
}

#endif
