/* cell_inputs.h - what cells read from files: models' folders and prompts, each once. */
#ifndef APP_CELL_INPUTS_H
#define APP_CELL_INPUTS_H

#include "harness/decode/prompts.h"
#include "results/cell.h"

/* The prompts of a batch, as a file has them. */
struct batch_prompts {
    const struct prompts *from; /* borrowed */
    int32_t batch, n_prompt, n_ids;
    int32_t *id; /* owned [batch, n_prompt] */
};

struct cell_inputs {
    struct prompts **file; /* owned */
    int32_t n_files;
    struct batch_prompts *batch; /* owned */
    int32_t n_batches;
};
void cell_inputs_free(struct cell_inputs *in);

/* Say which model the cell's folder holds.  like: a cell that may have the same, or NULL. */
enum err attach_model(struct cell *c, const struct cell *like) MUST_CHECK;
/* Give the cell the prompts it names; they live as long as the inputs. */
enum err attach_prompts(struct cell_inputs *in, struct cell *c) MUST_CHECK;

#endif
