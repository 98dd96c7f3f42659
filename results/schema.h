/* schema.h - whether a file is ours, and bringing it up to date. */
#ifndef RESULTS_SCHEMA_H
#define RESULTS_SCHEMA_H

#include <stdbool.h>

#include <sqlite3.h>

#include "harness/base/err.h"

enum { SCHEMA_APPLICATION_ID = 1380404549, SCHEMA_VERSION = 4 };

/* How to get from version `from` to from + 1. */
struct schema_step {
    int from;
    const char *sql;
};

/* ERR_DB for a file of another program, a newer version, or (read_only) an older or empty one. */
enum err schema_check(sqlite3 *db, const char *path, bool read_only) MUST_CHECK;

/* Create the tables in an empty database, or take the steps an older one lacks, in one
 * transaction. */
enum err schema_update(sqlite3 *db, const char *path) MUST_CHECK;

/* The steps from version `from` on; views are rebuilt from schema.sql afterwards. */
enum err schema_migrate(sqlite3 *db, const char *path, const struct schema_step *steps, int n,
                        int from, int to) MUST_CHECK;

/* Whether a file system, by its statfs type, is one where shared memory between machines, and
 * so a write-ahead log, cannot work. */
bool schema_is_network(long fs_type);

/* WAL where it works, a rollback journal elsewhere. */
enum err schema_journal(sqlite3 *db, const char *path) MUST_CHECK;

#endif
