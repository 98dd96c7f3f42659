/* replay.h - whether a commit trace can be replayed in a denoiser, and its next decision. */
#ifndef DIFFUSION_REPLAY_H
#define DIFFUSION_REPLAY_H

#include "harness/decode/commit_trace.h"
#include "harness/decode/decoder.h"

/* The blocks a denoiser goes through, in positions of the whole sequence. */
struct replay_blocks {
    int32_t begin; /* of the first block: at or before the first generated token     */
    int32_t length;
    bool given_first;   /* prefills and commits decide the first token of a block that
                           begins with a generated one                                 */
    bool reveals_first; /* a block's first denoise forward must reveal its first position */
};

/* ERR_USAGE with the line of the trace at fault where its first spec.batch requests are no
 * decode of the spec. */
enum err replay_check(const struct decode_spec *s, const struct replay_blocks *b) MUST_CHECK;

/* The next forward of the request that denoises, from *at on, which is moved past it. */
const struct trace_forward *replay_next(const struct commit_trace *t, uint32_t request,
                                        int32_t *at);

#endif
