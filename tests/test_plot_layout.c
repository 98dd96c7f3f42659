/* test_plot_layout.c - words of a figure: their sizes, axes, and that labels never collide. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/rng.h"
#include "plots/axis.h"
#include "plots/label.h"
#include "plots/text.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("%.17g, expected %.17g", got, want);
}

/* From the AFM file of Helvetica: H 722, g 556, space 278, 1 556; one other character 600. */
static void widths_are_those_of_the_font(void **state)
{
    (void)state;
    near(text_width("Hg", 10), 12.78, 1e-9);
    near(text_width("1 1", 7), 7 * (0.556 * 2 + 0.278), 1e-9);
    near(text_width("\xc3\x97", 10), 6, 1e-9);
    near(text_width("", 10), 0, 0);
}

static void text_reaches_gnuplot_as_it_stands(void **state)
{
    (void)state;
    struct strbuf s = {0};
    text_quote(&s, "it's a_b^{c} `ls` \"x\"\n@~&");
    assert_string_equal(strbuf_text(&s), "'it''s a\\_b\\^\\{c\\} `ls` \"x\" \\@\\~\\&'");
    strbuf_clear(&s);
    text_field(&s, "a\tb_c's");
    assert_string_equal(strbuf_text(&s), "a b\\_c's");
    strbuf_clear(&s);
    text_number(&s, NAN);
    strbuf_add_char(&s, ' ');
    text_number(&s, 1.5e12);
    assert_string_equal(strbuf_text(&s), "NA 1.5e+12");
    strbuf_free(&s);
}

static void quantities_have_three_digits_and_a_prefix(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *unit, *text;
    } cases[] = {
        {12.3e9, "B/s", "12.3 GB/s"},
        {2.039e12, "B/s", "2.04 TB/s"},
        {312e12, "FLOP/s", "312 TFLOP/s"},
        {153.01, "", "153"},
        {5.219, "", "5.22"},
        {999.4, "", "999"},
        {999.6, "", "1 k"},
        {1000, "", "1 k"},
        {2, "", "2"},
        {0.5, "", "0.5"},
        {0, "B", "0 B"},
        {99.96, "", "100"},
        {9.996, "", "10"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[40];
        text_quantity(text, sizeof text, cases[i].value, cases[i].unit);
        assert_string_equal(text, cases[i].text);
    }
}

static void templates_are_filled(void **state)
{
    (void)state;
    const struct template_pair pairs[] = {{"A", "one"}, {"BB", "@A@"}, {"NONE", ""}};
    struct strbuf s = {0};
    template_fill(&s, "x @A@, @BB@@A@.", pairs, 3);
    assert_string_equal(strbuf_text(&s), "x one, @A@one."); /* values are not filled again */
    strbuf_clear(&s);
    template_fill(&s, "1\n@?A@2 @BB@\n  @?NONE@3 @A@\n4@?NONE@\n5", pairs, 3);
    assert_string_equal(strbuf_text(&s), "1\n2 @A@\n5");
    strbuf_free(&s);
}

static void axes_take_in_what_has_a_place_on_them(void **state)
{
    (void)state;
    struct axis_range r = {0};
    const double values[] = {NAN, INFINITY, 0, -3, 40, 3};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) range_include(&r, values[i]);
    assert_true(r.any && r.lo == 3 && r.hi == 40);

    struct axis_range decades = r, snug = r, binary = r;
    range_decades(&decades);
    near(decades.lo, 1, 1e-12);
    near(decades.hi, 100, 1e-9);
    range_snug(&snug); /* with room of (40 / 3)^0.06 = 1.17: 2.57 to 46.7 */
    near(snug.lo, 2, 1e-12);
    near(snug.hi, 50, 1e-9);
    range_binary(&binary); /* 2^1.5 - to 2^6.5 */
    near(log2(binary.lo), 0.5, 1e-9);
    near(log2(binary.hi), 6.5, 1e-9);

    struct axis_range linear = {.linear = true};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) range_include(&linear, values[i]);
    assert_true(linear.any && linear.lo == -3 && linear.hi == 40);
    near(range_at(&linear, 18.5), 0.5, 1e-12);
    near(range_at(&linear, 0), 3 / 43.0, 1e-12);
    near(range_value(&linear, 0.5), 18.5, 1e-12);
    assert_true(range_holds(&linear, 0) && !range_holds(&linear, NAN) && !range_holds(&r, 0));

    near(range_at(&decades, 10), 0.5, 1e-12);
    near(range_value(&decades, 0.5), 10, 1e-9);
}

