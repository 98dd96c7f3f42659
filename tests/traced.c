/* traced.c - see traced.h. */
#include "tests/traced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/decode/commit_log.h"
#include "harness/decode/session.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != ERR_NONE) fail_msg("%s: %s", #call, err_msg());                              \
    } while (0)

void traced_decode(struct toy *t, const struct decoder_ops *ops, const struct decode_spec *s,
                   struct traced *out)
{
    struct model_config shape;
    struct model *draft = NULL;
    struct commit_log l;
    struct session *n;
    size_t count = (size_t)s->batch * (size_t)spec_length(s);
    memset(out, 0, sizeof *out);
    OK(ops->check(s, &t->config));
    if (session_draft_model(ops, s, &t->config, &shape))
        OK(model_create(t->k, &shape, DTYPE_BF16, 7, &draft));
    OK(session_create_drafted(t->model, draft, ops, s, DTYPE_F32, &n));
    OK(commit_log_init(&l, s, &t->config));
    session_log_commits(n, &l);
    while (!session_done(n)) {
        assert_true(out->n < TRACED_FORWARDS);
        OK(session_step(n, &out->work[out->n++]));
    }
    out->tokens = malloc(count * sizeof *out->tokens);
    assert_non_null(out->tokens);
    memcpy(out->tokens, session_tokens(n), count * sizeof *out->tokens);
    out->text = strdup(strbuf_text(&l.text));
    commit_log_free(&l);
    session_free(n);
    model_free(draft);
}

void traced_free(struct traced *d)
{
    free(d->text);
    free(d->tokens);
}

void traced_same(const struct traced *a, const struct traced *b, const struct decode_spec *s)
{
    assert_string_equal(a->text, b->text);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->work, b->work, sizeof a->work);
    assert_memory_equal(a->tokens, b->tokens,
                        (size_t)s->batch * (size_t)spec_length(s) * sizeof *a->tokens);
}

struct commit_trace *traced_parse(const char *text)
{
    struct commit_trace *t;
    OK(commit_trace_parse("t.jsonl", text, strlen(text), &t));
    return t;
}

void traced_check(const struct decoder_ops *ops, const struct decode_spec *s, const char *sentence)
{
    struct model_config c;
    OK(model_preset("tiny-test", 0, &c));
    enum err e = ops->check(s, &c);
    if (!sentence && e != ERR_NONE) fail_msg("%s", err_msg());
    if (sentence && (e != ERR_USAGE || strncmp(err_msg(), sentence, strlen(sentence)) != 0))
        fail_msg("\"%s\" does not begin with \"%s\"", e ? err_msg() : "", sentence);
}
