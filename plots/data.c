/* data.c - runs into subjects, queries into rows. */
#include "plots/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char runs_sql[] =
    "SELECT run_id, device, device_kind, device_id, COALESCE(device_description, ''), plan,"
    " decoder, batch_seqs, cache_resident, recorded_utc, git_sha, git_dirty,"
    /* the subject's fields */
    " model, layers, dtype, kv_dtype,"
    " iif(device_kind = 'cpu' AND compute_dtype <> 'f32', compute_dtype, NULL), threads, isa,"
    " iif(launch_ns > 0, launch_ns, NULL),"
    " prompt_tokens, gen_tokens, COALESCE(depth_tokens, 0),"
    /* the run's */
    " block_tokens, denoise_steps, strategy,"
    " cache || COALESCE(' every ' || refresh_forwards, ''), logits, head, batch_policy,"
    " temperature,"
    " draft_tokens, acceptance, commit_policy,"
    " draft || COALESCE(' of ' || draft_layers || ' layers', '')"
    " FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY cell_id, device_id, plan"
    "                                    ORDER BY ?1 AND judged DESC, recorded_utc DESC, run_id)"
    "                AS age"
    "       FROM (SELECT v.*, EXISTS (SELECT 1 FROM run r JOIN forward f ON f.run_no = r.run_no"
    "                                 WHERE r.run_id = v.run_id AND f.kind = 'plan') AS plan,"
    "                    EXISTS (SELECT 1 FROM run r JOIN bound b ON b.run_no = r.run_no"
    "                            WHERE r.run_id = v.run_id) AS judged"
    "             FROM v_run v WHERE v.status = 'ok' AND v.arithmetic IS NULL))"
    " WHERE age = 1 ORDER BY run_id";
enum {
    RUN_ID,
    DEVICE,
    KIND,
    DEVICE_ID,
    DESCRIPTION,
    PLAN,
    DECODER,
    BATCH,
    RESIDENT,
    RECORDED,
    GIT_SHA,
    GIT_DIRTY,
    OF_SUBJECT,
    OF_RUN = OF_SUBJECT + SUBJECT_COUNT
};

static const char roofs_sql[] =
    "SELECT r.run_id, p.tier, p.matmul_flop_per_s, p.bytes_per_s"
    " FROM price p JOIN run r ON r.run_no = p.run_no WHERE p.tier IN ('ceilings', 'datasheet')";

static double number(const struct store_value *v)
{
    return v->type == VALUE_INT ? (double)v->i : v->type == VALUE_REAL ? v->r : NAN;
}

static void word(char *out, size_t size, const struct store_value *v)
{
    switch (v->type) {
    case VALUE_NULL:
        *out = '\0';
        break;
    case VALUE_INT:
    case VALUE_BOOL:
        snprintf(out, size, "%lld", (long long)v->i);
        break;
    case VALUE_REAL:
        snprintf(out, size, "%g", v->r);
        break;
    case VALUE_TEXT:
        snprintf(out, size, "%s", v->text);
        break;
    }
}

static bool same_subject(const struct subject *a, const struct subject *b)
{
    for (int f = 0; f < SUBJECT_COUNT; f++)
        if (strcmp(a->field[f], b->field[f]) != 0) return false;
    return strcmp(a->device_id, b->device_id) == 0 && a->predicted == b->predicted;
}

static enum err find_subject(struct plot_data *d, const struct subject *s, int *index)
{
    for (*index = 0; *index < d->n_subjects; ++*index)
        if (same_subject(&d->subject[*index], s)) return ERR_NONE;
    struct subject *grown = realloc(d->subject, (size_t)(d->n_subjects + 1) * sizeof *grown);
    if (!grown) return err_set(ERR_NOMEM, "figures of %d devices: out of memory", d->n_subjects);
    d->subject = grown;
    d->subject[d->n_subjects++] = *s;
    return ERR_NONE;
}

static enum err add_run(void *ctx, const struct store_result_row *row)
{
    struct plot_data *d = ctx;
    const struct store_value *v = row->value;
    if (d->n_runs == d->run_room) {
        int room = d->run_room ? 2 * d->run_room : 64;
        struct plot_run *grown = realloc(d->run, (size_t)room * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "figures of %d runs: out of memory", d->n_runs);
        d->run = grown;
        d->run_room = room;
    }
    struct subject s = {.newest = d->n_runs, .n_runs = 0};
    word(s.device, sizeof s.device, &v[DEVICE]);
    word(s.kind, sizeof s.kind, &v[KIND]);
    word(s.device_id, sizeof s.device_id, &v[DEVICE_ID]);
    word(s.description, sizeof s.description, &v[DESCRIPTION]);
    for (int f = 0; f < SUBJECT_COUNT; f++) word(s.field[f], sizeof s.field[f], &v[OF_SUBJECT + f]);
    s.predicted = strcmp(s.kind, "sim") == 0 || v[PLAN].i != 0;

