/* cusim_graph.c - what is queued on a stream while it is captured, kept, and run whenever the graph
 * is launched: with the arguments of the capture and whatever memory holds then. */
#include "tests/cusim/cusim_state.h"

#include <stdlib.h>

/* Shared by a graph and what is instantiated from it. */
struct CUgraph_st {
    struct stream_op *first, **end;
    int n_users;
};

struct CUgraphExec_st {
    struct CUgraph_st *graph;
};

static struct CUgraph_st *graph_new(void)
{
    struct CUgraph_st *g = calloc(1, sizeof *g);
    g->end = &g->first;
    g->n_users = 1;
    cusim.live_objects++;
    return g;
}

static void graph_release(struct CUgraph_st *g)
{
    if (--g->n_users > 0) return;
    while (g->first) {
        struct stream_op *op = g->first;
        g->first = op->next;
        op->done(op->arg);
        free(op);
    }
    free(g);
}

void graph_add(struct CUgraph_st *g, struct stream_op *op)
{
    *g->end = op;
    g->end = &op->next;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode)
{
    BEGIN();
    struct CUgraph_st **capture = stream_capture(s);
    if (*capture || mode != cudaStreamCaptureModeThreadLocal)
        return call_result(cudaErrorInvalidValue);
    *capture = graph_new();
    cusim.n_capturing++;
    return cudaSuccess;
}

/* Ends the capture even where it fails, as the real one does. */
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    cudaError_t e;
    struct CUgraph_st **capture = stream_capture(s);
    *graph = NULL;
    if (!*capture) return call_result(cudaErrorInvalidValue);
    *graph = *capture;
    *capture = NULL;
    cusim.n_capturing--;
    if (call_begins(&e)) return cudaSuccess;
    cudaGraphDestroy(*graph);
    *graph = NULL;
    return e;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    BEGIN();
    if (flags != 0 || !graph->first) return call_result(cudaErrorInvalidValue);
    *exec = calloc(1, sizeof **exec);
    (*exec)->graph = graph;
    graph->n_users++;
    cusim.live_objects++;
    return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t s)
{
    BEGIN();
    (void)exec;
    (void)s;
    return cudaSuccess;
}

static void graph_run(void *arg)
{
    const struct CUgraph_st *g = arg;
    for (const struct stream_op *op = g->first; op && !cusim.report[0]; op = op->next)
        op->run(op->arg);
}

static void graph_done(void *arg)
{
    graph_release(arg);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    BEGIN();
    exec->graph->n_users++;
    stream_queue(s, graph_run, graph_done, exec->graph);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    graph_release(graph);
    cusim.live_objects--;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    graph_release(exec->graph);
    free(exec);
    cusim.live_objects--;
    return cudaSuccess;
}
