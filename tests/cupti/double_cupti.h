/* double_cupti.h - what the parts of the CUPTI stand-in share. */
#ifndef TESTS_CUPTI_DOUBLE_CUPTI_H
#define TESTS_CUPTI_DOUBLE_CUPTI_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "roofline/cupti/cupti_api.h"
#include "tests/cupti/double.h"

#define ENTER(f)                                                                                   \
    do {                                                                                           \
        if (cupti_double_enter(#f)) return (CUptiResult)cupti_double()->fail_with;                 \
    } while (0)

#define RULE_OR(holds, call, text, result)                                                         \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            cupti_double_misuse(call, text);                                                       \
            return result;                                                                         \
        }                                                                                          \
    } while (0)
#define RULE(holds, f, text) RULE_OR(holds, #f, text, CUPTI_ERROR_INVALID_OPERATION)

/* As the real calls do: a block without its size is refused. */
#define ENTER_SIZED(f, type)                                                                       \
    do {                                                                                           \
        ENTER(f);                                                                                  \
        RULE(p->structSize == type##_STRUCT_SIZE && !p->pPriv, f, "the size of its block");        \
    } while (0)

enum { DOUBLE_MAX_RANGES = 256, DOUBLE_NAME = 64 };

/* What the stand-in writes into a counter image. */
struct double_image {
    int32_t n_ranges, room, session;
    bool decoded;
    char name[DOUBLE_MAX_RANGES][DOUBLE_NAME];
};

void double_target_calls(struct cupti *c);
void double_activity_calls(struct cupti *c);
int32_t double_passes(const uint8_t *config);

#endif
