/* options.c - read the command line. */
#include "harness/app/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/flags.h"
#include "harness/app/sweep.h"
#include "harness/app/verbs.h"
#include "harness/base/strbuf.h"
#include "harness/base/suggest.h"

/* A walk over argv. */
struct words {
    char **word;
    int n, at;
    struct options *o;
    struct cell_group axes; /* as given, in order */
};

/* Either a row of one table or of the other. */
struct option {
    const struct flag *flag;
    const struct axis *axis;
};

static bool takes_value(const struct option *x)
{
    return x->axis || flag_takes_value(x->flag);
}

static enum err refuse_unknown(const struct words *w, const char *name)
{
    const char *names[128] = {NULL};
    int32_t n = 0;
    const struct verb *verb = w->o->verb;
    for (int32_t i = 0; axis_at(i) && (verb->takes & TAKES_AXES); i++)
        if (!axis_at(i)->not_yet) names[n++] = axis_at(i)->name;
    for (int32_t i = 0; flag_at(i); i++)
        if (flag_serves(flag_at(i), verb)) names[n++] = flag_at(i)->name;
    CHECK(n < 128);
    const char *near = suggest_nearest(name, names);
    return err_set(ERR_USAGE, "unknown option \"--%.60s\"%s%s%s (regime %s --help)", name,
                   near ? "; the nearest is \"--" : "", near ? near : "", near ? "\"" : "",
                   verb->name);
}

/* Whether this verb has the option; NULL names were not found at all. */
static enum err check_option(const struct words *w, const char *name, const struct option *x)
{
    const struct verb *verb = w->o->verb;
    if (!x->flag && !x->axis) return refuse_unknown(w, name);
    if (x->axis && x->axis->not_yet)
        return err_set(ERR_USAGE, "--%s: %s", x->axis->name, x->axis->not_yet);
    bool serves = x->axis ? (verb->takes & TAKES_AXES) != 0 : flag_serves(x->flag, verb);
    if (serves) return ERR_NONE;
    return err_set(ERR_USAGE, "%s does not take --%s (regime %s --help)", verb->name,
                   x->axis ? x->axis->name : x->flag->name, verb->name);
}

static enum err set_axis(struct words *w, const struct axis *a, const char *value)
{
    char where[64];
    snprintf(where, sizeof where, "--%s", a->name);
    struct axis_entry *e = cell_group_find(&w->axes, a);
    if (!e) TRY(cell_group_add_axis(&w->axes, a, where, &e));
    return axis_entry_parse(e, value);
}

/* value NULL: the next word. */
static enum err set_option(struct words *w, const struct option *x, const char *value)
{
    const char *name = x->axis ? x->axis->name : x->flag->name;
    if (!takes_value(x)) {
        if (value) return err_set(ERR_USAGE, "--%s takes no value", name);
        return flag_set(x->flag, w->o, NULL);
    }
    if (!value) {
        if (w->at == w->n || strncmp(w->word[w->at], "--", 2) == 0)
            return err_set(ERR_USAGE, "--%s: expected a value after it", name);
        value = w->word[w->at++];
    }
    return x->axis ? set_axis(w, x->axis, value) : flag_set(x->flag, w->o, value);
}

/* The device is an axis of cells, and a flag of verbs that have none. */
static struct option option_named(const struct words *w, const char *name)
{
    struct option x = {flag_find(name), axis_find(name)};
    if (x.flag && x.axis && flag_serves(x.flag, w->o->verb))
        x.axis = NULL;
    else if (x.axis)
        x.flag = NULL;
    return x;
}

static enum err read_long(struct words *w, const char *word)
{
    const char *equals = strchrnul(word, '=');
    char *name = strndup(word, (size_t)(equals - word));
    if (!name) return err_set(ERR_NOMEM, "no memory for an option");
    struct option x = option_named(w, name);
    enum err e = check_option(w, name, &x);
    free(name);
    TRY(e);
    return set_option(w, &x, *equals ? equals + 1 : NULL);
}

/* -b 4, -b4, -b=4, and switches together: -qv. */
static enum err read_short(struct words *w, const char *word)
{
    for (const char *p = word; *p; p++) {
        struct option x = {flag_by_letter(*p), axis_by_letter(*p)};
        if (!x.flag && !x.axis)
            return err_set(ERR_USAGE, "unknown option \"-%c\" (regime %s --help)", *p,
                           w->o->verb->name);
        TRY(check_option(w, word, &x));
        if (takes_value(&x)) return set_option(w, &x, p[1] ? p + 1 + (p[1] == '=') : NULL);
        TRY(set_option(w, &x, NULL));
    }
    return ERR_NONE;
}

