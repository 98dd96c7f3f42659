/* steadiness.c - see steadiness.h. */
#include "harness/app/steadiness.h"

#include <math.h>

struct worst {
    int32_t n_unsteady;
    double roofs_moved, decode_over_steps, other_cpus; /* largest; 0: unknown */
};

static double largest(double so_far, const struct store_value *v)
{
    return v->type == VALUE_REAL ? fmax(so_far, v->r) : so_far;
}

static enum err look(void *ctx, const struct store_result_row *row)
{
    struct worst *w = ctx;
    struct worst one = {0};
    one.roofs_moved = largest(0, &row->value[0]);
    one.decode_over_steps = largest(0, &row->value[1]);
    one.other_cpus = largest(0, &row->value[2]);
    if (one.roofs_moved < 0.25 && one.decode_over_steps < 1.25 && one.other_cpus < 0.25)
        return ERR_NONE;
    w->n_unsteady++;
    w->roofs_moved = fmax(w->roofs_moved, one.roofs_moved);
    w->decode_over_steps = fmax(w->decode_over_steps, one.decode_over_steps);
    w->other_cpus = fmax(w->other_cpus, one.other_cpus);
    return ERR_NONE;
}

enum err steadiness_warn(struct store *s, const struct shown_run *runs, int32_t n, struct log *log)
{
    struct worst w = {0};
    int32_t n_measured = 0;
    for (int32_t i = 0; i < n; i++) {
        struct store_value id = store_text(runs[i].run_id);
        if (runs[i].planned) continue;
        n_measured++;
        TRY(store_query(s,
                        "SELECT roofs_moved, decode_over_steps, other_cpus FROM v_steadiness "
                        "WHERE run_id = ?1",
                        &id, 1, look, &w));
    }
    if (!w.n_unsteady) return ERR_NONE;
    log_line(log, LOG_WARN,
             "%d of %d runs were disturbed: other processes used up to %.1f CPUs, roofs moved by "
             "up to %.0f %%, whole decodes took up to %.1f times their forwards' medians; "
             "`regime doctor` says what to change (v_steadiness has each run)",
             w.n_unsteady, n_measured, w.other_cpus, 100 * w.roofs_moved, w.decode_over_steps);
    return ERR_NONE;
}
