/* label.c - greedy placement among fixed candidates, overlap by separating axes. */
#include "plots/label.h"

#include <math.h>
#include <stdlib.h>

struct box box_segment(double x0, double y0, double x1, double y1, double thickness)
{
    return (struct box){(x0 + x1) / 2, (y0 + y1) / 2, hypot(x1 - x0, y1 - y0), thickness,
                        atan2(y1 - y0, x1 - x0)};
}

/* Half the extent of b along the unit vector (ux, uy). */
static double reach(const struct box *b, double ux, double uy)
{
    double c = cos(b->angle), s = sin(b->angle);
    return (fabs(ux * c + uy * s) * b->w + fabs(uy * c - ux * s) * b->h) / 2;
}

static bool separated(const struct box *a, const struct box *b, double angle)
{
    double ux = cos(angle), uy = sin(angle);
    double distance = fabs((b->x - a->x) * ux + (b->y - a->y) * uy);
    return distance >= reach(a, ux, uy) + reach(b, ux, uy);
}

bool box_overlap(const struct box *a, const struct box *b)
{
    return !separated(a, b, a->angle) && !separated(a, b, a->angle + M_PI / 2) &&
           !separated(a, b, b->angle) && !separated(a, b, b->angle + M_PI / 2);
}

bool box_inside(const struct box *inner, const struct box *outer)
{
    return fabs(inner->x - outer->x) + reach(inner, 1, 0) <= outer->w / 2 &&
           fabs(inner->y - outer->y) + reach(inner, 0, 1) <= outer->h / 2;
}

static enum err add(struct box **list, int *n, int *room, struct box b)
{
    if (*n == *room) {
        int next = *room ? 2 * *room : 64;
        struct box *grown = realloc(*list, (size_t)next * sizeof **list);
        if (!grown) return err_set(ERR_NOMEM, "labels: no memory for %d boxes", next);
        *list = grown;
        *room = next;
    }
    (*list)[(*n)++] = b;
    return ERR_NONE;
}

enum err scene_add_hard(struct scene *s, struct box b)
{
    return add(&s->hard, &s->n_hard, &s->hard_room, b);
}

enum err scene_add_soft(struct scene *s, struct box b)
{
    return add(&s->soft, &s->n_soft, &s->soft_room, b);
}

void scene_free(struct scene *s)
{
    free(s->hard);
    free(s->soft);
    *s = (struct scene){0};
}

static int count(const struct box *list, int n, const struct box *b)
{
    int found = 0;
    for (int i = 0; i < n; i++) found += box_overlap(&list[i], b);
    return found;
}

bool scene_is_free(const struct scene *s, const struct box *b)
{
    if (!box_inside(b, &s->area)) return false;
    for (int i = 0; i < s->n_hard; i++)
        if (box_overlap(&s->hard[i], b)) return false;
    return true;
}

/* From the edge of the symbol to the nearest point of the label's box. */
static void leader(struct label *l)
{
    double dx = l->box.x - l->x, dy = l->box.y - l->y;
    l->x1 = l->box.x - fmin(fmax(dx, -l->w / 2), l->w / 2);
    l->y1 = l->box.y - fmin(fmax(dy, -l->h / 2), l->h / 2);
    double length = hypot(l->x1 - l->x, l->y1 - l->y);
    /* Points are kept free as squares; a diagonal leaves one at its corner. */
    l->x0 = l->x + (l->x1 - l->x) * M_SQRT2 * l->gap / length;
    l->y0 = l->y + (l->y1 - l->y) * M_SQRT2 * l->gap / length;
    /* Not quite to the letters. */
    l->x1 -= (l->x1 - l->x) / length;
    l->y1 -= (l->y1 - l->y) / length;
}

/* Under more lines than this a word cannot be read. */
enum { MAX_CROSSED = 2 };

/* Lines may be crossed at a cost, so that a near place over a line can win against one far
 * away; nothing else may. */
static bool better(const struct scene *s, struct label *l, double *best, double clearance)
{
    if (!scene_is_free(s, &l->box)) return false;
    int lines = count(s->soft, s->n_soft, &l->box);
    if (lines > MAX_CROSSED) return false;
    double cost = clearance + 12.0 * lines;
    l->leader = clearance > 5;
    if (l->leader) {
        leader(l);
        struct box line = box_segment(l->x0, l->y0, l->x1, l->y1, 0.5);
        if (!scene_is_free(s, &line)) return false;
        cost += 4 + 2.0 * count(s->soft, s->n_soft, &line);
    }
    if (cost >= *best) return false;
    *best = cost;
    return true;
}

enum err label_place(struct scene *s, struct label *l)
{
    /* Right, above and below first: where a reader looks for a point's name. */
    static const int dx[] = {1, 1, 1, 0, 0, -1, -1, -1}, dy[] = {0, 1, -1, 1, -1, 0, 1, -1};
    static const double clearances[] = {1, 2.5, 5, 9, 14, 20, 28, 38};
    double best = INFINITY;
    struct label found = *l, try = *l;
    for (int r = 0; r < 8 && best > clearances[r]; r++) {
        for (int d = 0; d < 8; d++) {
            /* On the diagonals the box's corner, not its side, faces the point. */
            double away = (l->gap + clearances[r]) * (dx[d] && dy[d] ? M_SQRT1_2 : 1);
            try.box = (struct box){l->x + dx[d] * (away + l->w / 2),
                                   l->y + dy[d] * (away + l->h / 2), l->w, l->h, 0};
            if (better(s, &try, &best, clearances[r])) found = try;
        }
    }
    *l = found;
    l->placed = isfinite(best);
    if (!l->placed) return ERR_NONE;
    TRY(scene_add_hard(s, l->box));
    if (l->leader) TRY(scene_add_hard(s, box_segment(l->x0, l->y0, l->x1, l->y1, 0.5)));
    return ERR_NONE;
}

enum err label_along(struct scene *s, struct line_label *l)
{
    enum { STEPS = 60 };
    static const double clearances[] = {1.5, 4, 7, 11};
    double length = hypot(l->x1 - l->x0, l->y1 - l->y0);
    double ux = (l->x1 - l->x0) / length, uy = (l->y1 - l->y0) / length;
    int least = -1, tries = l->both_sides ? 8 : 4;
    for (int k = 0; k < tries * (STEPS + 1) && length >= l->w && least != 0; k++) {
        int side = l->both_sides && k / (STEPS + 1) % 2 ? -1 : 1, i = k % (STEPS + 1);
        double clearance = clearances[k / (STEPS + 1) / (l->both_sides ? 2 : 1)];
        double away = side * (clearance + l->h / 2);
        double t = (length - l->w) * (l->from_end ? STEPS - i : i) / STEPS + l->w / 2;
        struct box b = {l->x0 + ux * t - uy * away, l->y0 + uy * t + ux * away, l->w, l->h,
                        atan2(uy, ux)};
        if (!scene_is_free(s, &b)) continue;
        int covered = count(s->soft, s->n_soft, &b);
        if (least >= 0 && covered >= least) continue;
        least = covered;
        l->box = b;
    }
    l->placed = least >= 0;
    return l->placed ? scene_add_hard(s, l->box) : ERR_NONE;
}
