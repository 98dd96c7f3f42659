/* flags.c - the table of options that do not describe a cell. */
#include "harness/app/flags.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/verbs.h"

#define OPTION(field) offsetof(struct options, field)

static const struct flag table[] = {
    {"db", 0, FLAG_TEXT, OPTION(db), "FILE",
     "but quickstart plan verify list compare merge counters ",
     "results database (default $REGIME_DB, else ./regime.db)"},
    {"output", 'o', FLAG_OUTPUT, OPTION(output), "FORMAT", "but quickstart plot merge ",
     "md (default), csv, json, jsonl or latex"},
    {"json", 0, FLAG_JSON, OPTION(output), NULL, "but quickstart plot merge ",
     "the same as --output json"},
    {"quiet", 'q', FLAG_SWITCH, OPTION(quiet), NULL, NULL, "no progress and no notes on stderr"},
    {"verbose", 'v', FLAG_SWITCH, OPTION(verbose), NULL, NULL,
     "say more on stderr, and where in the program an error passed"},
    {"help", 'h', FLAG_SWITCH, OPTION(help), NULL, NULL, "print this"},
    {"version", 0, FLAG_SWITCH, OPTION(version), NULL, NULL,
     "print what this program was built from"},

    {"showcmd", 0, FLAG_SWITCH, OPTION(showcmd), NULL, " plan ", "print each cell as a command"},
    {"reuse", 0, FLAG_WORD, OPTION(reuse_any), "any", " sweep quickstart bound ",
     "take a cell as done even when another build ran it"},
    {"write-trace", 0, FLAG_TEXT, OPTION(write_trace), "FILE", " run quality ",
     "write what the one cell commits, forward by forward (docs/TRACES.md)"},
    {"tiny", 0, FLAG_SWITCH, OPTION(tiny), NULL, " quickstart ",
     "the smallest sweep that still shows every part"},
    {"device", 0, FLAG_TEXT, OPTION(device), "NAME", " ceilings quickstart ",
     "cpu (default) or cuda:N (regime list devices)"},
    {"out", 0, FLAG_TEXT, OPTION(out), "DIR", " quickstart plot export ",
     "folder to write into (default: quickstart out/quickstart, plot figures, export export)"},
    {"process", 0, FLAG_TEXT, OPTION(process), "NAME", " quality nelbo gaussian generate ",
     "the process (regime list processes) or a file of one; default sticky-4, of generate none: the "
     "model; nelbo also none: the model on random tokens"},
    {"samples", 0, FLAG_COUNT, OPTION(samples), "N", " quality nelbo gaussian ",
     "sequences to draw (default 2000)"},
    {"rows", 0, FLAG_TEXT, OPTION(rows), "LIST", " bench ",
     "rows of each call (default 1-256*2)"},
    {"keys", 0, FLAG_TEXT, OPTION(keys), "LIST", " bench ",
     "positions that attention's rows see (default 1024)"},
    {"rounds", 0, FLAG_COUNT, OPTION(rounds), "N", " run sweep ",
     "interleaving rounds of replays, at most 48 (default 6)"},
    {"precision", 0, FLAG_PERCENT, OPTION(precision), "PERCENT", " run sweep ",
     "single forwards take turns until a pair's time ratio is known to this, a minute at most"},
    {"time-budget", 0, FLAG_COUNT, OPTION(time_budget_s), "SECONDS", " sweep bound ",
     "begin no more cells after so long (exit code 75); the same command goes on from there"},
    {"draws", 0, FLAG_COUNT, OPTION(draws), "N", " nelbo ",
     "masked sequences to make of each sequence, or of each of its blocks (default 4)"},
    {"tolerance", 0, FLAG_PERCENT, OPTION(tolerance), "PERCENT", " compare ",
     "how much a time may change and count as the same (default 5%)"},
    {"allow-mixed", 0, FLAG_SWITCH, OPTION(allow_mixed), NULL, " compare ",
     "compare measurements of different machines"},
    {"counters", 0, FLAG_CHOICE, OPTION(count.mode), "off|auto|require", " run sweep ",
     "count bytes and FLOPs in passes of their own after timing (default auto on GPUs)"},
    {"probes", 0, FLAG_TEXT, OPTION(count.probes), "LIST", " run sweep ",
     "which of them (regime list probes; default " COUNT_PROBES ", on a CPU " COUNT_PROBES_CPU ")"},
    {"only", 0, FLAG_CHOICE, OPTION(only), "caches|tokens|times", " verify ",
     "just these checks: of a large model, times alone take minutes"},
    {"l2", 0, FLAG_CHOICE, OPTION(l2), "steady|cold", " run sweep ",
     "what counted forwards find in L2: what a decode leaves there (default), or nothing"},
    {"counter-files", 0, FLAG_TEXT, OPTION(count.files), "DIR", " run sweep ",
     "keep what was counted, for regime counters decode"},
};
enum { N_FLAGS = sizeof table / sizeof table[0] };

