/* cusim_stream.c - the runtime's calls.  What is queued on a stream runs when somebody waits for
 * it: that is as late as CUDA may run it, and shows whoever does not wait. */
#include "tests/cusim/cusim_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CUstream_st {
    struct stream_op *first, **end;
    uint64_t queued, finished; /* operations since the start */
    struct CUgraph_st *capture;
    struct CUstream_st *next;
};

/* Memory the device may read and write whenever it gets there. */
struct pinned {
    char *base;
    size_t size;
    struct pinned *next;
};

/* Lists of what exists; part of the one state. */
static struct {
    struct CUstream_st *streams;
    struct pinned *pinned;
    cudaError_t last;
} host;

/* ---- failures ---- */

cudaError_t call_result(cudaError_t e)
{
    if (e != cudaSuccess) host.last = e;
    return e;
}

bool call_begins(cudaError_t *e)
{
    *e = cudaSuccess;
    if (cusim.calls_until_failure > 0 && --cusim.calls_until_failure == 0)
        *e = cudaErrorMemoryAllocation;
    if (cusim.report[0]) *e = cudaErrorLaunchFailure;
    return call_result(*e) == cudaSuccess;
}
const char *cudaGetErrorString(cudaError_t e)
{
    if (e == cudaErrorLaunchFailure) return cusim.report;
    if (e == cudaErrorStreamCaptureUnsupported)
        return "operation not permitted when stream is capturing";
    return e == cudaErrorMemoryAllocation ? "out of memory" : "invalid argument";
}

const char *cudaGetErrorName(cudaError_t e)
{
    if (e == cudaErrorLaunchFailure) return "cudaErrorLaunchFailure";
    if (e == cudaErrorStreamCaptureUnsupported) return "cudaErrorStreamCaptureUnsupported";
    return e == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorInvalidValue";
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t e = cusim.report[0] ? cudaErrorLaunchFailure : host.last;
    host.last = cudaSuccess;
    return e;
}

/* ---- streams ---- */

void stream_run_until(cudaStream_t s, uint64_t n)
{
    const struct CUstream_st *known = host.streams;
    while (known && known != s) known = known->next;
    if (!known) return; /* destroyed: all of it has run */
    if (s->finished >= n) return;
    while (s->finished < n) {
        struct stream_op *op = s->first;
        s->first = op->next;
        if (!s->first) s->end = &s->first;
        if (!cusim.report[0]) op->run(op->arg);
        op->done(op->arg);
        free(op);
        s->finished++;
    }
    memory_close();
}

static void run_all(void)
{
    for (struct CUstream_st *s = host.streams; s; s = s->next) stream_run_until(s, s->queued);
}

void stream_queue(cudaStream_t s, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    struct stream_op *op = calloc(1, sizeof *op);
    *op = (struct stream_op){.run = run, .done = done, .arg = arg};
    if (s->capture) {
        graph_add(s->capture, op);
        return;
    }
    *s->end = op;
    s->end = &op->next;
    s->queued++;
    if (cusim.eager) stream_run_until(s, s->queued);
}

uint64_t stream_queued(cudaStream_t s)
{
    return s->queued;
}

