/* test_ceilings.c - the loops do what they count, and roofs become prices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/clock.h"
#include "harness/base/mem.h"
#include "roofline/ceilings.h"
#include "roofline/ceilings_cpu.h"
#include "roofline/ceilings_sample.h"

enum { MIB = 1 << 20 };

/* ---- loops ---- */

/* The sum of a read loop is the OR of all words, so a word with one bit of its own shows
 * whether it was loaded. */
static void read_loops_load_every_word(void **state)
{
    struct cpuinfo cpu;
    cpuinfo_read(&cpu);
    enum { WORDS = 3 * CPU_READ_UNIT / 8 };
    void *p;
    assert_int_equal(mem_map(WORDS * 8, &p), ERR_NONE);
    uint64_t *word = p;
    for (enum isa isa = ISA_SCALAR; isa <= cpu.isa; isa++) {
        const struct cpu_loops *loops = cpu_loops_of(isa);
        assert_int_equal(loops->isa, isa);
        for (int l = 0; l < CPU_LOOPS_MAX && loops->read[l].run != NULL; l++) {
            assert_int_equal(loops->read[l].run(word, WORDS * 8), 0);
            for (int i = 0; i < WORDS; i++) {
                word[i] = (uint64_t)1 << (i % 64);
                uint64_t seen = loops->read[l].run(word, WORDS * 8);
                word[i] = 0;
                if (seen != (uint64_t)1 << (i % 64))
                    fail_msg("%s, '%s' skips word %d", isa_name(isa), loops->read[l].method, i);
            }
        }
    }
    mem_unmap(p, WORDS * 8);
}

/* Of many short timings the shortest is hardly disturbed, whatever else runs. */
static double shortest_ns(cpu_peak_fn *run, int64_t iterations)
{
    double best = INFINITY;
    for (int i = 0; i < 200; i++) {
        int64_t begin = clock_ns();
        run(iterations);
        double ns = (double)(clock_ns() - begin);
        if (ns < best) best = ns;
    }
    return best;
}

static void peaks_are_what_the_ports_allow(void **state)
{
    /* No x86-64 core starts more than two vector multiply-adds in a cycle, and all with AVX2
     * or AVX-512 start at least one of 128 or 256 bits.  Clocks of the two loops may differ
     * by what a core gives up for wide vectors, a third at most; more than twice the ports'
     * limit, or less than half of one port, is a wrong count or a dependent chain. */
    struct cpuinfo cpu;
    cpuinfo_read(&cpu);
    double cycle_ns = shortest_ns(cpu_cycle_chain, 500) / (500.0 * CPU_CYCLES_PER_ITERATION);
    assert_true(cycle_ns > 0.1 && cycle_ns < 2); /* 0.5 to 10 GHz */
    for (enum isa isa = ISA_SCALAR; isa <= cpu.isa; isa++) {
        const struct cpu_peak_loop *p = &cpu_loops_of(isa)->peak[0];
        double lanes = isa >= ISA_AVX512 ? 16 : isa == ISA_AVX2 ? 8 : 4;
        double ns = shortest_ns(p->run, 2000);
        double per_cycle = 2000 * p->op_per_iteration / ns * cycle_ns;
        double most = 2 * 2 * lanes, least = lanes;
        if (!(per_cycle <= most * 1.34 && per_cycle >= least / 2))
            fail_msg("%s: %.1f FLOP per cycle", isa_name(isa), per_cycle);
    }
}

/* ---- samples ---- */

static void rates_are_ranks_of_times(void **state)
{
    struct samples s = {.n = 12};
    double median, lo, hi;
    for (int i = 0; i < 12; i++) s.ns[i] = (double)((i * 5) % 12 + 1); /* 1 .. 12, shuffled */
    /* Binomial(12, 1/2): ranks 3 and 10 cover 0.9614, ranks 4 and 9 only 0.854. */
    samples_cost(&s, 1, &median, &lo, &hi);
    assert_true(median == 6.5 && lo == 3 && hi == 10);
    samples_rate(&s, 60, &median, &lo, &hi);
    assert_true(fabs(median - 60 / 6.5 * 1e9) < 1);
    assert_true(fabs(lo - 6e9) < 1 && fabs(hi - 20e9) < 1);
    s.n = 5; /* too few for any pair of ranks */
    samples_cost(&s, 1, &median, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi) && !isnan(median));
}

struct counting {
    _Atomic int32_t calls[4];
    _Atomic int32_t wrong_n;
};

static void count_work(void *ctx, int32_t member, int32_t n_active)
{
    struct counting *c = ctx;
    c->calls[member]++;
    if (n_active != 2) c->wrong_n++;
}

static void samples_run_on_the_active_members_only(void **state)
{
    struct team *team;
    struct samples s;
    struct counting c = {{0}, 0};
    assert_int_equal(team_create(3, &team), ERR_NONE);
    samples_take(team, 2, 4, 9, count_work, &c, &s);
    team_free(team);
    assert_int_equal(s.n, 9);
    assert_int_equal(c.calls[0], 13);
    assert_int_equal(c.calls[1], 13);
    assert_int_equal(c.calls[2], 0);
    assert_int_equal(c.wrong_n, 0);
    for (int i = 0; i < 9; i++) assert_true(s.ns[i] >= 0);
}

