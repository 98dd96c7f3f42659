/* cpu_tiles_avx512.c - tiles of up to 12 rows x 32 columns: 24 of the 32 registers sum. */
#include "harness/kernels/cpu/cpu_tiles.h"

#include <immintrin.h>

#define TILE static inline __attribute__((always_inline))

/* Bytes ahead of the weights being read that are asked for from memory, into L1 and L2. */
enum { NEAR_AHEAD = 1024, FAR_AHEAD = 6144 };

enum kind { KIND_F32, KIND_BF16, KIND_BF16_KEEP };

/* 32 weights as f32: columns 0..15 and 16..31. */
struct pair {
    __m512 low, high;
};

TILE struct pair load_weights(const void *w, int64_t i, enum kind kind)
{
    if (kind == KIND_F32) {
        const float *p = (const float *)w + i * PANEL;
        return (struct pair){_mm512_loadu_ps(p), _mm512_loadu_ps(p + 16)};
    }
    __m512i words = _mm512_loadu_si512((const uint16_t *)w + i * PANEL);
    __m512i upper = _mm512_and_si512(words, _mm512_set1_epi32((int32_t)0xffff0000));
    return (struct pair){_mm512_castsi512_ps(_mm512_slli_epi32(words, 16)),
                         _mm512_castsi512_ps(upper)};
}

/* The value in every lane, as one load that both columns' sums share. */
TILE __m512 broadcast(const float *p)
{
    __m512 v = _mm512_set1_ps(*p);
    __asm__("" : "+v"(v));
    return v;
}

/* x(r, i) stands at x[i * x_step_k + r * x_step_row]. */
TILE void tile(const void *w, const float *x, int64_t x_step_k, int64_t x_step_row, int64_t k,
               int rows, float *y, int64_t y_stride, bool first, enum kind kind, float *keep,
               struct tile_next next)
{
    __m512 low[TILE_MAX_ROWS], high[TILE_MAX_ROWS];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        low[r] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(y + r * y_stride);
        high[r] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(y + r * y_stride + 16);
    }
#pragma GCC unroll 1
    for (int64_t i = 0; i < k; i++) {
        struct pair p = load_weights(w, i, kind);
        if (kind == KIND_BF16_KEEP) {
            _mm512_storeu_ps(keep + i * PANEL, p.low);
            _mm512_storeu_ps(keep + i * PANEL + 16, p.high);
        }
        if (next.line != NULL && (i & next.step) == 0) {
            _mm_prefetch(next.line, _MM_HINT_T1);
            next.line += 64;
        }
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            __m512 v = broadcast(x + i * x_step_k + r * x_step_row);
            low[r] = _mm512_fmadd_ps(v, p.low, low[r]);
            high[r] = _mm512_fmadd_ps(v, p.high, high[r]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(y + r * y_stride, low[r]);
        _mm512_storeu_ps(y + r * y_stride + 16, high[r]);
    }
}

/* `panels` panels at once: few rows alone have too few sums to hide a multiply-add's latency. */
TILE void stream_group(const char *w, int64_t panel_bytes, int panels, const float *x, int64_t k,
                       int rows, float *y, int64_t y_stride, enum kind kind)
{
    enum { MAX_PANELS = 4 };
    __m512 low[MAX_PANELS][TILE_MAX_ROWS], high[MAX_PANELS][TILE_MAX_ROWS];
    const int64_t line_bytes = kind == KIND_F32 ? 128 : 64;
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++)
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) low[p][r] = high[p][r] = _mm512_setzero_ps();
#pragma GCC unroll 1
    for (int64_t i = 0; i < k; i++) {
        __m512 v[TILE_MAX_ROWS];
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
            if (panels > 1) v[r] = broadcast(x + i * rows + r);
#pragma GCC unroll 4
        for (int p = 0; p < panels; p++) {
            const char *at = w + p * panel_bytes;
            for (int64_t line = i * line_bytes; line < (i + 1) * line_bytes; line += 64) {
                _mm_prefetch(at + line + NEAR_AHEAD, _MM_HINT_T0);
                _mm_prefetch(at + line + FAR_AHEAD, _MM_HINT_T1);
            }
            struct pair q = load_weights(at, i, kind);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                if (panels == 1) v[r] = broadcast(x + i * rows + r);
                low[p][r] = _mm512_fmadd_ps(v[r], q.low, low[p][r]);
                high[p][r] = _mm512_fmadd_ps(v[r], q.high, high[p][r]);
            }
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++)
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            _mm512_storeu_ps(y + r * y_stride + p * PANEL, low[p][r]);
            _mm512_storeu_ps(y + r * y_stride + p * PANEL + 16, high[p][r]);
        }
}

