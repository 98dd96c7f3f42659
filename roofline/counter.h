/* counter.h - the hardware counters a pass over a run can fill, one column of the store each. */
#ifndef ROOFLINE_COUNTER_H
#define ROOFLINE_COUNTER_H

#include <stdint.h>

enum counter {
    COUNTER_DEVICE_NS,        /* with the counters' own start and stop: never a step time  */
    COUNTER_DRAM_READ_BYTES,  /* at the memory                                             */
    COUNTER_DRAM_WRITE_BYTES, /* at the memory: what was written back meanwhile            */
    COUNTER_L2_BYTES,         /* between the multiprocessors and L2, both directions       */
    COUNTER_L2_ALL_BYTES,     /* every request to L2, other half's and copy engines' too   */
    COUNTER_L2_FABRIC_BYTES,  /* of those: between the two halves of L2                    */
    COUNTER_L2_HOST_BYTES,    /* of those: to host memory; above 0 something is not on     */
                              /* the device that should be                                 */
    COUNTER_L1_BYTES,         /* requests to L1; bulk copies (TMA) bypass it               */
    COUNTER_L1_FILL_BYTES,    /* from L2 into L1 and shared memory                         */
    COUNTER_L1_DRAIN_BYTES,   /* from L1 and shared memory to L2                           */
    COUNTER_FLOP_TENSOR,      /* bf16 with f32 sums on tensor cores, padding included      */
    COUNTER_FLOP_VECTOR,      /* adds, multiplies and 2 x multiply-adds on CUDA cores      */
    COUNTER_SM_CYCLES,        /* of the multiprocessor that took longest                   */
    COUNTER_SM_HZ,            /* mean clock meanwhile                                      */
    COUNTER_DRAM_HZ,
    COUNTER_DRAM_PEAK_BYTES_PER_CYCLE,  /* x dram_hz: the memory's peak                        */
    COUNTER_TENSOR_PEAK_FLOP_PER_CYCLE, /* x sm_hz: the tensor cores' peak                     */
    COUNTER_CPU_CYCLES,       /* of all threads, in user mode, waiting for work included         */
    COUNTER_CPU_INSTRUCTIONS, /* the same                                                      */
    COUNTER_LLC_MISSES,       /* demand misses only: prefetched lines are none                 */
    COUNTER_TASK_CLOCK_NS,    /* the kernel's, as the next two: no hardware counts them         */
    COUNTER_PAGE_FAULTS,
    COUNTER_CONTEXT_SWITCHES,
    COUNTER_COUNT
};

/* "dram_read_bytes": the column's name, its unit at the end. */
const char *counter_name(enum counter c);

struct counters {
    int64_t value[COUNTER_COUNT]; /* -1: not counted */
};
void counters_clear(struct counters *c);
/* Take over what src has counted. */
void counters_merge(struct counters *dst, const struct counters *src);

#endif
