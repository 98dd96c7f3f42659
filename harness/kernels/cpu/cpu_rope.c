/* cpu_rope.c - rotary position embedding from a table of cosines and sines.
 *
 * The table covers positions from 0, is computed in double precision with libm and kept; it is
 * made again when another base, scale or head width is asked for, or a later position. */
#include <math.h>

#include "harness/kernels/cpu/cpu.h"
#include "harness/kernels/rope.h"

struct rope_fill {
    struct rope rope;
    int64_t half, length;
    float *table; /* [length][2][half]: cosines, then sines */
};

struct rope_apply {
    const struct cpu_rows *rows;
    struct tensor x;
    const int32_t *pos;
    const float *table;
};

static void fill_member(void *arg, int32_t member, int32_t n_members)
{
    const struct rope_fill *a = arg;
    int64_t begin, end;
    team_share(a->half, 1, member, n_members, &begin, &end);
    for (int64_t j = begin; j < end; j++) {
        double f = rope_frequency(&a->rope, j, a->half);
        for (int64_t p = 0; p < a->length; p++) {
            a->table[(2 * p) * a->half + j] = (float)cos((double)p * f);
            a->table[(2 * p + 1) * a->half + j] = (float)sin((double)p * f);
        }
    }
}

static bool same_rope(const struct rope *a, const struct rope *b)
{
    return a->base == b->base && a->factor == b->factor && a->original == b->original;
}

static enum err rope_table(struct cpu *c, const struct rope *r, int64_t half, int64_t length,
                           const float **out)
{
    void *table = c->scratch[SCRATCH_ROPE].data;
    if (c->rope_half != half || c->rope_length < length || !same_rope(&c->rope, r)) {
        int64_t room = 4096;
        while (room < length) room *= 2;
        c->rope_half = 0;
        TRY(cpu_scratch(c, SCRATCH_ROPE, (size_t)(2 * half * room) * sizeof(float), &table));
        struct rope_fill fill = {*r, half, room, table};
        team_run(c->team, fill_member, &fill);
        c->rope = *r;
        c->rope_half = half;
        c->rope_length = room;
    }
    *out = table;
    return ERR_NONE;
}

static void rope_member(void *arg, int32_t member, int32_t n_members)
{
    const struct rope_apply *a = arg;
    int64_t h = a->x.dim[1], d = a->x.dim[2], begin, end;
    team_share(a->x.dim[0], 1, member, n_members, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const float *cosine = a->table + a->pos[i] * d;
        float *x = (float *)a->x.data + i * a->x.row_stride;
        for (int64_t j = 0; j < h; j++) a->rows->rope(x + j * d, cosine, cosine + d / 2, d / 2);
    }
}

enum err cpu_rope(void *state, struct tensor x, const int32_t *pos, const struct rope *r)
{
    struct cpu *c = state;
    struct rope_apply a = {.rows = c->isa.rows, .x = x, .pos = pos};
    int64_t length = 0;
    for (int64_t i = 0; i < x.dim[0]; i++)
        if (pos[i] >= length) length = (int64_t)pos[i] + 1;
    if (length == 0) return ERR_NONE;
    TRY(rope_table(c, r, x.dim[2] / 2, length, &a.table));
    cpu_run(c, tensor_bytes(x), rope_member, &a);
    return ERR_NONE;
}
