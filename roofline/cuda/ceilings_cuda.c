/* ceilings_cuda.c - which roofs of a GPU are measured, in which order, and how each is described.
 */
#include "roofline/cuda/ceilings_cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/kernels/cuda/cuda.h"
#include "roofline/ceilings_sample.h"
#include "roofline/cuda/ceilings_cuda_loops.h"

enum {
    N_SAMPLES = 20,         /* rank limits of the median from 20: the 6th and the 15th         */
    LEAST_SAMPLES = 6,      /* below this there are none                                       */
    BUDGET_NS = 60000000,   /* of a row: no more samples than LEAST_SAMPLES after this         */
    SAMPLE_NS = 1000000,    /* a sample takes at least this long: 500 times an event's unit ... */
    MOST_REPEATS = 1 << 12, /* ... or has so many repeats                                      */
    BLOCKS_PER_SM = 8,      /* of 256 threads: all that fit                                    */
    CACHES = 16,            /* data for DRAM is so many L2 caches: a sixteenth may be cached   */
    LEAST_GEMM = 128,
    MOST_GEMM = 8192,
    N_LAUNCHES = 200,
    GRAPH_NODES = 100
};

struct ceilings_cuda {
    cudaStream_t stream;
    cudaEvent_t begin, end;
    struct blas blas;
    char *buffer; /* owned; device memory, kept so that no cell counts on it */
    int64_t buffer_bytes, l2_bytes;
    uint32_t *sink; /* owned; device memory */
    int32_t n_blocks;
    char name[64];
};

struct measuring {
    struct ceilings_cuda *c;
    struct ceiling_set *set;
    int32_t n_samples;
    ceilings_progress_fn *progress;
    void *progress_ctx;
    int32_t done, total;
};

static void announce(struct measuring *m, const char *what)
{
    if (m->progress) m->progress(m->progress_ctx, m->done, m->total, what);
    m->done++;
}

/* ---- samples ---- */

/* What one sample queues. */
typedef enum err queue_fn(struct ceilings_cuda *c, const void *job, int32_t repeats);

static enum err sample(struct ceilings_cuda *c, queue_fn *queue, const void *job, int32_t repeats,
                       double *ns)
{
    float ms = 0;
    TRY(cuda_check(cudaEventRecord(c->begin, c->stream), "recording an event"));
    TRY(queue(c, job, repeats));
    TRY(cuda_check(cudaEventRecord(c->end, c->stream), "recording an event"));
    TRY(cuda_check(cudaStreamSynchronize(c->stream), "waiting for the device"));
    TRY(cuda_check(cudaEventElapsedTime(&ms, c->begin, c->end), "reading events"));
    *ns = (double)ms * 1e6;
    return ERR_NONE;
}

/* Repeats for SAMPLE_NS; the trials are the warm-up. */
static enum err calibrate(struct ceilings_cuda *c, queue_fn *queue, const void *job,
                          int32_t *repeats)
{
    double ns = 0;
    for (*repeats = 1;; *repeats *= 2) {
        TRY(sample(c, queue, job, *repeats, &ns));
        if (ns >= SAMPLE_NS || *repeats >= MOST_REPEATS) return ERR_NONE;
    }
}

static enum err take(struct measuring *m, queue_fn *queue, const void *job, int32_t repeats,
                     struct samples *out)
{
    int64_t begin = clock_ns();
    *out = (struct samples){.others.other_cpus = -1};
    while (out->n < m->n_samples && (out->n < LEAST_SAMPLES || clock_ns() - begin < BUDGET_NS)) {
        TRY(sample(m->c, queue, job, repeats, &out->ns[out->n]));
        out->n++;
    }
    return ERR_NONE;
}

static struct ceiling *add_row(struct measuring *m, const char *kind, const char *name,
                               const struct samples *s)
{
    CHECK(m->set->n < CEILINGS_MAX);
    struct ceiling *row = &m->set->row[m->set->n++];
    *row = (struct ceiling){.kind = kind, .name = name, .n = s->n, .other_cpus = -1};
    return row;
}

