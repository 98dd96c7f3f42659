/* int8.h - weights of a byte, with a power of two for every INT8_GROUP of a row: the MXINT8 of
 * the OCP Microscaling Formats specification 1.0, up to the name of its unit.
 *
 * A row of n is its ceil(n / 32) scales, then n signed bytes q in -127 .. 127.  A scale byte b
 * means 2^(b - 127); a weight is q times its scale, an exact f32.  So an int8 matrix is the f32
 * matrix of those values, to every bit of every product.
 *
 * Scales are kept within 2^-40 .. 2^40: weights outside 2^-41 .. 2^47 are no network's, and sums
 * may then be held in units of a scale, which changes their exponent and no bit of theirs. */
#ifndef KERNELS_INT8_H
#define KERNELS_INT8_H

#include <math.h>
#include <stdint.h>

#include "harness/kernels/tensor.h"

enum { INT8_SCALE_MIN = -40, INT8_SCALE_MAX = 40 };

static inline int64_t int8_groups(int64_t n)
{
    return (n + INT8_GROUP - 1) / INT8_GROUP;
}

static inline int8_t *int8_values(void *row, int64_t n)
{
    return (int8_t *)row + int8_groups(n);
}

/* Group `group` of row[n] from its values x.  The scale puts the largest of them into
 * 64 .. 128 scales; q is the nearest whole number to x / scale, ties to even, and 127 where that
 * would be 128.  Nothing but exact scaling and one rounding, so the same bytes everywhere. */
static inline void int8_quantise_group(void *row, int64_t n, int64_t group, const float *x)
{
    int64_t begin = group * INT8_GROUP, end = begin + INT8_GROUP < n ? begin + INT8_GROUP : n;
    float largest = 0;
    for (int64_t i = 0; i < end - begin; i++) largest = fmaxf(largest, fabsf(x[i]));
    int exponent = largest > 0 ? ilogbf(largest) - 6 : INT8_SCALE_MIN;
    if (exponent < INT8_SCALE_MIN) exponent = INT8_SCALE_MIN;
    if (exponent > INT8_SCALE_MAX) exponent = INT8_SCALE_MAX;
    ((uint8_t *)row)[group] = (uint8_t)(exponent + 127);
    for (int64_t i = begin; i < end; i++) {
        float q = nearbyintf(ldexpf(x[i - begin], -exponent));
        int8_values(row, n)[i] = (int8_t)fminf(fmaxf(q, -127.0f), 127.0f);
    }
}

static inline float int8_value(const void *row, int64_t n, int64_t i)
{
    int exponent = ((const uint8_t *)row)[i / INT8_GROUP] - 127;
    return ldexpf((float)((const int8_t *)row)[int8_groups(n) + i], exponent);
}

#endif
