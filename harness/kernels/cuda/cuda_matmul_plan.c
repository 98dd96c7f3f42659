/* cuda_matmul_plan.c - which of this program's own kernels makes a product, and in which tiles.
 *
 * From shapes and the number of SMs alone; the choice never shows in a bit of the result
 * (cuda_matmul_own.h), so that it is free to follow speed. */
#include "harness/kernels/cuda/launch.h"

enum { FEW_ROWS = 64, MANY_TILE = 128, PLAIN_TILE = 32, STEP = 64 };

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Whether rows are read by 16-byte accesses and nothing of them is left over. */
static bool is_wide(struct tensor t)
{
    return (uintptr_t)t.data % 16 == 0 && t.dim[1] % 8 == 0 && t.row_stride % 8 == 0;
}

/* Whether tiles of weights are whole 16-byte pieces. */
static bool fits_tiles(struct tensor w)
{
    if (w.dtype != DTYPE_INT8) return w.dtype == DTYPE_BF16 && is_wide(w);
    /* Of scales, 16 bytes are those of 8 rows in a step. */
    return (uintptr_t)w.data % 16 == 0 && w.dim[1] % STEP == 0 && w.dim[0] % 8 == 0;
}

/* More rows, larger blocks of weights: what L2 has to deliver of x is n / cols of the weights,
 * here at most twice as much as them (int8: four times, above 32 rows); unless more than half of
 * the SMs would have no block. */
static struct matmul_tile few_tile(int64_t n, struct tensor w, int32_t n_sms)
{
    struct matmul_tile t = {.rows = FEW_ROWS, .cols = 16, .depth = STEP};
    int32_t from_rows = w.dtype == DTYPE_INT8 ? 16 : 32; /* half the bytes, half of the x */
    while (t.rows > 8 && n <= t.rows / 2) t.rows /= 2;
    if (t.rows >= from_rows && 2 * divide_up(w.dim[0], 32) >= n_sms) t.cols = 32;
    return t;
}

struct cuda_matmul_plan cuda_matmul_plan(struct tensor x, struct tensor w, int32_t n_sms)
{
    int64_t n = x.dim[0], m = w.dim[0];
    if (!is_wide(x) || !fits_tiles(w))
        return (struct cuda_matmul_plan){CUDA_MATMUL_PLAIN, {PLAIN_TILE, PLAIN_TILE, PLAIN_TILE}};
    /* Tiles that leave SMs idle would be slower than reading weights more than once. */
    if (n <= FEW_ROWS || divide_up(n, MANY_TILE) * divide_up(m, MANY_TILE) < n_sms)
        return (struct cuda_matmul_plan){CUDA_MATMUL_FEW, few_tile(n, w, n_sms)};
    return (struct cuda_matmul_plan){CUDA_MATMUL_MANY, {MANY_TILE, MANY_TILE, STEP}};
}