/* ---- bandwidth ---- */

static enum err queue_read(struct ceilings_cuda *c, const void *job, int32_t repeats)
{
    const int64_t *unit = job;
    return cuda_check(gpu_loop_read(c->stream, c->buffer, c->n_blocks, *unit, repeats, c->sink),
                      "read loop");
}

static enum err queue_copy(struct ceilings_cuda *c, const void *job, int32_t repeats)
{
    const int64_t *unit = job;
    for (int32_t i = 0; i < repeats; i++)
        TRY(cuda_check(gpu_loop_copy(c->stream, c->buffer + c->n_blocks * *unit, c->buffer,
                                     c->n_blocks, *unit),
                       "copy loop"));
    return ERR_NONE;
}

/* Bytes of a block's part, whole 16s, of about that much in all. */
static int64_t unit_of(const struct ceilings_cuda *c, int64_t bytes)
{
    int64_t unit = bytes / c->n_blocks / 16 * 16;
    return unit > 16 ? unit : 16;
}

static enum err measure_read(struct measuring *m, const char *level, int64_t bytes)
{
    struct samples s;
    int32_t repeats;
    int64_t unit = unit_of(m->c, bytes);
    TRY(calibrate(m->c, queue_read, &unit, &repeats));
    TRY(take(m, queue_read, &unit, repeats, &s));
    struct ceiling *row = add_row(m, "bandwidth", "read", &s);
    row->level = level;
    row->working_set_bytes = unit * m->c->n_blocks;
    samples_rate(&s, (double)row->working_set_bytes * repeats, &row->value, &row->ci_lo,
                 &row->ci_hi);
    snprintf(row->method, sizeof row->method,
             "16-byte loads past L1, %d blocks of 256 threads, 4 loads ahead, %d passes",
             m->c->n_blocks, repeats);
    if (strcmp(level, "dram") == 0 && row->working_set_bytes < 4 * m->c->l2_bytes)
        ceiling_add_flag(row, "small-buffer");
    return ERR_NONE;
}

static enum err measure_copy(struct measuring *m)
{
    struct samples s;
    int32_t repeats;
    int64_t unit = unit_of(m->c, m->c->buffer_bytes / 2);
    TRY(calibrate(m->c, queue_copy, &unit, &repeats));
    TRY(take(m, queue_copy, &unit, repeats, &s));
    struct ceiling *row = add_row(m, "bandwidth", "copy", &s);
    row->level = "dram";
    row->working_set_bytes = 2 * unit * m->c->n_blocks;
    samples_rate(&s, (double)row->working_set_bytes * repeats, &row->value, &row->ci_lo,
                 &row->ci_hi);
    snprintf(row->method, sizeof row->method, "16-byte loads and stores, bytes read and written");
    return ERR_NONE;
}

static enum err measure_bandwidth(struct measuring *m, bool full)
{
    int64_t l2 = m->c->l2_bytes, dram = CACHES * l2;
    announce(m, "read bandwidth");
    for (int64_t size = l2 / 64; full && size < l2 / 4; size *= 2)
        TRY(measure_read(m, "curve", size));
    TRY(measure_read(m, "curve", l2 / 4));
    TRY(measure_read(m, "l2", l2 / 2));
    for (int64_t size = l2; size < dram && size < m->c->buffer_bytes; size *= 2) {
        if (full) TRY(measure_read(m, "curve", size / 4 * 3));
        TRY(measure_read(m, "curve", size));
    }
    TRY(measure_read(m, "dram", m->c->buffer_bytes));
    return measure_copy(m);
}

/* ---- compute ---- */

struct peak {
    const char *name, *dtype, *what;
    cudaDataType_t factor, result;
    cublasComputeType_t compute;
    uint32_t base, mask; /* gpu_loop_fill */
};

