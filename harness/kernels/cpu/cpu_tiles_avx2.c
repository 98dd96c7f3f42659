/* cpu_tiles_avx2.c - tiles of up to 3 rows x 32 columns or 6 rows x 16: 12 of 16 registers sum. */
#include "harness/kernels/cpu/cpu_tiles.h"

#include <immintrin.h>

#define TILE static inline __attribute__((always_inline))

/* Bytes ahead of the weights being read that are asked for from memory, into L1 and L2. */
enum { NEAR_AHEAD = 1024, FAR_AHEAD = 6144 };

/* A quarter is 8 columns; a half, what one 256-bit load of bf16 holds: columns 8h .. 8h + 7
 * and 16 + 8h .. 16 + 8h + 7. */
enum { ROWS_MAX = 6, WIDE_ROWS_MAX = 3, HALVES = 2 };

struct pair {
    __m256 low, high;
};

TILE struct pair load_bf16(const void *w)
{
    __m256i words = _mm256_loadu_si256(w);
    __m256i upper = _mm256_and_si256(words, _mm256_set1_epi32((int32_t)0xffff0000));
    return (struct pair){_mm256_castsi256_ps(_mm256_slli_epi32(words, 16)),
                         _mm256_castsi256_ps(upper)};
}

/* Scale bytes of the columns of one half. */
struct pair_int {
    __m256i low, high;
};

TILE struct pair_int load_scales(const void *w, int half)
{
    const char *p = (const char *)w + 8 * half;
    return (struct pair_int){_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)),
                             _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p + 16)))};
}

/* 2^(b - 127) */
TILE __m256 power_of(__m256i b)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(b, 23));
}

TILE struct pair powers_of(struct pair_int b)
{
    return (struct pair){power_of(b.low), power_of(b.high)};
}

/* What brings sums in units of scales `from` into units of `to`. */
TILE struct pair carry_of(struct pair_int from, struct pair_int to)
{
    const __m256i one = _mm256_set1_epi32(127);
    return (struct pair){power_of(_mm256_add_epi32(_mm256_sub_epi32(from.low, to.low), one)),
                         power_of(_mm256_add_epi32(_mm256_sub_epi32(from.high, to.high), one))};
}

/* Half of one step of k; of int8 without its scale. */
TILE struct pair load_half(const void *w, int half, enum dtype dtype)
{
    if (dtype == DTYPE_F32) {
        const float *p = (const float *)w + 8 * half;
        return (struct pair){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 16)};
    }
    if (dtype == DTYPE_BF16) return load_bf16((const uint16_t *)w + 16 * half);
    const char *p = (const char *)w + 8 * half;
    __m256i low = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p));
    __m256i high = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(p + 16)));
    return (struct pair){_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)};
}

TILE int64_t step_bytes(enum dtype dtype)
{
    return dtype == DTYPE_F32 ? 128 : dtype == DTYPE_BF16 ? 64 : 32;
}

TILE int64_t group_end(enum dtype dtype, int64_t begin, int64_t k)
{
    return dtype == DTYPE_INT8 && begin + INT8_GROUP < k ? begin + INT8_GROUP : k;
}

/* Steps begin .. end - 1 of k, w pointing to the first of them (of int8, to its scales), for halves
 * [half0, half0 + n_halves) of a panel; x(r, i) stands at x[i * x_step_k + r * x_step_row]. */
TILE void tile_halves(const void *w, int half0, int n_halves, const float *x, int64_t x_step_k,
                      int64_t x_step_row, int64_t begin, int64_t end, int rows, float *y,
                      int64_t y_stride, bool first, enum dtype dtype, float *keep, bool keeps,
                      bool ahead, struct tile_next *next)
{
    __m256 low[HALVES][ROWS_MAX], high[HALVES][ROWS_MAX];
    /* Sums of int8 are in units of their group's scale, of 1 outside; not those that keep. */
    const struct pair_int unit = {_mm256_set1_epi32(127), _mm256_set1_epi32(127)};
    struct pair scale[HALVES] = {0};
#pragma GCC unroll 2
    for (int h = 0; h < n_halves; h++)
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            const float *p = y + r * y_stride + 8 * (half0 + h);
            low[h][r] = first ? _mm256_setzero_ps() : _mm256_loadu_ps(p);
            high[h][r] = first ? _mm256_setzero_ps() : _mm256_loadu_ps(p + 16);
        }
    const char *at = w;
