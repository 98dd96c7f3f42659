/* cuda_kv_store.cu - new keys and values into the cache, [slots, hk, cap, d] bf16 or f32. */
#include "harness/kernels/cuda/cuda_device.h"

struct kv_side {
    void *cache;
    const bf16 *from;
};

/* Block (row, piece of the row, keys or values). */
template <int W, class Kv>
static __global__ void kv_store_kernel(struct kv_side keys, struct kv_side values,
                                       const struct cuda_row *rows, int64_t from_stride,
                                       int32_t n_heads, int64_t cap, int32_t d)
{
    int64_t row = blockIdx.x;
    int32_t i = (int32_t)(blockIdx.y * blockDim.x + threadIdx.x) * W;
    if (i >= n_heads * d) return;
    struct kv_side side = blockIdx.z == 0 ? keys : values;
    struct cuda_row at = rows[row];
    int64_t head = (int64_t)at.slot * n_heads + i / d;
    float v[W];
    load(v, side.from + row * from_stride + i);
    store((Kv *)side.cache + (head * cap + at.pos) * d + i % d, v);
}

template <int W, class Kv>
static cudaError_t launch(cudaStream_t s, struct tensor k_cache, struct tensor v_cache,
                          struct tensor k_rows, struct tensor v_rows, const struct cuda_row *rows)
{
    int64_t d = k_rows.dim[2], n = k_rows.dim[1] * d / W;
    struct kv_side keys = {k_cache.data, (const bf16 *)k_rows.data};
    struct kv_side values = {v_cache.data, (const bf16 *)v_rows.data};
    unsigned block = block_for(n);
    dim3 grid((unsigned)k_rows.dim[0], blocks_for(n, block), 2);
    LAUNCH((kv_store_kernel<W, Kv>), grid, block, s, keys, values, rows, k_rows.row_stride,
           (int32_t)k_rows.dim[1], k_cache.dim[2], (int32_t)d);
    return cudaGetLastError();
}

cudaError_t cuda_launch_kv_store(cudaStream_t s, struct tensor k_cache, struct tensor v_cache,
                                 struct tensor k_rows, struct tensor v_rows,
                                 const struct cuda_row *rows)
{
    if (k_rows.dim[0] == 0) return cudaSuccess;
    bool wide = is_wide(k_cache) && is_wide(v_cache) && is_wide(k_rows) && is_wide(v_rows);
    if (k_cache.dtype == DTYPE_BF16)
        return wide ? launch<WIDE, bf16>(s, k_cache, v_cache, k_rows, v_rows, rows)
                    : launch<1, bf16>(s, k_cache, v_cache, k_rows, v_rows, rows);
    return wide ? launch<WIDE, float>(s, k_cache, v_cache, k_rows, v_rows, rows)
                : launch<1, float>(s, k_cache, v_cache, k_rows, v_rows, rows);
}
