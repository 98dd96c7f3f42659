/* cpu_tiles.h - the innermost loops of matmul and attention, one table per instruction set.
 *
 * A panel is 32 output columns of a weight, [k][32].  In f32 the 32 are in order; in bf16
 * element 2j is column j and element 2j + 1 column 16 + j, so that one shift and one mask turn
 * a 32-bit word into both as exact f32.  In int8 (int8.h) each INT8_GROUP steps of k begin with
 * the scales of the 32 columns.  Where weights pass once, sums are held in units of the group's
 * scale and carried over to the next group's, powers of two both: no bit changes, and the
 * multipliers are not needed for every weight.
 *
 * Where products are of bf16 (kernels_config.compute), a bf16 panel is made of words instead: word
 * i of a column is its weights at 2i (lower half) and 2i + 1, and of x likewise; an odd k ends with
 * a zero.  To all but the multiplication such a panel is an f32 one of half the length, and the
 * tables of pairs take it for one.  An AVX2 tile that widens has no registers for two steps
 * at once, so this layout does not take the other one's place.
 *
 * Where products are of int8, an int8 panel keeps its scales, and its weights of four steps of k
 * lie side by side, [quads][32][4]: cpu_tiles_quads.h.
 *
 * A tile adds up to TILE_MAX_ROWS rows of x times one panel into y.
 *
 * Whatever the tile, y[row][col] is one accumulator to which k products are added in rising k,
 * so tiles of any height, and any cutting of k into consecutive calls, give the same bits.  Of a
 * pair the upper product is added first, then the lower one: each sum is fused, rounded to the
 * nearest, and denormals are taken and left as zero.  AMX adds in another order, by groups of 16
 * words (cpu_tiles_amx.inc), between which k may be cut. */
#ifndef CPU_TILES_H
#define CPU_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/kernels/tensor.h"

enum {
    PANEL = 32,
    TILE_MAX_ROWS = 32,
    SCORE_KEYS = 256 /* keys whose scores attention takes at a time */
};

/* Memory to prefetch meanwhile, a line of it, or from an f32 panel `bytes` (64 or 128), where a
 * step of k and `step`, a power of two less one, have no bit in common; line NULL: none. */
struct tile_next {
    const char *line;
    int64_t step, bytes;
};

/* The same lines, asked for at every `steps` steps, a power of two, or more seldom. */
static inline struct tile_next tile_next_every(struct tile_next next, int64_t steps,
                                               enum dtype dtype)
{
    if (next.line == NULL) next.step = -1; /* seldom looked at */
    if (dtype != DTYPE_F32) next.bytes = 64;
    for (; next.step >= 0 && next.step < steps - 1; next.step = 2 * next.step + 1) next.bytes *= 2;
    return next;
}

/* y[r][c] (+)= sum over k of x(r, k) w[k][c], r < the tile's rows, c < PANEL; `first`: y is
 * overwritten. */
typedef void tile_fn(const void *w, const float *x, int64_t k, float *y, int64_t y_stride,
                     bool first, float *keep, struct tile_next next);

/* n_panels panels, one after the other in memory, k long each: y is overwritten. */
typedef void stream_fn(const void *w, int64_t n_panels, const float *x, int64_t k, float *y,
                       int64_t y_stride);

struct cpu_tiles {
    int32_t max_rows;     /* of the tables below, at most TILE_MAX_ROWS              */
    int32_t block_panels; /* of w that stay in L2 while many rows go over them       */
    /* Index: rows.  x is [k][rows]; w is an f32 panel. */
    tile_fn *f32[TILE_MAX_ROWS + 1];
    /* The same from a panel of that dtype (none of f32), which is left in keep as f32. */
    tile_fn *keep[DTYPE_COUNT][TILE_MAX_ROWS + 1];
    /* The same, nothing kept. */
    tile_fn *direct[DTYPE_COUNT][TILE_MAX_ROWS + 1];
    /* x is [rows][SCORE_KEYS], k at most that: the weights that scores became. */
    tile_fn *weigh[DTYPE_COUNT][TILE_MAX_ROWS + 1], *weigh_keep[DTYPE_COUNT][TILE_MAX_ROWS + 1];
    /* Few rows: the weights come from memory and pass once.  NULL: `direct` does it. */
    stream_fn *stream[DTYPE_COUNT][TILE_MAX_ROWS + 1];
    int32_t stream_panels; /* that a member takes at a time of those that stream       */
    int32_t stream_tiles;  /* of rows that a panel is worth reading again for          */
    /* Steps of k that several tiles of rows go over one after the other, and then over the next,
     * which are asked for meanwhile; half as many for one tile without a stream_fn.  0: each tile
     * goes over a whole panel. */
    int64_t stretch[DTYPE_COUNT];
    /* Tiles that read x in a form of their own: out[groups of k][rows x group_words], a group of
     * group_steps steps of a panel, made from x[rows][k].  NULL: x is [k][rows]. */
    void (*convert_x)(float *out, const float *x, int64_t x_stride, int64_t rows, int64_t k);
    int64_t group_steps, group_words;
};

/* What follows a block of w in memory order of use: the lines of the next one, handed out
 * evenly to the tiles of this one. */
struct ahead {
    const char *run;     /* of one panel, those now being handed out          */
    int64_t panel_bytes; /* from there to the next panel's                    */
    int64_t run_lines, at;
    int64_t left; /* lines of all panels                               */
    int64_t share;
    struct tile_next next; /* how a tile asks for its share                     */
};

/* run_lines lines of each of n_panels panels, for `tiles` tiles of kn steps.  A step of f32 has two
 * lines. */
static inline struct ahead ahead_of(const char *w, int64_t panel_bytes, int64_t n_panels,
                                    int64_t run_lines, int64_t tiles, int64_t kn)
{
    int64_t lines = n_panels * run_lines, share = (lines + tiles - 1) / tiles, every = 1;
    while (2 * every * share <= kn) every *= 2;
    return (struct ahead){.run = w,
                          .panel_bytes = panel_bytes,
                          .run_lines = run_lines,
                          .left = lines,
                          .share = share,
                          .next = {.step = every - 1, .bytes = share > kn ? 128 : 64}};
}

static inline struct tile_next ahead_next(struct ahead *a)
{
    struct tile_next next = a->next;
    if (a->left <= 0) return next;
    next.line = a->run + 64 * a->at;
    a->left -= a->share;
    for (a->at += a->share; a->at >= a->run_lines; a->at -= a->run_lines) a->run += a->panel_bytes;
    return next;
}

extern const struct cpu_tiles cpu_tiles_scalar, cpu_tiles_avx2, cpu_tiles_avx512;
/* The same with every multiply-add done twice. */
extern const struct cpu_tiles cpu_tiles_twice_avx2, cpu_tiles_twice_avx512;
/* Words that are pairs of bf16, for CPUs with avx512_bf16 and with amx_bf16: f32 ones only. */
extern const struct cpu_tiles cpu_tiles_pairs, cpu_tiles_pairs_twice;
extern const struct cpu_tiles cpu_tiles_amx, cpu_tiles_twice_amx;
/* int8 by int8; the last for CPUs with avx512_vnni. */
extern const struct cpu_tiles cpu_tiles_quads_scalar, cpu_tiles_quads_avx2,
    cpu_tiles_quads_avx512vnni;

#endif
