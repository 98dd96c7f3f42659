/* cuda_tile.h - pieces of matrices in shared memory, as the tensor cores want them.
 *
 * A row of a tile is cut into pieces of 8 elements, 16 bytes, and each row's pieces are turned
 * about by its number: the 8 rows that ldmatrix reads at once then lie in different banks, and
 * so do the 8 pieces of a row that are written at once. */
#ifndef CUDA_TILE_H
#define CUDA_TILE_H

#include "harness/kernels/cuda/cuda_device.h"
#include "harness/kernels/cuda/cuda_ptx.h"

/* Where a piece of a row begins. */
static __device__ __forceinline__ int piece_at(int row, int piece)
{
    return (piece ^ (row & 7)) * WIDE;
}

/* Queue the copy of a tile from row-major `from` by N_THREADS threads, of which this is number
 * `thread`; zeros from row n_rows and from column n_cols on, multiples of a piece. */
template <int N_THREADS, int ROWS, int COLS>
static __device__ __forceinline__ void copy_tile(bf16 (&to)[ROWS][COLS], const bf16 *from,
                                                 int64_t stride, int64_t n_rows, int64_t n_cols,
                                                 int thread)
{
    enum { PIECES = COLS / WIDE, AT_ONCE = N_THREADS / PIECES };
    static_assert(N_THREADS % PIECES == 0 && ROWS % AT_ONCE == 0 && PIECES % 8 == 0, "uneven");
    int row = thread / PIECES, piece = thread % PIECES;
    const bf16 *piece_from = from + row * stride + piece * WIDE;
    if (piece * WIDE >= n_cols) n_rows = 0;
#pragma unroll
    for (int i = 0; i < ROWS / AT_ONCE; i++, row += AT_ONCE, piece_from += AT_ONCE * stride)
        copy_async(&to[row][piece_at(row, piece)], row < n_rows ? piece_from : from, row < n_rows);
}

/* Rows row0 .. row0 + 15, elements 16 step .. + 15, as mma's a. */
template <int ROWS, int COLS>
static __device__ __forceinline__ void load_a(uint32_t (&a)[4], const bf16 (&tile)[ROWS][COLS],
                                              int row0, int step, int lane)
{
    int row = row0 + lane % 16;
    ldmatrix(a, &tile[row][piece_at(row, 2 * step + lane / 16)]);
}

/* Rows row0 .. row0 + 7, elements 32 pair .. + 31, as the columns of b of two steps: b[0], b[1]
 * and b[2], b[3]. */
template <int ROWS, int COLS>
static __device__ __forceinline__ void load_b(uint32_t (&b)[4], const bf16 (&tile)[ROWS][COLS],
                                              int row0, int pair, int lane)
{
    int row = row0 + lane % 8;
    ldmatrix(b, &tile[row][piece_at(row, 4 * pair + lane / 8)]);
}

/* Rows 16 step .. + 15, elements 8 piece .. + 15, as b with a row of the tile for a row: columns
 * of the first piece in b[0], b[1], of the second in b[2], b[3]. */
template <int ROWS, int COLS>
static __device__ __forceinline__ void load_b_rows(uint32_t (&b)[4], const bf16 (&tile)[ROWS][COLS],
                                                   int step, int piece, int lane)
{
    int row = 16 * step + lane % 16;
    ldmatrix_turned(b, &tile[row][piece_at(row, piece + lane / 16)]);
}

#endif
