/* cuda_backend.c - opening an NVIDIA GPU, and the table of its operations. */
#include "harness/kernels/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of x a matmul of cuBLAS executes at once, as far as anybody knows, and how often tiles read
 * operands again: those of the tensor instruction, and of 8 x 8 tiles of 128 that share the L2. */
enum { BLOCK_ROWS = 8 * 128, BLOCK_COLS = 8 * 128, ROW_TILE_MMA = 16, ROW_TILE_WGMMA = 64 };

static void cuda_close(void *state)
{
    struct cuda *c = state;
    if (c == NULL) return;
    if (c->stream) { /* made before anything else of the device's */
        cudaStreamSynchronize(c->stream);
        cuda_graphs_drop(c);
        blas_close(&c->blas);
        cuda_timer_close(c);
        cuda_memory_close(c);
        cudaStreamDestroy(c->stream);
    }
    free(c->rows);
    free(c->tiles);
    free(c->pending);
    free(c);
}

enum err cuda_choose(int32_t device, struct cudaDeviceProp *out)
{
    int32_t n_devices;
    TRY(cuda_driver_check(&n_devices));
    if (device < 0 || device >= n_devices)
        return err_set(ERR_USAGE, "no GPU %d: there %s %d, numbered from 0", device,
                       n_devices == 1 ? "is" : "are", n_devices);
    TRY(cuda_check(cudaSetDevice(device), "choosing the GPU"));
    return cuda_check(cudaGetDeviceProperties(out, device), "asking for the GPU's properties");
}

static enum err open_device(struct cuda *c, int32_t device, struct backend_info *info)
{
    struct cudaDeviceProp p;
    TRY(cuda_choose(device, &p));
    snprintf(c->name, sizeof c->name, "%s", p.name);
    c->n_sms = p.multiProcessorCount;
    int driver = 0, runtime = 0;
    TRY(cuda_check(cudaDriverGetVersion(&driver), "asking for the driver's version"));
    TRY(cuda_check(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version"));
    snprintf(
        c->description, sizeof c->description,
        "%s, compute capability %d.%d, %d multiprocessors, driver for CUDA %d.%d, runtime %d.%d",
        c->name, p.major, p.minor, c->n_sms, driver / 1000, driver % 1000 / 10, runtime / 1000,
        runtime % 1000 / 10);
    cudaError_t e = cuda_kernels_prepare();
    if (e != cudaSuccess)
        return err_set(ERR_UNSUPPORTED,
                       "%s has compute capability %d.%d, for which this build has no kernels: %s",
                       c->name, p.major, p.minor, cudaGetErrorString(e));
    TRY(cuda_check(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking),
                   "making a stream"));
    *info = (struct backend_info){
        .variant = c->name,
        .description = c->description,
        .activation_dtype = DTYPE_BF16,
        .traffic = {.llc_bytes = p.l2CacheSize,
                    .row_tile = p.major == 9 ? ROW_TILE_WGMMA : ROW_TILE_MMA,
                    .block_rows = BLOCK_ROWS,
                    .block_cols = BLOCK_COLS},
    };
    return ERR_NONE;
}

/* Its choice of kernels goes by its version. */
static enum err describe_blas(struct cuda *c)
{
    int v = 0;
    size_t at = strlen(c->description);
    TRY(blas_version(&c->blas, &v));
    snprintf(c->description + at, sizeof c->description - at, ", cuBLAS %d.%d.%d", v / 10000,
             v / 100 % 100, v % 100);
    return ERR_NONE;
}

static enum err cuda_open(const struct kernels_config *config, void **state,
                          struct backend_info *info)
{
    enum err e = ERR_NONE;
    struct cuda *c = calloc(1, sizeof *c);
    if (c == NULL) return err_set(ERR_NOMEM, "no memory for the cuda backend");
    TRY_OUT(open_device(c, config->device, info));
    TRY_OUT(blas_open(&c->blas, c->stream));
    TRY_OUT(describe_blas(c));
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
    .timer_begin = cuda_timer_begin,
    .timer_end = cuda_timer_end,
    .memory = cuda_memory,
    .extra = cuda_extra,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .upload = cuda_upload,
    .download = cuda_download,
    .packed_bytes = cuda_packed_bytes,
    .load_weight = cuda_load_weight,
    .matmul_tile = cuda_matmul_tile,
    .attention_tile = cuda_attention_tile_of,
    .embed = cuda_embed,
    .rmsnorm = cuda_rmsnorm,
    .matmul = cuda_matmul,
    .rope = cuda_rope,
    .kv_store = cuda_kv_store,
    .attention = cuda_attention,
    .swiglu = cuda_swiglu,
    .add = cuda_add,
    .gather = cuda_gather,
    .guide = cuda_guide,
    .rowstat = cuda_rowstat,
};
