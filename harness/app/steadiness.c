/* steadiness.c - see steadiness.h. */
#include "harness/app/steadiness.h"

#include <math.h>
#include <stdio.h>

struct worst {
    int32_t n_unsteady;
    double roofs_moved, decode_over_steps, other_cpus; /* largest; 0: unknown */
};

static double largest(double so_far, const struct store_value *v)
{
    return v->type == VALUE_REAL ? fmax(so_far, v->r) : so_far;
}

enum { OTHER_CPUS_FROM = 25, MOVED_FROM = 25, LONGER_FROM = 125 }; /* percent */

static bool is_unsteady(const struct worst *w)
{
    return 100 * w->other_cpus >= OTHER_CPUS_FROM || 100 * w->roofs_moved >= MOVED_FROM ||
           100 * w->decode_over_steps >= LONGER_FROM;
}

static enum err look(void *ctx, const struct store_result_row *row)
{
    struct worst *w = ctx;
    struct worst one = {.roofs_moved = largest(0, &row->value[0]),
                        .decode_over_steps = largest(0, &row->value[1]),
                        .other_cpus = largest(0, &row->value[2])};
    if (!is_unsteady(&one)) return ERR_NONE;
    w->n_unsteady++;
    w->roofs_moved = fmax(w->roofs_moved, one.roofs_moved);
    w->decode_over_steps = fmax(w->decode_over_steps, one.decode_over_steps);
    w->other_cpus = fmax(w->other_cpus, one.other_cpus);
    return ERR_NONE;
}

/* Only what disturbed. */
static void describe(const struct worst *w, char *out, size_t size)
{
    size_t n = 0;
    if (100 * w->other_cpus >= OTHER_CPUS_FROM)
        n += (size_t)snprintf(out + n, size - n, "other processes used up to %.1f CPUs, ",
                              w->other_cpus);
    if (100 * w->roofs_moved >= MOVED_FROM)
        n += (size_t)snprintf(out + n, size - n, "roofs moved by up to %.0f %%, ",
                              100 * w->roofs_moved);
    if (100 * w->decode_over_steps >= LONGER_FROM)
        n += (size_t)snprintf(out + n, size - n,
                              "whole decodes took up to %.1f times their forwards' medians, ",
                              w->decode_over_steps);
    out[n - 2] = '\0';
}

enum err steadiness_warn(struct store *s, const struct shown_run *runs, int32_t n, struct log *log)
{
    struct worst w = {0};
    int32_t n_measured = 0;
    char text[256];
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
    describe(&w, text, sizeof text);
    log_line(log, LOG_WARN, "%d of %d runs were disturbed: %s (regime doctor; report v_steadiness)",
             w.n_unsteady, n_measured, text);
    return ERR_NONE;
}
