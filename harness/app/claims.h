/* claims.h - what people say about the two families of decoders, as inequalities that can fail.
 *
 * A claim looks at runs, planned or measured, and asks questions of them: a number the claim
 * predicts, the number found, and the limits within which the claim holds.  PASS means that its
 * sentence held, whichever way it points.  docs/CLAIMS.md tells each in words.
 *
 * To add a claim: one function in the file of its family and one row in claims.c. */
#ifndef APP_CLAIMS_H
#define APP_CLAIMS_H

#include "harness/app/claims_seen.h"
#include "harness/app/options.h"

enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_INCONCLUSIVE, /* a precondition is false, or the limits of a number straddle */
    VERDICT_NOT_RUN,      /* nothing here could decide it                                */
    VERDICT_COUNT
};
const char *verdict_name(enum verdict v); /* "NOT-RUN" */

/* Where what was found comes from; what decides a claim is never mixed up with a prediction. */
enum evidence {
    EVIDENCE_NONE,
    EVIDENCE_ANALYTIC,
    EVIDENCE_TIMING,
    EVIDENCE_LITERATURE,
    EVIDENCE_PROCESS, /* decodes on an exact process, judged against its probabilities */
    EVIDENCE_COUNT
};
const char *evidence_name(enum evidence e); /* "timing"; NULL for none */

struct trial;
typedef void claim_fn(struct trial *t);

struct claim {
    const char *id, *part; /* "C22", "a"; part NULL: the claim is one sentence      */
    const char *name;      /* "AR_AI_ONE"                                           */
    char direction;        /* '+' supports the popular story, '-' contradicts, '0'  */
    const char *sentence;  /* the claim                                             */
    const char *condition; /* of the runs that can decide it                        */
    const char *source;    /* who says so, or "derived"                             */
    claim_fn *ask;         /* NULL: nothing in this program can decide it           */
    enum evidence by;      /* TIMING: only a clock decides it; ANALYTIC: counts do, and planned
                              times where a run was not timed; LITERATURE: a record */
    bool clocked;        /* about times, or the ridge, which a clock measured if a run was timed */
    const char *not_run; /* without ask: what is missing                           */
};

/* Claims in order; NULL past the last. */
const struct claim *claim_at(int32_t i);
/* Asked of verdicts by intervention, not of runs. */
bool claim_is_about_sides(const struct claim *c);

/* One comparison. */
struct question {
    char what[288];
    double predicted; /* what the claim says; NaN: only the limits       */
    struct reading found;
    bool timed;           /* a clock took part in found; else it is counted or planned */
    double least, most;   /* found must lie in between; infinite: open       */
    enum verdict verdict; /* INCONCLUSIVE: found's own limits reach across   */
};

/* A claim judged on one device. */
struct finding {
    const struct claim *claim;
    char device[40]; /* "": none, a record          */
    enum verdict verdict;
    enum evidence evidence; /* of the verdict; NONE when NOT-RUN                        */
    bool timed;             /* a clock took part: in a time, or in the ridge it is held against */
    char reason[400];       /* why not decided, or what to know; ""                     */
    struct question *question;     /* owned */
    int32_t n_questions, decisive; /* decisive: the failing or the tightest one; -1: none */
    char *sql;                     /* owned: the query behind it; NULL: none */
    char *command;                 /* owned: what plans it again, a line each; NULL: none     */
};

struct finding_list {
    struct finding *finding; /* owned */
    int32_t n, room;
};

/* Judge every claim on every device that the runs are of, simulated ones first, and those about
 * quality on the policies, about sides on verdicts. */
enum err claims_judge(const struct seen_list *runs, const struct side_list *sides,
                      const struct policy_list *policies, struct finding_list *out) MUST_CHECK;
/* One claim on the runs of one device: those of run[0..n). */
enum err claim_judge(const struct claim *c, const struct seen *const *run, int32_t n,
                     struct finding *out) MUST_CHECK;
/* One about quality on policies. */
enum err claim_judge_policies(const struct claim *c, const struct policy_list *policies,
                              struct finding *out) MUST_CHECK;
/* One about sides of the ridge; NULL: no forward has a verdict. */
enum err claim_judge_side(const struct claim *c, const struct seen_side *side,
                          struct finding *out) MUST_CHECK;
void finding_free(struct finding *f);
void finding_list_free(struct finding_list *l);

/* How many claims held, by kind of evidence.  A claim held if it passed wherever that kind of
 * evidence decided it, and failed if it failed anywhere. */
struct claim_count {
    int32_t supports, contradicts, neutral; /* claims that held                 */
    int32_t failed_supports, failed_contradicts, failed_neutral;
    char failed[160]; /* "C09, C25" */
};
struct claims_summary {
    struct claim_count by[EVIDENCE_COUNT];
    int32_t n_claims, n_undecided; /* n_undecided: by no kind of evidence */
};
void claims_summarize(const struct finding_list *l, struct claims_summary *out);

/* Plan the cells (all on simulated devices) and judge them, with the runs of real devices in
 * `measured` (NULL: none), and print to f. */
enum err claims_report(const struct cell_list *cells, struct store *measured, const char *command,
                       enum output format, FILE *f) MUST_CHECK;
enum err claims_print(const struct finding_list *l, enum output format, FILE *f) MUST_CHECK;

#endif
