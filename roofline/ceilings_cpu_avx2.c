/* ceilings_cpu_avx2.c - read and peak loops in 256-bit vectors. */
#define VEC_BYTES 32
#include "roofline/ceilings_cpu_read.inc"

#include <immintrin.h>

/* 12 chains cover 5 cycles x 2 ports and leave registers for the operands. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define CLOBBERS                                                                                   \
    "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm15"
enum { N_CHAINS = 12 };

#define SET(i) "vmovaps %[start], %%ymm" #i "\n\t"
#define FMA(i) "vfmadd213ps %[y], %[x], %%ymm" #i "\n\t"
/* Pairs of int16, summed: what int8 becomes where nothing multiplies bytes without losing bits. */
#define DOT_INT8(i)                                                                                \
    "vpmaddwd %[y], %[x], %%ymm15\n\tvpaddd %%ymm15, %%ymm" #i ", %%ymm" #i "\n\t"
#define ADD_INT(i) "vpaddd %[x], %%ymm" #i ", %%ymm" #i "\n\t"

#define RUN(op, n, start_, x_, y_)                                                                 \
    __asm__ volatile(CHAINS(SET) ".p2align 5\n1:\n\t" CHAINS(op) "dec %[count]\n\tjnz 1b\n\t"      \
                     : [count] "+r"(n)                                                             \
                     : [start] "x"(start_), [x] "x"(x_), [y] "x"(y_)                               \
                     : CLOBBERS)

/* 0.3 -> 0.7 -> 0.3: bits keep changing, as with real data, and nothing grows or underflows. */
static void fma_f32(int64_t n)
{
    RUN(FMA, n, _mm256_set1_ps(0.3f), _mm256_set1_ps(-1.0f), _mm256_set1_ps(1.0f));
}

static void int8_dot(int64_t n)
{
    RUN(DOT_INT8, n, _mm256_set1_epi32(1), _mm256_set1_epi32(0x0003fffd),
        _mm256_set1_epi32(0x00050005));
}

static void int_add(int64_t n)
{
    RUN(ADD_INT, n, _mm256_set1_epi32(1), _mm256_set1_epi32(0x01234567), _mm256_setzero_si256());
}

const struct cpu_loops cpu_loops_avx2 = {
    .isa = ISA_AVX2,
    .width = "256-bit",
    .read = READ_LOOPS,
    .peak =
        {
            {fma_f32, NULL, "fma_f32", "f32", "12 chains of vfmadd213ps ymm", N_CHAINS * 8 * 2},
            {int8_dot, NULL, "int8_dot", "int8", "12 chains of vpmaddwd and vpaddd ymm",
             N_CHAINS * 16 * 2},
            {int_add, NULL, "int_add", "int32", "12 chains of vpaddd ymm", N_CHAINS * 8},
        },
};
