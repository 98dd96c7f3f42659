/* cuda.h - inside the CUDA backend: its state and the parts of its host code.
 *
 * Everything is queued on one stream of its own; the host waits only in sync, upload,
 * download, load_weight and rowstat, and where a staging buffer is still being read.
 *
 * With graphs on, calls are kept until the host has to wait, which it does once per forward,
 * and are then launched together as one CUDA graph.  A graph is found by the calls themselves:
 * the same launches with the same operands at the same addresses.  What may differ from one
 * forward to the next (ids, positions, what each row sees) lies in staged arrays, which are
 * copied to the device before the graph is launched.  So a graph cannot be stale: with any
 * other shape, split or address the calls differ, and another graph is made. */
#ifndef CUDA_CUDA_H
#define CUDA_CUDA_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "harness/kernels/backend.h"
#include "harness/kernels/cuda/launch.h"

/* The library that multiplies, opened at run time. */
struct cublas {
    void *library; /* dlopen's */
    __typeof__(&cublasCreate_v2) create;
    __typeof__(&cublasDestroy_v2) destroy;
    __typeof__(&cublasSetStream_v2) set_stream;
    __typeof__(&cublasSetWorkspace_v2) set_workspace;
    __typeof__(&cublasSetMathMode) set_math_mode;
    __typeof__(&cublasGemmEx) gemm;
    __typeof__(&cublasGetVersion_v2) version;
    __typeof__(&cublasGetStatusString) status_string;
};

/* The library at work on a stream: sums in f32, a workspace of its own. */
struct blas {
    struct cublas lib;
    cublasHandle_t handle;
    void *workspace; /* owned; device memory */
};

/* Host arrays that kernels read: copied to the device when they change. */
enum stage {
    STAGE_IDS,   /* embed                               */
    STAGE_INDEX, /* gather                              */
    STAGE_POS,   /* rope                                */
    STAGE_ROWS,  /* kv_store and attention: cuda_row    */
    STAGE_TILES, /* attention: cuda_tile                */
    STAGE_KEYS,  /* rowstat                             */
    STAGE_COUNT
};

struct staged {
    void *host; /* pinned: what the device holds, or will when `copied` has happened */
    void *device;
    size_t bytes, capacity;
    cudaEvent_t copied;
    bool awaited; /* a call that is not launched yet will read it */
};

/* Device buffers that operations need beside their operands.  They grow to twice what is asked
 * when an operation meets its largest shape, which a warm-up forward does outside any timing. */
enum scratch {
    SCRATCH_X,      /* matmul with f32 weights: x widened            */
    SCRATCH_Y,      /* matmul with f32 weights: y before it is bf16  */
    SCRATCH_PARTS,  /* attention, where blocks share keys            */
    SCRATCH_SLICES, /* rowstat                                       */
    SCRATCH_STATS,  /* rowstat                                       */
    SCRATCH_FLOOR,  /* rowstat with top-p                            */
    SCRATCH_ROPE,   /* cosines and sines, kept between calls         */
    SCRATCH_COUNT
};

struct buffer {
    void *data;
    size_t bytes;
};

enum call_kind {
    CALL_COPY,
    CALL_RMSNORM,
    CALL_ROPE,
    CALL_KV_STORE,
    CALL_ATTENTION,
    CALL_ATTENTION_FUSED,
    CALL_SWIGLU,
    CALL_ADD,
    CALL_GUIDE,
    CALL_GEMM,   /* cuBLAS's          */
    CALL_MATMUL, /* a kernel of our own */
    CALL_NUCLEUS,
    CALL_ROWSTAT
};

enum { CALL_MAX_TENSORS = 5, CALL_MAX_ARRAYS = 4 };

/* One launch with all that decides what it does, by value: made again it does the same again to
 * whatever its device memory then holds.  Calls are compared as bytes, so there is no padding. */
