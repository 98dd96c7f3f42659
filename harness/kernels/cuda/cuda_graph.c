/* cuda_graph.c - calls kept until the host has to wait, then launched as one CUDA graph.
 *
 * Calls not seen before are launched one by one, which lets cuBLAS and the driver load what they
 * need, and are then captured: so what costs time once happens in a warm-up forward. */
#include "harness/kernels/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t h, uint64_t word)
{
    return (h ^ word) * 0x9e3779b97f4a7c15u + (h >> 29);
}

/* Of calls in order, and of what differs most between them: it only saves comparing whole lists. */
static uint64_t hash_call(uint64_t h, const struct cuda_call *call)
{
    h = mix(h, (uint64_t)call->kind);
    for (int i = 0; i < CALL_MAX_TENSORS; i++)
        h = mix(h, (uint64_t)(uintptr_t)call->t[i].data + (uint64_t)call->t[i].dim[0]);
    return h;
}

static void forget_pending(struct cuda *c)
{
    c->n_pending = 0;
    c->pending_hash = 0;
    for (int i = 0; i < STAGE_COUNT; i++) c->staged[i].awaited = false;
}

static void graph_free(struct cuda_graph *g)
{
    if (g->exec) cudaGraphExecDestroy(g->exec);
    free(g->call);
    free(g);
}

void cuda_graphs_drop(struct cuda *c)
{
    forget_pending(c);
    while (c->graphs) {
        struct cuda_graph *g = c->graphs;
        c->graphs = g->next;
        graph_free(g);
    }
}

enum err cuda_do(struct cuda *c, const struct cuda_call *call)
{
    if (!c->mode.graph) return cuda_launch(c, call);
    if (c->n_pending == c->pending_room) {
        int64_t room = c->pending_room ? 2 * c->pending_room : 256;
        struct cuda_call *grown = realloc(c->pending, (size_t)room * sizeof *grown);
        if (!grown)
            return err_set(ERR_NOMEM, "cuda: out of memory for %lld calls", (long long)room);
        c->pending = grown;
        c->pending_room = room;
    }
    c->pending[c->n_pending++] = *call;
    c->pending_hash = hash_call(c->pending_hash, call);
    return ERR_NONE;
}

/* The graph of exactly the pending calls, moved to the front; NULL: none. */
static struct cuda_graph *find_graph(struct cuda *c)
{
    for (struct cuda_graph **p = &c->graphs; *p; p = &(*p)->next) {
        struct cuda_graph *g = *p;
        if (g->hash != c->pending_hash || g->n != c->n_pending ||
            memcmp(g->call, c->pending, (size_t)g->n * sizeof *g->call) != 0)
            continue;
        *p = g->next;
        g->next = c->graphs;
        c->graphs = g;
        return g;
    }
    return NULL;
}

static enum err launch_pending(struct cuda *c)
{
    for (int64_t i = 0; i < c->n_pending; i++) TRY(cuda_launch(c, &c->pending[i]));
    return ERR_NONE;
}

/* The pending calls as a graph on the device.  Capturing runs nothing. */
static enum err instantiate(struct cuda *c, cudaGraphExec_t *exec)
{
    cudaGraph_t graph = NULL;
    TRY(cuda_check(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal),
                   "capturing a graph"));
    enum err launched = launch_pending(c);
    cudaError_t e = cudaStreamEndCapture(c->stream, &graph);
    if (launched != ERR_NONE) { /* its sentence says more than the failed capture's */
        if (e == cudaSuccess) cudaGraphDestroy(graph);
        cudaGetLastError();
        return launched;
    }
    TRY(cuda_check(e, "capturing a graph"));
    e = cudaGraphInstantiate(exec, graph, 0);
    cudaGraphDestroy(graph);
    TRY(cuda_check(e, "making a graph"));
    return cuda_check(cudaGraphUpload(*exec, c->stream), "loading a graph");
}

static enum err capture(struct cuda *c)
{
    enum err e = ERR_NONE;
    size_t bytes = (size_t)c->n_pending * sizeof *c->pending;
    struct cuda_graph *g = calloc(1, sizeof *g);
    if (g) g->call = malloc(bytes);
    if (!g || !g->call) TRY_OUT(err_set(ERR_NOMEM, "cuda: out of memory for a graph"));
    memcpy(g->call, c->pending, bytes);
    g->n = c->n_pending;
    g->hash = c->pending_hash;
    TRY_OUT(instantiate(c, &g->exec));
    g->next = c->graphs;
    c->graphs = g;
    c->graph_count.captured++;
    return ERR_NONE;
out:
    if (g) graph_free(g);
    return e;
}

enum err cuda_flush(struct cuda *c)
{
    enum err e;
    if (c->n_pending == 0) return ERR_NONE;
    struct cuda_graph *g = find_graph(c);
    if (g) {
        c->graph_count.launched++;
        e = cuda_check(cudaGraphLaunch(g->exec, c->stream), "launching a graph");
    } else {
        e = launch_pending(c);
        if (e == ERR_NONE && c->n_pending > 1) e = capture(c); /* one call needs no graph */
    }
    forget_pending(c);
    return e;
}
