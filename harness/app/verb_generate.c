/* verb_generate.c - decode once, untimed, and show what every forward committed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/decoders.h"
#include "harness/app/engine.h"
#include "harness/app/quality.h"
#include "harness/app/table.h"
#include "harness/app/verbs.h"
#include "harness/base/json.h"
#include "harness/decode/exact.h"
#include "harness/decode/session.h"

enum { SHOWN_REQUESTS = 4 }; /* canvases side by side; the tokens of all follow */

/* One decode, by a model or by a process in its place: one of the two is NULL. */
struct decode {
    const struct cell *cell;
    struct session *model;
    struct exact_session *exact;
    int32_t n_symbols, mask_id;
    int32_t *before; /* owned [batch, spec_length] */
};

static bool is_done(const struct decode *d)
{
    return d->model ? session_done(d->model) : exact_session_done(d->exact);
}

static enum err step(struct decode *d, struct step_work *work)
{
    return d->model ? session_step(d->model, work) : exact_session_step(d->exact, work);
}

static const int32_t *tokens_of(const struct decode *d, int32_t request)
{
    const int32_t *all = d->model ? session_tokens(d->model) : exact_session_tokens(d->exact);
    return all + (int64_t)request * spec_length(&d->cell->spec);
}

static const int32_t *before_of(const struct decode *d, int32_t request)
{
    return d->before + (int64_t)request * spec_length(&d->cell->spec);
}

/* Before the first forward nothing is there, not even the noise that some canvases start as. */
static void remember(struct decode *d, bool first)
{
    const struct decode_spec *s = &d->cell->spec;
    size_t n = (size_t)s->batch * (size_t)spec_length(s);
    for (size_t i = 0; first && i < n; i++) d->before[i] = d->mask_id;
    if (!first) memcpy(d->before, tokens_of(d, 0), n * sizeof *d->before);
}

/* ---- for people ---- */

/* A character for each position to generate: the symbol itself where one digit holds any. */
static void canvas(const struct decode *d, int32_t request, struct strbuf *out)
{
    const struct decode_spec *s = &d->cell->spec;
    const int32_t *now = tokens_of(d, request), *before = before_of(d, request);
    for (int32_t i = spec_prefix(s); i < spec_length(s); i++) {
        bool fresh = now[i] != before[i];
        if (now[i] == d->mask_id)
            strbuf_add_char(out, '_');
        else if (d->n_symbols <= 10)
            strbuf_add_char(out, (char)('0' + now[i]));
        else
            strbuf_add_char(out, !fresh ? '#' : before[i] == d->mask_id ? '+' : '~');
    }
}

static enum err add_row(struct table *t, const struct decode *d, int32_t forward,
                        const struct step_work *w)
{
    int32_t shown = d->cell->spec.batch < SHOWN_REQUESTS ? d->cell->spec.batch : SHOWN_REQUESTS;
    struct strbuf text = {0};
    table_int(t, forward);
    table_text(t, phase_name(w->phase));
    table_int(t, w->rows);
    table_int(t, w->tokens_committed);
    for (int32_t b = 0; b < shown; b++) {
        if (b) strbuf_add_char(&text, ' ');
        canvas(d, b, &text);
    }
    enum err e = strbuf_check(&text);
    if (e == ERR_NONE) table_text(t, strbuf_text(&text));
    strbuf_free(&text);
    return e;
}

static void print_heading(const struct decode *d, const char *legend)
{
    const struct cell *c = d->cell;
    printf("%s of %s, %d + %d tokens", c->decoder, c->model, c->spec.n_prompt, c->spec.n_gen);
    if (cell_denoises(c)) {
        if (c->spec.block_length) printf(", blocks of %d", c->spec.block_length);
        printf(", strategy %s", strategy_name(c->spec.strategy));
    }
    if (d->model && c->weights != WEIGHTS_CHECKPOINT)
        printf("; its weights are random, and so are its tokens");
    printf("\n%s\n\n", legend);
}

static void print_ids(const int32_t *id, int32_t n)
{
    for (int32_t i = 0; i < n; i++) printf(" %d", id[i]);
}

