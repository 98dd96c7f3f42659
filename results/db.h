/* db.h - what the files of this folder share: the open database and one way to fail. */
#ifndef RESULTS_DB_H
#define RESULTS_DB_H

#include <sqlite3.h>

#include "harness/base/hash.h"
#include "results/store.h"

/* Every statement that writes, prepared when the database is opened. */
enum stmt {
    STMT_BUILD,
    STMT_HOST,
    STMT_DEVICE,
    STMT_INVOCATION,
    STMT_INVOCATION_END,
    STMT_INVOCATION_DEVICE,
    STMT_CELL,
    STMT_RUN,
    STMT_PRICE,
    STMT_PRICE_AFTER,
    STMT_FORWARD,
    STMT_FORWARD_OP,
    STMT_CEILING,
    STMT_QUALITY,
    STMT_QUALITY_FORWARD,
    STMT_NELBO,
    STMT_CORRUPTION,
    STMT_CORRUPTION_POINT,
    STMT_KERNEL_TIME,
    STMT_INTERVENTION,
    STMT_BOUND,
    STMT_COUNTING_DROP,
    STMT_COUNTING,
    STMT_FORWARD_COUNTER,
    STMT_FORWARD_KERNEL,
    STMT_KNOWN_WORK,
    STMT_ENERGY,
    STMT_RUN_TOKENS,
    STMT_IS_COUNTED,
    STMT_FIND_RUN,
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_COUNT
};

enum { QUERY_CACHE_SIZE = 16 };

/* A SELECT that may be asked again. */
struct query {
    char *sql; /* owned; NULL: unused entry */
    sqlite3_stmt *st;
    const char **name;         /* [columns] */
    struct store_value *value; /* [columns] */
    int64_t used;              /* when last, for replacement */
    bool busy;                 /* its rows are being read */
};

struct store {
    sqlite3 *db;
    char *path;
    enum store_mode mode;
    bool in_transaction; /* between store_begin and store_commit */
    bool undone;         /* ... and a failure has undone it: nothing more is written */
    bool asking;         /* a caller's SELECT is being prepared: refuse anything that writes */
    sqlite3_stmt *stmt[STMT_COUNT];
    struct query cache[QUERY_CACHE_SIZE];
    int64_t n_queries;

    char build_id[SHA256_HEX_SIZE];
    char host_id[SHA256_HEX_SIZE]; /* "" until asked for */

    /* The invocation written to last, so that each run need not look it up. */
    char invocation_id[UUID_SIZE];
    char invocation_device_id[SHA256_HEX_SIZE];
    char invocation_device[64];
};

/* A path SQLite takes literally: names like "file:..." have a meaning of their own to it, and
 * "./" takes that away.  To be freed; NULL: out of memory. */
char *db_plain_path(const char *path);

/* One sentence for an SQLite result code, and the err that goes with it.  doing: "write to". */
enum err db_fail(sqlite3 *db, const char *path, const char *doing, int rc) MUST_CHECK;

enum err db_exec(sqlite3 *db, const char *path, const char *sql) MUST_CHECK;
/* The integer a one-row statement yields. */
enum err db_int(sqlite3 *db, const char *path, const char *sql, int64_t *out) MUST_CHECK;

enum err db_prepare_all(struct store *s) MUST_CHECK;
void db_finalize_all(struct store *s);

/* Arguments of one execution, bound in order. */
struct args {
    sqlite3_stmt *st;
    int i, rc;
};
struct args args_of(struct store *s, enum stmt id);
void arg_int(struct args *a, int64_t v);
void arg_real(struct args *a, double v);
void arg_text(struct args *a, const char *v); /* NULL and "" bind NULL */
void arg_null(struct args *a);
void arg_int_above(struct args *a, int64_t v, int64_t floor); /* NULL unless v > floor  */
void arg_real_above(struct args *a, double v, double floor);  /* NULL unless v > floor */

/* Run a bound statement that yields no row. */
enum err db_run(struct store *s, struct args *a) MUST_CHECK;
enum err db_simple(struct store *s, enum stmt id) MUST_CHECK;

/* A transaction of its own, or part of the one that store_begin opened: a failure then
 * undoes all of that one. */
enum err db_begin(struct store *s) MUST_CHECK;
/* Commit when e is ERR_NONE, else undo; the first failure is the one returned. */
enum err db_end(struct store *s, enum err e) MUST_CHECK;

/* Set the invocation_ fields to this invocation and its device. */
enum err store_invocation_device(struct store *s, const char *invocation_id) MUST_CHECK;

/* The cell's row, unless it is there already, and its key. */
enum err store_add_cell(struct store *s, const struct cell *c, char id[CELL_KEY_SIZE]) MUST_CHECK;

/* Identity of this program and of this machine. */
void provenance_build_id(char out[SHA256_HEX_SIZE]);
void provenance_host_id(char out[SHA256_HEX_SIZE]);

#endif