static const struct peak peaks[] = {
    {"matmul_bf16", "bf16", "bf16 factors and result", CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F,
     0x3f803f80, 0x807f807f},
    {"matmul_f32", "f32", "f32 factors and result, no tf32", CUDA_R_32F, CUDA_R_32F,
     CUBLAS_COMPUTE_32F, 0x3f800000, 0x807fffff},
    {"matmul_f16", "f16", "f16 factors, f32 result", CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F,
     0x3c003c00, 0x83ff83ff},
    {"matmul_tf32", "tf32", "f32 factors cut to tf32", CUDA_R_32F, CUDA_R_32F,
     CUBLAS_COMPUTE_32F_FAST_TF32, 0x3f800000, 0x807fffff},
};
enum { N_PEAKS = sizeof peaks / sizeof peaks[0], QUICK_PEAKS = 2 };

static int64_t size_of(cudaDataType_t t)
{
    return t == CUDA_R_32F ? 4 : 2;
}

/* Matrices one after the other in the buffer. */
static struct blas_gemm place(const struct ceilings_cuda *c, const struct peak *p, int n, int m,
                              int k)
{
    char *x = c->buffer, *w = x + n * (int64_t)k * size_of(p->factor);
    char *y = w + m * (int64_t)k * size_of(p->factor);
    return (struct blas_gemm){.n = n,
                              .m = m,
                              .k = k,
                              .factor = p->factor,
                              .result = p->result,
                              .compute = p->compute,
                              .x = x,
                              .w = w,
                              .y = y,
                              .x_stride = k,
                              .y_stride = m};
}

static bool fits(const struct ceilings_cuda *c, const struct blas_gemm *g)
{
    const char *end = (const char *)g->y + (int64_t)g->n * g->m * size_of(g->result);
    return end <= c->buffer + c->buffer_bytes;
}

static enum err queue_gemm(struct ceilings_cuda *c, const void *job, int32_t repeats)
{
    for (int32_t i = 0; i < repeats; i++) TRY(blas_gemm(&c->blas, job));
    return ERR_NONE;
}

/* Random numbers, because a GPU's clock depends on how many bits change. */
static enum err fill(struct ceilings_cuda *c, const struct peak *p)
{
    return cuda_check(gpu_loop_fill(c->stream, (uint32_t *)(void *)c->buffer, c->buffer_bytes / 4,
                                    p->base, p->mask),
                      "filling matrices");
}

/* Square, doubled until one takes twice a sample's time. */
static enum err measure_peak(struct measuring *m, const struct peak *p)
{
    struct samples s;
    struct blas_gemm g;
    int32_t repeats;
    int n = LEAST_GEMM;
    double ns = 0;
    TRY(fill(m->c, p));
    for (;; n *= 2) {
        struct blas_gemm next = place(m->c, p, 2 * n, 2 * n, 2 * n);
        g = place(m->c, p, n, n, n);
        if (!fits(m->c, &g))
            return err_set(ERR_NOMEM, "roofs: no device memory for matrices of %d x %d", n, n);
        TRY(sample(m->c, queue_gemm, &g, 1, &ns)); /* loads the library's kernel */
        TRY(sample(m->c, queue_gemm, &g, 1, &ns));
        if (ns >= 2 * SAMPLE_NS || n >= MOST_GEMM || !fits(m->c, &next)) break;
    }
    TRY(calibrate(m->c, queue_gemm, &g, &repeats));
    TRY(take(m, queue_gemm, &g, repeats, &s));
    struct ceiling *row = add_row(m, "compute", p->name, &s);
    row->dtype = p->dtype;
    samples_rate(&s, 2.0 * n * n * n * repeats, &row->value, &row->ci_lo, &row->ci_hi);
    snprintf(row->method, sizeof row->method,
             "cuBLAS, %d x %d x %d, %s, sums in f32, random numbers", n, n, n, p->what);
    return ERR_NONE;
}

/* ---- overhead ---- */

/* Empty kernels until the host knows that they are done. */
static enum err launches(struct ceilings_cuda *c, int32_t n, cudaGraphExec_t graph)
{
    for (int32_t i = 0; i < n; i++)
        TRY(cuda_check(graph ? cudaGraphLaunch(graph, c->stream) : gpu_loop_nothing(c->stream),
                       "launching nothing"));
    return cuda_check(cudaStreamSynchronize(c->stream), "waiting for the device");
}

