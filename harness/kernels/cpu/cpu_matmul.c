/* cpu_matmul.c - y = x . w^T + bias from packed panels.
 *
 * Few rows: every panel streams from memory once through a tile as high as x, or through several:
 * the later ones find it in L2, or all go over one stretch of it after the other.  Many rows: x is
 * cut into rows a tile holds, k into MATMUL_BLOCK_K and the columns into blocks of a few panels;
 * the first rows to meet a bf16 or int8 block leave it as f32 in a buffer that stays in L2 for the
 * other rows. */
#include <stdatomic.h>
#include <string.h>

#include "harness/kernels/cpu/cpu.h"

enum {
    STREAM_PANEL_BYTES = 512 << 10, /* a panel that stays in L2 while rows come by */
    OWN_X_FLOATS = 64 << 10,        /* x that is turned sooner than it comes from another core */
    STREAM_TILES_INT8 = 2           /* of rows that a panel is worth unpacking for  */
};

/* Panels of a member's part that have been begun, in a line of its own. */
struct taken {
    _Atomic int64_t panels;
    char rest_of_line[64 - sizeof(int64_t)];
};

struct matmul {
    struct cpu *cpu;
    struct tensor y, x, w, bias;
    struct panels panels;          /* of w: steps below are of its k */
    const struct cpu_tiles *tiles; /* that multiply them             */
    float *packed_x;               /* [k blocks][row blocks][k of the block][rows of the block];
                                      streaming: [row blocks][k][rows of the block] */
    char *members; /* per member: a block of w as f32, then the last panel's results */
    int64_t member_bytes;
    struct taken *taken; /* per member */
    int64_t n_row_blocks;
    bool own_x;   /* each member turns all of x for itself, one copy after the other */
    bool streams; /* whole panels, one after the other */
};

/* 32-bit words that a row of x takes of k steps, whole groups unless they are the last. */
static int64_t x_words(const struct matmul *m, int64_t k)
{
    if (m->tiles->convert_x == NULL) return k;
    return (k + m->tiles->group_steps - 1) / m->tiles->group_steps * m->tiles->group_words;
}

static int64_t row_begin(const struct matmul *m, int64_t block)
{
    return m->x.dim[0] * block / m->n_row_blocks;
}

/* Packing is shared out in steps of k, any where a row block is contiguous over all of it. */
static int64_t pack_step(const struct matmul *m)
{
    return m->streams ? 256 : MATMUL_BLOCK_K;
}

/* Pairs k0 .. k0 + k - 1 of rows of x, rounded to bf16: a word each. */
static void round_pairs(const struct matmul *m, uint16_t *out, int64_t out_stride, const float *x,
                        int64_t k0, int64_t k, int64_t rows)
{
    int64_t n = min_i64(2 * k, m->x.dim[1] - 2 * k0);
    for (int64_t r = 0; r < rows; r++, out += out_stride, x += m->x.row_stride) {
        /* The next row lies too far away for the hardware to foresee it. */
        for (int64_t i = 0; r + 1 < rows && i < n; i += 16)
            __builtin_prefetch(x + m->x.row_stride + 2 * k0 + i, 0, 2);
        m->cpu->isa.rows->to_bf16(out, x + 2 * k0, n);
        if (n < 2 * k) out[n] = 0;
    }
}

/* k steps from k0 of `rows` rows from row0: the tile's x. */
static void pack_block(const struct matmul *m, int64_t k0, int64_t k, int64_t row0, int64_t rows)
{
    const float *x = (const float *)m->x.data + row0 * m->x.row_stride;
    float *out = m->packed_x + (m->streams ? row0 * x_words(m, m->panels.k) + x_words(m, k0) * rows
                                           : x_words(m, k0) * m->x.dim[0] + row0 * x_words(m, k));
    if (m->tiles->convert_x != NULL) {
        int64_t of_step = m->panels.pairs ? 2 : 1, begin = k0 * of_step;
        m->tiles->convert_x(out, x + begin, m->x.row_stride, rows,
                            min_i64(k * of_step, m->x.dim[1] - begin));
    } else if (m->panels.pairs) {
        float words[TILE_MAX_ROWS * MATMUL_BLOCK_K];
        round_pairs(m, (uint16_t *)words, 2 * k, x, k0, k, rows);
        m->cpu->isa.rows->turn(out, words, k, rows, k);
    } else {
        m->cpu->isa.rows->turn(out, x + k0, m->x.row_stride, rows, k);
    }
}

