/* ceilings_cpu_avx512.c - read and peak loops in 512-bit vectors. */
#define VEC_BYTES 64
#include "roofline/ceilings_cpu_read.inc"

#include <immintrin.h>

/* Registers 0 to 23 are chains, which covers 4 cycles x 2 ports and 8 cycles x 2; the two
 * operands live in what is left. */
#define CHAINS(X)                                                                                  \
    X(0)                                                                                           \
    X(1)                                                                                           \
    X(2)                                                                                           \
    X(3)                                                                                           \
    X(4)                                                                                           \
    X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20)     \
        X(21) X(22) X(23)
#define CLOBBERS                                                                                   \
    "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20",  \
        "xmm21", "xmm22", "xmm23"
enum { N_CHAINS = 24 };

#define SET(i) "vmovaps %[start], %%zmm" #i "\n\t"
#define FMA(i) "vfmadd213ps %[y], %[x], %%zmm" #i "\n\t"
#define DOT_BF16(i) "vdpbf16ps %[y], %[x], %%zmm" #i "\n\t"
#define DOT_INT8(i) "vpdpbusd %[y], %[x], %%zmm" #i "\n\t"
#define ADD_INT(i) "vpaddd %[x], %%zmm" #i ", %%zmm" #i "\n\t"

#define RUN(op, n, start_, x_, y_)                                                                 \
    __asm__ volatile(CHAINS(SET) ".p2align 5\n1:\n\t" CHAINS(op) "dec %[count]\n\tjnz 1b\n\t"      \
                     : [count] "+r"(n)                                                             \
                     : [start] "v"(start_), [x] "v"(x_), [y] "v"(y_)                               \
                     : CLOBBERS)

/* 0.3 -> 0.7 -> 0.3: bits keep changing, as with real data, and nothing grows or underflows. */
static void fma_f32(int64_t n)
{
    RUN(FMA, n, _mm512_set1_ps(0.3f), _mm512_set1_ps(-1.0f), _mm512_set1_ps(1.0f));
}

static void bf16_dot(int64_t n)
{
    /* Pairs (1, -1) . (0.75, 0.75): the sum keeps its value, the products do not vanish. */
    RUN(DOT_BF16, n, _mm512_set1_ps(0.3f), _mm512_set1_epi32((int)0xbf803f80),
        _mm512_set1_epi32(0x3f403f40));
}

static void int8_dot(int64_t n)
{
    RUN(DOT_INT8, n, _mm512_set1_epi32(1), _mm512_set1_epi8(3), _mm512_set1_epi32(0x05fb05fb));
}

static void int_add(int64_t n)
{
    RUN(ADD_INT, n, _mm512_set1_epi32(1), _mm512_set1_epi32(0x01234567), _mm512_setzero_si512());
}

static bool has_bf16(void)
{
    return __builtin_cpu_supports("avx512bf16");
}

static bool has_vnni(void)
{
    return __builtin_cpu_supports("avx512vnni");
}

/* 16 x 16 sums of 32 products each, the same pairs as above, in four registers. */
static void amx_bf16_dot(int64_t n)
{
    static const struct {
        uint8_t palette, rest[15];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {1, {0}, {64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16}};
    uint32_t x[256], y[256];
    const int64_t stride = 64;
    for (int i = 0; i < 256; i++) {
        x[i] = 0xbf803f80;
        y[i] = 0x3f403f40;
    }
    __asm__ volatile("ldtilecfg %[config]\n\t"
                     "tileloadd (%[x],%[stride],1), %%tmm4\n\t"
                     "tileloadd (%[y],%[stride],1), %%tmm5\n\t"
                     "tilezero %%tmm0\n\ttilezero %%tmm1\n\t"
                     "tilezero %%tmm2\n\ttilezero %%tmm3\n\t"
                     ".p2align 5\n1:\n\t"
                     "tdpbf16ps %%tmm5, %%tmm4, %%tmm0\n\t"
                     "tdpbf16ps %%tmm5, %%tmm4, %%tmm1\n\t"
                     "tdpbf16ps %%tmm5, %%tmm4, %%tmm2\n\t"
                     "tdpbf16ps %%tmm5, %%tmm4, %%tmm3\n\t"
                     "dec %[count]\n\tjnz 1b\n\ttilerelease\n\t"
                     : [count] "+r"(n)
                     : [config] "m"(config), [x] "r"(x), [y] "r"(y), [stride] "r"(stride)
                     : "cc", "memory");
}
enum { AMX_CHAINS = 4, AMX_PRODUCTS = 16 * 16 * 32 };

const struct cpu_loops cpu_loops_avx512 = {
    .isa = ISA_AVX512,
    .width = "512-bit",
    .read = READ_LOOPS,
    .peak =
        {
            {fma_f32, NULL, "fma_f32", "f32", "24 chains of vfmadd213ps zmm", N_CHAINS * 16 * 2},
            {bf16_dot, has_bf16, "bf16_dot", "bf16", "24 chains of vdpbf16ps zmm",
             N_CHAINS * 32 * 2},
            {int8_dot, has_vnni, "int8_dot", "int8", "24 chains of vpdpbusd zmm",
             N_CHAINS * 64 * 2},
            {int_add, NULL, "int_add", "int32", "24 chains of vpaddd zmm", N_CHAINS * 16},
        },
};

const struct cpu_loops cpu_loops_amx = {
    .isa = ISA_AMX,
    .width = "512-bit",
    .read = READ_LOOPS,
    .peak =
        {
            {fma_f32, NULL, "fma_f32", "f32", "24 chains of vfmadd213ps zmm", N_CHAINS * 16 * 2},
            {amx_bf16_dot, NULL, "bf16_dot", "bf16", "4 chains of tdpbf16ps of 16 rows",
             AMX_CHAINS *AMX_PRODUCTS * 2},
            {int8_dot, has_vnni, "int8_dot", "int8", "24 chains of vpdpbusd zmm",
             N_CHAINS * 64 * 2},
            {int_add, NULL, "int_add", "int32", "24 chains of vpaddd zmm", N_CHAINS * 16},
        },
};
