/* schema.c - tell our files from others, create them, migrate them.
 *
 * Version numbers only grow.  To change a table: write the new shape into schema.sql,
 * raise SCHEMA_VERSION and its user_version there, and add the step from the old one.
 * Views hold no data: they are dropped and made anew after any step. */
#include "results/schema.h"

#include <string.h>
#include <sys/vfs.h>

#include "harness/base/build_info.h"
#include "harness/base/clock.h"
#include "harness/base/embed.h"
#include "harness/base/strbuf.h"
#include "results/db.h"

/* What version 3 has anew. */
#define TABLES_OF_QUALITY                                                                          \
    "CREATE TABLE quality (quality_id TEXT NOT NULL PRIMARY KEY CHECK "                            \
    "(length(quality_id) = 36), invocation_id TEXT NOT NULL REFERENCES invocation, "               \
    "cell_id TEXT NOT NULL REFERENCES cell, process_sha256 TEXT NOT NULL CHECK "                   \
    "(length(process_sha256) = 64), recorded_utc TEXT NOT NULL, samples INTEGER NOT "              \
    "NULL CHECK (samples > 0), law TEXT CHECK (law IN ('exact', 'bound', 'counted')), kl REAL, "              \
    "kl_lo REAL, kl_hi REAL, reverse REAL, reverse_lo REAL, reverse_hi REAL, tv REAL, "            \
    "tv_lo REAL, tv_hi REAL, surprise REAL NOT NULL, surprise_lo REAL, surprise_hi "               \
    "REAL, entropy REAL NOT NULL, entropy_lo REAL, entropy_hi REAL, CHECK ((law IS "               \
    "NULL) = (kl IS NULL))) STRICT; "                                                              \
    "CREATE TABLE quality_forward (quality_id TEXT NOT NULL REFERENCES quality, phase "            \
    "TEXT NOT NULL, forwards INTEGER NOT NULL CHECK (forwards > 0), tokens INTEGER "               \
    "NOT NULL CHECK (tokens >= 0), PRIMARY KEY (quality_id, phase)) STRICT, WITHOUT "              \
    "ROWID; "                                                                                      \
    "CREATE TABLE nelbo (nelbo_id TEXT NOT NULL PRIMARY KEY CHECK (length(nelbo_id) = "            \
    "36), invocation_id TEXT NOT NULL REFERENCES invocation, cell_id TEXT NOT NULL "               \
    "REFERENCES cell, process_sha256 TEXT CHECK (length(process_sha256) = 64), "                   \
    "recorded_utc TEXT NOT NULL, estimator TEXT NOT NULL CHECK (estimator IN "                     \
    "('chain', 'time', 'count')), schedule TEXT, sequences INTEGER NOT NULL CHECK "                \
    "(sequences > 0), draws INTEGER NOT NULL CHECK (draws > 0), nelbo REAL NOT NULL, "             \
    "nelbo_lo REAL, nelbo_hi REAL, excess REAL, excess_lo REAL, excess_hi REAL, CHECK "            \
    "((process_sha256 IS NULL) = (excess IS NULL))) STRICT; "                                      \
    "CREATE TABLE corruption (corruption_id TEXT NOT NULL PRIMARY KEY CHECK "                      \
    "(length(corruption_id) = 36), invocation_id TEXT NOT NULL REFERENCES "                        \
    "invocation, recorded_utc TEXT NOT NULL, source TEXT NOT NULL, process_sha256 "                \
    "TEXT CHECK (length(process_sha256) = 64), corruption TEXT NOT NULL CHECK "                    \
    "(corruption IN ('noise', 'masks')), width INTEGER CHECK (width > 0), symbols "                \
    "INTEGER NOT NULL CHECK (symbols > 1), tokens INTEGER NOT NULL CHECK (tokens "                 \
    "> 0), sequences INTEGER NOT NULL CHECK (sequences > 0), entropy REAL NOT "                    \
    "NULL, useful_time REAL NOT NULL CHECK (useful_time BETWEEN 0 AND 1), CHECK "                  \
    "((corruption = 'noise') = (width IS NOT NULL))) STRICT; "                                     \
    "CREATE TABLE corruption_point (corruption_id TEXT NOT NULL REFERENCES "                       \
    "corruption, quantity TEXT NOT NULL CHECK (quantity IN ('uncertainty', "                       \
    "'rounding', 'bound', 'best_bound')), x REAL NOT NULL, value REAL NOT NULL, "                  \
    "PRIMARY KEY (corruption_id, quantity, x)) STRICT, WITHOUT ROWID"

