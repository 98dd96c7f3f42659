/* count_pass.h - one probe over one cell's decode. */
#ifndef APP_COUNT_PASS_H
#define APP_COUNT_PASS_H

#include "harness/app/count.h"
#include "harness/decode/session.h"

/* A cell ready to be decoded again and again. */
struct count_subject {
    /* set by the caller */
    const struct count_limits *limits;
    enum l2_state l2;
    int32_t device;         /* the GPU's number, or COUNT_CPU      */
    char tokens_sha256[65]; /* of the timed decodes; "": none       */

    /* set by count_open */
    const struct cell *cell;  /* borrowed                           */
    struct session *session;  /* owned                              */
    struct known_work *known; /* owned                              */
    int32_t n_steps;
    enum phase *phase; /* owned, [n_steps]: of each forward          */
    bool *middle;      /* owned: the one that was pinned in its phase */
};
/* Weights, session and a warm-up decode, which must produce the tokens of the timed ones. */
enum err count_open(struct count_subject *u, struct engine *e, const struct cell *c) MUST_CHECK;
void count_close(struct count_subject *u);

struct count_result {
    struct counting_row row;         /* what lies below */
    struct counted_forward *forward; /* owned, like the next */
    struct counted_kernel *kernel;
    struct known_work_row known[KNOWN_ROWS];
    struct energy_row energy;
    char chip[16], set[16];
    struct cupti_image config, counted; /* owned copies of what CUPTI wrote last */
};
/* Open the probe, run known work and then whole decodes, as often as the probe wants. */
enum err count_pass(struct count_subject *u, const struct probe_ops *p,
                    struct count_result *r) MUST_CHECK;
/* Decodes for a while, and the management library's word before and after. */
enum err count_energy(struct count_subject *u, struct count_result *r) MUST_CHECK;
void count_result_free(struct count_result *r);

/* What CUPTI wrote, as folder/RUN-SET.counters. */
enum err count_save(const struct count_result *r, const char *folder,
                    const char *run_id) MUST_CHECK;

#endif