static enum err read_words(struct words *w)
{
    bool options = true;
    while (w->at < w->n && !w->o->help && !w->o->version) {
        const char *word = w->word[w->at++];
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && strncmp(word, "--", 2) == 0)
            TRY(read_long(w, word + 2));
        else if (options && word[0] == '-' && word[1])
            TRY(read_short(w, word + 1));
        else
            w->o->arg[w->o->n_args++] = word;
    }
    return ERR_NONE;
}

/* ---- cells ---- */

/* Hand the axes given as flags to a space that frees them. */
static void move_axes(struct words *w, struct cell_group *to)
{
    free(to->where);
    *to = w->axes;
    w->axes = (struct cell_group){0};
}

static const char *default_device(const struct options *o)
{
    return o->verb && o->verb->device ? o->verb->device : "cpu";
}

static bool is_informed(const struct options *o)
{
    return o->verb && o->verb->takes & TAKES_PROCESS && strcmp(o->process, "none") != 0;
}

/* Say which of the axes given no cell has. */
static void note_unused(const struct cell_group *g, struct options *o)
{
    size_t used = 0;
    for (int32_t i = 0; i < g->n; i++) {
        bool applies = false;
        for (int32_t c = 0; c < o->cells.n && !applies; c++)
            applies = axis_applies(g->entry[i].axis, &o->cells.cell[c].cell);
        if (!applies && used < sizeof o->note)
            used += (size_t)snprintf(
                o->note + used, sizeof o->note - used, "%s--%s",
                used ? ", " : "without effect on these cells: ", g->entry[i].axis->name);
    }
}

static enum err cells_from_sweep(struct words *w, const char *name)
{
    struct options *o = w->o;
    struct sweep s;
    TRY(sweep_load(name, default_device(o), &s));
    s.space.informed = is_informed(o);
    move_axes(w, &s.space.override);
    enum err e = cells_expand(&s.space, &o->cells);
    if (e == ERR_NONE) {
        note_unused(&s.space.override, o);
        o->has_cells = true;
        o->sweep_name = s.name;
        o->sweep_title = s.title;
        o->sweep_text = s.text;
        s.name = s.title = s.text = NULL;
    }
    sweep_free(&s);
    return e;
}

/* An experiment typed by hand that cannot run at all is a mistake, not a skip. */
static enum err refuse_all_skipped(const struct cell_list *l)
{
    for (int32_t i = 0; i < l->n; i++)
        if (!l->cell[i].skip_reason[0]) return ERR_NONE;
    enum err e = l->cell[0].skip_err;
    return err_set(e == ERR_NONE ? ERR_USAGE : e, "%s%s", l->cell[0].skip_reason,
                   l->n > 1 ? "; no other cell can run either" : "");
}

static enum err cells_from_flags(struct words *w)
{
    struct options *o = w->o;
    struct cell_space s;
    struct cell_group *g;
    cell_space_init(&s, default_device(o));
    s.informed = is_informed(o);
    o->has_cells = w->axes.n > 0;
    s.pair_axis = axis_find("decoder");
    snprintf(s.pair_baseline.text, sizeof s.pair_baseline.text, "ar");
    enum err e = cell_space_add_group(&s, "", &g);
    if (e == ERR_NONE) {
        move_axes(w, g);
        g->where = strdup("command line");
        e = g->where ? cells_expand(&s, &o->cells) : err_set(ERR_NOMEM, "no memory for a name");
    }
    if (e == ERR_NONE) note_unused(g, o);
    cell_space_free(&s);
    TRY(e);
    return refuse_all_skipped(&o->cells);
}

