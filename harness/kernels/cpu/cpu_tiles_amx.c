/* cpu_tiles_amx.c - the tiles of words that are pairs of bf16, for CPUs with amx_bf16. */
#define TWICE false
#include "harness/kernels/cpu/cpu_tiles_amx.inc"

TABLE(cpu_tiles_amx);
