/* cpu_tiles_twice_avx2.c - the AVX2 tiles at half their speed: each multiply-add done twice. */
#define TILES cpu_tiles_twice_avx2
#define TWICE true
#include "harness/kernels/cpu/cpu_tiles_avx2.inc"
