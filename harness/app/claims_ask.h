/* claims_ask.h - the questions of each claim, by family. */
#ifndef APP_CLAIMS_ASK_H
#define APP_CLAIMS_ASK_H

#include "harness/app/claims_trial.h"

/* claims_ar.c */
void ask_ar_one(struct trial *t);
void ask_ridge_100(struct trial *t);
void ask_ar_memory(struct trial *t);
void ask_ar_linear(struct trial *t);
void ask_ar_compute(struct trial *t);
void ask_ar_long(struct trial *t);

/* claims_diffusion.c */
void ask_full_compute(struct trial *t);
void ask_full_short(struct trial *t);
void ask_full_flop(struct trial *t);
void ask_full_equal_steps(struct trial *t);
void ask_full_one_token(struct trial *t);
void ask_full_batch(struct trial *t);
void ask_full_length(struct trial *t);

/* claims_block.c */
void ask_block_intensity(struct trial *t);
void ask_free_slots(struct trial *t);
void ask_block_wins(struct trial *t);
void ask_block_saturates(struct trial *t);

/* claims_crossing.c */
void ask_ar_overtakes(struct trial *t);
void ask_block_never_loses(struct trial *t);
void ask_redundancy(struct trial *t);

/* claims_cache.c */
void ask_dual_bound(struct trial *t);
void ask_refresh_reuse(struct trial *t);
void ask_cache_short(struct trial *t);

/* claims_physics.c */
void ask_same_physics(struct trial *t);

/* claims_quality.c */
void ask_parallel_free(struct trial *t);
void ask_confidence_better(struct trial *t);
void ask_one_by_one_exact(struct trial *t);
void ask_confidence_unfaithful(struct trial *t);

/* claims_verify.c */
void ask_verify_wins(struct trial *t);
void ask_draft_turning(struct trial *t);
void ask_verify_large(struct trial *t);
void ask_fused_small(struct trial *t);
void ask_fused_large(struct trial *t);
void ask_same_memory(struct trial *t);

/* claims_sides.c */
void ask_memory_side(struct trial *t);
void ask_compute_side(struct trial *t);

/* claims_record.c */
void record_efficiency(struct trial *t);
void record_bd3_perplexity(struct trial *t);
void record_mmlu_base(struct trial *t);
void record_mmlu_instruct(struct trial *t);

#endif
