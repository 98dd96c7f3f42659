/* cusim_event.c - events, and the clock they are on: the host's, or an imagined device's that goes
 * on by what its work would take. */
#include "tests/cusim/cusim_state.h"

#include <stdlib.h>
#include <time.h>

struct CUevent_st {
    struct CUstream_st *stream;
    uint64_t after; /* that many operations of it            */
    bool timed;
    double ns; /* timed: when the stream passed it last */
};

double clock_now(void)
{
    struct timespec t;
    if (cusim.speed.bytes_per_s > 0) return cusim.clock_ns;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void cusim_set_speed(const struct cusim_speed *speed)
{
    cusim.speed = speed ? *speed : (struct cusim_speed){0};
    cusim.clock_ns = 1; /* 0 is for events that have not happened */
}

void clock_kernel(int64_t bytes)
{
    const struct cusim_speed *s = &cusim.speed;
    if (s->bytes_per_s > 0) cusim.clock_ns += s->launch_ns + (double)bytes / s->bytes_per_s * 1e9;
}

void clock_gemm(double flop, bool f32)
{
    const struct cusim_speed *s = &cusim.speed;
    if (s->bytes_per_s > 0)
        cusim.clock_ns +=
            s->launch_ns + flop / (f32 ? s->f32_flop_per_s : s->half_flop_per_s) * 1e9;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags)
{
    BEGIN();
    if (flags != cudaEventDisableTiming && flags != cudaEventDefault)
        return call_result(cudaErrorInvalidValue);
    *e = calloc(1, sizeof **e);
    (*e)->timed = flags == cudaEventDefault;
    cusim.live_objects++;
    return cudaSuccess;
}

static void stamp(void *arg)
{
    ((struct CUevent_st *)arg)->ns = clock_now();
}

static void keep(void *arg)
{
    (void)arg;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    BEGIN();
    if (e->timed) stream_queue(s, stamp, keep, e);
    e->stream = s;
    e->after = stream_queued(s);
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    BEGIN_UNCAPTURED();
    if (e->stream) stream_run_until(e->stream, e->after);
    return call_result(cusim.report[0] ? cudaErrorLaunchFailure : cudaSuccess);
}

/* In microseconds at best, like the real one; both must have happened. */
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t begin, cudaEvent_t end)
{
    BEGIN();
    if (!begin->timed || !end->timed || begin->ns == 0 || end->ns == 0)
        return call_result(cudaErrorInvalidValue);
    *ms = (float)((end->ns - begin->ns) / 1e6);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    if (e->timed && e->stream) stream_run_until(e->stream, e->after);
    free(e);
    cusim.live_objects--;
    return cudaSuccess;
}