static void undisturbed_samples_are_kept_and_the_number_is_always_met(void **state)
{
    struct team *team;
    struct samples s;
    struct counting c = {{0}, 0};
    assert_int_equal(team_create(2, &team), ERR_NONE);
    bool quiet = samples_take_quiet(team, 2, 3, 11, count_work, &c, &s);
    team_free(team);
    assert_int_equal(s.n, 11);
    int n_preempted = 0;
    for (int i = 0; i < s.n; i++) n_preempted += s.preempted[i];
    assert_int_equal(quiet, n_preempted == 0);
    /* One attempt is a warm-up and 11 samples; at most three were made. */
    assert_int_equal(c.calls[0] % 12, 0);
    assert_true(c.calls[0] >= 12 && c.calls[0] <= 36);
    assert_int_equal(c.calls[0], c.calls[1]);
}

static void contention_allows_for_spare_cpus_and_ticks(void **state)
{
    struct contention_found f = {.other_cpus = 1.05, .wall_s = 1};
    assert_false(contention_is_high(f, 1, 2)); /* the other CPU was free anyway */
    assert_true(contention_is_high(f, 2, 2));
    f.other_cpus = 0.2;
    f.wall_s = 0.1; /* limit 0.1 + 0.02 / 0.1 = 0.3 */
    assert_false(contention_is_high(f, 2, 2));
    f.other_cpus = 0.31;
    assert_true(contention_is_high(f, 2, 2));
    f.other_cpus = -1;
    assert_false(contention_is_high(f, 2, 2));
}

/* ---- from roofs to prices ---- */

static void add_read(struct ceiling_set *s, const char *level, int32_t threads, int64_t mib,
                     double gb_per_s)
{
    s->row[s->n++] = (struct ceiling){.kind = "bandwidth",
                                      .name = "read",
                                      .level = level,
                                      .working_set_bytes = mib * MIB,
                                      .threads = threads,
                                      .value = gb_per_s * 1e9};
}

static void add_value(struct ceiling_set *s, const char *kind, const char *name, int32_t threads,
                      double value)
{
    s->row[s->n++] =
        (struct ceiling){.kind = kind, .name = name, .threads = threads, .value = value};
}

static struct ceiling_set *example(void)
{
    struct ceiling_set *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->llc_bytes = 32 * MIB;
    add_value(s, "compute", "fma_f32", 2, 200e9);
    add_value(s, "overhead", "team_run", 2, 150);
    add_read(s, "dram", 2, 512, 40);
    add_read(s, "llc", 2, 16, 200);
    add_read(s, "curve", 2, 32, 120);
    add_read(s, "curve", 2, 64, 60);
    add_read(s, "curve", 2, 128, 44);
    add_read(s, "curve", 2, 256, 41);
    return s;
}

static void prices_use_the_bandwidth_of_the_working_set(void **state)
{
    struct ceiling_set *s = example();
    struct price p;
    bool resident;
    /* Within 5 % of DRAM (better of the last two points: 41): 43.05.  128 MiB is above, and four
     * times the cache. */
    assert_int_equal(ceilings_cold_bytes(s, 2), 128 * MIB);
    s->llc_bytes = 96 * MIB;
    assert_int_equal(ceilings_cold_bytes(s, 2), 256 * MIB);
    ceilings_price(s, 2, DTYPE_F32, 256 * MIB, &p, &resident);
    assert_true(p.known && !resident);
    assert_true(p.bytes_per_s == 40e9 && p.matmul_flop_per_s == 200e9);
    assert_true(p.attention_flop_per_s == 200e9 && p.launch_ns == 150);
    ceilings_price(s, 2, DTYPE_F32, 64 * MIB, &p, &resident);
    assert_true(resident && p.bytes_per_s == 60e9);
    /* Half way in the logarithm between 16 MiB (200) and 32 MiB (120), but for the byte that
     * is rounded away: 80e9 x log2(1 + 1 / 23.7e6) = 4.9e3. */
    ceilings_price(s, 2, DTYPE_F32, (int64_t)(16 * MIB * sqrt(2)), &p, &resident);
    assert_true(resident && fabs(p.bytes_per_s - 160e9) < 5e3);
    ceilings_price(s, 2, DTYPE_F32, 1000, &p, &resident);
    assert_true(resident && p.bytes_per_s == 200e9);
    /* bf16 products have a roof of their own, for matmuls only: unknown until it is measured. */
    ceilings_price(s, 2, DTYPE_BF16, 256 * MIB, &p, &resident);
    assert_false(p.known);
    add_value(s, "compute", "bf16_dot", 2, 420e9);
    ceilings_price(s, 2, DTYPE_BF16, 256 * MIB, &p, &resident);
    assert_true(p.known && p.matmul_flop_per_s == 420e9 && p.bytes_per_s == 40e9);
    assert_true(p.attention_flop_per_s == 200e9 && p.vector_flop_per_s == 200e9);
    ceilings_price(s, 2, DTYPE_F32, 256 * MIB, &p, &resident);
    assert_true(p.matmul_flop_per_s == 200e9);
    /* Nothing was measured with other numbers of threads: unknown, not zero. */
    ceilings_price(s, 1, DTYPE_F32, 256 * MIB, &p, &resident);
    assert_false(p.known);
    free(s);
}