static enum err show(struct decode *d, bool first)
{
    static const char *const columns[] = {"forward",   "phase",  "positions",
                                          "committed", "canvas", NULL};
    const struct decode_spec *s = &d->cell->spec;
    struct table t;
    struct step_work w;
    int64_t committed = 0, forwards = 0;
    enum err e = ERR_NONE;
    if (!first) putchar('\n');
    print_heading(d, d->n_symbols <= 10
                         ? "(_: masked; else the token)"
                         : "(_: masked, +: filled by this forward, #: before it, ~: changed)");
    table_open(&t, "forwards", columns);
    for (int32_t i = 0; !is_done(d); i++) {
        remember(d, i == 0);
        TRY_OUT(step(d, &w));
        if (strncmp(phase_name(w.phase), "prefill", 7) != 0) {
            committed += w.tokens_committed;
            forwards += w.phase != PHASE_DRAFT;
        }
        TRY_OUT(add_row(&t, d, i, &w));
    }
    TRY_OUT(table_print(&t, OUTPUT_MD));
    putchar('\n');
    if (forwards)
        printf("%lld tokens in %lld forwards after the prompt's: %.3g a forward\n",
               (long long)committed, (long long)forwards, (double)committed / (double)forwards);
    for (int32_t b = 0; b < s->batch; b++) {
        printf("request %d:", b);
        print_ids(tokens_of(d, b) + s->n_depth, s->n_prompt);
        printf(" |");
        print_ids(tokens_of(d, b) + spec_prefix(s), s->n_gen);
        putchar('\n');
    }
out:
    table_free(&t);
    return e;
}

/* ---- for programs ---- */

static void put_ids(struct json *j, const char *key, const int32_t *id, int32_t n)
{
    json_key(j, key);
    json_array_begin(j);
    for (int32_t i = 0; i < n; i++) json_int(j, id[i]);
    json_array_end(j);
}

/* What changed: [[position, token], ...] for each request, positions from the first generated. */
static void put_changes(struct json *j, const struct decode *d)
{
    const struct decode_spec *s = &d->cell->spec;
    json_key(j, "changes");
    json_array_begin(j);
    for (int32_t b = 0; b < s->batch; b++) {
        const int32_t *now = tokens_of(d, b), *before = before_of(d, b);
        json_array_begin(j);
        for (int32_t i = spec_prefix(s); i < spec_length(s); i++) {
            if (now[i] == before[i]) continue;
            json_array_begin(j);
            json_int(j, i - spec_prefix(s));
            if (now[i] == d->mask_id)
                json_null(j);
            else
                json_int(j, now[i]);
            json_array_end(j);
        }
        json_array_end(j);
    }
    json_array_end(j);
}

