/* probe.h - what the hardware did during a step, as against what the ledger says it must.
 *
 * Probes never share a column with the ledger.  A clock gives evidence of kind "timing";
 * only counters give "counter".  Whatever a probe does not measure stays -1 and becomes
 * NULL in results, never 0.
 *
 * Some probes answer at once.  Others know what they measured only after a whole series of
 * forwards, and may want the same series again: they have start, stop and what follows. */
#ifndef ROOFLINE_PROBE_H
#define ROOFLINE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "roofline/counter.h"
#include "roofline/cupti_image.h"

struct measured {             /* between begin and end; -1: not measured */
    int64_t time_ns;          /* on the host's clock                     */
    struct counters counters; /* beside the ledger's counts, never among them */
};

/* One kernel that ran in a forward. */
struct kernel_record {
    int32_t forward;           /* of the series: which begin ... end it ran in              */
    int32_t ordinal;           /* in that forward, by start                                 */
    int32_t call;              /* which the caller said it was in; -1: none, or not told    */
    char name[256];            /* "" where the probe does not see names                     */
    int64_t start_ns, end_ns;  /* from the first kernel of its forward; -1: not measured    */
    int32_t grid[3], block[3]; /* 0: not known                                              */
    int32_t registers;         /* per thread; -1: not known                                 */
    int64_t shared_bytes;      /* per block, static and dynamic; -1: not known              */
    struct counters counters;  /* of this kernel alone                                      */
};

/* What is the same for all of a series. */
struct probe_facts {
    char chip[16];   /* "" for none                                          */
    char set[16];    /* of counters; "" for none                             */
    int32_t version; /* of the library, as it counts them; 0: none           */
    int32_t passes;  /* times the series had to run                          */
    const struct cupti_image *config, *counted; /* the probe's; NULL: none   */
};

struct probe_ops {
    const char *name;     /* "clock", "cupti-base"                                */
    const char *evidence; /* "timing", "counter"                                  */
    const char *disabled; /* NULL, or why this build cannot open it               */
    const char *help;     /* one line                                             */

    /* device: which one, for probes of devices that have a number. */
    enum err (*open)(int32_t device, void **state);
    /* The caller has synchronised the device before begin and before end. */
    enum err (*begin)(void *state);
    enum err (*end)(void *state, struct measured *out);
    void (*close)(void *state); /* NULL is allowed */

    /* All NULL for probes that answer at end; for the others end leaves *out at nothing.
     * Between start and stop the caller runs n_forwards times begin, end, and does all that
     * over again, with the same forwards, while stop says so.  What failed once is over: only
     * close may follow. */
    enum err (*start)(void *state, int32_t n_forwards);
    enum err (*stop)(void *state, bool *again);
    enum err (*read)(void *state, int32_t i, struct measured *out); /* of the i-th forward */
    /* Within begin and end: kernels launched from now on are those of call `call`, any number from
     * 0 on, until call_end.  Both NULL: it does not tell calls apart. */
    enum err (*call_begin)(void *state, int32_t call);
    enum err (*call_end)(void *state);
    /* Of all forwards, in order; the probe's until the next start.  NULL: sees no kernels. */
    enum err (*kernels)(void *state, const struct kernel_record **out, int32_t *n);
    void (*facts)(void *state, struct probe_facts *out);
};

extern const struct probe_ops probe_clock;
extern const struct probe_ops probe_cupti_base, probe_cupti_vector, probe_cupti_wide;
extern const struct probe_ops probe_cupti_kernel;   /* probe_cupti_base, kernel by kernel */
extern const struct probe_ops probe_cupti_activity; /* when each kernel ran, and which */
/* This process on the CPU: by hardware, and by the kernel's own counts (perf.h). */
extern const struct probe_ops probe_perf, probe_perf_software;

/* Probes in order; NULL past the last. */
const struct probe_ops *probe_at(int32_t i);

/* Everything -1. */
struct measured measured_nothing(void);

#endif