#define TABLE_OF_KERNEL_TIMES                                                                      \
    "CREATE TABLE kernel_time ( invocation_id TEXT NOT NULL REFERENCES invocation, "               \
    "kernel_no INTEGER NOT NULL, device_id TEXT NOT NULL REFERENCES device, measured_utc "         \
    "TEXT NOT NULL, op TEXT NOT NULL, part TEXT, model TEXT NOT NULL, dtype TEXT NOT "             \
    "NULL, rows INTEGER NOT NULL CHECK (rows > 0), columns INTEGER CHECK (columns > 0), "          \
    "inner INTEGER CHECK (inner > 0), keys INTEGER CHECK (keys > 0), threads INTEGER NOT "         \
    "NULL CHECK (threads > 0), variant TEXT, n INTEGER NOT NULL CHECK (n > 0), time_ns "           \
    "REAL NOT NULL CHECK (time_ns > 0), time_lo_ns REAL, time_hi_ns REAL, flop_matmul "            \
    "INTEGER NOT NULL, flop_attention INTEGER NOT NULL, flop_vector INTEGER NOT NULL, "            \
    "bytes_kernel INTEGER NOT NULL, bytes_dram INTEGER NOT NULL, peak_flop_per_s REAL NOT "        \
    "NULL CHECK (peak_flop_per_s > 0), peak_bytes_per_s REAL NOT NULL CHECK "                      \
    "(peak_bytes_per_s > 0), roof_fraction REAL NOT NULL, roof_fraction_lo REAL, "                 \
    "roof_fraction_hi REAL, cache_resident INTEGER NOT NULL CHECK (cache_resident IN (0, "         \
    "1)), other_cpus REAL CHECK (other_cpus >= 0), PRIMARY KEY (invocation_id, kernel_no) "        \
    ") STRICT, WITHOUT ROWID"

#define TABLES_OF_BOUND                                                                            \
    "CREATE TABLE intervention ("                                                                  \
    "run_no          INTEGER NOT NULL REFERENCES run, "                                            \
    "phase           TEXT NOT NULL, "                                                              \
    "op              TEXT NOT NULL, "                                                              \
    "base_run_id     TEXT NOT NULL CHECK (length(base_run_id) = 36), "                             \
    "kind            TEXT NOT NULL CHECK (kind IN ('storage', 'arithmetic', 'isa', "               \
    "'threads')), "                                                                                \
    "bytes_ratio     REAL NOT NULL CHECK (bytes_ratio > 0), "                                      \
    "compute_ratio   REAL NOT NULL CHECK (compute_ratio > 0), "                                    \
    "bandwidth_ratio REAL NOT NULL CHECK (bandwidth_ratio > 0), "                                  \
    "rounds          INTEGER NOT NULL CHECK (rounds > 0), "                                        \
    "time_ratio      REAL NOT NULL CHECK (time_ratio > 0), "                                       \
    "time_ratio_lo   REAL, time_ratio_hi REAL, "                                                   \
    "elasticity      REAL, elasticity_lo REAL, elasticity_hi REAL, "                               \
    "PRIMARY KEY (run_no, phase, op) "                                                             \
    ") STRICT, WITHOUT ROWID; "                                                                    \
    "CREATE INDEX intervention_base ON intervention (base_run_id);"                                \
    "CREATE TABLE bound ("                                                                         \
    "run_no  INTEGER NOT NULL REFERENCES run, "                                                    \
    "phase   TEXT NOT NULL, "                                                                      \
    "op      TEXT NOT NULL, "                                                                      \
    "flop_by TEXT, "                                                                               \
    "bound   TEXT NOT NULL CHECK (bound IN ('memory', 'compute', 'mixed', 'overhead', "            \
    "'undecided')), "                                                                              \
    "PRIMARY KEY (run_no, phase, op) "                                                             \
    ") STRICT, WITHOUT ROWID; "