    struct plot_run *r = &d->run[d->n_runs];
    *r = (struct plot_run){.ceilings = {NAN, NAN}, .datasheet = {NAN, NAN}};
    TRY(find_subject(d, &s, &r->subject));
    word(r->run_id, sizeof r->run_id, &v[RUN_ID]);
    word(r->decoder, sizeof r->decoder, &v[DECODER]);
    r->batch = number(&v[BATCH]);
    r->cache_resident = v[RESIDENT].i != 0;
    word(r->recorded_utc, sizeof r->recorded_utc, &v[RECORDED]);
    snprintf(r->git, sizeof r->git, "%.12s%s", v[GIT_SHA].text,
             v[GIT_DIRTY].type == VALUE_NULL ? ""
             : v[GIT_DIRTY].i                ? " with changes"
                                             : "");
    for (int f = 0; f < FIELD_COUNT; f++) word(r->field[f], WORD_SIZE, &v[OF_RUN + f]);
    r->block = number(&v[OF_RUN + FIELD_BLOCK]);
    r->steps = number(&v[OF_RUN + FIELD_STEPS]);
    r->prompt = number(&v[OF_SUBJECT + SUBJECT_PROMPT]);
    r->gen = number(&v[OF_SUBJECT + SUBJECT_GEN]);

    struct subject *in = &d->subject[r->subject];
    in->n_runs++;
    if (strcmp(r->recorded_utc, d->run[in->newest].recorded_utc) > 0) in->newest = d->n_runs;
    d->n_runs++;
    return ERR_NONE;
}

static enum err add_roof(void *ctx, const struct store_result_row *row)
{
    struct plot_data *d = ctx;
    const struct store_value *v = row->value;
    int i = plot_data_find(d, v[0].text);
    struct roof r = {number(&v[2]), number(&v[3])};
    if (i < 0) return ERR_NONE;
    if (strcmp(v[1].text, "ceilings") == 0)
        d->run[i].ceilings = r;
    else
        d->run[i].datasheet = r;
    return ERR_NONE;
}

/* Same device name and evidence, and equal in the fields of a set (1 << SUBJECT_...). */
static bool is_alike(const struct subject *a, const struct subject *b, unsigned fields)
{
    for (int f = 0; f < SUBJECT_COUNT; f++)
        if (fields & 1u << f && strcmp(a->field[f], b->field[f]) != 0) return false;
    return strcmp(a->device, b->device) == 0 && a->predicted == b->predicted;
}

/* Letters, digits, dots and dashes only. */
static void append_slug(struct subject *s, const char *prefix, const char *text, const char *suffix)
{
    size_t used = strlen(s->slug);
    snprintf(s->slug + used, sizeof s->slug - used, "%s%s%s", prefix, *text ? text : "default",
             suffix);
    for (char *p = s->slug; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || *p == '.' || *p == '-';
        if (!plain) *p = '-';
    }
}

/* The device's name and what tells its subjects apart, no more. */
static void name_subject(struct plot_data *d, struct subject *s)
{
    static const char *const suffix[SUBJECT_COUNT] = {
        [SUBJECT_MODEL] = "",           [SUBJECT_LAYERS] = "-layers",
        [SUBJECT_DTYPE] = "",           [SUBJECT_KV] = "-kv",
        [SUBJECT_COMPUTE] = "-products",
        [SUBJECT_THREADS] = "-threads", [SUBJECT_ISA] = "-isa",
        [SUBJECT_LAUNCH] = "-ns-launch",
        [SUBJECT_PROMPT] = "-prompt",   [SUBJECT_GEN] = "-gen",
        [SUBJECT_DEPTH] = "-depth",
    };
    bool sim = strncmp(s->device, "sim:", 4) == 0;
    append_slug(s, "", sim ? s->device + 4 : s->device, "");
    if (s->predicted && !sim) append_slug(s, "-", "predicted", "");
    unsigned named = 0;
    for (int f = 0; f < SUBJECT_COUNT; f++) {
        bool differs = false;
        for (int i = 0; i < d->n_subjects; i++)
            differs |= is_alike(&d->subject[i], s, named) &&
                       strcmp(d->subject[i].field[f], s->field[f]) != 0;
        if (!differs) continue;
        append_slug(s, "-", s->field[f], suffix[f]);
        named |= 1u << f;
    }
    /* Two machines may have devices of the same name. */
    for (int i = 0; i < d->n_subjects; i++) {
        char id[9];
        if (!is_alike(&d->subject[i], s, named) || &d->subject[i] == s) continue;
        snprintf(id, sizeof id, "%.8s", s->device_id);
        append_slug(s, "-", id, "");
        break;
    }
}

