/* counter.c - names of counters. */
#include "roofline/counter.h"

#include "harness/base/err.h"

const char *counter_name(enum counter c)
{
    static const char *const names[COUNTER_COUNT] = {
        [COUNTER_DEVICE_NS] = "device_ns",
        [COUNTER_DRAM_READ_BYTES] = "dram_read_bytes",
        [COUNTER_DRAM_WRITE_BYTES] = "dram_write_bytes",
        [COUNTER_L2_BYTES] = "l2_bytes",
        [COUNTER_L2_ALL_BYTES] = "l2_all_bytes",
        [COUNTER_L2_FABRIC_BYTES] = "l2_fabric_bytes",
        [COUNTER_L2_HOST_BYTES] = "l2_host_bytes",
        [COUNTER_L1_BYTES] = "l1_bytes",
        [COUNTER_L1_FILL_BYTES] = "l1_fill_bytes",
        [COUNTER_L1_DRAIN_BYTES] = "l1_drain_bytes",
        [COUNTER_FLOP_TENSOR] = "flop_tensor",
        [COUNTER_FLOP_VECTOR] = "flop_vector",
        [COUNTER_SM_CYCLES] = "sm_cycles",
        [COUNTER_SM_HZ] = "sm_hz",
        [COUNTER_DRAM_HZ] = "dram_hz",
        [COUNTER_DRAM_PEAK_BYTES_PER_CYCLE] = "dram_peak_bytes_per_cycle",
        [COUNTER_TENSOR_PEAK_FLOP_PER_CYCLE] = "tensor_peak_flop_per_cycle",
        [COUNTER_CPU_CYCLES] = "cpu_cycles",
        [COUNTER_CPU_INSTRUCTIONS] = "cpu_instructions",
        [COUNTER_LLC_MISSES] = "llc_misses",
        [COUNTER_TASK_CLOCK_NS] = "task_clock_ns",
        [COUNTER_PAGE_FAULTS] = "page_faults",
        [COUNTER_CONTEXT_SWITCHES] = "context_switches",
    };
    CHECK(c >= 0 && c < COUNTER_COUNT);
    return names[c];
}

void counters_clear(struct counters *c)
{
    for (int i = 0; i < COUNTER_COUNT; i++) c->value[i] = -1;
}

void counters_merge(struct counters *dst, const struct counters *src)
{
    for (int i = 0; i < COUNTER_COUNT; i++)
        if (src->value[i] >= 0) dst->value[i] = src->value[i];
}