/* n launches of `parts` kernels each, on the host's clock. */
static enum err measure_launch(struct measuring *m, const char *name, int32_t n, int32_t parts,
                               cudaGraphExec_t graph, const char *method)
{
    struct samples s = {.n = 0};
    int64_t first = clock_ns();
    TRY(launches(m->c, n, graph));
    while (s.n < m->n_samples && (s.n < LEAST_SAMPLES || clock_ns() - first < BUDGET_NS)) {
        int64_t begin = clock_ns();
        TRY(launches(m->c, n, graph));
        s.ns[s.n++] = (double)(clock_ns() - begin);
    }
    struct ceiling *row = add_row(m, "overhead", name, &s);
    samples_cost(&s, (double)n * parts, &row->value, &row->ci_lo, &row->ci_hi);
    snprintf(row->method, sizeof row->method, "%s", method);
    return ERR_NONE;
}

static enum err graph_of_nothing(struct ceilings_cuda *c, cudaGraphExec_t *exec)
{
    cudaGraph_t graph = NULL;
    enum err queued = ERR_NONE;
    TRY(cuda_check(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal),
                   "capturing a graph"));
    for (int i = 0; i < GRAPH_NODES && queued == ERR_NONE; i++)
        queued = cuda_check(gpu_loop_nothing(c->stream), "launching nothing");
    cudaError_t e = cudaStreamEndCapture(c->stream, &graph);
    if (queued == ERR_NONE) queued = cuda_check(e, "capturing a graph");
    if (queued == ERR_NONE)
        queued = cuda_check(cudaGraphInstantiate(exec, graph, 0), "making a graph");
    if (graph) cudaGraphDestroy(graph);
    return queued;
}

static enum err measure_overheads(struct measuring *m)
{
    cudaGraphExec_t graph = NULL;
    enum err e = ERR_NONE;
    announce(m, "launches");
    TRY(measure_launch(m, "launch", N_LAUNCHES, 1, NULL, "200 empty kernels in a row"));
    TRY(measure_launch(m, "round_trip", 1, 1, NULL, "one empty kernel, waited for"));
    TRY_OUT(graph_of_nothing(m->c, &graph));
    TRY_OUT(measure_launch(m, "launch_graph", N_LAUNCHES / GRAPH_NODES, GRAPH_NODES, graph,
                           "graphs of 100 empty kernels in a row"));
out:
    if (graph) cudaGraphExecDestroy(graph);
    return e;
}

/* The linear maps of an 8 B decoder and a smaller one's, for few rows: how many rows cost what
 * one costs. */
static enum err measure_rows(struct measuring *m)
{
    static const int shape[][2] = {{28672, 4096}, {4096, 14336}, {4096, 4096}, {9728, 896}};
    const struct peak *p = &peaks[0];
    announce(m, "matmul by rows");
    TRY(fill(m->c, p));
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++)
        for (int n = 1; n <= 512; n *= 2) {
            struct samples s;
            int32_t repeats;
            struct blas_gemm g = place(m->c, p, n, shape[i][0], shape[i][1]);
            if (!fits(m->c, &g)) continue;
            TRY(calibrate(m->c, queue_gemm, &g, &repeats));
            TRY(take(m, queue_gemm, &g, repeats, &s));
            struct ceiling *row = add_row(m, "overhead", "matmul_rows", &s);
            row->dtype = "bf16";
            row->working_set_bytes = (int64_t)g.m * g.k * size_of(g.factor);
            samples_cost(&s, repeats, &row->value, &row->ci_lo, &row->ci_hi);
            snprintf(row->method, sizeof row->method,
                     "cuBLAS, rows=%d m=%d k=%d, the same weights again (in L2 where they fit)", n,
                     g.m, g.k);
        }
    return ERR_NONE;
}

/* ---- the whole ---- */

