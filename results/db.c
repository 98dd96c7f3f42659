/* db.c - statements, their arguments, transactions, and failures as one sentence. */
#include "results/db.h"

#include <errno.h>
#include <string.h>

/* The columns forward and forward_op share, in the order bind_costs binds them. */
#define COST_COLUMNS                                                                               \
    "flop_matmul, flop_attention, flop_vector, flop_executed, bytes_weight, bytes_kv, "            \
    "bytes_activation, bytes_logits, bytes_dram, bytes_dram_lo, bytes_dram_hi, "                   \
    "predicted_datasheet_ns, predicted_ceilings_ns, predicted_table_ns, memory_datasheet_ns, "     \
    "memory_ceilings_ns, memory_table_ns"
#define COST_VALUES "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"

static const char *const sql[STMT_COUNT] = {
    [STMT_BUILD] = "INSERT INTO build (build_id, git_sha, git_dirty, source_sha256, compiler, "
                   "config, cflags, sanitizers, has_cuda) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
                   "ON CONFLICT (build_id) DO NOTHING",
    [STMT_HOST] = "INSERT INTO host (host_id, cpu_model, isa, l1d_bytes, l2_bytes, llc_bytes, "
                  "mem_bytes, kernel, os) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT (host_id) DO NOTHING",
    [STMT_DEVICE] = "INSERT INTO device (device_id, host_id, device, kind, description, "
                    "llc_bytes, mem_bytes) VALUES (?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (device_id) DO NOTHING",
    [STMT_INVOCATION] = "INSERT INTO invocation (invocation_id, build_id, host_id, device_id, "
                        "n_cpus, argv, sweep_name, sweep_text, seed, started_utc) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STMT_INVOCATION_END] = "UPDATE invocation SET ended_utc = ?2, exit_code = ?3 "
                            "WHERE invocation_id = ?1",
    [STMT_INVOCATION_DEVICE] = "SELECT d.device_id, d.device FROM invocation i "
                               "JOIN device d ON d.device_id = i.device_id "
                               "WHERE i.invocation_id = ?",
    [STMT_CELL] = "INSERT INTO cell (cell_id, canonical, model, layers, decoder, dtype, kv_dtype, "
                  "batch_seqs, batch_policy, prompt_tokens, gen_tokens, block_tokens, "
                  "denoise_steps, strategy, cache, logits, head, temperature, seed, threads, "
                  "launch_ns, draft_tokens, acceptance, refresh_forwards, commit_policy, "
                  "schedule, threshold, factor, entropy_bound, eta, depth_tokens, trace_sha256, "
                  "guidance, top_p, isa, draft, draft_layers, graph, matmul, "
                  "arithmetic, compute_dtype, model_sha256, weights, prompts_sha256, "
                  "eos) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                  "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT (cell_id) DO NOTHING",
    [STMT_RUN] = "INSERT INTO run (run_id, invocation_id, device_id, cell_id, recorded_utc, "
                 "status, message, match, pair_id, pair_baseline, cache_resident, weight_bytes, "
                 "tokens_sha256, threads, variant, memory_bytes, memory_budget_bytes, "
                 "latency_budget_ms) "
                 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STMT_PRICE] = "INSERT INTO price (run_no, tier, matmul_flop_per_s, attention_flop_per_s, "
                   "vector_flop_per_s, bytes_per_s, launch_ns) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [STMT_PRICE_AFTER] = "INSERT OR REPLACE INTO price_after (run_no, tier, matmul_flop_per_s, "
                         "bytes_per_s) VALUES ((SELECT run_no FROM run WHERE run_id = ?), ?, ?, ?)",
    [STMT_FORWARD] = "INSERT INTO forward (run_no, kind, phase, sample, step, round, "
                     "warmup, after_switch, seq, forwards, time_ns, other_cpus, rows, logit_rows, "
                     "tokens_committed, flop_useful, seqs, tokens_past_eos, device_ns, " COST_COLUMNS
                     ") VALUES (?, ?, ?, ?, ?, ?, "
                     "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, " COST_VALUES ")",
    [STMT_FORWARD_OP] = "INSERT INTO forward_op (op_id, forward_id, op, calls, "
                        "time_ns, " COST_COLUMNS ") VALUES (?, ?, ?, ?, ?, " COST_VALUES ")",
    [STMT_CEILING] = "INSERT INTO ceiling (invocation_id, ceiling_no, device_id, measured_utc, "
                     "kind, name, level, dtype, source, method, flag, moment, working_set_bytes, "
                     "threads, n, value, ci_lo, ci_hi, other_cpus, isa) "
                     "SELECT ?1, COALESCE(MAX(ceiling_no) + 1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                     "?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19 "
                     "FROM ceiling WHERE invocation_id = ?1",
    [STMT_QUALITY] = "INSERT INTO quality (quality_id, invocation_id, cell_id, process_sha256, "
                     "recorded_utc, samples, law, kl, kl_lo, kl_hi, reverse, reverse_lo, "
                     "reverse_hi, tv, tv_lo, tv_hi, surprise, surprise_lo, surprise_hi, entropy, "
                     "entropy_lo, entropy_hi, reverse_least) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
                     "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STMT_QUALITY_FORWARD] = "INSERT INTO quality_forward (quality_id, phase, forwards, tokens) "
                             "VALUES (?, ?, ?, ?)",
    [STMT_NELBO] = "INSERT INTO nelbo (nelbo_id, invocation_id, cell_id, process_sha256, "
                   "recorded_utc, estimator, schedule, sequences, draws, nelbo, nelbo_lo, "
                   "nelbo_hi, excess, excess_lo, excess_hi) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                   "?, ?, ?, ?, ?)",
    [STMT_KERNEL_TIME] =
        "INSERT INTO kernel_time (invocation_id, kernel_no, device_id, measured_utc, op, part, "
        "model, dtype, rows, columns, inner, keys, threads, variant, compute_dtype, n, time_ns, "
        "time_lo_ns, time_hi_ns, flop_matmul, flop_attention, flop_vector, bytes_kernel, bytes_dram, "
        "peak_flop_per_s, peak_bytes_per_s, roof_fraction, roof_fraction_lo, roof_fraction_hi, "
        "cache_resident, other_cpus) "
        "SELECT ?1, COALESCE(MAX(kernel_no) + 1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
        "?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, "
        "?29, ?30 FROM kernel_time WHERE invocation_id = ?1",
    [STMT_INTERVENTION] =
        "INSERT OR REPLACE INTO intervention (run_no, phase, op, base_run_id, kind, bytes_ratio, "
        "compute_ratio, bandwidth_ratio, rounds, time_ratio, time_ratio_lo, time_ratio_hi, "
        "elasticity, elasticity_lo, elasticity_hi) VALUES ((SELECT run_no FROM run "
        "WHERE run_id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STMT_BOUND] = "INSERT OR REPLACE INTO bound (run_no, phase, op, flop_by, bound) "
                   "VALUES ((SELECT run_no FROM run WHERE run_id = ?), ?, ?, ?, ?)",
    [STMT_CORRUPTION] = "INSERT INTO corruption (corruption_id, invocation_id, recorded_utc, "
                        "source, process_sha256, corruption, width, symbols, tokens, sequences, "
                        "entropy, useful_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STMT_CORRUPTION_POINT] = "INSERT INTO corruption_point (corruption_id, quantity, x, value) "
                              "VALUES (?, ?, ?, ?)",
    [STMT_COUNTING_DROP] = "DELETE FROM counting WHERE run_no = ?1 AND probe = ?2 "
                           "AND l2_state = ?3",
    [STMT_COUNTING] = "INSERT INTO counting (run_no, probe, l2_state, status, reason, "
                      "counted_utc, samples, chip, passes, version) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    /* Counters in the order of enum counter. */
    [STMT_FORWARD_COUNTER] =
        "INSERT INTO forward_counter (run_no, probe, l2_state, sample, step, phase, device_ns, "
        "dram_read_bytes, dram_write_bytes, l2_bytes, l2_all_bytes, l2_fabric_bytes, "
        "l2_host_bytes, l1_bytes, l1_fill_bytes, l1_drain_bytes, flop_tensor, flop_vector, "
        "sm_cycles, sm_hz, dram_hz, dram_peak_bytes_per_cycle, tensor_peak_flop_per_cycle, "
        "cpu_cycles, cpu_instructions, llc_misses, task_clock_ns, page_faults, context_switches) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?)",
    [STMT_FORWARD_KERNEL] =
        "INSERT INTO forward_kernel (run_no, probe, l2_state, sample, step, ordinal, phase, name, "
        "start_ns, end_ns, grid_x, grid_y, grid_z, block_x, block_y, block_z, registers, "
        "shared_bytes, dram_read_bytes, dram_write_bytes, l2_bytes, l1_bytes, flop_tensor, "
        "call, op, rows, columns, inner) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STMT_KNOWN_WORK] = "INSERT INTO known_work (run_no, probe, l2_state, work, counter, known, "
                        "counted) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [STMT_ENERGY] = "INSERT INTO energy (run_no, probe, l2_state, decodes, tokens, window_ns, "
                    "energy_mj, power_before_mw, power_after_mw, sm_before_mhz, sm_after_mhz, "
                    "memory_before_mhz, memory_after_mhz, temperature_before_c, "
                    "temperature_after_c, throttle_bits) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STMT_RUN_TOKENS] = "SELECT run_no, tokens_sha256 FROM run WHERE run_id = ? AND status = 'ok'",
    [STMT_IS_COUNTED] = "SELECT 1 FROM run r JOIN counting c ON c.run_no = r.run_no WHERE "
                        "r.run_id = ? AND c.probe = ? AND c.l2_state = ? AND c.status = 'ok'",
    /* A plan of a real device is no run of it. */
    [STMT_FIND_RUN] = "SELECT r.run_id FROM run r JOIN device d ON d.device_id = r.device_id "
                      "JOIN invocation i ON i.invocation_id = r.invocation_id "
                      "WHERE r.cell_id = ?1 AND d.device = ?2 AND r.status = 'ok' "
                      "AND (d.kind = 'sim' OR d.host_id = ?3 AND NOT EXISTS (SELECT 1 "
                      "FROM forward f WHERE f.run_no = r.run_no AND f.kind = 'plan')) "
                      "AND (?4 IS NULL OR i.build_id = ?4) "
                      "AND (NOT ?5 OR EXISTS (SELECT 1 FROM bound b WHERE b.run_no = r.run_no)) "
                      "AND (?6 IS NULL OR r.match = ?6) "
                      "ORDER BY r.recorded_utc DESC, r.run_no DESC LIMIT 1",
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
};

char *db_plain_path(const char *path)
{
    struct strbuf b = {0};
    if (path[0] != '/' && strcmp(path, ":memory:") != 0) strbuf_add(&b, "./");
    strbuf_add(&b, path);
    return b.text;
}

/* A limit on file sizes comes as a failed write whose cause SQLite has forgotten by now. */
static bool out_of_space(int rc, int os_error)
{
    return (rc & 0xFF) == SQLITE_FULL || os_error == ENOSPC || os_error == EDQUOT ||
           os_error == EFBIG || (rc == SQLITE_IOERR_WRITE && os_error == 0);
}

enum err db_fail(sqlite3 *db, const char *path, const char *doing, int rc)
{
    int os_error = sqlite3_system_errno(db), kind = rc & 0xFF;
    if (kind == SQLITE_NOMEM) return err_set(ERR_NOMEM, "%s: out of memory", path);
    if (kind == SQLITE_FULL || (kind == SQLITE_IOERR && out_of_space(rc, os_error)))
        return err_set(ERR_DB, "cannot %s %s: no space left for it", doing, path);
    if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED)
        return err_set(ERR_DB, "cannot %s %s: another process keeps it locked", doing, path);
    if (kind == SQLITE_READONLY)
        return err_set(ERR_DB, "cannot %s %s: the file or its folder is read-only", doing, path);
    if (kind == SQLITE_NOTADB) return err_set(ERR_DB, "%s is not an SQLite database", path);
    if (kind == SQLITE_CORRUPT)
        return err_set(ERR_DB, "%s is damaged: %s", path, sqlite3_errmsg(db));
    if ((kind == SQLITE_CANTOPEN || kind == SQLITE_IOERR) && os_error)
        return err_set(ERR_DB, "cannot %s %s: %s", doing, path, strerror(os_error));
    if (kind == SQLITE_CONSTRAINT)
        return err_set(ERR_INTERNAL, "%s refuses a row: %s", path, sqlite3_errmsg(db));
    return err_set(ERR_DB, "cannot %s %s: %s", doing, path, sqlite3_errmsg(db));
}

