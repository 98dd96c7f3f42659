#!/bin/sh
# Fail if an #include points up tests/layers.txt, or if a header is seen outside the folders that
# own it.  An argument names another tree to check.
cd "${1:-$(dirname "$0")/..}" || exit 2
find harness ar_baseline diffusion roofline results plots tests -name '*.[ch]' -o -name '*.inc' -o -name '*.cu' |
LC_ALL=C sort | xargs awk '
BEGIN {
    while ((getline line < "tests/layers.txt") > 0) {
        if (line ~ /^#/ || line == "") continue
        rank++
        n = split(line, dirs, " ")
        for (i = 1; i <= n; i++) level[dirs[i]] = rank
    }
    if (rank == 0) { print "tests/layers.txt names no layer"; failed = 1; exit 1 }
    owner["<cuda"] = owner["<cublas"] = "^(harness/kernels/cuda|roofline|tests)/"
    owner["<cupti"] = owner["<nvperf"] = "^(roofline|tests)/"
    owner["<sqlite3"] = "^(results|tests)/"
    owner["<yaml"] = "^(harness/app|tests)/"
    owner["<cjson"] = "^(harness/(model|decode)|tests)/"
    owner["<cmocka"] = "^tests/"
    owner["\"harness/kernels/backend.h"] = "^(harness/kernels|tests)/"
}
function unit(path,   d, best) {
    for (d in level) if (index(path, d "/") == 1 && length(d) > length(best)) best = d
    return best
}
function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; failed = 1 }
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    name = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
    for (h in owner) if (index(name, h) == 1 && FILENAME !~ owner[h])
        complain(name " is only for " owner[h])
    if (name !~ /^"/) next
    split(name, q, "\"")
    from = unit(FILENAME); to = unit(q[2])
    if (to == "") complain("include \"" q[2] "\" by its path from the root")
    else if (level[to] > level[from]) complain(from " is below " to " and may not include it")
    else if (level[to] == level[from] && to != from) complain(from " and " to " do not know each other")
}
END { exit failed }'
