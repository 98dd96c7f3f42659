/* cpu_tiles_scalar.c - the tiles in plain C, multiply and add rounded apart. */
#include "harness/kernels/cpu/cpu_tiles.h"

#include <string.h>

#include "harness/kernels/bf16.h"

enum { ROWS_MAX = 4 };

/* 32 bf16 as f32, columns in order. */
static void widen_bf16(float *out, const char *w)
{
    const uint16_t *p = (const uint16_t *)w;
    for (int j = 0; j < PANEL / 2; j++) {
        out[j] = bf16_to_f32(p[2 * j]);
        out[j + PANEL / 2] = bf16_to_f32(p[2 * j + 1]);
    }
}

static void load_scales(float *scale, const char *w)
{
    for (int c = 0; c < PANEL; c++) {
        uint32_t bits = (uint32_t)(uint8_t)w[c] << 23;
        memcpy(&scale[c], &bits, sizeof bits);
    }
}

static void widen_int8(float *out, const char *w, const float *scale)
{
    for (int c = 0; c < PANEL; c++) out[c] = (float)(int8_t)w[c] * scale[c];
}

static inline __attribute__((always_inline)) void
tile(const void *w, enum dtype dtype, const float *x, int64_t x_step_k, int64_t x_step_row,
     int64_t k, int rows, float *y, int64_t y_stride, bool first, float *keep)
{
    const int64_t step = dtype == DTYPE_F32 ? 128 : dtype == DTYPE_BF16 ? 64 : 32;
    float sum[ROWS_MAX][PANEL], wide[PANEL], scale[PANEL] = {0};
    const char *at = w;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < PANEL; c++) sum[r][c] = first ? 0.0f : y[r * y_stride + c];
    for (int64_t i = 0; i < k; i++, at += step) {
        const float *v = (const float *)(const void *)at;
        float *to = keep != NULL ? keep + i * PANEL : wide;
        if (dtype == DTYPE_INT8 && i % INT8_GROUP == 0) {
            load_scales(scale, at);
            at += PANEL;
        }
        if (dtype == DTYPE_INT8) widen_int8(to, at, scale);
        if (dtype == DTYPE_BF16) widen_bf16(to, at);
        if (dtype != DTYPE_F32) v = to;
        for (int r = 0; r < rows; r++) {
            float a = x[i * x_step_k + r * x_step_row];
            for (int c = 0; c < PANEL; c++) sum[r][c] += a * v[c];
        }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < PANEL; c++) y[r * y_stride + c] = sum[r][c];
}

/* ...: the steps of x from one k and from one row to the next. */
#define OF_X(DTYPE, NAME, ROWS, ...)                                                               \
    static void NAME##_##ROWS(const void *w, const float *x, int64_t k, float *y,                  \
                              int64_t y_stride, bool first, float *keep, struct tile_next next)    \
    {                                                                                              \
        (void)next;                                                                                \
        tile(w, DTYPE, x, __VA_ARGS__, k, ROWS, y, y_stride, first, keep);                         \
    }
/* With keep NULL nothing is kept. */
#define TILE_OF(DTYPE, NAME, ROWS) OF_X(DTYPE, NAME, ROWS, ROWS, 1)
#define WEIGH(DTYPE, NAME, ROWS) OF_X(DTYPE, NAME, ROWS, 1, SCORE_KEYS)

#define STREAM(DTYPE, NAME, ROWS)                                                                  \
    static void NAME##_##ROWS(const void *w, int64_t n_panels, const float *x, int64_t k,          \
                              float *y, int64_t y_stride)                                          \
    {                                                                                              \
        for (int64_t p = 0; p < n_panels; p++)                                                     \
            tile((const char *)w + p * PANEL * dtype_row_bytes(DTYPE, k), DTYPE, x, ROWS, 1, k,    \
                 ROWS, y + p * PANEL, y_stride, true, NULL);                                       \
    }

#define TILES_OF(ROWS)                                                                             \
    TILE_OF(DTYPE_F32, f32, ROWS)                                                                  \
    TILE_OF(DTYPE_BF16, bf16, ROWS)                                                                \
    TILE_OF(DTYPE_INT8, int8, ROWS)                                                                \
    WEIGH(DTYPE_F32, weigh_f32, ROWS)                                                              \
    WEIGH(DTYPE_BF16, weigh_bf16, ROWS)                                                            \
    STREAM(DTYPE_F32, stream_f32, ROWS)                                                            \
    STREAM(DTYPE_BF16, stream_bf16, ROWS)                                                          \
    STREAM(DTYPE_INT8, stream_int8, ROWS)

/* clang-format off */
TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4)

#define EACH(NAME) {0, NAME##_1, NAME##_2, NAME##_3, NAME##_4}
    /* clang-format on */

    const struct cpu_tiles cpu_tiles_scalar = {
        .max_rows = ROWS_MAX,
        .block_panels = 4,
        .stream_panels = 4,
        .stream_tiles = 6,
        .f32 = EACH(f32),
        .keep = {[DTYPE_BF16] = EACH(bf16), [DTYPE_INT8] = EACH(int8)},
        .direct = {[DTYPE_F32] = EACH(f32), [DTYPE_BF16] = EACH(bf16)},
        .weigh = {[DTYPE_F32] = EACH(weigh_f32), [DTYPE_BF16] = EACH(weigh_bf16)},
        .weigh_keep = {[DTYPE_BF16] = EACH(weigh_bf16)},
        .stream = {[DTYPE_F32] = EACH(stream_f32),
                   [DTYPE_BF16] = EACH(stream_bf16),
                   [DTYPE_INT8] = EACH(stream_int8)},
};
