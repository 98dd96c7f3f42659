/* cpu_tiles_quads_avx512vnni.c - tiles of int8 by int8 by vpdpbusd, which multiplies unsigned bytes
 * by signed ones: weights are taken as 128 more than they are, and integer sums begin at what that
 * is too much. */
#include "harness/kernels/cpu/cpu_tiles_quads.h"

#include <immintrin.h>

#define TILE static inline __attribute__((always_inline))

enum { ROWS_MAX = 12, ROW_WORDS = 2 + GROUP_QUADS };

/* 16 of a group's n; absent ones 0. */
TILE __m512 load_some(const float *x, int64_t n)
{
    if (n >= 16) return _mm512_loadu_ps(x);
    return _mm512_mask_loadu_ps(_mm512_setzero_ps(), (__mmask16)(n > 0 ? (1u << n) - 1 : 0), x);
}

/* A group of n of a row: its scale, minus 128 times its sum, and of each step a word of four. */
TILE float quantise_row(float *words, int64_t stride, float *begin, const float *x, int64_t n)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512 v[2];
    __m512i largest = _mm512_set1_epi32(0), sum = largest;
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        v[i] = load_some(x + 16 * i, n - 16 * i);
        const __m512i bits = _mm512_and_si512(_mm512_castps_si512(v[i]), magnitude);
        largest = _mm512_max_epi32(largest, bits);
    }
    const uint32_t bits = (uint32_t)_mm512_reduce_max_epi32(largest);
    const int exponent = group_exponent(bits);
    const __m512 inverse = _mm512_set1_ps(power_of_two(-exponent));
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512 y = _mm512_min_ps(_mm512_mul_ps(v[i], inverse), _mm512_set1_ps(127));
        y = _mm512_max_ps(y, _mm512_set1_ps(-127));
        const __m512i q = _mm512_cvtps_epi32(y); /* nearest, ties to even */
        float quads[4];
        sum = _mm512_add_epi32(sum, q);
        _mm_storeu_ps(quads, _mm_castsi128_ps(_mm512_cvtepi32_epi8(q)));
        for (int j = 0; j < 4; j++) words[(4 * i + j) * stride] = quads[j];
    }
    const int32_t too_much = -128 * _mm512_reduce_add_epi32(sum);
    memcpy(begin, &too_much, sizeof too_much);
    return group_scale(exponent, bits);
}

static void quantise(float *out, const float *x, int64_t x_stride, int64_t rows, int64_t k)
{
    for (int64_t i = 0; i < k; i += INT8_GROUP, out += rows * ROW_WORDS)
        for (int64_t r = 0; r < rows; r++) {
            const int64_t n = k - i < INT8_GROUP ? k - i : INT8_GROUP;
            out[r] =
                quantise_row(out + 2 * rows + r, rows, out + rows + r, x + r * x_stride + i, n);
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

#include "harness/kernels/cpu/cpu_tiles_quads.inc"

/* clang-format off */
QUADS(1) QUADS(2) QUADS(3) QUADS(4) QUADS(5) QUADS(6)
QUADS(7) QUADS(8) QUADS(9) QUADS(10) QUADS(11) QUADS(12)

const struct cpu_tiles cpu_tiles_quads_avx512vnni = {
    .max_rows = ROWS_MAX,
    .block_panels = 4,
    .stream_panels = 2,
    .stream_tiles = 2,
    .direct = {[DTYPE_INT8] = {0, quads_1, quads_2, quads_3, quads_4, quads_5, quads_6,
                               quads_7, quads_8, quads_9, quads_10, quads_11, quads_12}},
    .stretch = {[DTYPE_INT8] = 128},
    .convert_x = quantise,
    .group_steps = INT8_GROUP,
    .group_words = ROW_WORDS,
};
/* clang-format on */
