/* cpu_vec_avx2.h - the sixteen-lane vector of cpu_vec_math.h in two registers. */
#ifndef CPU_VEC_AVX2_H
#define CPU_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VEC_FN static inline __attribute__((always_inline, unused))

enum { VEC_LANES = 16 };

typedef struct {
    __m256 lo, hi;
} vec; /* 16 f32 */
typedef struct {
    __m256i lo, hi;
} vecu;            /* 16 32-bit words */
typedef vec vmask; /* 16 booleans     */

VEC_FN vec vec_set1(float a)
{
    return (vec){_mm256_set1_ps(a), _mm256_set1_ps(a)};
}

VEC_FN vec vec_load(const float *p)
{
    return (vec){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

/* The first n lanes from memory, fill in the rest; n in 0..16. */
VEC_FN vec vec_load_n(const float *p, int64_t n, float fill)
{
    float lane[VEC_LANES];
    for (int i = 0; i < VEC_LANES; i++) lane[i] = i < n ? p[i] : fill;
    return vec_load(lane);
}

VEC_FN void vec_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}

VEC_FN void vec_store_n(float *p, vec a, int64_t n)
{
    float lane[VEC_LANES];
    vec_store(lane, a);
    for (int64_t i = 0; i < n; i++) p[i] = lane[i];
}

VEC_FN __m256 vec_widen(const uint16_t *p)
{
    __m256i w = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(w, 16));
}

VEC_FN vec vec_load_bf16(const uint16_t *p)
{
    return (vec){vec_widen(p), vec_widen(p + 8)};
}

VEC_FN vec vec_load_bf16_n(const uint16_t *p, int64_t n)
{
    uint16_t lane[VEC_LANES] = {0};
    for (int64_t i = 0; i < n; i++) lane[i] = p[i];
    return vec_load_bf16(lane);
}

/* Finite values only: round to nearest even; the result in the words' low halves. */
VEC_FN __m256i vec_round_half(__m256 a)
{
    __m256i w = _mm256_castps_si256(a);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(w, 16), _mm256_set1_epi32(1));
    w = _mm256_add_epi32(_mm256_add_epi32(w, _mm256_set1_epi32(0x7fff)), odd);
    return _mm256_srli_epi32(w, 16);
}

VEC_FN void vec_store_bf16(uint16_t *p, vec a)
{
    __m256i w = _mm256_packus_epi32(vec_round_half(a.lo), vec_round_half(a.hi));
    _mm256_storeu_si256((void *)p, _mm256_permute4x64_epi64(w, 0xd8));
}

VEC_FN void vec_store_bf16_n(uint16_t *p, vec a, int64_t n)
{
    uint16_t lane[VEC_LANES];
    vec_store_bf16(lane, a);
    for (int64_t i = 0; i < n; i++) p[i] = lane[i];
}