/* Whatever the values, the range contains them and is not degenerate. */
static void every_range_contains_its_values(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 5000; i++) {
        double a = exp2((double)(mix64(3 * i) % 800) / 10 - 40);
        double b = a * exp2((double)(mix64(3 * i + 1) % 300) / 10);
        struct axis_range of[3];
        memset(of, 0, sizeof of);
        for (int k = 0; k < 3; k++) {
            range_include(&of[k], a);
            range_include(&of[k], b);
        }
        range_decades(&of[0]);
        range_snug(&of[1]);
        range_binary(&of[2]);
        for (int k = 0; k < 3; k++)
            if (of[k].lo > a * (1 + 1e-8) || of[k].hi < b * (1 - 1e-8) || of[k].hi < of[k].lo * 1.9)
                fail_msg("range %d of %g to %g: %g to %g", k, a, b, of[k].lo, of[k].hi);
    }
}

static void tics_are_readable(void **state)
{
    (void)state;
    struct axis_range r = {.lo = 1e9, .hi = 1e12, .any = true};
    struct strbuf s = {0};
    range_tics(&r, &s);
    assert_non_null(strstr(s.text, "'1 G' 1000000000, '' 2000000000 1, "));
    assert_non_null(strstr(s.text, "'10 G' 1e+10"));
    assert_non_null(strstr(s.text, "'1 T' 1e+12"));
    strbuf_clear(&s);
    r = (struct axis_range){.lo = 0.5, .hi = 20, .any = true};
    range_tics(&r, &s);
    assert_non_null(strstr(s.text, "'0.5' 0.5, '' 0.6 1"));
    assert_non_null(strstr(s.text, "'1' 1, '2' 2, '' 3 1, '' 4 1, '5' 5"));
    assert_non_null(strstr(s.text, "'20' 20"));
    strbuf_clear(&s);
    r = (struct axis_range){.lo = 0.7, .hi = 5.6, .any = true};
    range_binary_tics(&r, &s);
    assert_string_equal(s.text, "'1' 1, '2' 2, '4' 4");
    strbuf_free(&s);
}

/* ---- boxes, against clipping one polygon by the other ---- */

struct polygon {
    double x[16], y[16];
    int n;
};

static struct polygon corners(const struct box *b)
{
    static const int sx[] = {-1, 1, 1, -1}, sy[] = {-1, -1, 1, 1};
    struct polygon p = {.n = 4};
    for (int i = 0; i < 4; i++) {
        double dx = sx[i] * b->w / 2, dy = sy[i] * b->h / 2;
        p.x[i] = b->x + dx * cos(b->angle) - dy * sin(b->angle);
        p.y[i] = b->y + dx * sin(b->angle) + dy * cos(b->angle);
    }
    return p;
}

/* Area of the part of a that lies in b (Sutherland and Hodgman; both counter-clockwise). */
static double common_area(const struct box *a, const struct box *b)
{
    struct polygon p = corners(a), clip = corners(b);
    for (int e = 0; e < 4; e++) {
        double ex = clip.x[(e + 1) % 4] - clip.x[e], ey = clip.y[(e + 1) % 4] - clip.y[e];
        struct polygon out = {.n = 0};
        for (int i = 0; i < p.n; i++) {
            int k = (i + 1) % p.n;
            double in_i = ex * (p.y[i] - clip.y[e]) - ey * (p.x[i] - clip.x[e]);
            double in_k = ex * (p.y[k] - clip.y[e]) - ey * (p.x[k] - clip.x[e]);
            if (in_i >= 0) {
                out.x[out.n] = p.x[i];
                out.y[out.n++] = p.y[i];
            }
            if ((in_i >= 0) != (in_k >= 0)) {
                double t = in_i / (in_i - in_k);
                out.x[out.n] = p.x[i] + t * (p.x[k] - p.x[i]);
                out.y[out.n++] = p.y[i] + t * (p.y[k] - p.y[i]);
            }
        }
        p = out;
    }
    double area = 0;
    for (int i = 0; i < p.n; i++) {
        int k = (i + 1) % p.n;
        area += (p.x[i] * p.y[k] - p.x[k] * p.y[i]) / 2;
    }
    return area;
}

