/* arm.h - one cell being measured: its session, its recordings and every forward so far. */
#ifndef APP_ARM_H
#define APP_ARM_H

#include "harness/app/cells.h"
#include "harness/app/engine.h"
#include "harness/decode/session.h"

struct arm_forward {
    struct forward_row row; /* row.ledger is set when the run is stored */
    struct ledger ledger;
};

struct arm {
    const struct cell *cell; /* borrowed */
    bool baseline;           /* the others of its group are compared with it */
    struct engine *engine;   /* borrowed */
    struct plan *plan;       /* owned    */
    struct session *session; /* owned    */
    void *probe;             /* owned: the clock around every forward */
    struct price price[TIER_COUNT];
    bool cache_resident;
    int64_t memory_bytes; /* of its models, cache and scratch; 0: not open */

    struct recording *recorded[PHASE_COUNT]; /* the session's; NULL: phase not in this decode */
    int64_t pinned_ns[PHASE_COUNT];          /* what it took in the warm-up decode            */
    int64_t decode_ns;                       /* the warm-up decode                            */

    struct arm_forward *forward; /* owned */
    int32_t n, room;
    char tokens_sha256[65];

    bool settled;    /* enough is known: it takes no more turns */
    enum err status; /* once not ERR_NONE, nothing more is run */
    char message[512];
};

/* Count the cell's forwards and what it needs; decode it on a loaded model; let go of it. */
enum err arm_plan(struct arm *a, struct engine *e, const struct cell *c) MUST_CHECK;
/* draft: what engine_load_draft gave. */
enum err arm_open(struct arm *a, struct model *m, struct model *draft) MUST_CHECK;
void arm_close(struct arm *a);

/* The recorded phase that decodes: decode, verify or denoise. */
enum phase arm_main_phase(const struct arm *a);

/* One whole decode; the warm-up one (sample 0) records the middle forward of each phase. */
enum err arm_decode(struct arm *a, int32_t sample, bool warmup, int64_t *seq) MUST_CHECK;

/* One replay of a recorded forward. */
struct replay {
    enum forward_kind kind; /* FORWARD_PINNED or FORWARD_TRACE */
    enum phase phase;
    int32_t sample, round;
    bool warmup, after_switch;
};
enum err arm_replay(struct arm *a, const struct replay *r, int64_t *seq) MUST_CHECK;

#endif
