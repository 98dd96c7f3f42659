#!/bin/sh
# Print the C file behind harness/base/build_info.h: what this program was built from, and how.
# The arguments are the folders of the sources.  No dates and no absolute paths, so that the same
# tree and flags give the same text.
set -eu
quote() { printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g'; }

sha=$(git rev-parse --verify -q HEAD 2>/dev/null || echo unknown)
dirty=-1
if [ "$sha" != unknown ]; then
    changed=$(git --no-optional-locks status --porcelain -- Makefile "$@" 2>/dev/null | head -n 1)
    dirty=0
    [ -z "$changed" ] || dirty=1
fi
# The text of what is compiled, headers and embedded files included.
source_hash=$(find "$@" -type f \
    \( -name '*.[ch]' -o -name '*.inc' -o -name '*.cu' -o -name '*.sql' -o -name '*.gp' -o -name '*.yaml' \) |
    LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c 1-64)

cat <<END
#include "harness/base/build_info.h"
const struct build_info build_info = {
    .git_sha = "$sha",
    .git_dirty = $dirty,
    .source_sha256 = "$source_hash",
    .compiler = "$(quote "$($CC --version | head -n 1)")",
    .config = "$(quote "$CONFIG")",
    .cflags = "$(quote "$CFLAGS_USED")",
    .sanitizers = "$(quote "$SAN")",
    .has_cuda = $USE_CUDA,
};
END
