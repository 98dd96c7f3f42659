/* nvml.h - a GPU's clocks, temperature, power and energy, as its driver's management library
 * tells them.  Read-only; needs no privileges and no CUDA headers. */
#ifndef ROOFLINE_NVML_H
#define ROOFLINE_NVML_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

struct nvml;

struct nvml_reading { /* -1: this GPU does not say */
    int32_t sm_mhz, memory_mhz;
    int32_t temperature_c;
    int64_t power_mw;      /* mean of the last second, or of less on some chips */
    int64_t energy_mj;     /* since the driver was loaded; renewed about every 100 ms */
    int64_t throttle_bits; /* why the clock is below its maximum: nvml_throttle_words */
};

struct nvml_state { /* of the whole GPU; -1: it does not say */
    char driver[80], name[96];
    int32_t mig, persistence, ecc; /* 1: on */
    int64_t power_limit_mw;
    int32_t max_sm_mhz;
};

/* device: CUDA's number of the GPU.  ERR_UNSUPPORTED says why there is none. */
enum err nvml_open(int32_t device, struct nvml **out) MUST_CHECK;
void nvml_close(struct nvml *n); /* NULL is allowed */
enum err nvml_read(struct nvml *n, struct nvml_reading *out) MUST_CHECK;
enum err nvml_read_state(struct nvml *n, struct nvml_state *out) MUST_CHECK;

/* "power cap, thermal (hardware)"; "" for none. */
void nvml_throttle_words(int64_t bits, char *buf, size_t size);

#endif
