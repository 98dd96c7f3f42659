/* process_preset.c - processes by name or from a file. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/suggest.h"
#include "harness/decode/process.h"

/* A distribution of n numbers: powers of uniform ones, so that some are much larger than
 * others, over their sum.  No libm: the same bits everywhere. */
static void draw_row(double *row, int32_t n, uint64_t *seed)
{
    double sum = 0;
    for (int32_t i = 0; i < n; i++) {
        double u = (double)((mix64((*seed)++) >> 11) + 1) * 0x1p-53;
        sum += row[i] = u * u * u + 0.01;
    }
    for (int32_t i = 0; i < n; i++) row[i] /= sum;
}

static void identity_emission(struct process *p)
{
    for (int32_t s = 0; s < p->n_states; s++)
        for (int32_t x = 0; x < p->n_symbols; x++) p->emission[s][x] = s == x;
}

static void make_iid(struct process *p)
{
    static const double share[4] = {0.4, 0.3, 0.2, 0.1};
    p->n_states = 1;
    p->n_symbols = 4;
    p->transition[0][0] = 1;
    memcpy(p->emission[0], share, sizeof share);
}

static void make_markov(struct process *p)
{
    uint64_t seed = 4;
    p->n_states = p->n_symbols = 4;
    for (int32_t s = 0; s < 4; s++) draw_row(p->transition[s], 4, &seed);
    identity_emission(p);
}

static void make_sticky(struct process *p)
{
    p->n_states = p->n_symbols = 4;
    for (int32_t s = 0; s < 4; s++)
        for (int32_t t = 0; t < 4; t++) p->transition[s][t] = s == t ? 0.85 : 0.05;
    identity_emission(p);
}

static void make_hidden(struct process *p)
{
    uint64_t seed = 84;
    p->n_states = 8;
    p->n_symbols = 4;
    for (int32_t s = 0; s < 8; s++) draw_row(p->transition[s], 8, &seed);
    for (int32_t s = 0; s < 8; s++) draw_row(p->emission[s], 4, &seed);
}

/* Ones come in runs of even length (Weiss's even system), each symbol wrong once in 50: which
 * half of a pair a one is depends on everything since the last zero. */
static void make_even(struct process *p)
{
    static const double transition[3][3] = {{0.5, 0.5, 0}, {0, 0, 1}, {0.5, 0.5, 0}};
    p->n_states = 3;
    p->n_symbols = 2;
    for (int32_t s = 0; s < 3; s++) {
        memcpy(p->transition[s], transition[s], sizeof transition[s]);
        p->emission[s][0] = s == 0 ? 0.98 : 0.02;
        p->emission[s][1] = 1 - p->emission[s][0];
    }
}

static const struct {
    struct process_preset preset;
    void (*make)(struct process *p);
} presets[] = {
    {{"iid-4", "4 symbols, independent: nothing is lost by drawing them together"}, make_iid},
    {{"markov-4", "a seeded Markov chain of 4 symbols"}, make_markov},
    {{"sticky-4", "a chain of 4 symbols that repeats the last one with probability 0.85"},
     make_sticky},
    {{"hmm-8x4", "a seeded hidden chain of 8 states and 4 symbols"}, make_hidden},
    {{"even-2", "ones in runs of even length, each symbol wrong once in 50: long memory"},
     make_even},
};
enum { N_PRESETS = sizeof presets / sizeof presets[0] };

const struct process_preset *process_preset_at(int32_t i)
{
    return i >= 0 && i < N_PRESETS ? &presets[i].preset : NULL;
}

void process_make_stationary(struct process *p)
{
    double next[PROCESS_MAX_STATES];
    for (int32_t s = 0; s < p->n_states; s++) p->initial[s] = 1.0 / p->n_states;
    /* Mean of a step and of standing still: converges for periodic chains as well, to the same
     * distribution. */
    for (int32_t k = 0; k < 20000; k++) {
        for (int32_t t = 0; t < p->n_states; t++) {
            next[t] = p->initial[t];
            for (int32_t s = 0; s < p->n_states; s++)
                next[t] += p->initial[s] * p->transition[s][t];
            next[t] /= 2;
        }
        memcpy(p->initial, next, sizeof p->initial);
    }
}

enum err process_preset(const char *name, struct process *out)
{
    const char *names[N_PRESETS + 1] = {NULL};
    for (int32_t i = 0; i < N_PRESETS; i++) {
        names[i] = presets[i].preset.name;
        if (strcmp(names[i], name) != 0) continue;
        memset(out, 0, sizeof *out);
        snprintf(out->name, sizeof out->name, "%s", name);
        presets[i].make(out);
        process_make_stationary(out);
        return process_check(out);
    }
    char near[SUGGEST_SIZE];
    return err_set(ERR_USAGE, "no process \"%.40s\"%s (regime list processes)", name,
                   suggest_phrase(name, names, near));
}

static bool is_distribution(const double *x, int32_t n)
{
    double sum = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!(x[i] >= 0)) return false;
        sum += x[i];
    }
    return fabs(sum - 1) < 1e-9;
}

