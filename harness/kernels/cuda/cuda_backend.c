/* cuda_backend.c - opening an NVIDIA GPU, and the table of its operations. */
#include "harness/kernels/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>

/* NVIDIA's recommendation for Hopper; more than older cards need. */
enum { WORKSPACE_BYTES = 32 << 20 };

/* Rows of x a matmul of unknown tiling executes at once, and how often tiles read operands
 * again: those of the tensor instruction, and of 8 x 8 tiles of 128 that share the L2. */
enum { BLOCK_ROWS = 8 * 128, BLOCK_COLS = 8 * 128, ROW_TILE_MMA = 16, ROW_TILE_WGMMA = 64 };

static void cuda_close(void *state)
{
    struct cuda *c = state;
    if (c == NULL) return;
    if (c->stream) { /* made before anything else of the device's */
        cudaStreamSynchronize(c->stream);
        cuda_graphs_drop(c);
        if (c->handle) c->cublas.destroy(c->handle);
        cublas_close(&c->cublas);
        cuda_memory_close(c);
        cudaStreamDestroy(c->stream);
    }
    free(c->rows);
    free(c->tiles);
    free(c->pending);
    free(c);
}

static enum err check_status(const struct cuda *c, cublasStatus_t s, const char *what)
{
    if (s == CUBLAS_STATUS_SUCCESS) return ERR_NONE;
    return err_set(ERR_DEVICE, "cuda: %s: %s", what, c->cublas.status_string(s));
}

static enum err open_cublas(struct cuda *c)
{
    TRY(cublas_open(&c->cublas));
    TRY(check_status(c, c->cublas.create(&c->handle), "cublasCreate"));
    TRY(cuda_check(cudaMalloc(&c->workspace.data, WORKSPACE_BYTES), "workspace of cuBLAS"));
    c->workspace.bytes = WORKSPACE_BYTES;
    /* In this order: a new stream brings back cuBLAS's own workspace, which would be allocated
     * inside timed regions. */
    TRY(check_status(c, c->cublas.set_stream(c->handle, c->stream), "cublasSetStream"));
    TRY(check_status(c, c->cublas.set_workspace(c->handle, c->workspace.data, c->workspace.bytes),
                     "cublasSetWorkspace"));
    /* Partial sums of a split k stay in f32, f32 factors are not cut to tf32. */
    return check_status(
        c, c->cublas.set_math_mode(c->handle, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
        "cublasSetMathMode");
}

static enum err open_device(struct cuda *c, int32_t device, struct backend_info *info)
{
    int32_t n_devices;
    struct cudaDeviceProp p;
    TRY(cuda_driver_check(&n_devices));
    if (device < 0 || device >= n_devices)
        return err_set(ERR_USAGE, "no GPU %d: there %s %d, numbered from 0", device,
                       n_devices == 1 ? "is" : "are", n_devices);
    TRY(cuda_check(cudaSetDevice(device), "choosing the GPU"));
    TRY(cuda_check(cudaGetDeviceProperties(&p, device), "asking for the GPU's properties"));
    snprintf(c->name, sizeof c->name, "%s", p.name);
    c->n_sms = p.multiProcessorCount;
    cudaError_t e = cuda_kernels_prepare();
    if (e != cudaSuccess)
        return err_set(ERR_UNSUPPORTED,
                       "%s has compute capability %d.%d, for which this build has no kernels: %s",
                       c->name, p.major, p.minor, cudaGetErrorString(e));
    TRY(cuda_check(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking),
                   "making a stream"));
    *info = (struct backend_info){
        .n_threads = 1,
        .variant = c->name,
        .activation_dtype = DTYPE_BF16,
        .traffic = {.llc_bytes = p.l2CacheSize,
                    .row_tile = p.major == 9 ? ROW_TILE_WGMMA : ROW_TILE_MMA,
                    .block_rows = BLOCK_ROWS,
                    .block_cols = BLOCK_COLS},
    };
    return ERR_NONE;
}

static enum err cuda_open(const struct kernels_config *config, void **state,
                          struct backend_info *info)
{
    enum err e = ERR_NONE;
    struct cuda *c = calloc(1, sizeof *c);
    if (c == NULL) return err_set(ERR_NOMEM, "no memory for the cuda backend");
    TRY_OUT(open_device(c, config->device, info));
    TRY_OUT(open_cublas(c));
    *state = c;
    return ERR_NONE;
out:
    cuda_close(c);
    return e;
}

static enum err cuda_set_mode(void *state, const struct kernels_mode *mode)
{
    struct cuda *c = state;
    TRY(cuda_flush(c));
    c->mode = *mode;
    return ERR_NONE;
}

static struct kernels_graphs cuda_graphs(const void *state)
{
    return ((const struct cuda *)state)->graph_count;
}

const struct backend_ops backend_cuda = {
    .name = "cuda",
    .disabled = NULL,
    .available = cuda_available,
    .computes = true,
    .open = cuda_open,
    .close = cuda_close,
    .sync = cuda_sync,
    .set_mode = cuda_set_mode,
    .graphs = cuda_graphs,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .upload = cuda_upload,
    .download = cuda_download,
    .packed_bytes = cuda_packed_bytes,
    .load_weight = cuda_load_weight,
    .embed = cuda_embed,
    .rmsnorm = cuda_rmsnorm,
    .matmul = cuda_matmul,
    .rope = cuda_rope,
    .kv_store = cuda_kv_store,
    .attention = cuda_attention,
    .swiglu = cuda_swiglu,
    .add = cuda_add,
    .gather = cuda_gather,
    .rowstat = cuda_rowstat,
};
