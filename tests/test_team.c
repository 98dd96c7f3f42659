/* test_team.c - every member runs, barriers order memory, sleepers wake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/cpuinfo.h"
#include "harness/base/mem.h"
#include "harness/base/team.h"

enum { MEMBERS_MAX = 8 };

struct tally {
    struct team *team;
    int32_t n_rounds;
    int32_t calls[MEMBERS_MAX]; /* plain ints: the team itself must order them */
    int32_t round[MEMBERS_MAX];
    int32_t n_late[MEMBERS_MAX]; /* rounds in which someone was seen elsewhere  */
};

static void count_call(void *arg, int32_t member, int32_t n_members)
{
    struct tally *t = arg;
    (void)n_members;
    t->calls[member]++;
}

static void every_member_runs_once(void **state)
{
    (void)state;
    for (int32_t n = 1; n <= MEMBERS_MAX; n++) {
        struct tally t = {0};
        assert_int_equal(team_create(n, &t.team), ERR_NONE);
        assert_int_equal(team_size(t.team), n);
        int32_t n_runs = n <= 2 ? 2000 : 50;
        for (int32_t i = 0; i < n_runs; i++) team_run(t.team, count_call, &t);
        for (int32_t m = 0; m < MEMBERS_MAX; m++) assert_int_equal(t.calls[m], m < n ? n_runs : 0);
        team_free(t.team);
    }
}

static void walk_rounds(void *arg, int32_t member, int32_t n_members)
{
    struct tally *t = arg;
    for (int32_t r = 1; r <= t->n_rounds; r++) {
        t->round[member] = r;
        team_barrier(t->team, member);
        for (int32_t m = 0; m < n_members; m++) t->n_late[member] += t->round[m] != r;
        team_barrier(t->team, member);
    }
}

static void barrier_shows_what_was_written_before_it(void **state)
{
    (void)state;
    for (int32_t n = 1; n <= 4; n++) {
        struct tally t = {.n_rounds = n <= 2 ? 5000 : 100};
        assert_int_equal(team_create(n, &t.team), ERR_NONE);
        team_run(t.team, walk_rounds, &t);
        for (int32_t m = 0; m < n; m++) assert_int_equal(t.n_late[m], 0);
        team_free(t.team);
    }
}

static void a_sleeping_team_wakes(void **state)
{
    (void)state;
    struct tally t = {0};
    struct timespec long_gap = {.tv_nsec = 30 * 1000 * 1000};
    assert_int_equal(team_create(2, &t.team), ERR_NONE);
    for (int32_t i = 0; i < 5; i++) {
        team_run(t.team, count_call, &t);
        nanosleep(&long_gap, NULL);
    }
    assert_int_equal(t.calls[0], 5);
    assert_int_equal(t.calls[1], 5);
    team_free(t.team);
}

static void an_idle_team_uses_no_cpu(void **state)
{
    (void)state;
    struct tally t = {0};
    struct timespec gap = {.tv_nsec = 200 * 1000 * 1000}, before, after;
    assert_int_equal(team_create(4, &t.team), ERR_NONE);
    team_run(t.team, count_call, &t);
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL); /* past the spinning */
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&gap, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double used_s =
        (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    assert_true(used_s < 0.05); /* one spinner alone would use 0.2 */
    team_free(t.team);
}

struct where {
    cpu_set_t mask[MEMBERS_MAX];
};

static void note_mask(void *arg, int32_t member, int32_t n_members)
{
    struct where *w = arg;
    (void)n_members;
    pthread_getaffinity_np(pthread_self(), sizeof w->mask[member], &w->mask[member]);
}

static void members_own_disjoint_cpus_and_the_caller_gets_its_mask_back(void **state)
{
    (void)state;
    cpu_set_t before, after, both;
    struct cpuinfo info, nested;
    struct team *t, *inner;
    struct where w;
    pthread_getaffinity_np(pthread_self(), sizeof before, &before);
    cpuinfo_read(&info);
    assert_int_equal(info.n_cpus, CPU_COUNT(&before));
    assert_int_equal(team_create(0, &t), ERR_NONE);
    assert_int_equal(team_size(t), info.n_cpus);
    if (team_size(t) <= MEMBERS_MAX) {
        team_run(t, note_mask, &w);
        for (int32_t a = 0; a < team_size(t); a++) {
            assert_int_equal(CPU_COUNT(&w.mask[a]), 1);
            for (int32_t b = 0; b < a; b++) {
                CPU_AND(&both, &w.mask[a], &w.mask[b]);
                assert_int_equal(CPU_COUNT(&both), 0);
            }
        }
    }
    /* A second team beside it still sees every CPU of the process. */
    cpuinfo_read(&nested);
    assert_int_equal(nested.n_cpus, info.n_cpus);
    assert_int_equal(team_create(0, &inner), ERR_NONE);
    assert_int_equal(team_size(inner), info.n_cpus);
    team_free(inner);
    team_free(t);
    pthread_getaffinity_np(pthread_self(), sizeof after, &after);
    assert_true(CPU_EQUAL(&before, &after));
}