#pragma GCC unroll 1
    for (int64_t i = begin; i < end;) {
#pragma GCC unroll 2
        for (int h = 0; h < n_halves; h++) {
            if (dtype != DTYPE_INT8) continue;
            struct pair_int to = load_scales(at, half0 + h), from = unit;
            scale[h] = powers_of(to);
            if (i > begin) from = load_scales(at - PANEL * (INT8_GROUP + 1), half0 + h);
            if (keeps || (first && i == begin)) continue;
            struct pair carry = carry_of(from, to);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                low[h][r] = _mm256_mul_ps(low[h][r], carry.low);
                high[h][r] = _mm256_mul_ps(high[h][r], carry.high);
            }
        }
        if (dtype == DTYPE_INT8) at += PANEL;
        const int64_t stop = group_end(dtype, i, end);
#pragma GCC unroll 1
        for (; i < stop; i++, at += step_bytes(dtype)) {
            /* Two steps of int8 share a line. */
            for (int64_t line = 0; ahead && line < step_bytes(dtype); line += 64) {
                if (dtype != DTYPE_INT8 || i % 2 == 0)
                    _mm_prefetch(at + line + NEAR_AHEAD, _MM_HINT_T0);
                if (dtype != DTYPE_INT8 || i % 2 == 1)
                    _mm_prefetch(at + line + FAR_AHEAD, _MM_HINT_T1);
            }
            if (half0 == 0 && next->line != NULL && (i & next->step) == 0) {
                _mm_prefetch(next->line, _MM_HINT_T1);
                next->line += 64;
            }
#pragma GCC unroll 2
            for (int h = 0; h < n_halves; h++) {
                struct pair p = load_half(at, half0 + h, dtype);
                /* Opaque, so that x is read again for the other half: with three rows there is no
                 * register to keep it in. */
                const float *xi = x + i * x_step_k;
                __asm__ volatile("" : "+r"(xi));
                if (dtype == DTYPE_INT8 && keeps) {
                    p.low = _mm256_mul_ps(p.low, scale[h].low);
                    p.high = _mm256_mul_ps(p.high, scale[h].high);
                }
                if (keeps) {
                    _mm256_storeu_ps(keep + i * PANEL + 8 * (half0 + h), p.low);
                    _mm256_storeu_ps(keep + i * PANEL + 8 * (half0 + h) + 16, p.high);
                }
#pragma GCC unroll 6
                for (int r = 0; r < rows; r++) {
                    __m256 v = _mm256_broadcast_ss(xi + r * x_step_row);
                    low[h][r] = _mm256_fmadd_ps(v, p.low, low[h][r]);
                    high[h][r] = _mm256_fmadd_ps(v, p.high, high[h][r]);
                }
            }
        }
    }
#pragma GCC unroll 2
    for (int h = 0; h < n_halves; h++)
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            float *p = y + r * y_stride + 8 * (half0 + h);
            if (dtype == DTYPE_INT8 && !keeps) {
                low[h][r] = _mm256_mul_ps(low[h][r], scale[h].low);
                high[h][r] = _mm256_mul_ps(high[h][r], scale[h].high);
            }
            _mm256_storeu_ps(p, low[h][r]);
            _mm256_storeu_ps(p + 16, high[h][r]);
        }
}

/* Steps of k short enough for the second half to find the panel's lines still in L1. */
enum { K_STEP = 128 };
_Static_assert(K_STEP % INT8_GROUP == 0, "a stretch of k begins with scales");

