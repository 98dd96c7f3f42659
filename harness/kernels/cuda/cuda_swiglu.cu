/* cuda_swiglu.cu - out[n,F] = silu(gate) * up, gate_up[n,2F] = [gate | up]. */
#include "harness/kernels/cuda/cuda_device.h"

template <int W>
static __global__ void swiglu_kernel(bf16 *out, int64_t out_stride, const bf16 *gate_up,
                                     int64_t in_stride, int64_t n_cols)
{
    int64_t row = blockIdx.x, col = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * W;
    if (col >= n_cols) return;
    const bf16 *in = gate_up + row * in_stride + col;
    float gate[W], up[W];
    load(gate, in);
    load(up, in + n_cols);
    /* Where e^-gate is infinite the quotient is 0, as it should be. */
#pragma unroll
    for (int i = 0; i < W; i++) gate[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
    store(out + row * out_stride + col, gate);
}

template <int W> static cudaError_t launch(cudaStream_t s, struct tensor out, struct tensor gate_up)
{
    int64_t n_cols = out.dim[1];
    unsigned block = block_for(n_cols / W);
    dim3 grid((unsigned)out.dim[0], blocks_for(n_cols / W, block));
    LAUNCH((swiglu_kernel<W>), grid, block, s, (bf16 *)out.data, out.row_stride,
           (const bf16 *)gate_up.data, gate_up.row_stride, n_cols);
    return cudaGetLastError();
}

cudaError_t cuda_launch_swiglu(cudaStream_t s, struct tensor out, struct tensor gate_up)
{
    if (out.dim[0] == 0) return cudaSuccess;
    bool wide = is_wide(out) && is_wide(gate_up);
    return wide ? launch<WIDE>(s, out, gate_up) : launch<1>(s, out, gate_up);
}
