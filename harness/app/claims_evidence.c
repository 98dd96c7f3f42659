/* claims_evidence.c - queries and commands that lead back to the runs a claim asked about. */
#include "harness/app/claims_evidence.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/strbuf.h"

static enum err take(struct strbuf *s, char **out)
{
    enum err e = strbuf_check(s);
    *out = NULL;
    if (e == ERR_NONE && s->len && !(*out = strdup(strbuf_text(s))))
        e = err_set(ERR_NOMEM, "no memory for a query");
    strbuf_free(s);
    return e;
}

enum err evidence_sql(const struct trial *t, char **out)
{
    struct strbuf s = {0};
    if (t->n_policies)
        strbuf_add(&s,
                   "SELECT process, decoder, strategy, block_tokens, denoise_steps, law, kl, "
                   "kl_lo, kl_hi, entropy FROM v_quality WHERE kl IS NOT NULL AND head = 'same' "
                   "ORDER BY process, decoder, strategy, block_tokens, denoise_steps");
    if (t->n_policies) return take(&s, out);
    if (t->side)
        strbuf_addf(&s,
                    "SELECT side, bound, COUNT(*) AS forwards " CLAIMS_SIDES_FROM
                    " AND side = '%s' AND device_id = '%s' GROUP BY side, bound",
                    t->side->is_compute ? "compute" : "memory", t->side->device_id);
    if (t->side) return take(&s, out);
    for (int32_t i = 0; t->timed && i < t->n; i++)
        if (t->used[i]) strbuf_addf(&s, "%s'%s'", s.len ? ", " : "", t->run[i]->run_id);
    if (s.len) {
        struct strbuf ids = s;
        s = (struct strbuf){0};
        strbuf_addf(&s,
                    "SELECT r.decoder, r.model, r.batch_seqs, r.prompt_tokens, r.gen_tokens, "
                    "r.block_tokens, r.denoise_steps, r.cache, p.phase, p.forwards / p.samples AS "
                    "forwards, "
                    "p.tokens_committed / p.samples AS tokens, p.flop / p.forwards AS flop, "
                    "p.bytes_dram / p.forwards AS bytes_dram, "
                    "p.bytes_dram_lo / p.forwards AS bytes_dram_lo, "
                    "p.bytes_dram_hi / p.forwards AS bytes_dram_hi, s.n, s.median_ns, s.ci_lo_ns, "
                    "s.ci_hi_ns, f.peak_flop_per_s, f.bytes_per_s, f.ridge_flop_per_byte "
                    "FROM v_run r JOIN v_phase p ON p.run_id = r.run_id "
                    "LEFT JOIN v_step s ON s.run_id = r.run_id AND s.phase = p.phase "
                    "LEFT JOIN v_roof f ON f.run_id = r.run_id "
                    "WHERE p.phase NOT LIKE 'prefill%%' AND r.run_id IN (%s) "
                    "ORDER BY r.decoder, r.block_tokens, r.denoise_steps, r.batch_seqs, p.phase",
                    strbuf_text(&ids));
        s.failed |= ids.failed;
        strbuf_free(&ids);
    }
    return take(&s, out);
}

static void add_flags(struct strbuf *s, const struct seen *r)
{
    struct model_config full;
    strbuf_addf(s,
                "regime plan --device %s --model %s --dtype %s --decoder %s --n-prompt %d "
                "--n-gen %d",
                r->device, r->model, dtype_name(r->dtype), r->decoder, r->n_prompt, r->n_gen);
    if (model_named(r->model, 0, &full) == ERR_NONE && full.n_layer != r->layers)
        strbuf_addf(s, " --layers %d", r->layers);
    if (r->kv_dtype != dtype_beside(r->dtype))
        strbuf_addf(s, " --kv-dtype %s", dtype_name(r->kv_dtype));
    if (r->block) strbuf_addf(s, " --block-length %d", r->block);
    if (r->steps) strbuf_addf(s, " --steps %d", r->steps);
    if (r->cache[0]) strbuf_addf(s, " --cache %s", r->cache);
    if (r->fused) strbuf_add(s, " --commit fused");
    if (strcmp(r->decoder, "ar-verify") == 0)
        strbuf_addf(s, " --draft-tokens %d --acceptance %g", r->drafts, r->acceptance);
    if (r->draft[0]) strbuf_addf(s, " --draft %s", r->draft);
    if (r->draft_layers) strbuf_addf(s, " --draft-layers %d", r->draft_layers);
}

/* Runs that differ only in their batch share a line. */
enum err evidence_command(const struct trial *t, char **out)
{
    struct strbuf s = {0};
    for (int32_t i = 0; i < t->n; i++) {
        bool first = t->used[i];
        for (int32_t k = 0; k < i && first; k++)
            first = !t->used[k] || !seen_same_series(t->run[k], t->run[i]);
        if (!first) continue;
        if (s.len) strbuf_add_char(&s, '\n');
        add_flags(&s, t->run[i]);
        const char *before = " --batch ";
        for (int32_t k = i; k < t->n; k++) {
            if (!t->used[k] || !seen_same_series(t->run[k], t->run[i])) continue;
            strbuf_addf(&s, "%s%d", before, t->run[k]->batch);
            before = ",";
        }
    }
    return take(&s, out);
}
