/* commit_trace.c - read and write commit traces, every mistake with its file and line. */
#include "harness/decode/commit_trace.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"

enum { MAX_REQUESTS = 1 << 20, MAX_POSITION = 1 << 24, MAX_BYTES = 1 << 30 };

/* Where the reader is. */
struct reader {
    struct commit_trace *t;
    int32_t line;
    bool **seen; /* owned [n_requests][n_seen]: positions committed so far */
    int32_t *n_seen;
    int32_t room; /* of requests */
};

static enum err refuse(const struct reader *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static enum err refuse(const struct reader *r, const char *fmt, ...)
{
    char what[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(ERR_USAGE, "%s:%d: %s", r->t->name, r->line, what);
}

static enum err out_of_memory(const struct reader *r)
{
    return err_set(ERR_NOMEM, "%s: trace of %d lines: out of memory", r->t->name, r->line);
}

/* Make room for one more element; the array doubles. */
static bool grow(void **array, int32_t n, int32_t *room, size_t size)
{
    if (n < *room) return true;
    int32_t more = *room ? 2 * *room : 16;
    void *grown = realloc(*array, (size_t)more * size);
    if (!grown) return false;
    *array = grown;
    *room = more;
    return true;
}

/* ---- values ---- */

static const char *const keys[] = {"request", "forward", "phase", "committed", "block", "eos"};
enum { N_KEYS = sizeof keys / sizeof keys[0], N_REQUIRED = 4 };

static enum err whole(const struct reader *r, const cJSON *v, const char *what, int32_t most,
                      int32_t *out)
{
    double d = cJSON_IsNumber(v) ? v->valuedouble : NAN;
    *out = 0;
    if (!(d >= 0 && d < most && d == floor(d)))
        return refuse(r, "%s: expected a whole number from 0 to %d", what, most - 1);
    *out = (int32_t)d;
    return ERR_NONE;
}

static enum err phase_of(const struct reader *r, const cJSON *v, enum phase *out)
{
    const char *word = cJSON_IsString(v) ? v->valuestring : "";
    for (int p = 0; p < PHASE_COUNT; p++) {
        *out = (enum phase)p;
        if (p != PHASE_DECODE && strcmp(word, phase_name(*out)) == 0) return ERR_NONE;
    }
    return refuse(
        r, "phase: expected prefill, denoise, refresh, reuse, fused or commit of a denoiser, "
           "or prefill, prefill-draft, draft or verify of verified drafts");
}

/* The values of the known keys; others, and a key twice, are refused. */
static enum err read_keys(const struct reader *r, const cJSON *line, const cJSON *value[N_KEYS])
{
    memset(value, 0, N_KEYS * sizeof *value);
    for (const cJSON *v = line->child; v; v = v->next) {
        int k = 0;
        while (k < N_KEYS && strcmp(keys[k], v->string) != 0) k++;
        if (k == N_KEYS)
            return refuse(r,
                          "unknown key \"%.40s\"; expected request, forward, phase, committed, "
                          "block or eos",
                          v->string);
        if (value[k]) return refuse(r, "key \"%s\" is there twice", keys[k]);
        value[k] = v;
    }
    for (int k = 0; k < N_REQUIRED; k++)
        if (!value[k]) return refuse(r, "key \"%s\" is missing", keys[k]);
    return ERR_NONE;
}

/* ---- lines ---- */

static enum err add_request(struct reader *r, int32_t request)
{
    struct commit_trace *t = r->t;
    if (request < t->n_requests) return ERR_NONE;
    if (request > t->n_requests)
        return refuse(r,
                      "request %d comes before request %d; expected requests to be numbered "
                      "from 0 as they begin",
                      request, t->n_requests);
    int32_t room = r->room, same = r->room;
    if (!grow((void **)&t->request, t->n_requests, &room, sizeof *t->request))
        return out_of_memory(r);
    room = same;
    if (!grow((void **)&r->seen, t->n_requests, &room, sizeof *r->seen)) return out_of_memory(r);
    if (!grow((void **)&r->n_seen, t->n_requests, &r->room, sizeof *r->n_seen))
        return out_of_memory(r);
    t->request[t->n_requests] = (struct trace_request){.eos = -1};
    r->seen[t->n_requests] = NULL;
    r->n_seen[t->n_requests++] = 0;
    return ERR_NONE;
}

static enum err note_position(struct reader *r, int32_t request, int32_t position)
{
    bool **seen = &r->seen[request];
    int32_t n = r->n_seen[request];
    if (position >= n) {
        int32_t more = 2 * position + 64;
        bool *grown = realloc(*seen, (size_t)more * sizeof *grown);
        if (!grown) return out_of_memory(r);
        memset(grown + n, 0, (size_t)(more - n) * sizeof *grown);
        *seen = grown;
        r->n_seen[request] = more;
    }
    if ((*seen)[position])
        return refuse(r, "position %d of request %d is committed twice", position, request);
    (*seen)[position] = true;
    return ERR_NONE;
}

static enum err read_committed(struct reader *r, const cJSON *list, int32_t request,
                               struct trace_forward *f)
{
    struct commit_trace *t = r->t;
    if (!cJSON_IsArray(list)) return refuse(r, "committed: expected a list of positions");
    f->first = t->n_positions;
    for (const cJSON *v = list->child; v; v = v->next) {
        int32_t position;
        TRY(whole(r, v, "committed", MAX_POSITION, &position));
        TRY(note_position(r, request, position));
        if (!grow((void **)&t->position, t->n_positions, &t->room, sizeof *t->position))
            return out_of_memory(r);
        t->position[t->n_positions++] = position;
    }
    f->n = t->n_positions - f->first;
    return ERR_NONE;
}

static enum err read_eos(const struct reader *r, const cJSON *v, struct trace_request *q,
                         const struct trace_forward *f)
{
    int32_t eos;
    if (!v) return ERR_NONE;
    TRY(whole(r, v, "eos", MAX_POSITION, &eos));
    if (q->eos >= 0)
        return refuse(r, "eos: the request's first one is already said to be %d", q->eos);
    for (int32_t i = 0; i < f->n; i++)
        if (r->t->position[f->first + i] == eos) q->eos = eos;
    if (q->eos < 0) return refuse(r, "eos: expected one of the positions this line commits");
    return ERR_NONE;
}

static enum err read_object(struct reader *r, const cJSON *line)
{
    const cJSON *value[N_KEYS];
    struct trace_forward f = {.line = r->line, .block = -1};
    int32_t request, number;
    if (!cJSON_IsObject(line)) return refuse(r, "expected one JSON object");
    TRY(read_keys(r, line, value));
    TRY(whole(r, value[0], "request", MAX_REQUESTS, &request));
    TRY(whole(r, value[1], "forward", INT32_MAX, &number));
    TRY(phase_of(r, value[2], &f.phase));
    if (value[4]) TRY(whole(r, value[4], "block", INT32_MAX, &f.block));
    TRY(add_request(r, request));
    struct trace_request *q = &r->t->request[request];
    if (number != q->n)
        return refuse(r,
                      "forward %d of request %d; expected its forwards in order, this one being "
                      "%d",
                      number, request, q->n);
    TRY(read_committed(r, value[3], request, &f));
    TRY(read_eos(r, value[5], q, &f));
    if (!grow((void **)&q->forward, q->n, &q->room, sizeof *q->forward)) return out_of_memory(r);
    q->forward[q->n++] = f;
    return ERR_NONE;
}

static enum err read_line(struct reader *r, const char *text, size_t n)
{
    const char *end;
    r->line++;
    while (n > 0 && strchr(" \t\r", text[n - 1])) n--;
    if (n == 0) return refuse(r, "the line is empty; expected one JSON object");
    cJSON *line = cJSON_ParseWithLengthOpts(text, n, &end, false);
    enum err e = ERR_NONE;
    if (!line)
        e = refuse(r, "not JSON from column %d on", (int)(end - text) + 1);
    else if (end != text + n)
        e = refuse(r, "more than one JSON object: the first ends at column %d", (int)(end - text));
    else
        e = read_object(r, line);
    cJSON_Delete(line);
    return e;
}

static enum err read_lines(struct reader *r, const char *text, size_t len)
{
    if (memchr(text, '\0', len)) return err_set(ERR_USAGE, "%s: not a text file", r->t->name);
    for (const char *p = text, *end = text + len; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        TRY(read_line(r, p, (size_t)(stop - p)));
        p = stop + 1;
    }
    if (r->t->n_requests == 0)
        return err_set(ERR_USAGE, "%s: empty; expected one JSON object a line", r->t->name);
    r->t->states_eos = true;
    for (int32_t i = 0; i < r->t->n_requests; i++)
        if (r->t->request[i].eos < 0) r->t->states_eos = false;
    return ERR_NONE;
}

enum err commit_trace_parse(const char *name, const char *text, size_t len,
                            struct commit_trace **out)
{
    *out = NULL;
    struct reader r = {.t = calloc(1, sizeof *r.t)};
    if (!r.t || !(r.t->name = strdup(name))) {
        commit_trace_free(r.t);
        return err_set(ERR_NOMEM, "%s: out of memory", name);
    }
    sha256_hex(text, len, r.t->sha256);
    enum err e = read_lines(&r, text, len);
    for (int32_t i = 0; i < r.t->n_requests; i++) free(r.seen[i]);
    free(r.seen);
    free(r.n_seen);
    if (e != ERR_NONE) {
        commit_trace_free(r.t);
        return e;
    }
    *out = r.t;
    return ERR_NONE;
}

enum err commit_trace_load(const char *path, struct commit_trace **out)
{
    char *text;
    size_t len;
    *out = NULL;
    enum err e = file_read(path, MAX_BYTES, &text, &len);
    if (e == ERR_NONE) e = commit_trace_parse(path, text, len, out);
    free(text);
    return e;
}

void commit_trace_free(struct commit_trace *t)
{
    if (!t) return;
    for (int32_t i = 0; i < t->n_requests; i++) free(t->request[i].forward);
    free(t->request);
    free(t->position);
    free(t->name);
    free(t);
}

void commit_trace_write(struct strbuf *out, const struct trace_line *l)
{
    strbuf_addf(out, "{\"request\":%d,\"forward\":%d,\"phase\":\"%s\",\"committed\":[", l->request,
                l->forward, phase_name(l->phase));
    for (int32_t i = 0; i < l->n; i++) strbuf_addf(out, "%s%d", i ? "," : "", l->position[i]);
    strbuf_add(out, "]");
    if (l->block >= 0) strbuf_addf(out, ",\"block\":%d", l->block);
    strbuf_add(out, "}\n");
}
