/* cuda_load.c - weights: rows are made on the host, by several threads for a large matrix, in
 * two pinned pieces that are filled and copied in turn.  The device keeps the rows as they are:
 * cuBLAS reads [m, k] fastest. */
#include "harness/base/team.h"
#include "harness/kernels/cuda/cuda.h"

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
};

static void fill_member(void *arg, int32_t member, int32_t n_members)
{
    const struct fill *f = arg;
    int64_t begin, end;
    team_share(f->n_rows, 1, member, n_members, &begin, &end);
    for (int64_t i = begin; i < end; i++) f->row(f->ctx, f->row0 + i, f->out + i * f->row_bytes);
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

static enum err copy_rows(struct cuda *c, struct pieces *p, struct team *team, char *device,
                          struct fill f, int64_t rows, int64_t rows_per_piece)
{
    for (int64_t row = 0, piece = 0; row < rows; row += rows_per_piece, piece++) {
        int which = (int)(piece % 2);
        f.row0 = row;
        f.n_rows = rows - row < rows_per_piece ? rows - row : rows_per_piece;
        f.out = p->data[which];
        TRY(cuda_check(cudaEventSynchronize(p->copied[which]), "waiting for pinned memory"));
        if (team)
            team_run(team, fill_member, &f);
        else
            fill_member(&f, 0, 1);
        TRY(cuda_check(cudaMemcpyAsync(device + row * f.row_bytes, f.out,
                                       (size_t)(f.n_rows * f.row_bytes), cudaMemcpyHostToDevice,
                                       c->stream),
                       "copying weights to the device"));
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
    if (w.dtype == DTYPE_INT8)
        return err_set(ERR_UNSUPPORTED, "cuda: int8 weights have kernels on the CPU only; "
                                        "--dtype bf16 and f32 run here");
    struct fill f = {.row = row, .ctx = ctx, .row_bytes = cols * dtype_bytes(w.dtype)};
    int64_t rows_per_piece = PIECE_BYTES / f.row_bytes;
    if (rows_per_piece < 1) rows_per_piece = 1;
    if (rows_per_piece > rows) rows_per_piece = rows;
    TRY(cuda_flush(state));
    TRY_OUT(pieces_open(&pieces, (size_t)(rows_per_piece * f.row_bytes)));
    if (rows * f.row_bytes > TEAM_BYTES) TRY_OUT(team_create(0, &team));
    TRY_OUT(copy_rows(state, &pieces, team, w.data, f, rows, rows_per_piece));
out:
    team_free(team);
    pieces_close(&pieces);
    return e;
}