struct CUgraph_st **stream_capture(cudaStream_t s)
{
    return &s->capture;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags)
{
    BEGIN();
    if (flags != cudaStreamNonBlocking) return call_result(cudaErrorInvalidValue);
    *s = calloc(1, sizeof **s);
    (*s)->end = &(*s)->first;
    (*s)->next = host.streams;
    host.streams = *s;
    cusim.live_objects++;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    BEGIN_UNCAPTURED();
    stream_run_until(s, s->queued);
    return call_result(cusim.report[0] ? cudaErrorLaunchFailure : cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    struct CUstream_st **p = &host.streams;
    stream_run_until(s, s->queued);
    while (*p != s) p = &(*p)->next;
    *p = s->next;
    free(s);
    cusim.live_objects--;
    return cudaSuccess;
}

/* ---- kernels ---- */

static void kernel_run(void *arg)
{
    int64_t before = cusim.n_bytes;
    const struct cusim_kernel *k = arg;
    struct cusim_ran r = {k->launch, k->name, k->grid, k->block, clock_now(), 0};
    if (cusim.n_until_lost > 0 && strstr(((struct cusim_kernel *)arg)->name, cusim.lost_at) &&
        --cusim.n_until_lost == 0) {
        cusim_fail("lost", "the device was lost");
        return;
    }
    run_kernel(arg);
    clock_kernel(cusim.n_bytes - before);
    r.end_ns = clock_now();
    launch_ran(&r);
}

/* Those of graphs have none. */
int64_t launch_told(void)
{
    if (cusim.n_capturing > 0) return 0;
    cusim.n_launches++;
    if (cusim.listener) cusim.listener->launched(cusim.n_launches);
    return cusim.n_launches;
}

void launch_ran(const struct cusim_ran *r)
{
    if (cusim.listener && r->launch > 0) cusim.listener->ran(r);
}

void cusim_set_listener(const struct cusim_listener *l)
{
    cusim.listener = l;
}

static void kernel_done(void *arg)
{
    struct cusim_kernel *k = arg;
    k->free(k->call);
    free(k);
}

/* Kernels that were prepared for more shared memory; a few, so a list will do. */
enum { MAX_PREPARED = 64 };
static struct {
    const void *code;
    size_t bytes;
} prepared[MAX_PREPARED];

static size_t shared_limit(const void *code)
{
    for (int i = 0; i < MAX_PREPARED && prepared[i].code; i++)
        if (prepared[i].code == code) return prepared[i].bytes;
    return SHARED_UNASKED;
}

cudaError_t cudaFuncSetAttribute(const void *fn, enum cudaFuncAttribute what, int value)
{
    BEGIN();
    int i = 0;
    if (what != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || value > SHARED_MOST)
        return call_result(cudaErrorInvalidValue);
    while (i < MAX_PREPARED - 1 && prepared[i].code && prepared[i].code != fn) i++;
    prepared[i].code = fn;
    prepared[i].bytes = (size_t)value > SHARED_UNASKED ? (size_t)value : SHARED_UNASKED;
    return cudaSuccess;
}

void cusim_launch(cudaStream_t s, const struct cusim_kernel *k)
{
    cudaError_t e;
    uint64_t n = (uint64_t)k->block.x * k->block.y * k->block.z;
    bool valid = n >= 1 && n <= MAX_THREADS && n % WARP_LANES == 0 && k->grid.x >= 1 &&
                 k->grid.x <= INT32_MAX && k->grid.y >= 1 && k->grid.y <= 65535 && k->grid.z >= 1 &&
                 k->grid.z <= 65535;
    if (valid && k->shared_all > shared_limit(k->code)) {
        valid = false;
        cusim_fail("shared memory", "%s is launched with %zu bytes and was not prepared for them",
                   k->name, k->shared_all);
    }
    if (!call_begins(&e) || !valid) {
        if (!valid) call_result(cudaErrorInvalidConfiguration);
        k->free(k->call);
        return;
    }
    struct cusim_kernel *keep = malloc(sizeof *keep);
    *keep = *k;
    keep->launch = launch_told();
    if (cusim.n_capturing == 0) cusim.n_kernels++;
    stream_queue(s, kernel_run, kernel_done, keep);
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *a, const void *fn)
{
    BEGIN();
    a->numRegs = fn ? 1 : 0;
    return cudaSuccess;
}

/* ---- memory ---- */

cudaError_t cudaMalloc(void **p, size_t n)
{
    BEGIN_UNCAPTURED();
    if (n > memory_free()) return call_result(cudaErrorMemoryAllocation);
    *p = region_new(n, "buffer", NULL)->base;
    cusim.live_objects++;
    return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
    if (!p) return cudaSuccess;
    if (cusim.n_capturing > 0) return call_result(cudaErrorStreamCaptureUnsupported);
    run_all();
    struct region *r = region_find(p);
    if (!r || r->base != p) return call_result(cudaErrorInvalidValue);
    region_free(r);
    cusim.live_objects--;
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **p, size_t n)
{
    BEGIN_UNCAPTURED();
    struct pinned *k = malloc(sizeof *k);
    *k = (struct pinned){.base = malloc(n + 1), .size = n, .next = host.pinned};
    memset(k->base, 0xff, n);
    host.pinned = k;
    *p = k->base;
    cusim.live_objects++;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *p)
{
    struct pinned **k = &host.pinned;
    if (!p) return cudaSuccess;
    run_all();
    while (*k && (*k)->base != p) k = &(*k)->next;
    if (!*k) return call_result(cudaErrorInvalidValue);
    struct pinned *gone = *k;
    *k = gone->next;
    free(gone->base);
    free(gone);
    cusim.live_objects--;
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    BEGIN();
    *free_bytes = memory_free();
    *total_bytes = cusim.memory_bytes ? cusim.memory_bytes : MEMORY_BYTES;
    return cudaSuccess;
}

/* ---- copies ---- */

struct copy {
    char *to;
    const char *from;
    size_t to_pitch, from_pitch, width, height;
    enum cudaMemcpyKind kind;
    char *taken; /* owned: what an unpinned source held when the call was made */
};

static void copy_run(void *arg)
{
    const struct copy *c = arg;
    for (size_t i = 0; i < c->height; i++) {
        char *to = c->to + i * c->to_pitch;
        const char *from = c->from + i * c->from_pitch;
        if (!device_range(c->kind == cudaMemcpyHostToDevice ? to : from, c->width, "copy")) return;
        memcpy(to, from, c->width);
        struct region *r = region_find(to);
        if (r && c->width) region_host_wrote(r, (size_t)(to - r->base), c->width);
    }
}

static void copy_done(void *arg)
{
    struct copy *c = arg;
    free(c->taken);
    free(c);
}

static bool is_pinned(const void *p)
{
    for (const struct pinned *k = host.pinned; k; k = k->next)
        if ((const char *)p >= k->base && (const char *)p < k->base + k->size) return true;
    return false;
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t width, size_t height, enum cudaMemcpyKind kind, cudaStream_t s)
{
    BEGIN();
    bool up = kind == cudaMemcpyHostToDevice;
    if (width > to_pitch || width > from_pitch || region_find(up ? from : to))
        return call_result(cudaErrorInvalidValue);
    struct copy *c = malloc(sizeof *c);
    *c = (struct copy){to, from, to_pitch, from_pitch, width, height, kind, NULL};
    if (up && !is_pinned(from) && height > 0) {
        size_t n = (height - 1) * from_pitch + width;
        c->taken = malloc(n + 1);
        memcpy(c->taken, from, n);
        c->from = c->taken;
    }
    stream_queue(s, copy_run, copy_done, c);
    if (!up && !is_pinned(to)) stream_run_until(s, s->queued);
    return call_result(cusim.report[0] ? cudaErrorLaunchFailure : cudaSuccess);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind kind,
                            cudaStream_t s)
{
    return cudaMemcpy2DAsync(to, n, from, n, n, 1, kind, s);
}

struct set {
    char *to;
    int value;
    size_t n;
};

static void set_run(void *arg)
{
    const struct set *m = arg;
    if (!m->n || !device_range(m->to, m->n, "memset")) return;
    struct region *r = region_find(m->to);
    memset(m->to, m->value, m->n);
    region_host_wrote(r, (size_t)(m->to - r->base), m->n);
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t n, cudaStream_t s)
{
    BEGIN();
    struct set *m = malloc(sizeof *m);
    *m = (struct set){p, value, n};
    stream_queue(s, set_run, free, m);
    return cudaSuccess;
}

/* ---- the device, and what tests ask ---- */

cudaError_t cudaDriverGetVersion(int *version)
{
    BEGIN();
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    BEGIN();
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *n)
{
    BEGIN();
    *n = 1;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    BEGIN();
    return call_result(device == 0 ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device)
{
    BEGIN();
    (void)device;
    *p = (struct cudaDeviceProp){
        .name = "emulated GPU", .major = 8, .l2CacheSize = 1 << 16, .multiProcessorCount = 4};
    return cudaSuccess;
}

const char *cusim_absent(void)
{
    return NULL;
}

void cusim_set_order(enum cusim_order order)
{
    cusim.order = order;
}

void cusim_set_eager(bool eager)
{
    cusim.eager = eager;
}

void cusim_set_memory(size_t bytes)
{
    cusim.memory_bytes = bytes;
}

void cusim_fail_call(int64_t nth)
{
    cusim.calls_until_failure = nth;
}

void cusim_lose_at(const char *word, int64_t n)
{
    cusim.lost_at = word;
    cusim.n_until_lost = n;
}

const char *cusim_report(void)
{
    return cusim.report[0] ? cusim.report : NULL;
}

void cusim_clear(void)
{
    run_all();
    cusim.report[0] = '\0';
    cusim.calls_until_failure = 0;
    cusim.n_until_lost = 0;
    cusim.n_kernels = 0;
    host.last = cudaSuccess;
}

int64_t cusim_single_kernels(void)
{
    return cusim.n_kernels;
}

int64_t cusim_live_objects(void)
{
    return cusim.live_objects;
}
