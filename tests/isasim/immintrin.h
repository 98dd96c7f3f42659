/* immintrin.h - the AVX-512 instructions that the CPU kernels use, spelled out lane by lane, so
 * that those kernels run, slowly, in tests on any CPU with AVX2.
 *
 * Found before the compiler's own header by the tests' build of the _avx512 files.  Meanings are
 * those of the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2. */
#ifndef ISASIM_IMMINTRIN_H
#define ISASIM_IMMINTRIN_H

#include_next <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SIM static inline __attribute__((always_inline, unused))
#define SIM_EACH(n) for (int i = 0; i < (n); i++)

typedef float sim_f32 __attribute__((vector_size(64)));
typedef double sim_f64 __attribute__((vector_size(64)));
typedef int32_t sim_i32 __attribute__((vector_size(64)));
typedef uint32_t sim_u32 __attribute__((vector_size(64)));
typedef uint64_t sim_u64 __attribute__((vector_size(64)));

#define SIM_LOAD(NAME, TYPE)                                                                       \
    SIM TYPE NAME(const void *p)                                                                   \
    {                                                                                              \
        TYPE v;                                                                                    \
        memcpy(&v, p, sizeof v);                                                                   \
        return v;                                                                                  \
    }
#define SIM_STORE(NAME, TYPE)                                                                      \
    SIM void NAME(void *p, TYPE v)                                                                 \
    {                                                                                              \
        memcpy(p, &v, sizeof v);                                                                   \
    }
SIM_LOAD(sim_loadu_ps, __m512)
SIM_LOAD(sim_loadu_si512, __m512i)
SIM_STORE(sim_storeu_ps, __m512)
SIM_STORE(sim_storeu_si512, __m512i)

/* Lane i of the result is EXPR, of lanes i of a and b. */
#define SIM_LANES(NAME, OUT, LANES_OUT, N, EXPR, ...)                                              \
    SIM OUT NAME(__VA_ARGS__)                                                                      \
    {                                                                                              \
        LANES_OUT r;                                                                               \
        SIM_EACH(N) r[i] = EXPR;                                                                   \
        return (OUT)r;                                                                             \
    }
SIM_LANES(sim_set1_ps, __m512, sim_f32, 16, a, float a)
SIM_LANES(sim_set1_epi32, __m512i, sim_i32, 16, a, int32_t a)
SIM_LANES(sim_add_ps, __m512, sim_f32, 16, a[i] + b[i], __m512 a, __m512 b)
SIM_LANES(sim_sub_ps, __m512, sim_f32, 16, a[i] - b[i], __m512 a, __m512 b)
SIM_LANES(sim_mul_ps, __m512, sim_f32, 16, a[i] * b[i], __m512 a, __m512 b)
SIM_LANES(sim_div_ps, __m512, sim_f32, 16, a[i] / b[i], __m512 a, __m512 b)
/* Of two that are equal or not ordered, the second. */
SIM_LANES(sim_max_ps, __m512, sim_f32, 16, a[i] > b[i] ? a[i] : b[i], __m512 a, __m512 b)
SIM_LANES(sim_min_ps, __m512, sim_f32, 16, a[i] < b[i] ? a[i] : b[i], __m512 a, __m512 b)
SIM_LANES(sim_fmadd_ps, __m512, sim_f32, 16, __builtin_fmaf(a[i], b[i], c[i]), __m512 a, __m512 b,
          __m512 c)
SIM_LANES(sim_add_epi32, __m512i, sim_u32, 16, ((sim_u32)a)[i] + ((sim_u32)b)[i], __m512i a,
          __m512i b)
SIM_LANES(sim_sub_epi32, __m512i, sim_u32, 16, ((sim_u32)a)[i] - ((sim_u32)b)[i], __m512i a,
          __m512i b)
SIM_LANES(sim_slli_epi32, __m512i, sim_u32, 16, n > 31 ? 0 : ((sim_u32)a)[i] << n, __m512i a,
          unsigned n)
SIM_LANES(sim_srli_epi32, __m512i, sim_u32, 16, n > 31 ? 0 : ((sim_u32)a)[i] >> n, __m512i a,
          unsigned n)
SIM_LANES(sim_srai_epi32, __m512i, sim_i32, 16, ((sim_i32)a)[i] >> (n > 31 ? 31 : n), __m512i a,
          unsigned n)
SIM_LANES(sim_slli_epi64, __m512i, sim_u64, 8, n > 63 ? 0 : ((sim_u64)a)[i] << n, __m512i a,
          unsigned n)
