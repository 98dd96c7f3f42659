/* cuda_int8.h - int8 weights (int8.h) as the device keeps them, and as tensor cores want them.
 *
 * A matrix [m,k] is its bytes, row after row, and then its scales, INT8_STEP elements of k after
 * another: [k / 64][m][2], so that a tile's lie side by side; an odd last group has one a row.
 * Whole 16 bytes of a row are in the order that int8_place gives: read as 16-bit elements by
 * ldmatrix, they give a lane the four elements that it needs for an mma.  A value is at most 127
 * times a power of two, which a bf16 holds exactly: products are those of a bf16 matrix. */
#ifndef CUDA_INT8_H
#define CUDA_INT8_H

#include "harness/kernels/cuda/cuda_tile.h"

enum { INT8_STEP = 64 };

/* Where element `col` of a row of k lies in it: in whole pieces, the pairs of the first 8 elements
 * and of the second take turns. */
static __device__ __forceinline__ int64_t int8_place(int64_t col, int64_t k)
{
    int64_t piece = col / 16 * 16, at = col % 16;
    return piece + 16 > k ? col : piece + at % 8 / 2 * 4 + at / 8 * 2 + at % 2;
}

/* Where the scale of a group of a row lies among those of [m,k]. */
static __device__ __forceinline__ int64_t int8_scale_place(int64_t row, int64_t group, int64_t m,
                                                           int64_t k)
{
    int64_t n_groups = (k + INT8_GROUP - 1) / INT8_GROUP;
    bool alone = group == n_groups - 1 && group % 2 == 0;
    return alone ? group * m + row : (group / 2 * m + row) * 2 + group % 2;
}

static __device__ __forceinline__ float int8_scale(uint8_t stored)
{
    return float_of_bf16((uint16_t)(stored << 7)); /* its exponent */
}

/* Bytes i and i + 1 of a word, in units of a scale. */
static __device__ __forceinline__ uint32_t int8_pair(uint32_t word, int i, float scale)
{
    return bf16_pair((float)(int8_t)(word >> 8 * i) * scale,
                     (float)(int8_t)(word >> (8 * i + 8)) * scale);
}

/* ---- a tile of a step in shared memory: a row's 4 pieces turned about by its number / 2, for the
 * 8 rows that ldmatrix reads at once lie two to a line of the banks ---- */

template <int ROWS> struct int8_tile {
    alignas(16) int8_t v[ROWS][INT8_STEP];
    uint8_t scale[ROWS][2];
};

static __device__ __forceinline__ int int8_piece_at(int row, int piece)
{
    return (piece ^ (row / 2 & 3)) * 16;
}

/* Queue the copy of a tile; zeros from row n_rows on, a multiple of 8. */
template <int N_THREADS, int ROWS>
static __device__ __forceinline__ void copy_int8_tile(int8_tile<ROWS> &to, const int8_t *from,
                                                      int64_t stride, const uint8_t *scales,
                                                      int64_t n_rows, int thread)
{
    enum { PIECES = INT8_STEP / 16, AT_ONCE = N_THREADS / PIECES, SCALE_ROWS = 8 };
    static_assert(ROWS % AT_ONCE == 0 && ROWS / SCALE_ROWS <= N_THREADS, "uneven");
    int piece = thread % PIECES;
#pragma unroll
    for (int i = 0; i < ROWS / AT_ONCE; i++) {
        int row = thread / PIECES + i * AT_ONCE;
        bool there = row < n_rows;
        copy_async(&to.v[row][int8_piece_at(row, piece)],
                   there ? from + row * stride + piece * 16 : from, there);
    }
    if (thread < ROWS / SCALE_ROWS) {
        bool there = thread * SCALE_ROWS < n_rows;
        copy_async(to.scale[thread * SCALE_ROWS], there ? scales + thread * 16 : scales, there);
    }
}

/* Rows row0 .. row0 + 15, elements 32 pair .. + 31, as mma's a of two steps of 16: one group of
 * each row. */
template <int ROWS>
static __device__ __forceinline__ void load_int8_a(uint32_t (&a)[2][4], const int8_tile<ROWS> &tile,
                                                   int row0, int pair, int lane)
{
    uint32_t word[4];
    int row = row0 + lane % 16, mine = row0 + lane / 4;
    ldmatrix(word, &tile.v[row][int8_piece_at(row, 2 * pair + lane / 16)]);
    float scale[2] = {int8_scale(tile.scale[mine][pair]), int8_scale(tile.scale[mine + 8][pair])};
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            a[half][i] = int8_pair(word[2 * half + i % 2], i / 2 * 2, scale[i % 2]);
}

#endif
