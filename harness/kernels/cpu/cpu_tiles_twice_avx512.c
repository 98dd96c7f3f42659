/* cpu_tiles_twice_avx512.c - the AVX-512 tiles at half their speed: multiply-adds done twice. */
#define TWICE true
#define MULTIPLY_ADD(v, w, sum) _mm512_fmadd_ps(v, w, sum)
#include "harness/kernels/cpu/cpu_tiles_avx512.inc"

TABLE_OF_ALL(cpu_tiles_twice_avx512)
