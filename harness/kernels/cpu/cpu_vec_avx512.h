/* cpu_vec_avx512.h - the sixteen-lane vector of cpu_vec_math.h in one register. */
#ifndef CPU_VEC_AVX512_H
#define CPU_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define VEC_FN static inline __attribute__((always_inline, unused))

enum { VEC_LANES = 16 };

typedef __m512 vec;      /* 16 f32            */
typedef __m512i vecu;    /* 16 32-bit words   */
typedef __mmask16 vmask; /* 16 booleans       */

VEC_FN vec vec_set1(float a)
{
    return _mm512_set1_ps(a);
}

VEC_FN vec vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

/* The first n lanes from memory, fill in the rest; n in 0..16. */
VEC_FN vec vec_load_n(const float *p, int64_t n, float fill)
{
    return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1u << n) - 1), p);
}

VEC_FN void vec_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}

VEC_FN void vec_store_n(float *p, vec a, int64_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a);
}

VEC_FN vec vec_load_bf16(const uint16_t *p)
{
    __m512i w = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
}

VEC_FN vec vec_load_bf16_n(const uint16_t *p, int64_t n)
{
    __m512i w = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
}

/* Finite values only: round to nearest even. */
VEC_FN __m256i vec_round_bf16(vec a)
{
    __m512i w = _mm512_castps_si512(a);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(w, 16), _mm512_set1_epi32(1));
    w = _mm512_add_epi32(_mm512_add_epi32(w, _mm512_set1_epi32(0x7fff)), odd);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(w, 16));
}

VEC_FN void vec_store_bf16(uint16_t *p, vec a)
{
    _mm256_storeu_si256((void *)p, vec_round_bf16(a));
}

VEC_FN void vec_store_bf16_n(uint16_t *p, vec a, int64_t n)
{
    _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), vec_round_bf16(a));
}

VEC_FN vec vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

VEC_FN vec vec_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

VEC_FN vec vec_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

VEC_FN vec vec_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

/* a * b + c */
VEC_FN vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* b where either is not a number. */
VEC_FN vec vec_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

VEC_FN vec vec_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

VEC_FN vmask vec_gt(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

/* a where set, else b */
VEC_FN vec vec_select(vmask m, vec a, vec b)
{
    return _mm512_mask_blend_ps(m, b, a);
}

VEC_FN vecu vecu_select(vmask m, vecu a, vecu b)
{
    return _mm512_mask_blend_epi32(m, b, a);
}

VEC_FN vecu vec_bits(vec a)
{
    return _mm512_castps_si512(a);
}

VEC_FN vec vecu_as_vec(vecu a)
{
    return _mm512_castsi512_ps(a);
}

VEC_FN vecu vecu_set1(uint32_t a)
{
    return _mm512_set1_epi32((int32_t)a);
}

VEC_FN vecu vecu_load(const uint32_t *p)
{
    return _mm512_loadu_si512(p);
}

VEC_FN void vecu_store(uint32_t *p, vecu a)
{
    _mm512_storeu_si512(p, a);
}

VEC_FN vecu vecu_add(vecu a, vecu b)
{
    return _mm512_add_epi32(a, b);
}

VEC_FN vecu vecu_sub(vecu a, vecu b)
{
    return _mm512_sub_epi32(a, b);
}

VEC_FN vecu vecu_xor(vecu a, vecu b)
{
    return _mm512_xor_si512(a, b);
}

VEC_FN vecu vecu_shl23(vecu a)
{
    return _mm512_slli_epi32(a, 23);
}

/* Arithmetic shift. */
VEC_FN vecu vecu_sar23(vecu a)
{
    return _mm512_srai_epi32(a, 23);
}

/* Set where the top bit is. */
VEC_FN vmask vecu_top_bit(vecu a)
{
    return _mm512_movepi32_mask(a);
}

/* Of the words taken as signed. */
VEC_FN vec vecu_to_float(vecu a)
{
    return _mm512_cvtepi32_ps(a);
}

/* 64-bit products: high and low words. */
VEC_FN void vecu_mul_wide(vecu a, uint32_t b, vecu *high, vecu *low)
{
    __m512i m = _mm512_set1_epi32((int32_t)b);
    __m512i even = _mm512_mul_epu32(a, m), odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), m);
    *low = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
    *high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
}

/* Lanes i and i + 8, then + 4, + 2, + 1. */
VEC_FN float vec_sum(vec a)
{
    __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

VEC_FN float vec_largest(vec a)
{
    __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

/* out[4 i + w] = lane i of word[w] */
VEC_FN void vec_store_interleaved(float *out, const vec word[4])
{
    __m512d t0 = _mm512_castps_pd(_mm512_unpacklo_ps(word[0], word[1]));
    __m512d t1 = _mm512_castps_pd(_mm512_unpackhi_ps(word[0], word[1]));
    __m512d t2 = _mm512_castps_pd(_mm512_unpacklo_ps(word[2], word[3]));
    __m512d t3 = _mm512_castps_pd(_mm512_unpackhi_ps(word[2], word[3]));
    /* Quarter q of r<j> is lane 4q + j of all four words. */
    __m512 r0 = _mm512_castpd_ps(_mm512_unpacklo_pd(t0, t2));
    __m512 r1 = _mm512_castpd_ps(_mm512_unpackhi_pd(t0, t2));
    __m512 r2 = _mm512_castpd_ps(_mm512_unpacklo_pd(t1, t3));
    __m512 r3 = _mm512_castpd_ps(_mm512_unpackhi_pd(t1, t3));
    __m512 low01 = _mm512_shuffle_f32x4(r0, r1, 0x44), low23 = _mm512_shuffle_f32x4(r2, r3, 0x44);
    __m512 high01 = _mm512_shuffle_f32x4(r0, r1, 0xee), high23 = _mm512_shuffle_f32x4(r2, r3, 0xee);
    vec_store(out, _mm512_shuffle_f32x4(low01, low23, 0x88));
    vec_store(out + 16, _mm512_shuffle_f32x4(low01, low23, 0xdd));
    vec_store(out + 32, _mm512_shuffle_f32x4(high01, high23, 0x88));
    vec_store(out + 48, _mm512_shuffle_f32x4(high01, high23, 0xdd));
}

/* Lane c of row r becomes lane r of row c: within each 128-bit quarter first, then the quarters
 * among each other. */
VEC_FN void vec_transpose(vec r[VEC_LANES])
{
    vec a[VEC_LANES], b[VEC_LANES];
    for (int i = 0; i < VEC_LANES; i += 2) {
        a[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < VEC_LANES; i += 4) {
        b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
        b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    /* b[4g + c] holds rows 4g .. 4g + 3 of columns c, c + 4, c + 8, c + 12. */
    for (int c = 0; c < 4; c++) {
        vec even01 = _mm512_shuffle_f32x4(b[c], b[c + 4], 0x88);
        vec odd01 = _mm512_shuffle_f32x4(b[c], b[c + 4], 0xdd);
        vec even23 = _mm512_shuffle_f32x4(b[c + 8], b[c + 12], 0x88);
        vec odd23 = _mm512_shuffle_f32x4(b[c + 8], b[c + 12], 0xdd);
        r[c] = _mm512_shuffle_f32x4(even01, even23, 0x88);
        r[c + 4] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
        r[c + 8] = _mm512_shuffle_f32x4(even01, even23, 0xdd);
        r[c + 12] = _mm512_shuffle_f32x4(odd01, odd23, 0xdd);
    }
}

#endif
