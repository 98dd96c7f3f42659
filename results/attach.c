/* attach.c - read a second database beside the open one. */
#include <stdlib.h>
#include <string.h>

#include "results/query.h"

static enum err attach(struct store *s, const char *path)
{
    sqlite3_stmt *st;
    char *plain = db_plain_path(path);
    int rc = sqlite3_prepare_v2(s->db, "ATTACH ?1 AS other", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 1, plain, -1, free);
    else
        free(plain);
    if (rc == SQLITE_OK) rc = sqlite3_step(st);
    enum err e = rc == SQLITE_DONE ? ERR_NONE : db_fail(s->db, path, "read", rc);
    sqlite3_finalize(st);
    return e;
}

enum err store_attach(struct store *s, const char *path)
{
    /* Opened on its own first: whatever is wrong with the file is said there. */
    struct store *source;
    TRY(store_open(path, STORE_READ, &source));
    store_close(source);
    char *here = realpath(s->path, NULL), *there = realpath(path, NULL);
    bool same = here && there && strcmp(here, there) == 0;
    free(here);
    free(there);
    if (same) return err_set(ERR_USAGE, "%s: expected two databases, not one twice", path);
    return attach(s, path);
}

void store_detach(struct store *s)
{
    query_drop_all(s);
    sqlite3_exec(s->db, "DETACH other", NULL, NULL, NULL);
}