SIM_LANES(sim_srli_epi64, __m512i, sim_u64, 8, n > 63 ? 0 : ((sim_u64)a)[i] >> n, __m512i a,
          unsigned n)
SIM_LANES(sim_mul_epu32, __m512i, sim_u64, 8,
          (uint64_t)((sim_u32)a)[2 * i] * (uint64_t)((sim_u32)b)[2 * i], __m512i a, __m512i b)
SIM_LANES(sim_cvtepi32_ps, __m512, sim_f32, 16, (float)((sim_i32)a)[i], __m512i a)

SIM_LANES(sim_max_epi32, __m512i, sim_i32, 16,
          ((sim_i32)a)[i] > ((sim_i32)b)[i] ? ((sim_i32)a)[i] : ((sim_i32)b)[i], __m512i a,
          __m512i b)
/* To the nearest, ties to even; 0x80000000 where it does not fit. */
SIM_LANES(sim_cvtps_epi32, __m512i, sim_i32, 16,
          a[i] >= -0x1p31f && a[i] < 0x1p31f ? (int32_t)rintf(a[i]) : INT32_MIN, __m512 a)

SIM int32_t sim_reduce_max_epi32(__m512i a)
{
    int32_t most = ((sim_i32)a)[0];
    SIM_EACH(16) most = ((sim_i32)a)[i] > most ? ((sim_i32)a)[i] : most;
    return most;
}

SIM int32_t sim_reduce_add_epi32(__m512i a)
{
    uint32_t sum = 0;
    SIM_EACH(16) sum += ((sim_u32)a)[i];
    return (int32_t)sum;
}

SIM __m128i sim_cvtepi32_epi8(__m512i a)
{
    uint8_t x[16];
    __m128i r;
    SIM_EACH(16) x[i] = (uint8_t)((sim_u32)a)[i];
    memcpy(&r, x, sizeof r);
    return r;
}

/* Narrower integers in memory order, to 32 bits each, and back. */
#define SIM_WIDEN(NAME, FROM, LANE)                                                                \
    SIM __m512i NAME(FROM a)                                                                       \
    {                                                                                              \
        LANE x[16];                                                                                \
        sim_i32 r;                                                                                 \
        memcpy(x, &a, sizeof x);                                                                   \
        SIM_EACH(16) r[i] = x[i];                                                                  \
        return (__m512i)r;                                                                         \
    }
SIM_WIDEN(sim_cvtepi8_epi32, __m128i, int8_t)
SIM_WIDEN(sim_cvtepu8_epi32, __m128i, uint8_t)
SIM_WIDEN(sim_cvtepu16_epi32, __m256i, uint16_t)

SIM __m256i sim_cvtepi32_epi16(__m512i a)
{
    uint16_t x[16];
    __m256i r;
    SIM_EACH(16) x[i] = (uint16_t)((sim_u32)a)[i];
    memcpy(&r, x, sizeof r);
    return r;
}

SIM __mmask16 sim_movepi32_mask(__m512i a)
{
    unsigned m = 0;
    SIM_EACH(16) m |= (((sim_u32)a)[i] >> 31) << i;
    return (__mmask16)m;
}

SIM __mmask16 sim_cmp_ps_mask(__m512 a, __m512 b, int how)
{
    unsigned m = 0;
    SIM_EACH(16)
    {
        bool is;
        switch (how) {
        case _CMP_EQ_OQ:
            is = a[i] == b[i];
            break;
        case _CMP_LT_OQ:
            is = a[i] < b[i];
            break;
        case _CMP_LE_OQ:
            is = a[i] <= b[i];
            break;
        case _CMP_GT_OQ:
            is = a[i] > b[i];
            break;
        case _CMP_GE_OQ:
            is = a[i] >= b[i];
            break;
        default:
            __builtin_trap();
        }
        m |= (unsigned)is << i;
    }
    return (__mmask16)m;
}

SIM_LANES(sim_mask_blend_ps, __m512, sim_f32, 16, m >> i & 1 ? b[i] : a[i], __mmask16 m, __m512 a,
          __m512 b)
SIM_LANES(sim_mask_blend_epi32, __m512i, sim_u32, 16,
          m >> i & 1 ? ((sim_u32)b)[i] : ((sim_u32)a)[i], __mmask16 m, __m512i a, __m512i b)
/* Memory of lanes left out is not touched. */
SIM_LANES(sim_mask_loadu_ps, __m512, sim_f32, 16, m >> i & 1 ? ((const float *)p)[i] : other[i],
          __m512 other, __mmask16 m, const void *p)

SIM void sim_mask_storeu_ps(void *p, __mmask16 m, __m512 a)
{
    SIM_EACH(16) if (m >> i & 1)((float *)p)[i] = a[i];
}