static int compare_slug(const void *a, const void *b)
{
    return strverscmp(((const struct subject *)a)->slug, ((const struct subject *)b)->slug);
}

static enum err sort_subjects(struct plot_data *d)
{
    int *now = calloc((size_t)d->n_subjects + 1, sizeof *now);
    if (!now) return err_set(ERR_NOMEM, "figures of %d devices: out of memory", d->n_subjects);
    for (int i = 0; i < d->n_subjects; i++) d->subject[i].number = i;
    if (d->n_subjects) qsort(d->subject, (size_t)d->n_subjects, sizeof *d->subject, compare_slug);
    for (int i = 0; i < d->n_subjects; i++) now[d->subject[i].number] = i;
    for (int i = 0; i < d->n_runs; i++) d->run[i].subject = now[d->run[i].subject];
    free(now);
    return ERR_NONE;
}

enum err plot_data_load(struct store *s, bool judged_first, struct plot_data *out)
{
    *out = (struct plot_data){.judged_first = judged_first};
    struct store_value first = {.type = VALUE_INT, .i = judged_first};
    enum err e = store_query(s, runs_sql, &first, 1, add_run, out);
    if (e == ERR_NONE) e = store_query(s, roofs_sql, NULL, 0, add_roof, out);
    for (int i = 0; i < out->n_subjects; i++) name_subject(out, &out->subject[i]);
    if (e == ERR_NONE) e = sort_subjects(out);
    if (e != ERR_NONE) plot_data_free(out);
    return e;
}

void plot_data_free(struct plot_data *d)
{
    free(d->run);
    free(d->subject);
    *d = (struct plot_data){0};
}

static int compare_id(const void *id, const void *run)
{
    return strcmp(id, ((const struct plot_run *)run)->run_id);
}

int plot_data_find(const struct plot_data *d, const char *run_id)
{
    const struct plot_run *r =
        d->n_runs ? bsearch(run_id, d->run, (size_t)d->n_runs, sizeof *d->run, compare_id) : NULL;
    return r ? (int)(r - d->run) : -1;
}

static enum err add_row(void *ctx, const struct store_result_row *row)
{
    struct plot_rows *r = ctx;
    bool of_run = r->data && row->value[0].type == VALUE_TEXT;
    int run = of_run ? plot_data_find(r->data, row->value[0].text) : -1;
    if (run < 0 && r->data) return ERR_NONE;
    if (r->n == r->room) {
        int room = r->room ? 2 * r->room : 128;
        struct plot_row *grown = realloc(r->row, (size_t)room * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "figure of %d rows: out of memory", r->n);
        r->row = grown;
        r->room = room;
    }
    struct plot_row *to = &r->row[r->n++];
    CHECK(r->n_words <= ROW_WORDS && row->n - 1 - r->n_words <= ROW_NUMBERS);
    memset(to, 0, sizeof *to);
    to->run = run;
    for (int i = 0; i < r->n_words; i++) word(to->word[i], WORD_SIZE, &row->value[1 + i]);
    for (int i = 0; i < row->n - 1 - r->n_words; i++)
        to->v[i] = number(&row->value[1 + r->n_words + i]);
    return ERR_NONE;
}

enum err plot_rows_load(struct store *s, const struct plot_data *d, const char *sql, int n_words,
                        struct plot_rows *out)
{
    *out = (struct plot_rows){.n_words = n_words, .data = d};
    enum err e = store_query(s, sql, NULL, 0, add_row, out);
    if (e != ERR_NONE) plot_rows_free(out);
    return e;
}

void plot_rows_free(struct plot_rows *r)
{
    free(r->row);
    *r = (struct plot_rows){0};
}

bool roof_known(struct roof r)
{
    return r.flop_per_s > 0 && r.bytes_per_s > 0;
}

struct roof run_roof(const struct plot_run *r)
{
    return roof_known(r->ceilings) ? r->ceilings : r->datasheet;
}
