/* cpu_tiles_avx512.c - tiles of up to 12 rows x 32 columns: 24 of the 32 registers sum. */
#include "harness/kernels/cpu/cpu_tiles.h"

#include <immintrin.h>

#define TILE static inline __attribute__((always_inline))

/* Bytes ahead of the weights being read that are asked for from memory, into L1 and L2. */
enum { NEAR_AHEAD = 1024, FAR_AHEAD = 6144 };

/* 32 columns as f32: 0..15 and 16..31. */
struct pair {
    __m512 low, high;
};

TILE struct pair load_bf16(const void *w)
{
    __m512i words = _mm512_loadu_si512(w);
    __m512i upper = _mm512_and_si512(words, _mm512_set1_epi32((int32_t)0xffff0000));
    return (struct pair){_mm512_castsi512_ps(_mm512_slli_epi32(words, 16)),
                         _mm512_castsi512_ps(upper)};
}

/* Scale bytes or, signed, weights of 32 columns. */
struct pair_int {
    __m512i low, high;
};

TILE struct pair_int load_scales(const void *w)
{
    return (struct pair_int){_mm512_cvtepu8_epi32(_mm_loadu_si128(w)),
                             _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)w + 1))};
}

/* 2^(b - 127) */
TILE __m512 power_of(__m512i b)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(b, 23));
}

TILE struct pair powers_of(struct pair_int b)
{
    return (struct pair){power_of(b.low), power_of(b.high)};
}

/* What brings sums in units of scales `from` into units of `to`. */
TILE struct pair carry_of(struct pair_int from, struct pair_int to)
{
    const __m512i one = _mm512_set1_epi32(127);
    return (struct pair){power_of(_mm512_add_epi32(_mm512_sub_epi32(from.low, to.low), one)),
                         power_of(_mm512_add_epi32(_mm512_sub_epi32(from.high, to.high), one))};
}

/* One step of k; of int8 without its scale. */
TILE struct pair load_weights(const void *w, enum dtype dtype)
{
    if (dtype == DTYPE_F32) {
        const float *p = w;
        return (struct pair){_mm512_loadu_ps(p), _mm512_loadu_ps(p + 16)};
    }
    if (dtype == DTYPE_BF16) return load_bf16(w);
    __m512i low = _mm512_cvtepi8_epi32(_mm_loadu_si128(w));
    __m512i high = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)w + 1));
    return (struct pair){_mm512_cvtepi32_ps(low), _mm512_cvtepi32_ps(high)};
}

TILE int64_t step_bytes(enum dtype dtype)
{
    return dtype == DTYPE_F32 ? 128 : dtype == DTYPE_BF16 ? 64 : 32;
}

TILE int64_t group_end(enum dtype dtype, int64_t begin, int64_t k)
{
    return dtype == DTYPE_INT8 && begin + INT8_GROUP < k ? begin + INT8_GROUP : k;
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
               int rows, float *y, int64_t y_stride, bool first, enum dtype dtype, float *keep,
               bool keeps, struct tile_next next)
{
    __m512 low[TILE_MAX_ROWS], high[TILE_MAX_ROWS];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        low[r] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(y + r * y_stride);
        high[r] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(y + r * y_stride + 16);
    }
    const char *at = w;
#pragma GCC unroll 1
    for (int64_t i = 0; i < k;) {
        struct pair scale = {0};
        if (dtype == DTYPE_INT8) {
            scale = powers_of(load_scales(at));
            at += PANEL;
        }
        const int64_t end = group_end(dtype, i, k);
#pragma GCC unroll 1
        for (; i < end; i++, at += step_bytes(dtype)) {
            struct pair p = load_weights(at, dtype);
            if (dtype == DTYPE_INT8) {
                p.low = _mm512_mul_ps(p.low, scale.low);
                p.high = _mm512_mul_ps(p.high, scale.high);
            }
            if (keeps) {
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
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(y + r * y_stride, low[r]);
        _mm512_storeu_ps(y + r * y_stride + 16, high[r]);
    }
}

/* `panels` panels at once: few rows alone have too few sums to hide a multiply-add's latency. */
TILE void stream_group(const char *w, int64_t panel_bytes, int panels, const float *x, int64_t k,
                       int rows, float *y, int64_t y_stride, enum dtype dtype)
{
    enum { MAX_PANELS = 4 };
    const char *last_scales = w; /* of the group whose units the sums are in */
    __m512 low[MAX_PANELS][TILE_MAX_ROWS], high[MAX_PANELS][TILE_MAX_ROWS];
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++)
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) low[p][r] = high[p][r] = _mm512_setzero_ps();
#pragma GCC unroll 1
    for (int64_t i = 0; i < k;) {
#pragma GCC unroll 4
        for (int p = 0; p < panels; p++) {
            if (dtype != DTYPE_INT8 || i == 0) continue;
            const char *at = w + p * panel_bytes;
            struct pair carry =
                carry_of(load_scales(at - PANEL * (INT8_GROUP + 1)), load_scales(at));
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                low[p][r] = _mm512_mul_ps(low[p][r], carry.low);
                high[p][r] = _mm512_mul_ps(high[p][r], carry.high);
            }
        }
        if (dtype == DTYPE_INT8) {
            last_scales = w;
            w += PANEL;
        }
        const int64_t end = group_end(dtype, i, k);
