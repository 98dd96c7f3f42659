/* help.c - usage texts, made from the tables. */
#include <stdio.h>
#include <string.h>

#include "harness/app/flags.h"
#include "harness/app/verbs.h"
#include "harness/base/strbuf.h"

enum { COLUMN = 26, LINE = 100 };

/* Text from COLUMN on, broken at blanks. */
static void print_wrapped(const char *text)
{
    const int room = LINE - COLUMN - 2;
    while ((int)strlen(text) > room) {
        int n = room;
        while (n > 0 && text[n] != ' ') n--;
        if (n == 0) break;
        printf("%.*s\n%*s", n, text, COLUMN + 2, "");
        text += n + 1;
    }
    printf("%s\n", text);
}

/* "  -b, --batch N             what it does". */
static void print_option(char letter, const char *name, const char *arg, const char *help)
{
    char left[80], shorter[8] = "    ";
    if (letter) snprintf(shorter, sizeof shorter, "-%c, ", letter);
    snprintf(left, sizeof left, "  %s--%s%s%s", shorter, name, arg ? " " : "", arg ? arg : "");
    bool fits = strlen(left) <= COLUMN;
    printf("%-*s%s", COLUMN, left, fits ? "  " : "\n");
    if (!fits) printf("%*s", COLUMN + 2, "");
    print_wrapped(help);
}

static const char *axis_arg(const struct axis *a)
{
    switch (a->kind) {
    case AXIS_INT:
    case AXIS_FLOAT:
        return "N";
    case AXIS_ENUM:
        return "WORD";
    default:
        return "NAME";
    }
}

static void print_axis(const struct axis *a)
{
    struct strbuf help = {0};
    strbuf_addf(&help, "%s (", a->help);
    for (int32_t i = 0; a->kind == AXIS_ENUM && i <= a->max; i++)
        strbuf_addf(&help, "%s%s", a->word(i), i < a->max ? ", " : "; ");
    strbuf_addf(&help, "default%s %s)", a->derived ? ":" : "",
                a->derived ? a->derived : a->fallback);
    print_option(a->letter, a->name, axis_arg(a), strbuf_text(&help));
    strbuf_free(&help);
}

static void print_axes(void)
{
    const struct axis *a;
    const char *group = "";
    for (int32_t i = 0; (a = axis_at(i)) && !a->not_yet; i++) {
        if (strcmp(group, a->group) != 0) printf("\n%s\n", a->group);
        group = a->group;
        print_axis(a);
    }
    printf("\nEvery one of these takes several values, and the cells are all combinations:\n"
           "  1,2,4    1-64*2 (1 2 4 ... 64)    128-512+128    2k    4Ki    ar,block\n"
           "A number may be computed from others: --steps 'block-length / 4'.\n");
}

static void print_flags(const struct verb *verb)
{
    const struct flag *f;
    printf("\nOptions\n");
    for (int32_t i = 0; (f = flag_at(i)); i++)
        if (flag_serves(f, verb)) print_option(f->letter, f->name, f->arg, f->help);
}

static void print_exit_codes(void)
{
    printf("\nExit codes\n"
           "  0   done\n"
           "  1   an internal error, no memory, or a file that cannot be read or written\n"
           "  2   a mistake on the command line or in a sweep file\n"
           "  3   finished, some cells failed\n"
           "  4   a comparison found a regression\n"
           "  5   a comparison could not decide\n"
           "  6   a device, counter or permission that was asked for is missing\n"
           "  7   the results database cannot be used\n"
           "  8   a verification found a difference\n"
           "  75  the time budget was reached; run again to resume\n");
}

static void print_program(void)
{
    const struct verb *v;
    printf("Usage: regime VERB [options]\n\n"
           "Is a decoder memory-bound or compute-bound, and does that decide whether diffusion or\n"
           "autoregressive generation is faster?  Runs matched decoders on one set of kernels.\n"
           "\nVerbs\n");
    for (int32_t i = 0; (v = verb_at(i)); i++) printf("  %-12s %s\n", v->name, v->help);
    print_flags(NULL);
    print_exit_codes();
    printf("\nEnvironment\n"
           "  REGIME_DB   results database, when --db is not given\n"
           "  REGIME_ISA  instruction set of the CPU kernels: scalar, avx2, avx512 or amx\n");
    printf(
        "\nData goes to stdout, talk to stderr.  `regime VERB --help` has the options of a verb.\n"
        "Start with `regime doctor` and `regime plan quickstart`.\n");
}

void options_help(const struct verb *verb)
{
    if (!verb) {
        print_program();
        return;
    }
    printf("Usage: regime %s%s%s [options]\n\n%s.\n", verb->name, *verb->args ? " " : "",
           verb->args, verb->help);
    if (verb->takes & TAKES_SWEEP)
        printf(
            "\nSWEEP is a sweep file or the name of a built-in one (regime list sweeps); an axis\n"
            "given as a flag replaces that axis everywhere in it.\n");
    if (verb->takes & TAKES_AXES) print_axes();
    print_flags(verb);
    print_exit_codes();
}