const char *output_name(enum output o)
{
    static const char *const names[] = {"md", "csv", "json", "jsonl", "latex"};
    return names[o];
}

const struct flag *flag_at(int32_t i)
{
    return i >= 0 && i < N_FLAGS ? &table[i] : NULL;
}

const struct flag *flag_find(const char *name)
{
    for (int32_t i = 0; i < N_FLAGS; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

const struct flag *flag_by_letter(char letter)
{
    for (int32_t i = 0; i < N_FLAGS; i++)
        if (letter && table[i].letter == letter) return &table[i];
    return NULL;
}

bool flag_serves(const struct flag *f, const struct verb *verb)
{
    char word[32];
    if (!f->verbs) return true;
    bool others = f->verbs[0] != ' '; /* the list names those that do not have it */
    if (!verb) return others;
    snprintf(word, sizeof word, " %s ", verb->name);
    return (strstr(f->verbs, word) != NULL) != others;
}

bool flag_takes_value(const struct flag *f)
{
    return f->kind != FLAG_SWITCH && f->kind != FLAG_JSON;
}

static enum err set_output(const struct flag *f, enum output *out, const char *value)
{
    for (int o = 0; o < OUTPUT_COUNT; o++) {
        if (strcmp(output_name(o), value) != 0) continue;
        *out = o;
        return ERR_NONE;
    }
    return err_set(ERR_USAGE, "--%s: no format \"%.40s\"; expected md, csv, json, jsonl or latex",
                   f->name, value);
}

static enum err set_percent(const struct flag *f, double *out, const char *value)
{
    char *end;
    double percent = strtod(value, &end);
    if (*end == '%') end++;
    if (end == value || *end || !(percent >= 0 && percent <= 1000))
        return err_set(ERR_USAGE,
                       "--%s: \"%.40s\" is not one; expected a percentage from 0 to 1000", f->name,
                       value);
    *out = percent / 100;
    return ERR_NONE;
}

static enum err set_count(const struct flag *f, int64_t *out, const char *value)
{
    char *end;
    double x = strtod(value, &end);
    if (end == value || *end || !(x >= 1 && x <= 1e9) || x != floor(x))
        return err_set(ERR_USAGE, "--%s: expected a whole number from 1 to 1e9, not \"%.40s\"",
                       f->name, value);
    *out = (int64_t)x;
    return ERR_NONE;
}

static enum err set_choice(const struct flag *f, int32_t *out, const char *value)
{
    size_t n = strlen(value);
    int32_t i = 1;
    for (const char *p = f->arg; p; p = strchr(p, '|'), p = p ? p + 1 : NULL, i++) {
        if (n == 0 || strncmp(p, value, n) != 0 || (p[n] != '|' && p[n] != '\0')) continue;
        *out = i;
        return ERR_NONE;
    }
    return err_set(ERR_USAGE, "--%s: \"%.40s\" is none of %s", f->name, value, f->arg);
}

enum err flag_set(const struct flag *f, struct options *o, const char *value)
{
    void *field = (char *)o + f->offset;
    switch (f->kind) {
    case FLAG_SWITCH:
        *(bool *)field = true;
        break;
    case FLAG_TEXT:
        if (!*value)
            return err_set(ERR_USAGE, "--%s: the value is empty, expected %s", f->name, f->arg);
        *(const char **)field = value;
        break;
    case FLAG_OUTPUT:
        return set_output(f, field, value);
    case FLAG_CHOICE:
        return set_choice(f, field, value);
    case FLAG_JSON:
        *(enum output *)field = OUTPUT_JSON;
        break;
    case FLAG_WORD:
        if (strcmp(value, f->arg) != 0)
            return err_set(ERR_USAGE, "--%s: expected \"%s\", not \"%.40s\"", f->name, f->arg,
                           value);
        *(bool *)field = true;
        break;
    case FLAG_COUNT:
        return set_count(f, field, value);
    case FLAG_PERCENT:
        return set_percent(f, field, value);
    }
    return ERR_NONE;
}
