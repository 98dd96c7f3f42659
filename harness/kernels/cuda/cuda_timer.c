/* cuda_timer.c - time on the GPU's clock: an event before the first work and one after the last
 * that the host waits for. */
#include "harness/kernels/cuda/cuda.h"

enum err cuda_timer_begin(void *state)
{
    struct cuda *c = state;
    cudaEvent_t *event[] = {&c->timer.begin, &c->timer.end};
    for (int i = 0; i < 2; i++)
        if (*event[i] == NULL)
            TRY(cuda_check(cudaEventCreateWithFlags(event[i], cudaEventDefault),
                           "making an event"));
    c->timer.stopped = false;
    c->timer.runs = true;
    return cuda_check(cudaEventRecord(c->timer.begin, c->stream), "recording an event");
}

enum err cuda_timer_stop(struct cuda *c)
{
    if (!c->timer.runs) return ERR_NONE;
    c->timer.stopped = true; /* a later wait moves the event further */
    return cuda_check(cudaEventRecord(c->timer.end, c->stream), "recording an event");
}

enum err cuda_timer_end(void *state, int64_t *device_ns)
{
    struct cuda *c = state;
    float ms = 0;
    CHECK(c->timer.runs);
    c->timer.runs = false;
    *device_ns = -1;
    if (!c->timer.stopped) return ERR_NONE;
    TRY(cuda_check(cudaEventElapsedTime(&ms, c->timer.begin, c->timer.end), "reading events"));
    *device_ns = (int64_t)((double)ms * 1e6);
    return ERR_NONE;
}

void cuda_timer_close(struct cuda *c)
{
    if (c->timer.begin) cudaEventDestroy(c->timer.begin);
    if (c->timer.end) cudaEventDestroy(c->timer.end);
}