enum err db_exec(sqlite3 *db, const char *path, const char *text)
{
    int rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_NONE : db_fail(db, path, "write to", rc);
}

enum err db_int(sqlite3 *db, const char *path, const char *text, int64_t *out)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db, text, -1, &st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW) *out = sqlite3_column_int64(st, 0);
    }
    enum err e = rc == SQLITE_ROW ? ERR_NONE : db_fail(db, path, "read", rc);
    sqlite3_finalize(st);
    return e;
}

enum err db_prepare_all(struct store *s)
{
    for (int i = 0; i < STMT_COUNT; i++) {
        if (s->mode == STORE_READ && i != STMT_FIND_RUN) continue;
        int rc =
            sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);
        if (rc == SQLITE_ERROR)
            return err_set(ERR_DB, "%s lacks part of its schema: %s", s->path,
                           sqlite3_errmsg(s->db));
        if (rc != SQLITE_OK) return db_fail(s->db, s->path, "read", rc);
    }
    return ERR_NONE;
}

void db_finalize_all(struct store *s)
{
    for (int i = 0; i < STMT_COUNT; i++) sqlite3_finalize(s->stmt[i]);
}

struct args args_of(struct store *s, enum stmt id)
{
    CHECK(s->stmt[id]);
    return (struct args){.st = s->stmt[id], .rc = SQLITE_OK};
}

