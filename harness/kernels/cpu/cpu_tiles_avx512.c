/* cpu_tiles_avx512.c - the AVX-512 tiles. */
#define TILES cpu_tiles_avx512
#define TWICE false
#include "harness/kernels/cpu/cpu_tiles_avx512.inc"
