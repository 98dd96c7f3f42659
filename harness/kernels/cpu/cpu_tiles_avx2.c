/* cpu_tiles_avx2.c - tiles of up to 3 rows x 32 columns or 6 rows x 16: 12 of 16 registers sum. */
#include "harness/kernels/cpu/cpu_tiles.h"

#include <immintrin.h>

#define TILE static inline __attribute__((always_inline))

/* Bytes ahead of the weights being read that are asked for from memory, into L1 and L2. */
enum { NEAR_AHEAD = 1024, FAR_AHEAD = 6144 };

/* A quarter is 8 columns; a half, what one 256-bit load of bf16 holds: columns 8h .. 8h + 7
 * and 16 + 8h .. 16 + 8h + 7. */
enum { ROWS_MAX = 6, WIDE_ROWS_MAX = 3, HALVES = 2 };

enum kind { KIND_F32, KIND_BF16, KIND_BF16_KEEP };

struct pair {
    __m256 low, high;
};

TILE struct pair load_half(const void *w, int64_t i, int half, enum kind kind)
{
    if (kind == KIND_F32) {
        const float *p = (const float *)w + i * PANEL + 8 * half;
        return (struct pair){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 16)};
    }
    const uint16_t *p = (const uint16_t *)w + i * PANEL + 16 * half;
    __m256i words = _mm256_loadu_si256((const void *)p);
    __m256i upper = _mm256_and_si256(words, _mm256_set1_epi32((int32_t)0xffff0000));
    return (struct pair){_mm256_castsi256_ps(_mm256_slli_epi32(words, 16)),
                         _mm256_castsi256_ps(upper)};
}

/* Steps begin .. end - 1 of k for halves [half0, half0 + n_halves) of a panel; x(r, i) stands at
 * x[i * x_step_k + r * x_step_row]. */
TILE void tile_halves(const void *w, int half0, int n_halves, const float *x, int64_t x_step_k,
                      int64_t x_step_row, int64_t begin, int64_t end, int rows, float *y,
                      int64_t y_stride, bool first, enum kind kind, float *keep, bool ahead,
                      struct tile_next *next)
{
    __m256 low[HALVES][ROWS_MAX], high[HALVES][ROWS_MAX];
    const int64_t line_bytes = kind == KIND_F32 ? 128 : 64;
#pragma GCC unroll 2
    for (int h = 0; h < n_halves; h++)
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            const float *p = y + r * y_stride + 8 * (half0 + h);
            low[h][r] = first ? _mm256_setzero_ps() : _mm256_loadu_ps(p);
            high[h][r] = first ? _mm256_setzero_ps() : _mm256_loadu_ps(p + 16);
        }
#pragma GCC unroll 1
    for (int64_t i = begin; i < end; i++) {
        for (int64_t line = i * line_bytes; ahead && line < (i + 1) * line_bytes; line += 64) {
            _mm_prefetch((const char *)w + line + NEAR_AHEAD, _MM_HINT_T0);
            _mm_prefetch((const char *)w + line + FAR_AHEAD, _MM_HINT_T1);
        }
        if (half0 == 0 && next->line != NULL && (i & next->step) == 0) {
            _mm_prefetch(next->line, _MM_HINT_T1);
            next->line += 64;
        }
#pragma GCC unroll 2
        for (int h = 0; h < n_halves; h++) {
            struct pair p = load_half(w, i, half0 + h, kind);
            if (kind == KIND_BF16_KEEP) {
                _mm256_storeu_ps(keep + i * PANEL + 8 * (half0 + h), p.low);
                _mm256_storeu_ps(keep + i * PANEL + 8 * (half0 + h) + 16, p.high);
            }
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                __m256 v = _mm256_broadcast_ss(x + i * x_step_k + r * x_step_row);
                low[h][r] = _mm256_fmadd_ps(v, p.low, low[h][r]);
                high[h][r] = _mm256_fmadd_ps(v, p.high, high[h][r]);
            }
        }
    }