/* All members together turn x, or, alone (0 of 1), one does. */
static void pack_x(const struct matmul *m, int32_t member, int32_t n_members)
{
    int64_t k = m->panels.k, kb = pack_step(m), begin, end;
    int64_t units = (k + kb - 1) / kb * m->n_row_blocks;
    team_share(units, 1, member, n_members, &begin, &end);
    for (int64_t u = begin; u < end; u++) {
        int64_t k0 = u / m->n_row_blocks * kb, row0 = row_begin(m, u % m->n_row_blocks);
        int64_t row1 = row_begin(m, u % m->n_row_blocks + 1);
        pack_block(m, k0, min_i64(kb, k - k0), row0, row1 - row0);
    }
}

/* Where a panel's results go: y itself, or aside when y ends inside the panel. */
struct place {
    float *y;
    int64_t stride;
};

static struct place place_of(const struct matmul *m, int64_t panel, float *aside)
{
    if ((panel + 1) * PANEL > m->w.dim[0]) return (struct place){aside, PANEL};
    return (struct place){(float *)m->y.data + panel * PANEL, m->y.row_stride};
}

/* Bring results set aside home and add the bias, in rows begin .. end - 1. */
static void finish_panel(const struct matmul *m, int64_t panel, int64_t begin, int64_t end,
                         const float *aside)
{
    int64_t n = min_i64(PANEL, m->w.dim[0] - panel * PANEL);
    float bias[PANEL];
    float *y = (float *)m->y.data + begin * m->y.row_stride + panel * PANEL;
    for (int64_t c = 0; c < n && m->bias.n_dim > 0; c++)
        bias[c] = cpu_element(m->bias.data, m->bias.dtype, panel * PANEL + c);
    for (int64_t r = begin; r < end; r++, y += m->y.row_stride) {
        if (n < PANEL) memcpy(y, aside + r * PANEL, (size_t)n * sizeof *y);
        if (m->bias.n_dim > 0)
            for (int64_t c = 0; c < n; c++) y[c] += bias[c];
    }
}

/* One member's share: a rectangle of y. */
struct part {
    int64_t block_begin, block_end; /* row blocks */
    int64_t panel_begin, panel_end;
};

/* Members form a grid of row groups x column groups, the one whose largest part is smallest;
 * with few members that is columns alone, and each weight is read by one member. */
static struct part part_of(const struct matmul *m, int32_t member, int32_t n_members)
{
    int64_t panels = round_up(m->w.dim[0], PANEL) / PANEL, least = INT64_MAX;
    int32_t row_groups = 1;
    for (int32_t g = 1; g <= min_i64(n_members, m->n_row_blocks); g++) {
        int64_t columns = n_members / g;
        int64_t largest = (panels + columns - 1) / columns * ((m->n_row_blocks + g - 1) / g);
        if (largest >= least) continue;
        least = largest;
        row_groups = g;
    }
    int32_t column_groups = n_members / row_groups, group = member / column_groups;
    struct part p = {0};
    if (group >= row_groups) return p; /* the grid has no place for it */
    team_share(m->n_row_blocks, 1, group, row_groups, &p.block_begin, &p.block_end);
    team_share(panels, 1, member % column_groups, column_groups, &p.panel_begin, &p.panel_end);
    return p;
}

/* Which panels a member turns to: its own in order, and when all are taken what others have not
 * begun, so that a CPU that is slowed down is not waited for. */
struct turn {
    int32_t after; /* how many members on from it the part's owner is */
    struct part part;
    int64_t begin, end; /* panels */
};

static bool next_turn(const struct matmul *m, struct turn *t, int64_t step, int32_t member,
                      int32_t n_members)
{
    for (; t->after < n_members; t->after++) {
        int32_t owner = (member + t->after) % n_members;
        t->part = part_of(m, owner, n_members);
        t->begin = t->part.panel_begin + atomic_fetch_add(&m->taken[owner].panels, step);
        t->end = min_i64(t->begin + step, t->part.panel_end);
        if (t->begin < t->end) return true;
    }
    return false;
}

/* One panel, or more where y has room for all of their columns, and rows of one block. */
static void stream_block(const struct matmul *m, int64_t block, int64_t panel, int64_t n_panels,
                         struct place to)
{
    int64_t k = m->panels.k, row0 = row_begin(m, block), rows = row_begin(m, block + 1) - row0;
    const char *w = (const char *)m->w.data + panel * panel_bytes(m->panels.dtype, k);
    m->tiles->stream[m->panels.dtype][rows](w, n_panels, m->packed_x + row0 * x_words(m, k), k,
                                            to.y + row0 * to.stride, to.stride);
}

/* Where the next tile's sums are or will be, of about as many rows as this one. */
static void prefetch_sums(const float *y, struct place to, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++, y += to.stride) {
        __builtin_prefetch(y, 1, 3);
        __builtin_prefetch(y + PANEL / 2, 1, 3);
    }
}

/* All of the part's rows go over a stretch of a panel, and meanwhile the next stretch, which
 * follows in memory, is asked for. */
