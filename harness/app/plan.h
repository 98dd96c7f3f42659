/* plan.h - a cell's whole decode on a backend that only counts.
 *
 * The same decoder and model code as a run; there is no second performance model. */
#ifndef APP_PLAN_H
#define APP_PLAN_H

#include "results/store.h"
#include "roofline/closed_form.h"

struct phase_total {
    int64_t forwards;
    int32_t first_step;    /* in the decode: the first of this phase ...         */
    int32_t middle_step;   /* ... and the one that half of them come before      */
    struct step_work work; /* sums          */
    struct ledger ledger;  /* sums          */
};

struct plan {
    struct model_config config;
    struct phase_total phase[PHASE_COUNT];
    struct price price[TIER_COUNT];
    int64_t weight_bytes;  /* of the forward that streams most: what cache residency is about */
    bool cache_resident;   /* the weights are too small to come from DRAM every time */
    int64_t session_bytes; /* keys, values, activations and logits on the device */
    int64_t draft_bytes;   /* weights of the model that drafts; 0: there is none  */
    int64_t memory_bytes;  /* the same and the weights                          */
    bool overflow;         /* some count passed 2^63 - 1 */
};

/* The machine a plan is for. */
struct plan_target {
    struct traffic_model traffic;
    enum dtype activation_dtype;
    struct price price[TIER_COUNT];
    int64_t memory_bytes; /* 0: unknown */
};

/* A simulated device's; ERR_USAGE names the nearest one. */
enum err plan_target_sim(const char *device, enum dtype weights, int64_t launch_ns,
                         struct plan_target *out) MUST_CHECK;

/* Count every forward, unless the cell needs more memory than the target has: then only that
 * is known.  ERR_USAGE when the cell cannot be decoded at all. */
enum err plan_cell(const struct cell *c, const struct plan_target *t, struct plan *out) MUST_CHECK;

/* Why the planned cell cannot be run, or false: too many FLOPs to count, more memory than there is.
 */
bool plan_skip_reason(const struct cell *c, const struct plan *p, const struct plan_target *t,
                      char *buf, size_t buf_size);

/* One FORWARD_PLAN row per phase, in order; returns their number. */
int32_t plan_rows(const struct plan *p, struct forward_row rows[PHASE_COUNT]);

/* What closed forms say of the cell at its middle context; absent ones do not exist. */
struct prediction {
    enum tier tier; /* whose roofs these are                            */
    struct roof roof;
    double predicted_ns; /* whole decode of the batch                        */
    double prefill_ns, decode_ns;
    double tokens_per_forward;       /* per sequence, every forward after prefill that
                                        does not draft                                  */
    struct closed_value ridge_batch; /* batch at which a step crosses the ridge          */
    struct closed_value max_context; /* ar: from here on no batch crosses it             */
    struct closed_value equal_steps; /* diffusion: T*, forwards at which AR is as fast   */
    struct closed_value tokens_per_forward_needed; /* to be as fast as AR                 */
    struct closed_value tokens_per_forward_always; /* block: from here on AR never wins   */
    struct closed_value crossover_batch;           /* block: from here on AR is faster    */
};
void plan_predict(const struct cell *c, const struct plan *p, struct prediction *out);

#endif