#define TABLES_OF_COUNTERS                                                                         \
    "CREATE TABLE counting ( run_no INTEGER NOT NULL REFERENCES run, probe TEXT NOT NULL, "        \
    "l2_state TEXT NOT NULL CHECK (l2_state IN ('steady', 'cold')), status TEXT NOT NULL "         \
    "CHECK (status IN ('ok', 'unavailable')), reason TEXT, counted_utc TEXT NOT NULL, "            \
    "samples INTEGER CHECK (samples > 0), chip TEXT, passes INTEGER CHECK (passes > 0), "          \
    "version INTEGER, PRIMARY KEY (run_no, probe, l2_state), CHECK ((status = 'ok') = "            \
    "(reason IS NULL)) ) STRICT, WITHOUT ROWID; CREATE TABLE forward_counter ( run_no "            \
    "INTEGER NOT NULL, probe TEXT NOT NULL, l2_state TEXT NOT NULL, sample INTEGER NOT "           \
    "NULL, step INTEGER NOT NULL, phase TEXT NOT NULL, device_ns INTEGER, dram_read_bytes "        \
    "INTEGER, dram_write_bytes INTEGER, l2_bytes INTEGER, l2_all_bytes INTEGER, "                  \
    "l2_fabric_bytes INTEGER, l2_host_bytes INTEGER, l1_bytes INTEGER, l1_fill_bytes "             \
    "INTEGER, l1_drain_bytes INTEGER, flop_tensor INTEGER, flop_vector INTEGER, sm_cycles "        \
    "INTEGER, sm_hz INTEGER, dram_hz INTEGER, dram_peak_bytes_per_cycle INTEGER, "                 \
    "tensor_peak_flop_per_cycle INTEGER, PRIMARY KEY (run_no, probe, l2_state, sample, "           \
    "step), FOREIGN KEY (run_no, probe, l2_state) REFERENCES counting ON DELETE CASCADE ) "        \
    "STRICT, WITHOUT ROWID; CREATE TABLE forward_kernel ( run_no INTEGER NOT NULL, probe "         \
    "TEXT NOT NULL, l2_state TEXT NOT NULL, sample INTEGER NOT NULL, step INTEGER NOT "            \
    "NULL, ordinal INTEGER NOT NULL, phase TEXT NOT NULL, name TEXT, start_ns INTEGER, "           \
    "end_ns INTEGER, grid_x INTEGER, grid_y INTEGER, grid_z INTEGER, block_x INTEGER, "            \
    "block_y INTEGER, block_z INTEGER, registers INTEGER, shared_bytes INTEGER, "                  \
    "dram_read_bytes INTEGER, dram_write_bytes INTEGER, l2_bytes INTEGER, l1_bytes "               \
    "INTEGER, flop_tensor INTEGER, PRIMARY KEY (run_no, probe, l2_state, sample, step, "           \
    "ordinal), FOREIGN KEY (run_no, probe, l2_state) REFERENCES counting ON DELETE "               \
    "CASCADE ) STRICT, WITHOUT ROWID; CREATE TABLE known_work ( run_no INTEGER NOT NULL, "         \
    "probe TEXT NOT NULL, l2_state TEXT NOT NULL, work TEXT NOT NULL, counter TEXT NOT "           \
    "NULL, known INTEGER NOT NULL CHECK (known > 0), counted INTEGER NOT NULL CHECK "              \
    "(counted >= 0), PRIMARY KEY (run_no, probe, l2_state, work, counter), FOREIGN KEY "           \
    "(run_no, probe, l2_state) REFERENCES counting ON DELETE CASCADE ) STRICT, WITHOUT "           \
    "ROWID; CREATE TABLE energy ( run_no INTEGER NOT NULL, probe TEXT NOT NULL, l2_state "         \
    "TEXT NOT NULL, decodes INTEGER NOT NULL CHECK (decodes > 0), tokens INTEGER NOT NULL "        \
    "CHECK (tokens > 0), window_ns INTEGER NOT NULL CHECK (window_ns > 0), energy_mj "             \
    "INTEGER, power_before_mw INTEGER, power_after_mw INTEGER, sm_before_mhz INTEGER, "            \
    "sm_after_mhz INTEGER, memory_before_mhz INTEGER, memory_after_mhz INTEGER, "                  \
    "temperature_before_c INTEGER, temperature_after_c INTEGER, throttle_bits INTEGER, "           \
    "PRIMARY KEY (run_no, probe, l2_state), FOREIGN KEY (run_no, probe, l2_state) "                \
    "REFERENCES counting ON DELETE CASCADE ) STRICT, WITHOUT ROWID"

