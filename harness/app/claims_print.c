/* claims_print.c - verdicts as tables for people and as JSON for scripts. */
#include <math.h>
#include <string.h>

#include "harness/app/claims.h"
#include "harness/app/table.h"
#include "harness/base/json.h"

/* ---- parts that every format shares ---- */

static const struct question *decisive(const struct finding *f)
{
    return f->decisive >= 0 ? &f->question[f->decisive] : NULL;
}

/* The three columns a found number may stand in; a plan's never stands under "measured". */
enum found_in { FOUND_ANALYTIC, FOUND_MEASURED, FOUND_REPORTED, FOUND_COUNT };

static enum found_in found_in(const struct finding *f, const struct question *q)
{
    if (f->claim->by == EVIDENCE_LITERATURE) return FOUND_REPORTED;
    return q->timed ? FOUND_MEASURED : FOUND_ANALYTIC;
}

static double found_value(const struct finding *f, enum found_in column)
{
    const struct question *q = decisive(f);
    return q && found_in(f, q) == column ? q->found.value : NAN;
}

/* "0.9 to 1.2", "at least 153", "at most 1.15". */
static void allowed_text(const struct question *q, char *buf, size_t size)
{
    buf[0] = '\0';
    if (!q) return;
    if (isinf(q->most))
        snprintf(buf, size, "at least %.4g", q->least);
    else if (q->least <= 0)
        snprintf(buf, size, "at most %.4g", q->most);
    else
        snprintf(buf, size, "%.4g to %.4g", q->least, q->most);
}

static void claim_id(const struct claim *c, char buf[16])
{
    snprintf(buf, 16, "%s%s%s", c->id, c->part ? " " : "", c->part ? c->part : "");
}

/* ---- the last sentence ---- */

static int32_t count_failed(const struct claim_count *n)
{
    return n->failed_supports + n->failed_contradicts + n->failed_neutral;
}

static void add_count(struct strbuf *s, enum evidence e, const struct claim_count *n)
{
    static const char *const words[] = {
        [EVIDENCE_ANALYTIC] = "By counts and plans alone, with nothing timed",
        [EVIDENCE_TIMING] = "by timing",
        [EVIDENCE_LITERATURE] = "by the record of papers",
        [EVIDENCE_PROCESS] = "by decoding exact processes",
    };
    if (n->supports + n->contradicts + n->neutral + count_failed(n) == 0) return;
    strbuf_addf(s,
                "%s, %d claims that support the popular story held, %d that contradict it and "
                "%d that do neither",
                words[e], n->supports, n->contradicts, n->neutral);
    if (n->failed[0]) strbuf_addf(s, " (not %s)", n->failed);
    strbuf_add(s, "; ");
}

static void summary_text(const struct claims_summary *m, struct strbuf *s)
{
    for (int e = EVIDENCE_ANALYTIC; e < EVIDENCE_COUNT; e++) add_count(s, e, &m->by[e]);
    strbuf_addf(s, "%d of %d stay undecided here.", m->n_undecided, m->n_claims);
}

/* ---- Markdown ---- */

static bool new_device(const struct finding_list *l, int32_t i)
{
    return i == 0 || strcmp(l->finding[i].device, l->finding[i - 1].device) != 0 ||
           l->finding[i].claim == claim_at(0);
}

static void print_heading(const struct finding *f, FILE *out)
{
    if (!f->device[0])
        fprintf(out, "\n## What papers report\n\n");
    else if (f->claim->by == EVIDENCE_PROCESS)
        fprintf(out, "\n## Exact processes: policies judged against the truth\n\n");
    else if (strncmp(f->device, "sim:", 4) == 0)
        fprintf(out, "\n## %s, planned: nothing here was measured\n\n", f->device);
    else
        fprintf(out, "\n## %s, measured runs\n\n", f->device);
    fprintf(out,
            "| %-12s | %s | %-12s | %-10s | %9s | %9s | %9s | %9s | %-16s | %s |\n"
            "|--------------|:-:|--------------|------------|----------:|----------:|----------:"
            "|----------:|------------------|----------------------|\n",
            "claim", " ", "verdict", "evidence", "predicted", "analytic", "measured", "reported",
            "allowed", "claim: what was asked");
}

