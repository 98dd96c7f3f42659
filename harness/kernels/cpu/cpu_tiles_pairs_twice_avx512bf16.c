/* cpu_tiles_pairs_twice_avx512bf16.c - the same at half their speed. */
#define TWICE true
#define MULTIPLY_ADD(v, w, sum) _mm512_dpbf16_ps(sum, (__m512bh)(v), (__m512bh)(w))
#include "harness/kernels/cpu/cpu_tiles_avx512.inc"

TABLE_OF_WORDS(cpu_tiles_pairs_twice)
