/* prompts.c - read prompts, every mistake with its file and line. */
#include "harness/decode/prompts.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"

enum { MAX_BYTES = 1 << 30, MAX_ID = 1 << 24 };

static enum err refuse(const struct prompts *p, const char *what)
{
    return err_set(ERR_USAGE, "%s:%d: %s", p->name, p->n + 1, what);
}

/* Add a line's ids behind those before it; there is room: an id takes a character and more. */
static enum err read_line(struct prompts *p, const char *text, size_t n)
{
    const char *end;
    int64_t at = p->n ? p->end[p->n - 1] : 0;
    while (n > 0 && strchr(" \t\r", text[n - 1])) n--;
    cJSON *line = n ? cJSON_ParseWithLengthOpts(text, n, &end, false) : NULL;
    enum err e = ERR_NONE;
    if (!cJSON_IsArray(line) || end != text + n)
        e = refuse(p, "expected one JSON array of token ids");
    const cJSON *v;
    if (e == ERR_NONE) cJSON_ArrayForEach(v, line)
    {
        double d = cJSON_IsNumber(v) ? v->valuedouble : NAN;
        if (!(d >= 0 && d < MAX_ID && d == floor(d))) {
            e = refuse(p, "a token id is not a whole number from 0 on");
            break;
        }
        p->id[at++] = (int32_t)d;
    }
    cJSON_Delete(line);
    if (e == ERR_NONE) p->end[p->n++] = at;
    return e;
}

static enum err read_lines(struct prompts *p, const char *text, size_t len)
{
    size_t n_lines = 1;
    for (size_t i = 0; i < len; i++) n_lines += text[i] == '\n';
    p->id = malloc((len + 1) * sizeof *p->id);
    p->end = malloc(n_lines * sizeof *p->end);
    if (!p->id || !p->end) return err_set(ERR_NOMEM, "%s: out of memory", p->name);
    for (const char *at = text, *stop = text + len; at < stop;) {
        const char *newline = memchr(at, '\n', (size_t)(stop - at));
        const char *end = newline ? newline : stop;
        TRY(read_line(p, at, (size_t)(end - at)));
        at = end + 1;
    }
    if (p->n == 0) return refuse(p, "no prompts; expected one JSON array of token ids a line");
    return ERR_NONE;
}

enum err prompts_load(const char *path, struct prompts **out)
{
    char *text;
    size_t len;
    *out = NULL;
    TRY(file_read(path, MAX_BYTES, &text, &len));
    struct prompts *p = calloc(1, sizeof *p);
    enum err e = ERR_NONE;
    if (!p || !(p->name = strdup(path))) e = err_set(ERR_NOMEM, "%s: out of memory", path);
    if (e == ERR_NONE) e = read_lines(p, text, len);
    if (e == ERR_NONE) sha256_hex(text, len, p->sha256);
    free(text);
    if (e != ERR_NONE) {
        prompts_free(p);
        return e;
    }
    *out = p;
    return ERR_NONE;
}

void prompts_free(struct prompts *p)
{
    if (!p) return;
    free(p->name);
    free(p->id);
    free(p->end);
    free(p);
}

enum err prompts_take(const struct prompts *p, int32_t n_requests, int32_t n_tokens, int32_t n_ids,
                      int32_t **out)
{
    *out = NULL;
    if (n_requests > p->n)
        return err_set(ERR_USAGE, "%s has %d prompts, too few for a batch of %d", p->name, p->n,
                       n_requests);
    int32_t *id = malloc(((size_t)n_requests * (size_t)n_tokens + 1) * sizeof *id);
    if (!id) return err_set(ERR_NOMEM, "%s: out of memory", p->name);
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < n_requests && e == ERR_NONE; i++) {
        int64_t begin = i ? p->end[i - 1] : 0, n = p->end[i] - begin;
        if (n < n_tokens) {
            e = err_set(ERR_USAGE, "%s:%d: a prompt of %" PRId64 " tokens; --n-prompt %d wants as "
                                   "many", p->name, i + 1, n, n_tokens);
            break;
        }
        int32_t *to = id + (size_t)i * (size_t)n_tokens;
        memcpy(to, p->id + p->end[i] - n_tokens, (size_t)n_tokens * sizeof *to);
        for (int32_t k = 0; k < n_tokens && e == ERR_NONE; k++)
            if (to[k] >= n_ids)
                e = err_set(ERR_USAGE, "%s:%d: token %d; the model has %d", p->name, i + 1, to[k],
                            n_ids);
    }
    if (e != ERR_NONE) {
        free(id);
        return e;
    }
    *out = id;
    return ERR_NONE;
}
