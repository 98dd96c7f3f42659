/* cupti_metrics.c - the table of metrics; all of it is checked against NVIDIA's host library
 * where that is installed (tests/test_cupti_host.c). */
#include "roofline/cupti_metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* DRAM and L2 move whole sectors. */
enum { SECTOR = 32 };

#define M(base, rollup, unit, column, factor)                                                      \
    {                                                                                              \
        base "." rollup, rollup, unit, COUNTER_##column, factor                                    \
    }

/* Everything a roofline of bf16 kernels needs, in one pass: nothing is repeated, so nothing
 * needs to be restored.  A second data type of the tensor cores, a hit rate or a pipe's
 * utilisation would each cost another. */
static const struct cupti_metric base[] = {
    M("gpu__time_duration", "sum", "nanosecond", DEVICE_NS, 1),
    M("dram__bytes_read", "sum", "byte", DRAM_READ_BYTES, 1),
    M("dram__bytes_write", "sum", "byte", DRAM_WRITE_BYTES, 1),
    M("lts__t_sectors_srcunit_tex", "sum", "l2_sector", L2_BYTES, SECTOR),
    M("lts__t_bytes", "sum", "byte", L2_ALL_BYTES, 1),
    M("lts__t_sectors_srcunit_ltcfabric", "sum", "l2_sector", L2_FABRIC_BYTES, SECTOR),
    M("lts__t_sectors_aperture_sysmem", "sum", "l2_sector", L2_HOST_BYTES, SECTOR),
    M("l1tex__t_bytes", "sum", "byte", L1_BYTES, 1),
    /* Already 2 per multiply-add. */
    M("sm__ops_path_tensor_src_bf16_dst_fp32", "sum", "math_op", FLOP_TENSOR, 1),
    M("sm__cycles_elapsed", "max", "gpc_cycle", SM_CYCLES, 1),
    M("sm__cycles_elapsed", "avg.per_second", "gpc_cycle/second", SM_HZ, 1),
    M("dram__cycles_elapsed", "avg.per_second", "dram_cycle/second", DRAM_HZ, 1),
    M("dram__bytes", "sum.peak_sustained", "byte/dram_cycle", DRAM_PEAK_BYTES_PER_CYCLE, 1),
    M("sm__ops_path_tensor_src_bf16_dst_fp32", "sum.peak_sustained", "math_op/gpc_cycle",
      TENSOR_PEAK_FLOP_PER_CYCLE, 1),
};

/* Thread instructions whose predicate was true; the two lanes of packed half and bf16
 * instructions count both.  exp, rsqrt, conversions and comparisons are counted nowhere. */
#define SASS(op, factor)                                                                           \
    M("smsp__sass_thread_inst_executed_op_" op "_pred_on", "sum", "instruction", FLOP_VECTOR,      \
      factor)
static const struct cupti_metric vector[] = {
    SASS("fadd", 1), SASS("fmul", 1), SASS("ffma", 2), SASS("hadd", 2), SASS("hmul", 2),
    SASS("hfma", 4), SASS("dadd", 1), SASS("dmul", 1), SASS("dfma", 2),
};

/* What the traffic between L1, L2 and the host is made of. */
static const struct cupti_metric wide[] = {
    M("dram__bytes_read", "sum", "byte", DRAM_READ_BYTES, 1),
    M("dram__bytes_write", "sum", "byte", DRAM_WRITE_BYTES, 1),
    M("lts__t_sectors_srcunit_tex", "sum", "l2_sector", L2_BYTES, SECTOR),
    M("lts__t_bytes", "sum", "byte", L2_ALL_BYTES, 1),
    M("lts__t_sectors_srcunit_ltcfabric", "sum", "l2_sector", L2_FABRIC_BYTES, SECTOR),
    M("lts__t_sectors_aperture_sysmem", "sum", "l2_sector", L2_HOST_BYTES, SECTOR),
    M("l1tex__m_xbar2l1tex_read_bytes", "sum", "byte", L1_FILL_BYTES, 1),
    M("l1tex__m_l1tex2xbar_write_bytes", "sum", "byte", L1_DRAIN_BYTES, 1),
};

#define SET(metrics) .metric = (metrics), .n = sizeof(metrics) / sizeof(metrics)[0]
#define BASE(chip_)                                                                                \
    {                                                                                              \
        .name = "base", .chip = chip_, .passes = 1, SET(base),                                     \
        .help = "DRAM, L2 and L1 bytes, tensor-core FLOPs, clocks, peaks"                          \
    }
#define VECTOR(chip_)                                                                              \
    {                                                                                              \
        .name = "vector", .chip = chip_, .passes = 1, .instrumented = true, SET(vector),           \
        .help = "CUDA-core FLOPs; instructions are added to the kernels to count them"             \
    }
#define WIDE(chip_, passes_)                                                                       \
    {                                                                                              \
        .name = "wide", .chip = chip_, .passes = passes_, SET(wide),                               \
        .help = "traffic between L1 and L2, which L1's request count misses where TMA is used"     \
    }

static const struct cupti_set sets[] = {
    BASE("GA100"), VECTOR("GA100"), WIDE("GA100", 5), /* A100                                  */
    BASE("GH100"), VECTOR("GH100"), WIDE("GH100", 2), /* H100; H200 is expected to say the same */
};
enum { N_SETS = sizeof sets / sizeof sets[0] };

_Static_assert(sizeof base / sizeof base[0] <= CUPTI_SET_MAX, "room for a set's values");

const struct cupti_set *cupti_set_at(int32_t i)
{
    return i >= 0 && i < N_SETS ? &sets[i] : NULL;
}

enum err cupti_set_find(const char *chip, const char *name, const struct cupti_set **out)
{
    char names[128] = "", chips[128] = "";
    for (int32_t i = 0; i < N_SETS; i++) {
        const struct cupti_set *s = &sets[i];
        size_t n = strlen(names), m = strlen(chips);
        if (strcmp(s->chip, chip) == 0 && strcmp(s->name, name) == 0) {
            *out = s;
            return ERR_NONE;
        }
        if (strcmp(s->chip, chip) == 0)
            snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", s->name);
        if (!strstr(chips, s->chip))
            snprintf(chips + m, sizeof chips - m, "%s%s", m ? ", " : "", s->chip);
    }
    if (!names[0])
        return err_set(ERR_UNSUPPORTED, "no counters are chosen for the chip %s yet, only for %s",
                       chip, chips);
    return err_set(ERR_USAGE, "no set of counters \"%s\" for the chip %s, only %s", name, chip,
                   names);
}

enum err cupti_set_columns(const struct cupti_set *set, const double *values, struct counters *out)
{
    counters_clear(out);
    for (int32_t i = 0; i < set->n; i++) {
        const struct cupti_metric *m = &set->metric[i];
        int64_t *column = &out->value[m->column];
        if (!(values[i] >= 0) || values[i] * m->factor >= 0x1p62)
            return err_set(ERR_DEVICE, "the counter %s came back as %g, which is no count", m->name,
                           values[i]);
        /* A count is whole; a rate or a peak per cycle is rounded to a whole one. */
        *column = (*column < 0 ? 0 : *column) + (int64_t)llround(values[i] * m->factor);
        if (*column >= (int64_t)1 << 62)
            return err_set(ERR_DEVICE, "the counters of %s add up past 2^62",
                           counter_name(m->column));
    }
    return ERR_NONE;
}