static void without_a_curve_four_caches_count_as_cold(void **state)
{
    struct ceiling_set *s = calloc(1, sizeof *s);
    struct price p;
    bool resident;
    assert_non_null(s);
    s->llc_bytes = 32 * MIB;
    add_value(s, "compute", "fma_f32", 1, 100e9);
    add_read(s, "llc", 1, 16, 80);
    add_read(s, "dram", 1, 512, 20);
    ceilings_price(s, 1, DTYPE_F32, 128 * MIB, &p, &resident);
    assert_true(!resident && p.bytes_per_s == 20e9 && p.launch_ns == 0);
    ceilings_price(s, 1, DTYPE_F32, 128 * MIB - 1, &p, &resident);
    assert_true(resident);
    free(s);
}

static void bandwidth_that_scales_is_the_cores_limit(void **state)
{
    struct ceiling_set *s = calloc(1, sizeof *s);
    assert_non_null(s);
    add_read(s, "dram", 1, 512, 17);
    add_read(s, "dram", 2, 512, 34);  /* twice */
    add_read(s, "dram", 4, 512, 50);  /* 1.47 of 2: saturating */
    add_read(s, "dram", 8, 512, 100); /* twice, but disturbed */
    ceiling_add_flag(&s->row[3], "disturbed");
    ceilings_flag_core_limit(s);
    assert_string_equal(s->row[0].flag, "core-read-limit");
    assert_string_equal(s->row[1].flag, "core-read-limit");
    assert_string_equal(s->row[2].flag, "");
    assert_string_equal(s->row[3].flag, "disturbed");
    free(s);
}

/* ---- this machine ---- */

static void quick_ceilings_of_this_machine(void **state)
{
    struct team *team;
    struct ceiling_set *s = calloc(1, sizeof *s);
    struct cpuinfo cpu;
    assert_non_null(s);
    cpuinfo_read(&cpu);
    assert_int_equal(team_create(1, &team), ERR_NONE);
    enum dtype compute = isa_has_bf16(cpu.isa) == ERR_NONE   ? DTYPE_BF16
                         : isa_has_int8(cpu.isa) == ERR_NONE ? DTYPE_INT8
                                                             : DTYPE_F32;
    const struct ceilings_ask ask = {
        .isa = cpu.isa, .compute = compute, .extent = CEILINGS_QUICK};
    assert_int_equal(ceilings_measure(team, &ask, s), ERR_NONE);
    team_free(team);
    assert_true(s->llc_bytes >= cpu.llc_bytes);
    for (int i = 0; i < s->n; i++) {
        const struct ceiling *c = &s->row[i];
        assert_true(c->n >= 10);
        assert_true(c->value > 0 && c->ci_lo <= c->value && c->value <= c->ci_hi);
        assert_int_equal(c->threads, 1);
        assert_true(strlen(c->method) > 0);
        assert_int_equal(c->working_set_bytes > 0, strcmp(c->kind, "bandwidth") == 0);
    }
    const struct ceiling *dram = ceilings_find(s, "read", "dram", 1);
    assert_non_null(dram);
    assert_non_null(ceilings_find(s, "fma_f32", NULL, 1));
    assert_int_equal(ceilings_find(s, "bf16_dot", NULL, 1) != NULL, compute == DTYPE_BF16);
    assert_int_equal(ceilings_find(s, "int8_dot", NULL, 1) != NULL, compute == DTYPE_INT8);
    assert_non_null(ceilings_find(s, "barrier", NULL, 1));
    assert_null(ceilings_find(s, "read", "dram", 2));
    assert_non_null(strstr(dram->flag, "one-thread"));
    /* Private caches are several times as fast as memory on every machine of the last
     * twenty years, also with a neighbour taking half of the time. */
    const struct ceiling *l2 = ceilings_find(s, "read", "l2", 1);
    bool faster = l2 == NULL || l2->value > dram->value;
    free(s);
    assert_true(faster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_loops_load_every_word),
        cmocka_unit_test(peaks_are_what_the_ports_allow),
        cmocka_unit_test(rates_are_ranks_of_times),
        cmocka_unit_test(samples_run_on_the_active_members_only),
        cmocka_unit_test(undisturbed_samples_are_kept_and_the_number_is_always_met),
        cmocka_unit_test(contention_allows_for_spare_cpus_and_ticks),
        cmocka_unit_test(prices_use_the_bandwidth_of_the_working_set),
        cmocka_unit_test(without_a_curve_four_caches_count_as_cold),
        cmocka_unit_test(bandwidth_that_scales_is_the_cores_limit),
        cmocka_unit_test(quick_ceilings_of_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
