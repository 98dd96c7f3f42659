/* flags.h - options that do not describe a cell. */
#ifndef APP_FLAGS_H
#define APP_FLAGS_H

#include "harness/app/options.h"

enum flag_kind {
    FLAG_SWITCH, /* bool: takes no value              */
    FLAG_TEXT,   /* const char *                      */
    FLAG_OUTPUT, /* enum output                       */
    FLAG_JSON,   /* enum output, takes no value       */
    FLAG_WORD,   /* bool: its value must be this word */
    FLAG_PERCENT, /* double: "5%" is 0.05              */
    FLAG_COUNT,  /* int64_t from 1 to 10^9            */
    FLAG_CHOICE  /* int32_t: which word of arg, from 1 */
};

struct flag {
    const char *name;
    char letter;
    enum flag_kind kind;
    size_t offset;     /* in struct options                           */
    const char *arg;   /* of its value in help; FLAG_WORD: the word, FLAG_CHOICE: "a|b" */
    const char *verbs; /* " plan sweep ", "but plan sweep "; NULL: all */
    const char *help;
};

/* Flags in order; NULL past the last. */
const struct flag *flag_at(int32_t i);
const struct flag *flag_find(const char *name);
const struct flag *flag_by_letter(char letter);
bool flag_serves(const struct flag *f, const struct verb *verb);
bool flag_takes_value(const struct flag *f);

/* value NULL for those that take none. */
enum err flag_set(const struct flag *f, struct options *o, const char *value) MUST_CHECK;

#endif