#pragma GCC unroll 1
        for (; i < end; i++, w += step_bytes(dtype)) {
            __m512 v[TILE_MAX_ROWS];
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++)
                if (panels > 1) v[r] = broadcast(x + i * rows + r);
#pragma GCC unroll 4
            for (int p = 0; p < panels; p++) {
                const char *at = w + p * panel_bytes;
                /* Two steps of int8 share a line. */
                for (int64_t line = 0; line < step_bytes(dtype); line += 64) {
                    if (dtype != DTYPE_INT8 || i % 2 == 0)
                        _mm_prefetch(at + line + NEAR_AHEAD, _MM_HINT_T0);
                    if (dtype != DTYPE_INT8 || i % 2 == 1)
                        _mm_prefetch(at + line + FAR_AHEAD, _MM_HINT_T1);
                }
                struct pair q = load_weights(at, dtype);
#pragma GCC unroll 12
                for (int r = 0; r < rows; r++) {
                    if (panels == 1) v[r] = broadcast(x + i * rows + r);
                    low[p][r] = _mm512_fmadd_ps(v[r], q.low, low[p][r]);
                    high[p][r] = _mm512_fmadd_ps(v[r], q.high, high[p][r]);
                }
            }
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++) {
        struct pair scale = {0};
        if (dtype == DTYPE_INT8) scale = powers_of(load_scales(last_scales + p * panel_bytes));
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            float *to = y + r * y_stride + p * PANEL;
            if (dtype == DTYPE_INT8) {
                low[p][r] = _mm512_mul_ps(low[p][r], scale.low);
                high[p][r] = _mm512_mul_ps(high[p][r], scale.high);
            }
            _mm512_storeu_ps(to, low[p][r]);
            _mm512_storeu_ps(to + 16, high[p][r]);
        }
    }
}

TILE void stream(const void *w, int64_t n_panels, int group, const float *x, int64_t k, int rows,
                 float *y, int64_t y_stride, enum dtype dtype)
{
    const char *at = w;
    const int64_t panel_bytes = PANEL * dtype_row_bytes(dtype, k);
    int64_t p = 0;
    for (; p + group <= n_panels; p += group)
        stream_group(at + p * panel_bytes, panel_bytes, group, x, k, rows, y + p * PANEL, y_stride,
                     dtype);
    for (; p < n_panels; p++)
        stream_group(at + p * panel_bytes, panel_bytes, 1, x, k, rows, y + p * PANEL, y_stride,
                     dtype);
}

#define KEEP(DTYPE, NAME, ROWS)                                                                    \
    static void NAME##_##ROWS(const void *w, const float *x, int64_t k, float *y,                  \
                              int64_t y_stride, bool first, float *keep, struct tile_next next)    \
    {                                                                                              \
        tile(w, x, ROWS, 1, k, ROWS, y, y_stride, first, DTYPE, keep, true, next);                 \
    }

#define STREAM(DTYPE, NAME, ROWS, GROUP)                                                           \
    static void NAME##_##ROWS(const void *w, int64_t n_panels, const float *x, int64_t k,          \
                              float *y, int64_t y_stride)                                          \
    {                                                                                              \
        stream(w, n_panels, GROUP, x, k, ROWS, y, y_stride, DTYPE);                                \
    }

#define TILES_OF(ROWS, GROUP)                                                                      \
    static void f32_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride,   \
                           bool first, float *keep, struct tile_next next)                         \
    {                                                                                              \
        tile(w, x, ROWS, 1, k, ROWS, y, y_stride, first, DTYPE_F32, keep, false, next);            \
    }                                                                                              \
    static void scores_##ROWS(const void *w, const float *x, int64_t k, float *y,                  \
                              int64_t y_stride, bool first, float *keep, struct tile_next next)    \
    {                                                                                              \
        tile(w, x, 1, SCORE_KEYS, k, ROWS, y, y_stride, first, DTYPE_F32, keep, false, next);      \
    }                                                                                              \
    KEEP(DTYPE_BF16, keep_bf16, ROWS)                                                              \
    KEEP(DTYPE_INT8, keep_int8, ROWS)                                                              \
    STREAM(DTYPE_F32, stream_f32, ROWS, GROUP)                                                     \
    STREAM(DTYPE_BF16, stream_bf16, ROWS, GROUP)                                                   \
    STREAM(DTYPE_INT8, stream_int8, ROWS, GROUP)

/* clang-format off */
TILES_OF(1, 4) TILES_OF(2, 4) TILES_OF(3, 4) TILES_OF(4, 2) TILES_OF(5, 2) TILES_OF(6, 2)
TILES_OF(7, 1) TILES_OF(8, 1) TILES_OF(9, 1) TILES_OF(10, 1) TILES_OF(11, 1) TILES_OF(12, 1)

#define EACH(NAME) {0, NAME##_1, NAME##_2, NAME##_3, NAME##_4, NAME##_5, NAME##_6, NAME##_7, \
                    NAME##_8, NAME##_9, NAME##_10, NAME##_11, NAME##_12}
    /* clang-format on */

    const struct cpu_tiles cpu_tiles_avx512 = {
        .max_rows = 12,
        .f32 = EACH(f32),
        .scores = EACH(scores),
        .keep = {[DTYPE_BF16] = EACH(keep_bf16), [DTYPE_INT8] = EACH(keep_int8)},
        .stream = {[DTYPE_F32] = EACH(stream_f32),
                   [DTYPE_BF16] = EACH(stream_bf16),
                   [DTYPE_INT8] = EACH(stream_int8)},
};
