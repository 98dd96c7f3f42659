/* cells.c - expand groups of axes into cells, and say which are skipped and why. */
#include "harness/app/cells.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/cell_index.h"
#include "harness/app/decoders.h"
#include "harness/app/match.h"

void cell_list_free(struct cell_list *l)
{
    for (int32_t i = 0; i < l->n_traces; i++) commit_trace_free(l->trace[i]);
    free(l->trace);
    cell_inputs_free(&l->inputs);
    free(l->cell);
    *l = (struct cell_list){0};
}

/* What is in force for one group: overrides, its own axes, inherited ones. */
struct product {
    const struct cell_group *group;
    const struct axis_entry *entry[64];
    int32_t at[64]; /* index of the value now chosen; unused for a tied one */
    int32_t n;
};

/* The lists grow together: the cell as planned, as given, and where. */
struct draft {
    const struct cell_space *space;
    struct cell_list *list;
    struct cell *given; /* before what is derived was filled in */
    const struct cell_group **from;
    int32_t room;
    struct cell_index index;
};

static void add_entry(struct product *p, const struct cell_space *s, const struct axis_entry *e)
{
    const struct axis_entry *over = cell_group_find(&s->override, e->axis);
    for (int32_t i = 0; i < p->n; i++)
        if (p->entry[i]->axis == e->axis) return;
    CHECK(p->n < 64);
    p->entry[p->n++] = over ? over : e;
}

static void begin_product(struct product *p, const struct cell_space *s, const struct cell_group *g)
{
    *p = (struct product){.group = g};
    for (int32_t i = 0; i < s->override.n; i++)
        if (!cell_group_find(g, s->override.entry[i].axis)) add_entry(p, s, &s->override.entry[i]);
    for (int32_t i = 0; i < s->defaults.n; i++)
        if (!cell_group_find(g, s->defaults.entry[i].axis)) add_entry(p, s, &s->defaults.entry[i]);
    for (int32_t i = 0; i < g->n; i++) add_entry(p, s, &g->entry[i]);
}

/* Ties are computed in order, so one may not need a later one. */
static enum err check_ties(const struct product *p)
{
    for (int32_t i = 0; i < p->n; i++)
        for (int32_t j = i + 1; p->entry[i]->tied && j < p->n; j++)
            if (p->entry[j]->tied && expr_uses(p->entry[i]->tied, p->entry[j]->axis))
                return err_set(ERR_USAGE, "%s: needs %s, which is itself computed, further down",
                               p->entry[i]->where, p->entry[j]->axis->name);
    return ERR_NONE;
}

/* A batch that is chosen cannot be given. */
static enum err check_match(const struct product *p)
{
    const struct axis_entry *batch = NULL, *match = NULL;
    for (int32_t i = 0; i < p->n; i++) {
        if (strcmp(p->entry[i]->axis->name, "batch") == 0) batch = p->entry[i];
        if (strcmp(p->entry[i]->axis->name, "match") == 0) match = p->entry[i];
    }
    for (int32_t i = 0; batch && match && i < match->list.n; i++)
        if (strcmp(match->list.value[i].text, "policy") != 0)
            return err_set(ERR_USAGE, "%s: match %s chooses the batch; leave it out", batch->where,
                           match->list.value[i].text);
    return ERR_NONE;
}

/* Combinations count against the limit whether or not they turn out to be equal cells. */
static enum err count_combinations(const struct product *p, int64_t *total)
{
    int64_t n = 1;
    for (int32_t i = 0; i < p->n && n <= CELLS_MAX; i++)
        if (!p->entry[i]->tied) n *= p->entry[i]->list.n;
    *total += n;
    if (*total <= CELLS_MAX) return ERR_NONE;
    return err_set(ERR_USAGE, "%s: the axes make more than %d cells", p->group->where, CELLS_MAX);
}

/* The next combination, the last axis first; false after the last one. */
static bool next_combination(struct product *p)
{
    for (int32_t i = p->n - 1; i >= 0; i--) {
        if (p->entry[i]->tied) continue;
        if (++p->at[i] < p->entry[i]->list.n) return true;
        p->at[i] = 0;
    }
    return false;
}

