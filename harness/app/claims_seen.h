/* claims_seen.h - runs of a store as claims look at them: per forward, with what is known of
 * each number.
 *
 * Planned and measured runs come through the same views, so a claim asks both the same way. */
#ifndef APP_CLAIMS_SEEN_H
#define APP_CLAIMS_SEEN_H

#include "results/store.h"
#include "roofline/closed_form.h"

/* A number and the limits it lies between: equal for what was counted or planned, 95 % limits
 * for what was timed, NaN where none are known. */
struct reading {
    double value, lo, hi;
};
enum reading_end { READING_VALUE, READING_LO, READING_HI };
double reading_end(struct reading r, enum reading_end end);
struct reading reading_exact(double value);
struct reading reading_ratio(struct reading a, struct reading b); /* both above 0 */
struct reading reading_scaled(struct reading a, double by);       /* by above 0   */

/* Means over the forwards of one phase. */
struct seen_phase {
    double forwards; /* of one whole decode; 0: the decoder has no such phase         */
    double tokens;   /* committed, all sequences                                      */
    double logit_rows;
    double flop, flop_matmul;
    double bytes, bytes_lo, bytes_hi; /* DRAM: the estimate and the band it lies in    */
    double bytes_weight;
    double calls;
    struct reading ns; /* of one forward: planned, or the median of pinned ones        */
    int64_t n_timed;   /* measured forwards, pinned ones and those of whole decodes    */
};

struct seen {
    char run_id[37], device_id[65], device[40], model[MODEL_NAME_SIZE], decoder[24];
    char cache[8];                /* "dual"; "" for none, and for exact ones */
    char draft[40];               /* who drafts; "": drafts cost nothing */
    int32_t draft_layers, drafts; /* drafts: per verify forward */
    double acceptance;
    bool fused;            /* commits, into the next block's first forward */
    int64_t memory_budget; /* its batch is the largest that fits; 0: its batch was given */
    char variant[16];      /* "avx512": whose kernels; "": there is one set */
    int32_t layers, batch, n_prompt, n_gen, block, steps, threads; /* steps: per block */
    enum dtype dtype, kv_dtype;
    bool timed;          /* false: planned */
    bool cache_resident; /* the weights do not come from DRAM every time */
    bool plain;          /* lockstep, logits of masked rows, nothing in the cache before, no
                            refreshes within a block: what the claims are about */
    double launch_ns;    /* cost of a call that computes nothing */
    double crowding;     /* share of its CPUs that other processes took meanwhile      */
    double roofs_moved;  /* larger over smaller of the roofs before and after, less 1  */
    struct closed_model form;
    struct roof roof; /* measured ceilings, else the data sheet */
    struct seen_phase phase[PHASE_COUNT];

    /* Its denoise forward over the verify forward of as many rows of a run that took turns with it:
     * the median of rounds (v_same_physics).  Value 0: there was none. */
    char verifier_id[37];
    struct reading over_verify;
};

/* A decoding policy judged on an exact process. */
struct seen_policy {
    char process[40], decoder[24], strategy[24]; /* strategy "": it reveals no masks */
    int32_t batch, n_prompt, n_gen, block, steps;
    double temperature;
    bool is_bound;     /* kl is an upper bound                     */
    struct reading kl; /* KL(produced || true), nats per token     */
    double entropy;    /* of the truth, nats per token             */
};
struct policy_list {
    struct seen_policy *policy; /* owned; the newest judgement of each */
    int32_t n, room;
};
enum err policies_load(struct store *s, struct policy_list *out) MUST_CHECK;
void policies_free(struct policy_list *l);

/* Forwards from DRAM more than twice off the ridge, on one side of it, with verdicts by
 * intervention; other processes took less than a quarter of the CPUs meanwhile. */
struct seen_side {
    char device_id[65], device[40];
    bool is_compute;
    int32_t n, agree, undecided, contradict; /* the rest: mixed, overhead */
};
struct side_list {
    struct seen_side *side; /* owned */
    int32_t n, room;
};
enum err sides_load(struct store *s, struct side_list *out) MUST_CHECK;
void sides_free(struct side_list *l);
/* The share k / n with its 95 % interval. */
struct reading share_of(int32_t k, int32_t n);

struct seen_list {
    struct seen *run; /* owned; the newest run of each cell on each device */
    int32_t n, room;
};

/* Every finished run; newer ones replace older ones of the same cell. */
enum err seen_load(struct store *s, struct seen_list *out) MUST_CHECK;
void seen_list_free(struct seen_list *l);

/* The phase that makes most tokens: decode, verify, denoise, or with an approximate cache reuse. */
const struct seen_phase *seen_step(const struct seen *s);
struct reading seen_phase_band(const struct seen_phase *p);
/* FLOP per byte of such a forward: the estimate, or the estimate within the traffic band. */
struct reading seen_intensity(const struct seen *s);
struct reading seen_intensity_band(const struct seen *s);
struct reading seen_flop_per_s(const struct seen *s);

double seen_ridge(const struct seen *s);      /* FLOP per byte                           */
double seen_ridge_rows(const struct seen *s); /* rows at which linear maps cross it */

/* After prefill, all phases together. */
double seen_tokens(const struct seen *s); /* of one whole decode, all sequences          */
double seen_flop(const struct seen *s);
double seen_tokens_per_forward(const struct seen *s); /* per sequence                    */
struct reading seen_tokens_per_s(const struct seen *s);

/* Mean number of positions an AR forward sees, its own included; that of cached ones before a
 * block; of all positions of a full-sequence forward. */
double seen_context(const struct seen *s);

/* The same model, weights and threads on the same device; and the same request. */
bool seen_same_machine(const struct seen *a, const struct seen *b);
bool seen_same_request(const struct seen *a, const struct seen *b);
/* Of the same decoder, and equal but for the batch. */
bool seen_same_series(const struct seen *a, const struct seen *b);

#endif
