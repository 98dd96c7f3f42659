/* doctor.h - one line of `regime doctor`. */
#ifndef APP_DOCTOR_H
#define APP_DOCTOR_H

#include "harness/app/options.h"

enum state {
    STATE_OK,
    STATE_WARN,    /* numbers will be noisier or slower than they need be */
    STATE_MISSING, /* something cannot be done at all                     */
    STATE_UNKNOWN  /* this machine does not say                           */
};

struct finding {
    const char *check;
    enum state state;
    char detail[240];
    const char *cure; /* "" when there is nothing to do */
};

#define DETAIL(f, ...) snprintf((f)->detail, sizeof(f)->detail, __VA_ARGS__)

/* What can be measured on a GPU, each with what stands in its way (doctor_gpu.c). */
void check_gpu_driver(const struct options *o, struct finding *f);
void check_cupti(const struct options *o, struct finding *f);
void check_counters(const struct options *o, struct finding *f);
void check_privileges(const struct options *o, struct finding *f);
void check_mig(const struct options *o, struct finding *f);
void check_persistence(const struct options *o, struct finding *f);
void check_dcgm(const struct options *o, struct finding *f);
void check_container(const struct options *o, struct finding *f);

#endif
