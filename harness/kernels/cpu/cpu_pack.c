/* cpu_pack.c - weights into panels (cpu_tiles.h), and single rows out of them. */
#include <string.h>

#include "harness/kernels/bf16.h"
#include "harness/kernels/cpu/cpu.h"
#include "harness/kernels/cpu/cpu_tiles_quads.h"

struct panels panels_of(const struct cpu *c, int64_t k, enum dtype dtype)
{
    if (c->isa.pairs && dtype == DTYPE_BF16)
        return (struct panels){(k + 1) / 2, DTYPE_F32, .pairs = true};
    if (c->isa.quads && dtype == DTYPE_INT8)
        return (struct panels){round_up(k, QUAD), DTYPE_INT8, .quads = true};
    return (struct panels){k, dtype, .pairs = false};
}

size_t cpu_packed_bytes(const void *state, int64_t rows, int64_t cols, enum dtype dtype)
{
    struct panels p = panels_of(state, cols, dtype);
    return (size_t)(round_up(rows, PANEL) / PANEL * panel_bytes(p.dtype, p.k));
}

float cpu_element(const void *p, enum dtype dtype, int64_t i)
{
    return dtype == DTYPE_BF16 ? bf16_to_f32(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

/* panel[k][32] of rows[32] that are `stride` bytes apart. */
static void pack_bf16(uint16_t *panel, const char *rows, int64_t stride, int64_t k)
{
    for (int64_t i = 0; i < k; i++)
        for (int64_t c = 0; c < PANEL; c++)
            panel[i * PANEL + panel_place(DTYPE_BF16, c)] =
                ((const uint16_t *)(rows + c * stride))[i];
}

static void pack_f32(float *panel, const char *rows, int64_t stride, int64_t k)
{
    for (int64_t i = 0; i < k; i++)
        for (int64_t c = 0; c < PANEL; c++)
            panel[i * PANEL + c] = ((const float *)(rows + c * stride))[i];
}

/* panel[(k + 1) / 2][32][2] */
static void pack_pairs(uint16_t *panel, const char *rows, int64_t stride, int64_t k)
{
    for (int64_t i = 0; i < k + k % 2; i++)
        for (int64_t c = 0; c < PANEL; c++)
            panel[i / 2 * 2 * PANEL + 2 * c + i % 2] =
                i < k ? ((const uint16_t *)(rows + c * stride))[i] : 0;
}

static void pack_int8(char *panel, const char *rows, int64_t stride, int64_t k)
{
    for (int64_t begin = 0; begin < k; begin += INT8_GROUP) {
        for (int64_t c = 0; c < PANEL; c++) panel[c] = rows[c * stride + begin / INT8_GROUP];
        panel += PANEL;
        for (int64_t i = begin; i < min_i64(begin + INT8_GROUP, k); i++, panel += PANEL)
            for (int64_t c = 0; c < PANEL; c++) panel[c] = rows[c * stride + int8_groups(k) + i];
    }
}

/* The same with [quads][32][4] after a group's scales, absent weights 0. */
static void pack_quads(char *panel, const char *rows, int64_t stride, int64_t k)
{
    for (int64_t begin = 0; begin < k; begin += INT8_GROUP) {
        int64_t n = round_up(min_i64(INT8_GROUP, k - begin), QUAD);
        for (int64_t c = 0; c < PANEL; c++) panel[c] = rows[c * stride + begin / INT8_GROUP];
        panel += PANEL;
        for (int64_t i = begin; i < begin + n; i++)
            for (int64_t c = 0; c < PANEL; c++)
                panel[((i - begin) / QUAD * PANEL + c) * QUAD + i % QUAD] =
                    (char)(i < k ? rows[c * stride + int8_groups(k) + i] : 0);
        panel += n * PANEL;
    }
}

struct load {
    struct tensor w;
    struct panels panels;
    weight_row_fn *row;
    void *ctx;
    char *rows;     /* per member 32 rows of w                                          */
    int64_t stride; /* bytes; not a multiple of 4 KiB, which would share one cache set */
};

static void load_packed(void *arg, int32_t member, int32_t n_members)
{
    const struct load *l = arg;
    int64_t n = l->w.dim[0], k = l->w.dim[1], begin, end;
    char *rows = l->rows + member * PANEL * l->stride;
    /* The member that will read a panel writes it first, so that its pages are near. */
    team_share(round_up(n, PANEL) / PANEL, 1, member, n_members, &begin, &end);
    for (int64_t p = begin; p < end; p++) {
        char *panel = (char *)l->w.data + p * panel_bytes(l->panels.dtype, l->panels.k);
        int64_t valid = min_i64(PANEL, n - p * PANEL);
        if (valid < PANEL) memset(rows, 0, (size_t)(PANEL * l->stride));
        for (int64_t r = 0; r < valid; r++) l->row(l->ctx, p * PANEL + r, rows + r * l->stride);
        if (l->panels.pairs)
            pack_pairs((uint16_t *)panel, rows, l->stride, k);
        else if (l->panels.quads)
            pack_quads(panel, rows, l->stride, k);
        else if (l->w.dtype == DTYPE_INT8)
            pack_int8(panel, rows, l->stride, k);
        else if (l->w.dtype == DTYPE_BF16)
            pack_bf16((uint16_t *)panel, rows, l->stride, k);
        else
            pack_f32((float *)panel, rows, l->stride, k);
    }
}

static void load_rows(void *arg, int32_t member, int32_t n_members)
{
    const struct load *l = arg;
    int64_t n = l->w.n_dim == 1 ? 1 : l->w.dim[0], begin, end;
    int64_t row_bytes = l->w.row_stride * dtype_bytes(l->w.dtype);
    team_share(n, 1, member, n_members, &begin, &end);
    for (int64_t r = begin; r < end; r++) l->row(l->ctx, r, (char *)l->w.data + r * row_bytes);
}

enum err cpu_load_weight(void *state, struct tensor w, weight_row_fn *row, void *ctx)
{
    struct cpu *c = state;
    struct load l = {.w = w, .row = row, .ctx = ctx};
    if (w.layout == LAYOUT_PACKED) {
        void *rows;
        l.panels = panels_of(c, w.dim[1], w.dtype);
        l.stride = round_up(dtype_row_bytes(w.dtype, w.dim[1]), 4096) + 128;
        int64_t bytes = team_size(c->team) * PANEL * l.stride;
        TRY(cpu_scratch(c, SCRATCH_MEMBERS, (size_t)bytes, &rows));
        l.rows = rows;
        team_run(c->team, load_packed, &l);
    } else {
        team_run(c->team, load_rows, &l);
    }
    return ERR_NONE;
}

static void unpack_int8(float *out, const char *panel, int64_t c, int64_t k, bool quads)
{
    for (int64_t begin = 0; begin < k; begin += INT8_GROUP) {
        float scale = ldexpf(1, (uint8_t)panel[c] - 127);
        const int8_t *p = (const int8_t *)panel + PANEL;
        int64_t n = min_i64(INT8_GROUP, k - begin);
        for (int64_t i = 0; i < n; i++) {
            int64_t at = quads ? (i / QUAD * PANEL + c) * QUAD + i % QUAD : i * PANEL + c;
            out[begin + i] = (float)p[at] * scale;
        }
        panel += panel_bytes(DTYPE_INT8, quads ? round_up(n, QUAD) : n);
    }
}

void cpu_unpack_row(const struct cpu *cpu, float *out, struct tensor w, int64_t row)
{
    int64_t k = w.dim[1], c = row % PANEL;
    struct panels panels = panels_of(cpu, k, w.dtype);
    const char *panel = (const char *)w.data + row / PANEL * panel_bytes(panels.dtype, panels.k);
    if (w.dtype == DTYPE_INT8) {
        unpack_int8(out, panel, c, k, panels.quads);
    } else if (panels.pairs) {
        const uint16_t *p = (const uint16_t *)panel + 2 * c;
        for (int64_t i = 0; i < k; i++) out[i] = bf16_to_f32(p[i / 2 * 2 * PANEL + i % 2]);
    } else if (w.dtype == DTYPE_BF16) {
        const uint16_t *p = (const uint16_t *)panel + panel_place(DTYPE_BF16, c);
        for (int64_t i = 0; i < k; i++) out[i] = bf16_to_f32(p[i * PANEL]);
    } else {
        const float *p = (const float *)panel + c;
        for (int64_t i = 0; i < k; i++) out[i] = p[i * PANEL];
    }
}