SIM __m256i sim_maskz_loadu_epi16(__mmask16 m, const void *p)
{
    uint16_t x[16];
    __m256i r;
    SIM_EACH(16) x[i] = m >> i & 1 ? ((const uint16_t *)p)[i] : 0;
    memcpy(&r, x, sizeof r);
    return r;
}

SIM void sim_mask_storeu_epi16(void *p, __mmask16 m, __m256i a)
{
    uint16_t x[16];
    memcpy(x, &a, sizeof x);
    SIM_EACH(16) if (m >> i & 1)((uint16_t *)p)[i] = x[i];
}

/* Within each 128 bits, lanes of a and b as four pairs of bits of how say; of four 128 bits. */
SIM __m512 sim_shuffle_ps(__m512 a, __m512 b, int how)
{
    sim_f32 r;
    for (int q = 0; q < 16; q += 4)
        for (int i = 0; i < 4; i++) r[q + i] = (i < 2 ? a : b)[q + (how >> 2 * i & 3)];
    return (__m512)r;
}

SIM __m512 sim_shuffle_f32x4(__m512 a, __m512 b, int how)
{
    sim_f32 r;
    for (int q = 0; q < 4; q++)
        for (int i = 0; i < 4; i++) r[4 * q + i] = (q < 2 ? a : b)[4 * (how >> 2 * q & 3) + i];
    return (__m512)r;
}

SIM_LANES(sim_unpacklo_ps, __m512, sim_f32, 16, (i % 2 ? b : a)[i / 4 * 4 + i % 4 / 2], __m512 a,
          __m512 b)
SIM_LANES(sim_unpackhi_ps, __m512, sim_f32, 16, (i % 2 ? b : a)[i / 4 * 4 + 2 + i % 4 / 2],
          __m512 a, __m512 b)
SIM_LANES(sim_unpacklo_pd, __m512d, sim_f64, 8, (i % 2 ? b : a)[i / 2 * 2], __m512d a, __m512d b)
SIM_LANES(sim_unpackhi_pd, __m512d, sim_f64, 8, (i % 2 ? b : a)[i / 2 * 2 + 1], __m512d a,
          __m512d b)

SIM __m256 sim_half(__m512 a, int which)
{
    __m256 r;
    memcpy(&r, (const char *)&a + 32 * which, sizeof r);
    return r;
}

