#!/bin/sh
# Fail if an object keeps state between calls: a variable that is neither on the stack, in allocated
# memory nor constant.  The arguments are object files.
set -eu
# err.c: the per-thread failure sentence.  null_backend.c: an address to hand out, never written.
# probe_cupti_activity.c: what callbacks fill that are given no pointer of ours.
allowed='err\.c\.o (message|where)$|null_backend\.c\.o somewhere(\.[0-9]+)?$|probe_cupti_activity\.c\.o collector$'

# A symbol line of objdump: value, flags, section, size, name.
found=$(objdump -t "$@" | awk '
    / file format / { sub(/:$/, "", $1); file = $1; next }
    {
        for (i = 1; i < NF; i++)
            if ($i ~ /^\.(data|bss|tdata|tbss)(\.rel(\.local)?)?$/ && $NF != $i) print file, $NF
    }' | grep -Ev "$allowed" || true)
[ -z "$found" ] && exit 0
echo "$found" | sed 's/$/ is state at file scope: hand it to the functions that need it/'
exit 1
