/* cpu_tiles_quads_scalar.c - tiles of int8 by int8 in plain C: the reference of the others. */
#include "harness/kernels/cpu/cpu_tiles_quads.h"

#include <math.h>

enum { ROWS_MAX = 4 };

/* A group of n values of one row, absent ones 0: q, and its scale. */
static float quantise_group(int8_t q[INT8_GROUP], const float *x, int64_t n)
{
    int8_t row[1 + INT8_GROUP] = {0};
    int8_quantise_group(row, n, 0, x);
    memcpy(q, row + 1, INT8_GROUP);
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return NAN;
    return power_of_two((uint8_t)row[0] - 127);
}

/* A word is a step's four int8. */
static void quantise(float *out, const float *x, int64_t x_stride, int64_t rows, int64_t k)
{
    for (int64_t i = 0; i < k; i += INT8_GROUP) {
        int64_t n = k - i < INT8_GROUP ? k - i : INT8_GROUP;
        for (int64_t r = 0; r < rows; r++) {
            int8_t q[INT8_GROUP];
            out[r] = quantise_group(q, x + r * x_stride + i, n);
            for (int64_t s = 0; s < GROUP_QUADS; s++)
                memcpy(out + rows + s * rows + r, q + QUAD * s, QUAD);
        }
        out += rows * (1 + GROUP_QUADS);
    }
}

static void tile(const void *w, const float *x, int64_t k, int64_t rows, float *y, int64_t y_stride,
                 bool first)
{
    const uint8_t *at = w;
    if (first)
        for (int64_t r = 0; r < rows; r++) memset(y + r * y_stride, 0, PANEL * sizeof *y);
    for (int64_t i = 0; i < k; i += INT8_GROUP) {
        int64_t n_quads = quads_of(k - i < INT8_GROUP ? k - i : INT8_GROUP);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < PANEL; c++) {
                int32_t sum = 0;
                for (int64_t s = 0; s < n_quads; s++) {
                    int8_t v[QUAD];
                    memcpy(v, x + rows + s * rows + r, QUAD);
                    for (int64_t j = 0; j < QUAD; j++)
                        sum += v[j] * (int8_t)at[PANEL + (s * PANEL + c) * QUAD + j];
                }
                float *to = y + r * y_stride + c;
                *to = fmaf((float)sum, ldexpf(x[r], at[c] - 127), *to);
            }
        at += quad_group_bytes(n_quads);
        x += rows * (1 + GROUP_QUADS);
    }
}

#define QUADS(ROWS)                                                                                \
    static void quads_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride, \
                             bool first, float *keep, struct tile_next next)                       \
    {                                                                                              \
        (void)keep, (void)next;                                                                    \
        tile(w, x, k, ROWS, y, y_stride, first);                                                   \
    }
QUADS(1)
QUADS(2)
QUADS(3)
QUADS(4)

const struct cpu_tiles cpu_tiles_quads_scalar = {
    .max_rows = ROWS_MAX,
    .block_panels = 2,
    .stream_panels = 2,
    .stream_tiles = 2,
    .direct = {[DTYPE_INT8] = {0, quads_1, quads_2, quads_3, quads_4}},
    .stretch = {[DTYPE_INT8] = 128},
    .convert_x = quantise,
    .group_steps = INT8_GROUP,
    .group_words = 1 + GROUP_QUADS,
};