/* Uniform in [lo, hi). */
static double uniform(uint64_t *state, double lo, double hi)
{
    *state = mix64(*state);
    return lo + (hi - lo) * (double)(*state >> 11) / 9007199254740992.0;
}

static void overlap_is_overlap(void **state)
{
    (void)state;
    uint64_t random = 7;
    int both = 0;
    for (int i = 0; i < 20000; i++) {
        struct box b[2];
        for (int k = 0; k < 2; k++)
            b[k] = (struct box){uniform(&random, 0, 60), uniform(&random, 0, 60),
                                uniform(&random, 1, 40), uniform(&random, 1, 12),
                                i % 2 ? uniform(&random, -3, 3) : 0};
        double area = common_area(&b[0], &b[1]);
        bool overlap = box_overlap(&b[0], &b[1]);
        both += overlap;
        /* Areas are sums of products up to 4000, so wrong by some 1e-12; boxes that share less
           than 1e-9 only touch, and either answer will do. */
        if (area > 1e-9 && !overlap) fail_msg("case %d: common area %g missed", i, area);
        if (area == 0 && overlap) fail_msg("case %d: nothing in common", i);
    }
    assert_in_range(both, 2000, 18000); /* both outcomes were tried */
}

/* ---- labels ---- */

enum { MAX_POINTS = 60 };

/* A crowded panel: no label covers a point, another label or its leader, or leaves the area,
 * and a label that needs no leader touches the neighbourhood of its own point. */
static void labels_never_overlap(void **state)
{
    (void)state;
    uint64_t random = 99;
    int n_placed = 0, n_all = 0;
    for (int trial = 0; trial < 300; trial++) {
        struct scene s = {.area = {120, 90, 240, 180, 0}};
        struct label label[MAX_POINTS];
        struct box point[MAX_POINTS];
        int n = 5 + trial % (MAX_POINTS - 5);
        /* Every third trial crowds the points into a tenth of the area. */
        double wide = trial % 3 ? 220 : 70, high = trial % 3 ? 160 : 50;
        for (int i = 0; i < n; i++) {
            double x = uniform(&random, 10, 10 + wide), y = uniform(&random, 10, 10 + high);
            label[i] =
                (struct label){.x = x, .y = y, .w = uniform(&random, 4, 45), .h = 7, .gap = 2};
            point[i] = (struct box){x, y, 4, 4, 0};
            assert_int_equal(scene_add_hard(&s, point[i]), ERR_NONE);
            assert_int_equal(scene_add_soft(&s, box_segment(x, y, 120, 90, 1)), ERR_NONE);
        }
        for (int i = 0; i < n; i++) assert_int_equal(label_place(&s, &label[i]), ERR_NONE);
        for (int i = 0; i < n; i++) {
            const struct label *l = &label[i];
            n_all++;
            if (!l->placed) continue;
            n_placed++;
            near(l->box.x, 120, 120 - l->w / 2 + 1e-9);
            near(l->box.y, 90, 90 - l->h / 2 + 1e-9);
            if (!l->leader)
                assert_true(hypot(fmax(fabs(l->box.x - l->x) - l->w / 2, 0),
                                  fmax(fabs(l->box.y - l->y) - l->h / 2, 0)) < 10);
            for (int k = 0; k < n; k++) {
                if (common_area(&l->box, &point[k]) > 1e-9) fail_msg("label %d on point %d", i, k);
                if (k == i || !label[k].placed) continue;
                if (common_area(&l->box, &label[k].box) > 1e-9) fail_msg("labels %d, %d", i, k);
                struct box line =
                    box_segment(label[k].x0, label[k].y0, label[k].x1, label[k].y1, 0.3);
                if (label[k].leader && common_area(&line, &l->box) > 1e-9)
                    fail_msg("leader of %d over label %d", k, i);
            }
        }
        scene_free(&s);
    }
    assert_true(n_placed > n_all / 2); /* it does find places */
}

