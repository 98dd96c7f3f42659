/* cpu_attention_avx512.c - attention's parts in AVX-512. */
#include "harness/kernels/cpu/cpu_attention.h"

#include "harness/kernels/cpu/cpu_tiles.h"
#include "harness/kernels/cpu/cpu_vec_avx512.h"

/* Within each 128-bit quarter first, then the quarters among each other. */
static inline __attribute__((always_inline)) void transpose16(vec r[VEC_LANES])
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

#define TURNED_UNROLL _Pragma("GCC unroll 16")
#define FEW_DISPATCH FEW_ONE_EACH
#include "harness/kernels/cpu/cpu_attention_body.inc"

const struct cpu_attention cpu_attention_avx512 = CPU_ATTENTION_TABLE;
