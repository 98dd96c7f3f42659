/* probe.h - what the hardware did during a step, as against what the ledger says it must.
 *
 * Probes never share a column with the ledger.  A clock gives evidence of kind "timing";
 * only counters give "counter".  Whatever a probe does not measure stays -1 and becomes
 * NULL in results, never 0. */
#ifndef ROOFLINE_PROBE_H
#define ROOFLINE_PROBE_H

#include <stdint.h>

#include "harness/base/err.h"
#include "roofline/counter.h"

struct measured {             /* between begin and end; -1: not measured */
    int64_t time_ns;          /* on the host's clock                     */
    struct counters counters; /* beside the ledger's counts, never among them */
};

struct probe_ops {
    const char *name;     /* "clock", "cupti"                          */
    const char *evidence; /* "timing", "counter"                       */
    const char *disabled; /* NULL, or why this build cannot open it    */

    /* device: which one, for probes of devices that have a number. */
    enum err (*open)(int32_t device, void **state);
    /* The caller has synchronised the device before begin and before end. */
    enum err (*begin)(void *state);
    enum err (*end)(void *state, struct measured *out);
    void (*close)(void *state); /* NULL is allowed */
};

extern const struct probe_ops probe_clock;

/* Probes in order; NULL past the last. */
const struct probe_ops *probe_at(int32_t i);

/* Everything -1. */
struct measured measured_nothing(void);

#endif