static void a_lone_label_is_beside_its_point(void **state)
{
    (void)state;
    struct scene s = {.area = {50, 50, 100, 100, 0}};
    struct label l = {.x = 50, .y = 50, .w = 10, .h = 6, .gap = 2};
    assert_int_equal(label_place(&s, &l), ERR_NONE);
    assert_true(l.placed && !l.leader);
    near(l.box.x, 50 + 2 + 1 + 5, 1e-9); /* to the right: gap, clearance, half the width */
    near(l.box.y, 50, 1e-9);
    scene_free(&s);
    /* At the right edge there is room on the left only. */
    struct scene t = {.area = {50, 50, 100, 100, 0}};
    struct label r = {.x = 97, .y = 50, .w = 20, .h = 90, .gap = 2};
    assert_int_equal(label_place(&t, &r), ERR_NONE);
    assert_true(r.placed && r.box.x < 97);
    scene_free(&t);
    /* Nowhere at all. */
    struct scene u = {.area = {50, 50, 100, 100, 0}};
    struct label none = {.x = 50, .y = 50, .w = 120, .h = 6, .gap = 2};
    assert_int_equal(label_place(&u, &none), ERR_NONE);
    assert_false(none.placed);
    assert_int_equal(u.n_hard, 0);
    scene_free(&u);
}

/* Along random lines among random points: free of them, parallel, and inside. */
static void names_along_lines_cover_nothing(void **state)
{
    (void)state;
    uint64_t random = 5;
    int n_placed = 0;
    for (int trial = 0; trial < 500; trial++) {
        struct scene s = {.area = {100, 70, 200, 140, 0}};
        struct box point[20];
        for (int i = 0; i < 20; i++) {
            point[i] = (struct box){uniform(&random, 0, 200), uniform(&random, 0, 140), 5, 5, 0};
            assert_int_equal(scene_add_hard(&s, point[i]), ERR_NONE);
        }
        struct line_label l = {.x0 = 0,
                               .y0 = uniform(&random, 0, 140),
                               .x1 = 200,
                               .y1 = uniform(&random, 0, 140),
                               .w = 50,
                               .h = 7,
                               .both_sides = trial % 2,
                               .from_end = trial % 3 == 0};
        assert_int_equal(label_along(&s, &l), ERR_NONE);
        if (l.placed) {
            n_placed++;
            near(l.box.angle, atan2(l.y1 - l.y0, 200), 1e-12);
            for (int i = 0; i < 20; i++) assert_true(common_area(&l.box, &point[i]) < 1e-9);
            struct polygon p = corners(&l.box);
            for (int i = 0; i < 4; i++) {
                near(p.x[i], 100, 100 + 1e-9);
                near(p.y[i], 70, 70 + 1e-9);
            }
            struct box line = box_segment(l.x0, l.y0, l.x1, l.y1, 0.5);
            assert_true(common_area(&l.box, &line) < 1e-9);
        }
        scene_free(&s);
    }
    assert_true(n_placed > 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_are_those_of_the_font),
        cmocka_unit_test(text_reaches_gnuplot_as_it_stands),
        cmocka_unit_test(quantities_have_three_digits_and_a_prefix),
        cmocka_unit_test(templates_are_filled),
        cmocka_unit_test(axes_take_in_what_has_a_place_on_them),
        cmocka_unit_test(every_range_contains_its_values),
        cmocka_unit_test(tics_are_readable),
        cmocka_unit_test(overlap_is_overlap),
        cmocka_unit_test(labels_never_overlap),
        cmocka_unit_test(a_lone_label_is_beside_its_point),
        cmocka_unit_test(names_along_lines_cover_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
