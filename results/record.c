/* record.c - write one run: its cell, the roofs it is held against, and every forward. */
#include <string.h>

#include "harness/base/clock.h"
#include "results/db.h"

static const char *const forward_kind_name[] = {
    [FORWARD_DECODE] = "decode",
    [FORWARD_PINNED] = "pinned",
    [FORWARD_TRACE] = "trace",
    [FORWARD_PLAN] = "plan",
};

enum err store_add_cell(struct store *s, const struct cell *cell, char id[CELL_KEY_SIZE])
{
    struct cell c = cell_normal(cell);
    const struct decode_spec *d = &c.spec;
    bool denoises = cell_denoises(&c), verifies = cell_verifies(&c);
    struct strbuf text = {0};
    cell_canonical(&c, &text);
    enum err e = strbuf_check(&text);
    if (e == ERR_NONE) {
        sha256_hex(text.text, text.len, id);
        struct args a = args_of(s, STMT_CELL);
        arg_text(&a, id);
        arg_text(&a, text.text);
        arg_text(&a, c.model);
        arg_int_above(&a, c.layers, 0);
        arg_text(&a, c.decoder);
        arg_text(&a, dtype_name(c.dtype));
        arg_text(&a, dtype_name(c.kv_dtype));
        arg_int(&a, d->batch);
        arg_text(&a, batch_policy_name(d->batch_policy));
        arg_int(&a, d->n_prompt);
        arg_int(&a, d->n_gen);
        arg_int_above(&a, d->block_length, 0);
        arg_int_above(&a, d->steps, 0);
        arg_text(&a, denoises ? strategy_name(d->strategy) : NULL);
        arg_text(&a, d->cache == CACHE_NONE ? NULL : cache_policy_name(d->cache));
        arg_text(&a, denoises ? logits_policy_name(d->logits) : NULL);
        arg_text(&a, denoises ? head_policy_name(d->head) : NULL);
        arg_real(&a, cell_number(d->temperature));
        arg_int(&a, (int64_t)d->seed);
        arg_int_above(&a, c.threads, 0);
        arg_int(&a, c.launch_ns);
        arg_int_above(&a, verifies ? d->draft_tokens : -1, -1);
        arg_real_above(&a, verifies && !c.trace_sha256[0] ? cell_number(d->acceptance) : -1, -1);
        arg_int_above(&a, d->refresh, 0);
        arg_text(&a, d->commit == COMMIT_SEPARATE ? NULL : commit_policy_name(d->commit));
        arg_text(&a, cell_takes(&c, "schedule") ? schedule_name(d->schedule) : NULL);
        arg_real_above(&a, cell_takes(&c, "threshold") ? cell_number(d->threshold) : -1, -1);
        arg_real_above(&a, cell_takes(&c, "factor") ? cell_number(d->factor) : -1, -1);
        arg_real_above(&a, cell_takes(&c, "entropy-bound") ? cell_number(d->entropy_bound) : -1,
                       -1);
        arg_real_above(&a, cell_takes(&c, "eta") ? cell_number(d->eta) : -1, -1);
        arg_int_above(&a, d->n_depth, 0);
        arg_text(&a, c.trace_sha256);
        arg_real_above(&a, cell_number(d->guidance), 0);
        arg_real_above(&a, cell_number(d->top_p), 0);
        arg_text(&a, c.isa == ISA_AUTO ? NULL : isa_name(c.isa));
        arg_text(&a, strcmp(d->draft, "none") == 0 ? NULL : d->draft);
        arg_int_above(&a, d->draft_layers, 0);
        arg_int_above(&a, c.graph, 0);
        arg_text(&a, c.matmul == MATMUL_CUBLAS ? NULL : matmul_by_name(c.matmul));
        arg_text(&a, c.arithmetic == ARITHMETIC_ONCE ? NULL : arithmetic_times(c.arithmetic));
        arg_text(&a, c.compute == DTYPE_F32 ? NULL : dtype_name(c.compute));
        arg_text(&a, c.model_sha256);
        arg_text(&a, c.weights == WEIGHTS_CHECKPOINT ? "checkpoint" : NULL);
        arg_text(&a, c.prompts_sha256);
        arg_text(&a, d->on_eos == EOS_STOP ? eos_policy_name(d->on_eos) : NULL);
        e = db_run(s, &a);
    }
    strbuf_free(&text);
    return e;
}