static void print_number(double v, FILE *out)
{
    if (isfinite(v))
        fprintf(out, " %9.4g |", v);
    else
        fprintf(out, " %9s |", "");
}

static void print_row(const struct finding *f, FILE *out)
{
    const struct question *q = decisive(f);
    const char *evidence = evidence_name(f->evidence);
    char id[16], allowed[64];
    claim_id(f->claim, id);
    allowed_text(q, allowed, sizeof allowed);
    fprintf(out, "| %-12s | %c | %-12s | %-10s |", id, f->claim->direction,
            verdict_name(f->verdict), evidence ? evidence : "");
    print_number(q ? q->predicted : NAN, out);
    for (int c = 0; c < FOUND_COUNT; c++) print_number(found_value(f, c), out);
    fprintf(out, " %-16s | %s%s%s%s%s |\n", allowed, f->claim->sentence,
            q || f->reason[0] ? ": " : "", q ? q->what : "", q && f->reason[0] ? "; " : "",
            f->reason);
}

static enum err print_md(const struct finding_list *l, const struct claims_summary *m, FILE *out)
{
    struct strbuf s = {0};
    fprintf(out,
            "# Claims\n\n"
            "The popular story: AR decoding does 1 FLOP per byte, diffusion makes inference "
            "compute-bound and\ntherefore faster.  A claim supports it (+), contradicts it (-) "
            "or does neither (0); PASS means that\nthe claim's sentence held.  Of a claim's "
            "several questions the failing or the tightest one is shown.\n");
    for (int32_t i = 0; i < l->n; i++) {
        if (new_device(l, i)) print_heading(&l->finding[i], out);
        print_row(&l->finding[i], out);
    }
    summary_text(m, &s);
    fprintf(out, "\n%s\n", strbuf_text(&s));
    enum err e = strbuf_check(&s);
    strbuf_free(&s);
    return e;
}

/* ---- JSON ---- */

static void put_text(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    json_string(j, text);
}

static void put_real(struct json *j, const char *key, double v)
{
    json_key(j, key);
    json_double(j, v);
}

static void put_found(struct json *j, const struct finding *f, const struct question *q)
{
    static const char *const names[FOUND_COUNT][3] = {
        [FOUND_ANALYTIC] = {"analytic", "analytic_lo", "analytic_hi"},
        [FOUND_MEASURED] = {"measured", "measured_lo", "measured_hi"},
        [FOUND_REPORTED] = {"reported", "reported_lo", "reported_hi"},
    };
    put_real(j, "predicted", q ? q->predicted : NAN);
    for (int c = 0; c < FOUND_COUNT; c++) {
        bool here = q && found_in(f, q) == (enum found_in)c;
        put_real(j, names[c][0], here ? q->found.value : NAN);
        if (c == FOUND_REPORTED) continue;
        put_real(j, names[c][1], here ? q->found.lo : NAN);
        put_real(j, names[c][2], here ? q->found.hi : NAN);
    }
    put_real(j, "allowed_least", q ? q->least : NAN);
    put_real(j, "allowed_most", q ? q->most : NAN);
}

