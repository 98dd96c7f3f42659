/* prompts.h - prompts from a file: a JSON array of token ids a line, one line a request.
 *
 * Tokenizers are not this program's subject: any that knows the model can write the file. */
#ifndef DECODE_PROMPTS_H
#define DECODE_PROMPTS_H

#include <stdint.h>

#include "harness/base/hash.h"

struct prompts {
    char *name;   /* owned: the file, for errors */
    int32_t *id;  /* owned: all of them          */
    int64_t *end; /* owned [n]: where each stops */
    int32_t n;
    char sha256[SHA256_HEX_SIZE]; /* of the file */
};

/* ERR_USAGE with file and line where it is not such a file, or not there. */
enum err prompts_load(const char *path, struct prompts **out) MUST_CHECK;
void prompts_free(struct prompts *p); /* NULL is allowed */

/* The last n_tokens of each of the first n_requests prompts, [n_requests, n_tokens], owned by the
 * caller.  ERR_USAGE where there are fewer prompts, a shorter one, or an id of n_ids or more. */
enum err prompts_take(const struct prompts *p, int32_t n_requests, int32_t n_tokens, int32_t n_ids,
                      int32_t **out) MUST_CHECK;

#endif
