/* tiles.h - AMX's tile registers, and tdpbf16ps row by row.
 *
 * A file that includes this has registers of its own, which is enough for kernels that configure
 * them before each use.  A misuse that would fault, or use more than the configuration says,
 * aborts. */
#ifndef ISASIM_TILES_H
#define ISASIM_TILES_H

#include <stdlib.h>

enum { SIM_TILES = 8, SIM_TILE_ROWS = 16, SIM_TILE_BYTES = 64 };

struct sim_tile_config {
    uint8_t palette, start_row, zero[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static _Thread_local struct sim_tile_config sim_tile_config;
static _Thread_local uint8_t sim_tiles[SIM_TILES][SIM_TILE_ROWS][SIM_TILE_BYTES];

SIM void sim_tile_check(bool right)
{
    if (!right) abort();
}

SIM void sim_tile_loadconfig(const void *p)
{
    struct sim_tile_config c;
    memcpy(&c, p, sizeof c);
    sim_tile_check(c.palette == 1);
    for (int t = 0; t < 16; t++) {
        sim_tile_check(c.rows[t] <= SIM_TILE_ROWS && c.row_bytes[t] <= SIM_TILE_BYTES);
        sim_tile_check((c.rows[t] == 0) == (c.row_bytes[t] == 0));
        sim_tile_check(t < SIM_TILES || c.rows[t] == 0);
    }
    sim_tile_config = c;
    memset(sim_tiles, 0, sizeof sim_tiles);
}

SIM void sim_tile_storeconfig(void *p)
{
    memcpy(p, &sim_tile_config, sizeof sim_tile_config);
}

/* A register in use; its rows beyond the configured ones become zero when it is written. */
SIM void sim_tile_begin(int t)
{
    sim_tile_check(sim_tile_config.palette == 1 && sim_tile_config.rows[t] > 0);
    memset(sim_tiles[t], 0, sizeof sim_tiles[t]);
}

SIM void sim_tile_loadd(int t, const void *p, int64_t stride)
{
    sim_tile_begin(t);
    for (int r = 0; r < sim_tile_config.rows[t]; r++)
        memcpy(sim_tiles[t][r], (const char *)p + r * stride, sim_tile_config.row_bytes[t]);
}

SIM void sim_tile_stored(int t, void *p, int64_t stride)
{
    sim_tile_check(sim_tile_config.palette == 1 && sim_tile_config.rows[t] > 0);
    for (int r = 0; r < sim_tile_config.rows[t]; r++)
        memcpy((char *)p + r * stride, sim_tiles[t][r], sim_tile_config.row_bytes[t]);
}

/* sum[rows of x][columns of w] += x[rows][words] . w[words][columns], as the manual's operation
 * section has it: the lower and the upper products in a sum each. */
SIM void sim_tile_dpbf16ps(int sum, int x, int w)
{
    const struct sim_tile_config *c = &sim_tile_config;
    const int words = c->row_bytes[x] / 4, columns = c->row_bytes[sum] / 4;
    sim_tile_check(c->palette == 1 && c->rows[sum] > 0 && sum != x && sum != w && x != w);
    sim_tile_check(c->rows[x] == c->rows[sum] && c->rows[w] == words);
    sim_tile_check(c->row_bytes[w] == c->row_bytes[sum]);
    for (int r = 0; r < c->rows[sum]; r++)
        for (int j = 0; j < columns; j++) {
            float lower = 0, upper = 0, y;
            for (int i = 0; i < words; i++) {
                uint32_t a, b;
                memcpy(&a, sim_tiles[x][r] + 4 * i, 4);
                memcpy(&b, sim_tiles[w][i] + 4 * j, 4);
                lower = sim_flushed(
                    __builtin_fmaf(sim_from_bf16(a << 16), sim_from_bf16(b << 16), lower));
                upper = sim_flushed(__builtin_fmaf(sim_from_bf16(a & 0xffff0000u),
                                                   sim_from_bf16(b & 0xffff0000u), upper));
            }
            memcpy(&y, sim_tiles[sum][r] + 4 * j, 4);
            y = sim_flushed(sim_flushed(y) + sim_flushed(lower + upper));
            memcpy(sim_tiles[sum][r] + 4 * j, &y, 4);
        }
}

#undef _tile_loadconfig
#undef _tile_storeconfig
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(p) sim_tile_loadconfig(p)
#define _tile_storeconfig(p) sim_tile_storeconfig(p)
#define _tile_zero(t) sim_tile_begin(t)
#define _tile_loadd(t, p, stride) sim_tile_loadd(t, p, stride)
#define _tile_stored(t, p, stride) sim_tile_stored(t, p, stride)
#define _tile_dpbf16ps(sum, x, w) sim_tile_dpbf16ps(sum, x, w)

#endif
