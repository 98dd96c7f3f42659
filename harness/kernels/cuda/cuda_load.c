/* cuda_load.c - weights: rows are made on the host, by several threads for a large matrix, in
 * two pinned pieces that are filled and copied in turn.  The device keeps the rows as they are:
 * cuBLAS reads [m, k] fastest.  Those of int8 are put in the order of cuda_int8.h on the way. */
#include "harness/base/team.h"
#include "harness/kernels/cuda/cuda.h"
#include "harness/kernels/int8.h"

#include <string.h>

enum { PIECE_BYTES = 16 << 20, TEAM_BYTES = 4 << 20 };

size_t cuda_packed_bytes(const void *state, int64_t rows, int64_t cols, enum dtype dtype)
{
    (void)state;
    return (size_t)(rows * dtype_row_bytes(dtype, cols));
}

struct fill {
    weight_row_fn *row;
    void *ctx;
    char *out;
    int64_t row0, n_rows, row_bytes;
    int64_t n_groups, n_cols; /* int8 only: else 0 groups                */
    uint8_t *scales;          /* int8 only: [n_groups / 2][n_rows][2] .. */
};

/* A row of int8.h's: its scales to where a step's are together, each 16 bytes in the order of
 * int8_place. */
static void arrange_int8(const struct fill *f, int64_t i)
{
    const uint8_t *scale = (const uint8_t *)f->out + i * f->row_bytes;
    char *piece = f->out + i * f->row_bytes + f->n_groups, from[16];
    int64_t paired = f->n_groups / 2 * 2;
    for (int64_t g = 0; g < paired; g++) f->scales[(g / 2 * f->n_rows + i) * 2 + g % 2] = scale[g];
    if (paired < f->n_groups) f->scales[paired * f->n_rows + i] = scale[paired];
    for (int64_t p = 0; p < f->n_cols / 16; p++, piece += 16) {
        memcpy(from, piece, 16);
        for (int j = 0; j < 16; j++) piece[j] = from[j / 4 * 2 + j % 4 / 2 * 8 + j % 2];
    }
}

static void fill_member(void *arg, int32_t member, int32_t n_members)
{
    const struct fill *f = arg;
    int64_t begin, end;
    team_share(f->n_rows, 1, member, n_members, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        f->row(f->ctx, f->row0 + i, f->out + i * f->row_bytes);
        if (f->n_groups > 0) arrange_int8(f, i);
    }
}

/* Two pieces of pinned memory and when each was last read. */
struct pieces {
    char *data[2];
    cudaEvent_t copied[2];
};

static enum err pieces_open(struct pieces *p, size_t bytes)
{
    for (int i = 0; i < 2; i++) {
        void *data;
        TRY(cuda_check(cudaMallocHost(&data, bytes), "allocating pinned memory"));
        p->data[i] = data;
        TRY(cuda_check(cudaEventCreateWithFlags(&p->copied[i], cudaEventDisableTiming),
                       "making an event"));
    }
    return ERR_NONE;
}

static void pieces_close(struct pieces *p)
{
    for (int i = 0; i < 2; i++) {
        if (p->copied[i]) cudaEventDestroy(p->copied[i]);
        cudaFreeHost(p->data[i]);
    }
}

static enum err copy_2d(struct cuda *c, void *to, int64_t to_pitch, const void *from,
                        int64_t from_pitch, int64_t width, int64_t n)
{
    return cuda_check(cudaMemcpy2DAsync(to, (size_t)to_pitch, from, (size_t)from_pitch,
                                        (size_t)width, (size_t)n, cudaMemcpyHostToDevice,
                                        c->stream),
                      "copying weights to the device");
}

/* The filled piece to its place in device[rows].. */
static enum err copy_piece(struct cuda *c, const struct fill *f, char *device, int64_t rows)
{
    int64_t g = f->n_groups, k = f->n_cols, pairs = g / 2;
    char *scales = device + rows * k;
    if (g == 0)
        return copy_2d(c, device + f->row0 * f->row_bytes, f->row_bytes, f->out, f->row_bytes,
                       f->row_bytes, f->n_rows);
    TRY(copy_2d(c, device + f->row0 * k, k, f->out + g, f->row_bytes, k, f->n_rows));
    if (pairs > 0)
        TRY(copy_2d(c, scales + 2 * f->row0, 2 * rows, f->scales, 2 * f->n_rows, 2 * f->n_rows,
                    pairs));
    if (g % 2 == 0) return ERR_NONE;
    return copy_2d(c, scales + 2 * pairs * rows + f->row0, f->n_rows,
                   f->scales + 2 * pairs * f->n_rows, f->n_rows, f->n_rows, 1);
}

static enum err copy_rows(struct cuda *c, struct pieces *p, struct team *team, char *device,
                          struct fill f, int64_t rows, int64_t rows_per_piece)
{
    for (int64_t row = 0, piece = 0; row < rows; row += rows_per_piece, piece++) {
        int which = (int)(piece % 2);
        f.row0 = row;
        f.n_rows = rows - row < rows_per_piece ? rows - row : rows_per_piece;
        f.out = p->data[which];
        f.scales = (uint8_t *)f.out + rows_per_piece * f.row_bytes;
        TRY(cuda_check(cudaEventSynchronize(p->copied[which]), "waiting for pinned memory"));
        if (team)
            team_run(team, fill_member, &f);
        else
            fill_member(&f, 0, 1);
        TRY(copy_piece(c, &f, device, rows));
        TRY(cuda_check(cudaEventRecord(p->copied[which], c->stream), "recording an event"));
    }
    return cuda_sync(c);
}

enum err cuda_load_weight(void *state, struct tensor w, weight_row_fn *row, void *ctx)
{
    enum err e = ERR_NONE;
    struct pieces pieces = {0};
    struct team *team = NULL;
    int64_t rows = w.n_dim == 1 ? 1 : w.dim[0], cols = w.dim[w.n_dim - 1];
    struct fill f = {.row = row, .ctx = ctx, .row_bytes = dtype_row_bytes(w.dtype, cols)};
    if (w.dtype == DTYPE_INT8) {
        f.n_groups = int8_groups(cols);
        f.n_cols = cols;
    }
    int64_t rows_per_piece = PIECE_BYTES / f.row_bytes;
    if (rows_per_piece < 1) rows_per_piece = 1;
    if (rows_per_piece > rows) rows_per_piece = rows;
    TRY(cuda_flush(state));
    TRY_OUT(pieces_open(&pieces, (size_t)(rows_per_piece * (f.row_bytes + f.n_groups))));
    if (rows * f.row_bytes > TEAM_BYTES) TRY_OUT(team_create(0, &team));
    TRY_OUT(copy_rows(state, &pieces, team, w.data, f, rows, rows_per_piece));
out:
    team_free(team);
    pieces_close(&pieces);
    return e;
}
