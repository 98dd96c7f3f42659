/* verb_export.c - export: tables and views as files, for other programs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/app/verbs.h"
#include "harness/base/suggest.h"
#include "results/output.h"

enum { MAX_NAMES = 128 };

struct names {
    char *name[MAX_NAMES + 1]; /* owned; NULL after the last */
    int32_t n;
};

static enum err add_name(void *ctx, const struct store_result_row *row)
{
    struct names *x = ctx;
    if (x->n == MAX_NAMES) return err_set(ERR_INTERNAL, "more than %d tables and views", MAX_NAMES);
    x->name[x->n] = strdup(row->value[0].text);
    if (!x->name[x->n]) return err_set(ERR_NOMEM, "no memory for a name");
    x->n++;
    return ERR_NONE;
}

static enum err check_name(const struct names *all, const char *name)
{
    for (int32_t i = 0; i < all->n; i++)
        if (strcmp(all->name[i], name) == 0) return ERR_NONE;
    char near[SUGGEST_SIZE];
    return err_set(ERR_USAGE, "no table or view \"%.40s\"%s", name,
                   suggest_phrase(name, (const char *const *)all->name, near));
}

static enum err make_folder(const char *dir)
{
    struct stat st;
    if (mkdir(dir, 0777) == 0) return ERR_NONE;
    if (errno == EEXIST && stat(dir, &st) == 0 && S_ISDIR(st.st_mode)) return ERR_NONE;
    return err_set(ERR_IO, "folder %s: %s", dir, strerror(errno));
}

static enum err write_one(const struct options *o, struct store *s, const char *dir,
                          const char *name)
{
    char path[4096], sql[128];
    const char *extension = o->output == OUTPUT_LATEX ? "tex" : output_name(o->output);
    if ((size_t)snprintf(path, sizeof path, "%s/%s.%s", dir, name, extension) >= sizeof path)
        return err_set(ERR_IO, "%s: the path is too long", dir);
    snprintf(sql, sizeof sql, "SELECT * FROM \"%s\"", name);
    FILE *f = fopen(path, "w");
    if (!f) return err_set(ERR_IO, "%s: %s", path, strerror(errno));
    enum err e = output_query(s, sql, NULL, 0, (enum print_format)o->output, NULL, f);
    bool lost = ferror(f) != 0;
    lost |= fclose(f) != 0;
    if (e == ERR_NONE && lost) e = err_set(ERR_IO, "%s: %s", path, strerror(errno));
    if (e == ERR_NONE) printf("%s\n", path);
    return e;
}

static enum err export(const struct options *o, struct store *s, const struct names *all) {
    const char *dir = o->out ? o->out : "export";
    for (int32_t i = 0; i < o->n_args; i++) TRY(check_name(all, o->arg[i]));
    TRY(make_folder(dir));
    if (o->n_args == 0) for (int32_t i = 0; i < all->n; i++)
        TRY(write_one(o, s, dir, all->name[i]));
    for (int32_t i = 0; i < o->n_args; i++) TRY(write_one(o, s, dir, o->arg[i]));
    return ERR_NONE;
}

enum err verb_export(const struct options *o)
{
    struct store *s = NULL;
    struct names all = {.n = 0};
    TRY(store_open(o->db, STORE_READ, &s));
    enum err e = store_query(s,
                             "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') "
                             "AND name NOT LIKE 'sqlite%' ORDER BY name",
                             NULL, 0, add_name, &all);
    if (e == ERR_NONE) e = export(o, s, &all);
    for (int32_t i = 0; i < all.n; i++) free(all.name[i]);
    store_close(s);
    return e;
}
