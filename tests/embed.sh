#!/bin/sh
# Print a C table of the files named on the command line: {path, text}, for harness/base/embed.h.
set -eu
echo '#include <stddef.h>'
echo '#include "harness/base/embed.h"'
echo 'const struct embedded_file embedded_files[] = {'
for f in "$@"; do
    printf '{"%s",\n' "$f"
    # A question mark is escaped so that no trigraph can arise.
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/	/\\t/g' -e 's/^/"/' -e 's/$/\\n"/' "$f"
    echo '""},'
done
echo '{NULL, NULL}};'