static enum err add_run(struct store *s, const struct cell *c, const char *cell_id,
                        const struct run_row *r, int64_t *run_no)
{
    char now[CLOCK_UTC_SIZE];
    clock_utc(now);
    struct args a = args_of(s, STMT_RUN);
    arg_text(&a, r->run_id);
    arg_text(&a, s->invocation_id);
    arg_text(&a, s->invocation_device_id);
    arg_text(&a, cell_id);
    arg_text(&a, now);
    arg_text(&a, r->status);
    arg_text(&a, r->message);
    arg_text(&a, c->match);
    arg_text(&a, r->pair_id);
    arg_int_above(&a, r->pair_id && *r->pair_id ? r->pair_baseline : -1, -1);
    arg_int(&a, r->cache_resident);
    arg_int_above(&a, r->weight_bytes, 0);
    arg_text(&a, r->tokens_sha256);
    arg_int_above(&a, r->threads, 0);
    arg_text(&a, r->variant);
    arg_int_above(&a, r->memory_bytes, 0);
    arg_int_above(&a, c->memory_budget, 0);
    arg_real_above(&a, cell_number(c->latency_ms), 0);
    TRY(db_run(s, &a));
    *run_no = sqlite3_last_insert_rowid(s->db);
    return ERR_NONE;
}

static enum err add_price(struct store *s, int64_t run_no, enum tier t, const struct price *p)
{
    struct args a = args_of(s, STMT_PRICE);
    arg_int(&a, run_no);
    arg_text(&a, tier_name(t));
    arg_real_above(&a, p->matmul_flop_per_s, 0);
    arg_real_above(&a, p->attention_flop_per_s, 0);
    arg_real_above(&a, p->vector_flop_per_s, 0);
    arg_real_above(&a, p->bytes_per_s, 0);
    arg_real(&a, p->launch_ns);
    return db_run(s, &a);
}

static void bind_costs(struct args *a, const struct ledger_entry *e, const bool *tier_known)
{
    const struct cost *c = &e->cost;
    arg_int(a, c->flop_matmul);
    arg_int(a, c->flop_attention);
    arg_int(a, c->flop_vector);
    arg_int(a, c->flop_executed);
    arg_int(a, c->bytes[ROLE_WEIGHT]);
    arg_int(a, c->bytes[ROLE_KV]);
    arg_int(a, c->bytes[ROLE_ACTIVATION]);
    arg_int(a, c->bytes[ROLE_LOGITS]);
    arg_int(a, c->bytes_dram);
    arg_int(a, c->bytes_dram_lo);
    arg_int(a, c->bytes_dram_hi);
    for (int t = 0; t < TIER_COUNT; t++) {
        if (tier_known[t]) arg_real(a, e->predicted_ns[t]);
        else arg_null(a);
    }
    for (int t = 0; t < TIER_COUNT; t++) {
        if (tier_known[t]) arg_real(a, e->memory_ns[t]);
        else arg_null(a);
    }
}

/* The numbering of op_id in schema.sql. */
enum { OPS_PER_FORWARD = 32 };
_Static_assert((int)OP_COUNT <= (int)OPS_PER_FORWARD, "op_id has room for 32 operations");

static enum err add_ops(struct store *s, int64_t forward_id, const struct forward_row *f,
                        const bool *tier_known)
{
    for (int op = 0; op < OP_COUNT; op++) {
        const struct ledger_entry *e = &f->ledger->op[op];
        if (e->calls == 0) continue;
        struct args a = args_of(s, STMT_FORWARD_OP);
        arg_int(&a, OPS_PER_FORWARD * forward_id + op);
        arg_int(&a, forward_id);
        arg_text(&a, op_name((enum op)op));
        arg_int(&a, e->calls);
        if (f->kind == FORWARD_TRACE) arg_int(&a, e->time_ns);
        else arg_null(&a);
        bind_costs(&a, e, tier_known);
        TRY(db_run(s, &a));
    }
    return ERR_NONE;
}

