/* cupti_target.h - counting on the device: one session of CUPTI's range profiler.
 *
 *     open, arm,  { start, { push, pop } x n, stop } while again,  decode, disarm, close
 *
 * In mode CUPTI_RANGE_USER a range is what lies between push and pop, and kernels inside run as
 * they would without; in mode CUPTI_RANGE_KERNEL every kernel between start and stop is one, and
 * they run one at a time. */
#ifndef ROOFLINE_CUPTI_TARGET_H
#define ROOFLINE_CUPTI_TARGET_H

#include <stdbool.h>

#include "roofline/cupti/cupti_api.h"
#include "roofline/cupti_host.h"

enum cupti_range { CUPTI_RANGE_USER, CUPTI_RANGE_KERNEL };

struct cupti_target;

/* ERR_UNSUPPORTED with the cure for whatever keeps this process from the device's counters:
 * that is found out here, before anything runs. */
enum err cupti_target_open(int32_t device, struct cupti_target **out) MUST_CHECK;
void cupti_target_close(struct cupti_target *t); /* disarms; NULL is allowed */

const char *cupti_target_chip(const struct cupti_target *t); /* "GA100" */
/* The counters this device offers now. */
const struct cupti_image *cupti_target_availability(const struct cupti_target *t);

/* Set the hardware up for a configuration and at most n_ranges ranges.  The images stay the
 * caller's and must stay until disarmed: counted is allocated here and filled by decode. */
enum err cupti_target_arm(struct cupti_target *t, const struct cupti_set *set,
                          const struct cupti_image *config, int32_t n_ranges, enum cupti_range mode,
                          struct cupti_image *counted) MUST_CHECK;
enum err cupti_target_disarm(struct cupti_target *t) MUST_CHECK;

enum err cupti_target_start(struct cupti_target *t) MUST_CHECK;
enum err cupti_target_push(struct cupti_target *t, const char *name) MUST_CHECK;
enum err cupti_target_pop(struct cupti_target *t) MUST_CHECK;
/* again: another pass over the same work is needed. */
enum err cupti_target_stop(struct cupti_target *t, bool *again) MUST_CHECK;
/* After the last pass; ERR_DEVICE when ranges were lost. */
enum err cupti_target_decode(struct cupti_target *t) MUST_CHECK;

#endif
