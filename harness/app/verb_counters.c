/* verb_counters.c - which hardware counters there are, whether they are right, what a saved pass
 * counted.  None of it needs a GPU. */
#include <stdio.h>
#include <string.h>

#include "harness/app/table.h"
#include "harness/app/verbs.h"
#include "roofline/cupti_file.h"
#include "roofline/cupti_host.h"

static enum err fill_list(const struct options *o, struct table *t)
{
    static const char *const columns[] = {"chip",   "set",    "passes", "column",
                                          "metric", "factor", "unit",   NULL};
    const struct cupti_set *s;
    (void)o;
    table_open(t, "counters", columns);
    for (int32_t i = 0; (s = cupti_set_at(i)); i++)
        for (int32_t k = 0; k < s->n; k++) {
            table_text(t, s->chip);
            table_text(t, s->name);
            table_int(t, s->passes);
            table_text(t, counter_name(s->metric[k].column));
            table_text(t, s->metric[k].name);
            table_int(t, s->metric[k].factor);
            table_text(t, s->metric[k].unit);
        }
    return ERR_NONE;
}

/* ---- check ---- */

struct checked {
    int32_t version;
    size_t config_bytes;
};

static enum err check_set(const struct cupti_set *s, struct checked *out)
{
    struct cupti_host *h = NULL;
    struct cupti_image config = {0};
    enum err e = ERR_NONE;
    TRY(cupti_host_open(s->chip, NULL, &h));
    out->version = cupti_host_version(h);
    for (int32_t i = 0; i < s->n; i++) TRY_OUT(cupti_host_verify(h, &s->metric[i]));
    TRY_OUT(cupti_host_configure(h, s, &config));
    out->config_bytes = config.bytes;
out:
    cupti_image_free(&config);
    cupti_host_close(h);
    return e;
}

/* Every set is tried, so that one wrong name does not hide another. */
static enum err fill_check(const struct options *o, struct table *t)
{
    static const char *const columns[] = {"chip",         "set",   "metrics", "passes", "cupti",
                                          "config_bytes", "state", "detail",  NULL};
    const struct cupti_set *s;
    char first[512] = "";
    enum err worst = ERR_NONE;
    (void)o;
    table_open(t, "checks", columns);
    for (int32_t i = 0; (s = cupti_set_at(i)); i++) {
        struct checked c = {0};
        enum err e = check_set(s, &c);
        if (e == ERR_UNSUPPORTED && c.version == 0) return e;
        if (e != ERR_NONE && worst == ERR_NONE) {
            worst = e;
            snprintf(first, sizeof first, "%s", err_msg());
        }
        table_text(t, s->chip);
        table_text(t, s->name);
        table_int(t, s->n);
        table_int(t, s->passes);
        table_int(t, c.version);
        table_int(t, (int64_t)c.config_bytes);
        table_text(t, e == ERR_NONE ? "ok" : "wrong");
        table_text(t, e == ERR_NONE ? NULL : err_msg());
    }
    /* The table is printed first, then the failure. */
    return worst == ERR_NONE ? ERR_NONE : err_set(ERR_VERIFY, "%s", first);
}

/* ---- decode ---- */

static enum err decode_rows(struct cupti_host *h, const struct cupti_file *f,
                            const struct cupti_set *set, struct table *t)
{
    int32_t n_ranges = 0, n_passes = 0;
    TRY(cupti_host_passes(h, &f->config, &n_passes));
    TRY(cupti_host_ranges(h, &f->counted, &n_ranges));
    for (int32_t i = 0; i < n_ranges; i++) {
        char name[CUPTI_RANGE_NAME];
        struct counters c;
        TRY(cupti_host_decode(h, set, &f->counted, i, name, &c));
        for (int k = 0; k < COUNTER_COUNT; k++) {
            if (c.value[k] < 0) continue;
            table_text(t, name);
            table_text(t, counter_name((enum counter)k));
            table_int(t, c.value[k]);
        }
    }
    return ERR_NONE;
}

static enum err fill_decode(const struct options *o, struct table *t)
{
    static const char *const columns[] = {"range", "column", "value", NULL};
    struct cupti_file f = {.version = 0};
    struct cupti_host *h = NULL;
    const struct cupti_set *set;
    enum err e = ERR_NONE;
    table_open(t, "counted", columns);
    TRY(cupti_file_read(o->arg[1], &f));
    TRY_OUT(cupti_set_find(f.chip, f.set, &set));
    TRY_OUT(cupti_host_open(f.chip, NULL, &h));
    /* Images are private to a version. */
    if (cupti_host_version(h) != f.version) {
        e = err_set(ERR_UNSUPPORTED,
                    "%s was written by CUPTI %d, and this one is %d: name the "
                    "other with REGIME_CUPTI_LIB",
                    o->arg[1], f.version, cupti_host_version(h));
        goto out;
    }
    TRY_OUT(decode_rows(h, &f, set, t));
out:
    cupti_host_close(h);
    cupti_file_free(&f);
    return e;
}

/* ---- all of them ---- */

static const struct {
    const char *what;
    int32_t n_args; /* itself included */
    enum err (*fill)(const struct options *o, struct table *t);
} actions[] = {
    {"list", 1, fill_list},
    {"check", 1, fill_check},
    {"decode", 2, fill_decode},
};

enum err verb_counters(const struct options *o)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        struct table t;
        char why[512] = "";
        if (o->n_args != actions[i].n_args || strcmp(o->arg[0], actions[i].what) != 0) continue;
        enum err e = actions[i].fill(o, &t);
        if (e == ERR_VERIFY) snprintf(why, sizeof why, "%s", err_msg());
        if (e == ERR_NONE || e == ERR_VERIFY) {
            enum err printed = table_print(&t, o->output);
            if (printed != ERR_NONE)
                e = printed;
            else if (e == ERR_VERIFY)
                e = err_set(ERR_VERIFY, "%s", why);
        }
        table_free(&t);
        return e;
    }
    return err_set(ERR_USAGE, "counters: expected list, check, or decode and a file");
}