/* In order of `from`. */
static const struct schema_step steps[] = {
    {1, "ALTER TABLE cell ADD COLUMN draft_tokens INTEGER CHECK (draft_tokens >= 0);"
        "ALTER TABLE cell ADD COLUMN acceptance REAL CHECK (acceptance BETWEEN 0 AND 1)"},
    {2, "ALTER TABLE cell ADD COLUMN refresh_forwards INTEGER CHECK (refresh_forwards > 0);"
        "ALTER TABLE cell ADD COLUMN commit_policy TEXT;"
        "ALTER TABLE cell ADD COLUMN schedule TEXT;"
        "ALTER TABLE cell ADD COLUMN threshold REAL CHECK (threshold >= 0);"
        "ALTER TABLE cell ADD COLUMN factor REAL CHECK (factor >= 0);"
        "ALTER TABLE cell ADD COLUMN entropy_bound REAL CHECK (entropy_bound >= 0);"
        "ALTER TABLE cell ADD COLUMN eta REAL CHECK (eta >= 0);"
        "ALTER TABLE cell ADD COLUMN depth_tokens INTEGER CHECK (depth_tokens > 0);"
        "ALTER TABLE cell ADD COLUMN draft TEXT;"
        "ALTER TABLE cell ADD COLUMN draft_layers INTEGER CHECK (draft_layers > 0);"
        "ALTER TABLE cell ADD COLUMN trace_sha256 TEXT;"
        "ALTER TABLE cell ADD COLUMN guidance REAL CHECK (guidance > 0);"
        "ALTER TABLE cell ADD COLUMN top_p REAL CHECK (top_p > 0 AND top_p <= 1);"
        "ALTER TABLE forward ADD COLUMN tokens_past_eos INTEGER CHECK (tokens_past_eos >= 0);"
        "ALTER TABLE run ADD COLUMN memory_bytes INTEGER CHECK (memory_bytes > 0);"
        "ALTER TABLE run ADD COLUMN memory_budget_bytes INTEGER CHECK (memory_budget_bytes > 0);"
        "ALTER TABLE run ADD COLUMN latency_budget_ms REAL CHECK (latency_budget_ms > 0);"
        "ALTER TABLE forward ADD COLUMN seqs INTEGER CHECK (seqs > 0);"
        "ALTER TABLE cell ADD COLUMN isa TEXT CHECK (isa IN ('scalar', 'avx2', 'avx512', 'amx'));"
        "ALTER TABLE cell ADD COLUMN graph INTEGER CHECK (graph = 1);"
        "ALTER TABLE cell ADD COLUMN matmul TEXT CHECK (matmul = 'own');"
        "ALTER TABLE forward ADD COLUMN device_ns INTEGER CHECK (device_ns > 0);"
        "ALTER TABLE cell ADD COLUMN arithmetic TEXT CHECK (arithmetic = 'twice');"
        "ALTER TABLE ceiling ADD COLUMN isa TEXT;" TABLES_OF_QUALITY ";"
        TABLE_OF_KERNEL_TIMES ";" TABLES_OF_BOUND TABLES_OF_COUNTERS},
    {3, "ALTER TABLE cell ADD COLUMN compute_dtype TEXT CHECK (compute_dtype IN ('bf16', 'int8'));"
        "ALTER TABLE kernel_time ADD COLUMN compute_dtype TEXT NOT NULL DEFAULT 'f32' "
        "CHECK (compute_dtype IN ('f32', 'bf16', 'int8'));"
        "ALTER TABLE forward_kernel ADD COLUMN call INTEGER CHECK (call >= 0);"
        "ALTER TABLE forward_kernel ADD COLUMN op TEXT;"
        "ALTER TABLE forward_kernel ADD COLUMN rows INTEGER CHECK (rows > 0);"
        "ALTER TABLE forward_kernel ADD COLUMN columns INTEGER CHECK (columns > 0);"
        "ALTER TABLE forward_kernel ADD COLUMN inner INTEGER CHECK (inner > 0);"
        "ALTER TABLE cell ADD COLUMN model_sha256 TEXT;"
        "ALTER TABLE cell ADD COLUMN weights TEXT CHECK (weights = 'checkpoint');"
        "ALTER TABLE cell ADD COLUMN prompts_sha256 TEXT;"
        "ALTER TABLE forward_counter ADD COLUMN cpu_cycles INTEGER CHECK (cpu_cycles >= 0);"
        "ALTER TABLE forward_counter ADD COLUMN cpu_instructions INTEGER "
        "CHECK (cpu_instructions >= 0);"
        "ALTER TABLE forward_counter ADD COLUMN llc_misses INTEGER CHECK (llc_misses >= 0);"
        "ALTER TABLE forward_counter ADD COLUMN task_clock_ns INTEGER CHECK (task_clock_ns >= 0);"
        "ALTER TABLE forward_counter ADD COLUMN page_faults INTEGER CHECK (page_faults >= 0);"
        "ALTER TABLE forward_counter ADD COLUMN context_switches INTEGER "
        "CHECK (context_switches >= 0);"
        "ALTER TABLE cell ADD COLUMN eos TEXT CHECK (eos = 'stop');"
        "ALTER TABLE quality ADD COLUMN reverse_least REAL CHECK (reverse_least >= 0)"},
};
enum { N_STEPS = sizeof steps / sizeof steps[0] };

