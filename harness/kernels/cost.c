/* cost.c - the counting rules.  docs/COUNTING.md derives each line. */
#include "harness/kernels/cost.h"

#include <string.h>

/* Dimensions are below 2^31 each, so products of four of them fit 128 bits. */
typedef __int128 wide;

enum {                   /* FLOPs per element of the operations that are not products of matrices;
                            exp, division and square root count as 1 */
       FLOP_RMSNORM = 4, /* square, sum, scale, gain                    */
       FLOP_ROPE = 3,    /* 4 multiplications and 2 additions per pair  */
       FLOP_SOFTMAX = 4, /* scale, subtract the maximum, exp, sum       */
       FLOP_SWIGLU = 5,  /* exp, add, divide, two multiplications       */
       FLOP_GUIDE = 3,   /* subtract, multiply, add                       */
       FLOP_NUCLEUS = 4, /* subtract, exp, sum, compare                   */
       FLOP_ROWSTAT = 5  /* compare, subtract, exp, sum, entropy term   */
};

/* Collects one call's operands; `fits` goes false when a count passes 2^63 - 1. */
struct count {
    const struct traffic_model *t;
    struct cost *c;
    bool fits;
};

static struct count count_start(const struct traffic_model *t, struct cost *c)
{
    memset(c, 0, sizeof *c);
    return (struct count){t, c, true};
}

static int64_t narrow(struct count *n, wide v)
{
    if (v > INT64_MAX) n->fits = false;
    return (int64_t)v;
}

static void count_bytes(struct count *n, enum role role, wide bytes)
{
    int64_t b = narrow(n, bytes);
    bool always = role == ROLE_WEIGHT || role == ROLE_KV;
    n->c->bytes[role] = narrow(n, (wide)n->c->bytes[role] + b);
    n->c->bytes_dram_hi = narrow(n, (wide)n->c->bytes_dram_hi + b);
    if (always) n->c->bytes_dram_lo = narrow(n, (wide)n->c->bytes_dram_lo + b);
    if (always || b > n->t->llc_bytes / 2) n->c->bytes_dram = narrow(n, (wide)n->c->bytes_dram + b);
}

static wide elements(struct tensor t)
{
    return (wide)t.dim[0] * t.dim[1] * t.dim[2] * t.dim[3];
}

static wide operand_bytes(struct tensor t)
{
    int64_t last = t.dim[t.n_dim - 1];
    return last == 0 ? 0 : elements(t) / last * dtype_row_bytes(t.dtype, last);
}

