/* verbs.c - the table of verbs. */
#include "harness/app/verbs.h"

#include <string.h>

static const struct verb table[] = {
    {"quickstart", verb_quickstart, 0, NULL, "",
     "Measure this machine, run the matched sweep, predict an A100, draw and answer"},
    {"plan", verb_plan, TAKES_AXES | TAKES_SWEEP | TAKES_AXES_ALONE, "sim:a100-80gb", "[SWEEP]",
     "Count FLOPs and bytes of cells and predict their time on a device; touches none"},
    {"run", verb_run, TAKES_AXES | TAKES_AXES_ALONE, NULL, "", "Run the cells the flags describe"},
    {"sweep", verb_sweep, TAKES_AXES | TAKES_SWEEP, NULL, "SWEEP",
     "Run the cells of a sweep that have no finished run yet"},
    {"generate", verb_generate, TAKES_AXES | TAKES_AXES_ALONE | TAKES_PROCESS, NULL, "",
     "Decode once, untimed, and show what every forward commits, mask by mask"},
    {"bound", verb_bound, TAKES_AXES | TAKES_SWEEP | TAKES_AXES_ALONE, NULL, "[SWEEP]",
     "Find what limits each forward by changing its bytes, arithmetic and threads"},
    {"plot", verb_plot, TAKES_ARGS, NULL, "FIGURE|all",
     "Draw figures of what the database holds, each with its data, script and caption"},
    {"quality", verb_quality, TAKES_AXES | TAKES_SWEEP | TAKES_AXES_ALONE | TAKES_PROCESS, NULL,
     "[SWEEP]",
     "Decode on a process whose probabilities are known: what each policy costs in quality"},
    {"nelbo", verb_nelbo, TAKES_AXES | TAKES_SWEEP | TAKES_AXES_ALONE | TAKES_PROCESS, NULL,
     "[SWEEP]",
     "Bound the likelihood of sequences by each decoder's objective"},
    {"gaussian", verb_gaussian, 0, NULL, "",
     "What Gaussian noise on token embeddings costs beside masks, with the best denoiser"},
    {"ceilings", verb_ceilings, 0, NULL, "",
     "Measure this machine's roofs: bandwidth by working set, peaks, cost of the team"},
    {"bench", verb_bench, TAKES_AXES | TAKES_AXES_ALONE | TAKES_ARGS, NULL, "kernels",
     "Time each operation at a model's shapes against the roofs; prices runs, too"},
    {"report", verb_report, TAKES_ARGS, NULL, "[VIEW]",
     "Print throughput, pairs, roofline points, roofs and prediction errors, or any one view"},
    {"claims", verb_claims, TAKES_AXES | TAKES_SWEEP | TAKES_CLAIM_CELLS, "sim:a100-80gb",
     "[SWEEP]", "Judge what people claim: by planning a sweep, and by the measured runs of --db"},
    {"explain", verb_explain, TAKES_ARGS, NULL, "RUN|CELL",
     "Say in sentences what bounds a run, with the arithmetic: any unique start of its id"},
    {"status", verb_status, TAKES_AXES | TAKES_SWEEP | TAKES_AXES_ALONE, NULL, "[SWEEP]",
     "How far a sweep has come, or what the database holds and what went wrong"},
    {"compare", verb_compare, TAKES_ARGS, NULL, "BEFORE AFTER",
     "Compare the same cells in two databases: exit code 4 when one became slower"},
    {"verify", verb_verify, TAKES_ARGS, NULL, "[MODEL]",
     "Check that decoders which must agree do, and how far approximate caches drift"},
    {"merge", verb_merge, TAKES_ARGS, NULL, "INTO FROM...",
     "Take other databases' runs into one; again changes nothing"},
    {"export", verb_export, TAKES_ARGS | WRITES_CSV, NULL, "[TABLE|VIEW...]",
     "Write tables and views as files, all of them or those named (default csv)"},
    {"counters", verb_counters, TAKES_ARGS, NULL, "list|check|decode FILE",
     "Show which hardware counters fill which column, check them, decode saved ones"},
    {"list", verb_list, TAKES_ARGS, NULL, "[WHAT]",
     "List what there is: verbs, devices, models, decoders, axes, sweeps, figures, backends"},
    {"doctor", verb_doctor, 0, NULL, "", "Check whether this machine can give good numbers"},
};
enum { N_VERBS = sizeof table / sizeof table[0] };

const struct verb *verb_at(int32_t i)
{
    return i >= 0 && i < N_VERBS ? &table[i] : NULL;
}

const struct verb *verb_find(const char *name)
{
    for (int32_t i = 0; i < N_VERBS; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}