struct identity {
    int64_t application_id, user_version, n_objects;
};

static enum err read_numbers(sqlite3 *db, const char *path, struct identity *out)
{
    TRY(db_int(db, path, "PRAGMA application_id", &out->application_id));
    TRY(db_int(db, path, "PRAGMA user_version", &out->user_version));
    return db_int(db, path, "SELECT COUNT(*) FROM sqlite_schema", &out->n_objects);
}

/* All of one moment: between two of the numbers another process may create the file. */
static enum err read_identity(sqlite3 *db, const char *path, struct identity *out)
{
    if (!sqlite3_get_autocommit(db)) return read_numbers(db, path, out);
    TRY(db_exec(db, path, "BEGIN"));
    enum err e = read_numbers(db, path, out);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return e;
}

static bool is_empty(const struct identity *id)
{
    return id->application_id == 0 && id->user_version == 0 && id->n_objects == 0;
}

static enum err judge(const struct identity *id, const char *path, bool read_only)
{
    if (is_empty(id)) {
        if (!read_only) return ERR_NONE;
        return err_set(ERR_DB, "%s is empty: no results have been written to it", path);
    }
    if (id->application_id != SCHEMA_APPLICATION_ID)
        return err_set(ERR_DB, "%s is a database of another program, not one of regime's results",
                       path);
    if (id->user_version > SCHEMA_VERSION)
        return err_set(ERR_DB,
                       "%s was written by a newer regime (schema version %lld, this program knows "
                       "up to %d)",
                       path, (long long)id->user_version, SCHEMA_VERSION);
    if (id->user_version < 1) return err_set(ERR_DB, "%s has no valid schema version", path);
    if (id->user_version < SCHEMA_VERSION && read_only)
        return err_set(ERR_DB,
                       "%s has schema version %lld; open it once for writing to bring it to %d",
                       path, (long long)id->user_version, SCHEMA_VERSION);
    return ERR_NONE;
}

enum err schema_check(sqlite3 *db, const char *path, bool read_only)
{
    struct identity id;
    TRY(read_identity(db, path, &id));
    return judge(&id, path, read_only);
}

/* schema.sql from its first view on. */
static const char *views_sql(void)
{
    const char *schema = embed_find("results/schema.sql");
    CHECK(schema);
    const char *views = strstr(schema, "CREATE VIEW");
    CHECK(views);
    return views;
}