static enum err add_forward(struct store *s, int64_t run_no, const struct forward_row *f,
                            const bool *tier_known)
{
    bool overflow = false;
    struct ledger_entry total = ledger_total(f->ledger, &overflow);
    if (overflow || f->ledger->overflow)
        return err_set(ERR_INTERNAL, "a forward's counts pass 2^63 - 1 and cannot be stored");
    struct args a = args_of(s, STMT_FORWARD);
    arg_int(&a, run_no);
    arg_text(&a, forward_kind_name[f->kind]);
    arg_text(&a, phase_name(f->phase));
    arg_int(&a, f->sample);
    arg_int(&a, f->step);
    arg_int(&a, f->round);
    arg_int(&a, f->warmup);
    arg_int(&a, f->after_switch);
    arg_int(&a, f->seq);
    arg_int(&a, f->n_forwards);
    arg_int_above(&a, f->time_ns, -1);
    arg_real_above(&a, f->other_cpus, -1);
    arg_int(&a, f->work.rows);
    arg_int(&a, f->work.logit_rows);
    arg_int(&a, f->work.tokens_committed);
    arg_int(&a, f->work.flop_useful);
    arg_int_above(&a, f->work.seqs, 0);
    arg_int_above(&a, f->work.tokens_past_eos, -1);
    arg_int_above(&a, f->device_ns, 0);
    bind_costs(&a, &total, tier_known);
    TRY(db_run(s, &a));
    if (f->kind == FORWARD_PINNED) return ERR_NONE;
    return add_ops(s, sqlite3_last_insert_rowid(s->db), f, tier_known);
}

static enum err add_all(struct store *s, const struct cell *c, const struct run_row *run,
                        const struct forward_row *rows, int32_t n_rows)
{
    char cell_id[CELL_KEY_SIZE];
    bool tier_known[TIER_COUNT];
    int64_t run_no = 0;
    TRY(store_add_cell(s, c, cell_id));
    TRY(add_run(s, c, cell_id, run, &run_no));
    for (int t = 0; t < TIER_COUNT; t++) {
        tier_known[t] = run->price[t].known;
        if (tier_known[t]) TRY(add_price(s, run_no, (enum tier)t, &run->price[t]));
    }
    for (int32_t i = 0; i < n_rows; i++) TRY(add_forward(s, run_no, &rows[i], tier_known));
    return ERR_NONE;
}

enum err store_add_run(struct store *s, const char *invocation_id, const struct cell *c,
                       struct run_row *run, const struct forward_row *rows, int32_t n_rows)
{
    CHECK(s->mode == STORE_WRITE);
    if (c->spec.seed > INT64_MAX) return err_set(ERR_USAGE, "seed is above 2^63 - 1");
    TRY(store_invocation_device(s, invocation_id));
    if (strcmp(c->device, s->invocation_device) != 0)
        return err_set(ERR_INTERNAL, "a cell on %s under an invocation on %s", c->device,
                       s->invocation_device);
    for (int32_t i = 1; i < n_rows; i++)
        if ((rows[i].kind == FORWARD_PLAN) != (rows[0].kind == FORWARD_PLAN))
            return err_set(ERR_INTERNAL, "planned and measured forwards in one run");
    if (!run->run_id[0]) TRY(uuid_make(run->run_id));
    TRY(db_begin(s));
    return db_end(s, add_all(s, c, run, rows, n_rows));
}

static enum err add_prices_after(struct store *s, const char *run_id,
                                 const struct price price[TIER_COUNT])
{
    for (int t = 0; t < TIER_COUNT; t++) {
        if (!price[t].known) continue;
        struct args a = args_of(s, STMT_PRICE_AFTER);
        arg_text(&a, run_id);
        arg_text(&a, tier_name((enum tier)t));
        arg_real_above(&a, price[t].matmul_flop_per_s, 0);
        arg_real_above(&a, price[t].bytes_per_s, 0);
        TRY(db_run(s, &a));
    }
    return ERR_NONE;
}

enum err store_add_price_after(struct store *s, const char *run_id,
                               const struct price price[TIER_COUNT])
{
    CHECK(s->mode == STORE_WRITE);
    TRY(db_begin(s));
    return db_end(s, add_prices_after(s, run_id, price));
}
