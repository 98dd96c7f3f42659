/* cpu_tiles_quads_avx2.c - tiles of int8 by int8 in AVX2, by multiplications of 16-bit pairs: the
 * even and the odd bytes of a word of weights become pairs by shifts alone. */
#include "harness/kernels/cpu/cpu_tiles_quads.h"

#include <immintrin.h>

#define TILE static inline __attribute__((always_inline))

enum { ROWS_MAX = 4, ROW_WORDS = 1 + 2 * GROUP_QUADS };

/* 8 of a whole group of n, or of what is left of one; absent ones 0. */
TILE __m256 load_some(const float *x, int64_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    if (n >= 8) return _mm256_loadu_ps(x);
    return _mm256_maskload_ps(x, _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), lane));
}

TILE int32_t largest_of(__m256i v)
{
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}

/* A group of n of a row: its scale, and the two words of each step: int16 of elements 0 and 2, and
 * of 1 and 3. */
TILE float quantise_row(float *out, int64_t stride, const float *x, int64_t n)
{
    __m256 v[GROUP_QUADS / 2];
    __m256i largest = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int i = 0; i < GROUP_QUADS / 2; i++) {
        v[i] = load_some(x + 8 * i, n - 8 * i);
        const __m256i bits = _mm256_castps_si256(v[i]);
        largest = _mm256_max_epi32(largest, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
    }
    const uint32_t bits = (uint32_t)largest_of(largest);
    const int exponent = group_exponent(bits);
    const __m256 inverse = _mm256_set1_ps(power_of_two(-exponent));
#pragma GCC unroll 4
    for (int i = 0; i < GROUP_QUADS / 2; i++) {
        __m256 y = _mm256_min_ps(_mm256_mul_ps(v[i], inverse), _mm256_set1_ps(127));
        y = _mm256_max_ps(y, _mm256_set1_ps(-127));
        const __m256i q = _mm256_cvtps_epi32(y); /* nearest, ties to even */
        const __m256i upper = _mm256_slli_epi32(_mm256_shuffle_epi32(q, 0x0e), 16);
        const __m256i pairs = _mm256_blend_epi16(q, upper, 0xaa);
        _mm_storel_epi64((void *)(out + 2 * i * stride), _mm256_castsi256_si128(pairs));
        _mm_storel_epi64((void *)(out + (2 * i + 1) * stride), _mm256_extracti128_si256(pairs, 1));
    }
    return group_scale(exponent, bits);
}

static void quantise(float *out, const float *x, int64_t x_stride, int64_t rows, int64_t k)
{
    for (int64_t i = 0; i < k; i += INT8_GROUP, out += rows * ROW_WORDS)
        for (int64_t r = 0; r < rows; r++) {
            const float *from = x + r * x_stride + i;
            float *to = out + rows + 2 * r;
            if (k - i >= INT8_GROUP)
                out[r] = quantise_row(to, 2 * rows, from, INT8_GROUP);
            else
                out[r] = quantise_row(to, 2 * rows, from, k - i);
        }
}

TILE __m256i word_of(const float *x)
{
    return _mm256_castps_si256(_mm256_broadcast_ss(x));
}

/* 16 columns from column c of one group: integer sums, then into y. */
TILE void half_group(const char *w, int64_t n_quads, int64_t c, const float *x, int rows, float *y,
                     int64_t y_stride, bool first)
{
    __m256i sum[ROWS_MAX][2];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    const float *v = x + rows;
    const char *at = w + PANEL + c * QUAD;
#pragma GCC unroll 1
    for (int64_t s = 0; s < n_quads; s++, at += PANEL * QUAD, v += 2 * rows) {
        __m256i pairs[2][2];
#pragma GCC unroll 2
        for (int u = 0; u < 2; u++) {
            const __m256i bytes = _mm256_loadu_si256((const void *)(at + 32 * u));
            pairs[0][u] = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
            pairs[1][u] = _mm256_srai_epi16(bytes, 8);
        }
#pragma GCC unroll 8
        for (int r = 0; r < 2 * rows; r++) {
            const __m256i word = word_of(v + r);
#pragma GCC unroll 2
            for (int u = 0; u < 2; u++) {
                const __m256i product = _mm256_madd_epi16(pairs[r % 2][u], word);
                sum[r / 2][u] = _mm256_add_epi32(sum[r / 2][u], product);
                /* Opaque: added up in another order they would not fit the registers. */
                __asm__("" : "+x"(sum[r / 2][u]));
            }
        }
    }
#pragma GCC unroll 2
    for (int u = 0; u < 2; u++) {
        const __m256i b = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(w + c + 8 * u)));
        const __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(b, 23));
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            float *to = y + r * y_stride + c + 8 * u;
            const __m256 both = _mm256_mul_ps(scale, _mm256_broadcast_ss(x + r));
            const __m256 before = first ? _mm256_setzero_ps() : _mm256_loadu_ps(to);
            _mm256_storeu_ps(to, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][u]), both, before));
        }
    }
}

TILE void group(const char *w, int64_t n_quads, const float *x, int rows, float *y,
                int64_t y_stride, bool first)
{
    half_group(w, n_quads, 0, x, rows, y, y_stride, first);
    half_group(w, n_quads, PANEL / 2, x, rows, y, y_stride, first);
}

#include "harness/kernels/cpu/cpu_tiles_quads.inc"

QUADS(1)
QUADS(2)
QUADS(3)
QUADS(4)

const struct cpu_tiles cpu_tiles_quads_avx2 = {
    .max_rows = ROWS_MAX,
    .block_panels = 2,
    .stream_panels = 2,
    .stream_tiles = 2,
    .direct = {[DTYPE_INT8] = {0, quads_1, quads_2, quads_3, quads_4}},
    .stretch = {[DTYPE_INT8] = 128},
    .convert_x = quantise,
    .group_steps = INT8_GROUP,
    .group_words = ROW_WORDS,
};