TILE void stream(const void *w, int64_t n_panels, int group, const float *x, int64_t k, int rows,
                 float *y, int64_t y_stride, enum kind kind)
{
    const char *at = w;
    const int64_t panel_bytes = k * PANEL * (kind == KIND_F32 ? 4 : 2);
    int64_t p = 0;
    for (; p + group <= n_panels; p += group)
        stream_group(at + p * panel_bytes, panel_bytes, group, x, k, rows, y + p * PANEL, y_stride,
                     kind);
    for (; p < n_panels; p++)
        stream_group(at + p * panel_bytes, panel_bytes, 1, x, k, rows, y + p * PANEL, y_stride,
                     kind);
}

#define TILES_OF(ROWS, GROUP)                                                                      \
    static void f32_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride,   \
                           bool first, float *keep, struct tile_next next)                         \
    {                                                                                              \
        tile(w, x, ROWS, 1, k, ROWS, y, y_stride, first, KIND_F32, keep, next);                    \
    }                                                                                              \
    static void keep_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride,  \
                            bool first, float *keep, struct tile_next next)                        \
    {                                                                                              \
        tile(w, x, ROWS, 1, k, ROWS, y, y_stride, first, KIND_BF16_KEEP, keep, next);              \
    }                                                                                              \
    static void scores_##ROWS(const void *w, const float *x, int64_t k, float *y,                  \
                              int64_t y_stride, bool first, float *keep, struct tile_next next)    \
    {                                                                                              \
        tile(w, x, 1, SCORE_KEYS, k, ROWS, y, y_stride, first, KIND_F32, keep, next);              \
    }                                                                                              \
    static void stream_f32_##ROWS(const void *w, int64_t n_panels, const float *x, int64_t k,      \
                                  float *y, int64_t y_stride)                                      \
    {                                                                                              \
        stream(w, n_panels, GROUP, x, k, ROWS, y, y_stride, KIND_F32);                             \
    }                                                                                              \
    static void stream_bf16_##ROWS(const void *w, int64_t n_panels, const float *x, int64_t k,     \
                                   float *y, int64_t y_stride)                                     \
    {                                                                                              \
        stream(w, n_panels, GROUP, x, k, ROWS, y, y_stride, KIND_BF16);                            \
    }

/* clang-format off */
TILES_OF(1, 4) TILES_OF(2, 4) TILES_OF(3, 4) TILES_OF(4, 2) TILES_OF(5, 2) TILES_OF(6, 2)
TILES_OF(7, 1) TILES_OF(8, 1) TILES_OF(9, 1) TILES_OF(10, 1) TILES_OF(11, 1) TILES_OF(12, 1)

#define EACH(NAME) {0, NAME##_1, NAME##_2, NAME##_3, NAME##_4, NAME##_5, NAME##_6, NAME##_7, \
                    NAME##_8, NAME##_9, NAME##_10, NAME##_11, NAME##_12}
    /* clang-format on */

    const struct cpu_tiles cpu_tiles_avx512 = {
        .max_rows = 12,
        .f32 = EACH(f32),
        .bf16_keep = EACH(keep),
        .scores = EACH(scores),
        .stream_f32 = EACH(stream_f32),
        .stream_bf16 = EACH(stream_bf16),
};
