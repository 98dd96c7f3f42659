/* store.c - open and close the results database, and find what it already holds. */
#include "results/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "results/db.h"
#include "results/query.h"
#include "results/schema.h"

enum { BUSY_TIMEOUT_MS = 30000 };

static bool in_memory(const char *path)
{
    return strcmp(path, ":memory:") == 0;
}

/* For a file whose folder cannot hold the shared memory that reading a WAL database needs:
 * safe while there is no log, that is while nobody writes. */
static enum err open_immutable(struct store *s, const char *path)
{
    struct strbuf uri = {0}, log = {0};
    struct stat st;
    strbuf_addf(&log, "%s-wal", path);
    bool has_log = stat(strbuf_text(&log), &st) == 0 && st.st_size > 0;
    strbuf_free(&log);
    if (has_log)
        return err_set(ERR_DB, "cannot read %s: its folder is read-only and %s-wal holds changes "
                       "that are not in it yet", s->path, s->path);
    strbuf_add(&uri, "file:");
    for (const char *p = path; *p; p++)
        strbuf_addf(&uri, strchr("?#%", *p) ? "%%%02X" : "%c", (unsigned)*p);
    strbuf_add(&uri, "?immutable=1");
    sqlite3_close(s->db);
    s->db = NULL;
    int rc = sqlite3_open_v2(strbuf_text(&uri), &s->db,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI |
                                 SQLITE_OPEN_EXRESCODE,
                             NULL);
    strbuf_free(&uri);
    return rc == SQLITE_OK ? ERR_NONE : db_fail(s->db, s->path, "read", rc);
}

/* SQLite only remembers its last attempt, which was to open what is not there. */
static enum err cannot_create(const struct store *s, const char *path, int rc)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash == path ? 1 : slash - path), path);
    if (access(folder, W_OK | X_OK) == 0) return db_fail(s->db, s->path, "create", rc);
    return err_set(ERR_DB, "cannot create %s in %s: %s", s->path, folder, strerror(errno));
}

static enum err connect(struct store *s, const char *path)
{
    struct stat st;
    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode))
        return err_set(ERR_DB, "%s is a folder, not a results database", s->path);
    if (!exists && s->mode == STORE_READ && !in_memory(path))
        return err_set(ERR_DB, "cannot read %s: %s", s->path, strerror(errno));
    int flags = s->mode == STORE_READ ? SQLITE_OPEN_READONLY :
                                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    const char *doing = s->mode == STORE_READ ? "read" : "open";
    int rc = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             NULL);
    if (!s->db) return err_set(ERR_NOMEM, "%s: out of memory", s->path);
    if (rc != SQLITE_OK && !exists && !in_memory(path)) return cannot_create(s, path, rc);
    if (rc != SQLITE_OK) return db_fail(s->db, s->path, doing, rc);
    sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    if (s->mode == STORE_READ) {
        rc = sqlite3_exec(s->db, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
        if ((rc & 0xFF) == SQLITE_CANTOPEN || (rc & 0xFF) == SQLITE_READONLY)
            return open_immutable(s, path);
        return rc == SQLITE_OK ? ERR_NONE : db_fail(s->db, s->path, doing, rc);
    }
    if (sqlite3_db_readonly(s->db, "main") == 1)
        return err_set(ERR_DB, "cannot write to %s: the file is read-only", s->path);
    return ERR_NONE;
}

static enum err set_up(struct store *s, const char *path)
{
    TRY(connect(s, path));
    bool read_only = s->mode == STORE_READ;
    TRY(schema_check(s->db, s->path, read_only));
    TRY(db_exec(s->db, s->path, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; "
                                "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32000"));
    if (!read_only) {
        /* In this order: if there is no room for the tables, the file is empty again. */
        TRY(schema_update(s->db, s->path));
        if (!in_memory(path)) TRY(schema_journal(s->db, path));
    }
    TRY(db_prepare_all(s));
    /* The first use of json_each declares its columns, which the authorizer would refuse. */
    TRY(db_exec(s->db, s->path, "SELECT 1 FROM json_each('[]')"));
    sqlite3_set_authorizer(s->db, query_authorize, s);
    return ERR_NONE;
}

enum err store_open(const char *path, enum store_mode mode, struct store **out)
{
    *out = NULL;
    /* Counting every allocation takes a lock each time and is read by nobody.  Has an effect
     * before the first use of SQLite only. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (!path || !*path) return err_set(ERR_USAGE, "the name of the results database is empty");
    struct store *s = calloc(1, sizeof *s);
    char *plain = db_plain_path(path);
    if (!s || !plain) {
        free(s);
        free(plain);
        return err_set(ERR_NOMEM, "%s: out of memory", path);
    }
    s->mode = mode;
    s->path = strdup(path);
    provenance_build_id(s->build_id);
    enum err e = s->path ? set_up(s, plain) : err_set(ERR_NOMEM, "%s: out of memory", path);
    if (e != ERR_NONE) {
        /* A file just made may stay, empty: another process may be about to fill it. */
        store_close(s);
        s = NULL;
    }
    free(plain);
    *out = s;
    return e;
}

void store_close(struct store *s)
{
    if (!s) return;
    query_drop_all(s);
    db_finalize_all(s);
    sqlite3_close(s->db); /* rolls back what was not committed */
    free(s->path);
    free(s);
}

enum err store_begin(struct store *s)
{
    CHECK(s->mode == STORE_WRITE && !s->in_transaction);
    TRY(db_begin(s));
    s->in_transaction = true;
    s->undone = false;
    return ERR_NONE;
}

enum err store_commit(struct store *s)
{
    CHECK(s->in_transaction);
    s->in_transaction = false;
    if (s->undone)
        return err_set(ERR_DB, "%s: an earlier failure has undone this transaction", s->path);
    return db_end(s, ERR_NONE);
}

/* bound: only runs with a verdict. */
static enum err find_run(struct store *s, const struct cell *c, bool any_build, bool bound,
                         bool *found, char run_id[37])
{
    char key[CELL_KEY_SIZE];
    cell_key(c, key);
    if (!s->host_id[0]) provenance_host_id(s->host_id);
    struct args a = args_of(s, STMT_FIND_RUN);
    arg_text(&a, key);
    arg_text(&a, c->device);
    arg_text(&a, s->host_id);
    arg_text(&a, any_build ? NULL : s->build_id);
    arg_int(&a, bound);
    /* The same cell paired by another rule has other partners. */
    arg_text(&a, strcmp(c->match, "policy") == 0 ? NULL : c->match);
    int rc = a.rc == SQLITE_OK ? sqlite3_step(a.st) : a.rc;
    *found = rc == SQLITE_ROW;
    if (*found) snprintf(run_id, UUID_SIZE, "%s", (const char *)sqlite3_column_text(a.st, 0));
    enum err e = rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_NONE :
                                                         db_fail(s->db, s->path, "read", rc);
    sqlite3_reset(a.st);
    return e;
}

enum err store_find_run(struct store *s, const struct cell *c, bool any_build, bool *found,
                        char run_id[37])
{
    return find_run(s, c, any_build, false, found, run_id);
}

enum err store_find_bound(struct store *s, const struct cell *c, bool any_build, bool *found,
                          char run_id[37])
{
    return find_run(s, c, any_build, true, found, run_id);
}