static void set_tied(const struct axis_entry *e, struct cell *c, char *reason, size_t reason_size)
{
    char why[128];
    struct axis_value v = {0};
    enum expr_status status = e->axis->kind == AXIS_INT
                                  ? expr_int(e->tied, c, &v.i, why, sizeof why)
                                  : expr_float(e->tied, c, &v.f, why, sizeof why);
    if (status == EXPR_OK && axis_check(e->axis, &v) != ERR_NONE) {
        snprintf(why, sizeof why, "%s", err_msg());
        status = EXPR_NO_VALUE;
    }
    if (status == EXPR_OK)
        axis_set(e->axis, c, &v);
    else if (!reason[0])
        snprintf(reason, reason_size, "%s: %s", e->axis->name, why);
}

/* The cell of the current combination as given, ties computed. */
static void make_given(const struct product *p, const struct cell_space *s, struct cell *c,
                       char *reason, size_t reason_size)
{
    axes_default(c, s->device);
    for (int32_t i = 0; i < p->n; i++)
        if (!p->entry[i]->tied) axis_set(p->entry[i]->axis, c, &p->entry[i]->list.value[p->at[i]]);
    axes_resolve_block_length(c);
    for (int32_t i = 0; i < p->n; i++) {
        char ignored[160] = "";
        bool applies = axis_applies(p->entry[i]->axis, c);
        if (!p->entry[i]->tied) continue;
        /* A cell that has no use for it may be paired with one that has. */
        set_tied(p->entry[i], c, applies ? reason : ignored,
                 applies ? reason_size : sizeof ignored);
    }
}

/* Do not show a default where a tie should have given the value and could not. */
static void clear_failed_ties(const struct product *p, const struct cell *given, struct cell *c)
{
    for (int32_t i = 0; i < p->n; i++) {
        if (!p->entry[i]->tied || axis_is_set(p->entry[i]->axis, given)) continue;
        struct axis_value v = axis_get(p->entry[i]->axis, given);
        axis_set(p->entry[i]->axis, c, &v);
    }
}

/* A forward's rows are counted in 32 bits; the largest has every position of the batch. */
static void check_rows(const struct cell *c, char *reason, size_t reason_size)
{
    int64_t rows =
        (int64_t)c->spec.batch * ((int64_t)c->spec.n_depth + c->spec.n_prompt + c->spec.n_gen);
    if (c->spec.guidance > 0) rows *= 2;
    if (rows > INT32_MAX)
        snprintf(reason, reason_size,
                 "batch x (n-depth + n-prompt + n-gen) is %" PRId64 " positions; the most is %d",
                 rows, INT32_MAX);
}

static void check_decoder(const struct cell *c, char *reason, size_t reason_size)
{
    struct model_config config;
    const struct decoder_ops *ops = decoder_find(c->decoder);
    CHECK(ops != NULL);
    if (model_named(c->model, c->layers, &config) != ERR_NONE ||
        ops->check(&c->spec, &config) != ERR_NONE)
        snprintf(reason, reason_size, "%s", err_msg());
}

/* Of a machine that is here: simulated ones have no such axis. */
static enum err check_isa(const struct cell *c)
{
    enum isa isa;
    if (c->isa == ISA_AMX && c->compute != DTYPE_BF16)
        return err_set(ERR_USAGE, "isa amx multiplies bf16 only: it wants compute-dtype bf16, and "
                                  "f32 and int8 products are those of avx512");
    return c->isa == ISA_AUTO ? ERR_NONE : isa_choose(c->isa, &isa);
}

/* Threads wait for each other by spinning: more of them than CPUs would wait for the scheduler. */
static enum err check_threads(const struct cell *c)
{
    struct cpuinfo cpu;
    if (!c->threads) return ERR_NONE;
    cpuinfo_read(&cpu);
    if (c->threads <= cpu.n_cpus) return ERR_NONE;
    return err_set(ERR_UNSUPPORTED, "threads %d: this process may use %d CPUs", c->threads,
                   cpu.n_cpus);
}

/* asked: what the cell was given, before what its device has no use for was dropped. */
static enum err check_compute(const struct cell *c, enum dtype asked)
{
    enum isa isa;
    if (asked == DTYPE_F32) return ERR_NONE;
    if (strcmp(c->device, "cpu") != 0)
        return err_set(ERR_USAGE, "compute-dtype is a choice on cpu only: %s multiplies bf16 and "
                                  "int8 weights in bf16, f32 ones in %s",
                       c->device, strncmp(c->device, "sim:", 4) == 0 ? "tf32" : "f32");
    if (c->dtype != asked)
        return err_set(ERR_USAGE, "compute-dtype %s multiplies %s weights, and these are %s",
                       dtype_name(asked), dtype_name(asked), dtype_name(c->dtype));
    TRY(isa_choose(c->isa, &isa));
    if (asked == DTYPE_INT8 && c->arithmetic == ARITHMETIC_TWICE)
        return err_set(ERR_UNSUPPORTED, "int8 products are not made twice: --arithmetic twice is "
                                        "for compute-dtype f32 and bf16");
    return asked == DTYPE_BF16 ? isa_has_bf16(isa) : isa_has_int8(isa);
}

