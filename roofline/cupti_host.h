/* cupti_host.h - what NVIDIA's library knows of a chip's counters; needs no GPU.
 *
 * Names, units, the configuration of the hardware for a set of counters, the number of passes
 * that takes, and the numbers in what the hardware wrote down. */
#ifndef ROOFLINE_CUPTI_HOST_H
#define ROOFLINE_CUPTI_HOST_H

#include "roofline/cupti_image.h"
#include "roofline/cupti_metrics.h"

struct cupti_host;

/* NULL: there is one in this build; else why not. */
const char *cupti_disabled(void);

/* availability: which counters the device at hand offers; NULL: all its chip has. */
enum err cupti_host_open(const char *chip, const struct cupti_image *availability,
                         struct cupti_host **out) MUST_CHECK;
void cupti_host_close(struct cupti_host *h);            /* NULL is allowed */
int32_t cupti_host_version(const struct cupti_host *h); /* 130001: CUDA 13.0 update 1 */

/* What the library says of one metric; ERR_VERIFY when its unit or roll-up is not what the
 * table says, ERR_USAGE when the chip has no metric of that name. */
enum err cupti_host_verify(struct cupti_host *h, const struct cupti_metric *m) MUST_CHECK;

/* The hardware's configuration for a set.  ERR_VERIFY when it takes another number of passes
 * than the set says.  Once per opened host: a configuration is only added to. */
enum err cupti_host_configure(struct cupti_host *h, const struct cupti_set *set,
                              struct cupti_image *config) MUST_CHECK;
/* Passes of a configuration; ERR_VERIFY for 0 or more than any set takes. */
enum err cupti_host_passes(struct cupti_host *h, const struct cupti_image *config,
                           int32_t *n_passes) MUST_CHECK;

/* What was counted must be what CUPTI itself wrote: it crashes on other bytes.
 *
 * Ranges in what was counted, and one range's name ("" where it has none) and counters. */
enum err cupti_host_ranges(struct cupti_host *h, const struct cupti_image *counted,
                           int32_t *n_ranges) MUST_CHECK;
enum { CUPTI_RANGE_NAME = 64 };
enum err cupti_host_decode(struct cupti_host *h, const struct cupti_set *set,
                           const struct cupti_image *counted, int32_t range,
                           char name[CUPTI_RANGE_NAME], struct counters *out) MUST_CHECK;

#endif
