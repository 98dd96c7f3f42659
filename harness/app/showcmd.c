/* showcmd.c - each cell as a command line. */
#include <stdio.h>
#include <string.h>

#include "harness/app/verbs.h"

/* A prediction is planned, everything else is run. */
static const char *verb_for(const struct cell *c)
{
    return strncmp(c->device, "sim:", 4) == 0 ? "plan" : "run";
}

enum err show_commands(const struct options *o)
{
    struct strbuf flags = {0};
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < o->cells.n && e == ERR_NONE; i++) {
        const struct planned_cell *p = &o->cells.cell[i];
        strbuf_clear(&flags);
        cell_flags(&p->cell, &flags);
        e = strbuf_check(&flags);
        if (e != ERR_NONE) break;
        if (p->skip_reason[0]) printf("# skipped: %s\n# ", p->skip_reason);
        printf("regime %s %s\n", verb_for(&p->cell), strbuf_text(&flags));
    }
    strbuf_free(&flags);
    return e;
}
