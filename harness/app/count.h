/* count.h - what the hardware counts while a run's decode is run again.
 *
 * Timing comes first and alone: counters and kernel records are taken in passes of their own,
 * after everything on a device has been timed, so that no timing shares its process's life with
 * a profiler that is switched on.  A pass repeats the whole decode, checks that it produced the
 * same tokens, and is stored beside the run. */
#ifndef APP_COUNT_H
#define APP_COUNT_H

#include "harness/app/engine.h"
#include "harness/app/known_work.h"

enum counters_mode {                   /* in the order of --counters' words */
                     COUNTERS_DEFAULT, /* auto on GPUs, off elsewhere */
                     COUNTERS_OFF,     /* no library is opened     */
                     COUNTERS_AUTO,   /* what cannot be counted leaves its reason, and the rest goes
                                         on    */
                     COUNTERS_REQUIRE /* nothing is run unless everything can be counted */
};

struct count_limits {
    int32_t max_decodes; /* counted ones: as many as fit decode_ns, at least 1  */
    int64_t decode_ns;
    int64_t energy_ns;    /* decodes are repeated for at least this long         */
    int32_t max_forwards; /* of one decode; of a longer one every second, third, ... and those that
                             were pinned */
    struct known_work_size known;
};
extern const struct count_limits count_default, count_default_cpu;

struct count_options {
    enum counters_mode mode;
    const char
        *probes; /* names with commas between; NULL: COUNT_PROBES, on a CPU COUNT_PROBES_CPU */
    enum l2_state l2;
    const char *files; /* folder for what CUPTI wrote, to be decoded again; NULL: none */
    const struct count_limits *limits; /* NULL: count_default, on a CPU count_default_cpu */
};
#define COUNT_PROBES "cupti-activity,nvml,cupti-base,cupti-vector"
#define COUNT_PROBES_CPU "perf,perf-software"

/* Probes that take passes of their own, in the order they are taken; NULL past the last.  Of nvml,
 * which is no probe_ops, only name and help are set. */
struct count_probe {
    const char *name, *help;
    const struct probe_ops *ops; /* NULL: the GPU's management library */
    bool of_cpu;                 /* else of GPUs */
};
const struct count_probe *count_probe_at(int32_t i);

/* In the place of a GPU's number. */
enum { COUNT_CPU = -1 };

/* Why it cannot be opened on a GPU or COUNT_CPU; "" when it can.  Opens and closes it. */
void count_probe_reason(const struct count_probe *p, int32_t device, char *why, size_t size);

/* Whether cells on this device are to be counted. */
bool count_wanted(const struct count_options *o, const char *device);

/* The number of a GPU, or COUNT_CPU. */
int32_t count_device(const char *device);

/* ERR_USAGE for an unknown probe.  With COUNTERS_REQUIRE: ERR_UNSUPPORTED, with the cure, for
 * one that cannot be opened on this device. */
enum err count_check(const struct count_options *o, const char *device) MUST_CHECK;

/* Every pass over one finished run, on GPU `device` or COUNT_CPU, that is not there yet.  What
 * cannot be counted is stored as unavailable with the reason, which is also put into why[size]; ""
 * when all was counted.  What is returned is a failure of the store. */
enum err count_run(const struct count_options *o, struct engine *e, struct store *s,
                   const struct cell *c, int32_t device, const char *run_id, char *why,
                   size_t size) MUST_CHECK;

#endif
