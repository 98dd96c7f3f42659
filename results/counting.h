/* counting.h - what the hardware counted while a stored run's decode was run again. */
#ifndef RESULTS_COUNTING_H
#define RESULTS_COUNTING_H

#include "harness/kernels/kernels.h"
#include "results/store.h"
#include "roofline/counter.h"
#include "roofline/nvml.h"
#include "roofline/probe.h"

/* What was in L2 when a forward began. */
enum l2_state {
    L2_STEADY, /* what the forward before it left: as in a decode */
    L2_COLD    /* nothing of the model                            */
};
const char *l2_state_name(enum l2_state s);

struct counted_forward {
    int32_t sample, step;
    enum phase phase;
    struct counters counters;
};
struct counted_kernel {
    int32_t sample, step;
    enum phase phase;
    struct kernel_record record; /* record.forward is not stored */
    struct kernels_call call;    /* what it was launched for; record.call -1: not known */
};
struct known_work_row {
    const char *work; /* "add", "matmul" */
    enum counter counter;
    int64_t known, counted;
};
struct energy_row {
    int64_t decodes, tokens, window_ns;
    struct nvml_reading before, after;
};

/* One pass of one probe over one run. */
struct counting_row {
    const char *probe; /* "cupti-base"                                                     */
    enum l2_state l2;
    const char *reason; /* why nothing could be counted: then nothing else is stored; or NULL */
    int32_t samples;    /* decodes that were counted                                        */
    const char *chip;   /* "" or NULL: NULL                                                 */
    int32_t passes, version; /* 0: NULL                                                     */
    const struct counted_forward *forward;
    int32_t n_forwards;
    const struct counted_kernel *kernel;
    int32_t n_kernels;
    const struct known_work_row *known;
    int32_t n_known;
    const struct energy_row *energy; /* NULL: none */
};
/* Whole or not at all, in place of what an earlier pass of that probe left. */
enum err store_add_counting(struct store *s, const char *run_id,
                            const struct counting_row *c) MUST_CHECK;

/* Whether that pass over a run is there and has counted. */
enum err store_is_counted(struct store *s, const char *run_id, const char *probe, enum l2_state l2,
                          bool *yes) MUST_CHECK;

/* The digest of the tokens a finished run produced ("": none); found false: there is no such
 * run, or it did not finish. */
enum err store_run_tokens(struct store *s, const char *run_id, bool *found,
                          char sha256[65]) MUST_CHECK;

#endif