#pragma GCC unroll 2
    for (int h = 0; h < n_halves; h++)
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            float *p = y + r * y_stride + 8 * (half0 + h);
            _mm256_storeu_ps(p, low[h][r]);
            _mm256_storeu_ps(p + 16, high[h][r]);
        }
}

/* Steps of k short enough for the second half to find the panel's lines still in L1. */
enum { K_STEP = 128 };

TILE void tile(const void *w, const float *x, int64_t x_step_k, int64_t x_step_row, int64_t k,
               int rows, float *y, int64_t y_stride, bool first, enum kind kind, float *keep,
               bool ahead, struct tile_next next)
{
    if (rows <= WIDE_ROWS_MAX) {
        tile_halves(w, 0, 2, x, x_step_k, x_step_row, 0, k, rows, y, y_stride, first, kind, keep,
                    ahead, &next);
        return;
    }
    for (int64_t i = 0; i < k; i += K_STEP) {
        int64_t end = k - i < K_STEP ? k : i + K_STEP;
        tile_halves(w, 0, 1, x, x_step_k, x_step_row, i, end, rows, y, y_stride, first && i == 0,
                    kind, keep, ahead, &next);
        tile_halves(w, 1, 1, x, x_step_k, x_step_row, i, end, rows, y, y_stride, first && i == 0,
                    kind, keep, false, &next);
    }
}

TILE void stream(const void *w, int64_t n_panels, const float *x, int64_t k, int rows, float *y,
                 int64_t y_stride, enum kind kind)
{
    const int64_t size = kind == KIND_F32 ? 4 : 2;
    const struct tile_next none = {NULL, 0};
    for (int64_t p = 0; p < n_panels; p++)
        tile((const char *)w + p * k * PANEL * size, x, rows, 1, k, rows, y + p * PANEL, y_stride,
             true, kind, NULL, true, none);
}

#define TILES_OF(ROWS)                                                                             \
    static void f32_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride,   \
                           bool first, float *keep, struct tile_next next)                         \
    {                                                                                              \
        tile(w, x, ROWS, 1, k, ROWS, y, y_stride, first, KIND_F32, keep, false, next);             \
    }                                                                                              \
    static void keep_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride,  \
                            bool first, float *keep, struct tile_next next)                        \
    {                                                                                              \
        tile(w, x, ROWS, 1, k, ROWS, y, y_stride, first, KIND_BF16_KEEP, keep, false, next);       \
    }                                                                                              \
    static void scores_##ROWS(const void *w, const float *x, int64_t k, float *y,                  \
                              int64_t y_stride, bool first, float *keep, struct tile_next next)    \
    {                                                                                              \
        tile(w, x, 1, SCORE_KEYS, k, ROWS, y, y_stride, first, KIND_F32, keep, false, next);       \
    }                                                                                              \
    static void stream_f32_##ROWS(const void *w, int64_t n_panels, const float *x, int64_t k,      \
                                  float *y, int64_t y_stride)                                      \
    {                                                                                              \
        stream(w, n_panels, x, k, ROWS, y, y_stride, KIND_F32);                                    \
    }                                                                                              \
    static void stream_bf16_##ROWS(const void *w, int64_t n_panels, const float *x, int64_t k,     \
                                   float *y, int64_t y_stride)                                     \
    {                                                                                              \
        stream(w, n_panels, x, k, ROWS, y, y_stride, KIND_BF16);                                   \
    }

/* clang-format off */
TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4) TILES_OF(5) TILES_OF(6)

#define EACH(NAME) {0, NAME##_1, NAME##_2, NAME##_3, NAME##_4, NAME##_5, NAME##_6}
    /* clang-format on */

    const struct cpu_tiles cpu_tiles_avx2 = {
        .max_rows = ROWS_MAX,
        .f32 = EACH(f32),
        .bf16_keep = EACH(keep),
        .scores = EACH(scores),
        .stream_f32 = EACH(stream_f32),
        .stream_bf16 = EACH(stream_bf16),
};