static void put_questions(struct json *j, const struct finding *f)
{
    json_key(j, "questions");
    json_array_begin(j);
    for (int32_t i = 0; i < f->n_questions; i++) {
        const struct question *q = &f->question[i];
        json_object_begin(j);
        put_text(j, "question", q->what);
        put_found(j, f, q);
        put_text(j, "verdict", verdict_name(q->verdict));
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_finding(struct json *j, const struct finding *f)
{
    const struct claim *c = f->claim;
    const struct question *q = decisive(f);
    char direction[2] = {c->direction, '\0'};
    json_object_begin(j);
    put_text(j, "id", c->id);
    put_text(j, "part", c->part);
    put_text(j, "name", c->name);
    put_text(j, "direction", direction);
    put_text(j, "claim", c->sentence);
    put_text(j, "condition", c->condition);
    put_text(j, "source", c->source);
    put_text(j, "device", f->device[0] ? f->device : NULL);
    put_text(j, "verdict", verdict_name(f->verdict));
    put_text(j, "evidence", evidence_name(f->evidence));
    put_text(j, "evidence_needed", evidence_name(c->by));
    put_text(j, "question", q ? q->what : NULL);
    put_found(j, f, q);
    put_text(j, "reason", f->reason[0] ? f->reason : NULL);
    put_questions(j, f);
    put_text(j, "evidence_sql", f->sql);
    put_text(j, "evidence_command", f->command);
    json_object_end(j);
}

static void put_summary(struct json *j, const struct claims_summary *m, const char *text)
{
    json_object_begin(j);
    json_key(j, "claims");
    json_int(j, m->n_claims);
    json_key(j, "undecided");
    json_int(j, m->n_undecided);
    for (int e = EVIDENCE_ANALYTIC; e < EVIDENCE_COUNT; e++) {
        const struct claim_count *n = &m->by[e];
        const struct {
            const char *key;
            int32_t n;
        } field[] = {{"support", n->supports},
                     {"contradict", n->contradicts},
                     {"neither", n->neutral},
                     {"failed_support", n->failed_supports},
                     {"failed_contradict", n->failed_contradicts},
                     {"failed_neither", n->failed_neutral}};
        json_key(j, evidence_name(e));
        json_object_begin(j);
        for (size_t i = 0; i < sizeof field / sizeof field[0]; i++) {
            json_key(j, field[i].key);
            json_int(j, field[i].n);
        }
        json_object_end(j);
    }
    put_text(j, "text", text);
    json_object_end(j);
}

static enum err print_json(const struct finding_list *l, const struct claims_summary *m, FILE *out)
{
    struct json j;
    struct strbuf text = {0};
    summary_text(m, &text);
    json_to_file(&j, out);
    json_object_begin(&j);
    json_key(&j, "claims");
    json_array_begin(&j);
    for (int32_t i = 0; i < l->n; i++) put_finding(&j, &l->finding[i]);
    json_array_end(&j);
    json_key(&j, "summary");
    put_summary(&j, m, strbuf_text(&text));
    json_object_end(&j);
    enum err e = json_finish(&j);
    if (e == ERR_NONE) e = strbuf_check(&text);
    strbuf_free(&text);
    return e;
}

static enum err print_jsonl(const struct finding_list *l, FILE *out)
{
    struct json j;
    json_to_file(&j, out);
    for (int32_t i = 0; i < l->n; i++) {
        put_finding(&j, &l->finding[i]);
        TRY(json_finish(&j));
    }
    return ERR_NONE;
}

/* ---- CSV and LaTeX ---- */

static enum err print_table(const struct finding_list *l, enum output format)
{
    static const char *const columns[] = {
        "id",       "name",      "direction", "device",   "verdict",
        "evidence", "predicted", "analytic",  "measured", "reported",
        "allowed",  "claim",     "question",  "reason",   NULL,
    };
    struct table t;
    table_open(&t, "claims", columns);
    for (int32_t i = 0; i < l->n; i++) {
        const struct finding *f = &l->finding[i];
        const struct question *q = decisive(f);
        char id[16], allowed[64], direction[2] = {f->claim->direction, '\0'};
        claim_id(f->claim, id);
        allowed_text(q, allowed, sizeof allowed);
        table_text(&t, id);
        table_text(&t, f->claim->name);
        table_text(&t, direction);
        table_text(&t, f->device[0] ? f->device : NULL);
        table_text(&t, verdict_name(f->verdict));
        table_text(&t, evidence_name(f->evidence));
        table_real(&t, q ? q->predicted : NAN);
        for (int c = 0; c < FOUND_COUNT; c++) table_real(&t, found_value(f, c));
        table_text(&t, allowed[0] ? allowed : NULL);
        table_text(&t, f->claim->sentence);
        table_text(&t, q ? q->what : NULL);
        table_text(&t, f->reason[0] ? f->reason : NULL);
    }
    enum err e = table_print(&t, format);
    table_free(&t);
    return e;
}

enum err claims_print(const struct finding_list *l, enum output format, FILE *f)
{
    struct claims_summary m;
    claims_summarize(l, &m);
    if (format == OUTPUT_JSON) return print_json(l, &m, f);
    if (format == OUTPUT_JSONL) return print_jsonl(l, f);
    if (format == OUTPUT_MD) return print_md(l, &m, f);
    CHECK(f == stdout); /* tables go nowhere else */
    return print_table(l, format);
}