static void arg_done(struct args *a, int rc)
{
    if (a->rc == SQLITE_OK) a->rc = rc;
}

void arg_int(struct args *a, int64_t v)
{
    arg_done(a, sqlite3_bind_int64(a->st, ++a->i, v));
}

void arg_real(struct args *a, double v)
{
    arg_done(a, sqlite3_bind_double(a->st, ++a->i, v));
}

void arg_null(struct args *a)
{
    arg_done(a, sqlite3_bind_null(a->st, ++a->i));
}

void arg_text(struct args *a, const char *v)
{
    if (!v || !*v)
        arg_null(a);
    else
        arg_done(a, sqlite3_bind_text(a->st, ++a->i, v, -1, SQLITE_STATIC));
}

void arg_int_above(struct args *a, int64_t v, int64_t floor)
{
    if (v > floor)
        arg_int(a, v);
    else
        arg_null(a);
}

void arg_real_above(struct args *a, double v, double floor)
{
    if (v > floor)
        arg_real(a, v);
    else
        arg_null(a);
}

enum err db_run(struct store *s, struct args *a)
{
    int rc = a->rc;
    if (rc == SQLITE_OK) rc = sqlite3_step(a->st);
    enum err e = rc == SQLITE_DONE ? ERR_NONE : db_fail(s->db, s->path, "write to", rc);
    sqlite3_reset(a->st);
    return e;
}

enum err db_simple(struct store *s, enum stmt id)
{
    struct args a = args_of(s, id);
    return db_run(s, &a);
}

enum err db_begin(struct store *s)
{
    if (!s->in_transaction) return db_simple(s, STMT_BEGIN);
    if (s->undone)
        return err_set(ERR_DB, "%s: an earlier failure has undone this transaction", s->path);
    return ERR_NONE;
}

enum err db_end(struct store *s, enum err e)
{
    if (e == ERR_NONE && s->in_transaction) return ERR_NONE;
    if (e == ERR_NONE) e = db_simple(s, STMT_COMMIT);
    if (e == ERR_NONE) return e;
    s->undone = s->in_transaction;
    /* What was looked up may be undone, too. */
    s->invocation_id[0] = '\0';
    /* Undoing cannot fail in a way that matters: what is not committed does not exist. */
    if (!sqlite3_get_autocommit(s->db)) {
        sqlite3_step(s->stmt[STMT_ROLLBACK]);
        sqlite3_reset(s->stmt[STMT_ROLLBACK]);
    }
    return e;
}
