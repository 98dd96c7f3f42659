/* cpu_vec_scalar.h - the sixteen-lane vector of cpu_vec_math.h in plain C. */
#ifndef CPU_VEC_SCALAR_H
#define CPU_VEC_SCALAR_H

#include <stdint.h>
#include <string.h>

#define VEC_FN static inline __attribute__((unused))

enum { VEC_LANES = 16 };

typedef struct {
    float v[VEC_LANES];
} vec; /* 16 f32 */
typedef struct {
    uint32_t v[VEC_LANES];
} vecu;             /* 16 32-bit words                    */
typedef vecu vmask; /* 16 booleans: all bits of a lane, or none */

#define VEC_EACH for (int i = 0; i < VEC_LANES; i++)

VEC_FN vec vec_set1(float a)
{
    vec r;
    VEC_EACH r.v[i] = a;
    return r;
}

VEC_FN vec vec_load(const float *p)
{
    vec r;
    memcpy(r.v, p, sizeof r.v);
    return r;
}

/* The first n lanes from memory, fill in the rest; n in 0..16. */
VEC_FN vec vec_load_n(const float *p, int64_t n, float fill)
{
    vec r;
    VEC_EACH r.v[i] = i < n ? p[i] : fill;
    return r;
}

VEC_FN void vec_store(float *p, vec a)
{
    memcpy(p, a.v, sizeof a.v);
}

VEC_FN void vec_store_n(float *p, vec a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) p[i] = a.v[i];
}

VEC_FN vecu vec_bits(vec a)
{
    vecu r;
    memcpy(r.v, a.v, sizeof r.v);
    return r;
}

VEC_FN vec vecu_as_vec(vecu a)
{
    vec r;
    memcpy(r.v, a.v, sizeof r.v);
    return r;
}

VEC_FN vec vec_load_bf16_n(const uint16_t *p, int64_t n)
{
    vecu r;
    VEC_EACH r.v[i] = i < n ? (uint32_t)p[i] << 16 : 0;
    return vecu_as_vec(r);
}

VEC_FN vec vec_load_bf16(const uint16_t *p)
{
    return vec_load_bf16_n(p, VEC_LANES);
}

/* Finite values only: round to nearest even. */
VEC_FN void vec_store_bf16_n(uint16_t *p, vec a, int64_t n)
{
    vecu w = vec_bits(a);
    for (int64_t i = 0; i < n; i++) p[i] = (uint16_t)((w.v[i] + 0x7fff + (w.v[i] >> 16 & 1)) >> 16);
}

VEC_FN void vec_store_bf16(uint16_t *p, vec a)
{
    vec_store_bf16_n(p, a, VEC_LANES);
}

VEC_FN vec vec_add(vec a, vec b)
{
    VEC_EACH a.v[i] += b.v[i];
    return a;
}

VEC_FN vec vec_sub(vec a, vec b)
{
    VEC_EACH a.v[i] -= b.v[i];
    return a;
}

VEC_FN vec vec_mul(vec a, vec b)
{
    VEC_EACH a.v[i] *= b.v[i];
    return a;
}

VEC_FN vec vec_div(vec a, vec b)
{
    VEC_EACH a.v[i] /= b.v[i];
    return a;
}

/* a * b + c, rounded twice here. */
VEC_FN vec vec_fma(vec a, vec b, vec c)
{
    VEC_EACH a.v[i] = a.v[i] * b.v[i] + c.v[i];
    return a;
}

/* b where either is not a number. */
VEC_FN vec vec_max(vec a, vec b)
{
    VEC_EACH a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
    return a;
}

VEC_FN vec vec_min(vec a, vec b)
{
    VEC_EACH a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
    return a;
}

VEC_FN vmask vec_gt(vec a, vec b)
{
    vmask r;
    VEC_EACH r.v[i] = a.v[i] > b.v[i] ? ~0u : 0;
    return r;
}

VEC_FN vecu vecu_select(vmask m, vecu a, vecu b)
{
    VEC_EACH a.v[i] = (a.v[i] & m.v[i]) | (b.v[i] & ~m.v[i]);
    return a;
}

/* a where set, else b */
VEC_FN vec vec_select(vmask m, vec a, vec b)
{
    return vecu_as_vec(vecu_select(m, vec_bits(a), vec_bits(b)));
}

VEC_FN vecu vecu_set1(uint32_t a)
{
    vecu r;
    VEC_EACH r.v[i] = a;
    return r;
}

VEC_FN vecu vecu_load(const uint32_t *p)
{
    vecu r;
    memcpy(r.v, p, sizeof r.v);
    return r;
}

VEC_FN void vecu_store(uint32_t *p, vecu a)
{
    memcpy(p, a.v, sizeof a.v);
}

VEC_FN vecu vecu_add(vecu a, vecu b)
{
    VEC_EACH a.v[i] += b.v[i];
    return a;
}

VEC_FN vecu vecu_sub(vecu a, vecu b)
{
    VEC_EACH a.v[i] -= b.v[i];
    return a;
}

VEC_FN vecu vecu_xor(vecu a, vecu b)
{
    VEC_EACH a.v[i] ^= b.v[i];
    return a;
}

VEC_FN vecu vecu_shl23(vecu a)
{
    VEC_EACH a.v[i] <<= 23;
    return a;
}

/* Arithmetic shift. */
VEC_FN vecu vecu_sar23(vecu a)
{
    VEC_EACH a.v[i] = (uint32_t)((int32_t)a.v[i] >> 23);
    return a;
}

/* Set where the top bit is. */
VEC_FN vmask vecu_top_bit(vecu a)
{
    VEC_EACH a.v[i] = (uint32_t)((int32_t)a.v[i] >> 31);
    return a;
}

/* Of the words taken as signed. */
VEC_FN vec vecu_to_float(vecu a)
{
    vec r;
    VEC_EACH r.v[i] = (float)(int32_t)a.v[i];
    return r;
}

/* 64-bit products: high and low words. */
VEC_FN void vecu_mul_wide(vecu a, uint32_t b, vecu *high, vecu *low)
{
    VEC_EACH
    {
        uint64_t product = (uint64_t)a.v[i] * b;
        high->v[i] = (uint32_t)(product >> 32);
        low->v[i] = (uint32_t)product;
    }
}

/* Lanes i and i + 8, then + 4, + 2, + 1. */
VEC_FN float vec_sum(vec a)
{
    for (int width = VEC_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++) a.v[i] += a.v[i + width];
    return a.v[0];
}

VEC_FN float vec_largest(vec a)
{
    for (int width = VEC_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++) a.v[i] = a.v[i + width] > a.v[i] ? a.v[i + width] : a.v[i];
    return a.v[0];
}

/* out[4 i + w] = lane i of word[w] */
VEC_FN void vec_store_interleaved(float *out, const vec word[4])
{
    VEC_EACH for (int w = 0; w < 4; w++) out[4 * i + w] = word[w].v[i];
}

/* Lane c of row r becomes lane r of row c. */
VEC_FN void vec_transpose(vec rows[VEC_LANES])
{
    for (int i = 0; i < VEC_LANES; i++)
        for (int j = 0; j < i; j++) {
            float t = rows[i].v[j];
            rows[i].v[j] = rows[j].v[i];
            rows[j].v[i] = t;
        }
}

#endif