static enum err drop_views(sqlite3 *db, const char *path)
{
    struct strbuf sql = {0};
    sqlite3_stmt *st;
    int rc =
        sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'view'", -1, &st, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            strbuf_addf(&sql, "DROP VIEW \"%s\";", (const char *)sqlite3_column_text(st, 0));
    }
    sqlite3_finalize(st);
    enum err e = rc == SQLITE_DONE ? strbuf_check(&sql) : db_fail(db, path, "read", rc);
    if (e == ERR_NONE) e = db_exec(db, path, strbuf_text(&sql));
    strbuf_free(&sql);
    return e;
}

enum err schema_migrate(sqlite3 *db, const char *path, const struct schema_step *table, int n,
                        int from, int to)
{
    for (int i = 0, at = from; at < to; i++) {
        if (i == n)
            return err_set(ERR_INTERNAL, "no step leads from schema version %d to %d", at, to);
        if (table[i].from != at) continue;
        TRY(db_exec(db, path, table[i].sql));
        at++;
    }
    TRY(drop_views(db, path));
    TRY(db_exec(db, path, views_sql()));
    char pragma[48];
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA user_version = %d", to);
    return db_exec(db, path, pragma);
}

static enum err create(sqlite3 *db, const char *path)
{
    char now[CLOCK_UTC_SIZE];
    clock_utc(now);
    TRY(db_exec(db, path, embed_find("results/schema.sql")));
    char *sql = sqlite3_mprintf("INSERT INTO meta (key, value) VALUES ('created_utc', %Q), "
                                "('created_by', %Q)",
                                now, build_info.git_sha);
    enum err e = sql ? db_exec(db, path, sql) : err_set(ERR_NOMEM, "%s: out of memory", path);
    sqlite3_free(sql);
    return e;
}

/* Another process may have created the file since it was checked: look again under the lock. */
static enum err update_locked(sqlite3 *db, const char *path)
{
    struct identity id;
    TRY(read_identity(db, path, &id));
    TRY(judge(&id, path, false));
    if (is_empty(&id)) return create(db, path);
    if (id.user_version == SCHEMA_VERSION) return ERR_NONE;
    return schema_migrate(db, path, steps, N_STEPS, (int)id.user_version, SCHEMA_VERSION);
}

enum err schema_update(sqlite3 *db, const char *path)
{
    struct identity id;
    TRY(read_identity(db, path, &id));
    if (!is_empty(&id) && id.user_version == SCHEMA_VERSION) return ERR_NONE;
    TRY(db_exec(db, path, "BEGIN IMMEDIATE"));
    enum err e = update_locked(db, path);
    if (e == ERR_NONE) e = db_exec(db, path, "COMMIT");
    if (e != ERR_NONE && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return e;
}

bool schema_is_network(long fs_type)
{
    static const uint32_t network[] = {
        0x00006969, /* NFS */
        0x0000517B, /* SMB */
        0xFE534D42, /* SMB2 */
        0xFF534D42, /* CIFS */
        0x0BD00BD0, /* Lustre */
        0x47504653, /* GPFS */
        0x19830326, /* BeeGFS */
        0x00C36400, /* Ceph */
        0x5346414F, /* AFS */
        0x01021997, /* 9P */
        0x65735546, /* FUSE: sshfs and others; a rollback journal works on all */
        0x7461636F, /* OCFS2 */
        0x01161970, /* GFS2 */
        0xAAD7AAEA, /* PanFS */
    };
    for (size_t i = 0; i < sizeof network / sizeof network[0]; i++)
        if (network[i] == (uint32_t)fs_type) return true;
    return false;
}

enum err schema_journal(sqlite3 *db, const char *path)
{
    struct statfs fs;
    bool network = statfs(path, &fs) == 0 && schema_is_network((long)fs.f_type);
    /* A busy database keeps the mode it has: it was chosen here, too. */
    int rc =
        sqlite3_exec(db, network ? "PRAGMA journal_mode = TRUNCATE" : "PRAGMA journal_mode = WAL",
                     NULL, NULL, NULL);
    if (rc != SQLITE_OK && (rc & 0xFF) != SQLITE_BUSY) return db_fail(db, path, "write to", rc);
    return db_exec(db, path, network ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
}
