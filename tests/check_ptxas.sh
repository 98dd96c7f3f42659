#!/bin/sh
# Fail if a kernel spills registers or keeps an array in local memory: both are traffic that no
# ledger counts.  The arguments are what `ptxas -v` said of each file.
set -eu
[ $# -gt 0 ] || { echo 'check_ptxas.sh: no reports'; exit 2; }
exec awk '
/Compiling entry function/ { kernel = $0; sub(/.*function ./, "", kernel); sub(/\x27.*for \x27/, " ", kernel); sub(/\x27.*/, "", kernel) }
/bytes stack frame/ {
    n++
    for (i = 1; i < NF; i++)
        if ($i == "bytes" && $(i - 1) + 0 > 0) {
            print FILENAME ": " kernel ": " $0
            failed = 1
            next
        }
}
END {
    if (n == 0) { print "check_ptxas.sh: the reports name no kernel"; exit 2 }
    exit failed
}' "$@"
