/* cpu_attention_avx2.c - attention's parts in AVX2. */
#include "harness/kernels/cpu/cpu_attention.h"

#include "harness/kernels/cpu/cpu_tiles.h"
#include "harness/kernels/cpu/cpu_vec_avx2.h"

static inline __attribute__((always_inline)) void transpose8(__m256 r[8])
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

static inline __attribute__((always_inline)) void transpose16(vec rows[VEC_LANES])
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

#define TURNED_UNROLL
#define FEW_DISPATCH FEW_ONE_EACH
#include "harness/kernels/cpu/cpu_attention_body.inc"

const struct cpu_attention cpu_attention_avx2 = CPU_ATTENTION_TABLE;
