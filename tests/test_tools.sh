#!/bin/bash
# The checks themselves: each must pass on what is right and fail on a planted mistake.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/tests
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
CC=${CC:-cc}

fail() { echo "test_tools.sh: $*"; exit 1; }
# must_say TEXT COMMAND...: the command fails, and says TEXT.
must_say() {
    local text=$1 out
    shift
    if out=$("$@" 2>&1); then fail "succeeded: $*"; fi
    case $out in *"$text"*) ;; *) fail "\"$out\" lacks \"$text\"" ;; esac
}

# --- check_layers.sh: one planted include at a time, in a copy of the folders
plant() {
    rm -rf "$tmp/tree"
    for d in harness/{base,kernels,model,app} ar_baseline diffusion roofline results plots tests; do
        mkdir -p "$tmp/tree/$d"
    done
    cp tests/layers.txt "$tmp/tree/tests/"
    [ $# -eq 0 ] || echo "#include $2" > "$tmp/tree/$1"
}
plant harness/model/a.c '"harness/base/err.h"'
"$tools/check_layers.sh" "$tmp/tree" || fail 'an include to the left is allowed'
plant tests/a.c '<sqlite3.h>'
"$tools/check_layers.sh" "$tmp/tree" || fail 'tests may look into the database themselves'
plant harness/base/a.c '"harness/model/model.h"'
must_say 'harness/base/a.c:1: harness/base is below harness/model' "$tools/check_layers.sh" "$tmp/tree"
plant diffusion/a.h '"ar_baseline/ar.h"'
must_say 'do not know each other' "$tools/check_layers.sh" "$tmp/tree"
plant plots/a.c '<sqlite3.h>'
must_say '<sqlite3.h> is only for' "$tools/check_layers.sh" "$tmp/tree"
plant harness/model/a.c '"harness/kernels/backend.h"'
must_say 'backend.h" is only for' "$tools/check_layers.sh" "$tmp/tree"
plant results/a.c '"store.h"'
must_say 'by its path from the root' "$tools/check_layers.sh" "$tmp/tree"

# --- check_state.sh
object() {
    echo "$1" > "$tmp/object.c"
    $CC -std=c11 -O1 -fPIE -c -o "$tmp/object.o" "$tmp/object.c"
}
object 'static const char *const names[] = {"a", "b"}; const char *f(int i) { return names[i]; }'
"$tools/check_state.sh" "$tmp/object.o" || fail 'a constant table is no state'
object 'int f(void) { static int calls; return ++calls; }'
must_say 'calls' "$tools/check_state.sh" "$tmp/object.o"
object 'int mode = 3;'
must_say 'mode' "$tools/check_state.sh" "$tmp/object.o"
object '_Thread_local int here; '
must_say 'here' "$tools/check_state.sh" "$tmp/object.o"
object 'const char *last = "x";'
must_say 'last' "$tools/check_state.sh" "$tmp/object.o"

# --- schema.sql: the contents at its top name every table and view in order, and each says what it is
sed -n '/^-- Tables, in this order/,/^$/p' "$tools/../results/schema.sql" | grep '^--     ' |
    sed 's/^--     .\{16\}//; s/,/ /g' | tr -s ' ' '\n' | grep . > "$tmp/contents"
sed -n 's/^CREATE \(TABLE\|VIEW\) \([a-z_]*\).*/\2/p' "$tools/../results/schema.sql" |
    grep -vx meta > "$tmp/made"
cmp -s "$tmp/contents" "$tmp/made" ||
    fail "the contents of schema.sql differ: $(diff "$tmp/contents" "$tmp/made" | tr '\n' ' ')"
bare=$(awk '/^CREATE (TABLE|VIEW)/ && before !~ /^--/ { print $3 } { before = $0 }' "$tools/../results/schema.sql")
[ -z "$bare" ] || fail "no comment in schema.sql: $bare"

# --- embed.sh: what comes out of the compiler is what went in
printf 'quote " back\\slash\ttab\n?\?/ ??/ trigraph %%d\n\nno newline at the end' > "$tmp/odd.sql"
{
    "$tools/embed.sh" "$tmp/odd.sql"
    echo '#include <stdio.h>'
    echo 'int main(void) { return fputs(embedded_files[0].text, stdout) < 0 || embedded_files[1].path; }'
} > "$tmp/embed.c"
$CC -std=c11 -I. -o "$tmp/embed" "$tmp/embed.c"
"$tmp/embed" > "$tmp/odd.out"
{ cat "$tmp/odd.sql"; echo; } | cmp - "$tmp/odd.out" || fail 'an embedded text differs'

# --- run_tests.sh: what counts as passed, failed and skipped
printf '#!/bin/sh\nexit 0\n' > "$tmp/good.sh"
printf '#!/bin/sh\necho no such device; exit 77\n' > "$tmp/absent.sh"
printf '#!/bin/sh\necho broken here; exit 3\n' > "$tmp/bad.sh"
printf '#!/bin/sh\necho "[       OK ] one"; echo "[       OK ] two"\n' > "$tmp/two"
printf '#!/bin/sh\necho "[       OK ] one"; echo "[  FAILED  ] x"; echo " 3 FAILED TEST(S)"; exit 3\n' > "$tmp/three"
printf '#!/bin/sh\necho "[       OK ] one"; kill -SEGV $$\n' > "$tmp/crash"
printf '#!/bin/sh\nexit 0\n' > "$tmp/empty"
printf '#!/bin/sh\nsleep 30\n' > "$tmp/hang"
chmod +x "$tmp"/{good.sh,absent.sh,bad.sh,two,three,crash,empty,hang}
last() { "$tools/run_tests.sh" "$@" 2>&1 | tail -n 1 || true; }
same() { [ "$1" = "$2" ] || fail "\"$1\", expected \"$2\""; }
export TEST_TIMEOUT_S=1 V=0
same "$(last "$tmp/good.sh" "$tmp/two")" '3 passed, 0 failed'
same "$(last "$tmp/good.sh" "$tmp/absent.sh")" '1 passed, 0 failed, 1 skipped'
same "$(last "$tmp/two" "$tmp/three" "$tmp/bad.sh")" '3 passed, 4 failed'
same "$(last "$tmp/crash")" '1 passed, 1 failed'
same "$(last "$tmp/empty")" '0 passed, 1 failed'
same "$(last "$tmp/hang")" '0 passed, 1 failed'
"$tools/run_tests.sh" "$tmp/good.sh" > "$tmp/out" || fail 'a good run exits 0'
must_say 'broken here' "$tools/run_tests.sh" "$tmp/bad.sh"
must_say 'killed by signal 11' "$tools/run_tests.sh" "$tmp/crash"
must_say 'stopped after 1 s' "$tools/run_tests.sh" "$tmp/hang"

# --- docs/INVARIANTS.md names tests that are there
named=$(grep -o '`test_[a-z_]*: [a-z_0-9]*`' docs/INVARIANTS.md | tr -d '`' | sed 's/: /:/')
[ "$(wc -w <<< "$named")" -ge 80 ] || fail "INVARIANTS.md names $(wc -w <<< "$named") tests"
for t in $named; do
    grep -q "cmocka_unit_test(${t#*:})" "tests/${t%:*}.c" || fail "INVARIANTS.md: no test $t"
done