struct cuda_call {
    enum call_kind kind;
    float number;                       /* rmsnorm: eps; gemm: beta; guide: scale         */
    float temperature, top_p;           /* nucleus, rowstat: a choice_rule                */
    int32_t n_ids, mask_id;             /* ...                                            */
    uint64_t seed;                      /* ...                                            */
    struct tensor t[CALL_MAX_TENSORS];  /* in the order of the launcher                   */
    const void *array[CALL_MAX_ARRAYS]; /* device memory that is no tensor                */
    struct cuda_attention_plan plan;    /* attention                                      */
};
_Static_assert(sizeof(struct tensor) == 64 && sizeof(struct cuda_attention_plan) == 24 &&
                   sizeof(struct cuda_call) ==
                       32 + 64 * CALL_MAX_TENSORS + 8 * CALL_MAX_ARRAYS + 24,
               "calls are compared as bytes");

/* Calls of one forward that were captured as a graph. */
struct cuda_graph {
    struct cuda_graph *next;
    struct cuda_call *call; /* owned */
    int64_t n;
    uint64_t hash;
    cudaGraphExec_t exec;
};

struct cuda {
    char name[256]; /* the card's */
    char description[440];
    int32_t n_sms; /* its multiprocessors */
    cudaStream_t stream;
    struct kernels_mode mode;
    struct cuda_call *pending; /* owned: not launched yet, in order; mode.graph only */
    int64_t n_pending, pending_room;
    uint64_t pending_hash;
    struct cuda_graph *graphs; /* owned list, the last used first */
    struct kernels_graphs graph_count;
    struct {
        bool runs, stopped; /* begun; the stream has passed the second event since */
        cudaEvent_t begin, end;
    } timer;
    struct blas blas;
    struct staged staged[STAGE_COUNT];
    struct buffer scratch[SCRATCH_COUNT];
    struct buffer pinned;  /* host memory that rowstat's results land in   */
    struct cuda_row *rows; /* host: spans as rows, before they are staged  */
    int64_t n_rows_room;
    struct cuda_tile *tiles; /* host: the same of attention's tiles */
    int64_t n_tiles_room;
    struct rope rope;    /* what the table in SCRATCH_ROPE is for */
    int64_t rope_half;   /* ... pairs per head                    */
    int64_t rope_length; /* ... positions it holds                */
};

/* ---- cuda_library.c ---- */

/* Whether there is a driver, a device and cuBLAS: else ERR_UNSUPPORTED and which is missing.
 * Starts the driver, so it is asked only when somebody wants to know. */
enum err cuda_available(void) MUST_CHECK;
enum err cuda_driver_check(int32_t *n_devices) MUST_CHECK;
enum err cublas_open(struct cublas *out) MUST_CHECK;
void cublas_close(struct cublas *c);

/* ---- cuda_backend.c ---- */
/* Make it the thread's GPU; ERR_USAGE when there is none of that number. */
enum err cuda_choose(int32_t device, struct cudaDeviceProp *out) MUST_CHECK;

/* ---- cuda_blas.c ---- */
enum err blas_open(struct blas *b, cudaStream_t s) MUST_CHECK;
/* As MAJOR * 10000 + MINOR * 100 + PATCH. */
enum err blas_version(const struct blas *b, int *out) MUST_CHECK;
void blas_close(struct blas *b); /* opened half way, too */
/* Row-major y[n,m] = x[n,k] . w[m,k]^T + beta y; factors of one type. */
struct blas_gemm {
    int n, m, k;
    cudaDataType_t factor, result;
    cublasComputeType_t compute;
    const void *x, *w;
    void *y;
    int64_t x_stride, y_stride;
    float beta;
};
enum err blas_gemm(struct blas *b, const struct blas_gemm *g) MUST_CHECK;

/* ---- cuda_call.c ---- */

/* Launch on the stream; nothing of the call but its operands' memory is read later. */
enum err cuda_launch(struct cuda *c, const struct cuda_call *call) MUST_CHECK;

/* ---- cuda_graph.c ---- */

/* Launch the call: at once, or with graphs when something has to be waited for. */
enum err cuda_do(struct cuda *c, const struct cuda_call *call) MUST_CHECK;
/* Launch what is pending: as the graph of exactly these calls, which is made if there is none.
 * Everything that is not a cuda_do comes after it. */
enum err cuda_flush(struct cuda *c) MUST_CHECK;
/* Forget pending calls and all graphs. */
void cuda_graphs_drop(struct cuda *c);

