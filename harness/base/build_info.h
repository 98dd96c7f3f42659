/* build_info.h - what this program was built from, and how: the provenance of its numbers.
 * Filled by the build; holds no date, so equal sources and flags give equal text. */
#ifndef BASE_BUILD_INFO_H
#define BASE_BUILD_INFO_H

#include <stdbool.h>

struct build_info {
    const char *git_sha;       /* 40 hex digits, or "unknown" outside a git checkout   */
    int git_dirty;             /* 1: sources differ from that commit; -1: unknown      */
    const char *source_sha256; /* of every source, header and embedded file, by content */
    const char *compiler;      /* first line of cc --version                            */
    const char *config;        /* "release", "debug"                                    */
    const char *cflags;
    const char *sanitizers; /* "address,undefined"; "" for none */
    bool has_cuda;
};

extern const struct build_info build_info;

#endif
