/* ceilings_cpu_sse2.c - read and peak loops every x86-64 can run, and the cycle counter. */
#define VEC_BYTES 16
#include "roofline/ceilings_cpu_read.inc"

#include <emmintrin.h>

/* There is no fused multiply-add here; products and sums in equal number are the most a
 * dot product could use.  Seven chains each nearly cover 4 cycles x 2 ports, and are all
 * that sixteen registers allow. */
static void mul_add_f32(int64_t n)
{
    __m128 start = _mm_set1_ps(0.3f), minus = _mm_set1_ps(-1.0f);
    __asm__ volatile("movaps %[s], %%xmm0\n\tmovaps %[s], %%xmm1\n\tmovaps %[s], %%xmm2\n\t"
                     "movaps %[s], %%xmm3\n\tmovaps %[s], %%xmm4\n\tmovaps %[s], %%xmm5\n\t"
                     "movaps %[s], %%xmm6\n\tmovaps %[s], %%xmm7\n\tmovaps %[s], %%xmm8\n\t"
                     "movaps %[s], %%xmm9\n\tmovaps %[s], %%xmm10\n\tmovaps %[s], %%xmm11\n\t"
                     "movaps %[s], %%xmm12\n\tmovaps %[s], %%xmm13\n\t"
                     ".p2align 5\n1:\n\t.rept 4\n\t"
                     "mulps %[m], %%xmm0\n\taddps %[m], %%xmm7\n\t"
                     "mulps %[m], %%xmm1\n\taddps %[m], %%xmm8\n\t"
                     "mulps %[m], %%xmm2\n\taddps %[m], %%xmm9\n\t"
                     "mulps %[m], %%xmm3\n\taddps %[m], %%xmm10\n\t"
                     "mulps %[m], %%xmm4\n\taddps %[m], %%xmm11\n\t"
                     "mulps %[m], %%xmm5\n\taddps %[m], %%xmm12\n\t"
                     "mulps %[m], %%xmm6\n\taddps %[m], %%xmm13\n\t.endr\n\t"
                     "dec %[count]\n\tjnz 1b\n\t"
                     : [count] "+r"(n)
                     : [s] "x"(start), [m] "x"(minus)
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13");
}

const struct cpu_loops cpu_loops_sse2 = {
    .isa = ISA_SCALAR,
    .width = "128-bit",
    .read = READ_LOOPS,
    .peak =
        {
            {mul_add_f32, NULL, "fma_f32", "f32", "7 chains each of mulps and addps xmm",
             4 * 14 * 4},
        },
};

void cpu_cycle_chain(int64_t n)
{
    uint64_t x = 3;
    __asm__ volatile(".p2align 5\n1:\n\t"
                     ".rept 24\n\timul %[x], %[x]\n\t.endr\n\t"
                     "dec %[count]\n\tjnz 1b\n\t"
                     : [count] "+r"(n), [x] "+r"(x)
                     :
                     : "cc");
}
