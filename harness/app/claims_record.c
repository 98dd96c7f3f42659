/* claims_record.c - what papers report and this program can only repeat. */
#include <math.h>

#include "harness/app/claims_ask.h"

/* "C23": speed-up over AR per token of a forward, d3LLM-LLaDA on two GPUs. */
void record_efficiency(struct trial *t)
{
    const double a100 = 0.26, h100 = 0.51;
    trial_ask(
        t,
        &(struct asking){
            .predicted = NAN, .found = reading_exact(h100), .least = 0, .most = nextafter(1, 0)},
        "speed-up over tokens per forward on H100, reported");
    trial_ask(
        t,
        &(struct asking){
            .predicted = NAN, .found = reading_exact(a100), .least = 0, .most = nextafter(h100, 0)},
        "the same on A100, whose ridge is lower, reported");
}

/* "C24": perplexity on LM1B after 65 B tokens; upper bounds for diffusion. */
void record_bd3_perplexity(struct trial *t)
{
    const double ar = 22.83, limit = 0.5;
    static const struct {
        const char *what;
        double perplexity;
    } reported[] = {{"block length 4", 28.23},
                    {"block length 8", 29.83},
                    {"block length 16", 30.60},
                    {"full-sequence (MDLM)", 31.78}};
    for (size_t i = 0; i < sizeof reported / sizeof reported[0]; i++)
        trial_ask(t,
                  &(struct asking){.predicted = limit,
                                   .found = reading_exact(reported[i].perplexity - ar),
                                   .least = nextafter(limit, INFINITY),
                                   .most = INFINITY},
                  "perplexity bound above AR's, %s, reported", reported[i].what);
    trial_note(t, "block length 1 with a tuned schedule equals AR: 22.88 and 22.88");
}

/* "C25": MMLU, 5-shot. */
void record_mmlu_base(struct trial *t)
{
    const double llama3 = 65.4;
    trial_ask(
        t,
        &(struct asking){
            .predicted = llama3, .found = reading_exact(65.9), .least = llama3, .most = INFINITY},
        "MMLU of LLaDA 8B Base, reported");
}

void record_mmlu_instruct(struct trial *t)
{
    const double llama3 = 68.4;
    trial_ask(
        t,
        &(struct asking){
            .predicted = llama3, .found = reading_exact(65.5), .least = llama3, .most = INFINITY},
        "MMLU of LLaDA 8B Instruct, reported");
}