static void shares_cover_everything_in_order(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 70; n += 3)
        for (int64_t unit = 1; unit <= 32; unit *= 4)
            for (int32_t members = 1; members <= 5; members++) {
                int64_t next = 0, begin, end;
                for (int32_t m = 0; m < members; m++) {
                    team_share(n, unit, m, members, &begin, &end);
                    assert_int_equal(begin, next);
                    assert_true(end >= begin && (end == n || end % unit == 0));
                    next = end;
                }
                assert_int_equal(next, n);
            }
}

static void bad_sizes_are_usage_errors(void **state)
{
    (void)state;
    struct team *t;
    assert_int_equal(team_create(-1, &t), ERR_USAGE);
    assert_null(t);
    assert_int_equal(team_create(1000000, &t), ERR_USAGE);
    team_free(NULL);
}

static void maps_are_zeroed_aligned_and_freed(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4096, 4097, (2 << 20) - 1, 2 << 20, (5 << 20) + 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *p;
        void *map;
        assert_int_equal(mem_map(sizes[i], &map), ERR_NONE);
        p = map;
        if (sizes[i] >= 2 << 20) assert_int_equal((uintptr_t)p % (2 << 20), 0);
        for (size_t j = 0; j < sizes[i]; j += 997) assert_int_equal(p[j], 0);
        if (sizes[i] > 0) memset(p, 0xff, sizes[i]);
        mem_unmap(map, sizes[i]);
    }
    void *none;
    assert_int_equal(mem_map(SIZE_MAX - 5, &none), ERR_NOMEM);
    assert_null(none);
    assert_non_null(strstr(err_msg(), "18446744073709551610"));
    assert_int_equal(mem_map((size_t)1 << 60, &none), ERR_NOMEM);
    mem_unmap(NULL, 5);
    int64_t available = mem_available_bytes();
    struct cpuinfo info;
    cpuinfo_read(&info);
    assert_true(available > 0 && available <= info.mem_total_bytes);
}

static void instruction_sets_are_chosen_by_name(void **state)
{
    (void)state;
    struct cpuinfo info;
    enum isa isa;
    cpuinfo_read(&info);
    for (enum isa i = ISA_SCALAR; i < ISA_COUNT; i++) {
        setenv("REGIME_ISA", isa_name(i), 1);
        if (i <= info.isa) {
            assert_int_equal(isa_choose(ISA_AUTO, &isa), ERR_NONE);
            assert_int_equal(isa, i);
        } else {
            assert_int_equal(isa_choose(ISA_AUTO, &isa), ERR_UNSUPPORTED);
        }
    }
    setenv("REGIME_ISA", "mmx", 1);
    assert_int_equal(isa_choose(ISA_AUTO, &isa), ERR_USAGE);
    unsetenv("REGIME_ISA");
    assert_int_equal(isa_choose(ISA_AUTO, &isa), ERR_NONE);
    assert_int_equal(isa, info.isa);
    assert_true(info.model[0] != '\0' && info.l1d_bytes >= 8192 && info.llc_bytes >= info.l2_bytes);
}

static void *burn(void *arg)
{
    struct timespec t0, t;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    do clock_gettime(CLOCK_MONOTONIC, &t);
    while ((double)(t.tv_sec - t0.tv_sec) + 1e-9 * (double)(t.tv_nsec - t0.tv_nsec) < 0.2);
    return NULL;
}

static void own_work_is_not_counted_as_others(void **state)
{
    (void)state;
    struct cpu_usage start, end;
    cpu_usage_now(&start);
    burn(NULL);
    double others = cpu_usage_others(&start);
    cpu_usage_now(&end);
    if (start.all_s < 0) skip();
    /* Own time is exact; what the whole machine did less that is what is left for others,
     * give or take the clock tick of /proc/stat (10 ms a CPU). */
    struct cpuinfo info;
    cpuinfo_read(&info);
    double wall = end.wall_s - start.wall_s, tick = 0.01 * info.n_cpus;
    double rest = (end.all_s - start.all_s) - (end.own_s - start.own_s);
    assert_true(others >= 0);
    assert_true(others * wall <= (rest > 0 ? rest : 0) + tick);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_runs_once),
        cmocka_unit_test(barrier_shows_what_was_written_before_it),
        cmocka_unit_test(a_sleeping_team_wakes),
        cmocka_unit_test(an_idle_team_uses_no_cpu),
        cmocka_unit_test(members_own_disjoint_cpus_and_the_caller_gets_its_mask_back),
        cmocka_unit_test(shares_cover_everything_in_order),
        cmocka_unit_test(bad_sizes_are_usage_errors),
        cmocka_unit_test(maps_are_zeroed_aligned_and_freed),
        cmocka_unit_test(instruction_sets_are_chosen_by_name),
        cmocka_unit_test(own_work_is_not_counted_as_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
