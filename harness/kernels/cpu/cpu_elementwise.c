/* cpu_elementwise.c - SwiGLU and the residual sum, rows shared out. */
#include "harness/kernels/cpu/cpu.h"

struct pair {
    const struct cpu_rows *rows;
    struct tensor a, b;
};

/* Pieces of rows, so that a single long row is shared too. */
enum { PIECE = 1024 };

static int64_t pieces_per_row(struct tensor t)
{
    return (t.dim[1] + PIECE - 1) / PIECE;
}

static void swiglu_member(void *arg, int32_t member, int32_t n_members)
{
    const struct pair *p = arg;
    int64_t per = pieces_per_row(p->a), n = p->a.dim[1], begin, end;
    team_share(p->a.dim[0] * per, 1, member, n_members, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t col = i % per * PIECE;
        const float *gate = (const float *)p->b.data + i / per * p->b.row_stride + col;
        float *out = (float *)p->a.data + i / per * p->a.row_stride + col;
        p->rows->swiglu(out, gate, gate + n, min_i64(PIECE, n - col));
    }
}

static void add_member(void *arg, int32_t member, int32_t n_members)
{
    const struct pair *p = arg;
    int64_t per = pieces_per_row(p->a), n = p->a.dim[1], begin, end;
    team_share(p->a.dim[0] * per, 1, member, n_members, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t col = i % per * PIECE;
        p->rows->add((float *)p->a.data + i / per * p->a.row_stride + col,
                     (const float *)p->b.data + i / per * p->b.row_stride + col,
                     min_i64(PIECE, n - col));
    }
}

enum err cpu_swiglu(void *state, struct tensor out, struct tensor gate_up)
{
    struct cpu *c = state;
    struct pair p = {c->isa.rows, out, gate_up};
    cpu_run(c, tensor_bytes(gate_up), swiglu_member, &p);
    return ERR_NONE;
}

enum err cpu_add(void *state, struct tensor x, struct tensor y)
{
    struct cpu *c = state;
    struct pair p = {c->isa.rows, x, y};
    cpu_run(c, tensor_bytes(x), add_member, &p);
    return ERR_NONE;
}

struct guided {
    struct pair pair;
    float scale;
};

static void guide_member(void *arg, int32_t member, int32_t n_members)
{
    const struct guided *g = arg;
    const struct pair *p = &g->pair;
    int64_t per = pieces_per_row(p->a), n = p->a.dim[1], begin, end;
    team_share(p->a.dim[0] * per, 1, member, n_members, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t col = i % per * PIECE;
        p->rows->guide((float *)p->a.data + i / per * p->a.row_stride + col,
                       (const float *)p->b.data + i / per * p->b.row_stride + col, g->scale,
                       min_i64(PIECE, n - col));
    }
}

enum err cpu_guide(void *state, struct tensor z, struct tensor u, float scale)
{
    struct cpu *c = state;
    struct guided g = {{c->isa.rows, z, u}, scale};
    cpu_run(c, tensor_bytes(z), guide_member, &g);
    return ERR_NONE;
}