/* Whether every symbol can come from a distribution of states. */
static bool emits_all(const struct process *p, const double *state)
{
    for (int32_t x = 0; x < p->n_symbols; x++) {
        double sum = 0;
        for (int32_t s = 0; s < p->n_states; s++) sum += state[s] * p->emission[s][x];
        if (!(sum > 0)) return false;
    }
    return true;
}

enum err process_check(const struct process *p)
{
    for (int32_t s = 0; s < p->n_states; s++) {
        if (!is_distribution(p->transition[s], p->n_states))
            return err_set(ERR_USAGE, "process %s: transitions from state %d do not sum to 1",
                           p->name, s);
        if (!is_distribution(p->emission[s], p->n_symbols))
            return err_set(ERR_USAGE, "process %s: emissions of state %d do not sum to 1", p->name,
                           s);
    }
    CHECK(is_distribution(p->initial, p->n_states)); /* made, never read */
    bool all = emits_all(p, p->initial);
    for (int32_t s = 0; s < p->n_states; s++) all = all && emits_all(p, p->transition[s]);
    if (!all)
        return err_set(ERR_USAGE,
                       "process %s: some symbol cannot follow some state, so tokens drawn together "
                       "could contradict each other; give it a small probability",
                       p->name);
    return ERR_NONE;
}

bool process_is_markov(const struct process *p)
{
    if (p->n_states != p->n_symbols) return false;
    for (int32_t s = 0; s < p->n_states; s++)
        if (p->emission[s][s] != 1) return false;
    return true;
}

double process_markov_entropy(const struct process *p)
{
    double sum = 0;
    CHECK(process_is_markov(p));
    for (int32_t s = 0; s < p->n_states; s++)
        for (int32_t t = 0; t < p->n_states; t++)
            if (p->transition[s][t] > 0)
                sum -= p->initial[s] * p->transition[s][t] * log(p->transition[s][t]);
    return sum;
}

/* ---- files ---- */

/* The next word of a file; false at its end.  Comments are skipped. */
static bool next_word(FILE *f, char word[40])
{
    int c = getc(f), n = 0;
    while (c == '#' || isspace(c)) {
        if (c == '#')
            while (c != '\n' && c != EOF) c = getc(f);
        else
            c = getc(f);
    }
    for (; c != EOF && !isspace(c) && c != '#' && n < 39; c = getc(f)) word[n++] = (char)c;
    if (c == '#') ungetc(c, f);
    word[n] = '\0';
    return n > 0;
}

static enum err expect(FILE *f, const char *path, const char *want)
{
    char word[40];
    if (next_word(f, word) && strcmp(word, want) == 0) return ERR_NONE;
    return err_set(ERR_USAGE, "%s: expected \"%s\", found \"%s\"", path, want, word);
}

static enum err read_number(FILE *f, const char *path, const char *what, double *out)
{
    char word[40], *end;
    bool any = next_word(f, word);
    *out = strtod(word, &end);
    if (any && *end == '\0' && isfinite(*out)) return ERR_NONE;
    return err_set(ERR_USAGE, "%s: expected a number of %s, found \"%s\"", path, what, word);
}

static enum err read_count(FILE *f, const char *path, const char *what, int32_t max, int32_t *out)
{
    double x;
    TRY(expect(f, path, what));
    TRY(read_number(f, path, what, &x));
    if (!(x >= 1 && x <= max) || x != floor(x))
        return err_set(ERR_USAGE, "%s: %s %g: expected a whole number from 1 to %d", path, what, x,
                       max);
    *out = (int32_t)x;
    return ERR_NONE;
}

static enum err read_process(FILE *f, const char *path, struct process *p)
{
    char rest[40];
    TRY(read_count(f, path, "states", PROCESS_MAX_STATES, &p->n_states));
    TRY(read_count(f, path, "symbols", PROCESS_MAX_SYMBOLS, &p->n_symbols));
    TRY(expect(f, path, "transition"));
    for (int32_t s = 0; s < p->n_states; s++)
        for (int32_t t = 0; t < p->n_states; t++)
            TRY(read_number(f, path, "transition", &p->transition[s][t]));
    TRY(expect(f, path, "emission"));
    for (int32_t s = 0; s < p->n_states; s++)
        for (int32_t x = 0; x < p->n_symbols; x++)
            TRY(read_number(f, path, "emission", &p->emission[s][x]));
    if (next_word(f, rest))
        return err_set(ERR_USAGE, "%s: expected the end, found \"%s\"", path, rest);
    return ERR_NONE;
}

enum err process_open(const char *name_or_path, struct process *out)
{
    if (!strpbrk(name_or_path, "/.")) return process_preset(name_or_path, out);
    memset(out, 0, sizeof *out);
    const char *slash = strrchr(name_or_path, '/');
    snprintf(out->name, sizeof out->name, "%.39s", slash ? slash + 1 : name_or_path);
    FILE *f = fopen(name_or_path, "re");
    if (!f) return err_set(ERR_USAGE, "process file %s: %s", name_or_path, strerror(errno));
    enum err e = read_process(f, name_or_path, out);
    fclose(f);
    TRY(e);
    process_make_stationary(out);
    return process_check(out);
}