VEC_FN vec vec_add(vec a, vec b)
{
    return (vec){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}

VEC_FN vec vec_sub(vec a, vec b)
{
    return (vec){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}

VEC_FN vec vec_mul(vec a, vec b)
{
    return (vec){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}

VEC_FN vec vec_div(vec a, vec b)
{
    return (vec){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}

/* a * b + c */
VEC_FN vec vec_fma(vec a, vec b, vec c)
{
    return (vec){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}

/* b where either is not a number. */
VEC_FN vec vec_max(vec a, vec b)
{
    return (vec){_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}

VEC_FN vec vec_min(vec a, vec b)
{
    return (vec){_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}

VEC_FN vmask vec_gt(vec a, vec b)
{
    return (vmask){_mm256_cmp_ps(a.lo, b.lo, _CMP_GT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_GT_OQ)};
}

/* a where set, else b */
VEC_FN vec vec_select(vmask m, vec a, vec b)
{
    return (vec){_mm256_blendv_ps(b.lo, a.lo, m.lo), _mm256_blendv_ps(b.hi, a.hi, m.hi)};
}

VEC_FN vecu vec_bits(vec a)
{
    return (vecu){_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)};
}

VEC_FN vec vecu_as_vec(vecu a)
{
    return (vec){_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)};
}

VEC_FN vecu vecu_select(vmask m, vecu a, vecu b)
{
    return vec_bits(vec_select(m, vecu_as_vec(a), vecu_as_vec(b)));
}

VEC_FN vecu vecu_set1(uint32_t a)
{
    return (vecu){_mm256_set1_epi32((int32_t)a), _mm256_set1_epi32((int32_t)a)};
}

VEC_FN vecu vecu_load(const uint32_t *p)
{
    return (vecu){_mm256_loadu_si256((const void *)p), _mm256_loadu_si256((const void *)(p + 8))};
}

VEC_FN void vecu_store(uint32_t *p, vecu a)
{
    _mm256_storeu_si256((void *)p, a.lo);
    _mm256_storeu_si256((void *)(p + 8), a.hi);
}

VEC_FN vecu vecu_add(vecu a, vecu b)
{
    return (vecu){_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}

VEC_FN vecu vecu_sub(vecu a, vecu b)
{
    return (vecu){_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}

VEC_FN vecu vecu_xor(vecu a, vecu b)
{
    return (vecu){_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)};
}

VEC_FN vecu vecu_shl23(vecu a)
{
    return (vecu){_mm256_slli_epi32(a.lo, 23), _mm256_slli_epi32(a.hi, 23)};
}

/* Arithmetic shift. */
VEC_FN vecu vecu_sar23(vecu a)
{
    return (vecu){_mm256_srai_epi32(a.lo, 23), _mm256_srai_epi32(a.hi, 23)};
}

/* Set where the top bit is. */
VEC_FN vmask vecu_top_bit(vecu a)
{
    return (vmask){_mm256_castsi256_ps(_mm256_srai_epi32(a.lo, 31)),
                   _mm256_castsi256_ps(_mm256_srai_epi32(a.hi, 31))};
}

/* Of the words taken as signed. */
VEC_FN vec vecu_to_float(vecu a)
{
    return (vec){_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}

VEC_FN void vecu_mul_half(__m256i a, __m256i b, __m256i *high, __m256i *low)
{
    __m256i even = _mm256_mul_epu32(a, b), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), b);
    *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
}

/* 64-bit products: high and low words. */
VEC_FN void vecu_mul_wide(vecu a, uint32_t b, vecu *high, vecu *low)
{
    __m256i m = _mm256_set1_epi32((int32_t)b);
    vecu_mul_half(a.lo, m, &high->lo, &low->lo);
    vecu_mul_half(a.hi, m, &high->hi, &low->hi);
}

/* Lanes i and i + 8, then + 4, + 2, + 1. */
VEC_FN float vec_sum(vec a)
{
    __m256 b = _mm256_add_ps(a.lo, a.hi);
    __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

VEC_FN float vec_largest(vec a)
{
    __m256 b = _mm256_max_ps(a.lo, a.hi);
    __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

VEC_FN void vec_store_half_interleaved(float *out, __m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256d t0 = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
    __m256d t1 = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
    __m256d t2 = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
    __m256d t3 = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
    /* Half q of r<j> is lane 4q + j of all four. */
    __m256 r0 = _mm256_castpd_ps(_mm256_unpacklo_pd(t0, t2));
    __m256 r1 = _mm256_castpd_ps(_mm256_unpackhi_pd(t0, t2));
    __m256 r2 = _mm256_castpd_ps(_mm256_unpacklo_pd(t1, t3));
    __m256 r3 = _mm256_castpd_ps(_mm256_unpackhi_pd(t1, t3));
    _mm256_storeu_ps(out, _mm256_permute2f128_ps(r0, r1, 0x20));
    _mm256_storeu_ps(out + 8, _mm256_permute2f128_ps(r2, r3, 0x20));
    _mm256_storeu_ps(out + 16, _mm256_permute2f128_ps(r0, r1, 0x31));
    _mm256_storeu_ps(out + 24, _mm256_permute2f128_ps(r2, r3, 0x31));
}

/* out[4 i + w] = lane i of word[w] */
VEC_FN void vec_store_interleaved(float *out, const vec word[4])
{
    vec_store_half_interleaved(out, word[0].lo, word[1].lo, word[2].lo, word[3].lo);
    vec_store_half_interleaved(out + 32, word[0].hi, word[1].hi, word[2].hi, word[3].hi);
}

VEC_FN void transpose8(__m256 r[8])
{
    __m256 a[8], b[8];
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
        b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
}

/* Lane c of row r becomes lane r of row c. */
VEC_FN void vec_transpose(vec rows[VEC_LANES])
{
    __m256 top_left[8], top_right[8], bottom_left[8], bottom_right[8];
    for (int i = 0; i < 8; i++) {
        top_left[i] = rows[i].lo;
        top_right[i] = rows[i].hi;
        bottom_left[i] = rows[i + 8].lo;
        bottom_right[i] = rows[i + 8].hi;
    }
    transpose8(top_left);
    transpose8(top_right);
    transpose8(bottom_left);
    transpose8(bottom_right);
    for (int i = 0; i < 8; i++) {
        rows[i] = (vec){top_left[i], bottom_left[i]};
        rows[i + 8] = (vec){top_right[i], bottom_right[i]};
    }
}

#endif