static void stream_stretches(const struct matmul *m, const struct part *part, int64_t panel,
                             struct place to)
{
    int64_t k = m->panels.k, n_blocks = part->block_end - part->block_begin;
    int64_t stretch = m->tiles->stretch[m->panels.dtype] / (n_blocks > 1 ? 1 : 2);
    const char *w = (const char *)m->w.data + panel * panel_bytes(m->panels.dtype, k);
    for (int64_t k0 = 0; k0 < k; k0 += stretch) {
        int64_t kn = min_i64(stretch, k - k0), bytes = panel_bytes(m->panels.dtype, kn);
        struct ahead ahead = ahead_of(w + bytes, bytes, 1, bytes / 64, n_blocks, kn);
        for (int64_t b = part->block_begin; b < part->block_end; b++) {
            int64_t row0 = row_begin(m, b), rows = row_begin(m, b + 1) - row0;
            const float *x = m->packed_x + row0 * x_words(m, k) + x_words(m, k0) * rows;
            if (k0 == 0 && b + 1 < part->block_end)
                prefetch_sums(to.y + (row0 + rows) * to.stride, to, rows);
            m->tiles->direct[m->panels.dtype][rows](w, x, kn, to.y + row0 * to.stride, to.stride,
                                                    k0 == 0, NULL, ahead_next(&ahead));
        }
        w += bytes;
    }
}

static void stream_panels(const struct matmul *m, const struct part *part, int64_t begin,
                          int64_t end, float *aside)
{
    enum dtype dtype = m->panels.dtype;
    int64_t whole = min_i64(end, m->w.dim[0] / PANEL);
    int64_t rows = row_begin(m, part->block_begin + 1) - row_begin(m, part->block_begin);
    bool once = part->block_end - part->block_begin == 1;
    bool in_stretches =
        m->tiles->stretch[dtype] > 0 && (!once || m->tiles->stream[dtype][rows] == NULL);
    for (int64_t p = begin; p < end;) {
        int64_t n = once && !in_stretches && p < whole ? whole - p : 1;
        struct place to = place_of(m, p, aside);
        if (in_stretches) stream_stretches(m, part, p, to);
        for (int64_t b = part->block_begin; b < part->block_end && !in_stretches; b++)
            stream_block(m, b, p, n, to);
        p += n;
    }
}

/* Of panels begin .. end - 1 and the stretch of k that begins at k0. */
static struct ahead next_block(const struct matmul *m, const struct part *part, int64_t begin,
                               int64_t end, int64_t k0)
{
    int64_t k = m->panels.k, one_panel = panel_bytes(m->panels.dtype, k);
    int64_t n_panels = end - begin, next_k0 = k0 + MATMUL_BLOCK_K, next_begin = begin;
    if (next_k0 >= k) {
        next_k0 = 0;
        next_begin = end;
    }
    if (next_begin + n_panels > part->panel_end) n_panels = part->panel_end - next_begin;
    if (n_panels <= 0) return (struct ahead){0};
    int64_t run = panel_bytes(m->panels.dtype, min_i64(MATMUL_BLOCK_K, k - next_k0)) / 64;
    int64_t calls = (part->block_end - part->block_begin) * (end - begin);
    return ahead_of((const char *)m->w.data + next_begin * one_panel +
                        panel_bytes(m->panels.dtype, next_k0),
                    one_panel, n_panels, run, calls, min_i64(MATMUL_BLOCK_K, k - k0));
}

/* Columns of panels begin .. end - 1, at most the tiles' block_panels, and the part's rows. */
static void block_panels(const struct matmul *m, const struct part *part, int64_t begin,
                         int64_t end, float *wide, float *aside)
{
    const struct cpu_tiles *t = m->tiles;
    int64_t k = m->panels.k, rows = m->x.dim[0];
    enum dtype dtype = m->panels.dtype;
    for (int64_t k0 = 0; k0 < k; k0 += MATMUL_BLOCK_K) {
        int64_t kn = min_i64(MATMUL_BLOCK_K, k - k0);
        struct ahead ahead = next_block(m, part, begin, end, k0);
        for (int64_t b = part->block_begin; b < part->block_end; b++) {
            int64_t row0 = row_begin(m, b), n_rows = row_begin(m, b + 1) - row0;
            const float *x = m->packed_x + x_words(m, k0) * rows + row0 * x_words(m, kn);
            for (int64_t p = begin; p < end; p++) {
                struct place to = place_of(m, p, aside);
                const char *w =
                    (const char *)m->w.data + p * panel_bytes(dtype, k) + panel_bytes(dtype, k0);
                float *y = to.y + row0 * to.stride, *keep = wide + (p - begin) * kn * PANEL;
                struct tile_next next = ahead_next(&ahead);
                if (b + 1 < part->block_end) prefetch_sums(y + n_rows * to.stride, to, n_rows);
                if (m->panels.quads)
                    t->direct[dtype][n_rows](w, x, kn, y, to.stride, k0 == 0, NULL, next);
                else if (dtype == DTYPE_F32)
                    t->f32[n_rows](w, x, kn, y, to.stride, k0 == 0, NULL, next);
                else if (b == part->block_begin)
                    t->keep[dtype][n_rows](w, x, kn, y, to.stride, k0 == 0, keep, next);
                else
                    t->f32[n_rows](keep, x, kn, y, to.stride, k0 == 0, NULL, next);
            }
        }
    }
}