static enum err check_matmul(const struct cell *c)
{
    if (strncmp(c->device, "cuda:", 5) != 0 || c->dtype != DTYPE_INT8 || c->matmul == MATMUL_OWN)
        return ERR_NONE;
    return err_set(ERR_USAGE, "cuBLAS cannot multiply int8 weights with a scale for every %d of "
                              "them; --matmul own can",
                   INT8_GROUP);
}

static enum err check_machine(const struct cell *c, const struct cell *given)
{
    TRY(check_isa(c));
    TRY(check_matmul(c));
    TRY(check_threads(c));
    return check_compute(c, given->compute);
}

static void check_skips(const struct cell_group *g, const struct cell *c, char *reason,
                        size_t reason_size)
{
    for (int32_t i = 0; i < g->n_skips && !reason[0]; i++) {
        char why[128];
        bool skip = false;
        enum expr_status status = expr_true(g->skip[i], c, &skip, why, sizeof why);
        if (status == EXPR_NO_VALUE)
            snprintf(reason, reason_size, "skip: %s", why);
        else if (status == EXPR_OK && skip)
            snprintf(reason, reason_size, "%s", g->skip[i]->text);
    }
}

static enum err grow(struct draft *d)
{
    if (d->list->n < d->room) return ERR_NONE;
    int32_t room = d->room ? 2 * d->room : 64;
    struct planned_cell *cell = realloc(d->list->cell, (size_t)room * sizeof *cell);
    if (cell) d->list->cell = cell;
    struct cell *given = realloc(d->given, (size_t)room * sizeof *given);
    if (given) d->given = given;
    const struct cell_group **from = realloc(d->from, (size_t)room * sizeof *from);
    if (from) d->from = from;
    if (!cell || !given || !from) return err_set(ERR_NOMEM, "no memory for %d cells", room);
    d->room = room;
    return ERR_NONE;
}

/* Give the cell the trace it names. */
static enum err attach_trace(struct cell_list *l, struct cell *c)
{
    struct commit_trace *t = NULL;
    if (!c->trace[0]) return ERR_NONE;
    for (int32_t i = 0; i < l->n_traces; i++)
        if (strcmp(l->trace[i]->name, c->trace) == 0) t = l->trace[i];
    if (!t) {
        struct commit_trace **grown =
            realloc(l->trace, (size_t)(l->n_traces + 1) * sizeof(struct commit_trace *));
        if (!grown) return err_set(ERR_NOMEM, "no memory for a trace");
        l->trace = grown;
        TRY(commit_trace_load(c->trace, &t));
        l->trace[l->n_traces++] = t;
    }
    c->spec.trace = t;
    snprintf(c->trace_sha256, sizeof c->trace_sha256, "%s", t->sha256);
    return ERR_NONE;
}

static bool is_baseline(const struct cell_space *s, const struct cell *c)
{
    if (!s->pair_axis) return false;
    struct axis_value v = axis_get(s->pair_axis, c);
    return axis_value_equal(s->pair_axis, &v, &s->pair_baseline);
}

static enum err refuse_repeat(const struct draft *d, int32_t first, const struct cell_group *g)
{
    struct strbuf flags = {0};
    cell_flags(&d->list->cell[first].cell, &flags);
    err_set(ERR_USAGE, "%s: repeats a cell of the group at %s: %.300s", g->where,
            d->from[first]->where, strbuf_text(&flags));
    strbuf_free(&flags);
    return ERR_USAGE;
}

static enum err add_cell(struct draft *d, const struct product *p)
{
    const struct cell_space *s = d->space;
    struct planned_cell plan = {.pair = -1};
    struct cell given;
    make_given(p, s, &given, plan.skip_reason, sizeof plan.skip_reason);
    plan.cell = given;
    axes_resolve(&plan.cell);
    TRY(attach_model(&plan.cell, d->list->n ? &d->list->cell[d->list->n - 1].cell : NULL));
    TRY(attach_prompts(&d->list->inputs, &plan.cell));
    plan.cell.spec.informed = s->informed || plan.cell.weights == WEIGHTS_CHECKPOINT;
    TRY(attach_trace(d->list, &plan.cell));
    if (match_chooses(&plan.cell) && !plan.skip_reason[0])
        match_batch(&plan.cell, plan.skip_reason, sizeof plan.skip_reason);
    if (plan.skip_reason[0]) clear_failed_ties(p, &given, &plan.cell);

