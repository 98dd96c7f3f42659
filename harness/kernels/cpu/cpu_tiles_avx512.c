/* cpu_tiles_avx512.c - the AVX-512 tiles. */
#define TWICE false
#define MULTIPLY_ADD(v, w, sum) _mm512_fmadd_ps(v, w, sum)
#include "harness/kernels/cpu/cpu_tiles_avx512.inc"

TABLE_OF_ALL(cpu_tiles_avx512)
