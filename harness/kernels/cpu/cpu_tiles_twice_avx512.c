/* cpu_tiles_twice_avx512.c - the AVX-512 tiles at half their speed: each multiply-add done twice. */
#define TILES cpu_tiles_twice_avx512
#define TWICE true
#include "harness/kernels/cpu/cpu_tiles_avx512.inc"
