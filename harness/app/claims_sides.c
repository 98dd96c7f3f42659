/* claims_sides.c - whether the side of the ridge is what limits a forward, asked of the verdicts by
 * intervention (docs/MEASURING.md). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/app/claims_ask.h"

/* The newest verdict on each forward, counted by device and side.  A run's side is that of the
 * roofs of its own rounds. */
static const char load_sql[] =
    "SELECT device_id, device, side, COUNT(*), CAST(TOTAL(bound = side) AS INTEGER), "
    "CAST(TOTAL(bound = 'undecided') AS INTEGER), "
    "CAST(TOTAL(bound IN ('memory', 'compute') AND bound <> side) AS INTEGER) " CLAIMS_SIDES_FROM
    " GROUP BY device_id, side ORDER BY device_id, side";

static enum err load_row(void *ctx, const struct store_result_row *row)
{
    struct side_list *l = ctx;
    const struct store_value *v = row->value;
    if (l->n == l->room) {
        int32_t room = l->room ? 2 * l->room : 8;
        struct seen_side *grown = realloc(l->side, (size_t)room * sizeof *grown);
        if (!grown) return err_set(ERR_NOMEM, "%d sides: out of memory", l->n);
        l->side = grown;
        l->room = room;
    }
    struct seen_side *s = &l->side[l->n++];
    *s = (struct seen_side){.is_compute = strcmp(v[2].text, "compute") == 0,
                            .n = (int32_t)v[3].i,
                            .agree = (int32_t)v[4].i,
                            .undecided = (int32_t)v[5].i,
                            .contradict = (int32_t)v[6].i};
    snprintf(s->device_id, sizeof s->device_id, "%s", v[0].text);
    snprintf(s->device, sizeof s->device, "%s", v[1].text);
    return ERR_NONE;
}

enum err sides_load(struct store *s, struct side_list *out)
{
    *out = (struct side_list){0};
    enum err e = store_query(s, load_sql, NULL, 0, load_row, out);
    if (e != ERR_NONE) sides_free(out);
    return e;
}

void sides_free(struct side_list *l)
{
    free(l->side);
    *l = (struct side_list){0};
}

/* Wilson's score interval of a share k / n at 95 % (Wilson, JASA 22, 1927). */
struct reading share_of(int32_t k, int32_t n)
{
    const double z2 = 1.959963984540054 * 1.959963984540054;
    double p = (double)k / n, middle = (p + z2 / (2 * n)) / (1 + z2 / n);
    double half = sqrt(z2 * (p * (1 - p) / n + z2 / (4.0 * n * n))) / (1 + z2 / n);
    return (struct reading){p, middle - half, middle + half};
}

static void ask_side(struct trial *t, bool is_compute)
{
    enum { POINTS_MIN = 20 };
    const struct seen_side *s = t->side;
    if (!s || s->is_compute != is_compute) return;
    if (s->n < POINTS_MIN) {
        trial_rule_out(t, RANK_QUALITY, "%d forwards were tested, expected at least %d", s->n,
                       POINTS_MIN);
        return;
    }
    trial_ask(
        t,
        &(struct asking){
            .predicted = 1, .found = share_of(s->agree, s->n), .least = 0.95, .most = 1},
        "share of %d forwards on the %s side that it limits (%d undecided, %d on the other side)",
        s->n, is_compute ? "compute" : "memory", s->undecided, s->contradict);
}

/* "C36" */
void ask_memory_side(struct trial *t)
{
    ask_side(t, false);
}

void ask_compute_side(struct trial *t)
{
    ask_side(t, true);
}
