/* present.h - print runs from the store, the same way for planned and measured ones. */
#ifndef APP_PRESENT_H
#define APP_PRESENT_H

#include "harness/app/options.h"
#include "harness/app/plan.h"

struct shown_run {
    char run_id[37];
    bool planned;   /* counted for an imagined device, in this invocation */
    bool predicted; /* the prediction below was made                      */
    struct prediction prediction;
};

/* JSON: {"cells": [{...v_run, "phases": [{...v_phase}], "prediction": {...}}]}; other
 * formats: a row per run and phase. */
enum err present_runs(struct store *s, const struct shown_run *runs, int32_t n,
                      enum output format) MUST_CHECK;

#endif