/* ---- cuda_timer.c ---- */
enum err cuda_timer_begin(void *state) MUST_CHECK;
enum err cuda_timer_end(void *state, int64_t *device_ns) MUST_CHECK;
/* Before the host waits for what it has queued. */
enum err cuda_timer_stop(struct cuda *c) MUST_CHECK;
void cuda_timer_close(struct cuda *c);

/* ---- cuda_memory.c ---- */

/* ERR_DEVICE (memory: ERR_NOMEM) with `what` and CUDA's own words. */
enum err cuda_check(cudaError_t e, const char *what) MUST_CHECK;

/* The device's copy of n bytes; data may be reused at once. */
enum err cuda_stage(struct cuda *c, enum stage which, const void *data, size_t n,
                    const void **device) MUST_CHECK;
/* At least n bytes, contents undefined. */
enum err cuda_scratch(struct cuda *c, enum scratch which, size_t n, void **out) MUST_CHECK;
enum err cuda_pinned(struct cuda *c, size_t n, void **out) MUST_CHECK;
void cuda_memory_close(struct cuda *c);

enum err cuda_sync(void *state) MUST_CHECK;
enum err cuda_memory(void *state, struct kernels_memory *out) MUST_CHECK;
enum err cuda_alloc(void *state, size_t n, void **out) MUST_CHECK;
void cuda_free(void *state, void *p, size_t n);
enum err cuda_upload(void *state, struct tensor dst, const void *host) MUST_CHECK;
enum err cuda_download(void *state, void *host, struct tensor src) MUST_CHECK;

/* ---- cuda_extra.c ---- */
enum { CUDA_ROPE_POSITIONS = 4096 }; /* that the table is made for at least */
struct kernels_extra cuda_extra(const void *state, const struct kernels_mode *mode,
                                const struct kernels_extent *x);

/* ---- cuda_load.c ---- */
size_t cuda_packed_bytes(const void *state, int64_t rows, int64_t cols, enum dtype dtype);
enum err cuda_load_weight(void *state, struct tensor w, weight_row_fn *row, void *ctx) MUST_CHECK;

/* ---- cuda_matmul.c ---- */
/* y = x . w^T + beta y, one cuBLAS call. */
enum err cuda_gemm(struct cuda *c, struct tensor y, struct tensor x, struct tensor w,
                   float beta) MUST_CHECK;
bool cuda_matmul_tile(const void *state, struct tensor y, struct tensor x, struct tensor w,
                      struct matmul_tile *out);
enum err cuda_matmul(void *state, struct tensor y, struct tensor x, struct tensor w,
                     struct tensor bias) MUST_CHECK;

/* ---- cuda_ops.c ---- */
enum err cuda_embed(void *state, struct tensor out, struct tensor table,
                    const int32_t *ids) MUST_CHECK;
enum err cuda_gather(void *state, struct tensor out, struct tensor x,
                     const int32_t *index) MUST_CHECK;
enum err cuda_rmsnorm(void *state, struct tensor out, struct tensor x, struct tensor gain,
                      float eps) MUST_CHECK;
enum err cuda_rope(void *state, struct tensor x, const int32_t *pos,
                   const struct rope *r) MUST_CHECK;
enum err cuda_kv_store(void *state, struct tensor k_cache, struct tensor v_cache,
                       struct tensor k_rows, struct tensor v_rows, const struct span *spans,
                       int32_t n_spans) MUST_CHECK;
bool cuda_attention_tile_of(const void *state, struct tensor out, struct tensor q,
                            struct tensor k_cache, struct tensor v_cache, const struct span *spans,
                            int32_t n_spans, struct attention_tile *tile);
enum err cuda_attention(void *state, struct tensor out, struct tensor q, struct tensor k_cache,
                        struct tensor v_cache, const struct span *spans,
                        int32_t n_spans) MUST_CHECK;
enum err cuda_swiglu(void *state, struct tensor out, struct tensor gate_up) MUST_CHECK;
enum err cuda_guide(void *state, struct tensor z, struct tensor u, float scale) MUST_CHECK;
enum err cuda_add(void *state, struct tensor x, struct tensor y) MUST_CHECK;
enum err cuda_rowstat(void *state, struct row_stat *stats, struct tensor logits,
                      const struct row_key *keys, const struct choice_rule *rule) MUST_CHECK;

#endif
