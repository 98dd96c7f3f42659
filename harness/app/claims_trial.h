/* claims_trial.h - what a claim's function works with: the runs of one device, and questions. */
#ifndef APP_CLAIMS_TRIAL_H
#define APP_CLAIMS_TRIAL_H

#include "harness/app/claims.h"

/* The verdicts that claims about sides count: FROM and WHERE of a query over v_bound. */
#define CLAIMS_SIDES_FROM                                                                          \
    "FROM (SELECT b.*, r.device_id, ROW_NUMBER() OVER (PARTITION BY r.device_id, r.cell_id, "      \
    "b.phase ORDER BY r.recorded_utc DESC, r.run_id) AS age, (SELECT AVG(a.other_cpus) "           \
    "FROM forward a WHERE a.run_no = r.run_no AND a.kind = 'pinned') / r.threads AS others "       \
    "FROM v_bound b JOIN run r ON r.run_id = b.run_id WHERE b.op = '') "                           \
    "WHERE age = 1 AND cache_resident = 0 AND ridge_distance > 2 "                                 \
    "AND side IN ('memory', 'compute') AND COALESCE(others, 0) < 0.25"

struct trial {
    const struct claim *claim;
    const struct seen *const *run; /* plain ones only */
    int32_t n;
    const struct seen_policy *policy; /* those judged on processes */
    int32_t n_policies;
    const struct seen_side *side; /* whose verdicts it is about; NULL: it is about runs */
    bool timed;
    bool *used; /* [n]: a question was about it */
    struct question *question;
    int32_t n_questions, room;
    bool no_memory;
    char ruled_out[400]; /* the most nearly usable run's reason */
    int32_t rank;
    char note[400]; /* what to know about an answer */
};

/* The next run of a decoder, without an approximate cache or with that one; *i starts at 0. */
const struct seen *trial_next(const struct trial *t, const char *decoder, int32_t *i);
const struct seen *trial_next_cached(const struct trial *t, const char *cache, int32_t *i);

/* The AR run of the same request, of this batch; NULL when there is none (and says so). */
const struct seen *trial_ar(struct trial *t, const struct seen *like, int32_t batch);
/* The run of the same series with this batch; NULL when there is none. */
const struct seen *trial_batch(const struct trial *t, const struct seen *like, int32_t batch);

/* The run equal to a cached one but for the cache; NULL when there is none (and says so). */
const struct seen *trial_uncached(struct trial *t, const struct seen *like);

/* The runs equal to `first` but for the batch, ascending; only when first is the smallest, so
 * that a walk over all runs meets each series once.  Returns their number, at most `room`. */
enum { SERIES_MAX = 32 };
int32_t trial_series(const struct trial *t, const struct seen *first,
                     const struct seen *series[SERIES_MAX]);

/* Why a run does not count.  Ranks: how near it came. */
enum { RANK_CONDITION = 1, RANK_PARTNER, RANK_QUALITY };
void trial_rule_out(struct trial *t, int32_t rank, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* For sides of the ridge: weights from DRAM, and below a quarter what other processes took of the
 * CPUs, and by how much the roofs moved.  Always true of a planned run. */
bool trial_knows_ridge(struct trial *t, const struct seen *s);
/* For times: the same, 20 forwards measured, and below a quarter the calls' own cost. */
bool trial_can_time(struct trial *t, const struct seen *s);

/* Ask about the runs (NULL-padded): found must lie in [least, most]. */
struct asking {
    const struct seen *of, *and_of;
    double predicted;
    struct reading found;
    bool counted; /* found is FLOPs or bytes, whatever the run: no clock took part */
    double least, most;
};
void trial_ask(struct trial *t, const struct asking *a, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* found / predicted must lie in [least, most]. */
void trial_ask_ratio(struct trial *t, const struct asking *a, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void trial_use(struct trial *t, const struct seen *s);

void trial_note(struct trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "batch 4, block 32, 8 steps, 256 + 256 tokens, llama3-8b". */
enum { RUN_TEXT_SIZE = 400 };
const char *seen_text(const struct seen *s, char buf[RUN_TEXT_SIZE]);

#endif
