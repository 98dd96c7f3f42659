/* engine.h - the device that cells run on: its kernels, its roofs, the weights now loaded. */
#ifndef APP_ENGINE_H
#define APP_ENGINE_H

#include "harness/app/plan.h"
#include "harness/base/log.h"
#include "roofline/ceilings.h"

struct engine;

/* "cpu"; ERR_UNSUPPORTED with the reason for a device this build or machine has not. */
enum err engine_open(const char *device, struct log *log, struct engine **out) MUST_CHECK;
void engine_close(struct engine *e); /* NULL is allowed */

/* What the store says of the device; strings live as long as the engine. */
struct device_row engine_device(const struct engine *e);

/* Kernels with the cell's threads and its model's weights, kept from the last cell when
 * they are the same.  ERR_NOMEM when weights and `extra_bytes` do not fit what is free. */
enum err engine_load(struct engine *e, const struct cell *c, int64_t extra_bytes,
                     struct model **out) MUST_CHECK;

/* Threads the cell runs on: its own number or one per CPU. */
int32_t engine_threads(const struct engine *e, const struct cell *c);

/* Measure the roofs of a thread count, again if they were before: a virtual machine's may
 * change within minutes. */
enum err engine_measure(struct engine *e, int32_t threads) MUST_CHECK;
/* The latest ones; NULL: not measured. */
const struct ceiling_set *engine_roofs(const struct engine *e, int32_t threads);

/* The machine as a plan sees it, for the cell's thread count, whose roofs are measured. */
enum err engine_target(struct engine *e, const struct cell *c, struct plan_target *out) MUST_CHECK;

/* Roofs for a forward that streams weight_bytes. */
void engine_price(const struct engine *e, const struct cell *c, int64_t weight_bytes,
                  struct price price[TIER_COUNT], bool *cache_resident);

/* Matmul times of these kernels (store_matmul_times), for TIER_TABLE of cells all whose matmuls
 * they know; borrowed until the engine is closed. */
void engine_use_times(struct engine *e, const struct matmul_times *times);

/* Roofs of this moment for a forward that streams its weights from DRAM. */
enum err engine_probe(struct engine *e, const struct cell *c, struct price *out) MUST_CHECK;

/* Rows for the store; moment: "before", "after", "alone". */
enum err store_ceiling_set(struct store *s, const char *invocation_id, const char *device,
                           const struct ceiling_set *set, const char *moment) MUST_CHECK;

#endif
