/* cuda_memory.c - device memory, staging of host arrays, and CUDA's errors as sentences. */
#include "harness/kernels/cuda/cuda.h"

#include <string.h>

enum err cuda_check(cudaError_t e, const char *what)
{
    if (e == cudaSuccess) return ERR_NONE;
    cudaGetLastError(); /* told here: the next launch must not find it again */
    return err_set(e == cudaErrorMemoryAllocation ? ERR_NOMEM : ERR_DEVICE, "cuda: %s: %s (%s)",
                   what, cudaGetErrorString(e), cudaGetErrorName(e));
}

enum err cuda_sync(void *state)
{
    struct cuda *c = state;
    TRY(cuda_flush(c));
    TRY(cuda_timer_stop(c));
    return cuda_check(cudaStreamSynchronize(c->stream), "waiting for the device");
}

/* ---- memory of callers ---- */

enum err cuda_memory(void *state, struct kernels_memory *out)
{
    size_t free_bytes = 0, total_bytes = 0;
    (void)state;
    TRY(cuda_check(cudaMemGetInfo(&free_bytes, &total_bytes), "asking for free memory"));
    *out = (struct kernels_memory){(int64_t)free_bytes, (int64_t)total_bytes};
    return ERR_NONE;
}

enum err cuda_alloc(void *state, size_t n, void **out)
{
    struct cuda *c = state;
    *out = NULL;
    TRY(cuda_flush(c));
    cudaError_t e = cudaMalloc(out, n ? n : 1);
    if (e == cudaErrorMemoryAllocation) {
        size_t free_bytes = 0, total_bytes = 0;
        cudaGetLastError();
        if (cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) free_bytes = 0;
        return err_set(ERR_NOMEM, "%s: %.2f GB wanted, %.2f GB are free", c->name, (double)n / 1e9,
                       (double)free_bytes / 1e9);
    }
    TRY(cuda_check(e, "allocating device memory"));
    e = cudaMemsetAsync(*out, 0, n, c->stream);
    if (e == cudaSuccess) return ERR_NONE;
    cudaFree(*out);
    *out = NULL;
    return cuda_check(e, "clearing device memory");
}

void cuda_free(void *state, void *p, size_t n)
{
    struct cuda *c = state;
    (void)n;
    /* Calls that nobody waited for need not be made; graphs may hold the address. */
    cuda_graphs_drop(c);
    cudaFree(p); /* waits for the device; what failed there is told at the next sync */
}

/* Rows of a tensor, in bytes. */
struct rows {
    size_t width, pitch, n;
};

static struct rows rows_of(struct tensor t)
{
    size_t size = (size_t)dtype_bytes(t.dtype);
    if (t.n_dim == 1) return (struct rows){(size_t)t.dim[0] * size, (size_t)t.dim[0] * size, 1};
    return (struct rows){(size_t)(t.dim[1] * t.dim[2] * t.dim[3]) * size,
                         (size_t)t.row_stride * size, (size_t)t.dim[0]};
}

enum err cuda_upload(void *state, struct tensor dst, const void *host)
{
    struct cuda *c = state;
    struct rows r = rows_of(dst);
    TRY(cuda_flush(c));
    TRY(cuda_check(cudaMemcpy2DAsync(dst.data, r.pitch, host, r.width, r.width, r.n,
                                     cudaMemcpyHostToDevice, c->stream),
                   "copying to the device"));
    return cuda_sync(c);
}

enum err cuda_download(void *state, void *host, struct tensor src)
{
    struct cuda *c = state;
    struct rows r = rows_of(src);
    TRY(cuda_flush(c));
    TRY(cuda_check(cudaMemcpy2DAsync(host, r.width, src.data, r.pitch, r.width, r.n,
                                     cudaMemcpyDeviceToHost, c->stream),
                   "copying from the device"));
    return cuda_sync(c);
}

/* ---- the backend's own ---- */

static enum err grow_staged(struct staged *s, size_t n)
{
    if (s->copied == NULL)
        TRY(cuda_check(cudaEventCreateWithFlags(&s->copied, cudaEventDisableTiming),
                       "making an event"));
    /* cudaFree waits until nobody reads the old ones. */
    TRY(cuda_check(cudaFree(s->device), "freeing a staging buffer"));
    s->device = NULL;
    TRY(cuda_check(cudaFreeHost(s->host), "freeing a staging buffer"));
    s->host = NULL;
    s->bytes = s->capacity = 0;
    TRY(cuda_check(cudaMalloc(&s->device, 2 * n), "allocating a staging buffer"));
    TRY(cuda_check(cudaMallocHost(&s->host, 2 * n), "allocating pinned memory"));
    s->capacity = 2 * n;
    return ERR_NONE;
}

static enum err restage(struct cuda *c, struct staged *s, const void *data, size_t n)
{
    if (n > s->capacity) TRY(grow_staged(s, n));
    TRY(cuda_check(cudaEventSynchronize(s->copied), "waiting for a staging buffer"));
    memcpy(s->host, data, n);
    s->bytes = 0; /* until the device has it, too */
    TRY(cuda_check(cudaMemcpyAsync(s->device, s->host, n, cudaMemcpyHostToDevice, c->stream),
                   "copying to the device"));
    TRY(cuda_check(cudaEventRecord(s->copied, c->stream), "recording an event"));
    s->bytes = n;
    return ERR_NONE;
}

enum err cuda_stage(struct cuda *c, enum stage which, const void *data, size_t n,
                    const void **device)
{
    struct staged *s = &c->staged[which];
    /* Every layer of a forward asks for the same positions and spans. */
    if (n != s->bytes || memcmp(s->host, data, n) != 0) {
        if (s->awaited) TRY(cuda_flush(c));
        TRY(restage(c, s, data, n));
    }
    s->awaited = c->mode.graph;
    *device = s->device;
    return ERR_NONE;
}

enum err cuda_scratch(struct cuda *c, enum scratch which, size_t n, void **out)
{
    struct buffer *b = &c->scratch[which];
    if (n > b->bytes) {
        TRY(cuda_flush(c));
        TRY(cuda_check(cudaFree(b->data), "freeing scratch memory"));
        *b = (struct buffer){0};
        TRY(cuda_check(cudaMalloc(&b->data, 2 * n), "allocating scratch memory"));
        b->bytes = 2 * n;
    }
    *out = b->data;
    return ERR_NONE;
}

enum err cuda_pinned(struct cuda *c, size_t n, void **out)
{
    struct buffer *b = &c->pinned;
    if (n > b->bytes) {
        TRY(cuda_check(cudaFreeHost(b->data), "freeing pinned memory"));
        *b = (struct buffer){0};
        TRY(cuda_check(cudaMallocHost(&b->data, 2 * n), "allocating pinned memory"));
        b->bytes = 2 * n;
    }
    *out = b->data;
    return ERR_NONE;
}

void cuda_memory_close(struct cuda *c)
{
    for (int i = 0; i < STAGE_COUNT; i++) {
        if (c->staged[i].copied) cudaEventDestroy(c->staged[i].copied);
        cudaFree(c->staged[i].device);
        cudaFreeHost(c->staged[i].host);
    }
    for (int i = 0; i < SCRATCH_COUNT; i++) cudaFree(c->scratch[i].data);
    cudaFreeHost(c->pinned.data);
}
