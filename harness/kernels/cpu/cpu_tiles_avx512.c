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

/* Of a group of int8 weights of scale 2^e: 2^(15 + e) and -(2^15 + 128) 2^e. */
struct scales {
    struct pair base, offset;
};

TILE struct pair load_bf16(const void *w)
{
    __m512i words = _mm512_loadu_si512(w);
    __m512i upper = _mm512_and_si512(words, _mm512_set1_epi32((int32_t)0xffff0000));
    return (struct pair){_mm512_castsi512_ps(_mm512_slli_epi32(words, 16)),
                         _mm512_castsi512_ps(upper)};
}

/* For each 16-byte lane of lower columns (half 0) or upper ones: which bytes to bring to byte
 * `to` of the words. */
TILE __m512i columns_of(int half, int to)
{
    const __m512i in_word = _mm512_set4_epi32(3, 2, 1, 0);
    const __m512i of_lane =
        _mm512_set_epi64(0x400000004, 0x400000004, 0x400000004, 0x400000004, 0, 0, 0, 0);
    __m512i byte =
        _mm512_add_epi32(_mm512_add_epi32(in_word, of_lane), _mm512_set1_epi32(8 * half));
    return _mm512_slli_epi32(byte, (unsigned)(8 * to));
}

TILE __m512 load_base(__m512i bytes, int half)
{
    __m512i top = _mm512_maskz_shuffle_epi8(0x8888888888888888, bytes, columns_of(half, 3));
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_srli_epi32(top, 1), _mm512_set1_epi32(15 << 23)));
}

TILE struct scales load_scales(const void *w)
{
    const __m512 minus = _mm512_set1_ps(-32896.0f / 32768.0f);
    __m512i bytes = _mm512_broadcast_i64x4(_mm256_loadu_si256(w));
    struct pair base = {load_base(bytes, 0), load_base(bytes, 1)};
    return (struct scales){base, {_mm512_mul_ps(base.low, minus), _mm512_mul_ps(base.high, minus)}};
}

TILE __m512 widen_bytes(__m512i bytes, int half, __m512 base, __m512 offset)
{
    __m512i sum = _mm512_mask_shuffle_epi8(_mm512_castps_si512(base), 0x2222222222222222, bytes,
                                           columns_of(half, 1));
    return _mm512_add_ps(_mm512_castsi512_ps(sum), offset);
}

/* One step of k. */
TILE struct pair load_weights(const void *w, enum dtype dtype, const struct scales *s)
{
    if (dtype == DTYPE_F32) {
        const float *p = w;
        return (struct pair){_mm512_loadu_ps(p), _mm512_loadu_ps(p + 16)};
    }
    if (dtype == DTYPE_BF16) return load_bf16(w);
    __m512i bytes = _mm512_broadcast_i64x4(_mm256_loadu_si256(w));
    return (struct pair){widen_bytes(bytes, 0, s->base.low, s->offset.low),
                         widen_bytes(bytes, 1, s->base.high, s->offset.high)};
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
        struct scales s = {0};
        if (dtype == DTYPE_INT8) {
            s = load_scales(at);
            at += PANEL;
        }
        const int64_t end = group_end(dtype, i, k);
#pragma GCC unroll 1
        for (; i < end; i++, at += step_bytes(dtype)) {
            struct pair p = load_weights(at, dtype, &s);
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
    __m512 low[MAX_PANELS][TILE_MAX_ROWS], high[MAX_PANELS][TILE_MAX_ROWS];
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++)
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) low[p][r] = high[p][r] = _mm512_setzero_ps();
#pragma GCC unroll 1
    for (int64_t i = 0; i < k;) {
        struct scales s[MAX_PANELS] = {0};
#pragma GCC unroll 4
        for (int p = 0; p < panels && dtype == DTYPE_INT8; p++)
            s[p] = load_scales(w + p * panel_bytes);
        if (dtype == DTYPE_INT8) w += PANEL;
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
                struct pair q = load_weights(at, dtype, &s[p]);
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
    for (int p = 0; p < panels; p++)
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            _mm512_storeu_ps(y + r * y_stride + p * PANEL, low[p][r]);
            _mm512_storeu_ps(y + r * y_stride + p * PANEL + 16, high[p][r]);
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

/* Groups: of f32 and bf16 panels, and of int8 ones, whose scales take registers too. */
#define TILES_OF(ROWS, GROUP, INT8_PANELS)                                                         \
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
    STREAM(DTYPE_INT8, stream_int8, ROWS, INT8_PANELS)

/* clang-format off */
TILES_OF(1, 4, 2) TILES_OF(2, 4, 2) TILES_OF(3, 4, 2) TILES_OF(4, 2, 2) TILES_OF(5, 2, 2)
TILES_OF(6, 2, 2) TILES_OF(7, 1, 1) TILES_OF(8, 1, 1) TILES_OF(9, 1, 1) TILES_OF(10, 1, 1)
TILES_OF(11, 1, 1) TILES_OF(12, 1, 1)

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