static enum err measure_all(struct measuring *m, enum ceilings_extent extent)
{
    if (extent == CEILINGS_PROBE) {
        announce(m, "peak and DRAM");
        TRY(measure_peak(m, &peaks[0]));
        return measure_read(m, "dram", m->c->buffer_bytes);
    }
    TRY(measure_bandwidth(m, extent == CEILINGS_FULL));
    for (int i = 0; i < (extent == CEILINGS_FULL ? N_PEAKS : QUICK_PEAKS); i++) {
        announce(m, peaks[i].name);
        TRY(measure_peak(m, &peaks[i]));
    }
    TRY(measure_overheads(m));
    return extent == CEILINGS_FULL ? measure_rows(m) : ERR_NONE;
}

enum err ceilings_cuda_measure(struct ceilings_cuda *c, enum ceilings_extent extent,
                               ceilings_progress_fn *progress, void *ctx, struct ceiling_set *out)
{
    struct measuring m = {.c = c,
                          .set = out,
                          .n_samples = extent == CEILINGS_PROBE ? LEAST_SAMPLES : N_SAMPLES,
                          .progress = progress,
                          .progress_ctx = ctx,
                          .total = extent == CEILINGS_FULL ? 3 + N_PEAKS : 2 + QUICK_PEAKS};
    memset(out, 0, sizeof *out);
    out->isa = ISA_AUTO;
    out->llc_bytes = c->l2_bytes;
    return measure_all(&m, extent);
}

/* ---- opening ---- */

/* At least half a GiB or a 64th of the memory there is, at most a quarter of what is free. */
static enum err make_buffer(struct ceilings_cuda *c)
{
    size_t free_bytes, total_bytes;
    void *data;
    TRY(cuda_check(cudaMemGetInfo(&free_bytes, &total_bytes), "asking for free memory"));
    int64_t least = (int64_t)total_bytes / 64, bytes = CACHES * c->l2_bytes;
    if (least > 512 << 20) least = 512 << 20;
    if (bytes < least) bytes = least;
    if (bytes > (int64_t)free_bytes / 4) bytes = (int64_t)free_bytes / 4;
    bytes = bytes / 256 * 256;
    TRY(cuda_check(cudaMalloc(&data, (size_t)bytes), "memory for roofs"));
    c->buffer = data;
    c->buffer_bytes = bytes;
    TRY(cuda_check(cudaMemsetAsync(data, 0x5a, (size_t)bytes, c->stream), "clearing memory"));
    TRY(cuda_check(cudaMalloc(&data, sizeof *c->sink), "memory for roofs"));
    c->sink = data;
    return ERR_NONE;
}

static enum err open_device(struct ceilings_cuda *c, int32_t device)
{
    struct cudaDeviceProp p;
    TRY(cuda_choose(device, &p));
    c->l2_bytes = p.l2CacheSize;
    c->n_blocks = BLOCKS_PER_SM * p.multiProcessorCount;
    TRY(cuda_check(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking),
                   "making a stream"));
    TRY(cuda_check(cudaEventCreateWithFlags(&c->begin, cudaEventDefault), "making an event"));
    TRY(cuda_check(cudaEventCreateWithFlags(&c->end, cudaEventDefault), "making an event"));
    TRY(blas_open(&c->blas, c->stream));
    return make_buffer(c);
}

enum err ceilings_cuda_open(int32_t device, struct ceilings_cuda **out)
{
    *out = NULL;
    struct ceilings_cuda *c = calloc(1, sizeof *c);
    if (!c) return err_set(ERR_NOMEM, "roofs: out of memory");
    enum err e = open_device(c, device);
    if (e != ERR_NONE) {
        ceilings_cuda_close(c);
        return err_trace(e, __FILE__, __LINE__);
    }
    *out = c;
    return ERR_NONE;
}

void ceilings_cuda_close(struct ceilings_cuda *c)
{
    if (!c) return;
    if (c->stream) {
        cudaStreamSynchronize(c->stream);
        blas_close(&c->blas);
        if (c->begin) cudaEventDestroy(c->begin);
        if (c->end) cudaEventDestroy(c->end);
        cudaFree(c->buffer);
        cudaFree(c->sink);
        cudaStreamDestroy(c->stream);
    }
    free(c);
}