/* Denormals are taken and left as zero. */
SIM float sim_flushed(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

SIM float sim_from_bf16(uint32_t upper_bits)
{
    float x;
    memcpy(&x, &upper_bits, sizeof x);
    return sim_flushed(x);
}

/* Of two bf16 in each word the upper ones' product is added first, each sum rounded once. */
SIM __m512 sim_dpbf16_ps(__m512 sum, __m512i v, __m512i w)
{
    sim_f32 r;
    SIM_EACH(16)
    {
        uint32_t a = ((sim_u32)v)[i], b = ((sim_u32)w)[i];
        float s = sim_flushed(__builtin_fmaf(sim_from_bf16(a & 0xffff0000u),
                                             sim_from_bf16(b & 0xffff0000u), sim_flushed(sum[i])));
        r[i] = sim_flushed(__builtin_fmaf(sim_from_bf16(a << 16), sim_from_bf16(b << 16), s));
    }
    return (__m512)r;
}

/* Four unsigned bytes of u times four signed ones of s in each word. */
SIM __m512i sim_dpbusd_epi32(__m512i sum, __m512i u, __m512i s)
{
    uint8_t a[64];
    int8_t b[64];
    sim_i32 r = (sim_i32)sum;
    memcpy(a, &u, sizeof a);
    memcpy(b, &s, sizeof b);
    SIM_EACH(64) r[i / 4] += a[i] * b[i];
    return (__m512i)r;
}

#define _mm512_loadu_ps(p) sim_loadu_ps(p)
#define _mm512_loadu_si512(p) sim_loadu_si512(p)
#define _mm512_storeu_ps(p, a) sim_storeu_ps(p, a)
#define _mm512_storeu_si512(p, a) sim_storeu_si512(p, a)
#define _mm512_setzero_ps() sim_set1_ps(0)
#define _mm512_set1_ps(a) sim_set1_ps(a)
#define _mm512_set1_epi32(a) sim_set1_epi32(a)
#define _mm512_add_ps(a, b) sim_add_ps(a, b)
#define _mm512_sub_ps(a, b) sim_sub_ps(a, b)
#define _mm512_mul_ps(a, b) sim_mul_ps(a, b)
#define _mm512_div_ps(a, b) sim_div_ps(a, b)
#define _mm512_max_ps(a, b) sim_max_ps(a, b)
#define _mm512_min_ps(a, b) sim_min_ps(a, b)
#define _mm512_fmadd_ps(a, b, c) sim_fmadd_ps(a, b, c)
#define _mm512_dpbusd_epi32(sum, u, s) sim_dpbusd_epi32(sum, u, s)
#define _mm512_dpbf16_ps(sum, v, w) sim_dpbf16_ps(sum, (__m512i)(v), (__m512i)(w))
#define _mm512_add_epi32(a, b) sim_add_epi32(a, b)
#define _mm512_sub_epi32(a, b) sim_sub_epi32(a, b)
#define _mm512_and_si512(a, b) ((__m512i)((sim_u64)(a) & (sim_u64)(b)))
#define _mm512_xor_si512(a, b) ((__m512i)((sim_u64)(a) ^ (sim_u64)(b)))
#undef _mm512_slli_epi32
#undef _mm512_srli_epi32
#undef _mm512_srai_epi32
#undef _mm512_slli_epi64
#undef _mm512_srli_epi64
#undef _mm512_cmp_ps_mask
#undef _mm512_shuffle_ps
#undef _mm512_shuffle_f32x4
#undef _mm512_extractf32x8_ps
#define _mm512_slli_epi32(a, n) sim_slli_epi32(a, n)
#define _mm512_srli_epi32(a, n) sim_srli_epi32(a, n)
#define _mm512_srai_epi32(a, n) sim_srai_epi32(a, n)
#define _mm512_slli_epi64(a, n) sim_slli_epi64(a, n)
#define _mm512_srli_epi64(a, n) sim_srli_epi64(a, n)
#define _mm512_mul_epu32(a, b) sim_mul_epu32(a, b)
#define _mm512_cvtepi32_ps(a) sim_cvtepi32_ps(a)
#define _mm512_max_epi32(a, b) sim_max_epi32(a, b)
#define _mm512_cvtps_epi32(a) sim_cvtps_epi32(a)
#define _mm512_reduce_max_epi32(a) sim_reduce_max_epi32(a)
#define _mm512_reduce_add_epi32(a) sim_reduce_add_epi32(a)
#define _mm512_cvtepi32_epi8(a) sim_cvtepi32_epi8(a)
#define _mm512_cvtepi8_epi32(a) sim_cvtepi8_epi32(a)
#define _mm512_cvtepu8_epi32(a) sim_cvtepu8_epi32(a)
#define _mm512_cvtepu16_epi32(a) sim_cvtepu16_epi32(a)
#define _mm512_cvtepi32_epi16(a) sim_cvtepi32_epi16(a)
#define _mm512_movepi32_mask(a) sim_movepi32_mask(a)
#define _mm512_cmp_ps_mask(a, b, how) sim_cmp_ps_mask(a, b, how)
#define _mm512_mask_blend_ps(m, a, b) sim_mask_blend_ps(m, a, b)
#define _mm512_mask_blend_epi32(m, a, b) sim_mask_blend_epi32(m, a, b)
#define _mm512_mask_loadu_ps(other, m, p) sim_mask_loadu_ps(other, m, p)
#define _mm512_mask_storeu_ps(p, m, a) sim_mask_storeu_ps(p, m, a)
#define _mm256_maskz_loadu_epi16(m, p) sim_maskz_loadu_epi16(m, p)
#define _mm256_mask_storeu_epi16(p, m, a) sim_mask_storeu_epi16(p, m, a)
#define _mm512_shuffle_ps(a, b, how) sim_shuffle_ps(a, b, how)
#define _mm512_shuffle_f32x4(a, b, how) sim_shuffle_f32x4(a, b, how)
#define _mm512_unpacklo_ps(a, b) sim_unpacklo_ps(a, b)
#define _mm512_unpackhi_ps(a, b) sim_unpackhi_ps(a, b)
#define _mm512_unpacklo_pd(a, b) sim_unpacklo_pd(a, b)
#define _mm512_unpackhi_pd(a, b) sim_unpackhi_pd(a, b)
#define _mm512_castps_si512(a) ((__m512i)(a))
#define _mm512_castsi512_ps(a) ((__m512)(a))
#define _mm512_castps_pd(a) ((__m512d)(a))
#define _mm512_castpd_ps(a) ((__m512)(a))
#define _mm512_castps512_ps256(a) sim_half(a, 0)
#define _mm512_extractf32x8_ps(a, which) sim_half(a, which)

#include "tests/isasim/tiles.h"

/* What hides a value from the compiler names a register that is not there. */
#define __asm__(...) (void)0

#endif