TILE void tile(const void *w, const float *x, int64_t x_step_k, int64_t x_step_row, int64_t k,
               int rows, float *y, int64_t y_stride, bool first, enum dtype dtype, float *keep,
               bool keeps, bool ahead, struct tile_next next)
{
    if (rows <= WIDE_ROWS_MAX) {
        tile_halves(w, 0, 2, x, x_step_k, x_step_row, 0, k, rows, y, y_stride, first, dtype, keep,
                    keeps, ahead, &next);
        return;
    }
    const char *at = w;
    for (int64_t i = 0; i < k; i += K_STEP) {
        int64_t end = k - i < K_STEP ? k : i + K_STEP;
        tile_halves(at, 0, 1, x, x_step_k, x_step_row, i, end, rows, y, y_stride, first && i == 0,
                    dtype, keep, keeps, ahead, &next);
        tile_halves(at, 1, 1, x, x_step_k, x_step_row, i, end, rows, y, y_stride, first && i == 0,
                    dtype, keep, keeps, false, &next);
        at += K_STEP * step_bytes(dtype) + (dtype == DTYPE_INT8 ? K_STEP / INT8_GROUP * PANEL : 0);
    }
}

TILE void stream(const void *w, int64_t n_panels, const float *x, int64_t k, int rows, float *y,
                 int64_t y_stride, enum dtype dtype)
{
    const int64_t panel_bytes = PANEL * dtype_row_bytes(dtype, k);
    const struct tile_next none = {NULL, 0};
    for (int64_t p = 0; p < n_panels; p++)
        tile((const char *)w + p * panel_bytes, x, rows, 1, k, rows, y + p * PANEL, y_stride, true,
             dtype, NULL, false, true, none);
}

#define KEEP(DTYPE, NAME, ROWS)                                                                    \
    static void NAME##_##ROWS(const void *w, const float *x, int64_t k, float *y,                  \
                              int64_t y_stride, bool first, float *keep, struct tile_next next)    \
    {                                                                                              \
        tile(w, x, ROWS, 1, k, ROWS, y, y_stride, first, DTYPE, keep, true, false, next);          \
    }

#define STREAM(DTYPE, NAME, ROWS)                                                                  \
    static void NAME##_##ROWS(const void *w, int64_t n_panels, const float *x, int64_t k,          \
                              float *y, int64_t y_stride)                                          \
    {                                                                                              \
        stream(w, n_panels, x, k, ROWS, y, y_stride, DTYPE);                                       \
    }

#define TILES_OF(ROWS)                                                                             \
    static void f32_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride,   \
                           bool first, float *keep, struct tile_next next)                         \
    {                                                                                              \
        tile(w, x, ROWS, 1, k, ROWS, y, y_stride, first, DTYPE_F32, keep, false, false, next);     \
    }                                                                                              \
    static void scores_##ROWS(const void *w, const float *x, int64_t k, float *y,                  \
                              int64_t y_stride, bool first, float *keep, struct tile_next next)    \
    {                                                                                              \
        tile(w, x, 1, SCORE_KEYS, k, ROWS, y, y_stride, first, DTYPE_F32, keep, false, false,      \
             next);                                                                                \
    }                                                                                              \
    KEEP(DTYPE_BF16, keep_bf16, ROWS)                                                              \
    KEEP(DTYPE_INT8, keep_int8, ROWS)                                                              \
    STREAM(DTYPE_F32, stream_f32, ROWS)                                                            \
    STREAM(DTYPE_BF16, stream_bf16, ROWS)                                                          \
    STREAM(DTYPE_INT8, stream_int8, ROWS)

/* clang-format off */
TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4) TILES_OF(5) TILES_OF(6)

#define EACH(NAME) {0, NAME##_1, NAME##_2, NAME##_3, NAME##_4, NAME##_5, NAME##_6}
    /* clang-format on */

    const struct cpu_tiles cpu_tiles_avx2 = {
        .max_rows = ROWS_MAX,
        .f32 = EACH(f32),
        .scores = EACH(scores),
        .keep = {[DTYPE_BF16] = EACH(keep_bf16), [DTYPE_INT8] = EACH(keep_int8)},
        .stream = {[DTYPE_F32] = EACH(stream_f32),
                   [DTYPE_BF16] = EACH(stream_bf16),
                   [DTYPE_INT8] = EACH(stream_int8)},
};
