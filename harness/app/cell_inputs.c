/* cell_inputs.c - read models' folders and prompts for the cells that name them. */
#include "harness/app/cell_inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cell_inputs_free(struct cell_inputs *in)
{
    for (int32_t i = 0; i < in->n_batches; i++) free(in->batch[i].id);
    for (int32_t i = 0; i < in->n_files; i++) prompts_free(in->file[i]);
    free(in->batch);
    free(in->file);
    memset(in, 0, sizeof *in);
}

enum err attach_model(struct cell *c, const struct cell *like)
{
    bool reads = c->weights == WEIGHTS_CHECKPOINT;
    if (!model_is_folder(c->model)) {
        if (!reads) return ERR_NONE;
        return err_set(ERR_USAGE,
                       "--weights checkpoint: the weights of %s are drawn from the seed; want "
                       "--model ./FOLDER",
                       c->model);
    }
    if (like && like->weights == c->weights && strcmp(like->model, c->model) == 0) {
        memcpy(c->model_sha256, like->model_sha256, sizeof c->model_sha256);
        return ERR_NONE;
    }
    return model_fingerprint(c->model, reads, c->model_sha256);
}

static enum err find_file(struct cell_inputs *in, const char *path, const struct prompts **out)
{
    for (int32_t i = 0; i < in->n_files; i++) {
        *out = in->file[i];
        if (strcmp(in->file[i]->name, path) == 0) return ERR_NONE;
    }
    struct prompts **grown = realloc(in->file, (size_t)(in->n_files + 1) * sizeof(struct prompts *));
    if (!grown) return err_set(ERR_NOMEM, "%s: out of memory", path);
    in->file = grown;
    TRY(prompts_load(path, &in->file[in->n_files]));
    *out = in->file[in->n_files++];
    return ERR_NONE;
}

static enum err find_batch(struct cell_inputs *in, struct batch_prompts want,
                           const struct batch_prompts **out)
{
    for (int32_t i = 0; i < in->n_batches; i++) {
        const struct batch_prompts *b = *out = &in->batch[i];
        if (b->from == want.from && b->batch == want.batch && b->n_prompt == want.n_prompt &&
            b->n_ids == want.n_ids)
            return ERR_NONE;
    }
    struct batch_prompts *grown =
        realloc(in->batch, (size_t)(in->n_batches + 1) * sizeof *grown);
    if (!grown) return err_set(ERR_NOMEM, "%s: out of memory", want.from->name);
    in->batch = grown;
    TRY(prompts_take(want.from, want.batch, want.n_prompt, want.n_ids, &want.id));
    in->batch[in->n_batches] = want;
    *out = &in->batch[in->n_batches++];
    return ERR_NONE;
}

enum err attach_prompts(struct cell_inputs *in, struct cell *c)
{
    struct model_config config;
    const struct prompts *file = NULL;
    const struct batch_prompts *batch = NULL;
    if (!c->prompts[0]) return ERR_NONE;
    TRY(find_file(in, c->prompts, &file));
    TRY(model_named(c->model, c->layers, &config));
    struct batch_prompts want = {file, c->spec.batch, c->spec.n_prompt, config.n_ids, NULL};
    TRY(find_batch(in, want, &batch));
    c->spec.prompts = batch->id;
    snprintf(c->prompts_sha256, sizeof c->prompts_sha256, "%s", file->sha256);
    return ERR_NONE;
}
