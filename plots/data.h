/* data.h - what a database holds, sorted into the subjects that figures are drawn of.
 *
 * A subject is what one figure may show together: one device, one model, one thread count, the
 * same requests, one kind of evidence.  Predictions and measurements are never of one subject. */
#ifndef PLOTS_DATA_H
#define PLOTS_DATA_H

#include "results/store.h"
#include "roofline/roof.h"

/* What may tell runs of one decoder apart besides the batch. */
enum field {
    FIELD_BLOCK,
    FIELD_STEPS,
    FIELD_STRATEGY,
    FIELD_CACHE,
    FIELD_LOGITS,
    FIELD_HEAD,
    FIELD_POLICY,
    FIELD_TEMPERATURE,
    FIELD_DRAFTS,
    FIELD_ACCEPTANCE,
    FIELD_COMMIT,
    FIELD_DRAFTER,
    FIELD_COUNT
};
enum { WORD_SIZE = 32 };

struct plot_run {
    char run_id[37];
    int subject;
    char decoder[WORD_SIZE];
    double batch, block, steps, prompt, gen; /* block, steps: NaN where there are none */
    char field[FIELD_COUNT][WORD_SIZE];      /* as text; "" for none                   */
    bool cache_resident;
    struct roof ceilings, datasheet; /* NaN: unknown */
    char recorded_utc[WORD_SIZE];
    char git[56]; /* commit, and whether the sources differed from it */
};

/* What tells subjects of one device apart, in the order a file name gives it. */
enum subject_field {
    SUBJECT_MODEL,
    SUBJECT_LAYERS,
    SUBJECT_DTYPE,
    SUBJECT_KV,
    SUBJECT_COMPUTE, /* cpu: what matmuls multiply, unless f32 */
    SUBJECT_THREADS,
    SUBJECT_ISA,
    SUBJECT_LAUNCH,
    SUBJECT_PROMPT,
    SUBJECT_GEN,
    SUBJECT_DEPTH,
    SUBJECT_COUNT
};

struct subject {
    char device[48], kind[16], device_id[72];
    char description[200];
    char field[SUBJECT_COUNT][48];
    bool predicted;
    char slug[160]; /* for file names: "cpu", "a100-80gb", "cpu-tiny-25m" */
    int newest;     /* its latest run */
    int n_runs;
    int number; /* its place before the subjects were sorted */
};

struct plot_data {
    struct plot_run *run; /* owned; by run_id; the newest finished run of each cell ... */
    bool judged_first;    /* ... among those that have a verdict (regime bound), if any has */
    int n_runs;
    struct subject *subject; /* owned; by slug */
    int n_subjects;
    int run_room;
};

enum err plot_data_load(struct store *s, bool judged_first, struct plot_data *out) MUST_CHECK;
void plot_data_free(struct plot_data *d);
/* -1: not among them. */
int plot_data_find(const struct plot_data *d, const char *run_id);

/* One row of a figure's query: run_id, then words, then numbers (NULL: "" and NaN). */
enum { ROW_WORDS = 4, ROW_NUMBERS = 18 };
struct plot_row {
    int run;
    char word[ROW_WORDS][WORD_SIZE];
    double v[ROW_NUMBERS];
};
struct plot_rows {
    struct plot_row *row; /* owned */
    int n, room;
    int n_words; /* of the query; the other columns are numbers */
    const struct plot_data *data;
};
/* Rows of runs that are not in d are left out; d NULL: rows are of no run. */
enum err plot_rows_load(struct store *s, const struct plot_data *d, const char *sql, int n_words,
                        struct plot_rows *out) MUST_CHECK;
void plot_rows_free(struct plot_rows *r);

/* The roofs a run is held against: measured where known. */
struct roof run_roof(const struct plot_run *r);
bool roof_known(struct roof r);

#endif