    int32_t first = cell_index_find(&d->index, d->list->cell, &plan.cell);
    if (first >= 0) {
        bool same = cells_equal(&given, &d->given[first]);
        bool allowed = is_baseline(s, &plan.cell) || s->override.n > 0;
        return same && !allowed ? refuse_repeat(d, first, p->group) : ERR_NONE;
    }
    char *reason = plan.skip_reason;
    size_t size = sizeof plan.skip_reason;
    if (!reason[0]) check_skips(p->group, &plan.cell, reason, size);
    if (!reason[0]) check_rows(&plan.cell, reason, size);
    if (!reason[0]) check_decoder(&plan.cell, reason, size);
    if (!reason[0] && (plan.skip_err = check_machine(&plan.cell, &given)) != ERR_NONE)
        snprintf(reason, size, "%s", err_msg());

    TRY(grow(d));
    int32_t i = d->list->n++;
    d->list->cell[i] = plan;
    d->given[i] = given;
    d->from[i] = p->group;
    return cell_index_add(&d->index, d->list->cell, i);
}

/* Give each cell the pair of the baseline it would be, were it one. */
static void make_pairs(struct draft *d)
{
    const struct cell_space *s = d->space;
    struct cell_list *l = d->list;
    for (int32_t i = 0; s->pair_axis && i < l->n; i++) {
        struct planned_cell *arm = &l->cell[i];
        if (arm->skip_reason[0] || is_baseline(s, &arm->cell)) continue;
        struct cell twin = d->given[i];
        axis_set(s->pair_axis, &twin, &s->pair_baseline);
        axes_resolve(&twin);
        char why[160];
        if (match_chooses(&twin) && !match_batch(&twin, why, sizeof why)) continue;
        int32_t at = cell_index_find(&d->index, l->cell, &twin);
        if (at < 0 || l->cell[at].skip_reason[0]) continue;
        if (l->cell[at].pair < 0) l->cell[at].pair = l->n_pairs++;
        l->cell[at].baseline = true;
        arm->pair = l->cell[at].pair;
    }
}

enum err cells_expand(const struct cell_space *s, struct cell_list *out)
{
    enum err e = ERR_NONE;
    *out = (struct cell_list){.precision = s->precision};
    struct draft d = {.space = s, .list = out};
    int64_t combinations = 0;
    for (int32_t i = 0; i < s->n_groups; i++) {
        struct product p;
        begin_product(&p, s, &s->group[i]);
        TRY_OUT(check_ties(&p));
        TRY_OUT(check_match(&p));
        TRY_OUT(count_combinations(&p, &combinations));
        do TRY_OUT(add_cell(&d, &p));
        while (next_combination(&p));
    }
    make_pairs(&d);
out:
    free(d.given);
    free(d.from);
    cell_index_free(&d.index);
    if (e != ERR_NONE) cell_list_free(out);
    return e;
}

void cell_flags(const struct cell *c, struct strbuf *out)
{
    struct cell plain;
    axes_default(&plain, "");
    snprintf(plain.decoder, sizeof plain.decoder, "%s", c->decoder);
    axes_resolve(&plain);
    const struct axis *a;
    for (int32_t i = 0; (a = axis_at(i)) && !a->not_yet; i++) {
        char text[256];
        struct axis_value v = axis_get(a, c), w = axis_get(a, &plain);
        bool always = strcmp(a->name, "model") == 0 || strcmp(a->name, "decoder") == 0;
        if (!axis_applies(a, c) || !axis_is_set(a, c)) continue;
        if (!always && a->fallback && axis_value_equal(a, &v, &w)) continue;
        if (strcmp(a->name, "batch") == 0 && match_chooses(c)) continue;
        if (strcmp(a->name, "kv-dtype") == 0 && c->kv_dtype == dtype_beside(c->dtype)) continue;
        axis_text(a, c, text, sizeof text);
        strbuf_addf(out, "%s--%s %s", out->len ? " " : "", a->name, text);
    }
}
