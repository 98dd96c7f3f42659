/* cpu_tiles_scalar.c - the tiles in plain C, multiply and add rounded apart. */
#include "harness/kernels/cpu/cpu_tiles.h"

#include "harness/kernels/bf16.h"

enum { ROWS_MAX = 4 };

/* One row of a bf16 panel as f32, columns in order. */
static void widen(float *out, const uint16_t *w)
{
    for (int j = 0; j < PANEL / 2; j++) {
        out[j] = bf16_to_f32(w[2 * j]);
        out[j + PANEL / 2] = bf16_to_f32(w[2 * j + 1]);
    }
}

static inline __attribute__((always_inline)) void tile(const void *w, bool bf16, const float *x,
                                                       int64_t x_step_k, int64_t x_step_row,
                                                       int64_t k, int rows, float *y,
                                                       int64_t y_stride, bool first, float *keep)
{
    float sum[ROWS_MAX][PANEL], wide[PANEL];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < PANEL; c++) sum[r][c] = first ? 0.0f : y[r * y_stride + c];
    for (int64_t i = 0; i < k; i++) {
        const float *v = (const float *)w + i * PANEL;
        if (bf16) {
            float *to = keep != NULL ? keep + i * PANEL : wide;
            widen(to, (const uint16_t *)w + i * PANEL);
            v = to;
        }
        for (int r = 0; r < rows; r++) {
            float a = x[i * x_step_k + r * x_step_row];
            for (int c = 0; c < PANEL; c++) sum[r][c] += a * v[c];
        }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < PANEL; c++) y[r * y_stride + c] = sum[r][c];
}

#define TILES_OF(ROWS)                                                                             \
    static void f32_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride,   \
                           bool first, float *keep, struct tile_next next)                         \
    {                                                                                              \
        (void)keep, (void)next;                                                                    \
        tile(w, false, x, ROWS, 1, k, ROWS, y, y_stride, first, NULL);                             \
    }                                                                                              \
    static void keep_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride,  \
                            bool first, float *keep, struct tile_next next)                        \
    {                                                                                              \
        (void)next;                                                                                \
        tile(w, true, x, ROWS, 1, k, ROWS, y, y_stride, first, keep);                              \
    }                                                                                              \
    static void scores_##ROWS(const void *w, const float *x, int64_t k, float *y,                  \
                              int64_t y_stride, bool first, float *keep, struct tile_next next)    \
    {                                                                                              \
        (void)keep, (void)next;                                                                    \
        tile(w, false, x, 1, SCORE_KEYS, k, ROWS, y, y_stride, first, NULL);                       \
    }                                                                                              \
    static void stream_f32_##ROWS(const void *w, int64_t n_panels, const float *x, int64_t k,      \
                                  float *y, int64_t y_stride)                                      \
    {                                                                                              \
        for (int64_t p = 0; p < n_panels; p++)                                                     \
            tile((const float *)w + p * k * PANEL, false, x, ROWS, 1, k, ROWS, y + p * PANEL,      \
                 y_stride, true, NULL);                                                            \
    }                                                                                              \
    static void stream_bf16_##ROWS(const void *w, int64_t n_panels, const float *x, int64_t k,     \
                                   float *y, int64_t y_stride)                                     \
    {                                                                                              \
        for (int64_t p = 0; p < n_panels; p++)                                                     \
            tile((const uint16_t *)w + p * k * PANEL, true, x, ROWS, 1, k, ROWS, y + p * PANEL,    \
                 y_stride, true, NULL);                                                            \
    }

/* clang-format off */
TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4)

#define EACH(NAME) {0, NAME##_1, NAME##_2, NAME##_3, NAME##_4}
    /* clang-format on */

    const struct cpu_tiles cpu_tiles_scalar = {
        .max_rows = ROWS_MAX,
        .f32 = EACH(f32),
        .bf16_keep = EACH(keep),
        .scores = EACH(scores),
        .stream_f32 = EACH(stream_f32),
        .stream_bf16 = EACH(stream_bf16),
};
