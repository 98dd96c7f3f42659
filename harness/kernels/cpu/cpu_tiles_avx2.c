/* cpu_tiles_avx2.c - the AVX2 tiles. */
#define TILES cpu_tiles_avx2
#define TWICE false
#include "harness/kernels/cpu/cpu_tiles_avx2.inc"