/* Of a turned x, to whole lines. */
static int64_t copy_floats(const struct matmul *m)
{
    return round_up(m->x.dim[0] * x_words(m, m->panels.k), 16);
}

/* A block of w as f32, where tiles keep it. */
static int64_t wide_floats(const struct matmul *m)
{
    return m->tiles->keep[m->panels.dtype][1] ? m->tiles->block_panels * PANEL * MATMUL_BLOCK_K : 0;
}

static void matmul_member(void *arg, int32_t member, int32_t n_members)
{
    struct matmul own = *(const struct matmul *)arg;
    const struct matmul *m = &own;
    float *wide = (float *)(m->members + member * m->member_bytes);
    float *aside = wide + wide_floats(m);
    int64_t step = m->streams ? m->tiles->stream_panels : m->tiles->block_panels;
    if (m->own_x) {
        own.packed_x += member * copy_floats(m);
        pack_x(m, 0, 1);
    } else if (m->packed_x != m->x.data) {
        pack_x(m, member, n_members);
        if (n_members > 1) team_barrier(m->cpu->team, member);
    }
    for (struct turn t = {0}; next_turn(m, &t, step, member, n_members);) {
        if (m->streams)
            stream_panels(m, &t.part, t.begin, t.end, aside);
        else
            block_panels(m, &t.part, t.begin, t.end, wide, aside);
        if (m->bias.n_dim > 0 || t.end * PANEL > m->w.dim[0])
            for (int64_t p = t.begin; p < t.end; p++)
                finish_panel(m, p, row_begin(m, t.part.block_begin), row_begin(m, t.part.block_end),
                             aside);
    }
}

static bool streams(const struct matmul *m)
{
    int64_t most = m->tiles->stream_tiles;
    if (m->w.dtype == DTYPE_INT8) most = min_i64(most, STREAM_TILES_INT8);
    if (m->n_row_blocks == 1) return true;
    return m->n_row_blocks <= most &&
           (m->tiles->stretch[m->panels.dtype] > 0 ||
            panel_bytes(m->panels.dtype, m->panels.k) <= STREAM_PANEL_BYTES);
}

enum err cpu_matmul(void *state, struct tensor y, struct tensor x, struct tensor w,
                    struct tensor bias)
{
    struct cpu *c = state;
    struct panels panels = panels_of(c, w.dim[1], w.dtype);
    int64_t rows = x.dim[0];
    struct matmul m = {.cpu = c, .y = y, .x = x, .w = w, .bias = bias, .panels = panels};
    void *members, *taken, *packed = x.data;
    if (rows == 0) return ERR_NONE;
    CHECK(w.layout == LAYOUT_PACKED);
    m.tiles = panels.pairs ? c->isa.pairs : panels.quads ? c->isa.quads : c->isa.tiles;
    m.n_row_blocks = (rows + m.tiles->max_rows - 1) / m.tiles->max_rows;
    m.streams = streams(&m);
    m.member_bytes = round_up((wide_floats(&m) + rows * PANEL) * (int64_t)sizeof(float), 4096);
    TRY(cpu_scratch(c, SCRATCH_MEMBERS, (size_t)(team_size(c->team) * m.member_bytes), &members));
    TRY(cpu_scratch(c, SCRATCH_ROWS, (size_t)team_size(c->team) * sizeof *m.taken, &taken));
    m.taken = taken;
    for (int32_t i = 0; i < team_size(c->team); i++) atomic_init(&m.taken[i].panels, 0);
    /* One row of f32 already is [k][1]. */
    bool as_is = rows == 1 && !panels.pairs && !panels.quads;
    m.own_x = !as_is && rows * panels.k <= OWN_X_FLOATS;
    int64_t copies = m.own_x ? team_size(c->team) : 1;
    size_t x_bytes = (size_t)(copies * copy_floats(&m)) * sizeof(float);
    if (!as_is) TRY(cpu_scratch(c, SCRATCH_X, x_bytes, &packed));
    m.members = members;
    m.packed_x = packed;
    cpu_run(c, tensor_bytes(w), matmul_member, &m);
    return ERR_NONE;
}
