/* cusim_warp.c - what the lanes of a warp do together: barriers, shuffles, tensor cores. */
#include <string.h>

#include "harness/kernels/bf16.h"
#include "tests/cusim/cusim_state.h"

#define ALL_LANES 0xffffffffu

/* Do what t's warp waits for if all its lanes have come. */
static bool finish_together(const struct thread *t)
{
    unsigned number = t->number / WARP_LANES;
    struct thread *warp = &cusim.thread[number * WARP_LANES];
    void *lane[WARP_LANES] = {0};
    if ((cusim.waiting[number] & t->lanes) != t->lanes) return false;
    for (int i = 0; i < WARP_LANES; i++) {
        const struct thread *l = &warp[i];
        if (!(t->lanes >> i & 1)) continue;
        if (l->lanes != t->lanes || l->op != t->op || l->line != t->line || l->file != t->file)
            return false;
        lane[i] = l->mine;
    }
    t->op->run(lane, number, t->line);
    for (int i = 0; i < WARP_LANES; i++)
        if (lane[i]) warp[i].state = CAN_RUN;
    cusim.waiting[number] &= ~t->lanes;
    return true;
}

void warp_together(uint32_t lanes, const struct warp_op *op, void *mine, const char *file, int line)
{
    struct thread *t = cusim.now;
    if (!(lanes >> t->number % WARP_LANES & 1))
        cusim_fail("warp mask", "a lane outside the mask calls a %s at line %d", op->name, line);
    t->state = AT_WARP;
    t->file = file;
    t->line = line;
    t->lanes = lanes;
    t->op = op;
    t->mine = mine;
    cusim.waiting[t->number / WARP_LANES] |= 1u << t->number % WARP_LANES;
    if (!finish_together(t) || cusim.stopped) leave_fiber();
}

/* ---- barriers of a warp ---- */

static void barrier_run(void *lane[WARP_LANES], unsigned warp, int line)
{
    (void)lane;
    (void)line;
    cusim.moment[warp]++;
}

/* Of some lanes only would have to be remembered lane by lane: no kernel here needs it. */
void cusim_warp_barrier(uint32_t lanes, const char *file, int line)
{
    static const struct warp_op op = {"warp barrier", barrier_run};
    if (lanes != ALL_LANES) cusim_fail("warp mask", "a barrier of part of a warp at line %d", line);
    warp_together(lanes, &op, &lanes, file, line);
}

/* ---- shuffles ---- */

struct shuffle {
    uint64_t bits, result;
    int lane_xor;
};

static void shuffle_run(void *lane[WARP_LANES], unsigned warp, int line)
{
    (void)warp;
    for (int i = 0; i < WARP_LANES; i++) {
        struct shuffle *s = lane[i];
        if (!s) continue;
        int from = i ^ s->lane_xor;
        if (from < 0 || from >= WARP_LANES || !lane[from]) {
            cusim_fail("warp mask", "lane %d shuffles from lane %d, which takes no part (line %d)",
                       i, from, line);
            return;
        }
        s->result = ((const struct shuffle *)lane[from])->bits;
    }
}

uint64_t cusim_shuffle_xor(uint32_t lanes, uint64_t bits, int lane_xor, const char *file, int line)
{
    static const struct warp_op op = {"shuffle", shuffle_run};
    struct shuffle s = {bits, 0, lane_xor};
    warp_together(lanes, &op, &s, file, line);
    return s.result;
}

/* ---- tensor cores: PTX ISA, "Matrix Fragments for mma.m16n8k16" ---- */

struct mma {
    float *c;
    uint32_t a[4], b[2];
};

static float half_of(uint32_t word, int which)
{
    return bf16_to_f32((uint16_t)(word >> 16 * which));
}

/* Products of bf16 are exact in f32; they are added in rising order of k, each sum rounded. */
static void mma_run(void *lane[WARP_LANES], unsigned warp, int line)
{
    (void)warp;
    (void)line;
    float a[16][16], b[8][16];
    cusim.mma_flop += 2 * 16 * 8 * 16;
    for (int i = 0; i < WARP_LANES; i++) {
        const struct mma *m = lane[i];
        int g = i / 4, t = i % 4;
        for (int e = 0; e < 2; e++) {
            a[g][2 * t + e] = half_of(m->a[0], e);
            a[g + 8][2 * t + e] = half_of(m->a[1], e);
            a[g][2 * t + 8 + e] = half_of(m->a[2], e);
            a[g + 8][2 * t + 8 + e] = half_of(m->a[3], e);
            b[g][2 * t + e] = half_of(m->b[0], e);
            b[g][2 * t + 8 + e] = half_of(m->b[1], e);
        }
    }
    for (int i = 0; i < WARP_LANES; i++) {
        float *c = ((const struct mma *)lane[i])->c;
        for (int e = 0; e < 4; e++) {
            const float *row = a[i / 4 + e / 2 * 8], *column = b[i % 4 * 2 + e % 2];
            float sum = c[e];
            for (int k = 0; k < 16; k++) sum += row[k] * column[k];
            c[e] = sum;
        }
    }
}

void cusim_mma(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1, const char *file,
               int line)
{
    static const struct warp_op op = {"mma", mma_run};
    struct mma m = {.c = c, .b = {b0, b1}};
    memcpy(m.a, a, sizeof m.a);
    warp_together(ALL_LANES, &op, &m, file, line);
}

/* ---- matrices from shared memory ---- */

struct ldmatrix {
    uint32_t *r;
    const void *row;
    bool turned;
};

static void ldmatrix_run(void *lane[WARP_LANES], unsigned warp, int line)
{
    (void)warp;
    (void)line;
    uint16_t matrix[4][8][8];
    unsigned banks[4] = {0}; /* of each matrix: groups of four banks, 16 bytes */
    for (int i = 0; i < WARP_LANES; i++) {
        const char *row = ((const struct ldmatrix *)lane[i])->row;
        memcpy(matrix[i / 8][i % 8], row, 16);
        banks[i / 8] |= 1u << (uintptr_t)row / 16 % 8;
    }
    for (int m = 0; m < 4; m++) cusim.bank_conflicts += banks[m] != 0xff;
    for (int i = 0; i < WARP_LANES; i++) {
        const struct ldmatrix *l = lane[i];
        int g = i / 4, t = 2 * (i % 4);
        for (int m = 0; m < 4; m++) {
            uint32_t low = l->turned ? matrix[m][t][g] : matrix[m][g][t];
            uint32_t high = l->turned ? matrix[m][t + 1][g] : matrix[m][g][t + 1];
            l->r[m] = low | high << 16;
        }
    }
}

/* The lane that names a row is the one that reads it. */
void cusim_ldmatrix(uint32_t r[4], const void *row, bool turned, const char *file, int line)
{
    static const struct warp_op op = {"ldmatrix", ldmatrix_run};
    struct ldmatrix l = {r, row, turned};
    const struct region *shared = region_find(row);
    if ((uintptr_t)row % 16) cusim_fail("trap", "ldmatrix off 16 bytes at line %d", line);
    if (!shared || !shared->key)
        cusim_fail("out of bounds", "ldmatrix outside shared memory at line %d", line);
    check_access(row, 16, false, __builtin_return_address(0));
    warp_together(ALL_LANES, &op, &l, file, line);
}

int64_t cusim_bank_conflicts(void)
{
    return cusim.bank_conflicts;
}

int64_t cusim_mma_flop(void)
{
    return cusim.mma_flop;
}

void cusim_fma(void)
{
    cusim.fma_flop += 2;
}

int64_t cusim_fma_flop(void)
{
    return cusim.fma_flop;
}
