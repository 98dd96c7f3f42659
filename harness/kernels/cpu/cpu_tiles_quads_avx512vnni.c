/* cpu_tiles_quads_avx512vnni.c - tiles of int8 by int8 by vpdpbusd, which multiplies unsigned bytes
 * by signed ones: weights are taken as 128 more than they are, and integer sums begin at what that
 * is too much. */
#include "harness/kernels/cpu/cpu_tiles_quads.h"

#include <immintrin.h>

#define TILE static inline __attribute__((always_inline))

enum { ROWS_MAX = 12, ROW_WORDS = 2 + GROUP_QUADS };

/* After the scales, of each row minus 128 times the sum of its group; a word is a step's four. */
static void quantise(float *out, const float *x, int64_t x_stride, int64_t rows, int64_t k)
{
    for (int64_t i = 0; i < k; i += INT8_GROUP) {
        int64_t n = k - i < INT8_GROUP ? k - i : INT8_GROUP;
        for (int64_t r = 0; r < rows; r++) {
            int8_t q[INT8_GROUP];
            int32_t begin = 0;
            out[r] = quantise_group(q, x + r * x_stride + i, n);
            for (int64_t j = 0; j < INT8_GROUP; j++) begin -= 128 * q[j];
            memcpy(out + rows + r, &begin, sizeof begin);
            for (int64_t s = 0; s < GROUP_QUADS; s++)
                memcpy(out + 2 * rows + s * rows + r, q + QUAD * s, QUAD);
        }
        out += rows * ROW_WORDS;
    }
}

TILE __m512i word_of(const float *x)
{
    int32_t word;
    memcpy(&word, x, sizeof word);
    return _mm512_set1_epi32(word);
}

TILE void group(const char *w, int64_t n_quads, const float *x, int rows, float *y,
                int64_t y_stride, bool first)
{
    const __m512i to_unsigned = _mm512_set1_epi32((int32_t)0x80808080);
    __m512i low[ROWS_MAX], high[ROWS_MAX];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) low[r] = high[r] = word_of(x + rows + r);
    const float *v = x + 2 * rows;
    const char *at = w + PANEL;
#pragma GCC unroll 1
    for (int64_t s = 0; s < n_quads; s++, at += PANEL * QUAD, v += rows) {
        const __m512i a = _mm512_xor_si512(_mm512_loadu_si512(at), to_unsigned);
        const __m512i b = _mm512_xor_si512(_mm512_loadu_si512(at + 64), to_unsigned);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            const __m512i word = word_of(v + r);
            low[r] = _mm512_dpbusd_epi32(low[r], a, word);
            high[r] = _mm512_dpbusd_epi32(high[r], b, word);
        }
    }
#pragma GCC unroll 2
    for (int u = 0; u < 2; u++) {
        const __m512i b = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)w + u));
        const __m512 scale = _mm512_castsi512_ps(_mm512_slli_epi32(b, 23));
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            float *to = y + r * y_stride + 16 * u;
            const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(x[r]));
            const __m512 before = first ? _mm512_setzero_ps() : _mm512_loadu_ps(to);
            const __m512 sum = _mm512_cvtepi32_ps(u == 0 ? low[r] : high[r]);
            _mm512_storeu_ps(to, _mm512_fmadd_ps(sum, both, before));
        }
    }
}

TILE void tile(const char *w, const float *x, int64_t k, int rows, float *y, int64_t y_stride,
               bool first, struct tile_next next)
{
    const int64_t lines = quad_lines(next);
    for (int64_t i = 0; i < k; i += INT8_GROUP, first = false) {
        const int64_t n_quads = quads_of(k - i < INT8_GROUP ? k - i : INT8_GROUP);
        for (int64_t line = 0; line < lines; line++, next.line += 64)
            _mm_prefetch(next.line, _MM_HINT_T1);
        group(w, n_quads, x, rows, y, y_stride, first);
        w += quad_group_bytes(n_quads);
        x += rows * ROW_WORDS;
    }
}

#define QUADS(ROWS)                                                                                \
    static void quads_##ROWS(const void *w, const float *x, int64_t k, float *y, int64_t y_stride, \
                             bool first, float *keep, struct tile_next next)                       \
    {                                                                                              \
        (void)keep;                                                                                \
        tile(w, x, k, ROWS, y, y_stride, first, next);                                             \
    }
/* clang-format off */
QUADS(1) QUADS(2) QUADS(3) QUADS(4) QUADS(5) QUADS(6)
QUADS(7) QUADS(8) QUADS(9) QUADS(10) QUADS(11) QUADS(12)

const struct cpu_tiles cpu_tiles_quads_avx512vnni = {
    .max_rows = ROWS_MAX,
    .block_panels = 4,
    .direct = {[DTYPE_INT8] = {0, quads_1, quads_2, quads_3, quads_4, quads_5, quads_6,
                               quads_7, quads_8, quads_9, quads_10, quads_11, quads_12}},
    .in_stretches = true,
    .quantise = quantise,
    .group_words = ROW_WORDS,
};
/* clang-format on */