static enum err put(struct json *j, struct decode *d)
{
    const struct cell *c = d->cell;
    const struct decode_spec *s = &c->spec;
    struct strbuf cell = {0};
    struct step_work w;
    int64_t n_forwards = 0;
    cell_canonical(c, &cell);
    enum err e = strbuf_check(&cell);
    json_object_begin(j);
    json_key(j, "cell");
    json_raw(j, strbuf_text(&cell));
    json_key(j, "forwards");
    json_array_begin(j);
    while (e == ERR_NONE && !is_done(d)) {
        remember(d, n_forwards++ == 0);
        e = step(d, &w);
        if (e != ERR_NONE) break;
        json_object_begin(j);
        json_key(j, "phase");
        json_string(j, phase_name(w.phase));
        json_key(j, "rows");
        json_int(j, w.rows);
        json_key(j, "logit_rows");
        json_int(j, w.logit_rows);
        json_key(j, "tokens_committed");
        json_int(j, w.tokens_committed);
        put_changes(j, d);
        json_object_end(j);
    }
    json_array_end(j);
    json_key(j, "requests");
    json_array_begin(j);
    for (int32_t b = 0; b < s->batch; b++) {
        json_object_begin(j);
        put_ids(j, "prompt", tokens_of(d, b) + s->n_depth, s->n_prompt);
        put_ids(j, "tokens", tokens_of(d, b) + spec_prefix(s), s->n_gen);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
    strbuf_free(&cell);
    return e;
}

/* ---- all cells ---- */

struct work {
    const struct options *o;
    const struct process *process; /* NULL: models decode */
    struct kernels *k;             /* of the process      */
    struct json json;
    int32_t n_shown;
};

/* A decode whose session is open. */
static enum err decode(struct work *w, struct decode *d, const struct model_config *config)
{
    const struct decode_spec *s = &d->cell->spec;
    d->n_symbols = config->n_vocab - 1; /* less the mask, where it is the last */
    d->mask_id = config->mask_id;
    d->before = calloc((size_t)s->batch * (size_t)spec_length(s), sizeof *d->before);
    if (!d->before) return err_set(ERR_NOMEM, "no memory for the tokens of %d requests", s->batch);
    enum err e = w->o->output == OUTPUT_MD ? show(d, w->n_shown == 0) : put(&w->json, d);
    if (e == ERR_NONE && w->o->output == OUTPUT_JSONL) e = json_finish(&w->json);
    w->n_shown++;
    free(d->before);
    return e;
}

/* prompts[batch, n_prompt]: how sequences of the process begin. */
static enum err draw_prompts(const struct process *p, const struct decode_spec *s, int32_t *prompts)
{
    struct process_view v;
    if (!s->n_prompt) return ERR_NONE;
    TRY(process_view_create(&v, p, s->n_prompt));
    for (int32_t b = 0; b < s->batch; b++)
        process_sample(&v, s->seed, (uint32_t)b, 0, prompts + (int64_t)b * s->n_prompt,
                       s->n_prompt);
    process_view_free(&v);
    return ERR_NONE;
}

static enum err by_process(struct work *w, const struct cell *given)
{
    struct cell c = cell_on_process(given, w->process);
    struct decode d = {.cell = &c};
    struct model_config config = exact_config(w->process);
    enum err e = ERR_NONE;
    TRY(quality_check(w->process, &c));
    int32_t *prompts = calloc((size_t)c.spec.batch * (size_t)c.spec.n_prompt + 1, sizeof *prompts);
    if (!prompts) return err_set(ERR_NOMEM, "no memory for the prompts of %s", w->process->name);
    TRY_OUT(draw_prompts(w->process, &c.spec, prompts));
    c.spec.prompts = prompts;
    TRY_OUT(exact_session_create(w->k, w->process, decoder_find(c.decoder), &c.spec, &d.exact));
    e = decode(w, &d, &config);
out:
    exact_session_free(d.exact);
    free(prompts);
    return e;
}

static enum err by_model(struct work *w, const struct cell *c)
{
    struct engine *engine = NULL;
    struct decode d = {.cell = c};
    struct model *m, *draft;
    enum err e = ERR_NONE;
    if (strncmp(c->device, "sim:", 4) == 0)
        return err_set(ERR_UNSUPPORTED,
                       "--device %s: an imagined device computes nothing; expected cpu or cuda:N",
                       c->device);
    TRY(engine_open(c->device, w->o->log, &engine));
    TRY_OUT(engine_load(engine, c, 0, &m));
    TRY_OUT(engine_load_draft(engine, c, &draft));
    TRY_OUT(session_create_drafted(m, draft, decoder_find(c->decoder), &c->spec, c->kv_dtype,
                                   &d.model));
    e = decode(w, &d, model_config_of(m));
out:
    session_free(d.model);
    engine_close(engine);
    return e;
}

static enum err all_cells(struct work *w)
{
    const struct cell_list *l = &w->o->cells;
    json_to_file(&w->json, stdout);
    if (w->o->output == OUTPUT_JSON) {
        json_object_begin(&w->json);
        json_key(&w->json, "generations");
        json_array_begin(&w->json);
    }
    for (int32_t i = 0; i < l->n; i++) {
        const struct cell *c = &l->cell[i].cell;
        if (l->cell[i].skip_reason[0])
            log_line(w->o->log, LOG_WARN, "%s skipped: %s", c->decoder, l->cell[i].skip_reason);
        else
            TRY(w->process ? by_process(w, c) : by_model(w, c));
    }
    if (w->o->output != OUTPUT_JSON) return ERR_NONE;
    json_array_end(&w->json);
    json_object_end(&w->json);
    return json_finish(&w->json);
}

enum err verb_generate(const struct options *o)
{
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    struct process process;
    struct work w = {.o = o};
    enum err e = ERR_NONE;
    if (o->output != OUTPUT_MD && o->output != OUTPUT_JSON && o->output != OUTPUT_JSONL)
        return err_set(ERR_USAGE, "--output %s: expected md, json or jsonl for a generation",
                       output_name(o->output));
    if (strcmp(o->process, "none") != 0) {
        TRY(process_open(o->process, &process));
        w.process = &process;
        TRY(kernels_open(&config, &w.k));
    }
    e = all_cells(&w);
    kernels_close(w.k);
    return e;
}
