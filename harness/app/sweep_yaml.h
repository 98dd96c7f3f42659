/* sweep_yaml.h - the YAML of a sweep file; only sweep.c uses it. */
#ifndef APP_SWEEP_YAML_H
#define APP_SWEEP_YAML_H

#include "harness/app/sweep.h"

/* Fill name, title and space; on failure they may be partly filled. */
enum err sweep_read_yaml(const char *label, const char *text, size_t n,
                         struct sweep *out) MUST_CHECK;

#endif