static enum err make_cells(struct words *w)
{
    struct options *o = w->o;
    unsigned takes = o->verb->takes;
    if (!(takes & TAKES_ARGS) && o->n_args > ((takes & TAKES_SWEEP) != 0))
        return err_set(ERR_USAGE, "unexpected \"%.60s\": %s takes %s (regime %s --help)",
                       o->arg[(takes & TAKES_SWEEP) != 0], o->verb->name,
                       takes & TAKES_SWEEP ? "one sweep" : "no words without a flag",
                       o->verb->name);
    if (takes & TAKES_SWEEP && o->n_args) return cells_from_sweep(w, o->arg[0]);
    if (takes & TAKES_CLAIM_CELLS) return cells_from_sweep(w, CLAIMS_SWEEP);
    if (takes & TAKES_SWEEP && !(takes & TAKES_AXES_ALONE))
        return err_set(ERR_USAGE,
                       "%s: expected a sweep file or the name of a built-in sweep "
                       "(regime list sweeps)",
                       o->verb->name);
    return takes & TAKES_AXES ? cells_from_flags(w) : ERR_NONE;
}

enum err options_load_sweep(struct options *o, const char *name_or_path)
{
    struct words none = {.o = o};
    return cells_from_sweep(&none, name_or_path);
}

/* ---- the whole line ---- */

static bool is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:,=+%@";
    return *word && strspn(word, plain) == strlen(word);
}

/* As a shell would read it back. */
static enum err join_command(int argc, char **argv, char **out)
{
    struct strbuf s = {0};
    strbuf_add(&s, "regime");
    for (int i = 1; i < argc; i++) {
        strbuf_add_char(&s, ' ');
        if (is_plain(argv[i])) {
            strbuf_add(&s, argv[i]);
            continue;
        }
        strbuf_add_char(&s, '\'');
        for (const char *p = argv[i]; *p; p++)
            if (*p == '\'')
                strbuf_add(&s, "'\\''");
            else
                strbuf_add_char(&s, *p);
        strbuf_add_char(&s, '\'');
    }
    enum err e = strbuf_check(&s);
    if (e == ERR_NONE && !(*out = strdup(strbuf_text(&s))))
        e = err_set(ERR_NOMEM, "no memory for the command line");
    strbuf_free(&s);
    return e;
}

static enum err find_verb(const char *name, const struct verb **out)
{
    const char *names[32] = {NULL};
    *out = verb_find(name);
    if (*out) return ERR_NONE;
    for (int32_t i = 0; i < 31 && verb_at(i); i++) names[i] = verb_at(i)->name;
    char near[SUGGEST_SIZE];
    return err_set(ERR_USAGE, "no verb \"%.60s\"%s (regime --help)", name,
                   suggest_phrase(name, names, near));
}

/* What may stand instead of a verb; true when it was that. */
static bool read_instead_of_verb(const char *word, struct options *o)
{
    o->help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    o->version = strcmp(word, "--version") == 0;
    return o->help || o->version;
}

static enum err parse(struct words *w, int argc, char **argv)
{
    struct options *o = w->o;
    TRY(join_command(argc, argv, &o->command));
    o->arg = calloc((size_t)argc + 1, sizeof *o->arg);
    if (!o->arg) return err_set(ERR_NOMEM, "no memory for %d words", argc);
    if (argc < 2) return err_set(ERR_USAGE, "expected a verb (regime --help)");
    if (read_instead_of_verb(argv[1], o)) return ERR_NONE;
    if (strcmp(argv[1], "help") == 0) {
        o->help = true;
        return argc > 2 ? find_verb(argv[2], &o->verb) : ERR_NONE;
    }
    if (argv[1][0] == '-')
        return err_set(ERR_USAGE, "expected a verb before \"%.60s\" (regime --help)", argv[1]);
    TRY(find_verb(argv[1], &o->verb));
    if (o->verb->takes & WRITES_CSV) o->output = OUTPUT_CSV;
    w->at = 2;
    TRY(read_words(w));
    if (!o->process) o->process = o->verb->run == verb_generate ? "none" : "sticky-4";
    return o->help || o->version ? ERR_NONE : make_cells(w);
}

enum err options_parse(int argc, char **argv, struct options *out)
{
    const char *db = getenv("REGIME_DB");
    *out = (struct options){.db = db && *db ? db : "./regime.db", .tolerance = 0.05,
                            .samples = 2000, .draws = 4};
    struct words w = {.word = argv, .n = argc, .o = out};
    enum err e = parse(&w, argc, argv);
    cell_group_free(&w.axes);
    return e;
}

void options_free(struct options *o)
{
    cell_list_free(&o->cells);
    free(o->command);
    free(o->arg);
    free(o->sweep_name);
    free(o->sweep_title);
    free(o->sweep_text);
    *o = (struct options){0};
}
