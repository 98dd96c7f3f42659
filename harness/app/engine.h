/* engine.h - the device that cells run on: its kernels, its roofs, the weights now loaded. */
#ifndef APP_ENGINE_H
#define APP_ENGINE_H

#include "harness/app/plan.h"
#include "harness/base/log.h"
#include "roofline/ceilings.h"

struct engine;

/* "cpu", "cuda:0"; ERR_UNSUPPORTED with the reason for a device this build or machine has not. */
enum err engine_open(const char *device, struct log *log, struct engine **out) MUST_CHECK;
void engine_close(struct engine *e); /* NULL is allowed */

/* What the store says of the device; strings live as long as the engine. */
struct device_row engine_device(const struct engine *e);

/* Let go of kernels and weights that none of a group's cells uses. */
void engine_keep(struct engine *e, const struct cell *const *cell, int32_t n);
/* Kernels with the cell's threads and instruction set and its model's weights, new unless they
 * are there.  ERR_NOMEM when weights and `extra_bytes` do not fit what is free. */
enum err engine_load(struct engine *e, const struct cell *c, int64_t extra_bytes,
                     struct model **out) MUST_CHECK;

/* What kernels will allocate by themselves while the cell is decoded. */
enum err engine_extra(struct engine *e, const struct cell *c, struct kernels_extra *out) MUST_CHECK;

/* The model that drafts in the cell, whose own model is loaded; NULL: none does. */
enum err engine_load_draft(struct engine *e, const struct cell *c, struct model **out) MUST_CHECK;

/* Kernels with the cell's threads and instruction set, opened if they are not.  Valid until
 * engine_keep lets go of them. */
enum err engine_kernels(struct engine *e, const struct cell *c, struct kernels **out) MUST_CHECK;

/* How the cell has its kernels run; graphs false: without CUDA graphs in any case.  For what is
 * decoded from now on, drafts made with a session included. */
enum err engine_set_mode(struct kernels *k, const struct cell *c, bool graphs) MUST_CHECK;

/* Threads of the host that the cell runs on: its own number or one per CPU; 0 on a GPU. */
int32_t engine_threads(const struct engine *e, const struct cell *c);
/* ... and its instruction set, AUTO resolved; AUTO on a GPU. */
enum isa engine_isa(const struct engine *e, const struct cell *c);
/* Whether two cells have the same threads, instruction set and dtype of products, and so the same
 * roofs. */
bool engine_same_roofs(const struct engine *e, const struct cell *a, const struct cell *b);

/* Measure the roofs of a cell's threads and instruction set, again if they were before: a virtual
 * machine's may change within minutes, and a GPU's with its clock.  progress may be NULL. */
enum err engine_measure(struct engine *e, const struct cell *c, enum ceilings_extent extent,
                        ceilings_progress_fn *progress, void *ctx) MUST_CHECK;
/* The latest ones; NULL: not measured. */
const struct ceiling_set *engine_roofs(const struct engine *e, const struct cell *c);

/* How much time measuring takes from now on; borrowed; NULL: as much as usual. */
void engine_use_effort(struct engine *e, const struct ceilings_effort *effort);

/* The machine as a plan sees it, for the cell's threads, whose roofs are measured. */
enum err engine_target(struct engine *e, const struct cell *c, struct plan_target *out) MUST_CHECK;

/* What those roofs mean for a cell whose forwards stream weight_bytes. */
void engine_price(const struct engine *e, const struct ceiling_set *roofs, const struct cell *c,
                  int64_t weight_bytes, struct price price[TIER_COUNT], bool *cache_resident);

/* Matmul times of these kernels (store_matmul_times), for TIER_TABLE of cells all whose matmuls
 * they know; borrowed until the engine is closed. */
void engine_use_times(struct engine *e, const struct matmul_times *times);

/* The roofs of this moment: those last measured, if they were, with the peak and DRAM measured
 * once more. */
enum err engine_probe(struct engine *e, const struct cell *c, struct ceiling_set *out) MUST_CHECK;

/* Rows for the store; moment: "before", "after", "alone". */
enum err store_ceiling_set(struct store *s, const char *invocation_id, const char *device,
                           const struct ceiling_set *set, const char *moment) MUST_CHECK;

#endif