static void count_operand(struct count *n, struct tensor t)
{
    count_bytes(n, t.role, operand_bytes(t));
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t pad_to(int64_t n, int64_t tile)
{
    return ceil_div(n, tile) * tile;
}

bool cost_embed(const struct traffic_model *t, struct tensor out, struct tensor table,
                struct cost *c)
{
    struct count n = count_start(t, c);
    count_bytes(&n, ROLE_WEIGHT, (wide)out.dim[0] * dtype_row_bytes(table.dtype, table.dim[1]));
    count_operand(&n, out);
    return n.fits;
}

bool cost_rmsnorm(const struct traffic_model *t, struct tensor out, struct tensor x,
                  struct tensor gain, struct cost *c)
{
    struct count n = count_start(t, c);
    count_operand(&n, x);
    count_operand(&n, gain);
    count_operand(&n, out);
    c->flop_vector = narrow(&n, FLOP_RMSNORM * elements(x));
    return n.fits;
}

/* What blocking reads again from DRAM: an operand that does not stay in the cache is
 * read once per block of the other one. */
static void count_rereads(struct count *n, struct tensor operand, int64_t extent, int32_t block)
{
    int64_t bytes = narrow(n, operand_bytes(operand));
    if (block == 0 || bytes <= n->t->llc_bytes / 2) return;
    wide again = (wide)bytes * (ceil_div(extent, block) - 1);
    n->c->bytes_dram_hi = narrow(n, (wide)n->c->bytes_dram_hi + again);
}

bool cost_matmul(const struct traffic_model *t, const struct matmul_tile *tile, struct tensor y,
                 struct tensor x, struct tensor w, struct tensor bias, struct cost *c)
{
    struct count n = count_start(t, c);
    const struct matmul_tile guess = {t->row_tile, 1, 1};
    int64_t rows = x.dim[0], k = x.dim[1], m = w.dim[0];
    if (!tile) tile = &guess;
    c->flop_matmul = narrow(&n, (wide)2 * rows * m * k);
    c->flop_executed = narrow(&n, (wide)2 * pad_to(rows, tile->rows) * pad_to(m, tile->cols) *
                                      pad_to(k, tile->depth));
    count_operand(&n, x);
    count_operand(&n, w);
    count_operand(&n, y);
    if (bias.n_dim) {
        count_operand(&n, bias);
        c->flop_vector = narrow(&n, (wide)rows * m);
    }
    count_rereads(&n, w, rows, t->block_rows);
    count_rereads(&n, x, m, t->block_cols);
    return n.fits;
}

bool cost_rope(const struct traffic_model *t, struct tensor x, struct cost *c)
{
    struct count n = count_start(t, c);
    count_operand(&n, x); /* read    */
    count_operand(&n, x); /* written */
    c->flop_vector = narrow(&n, FLOP_ROPE * elements(x));
    return n.fits;
}

bool cost_kv_store(const struct traffic_model *t, struct tensor k, struct tensor v,
                   struct tensor cache, struct cost *c)
{
    struct count n = count_start(t, c);
    count_operand(&n, k);
    count_operand(&n, v);
    count_bytes(&n, ROLE_KV, (elements(k) + elements(v)) * dtype_bytes(cache.dtype));
    return n.fits;
}

/* What one sequence adds to an attention call, per head and head width. */
struct span_cost {
    int64_t pairs, keys;
    wide executed; /* pairs times query heads, in whole tiles */
};

/* Pairs of all query heads that tiles of a kernel compute for a span. */
static wide tiled_pairs(const struct attention_tile *tile, const struct span *s, int64_t hk)
{
    wide pairs = 0;
    for (int64_t row = 0; row < s->n_rows; row += tile->rows) {
        int64_t end = row + tile->rows < s->n_rows ? row + tile->rows : s->n_rows;
        pairs += (wide)tile->pairs * pad_to(span_visible(s, end - 1), tile->keys);
    }
    return pairs * hk;
}

static struct span_cost span_cost(const struct traffic_model *t, const struct attention_tile *tile,
                                  const struct span *s, int64_t h, int64_t hk)
{
    struct span_cost c = {.pairs = span_pairs(s), .keys = span_keys(s)};
    if (tile) {
        c.executed = tiled_pairs(tile, s, hk);
        return c;
    }
    /* The rows of a tile are those of all query heads that share a K/V head. */
    int64_t rows = s->n_rows * (h / hk), padded = pad_to(rows, t->row_tile);
    c.executed = padded == rows ? (wide)c.pairs * h : (wide)c.pairs * hk * padded / s->n_rows;
    return c;
}

static bool same_work(const struct span *a, const struct span *b)
{
    return a->n_rows == b->n_rows && a->pos0 == b->pos0 && a->n_visible == b->n_visible &&
           a->mask == b->mask && a->block == b->block;
}

bool cost_attention(const struct traffic_model *t, const struct attention_tile *tile,
                    struct tensor out, struct tensor q, struct tensor keys,
                    const struct span *spans, int32_t n_spans, struct cost *c)
{
    struct count n = count_start(t, c);
    int64_t h = q.dim[1], d = q.dim[2], hk = keys.dim[1];
    wide pairs = 0, positions = 0, executed = 0;
    struct span_cost one = {0};
    for (int32_t i = 0; i < n_spans; i++) {
        if (spans[i].n_rows == 0) continue;
        /* Sequences in lockstep cost the same. */
        if (i == 0 || !same_work(&spans[i], &spans[i - 1]))
            one = span_cost(t, tile, &spans[i], h, hk);
        pairs += one.pairs;
        positions += one.keys;
        executed += one.executed;
    }
    c->flop_attention = narrow(&n, 4 * pairs * h * d);
    c->flop_vector = narrow(&n, FLOP_SOFTMAX * pairs * h);
    c->flop_executed = narrow(&n, 4 * executed * pad_to(d, tile ? tile->width : 1));
    count_operand(&n, q);
    count_operand(&n, out);
    count_bytes(&n, ROLE_KV, positions * 2 * hk * d * dtype_bytes(keys.dtype));
    return n.fits;
}

bool cost_swiglu(const struct traffic_model *t, struct tensor out, struct tensor gate_up,
                 struct cost *c)
{
    struct count n = count_start(t, c);
    count_operand(&n, gate_up);
    count_operand(&n, out);
    c->flop_vector = narrow(&n, FLOP_SWIGLU * elements(out));
    return n.fits;
}

bool cost_add(const struct traffic_model *t, struct tensor x, struct tensor y, struct cost *c)
{
    struct count n = count_start(t, c);
    count_operand(&n, x);
    count_operand(&n, y);
    count_operand(&n, x); /* written */
    c->flop_vector = narrow(&n, elements(x));
    return n.fits;
}

bool cost_gather(const struct traffic_model *t, struct tensor out, struct cost *c)
{
    struct count n = count_start(t, c);
    count_operand(&n, out); /* the rows read    */
    count_operand(&n, out); /* the rows written */
    return n.fits;
}

bool cost_guide(const struct traffic_model *t, struct tensor z, struct tensor u, struct cost *c)
{
    struct count n = count_start(t, c);
    count_operand(&n, z);
    count_operand(&n, u);
    count_operand(&n, z); /* written */
    c->flop_vector = narrow(&n, FLOP_GUIDE * elements(z));
    return n.fits;
}

bool cost_rowstat(const struct traffic_model *t, struct tensor logits, bool nucleus, struct cost *c)
{
    struct count n = count_start(t, c);
    count_operand(&n, logits);
    if (nucleus) count_operand(&n, logits);
    c->flop_vector = narrow(&n, (FLOP_ROWSTAT + (nucleus ? FLOP_NUCLEUS : 0)) * elements(logits));
    return n.fits;
}
