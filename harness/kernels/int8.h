/* int8.h - weights of a byte, with a bf16 scale for every INT8_GROUP of a row.
 *
 * A row of n is its ceil(n / 64) scales and then n signed bytes q in -127 .. 127.  A weight is
 * q * scale: 7 bits times 8 bits, an exact f32.  So an int8 matrix is the f32 matrix of those
 * values, to every bit of every product. */
#ifndef KERNELS_INT8_H
#define KERNELS_INT8_H

#include <math.h>
#include <stdint.h>

#include "harness/kernels/bf16.h"
#include "harness/kernels/tensor.h"

static inline int64_t int8_groups(int64_t n)
{
    return (n + INT8_GROUP - 1) / INT8_GROUP;
}

static inline int8_t *int8_values(void *row, int64_t n)
{
    return (int8_t *)row + 2 * int8_groups(n);
}

/* Group `group` of row[n] from its values, x: the scale is the largest of them / 127 in bf16, q
 * the nearest whole number to x / scale, ties to even.  Only divisions and roundings of IEEE
 * arithmetic, so the same bytes everywhere. */
static inline void int8_quantise_group(void *row, int64_t n, int64_t group, const float *x)
{
    int64_t begin = group * INT8_GROUP, end = begin + INT8_GROUP < n ? begin + INT8_GROUP : n;
    float largest = 0;
    for (int64_t i = 0; i < end - begin; i++) largest = fmaxf(largest, fabsf(x[i]));
    uint16_t scale = bf16_from_f32(largest / 127.0f);
    float s = bf16_to_f32(scale);
    memcpy((char *)row + 2 * group, &scale, sizeof scale);
    for (int64_t i = begin; i < end; i++) {
        float q = s > 0 ? nearbyintf(x[i - begin] / s) : 0.0f;
        int8_values(row, n)[i] = (int8_t)fminf(fmaxf(q, -127.0f), 127.0f);
    }
}

static inline float int8_value(const void *row, int64_t n, int64_t i)
{
    uint16_t scale;
    memcpy(&scale, (const char *)row + 2 * (i / INT8_GROUP), sizeof scale);
    return (float)((const int8_t *)row)[2 * int8_groups(n) + i] * bf16_to_f32(scale);
}

#endif
