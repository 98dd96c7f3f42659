/* verb_quality.c - decode on an exact process and say how far from the truth it came out. */
#include <stdio.h>

#include "harness/app/engine.h"
#include "harness/app/quality.h"
#include "harness/app/skips.h"
#include "harness/app/verbs.h"
#include "harness/app/write_trace.h"
#include "results/output.h"

static const char *const what_is_printed =
    "SELECT process, decoder, batch_seqs AS batch, block_tokens AS block, denoise_steps AS steps, "
    "strategy, COALESCE(threshold, factor, entropy_bound, eta) AS at, draft_tokens AS drafts, "
    "tokens_per_forward, law, kl, kl_lo, kl_hi, reverse, "
    "reverse_lo, reverse_hi, reverse_least, tv, surprise, entropy, samples "
    "FROM v_quality WHERE invocation_id = ?1 ORDER BY recorded_utc, quality_id";

struct work {
    const struct options *o;
    struct store *store;
    struct kernels *k;
    struct process process;
    char sha256[65], invocation_id[37];
    int32_t n_done;
    struct skips skips;
};

/* A cell that says nothing on a process is a skip in a sweep. */
static enum err measure_cell(struct work *w, const struct planned_cell *planned, int32_t i)
{
    struct cell c = cell_on_process(&planned->cell, &w->process);
    struct quality_row q;
    if (planned->skip_reason[0]) {
        skips_add(&w->skips, &c, planned->skip_reason);
        return ERR_NONE;
    }
    enum err e = quality_check(&w->process, &c);
    if (e == ERR_USAGE && w->o->cells.n > 1) {
        skips_add(&w->skips, &c, err_msg());
        return ERR_NONE;
    }
    TRY(e);
    log_progress(w->o->log, "[%d/%d] %s on %s", i + 1, w->o->cells.n, c.decoder, c.model);
    TRY(quality_measure(w->k, &w->process, &c, w->o->samples, &q));
    q.process_sha256 = w->sha256;
    TRY(store_add_quality(w->store, w->invocation_id, &c, &q));
    w->n_done++;
    return ERR_NONE;
}

static enum err measure_all(struct work *w)
{
    for (int32_t i = 0; i < w->o->cells.n; i++) TRY(measure_cell(w, &w->o->cells.cell[i], i));
    log_progress_end(w->o->log);
    skips_report(&w->skips);
    log_line(w->o->log, LOG_INFO, "%d measured, %d skipped; %s", w->n_done, w->skips.n, w->o->db);
    struct store_value id = store_text(w->invocation_id);
    return output_query(w->store, what_is_printed, &id, 1, (enum print_format)w->o->output,
                        "quality", stdout);
}

static enum err measure(struct work *w, struct engine *engine)
{
    const struct options *o = w->o;
    struct device_row d = engine_device(engine);
    struct invocation i = {
        .argv = o->command, .sweep_name = o->sweep_name, .sweep_text = o->sweep_text};
    TRY(store_begin_invocation(w->store, &i, &d, w->invocation_id));
    enum err e = measure_all(w);
    enum err end = store_end_invocation(w->store, w->invocation_id, err_exit_code(e));
    return e != ERR_NONE ? e : end;
}

enum err verb_quality(const struct options *o)
{
    struct engine *engine = NULL;
    struct kernels_config config = {.backend = "cpu", .n_threads = 1};
    struct work w = {.o = o, .skips.log = o->log};
    enum err e = ERR_NONE;
    TRY(write_trace_check(o));
    TRY(process_open(o->process, &w.process));
    process_sha256(&w.process, w.sha256);
    TRY_OUT(engine_open("cpu", o->log, &engine));
    TRY_OUT(kernels_open(&config, &w.k));
    TRY_OUT(store_open(o->db, STORE_WRITE, &w.store));
    TRY_OUT(measure(&w, engine));
    TRY_OUT(write_trace_of_process(o, w.k, &w.process));
out:
    store_close(w.store);
    kernels_close(w.k);
    engine_close(engine);
    return e;
}
