#!/bin/bash
# status, merge, export and compare on files that runs have written.
# $REGIME is the program to run.
set -u
regime=$(realpath "${REGIME:-./regime}")
[ -x "$regime" ] || { echo "no program at $regime"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0

fail() { # WHAT...
    echo "FAIL: $*"
    failed=1
}

expect() { # CODE TEXT ARGS...: exit code, and a text on stdout or stderr
    local code=$1 text=$2
    shift 2
    "$regime" "$@" > out 2> err
    local rc=$?
    [ $rc -eq "$code" ] || fail "regime $*: exit code $rc, expected $code: $(cat err)"
    grep -qF -- "$text" out err || fail "regime $*: no '$text' in: $(cat out err)"
}

# Two shards with one cell in common: predictions, which every machine makes alike.
cell="-m tiny-25m -n 4 -p 4 --device sim:a100-80gb -q"
"$regime" run $cell -b 1,2 --db a.db > /dev/null || fail "run a"
"$regime" run $cell -b 2,4 --db b.db > /dev/null || fail "run b"

expect 0 'all.db: 2 new runs from a.db' merge all.db a.db b.db
expect 0 'all.db: 0 new runs from b.db' merge all.db a.db b.db
expect 2 'regime: merge: expected a database to write to and at least one to read from' merge a.db
expect 2 'one twice' merge a.db a.db
expect 7 'none.db' merge a.db none.db

expect 0 '"cells":3,"done":3,"failed":0,"skipped":0' status --db all.db --json
expect 0 '| (flags) |     4 |    3 |       0 |    1 |' status $cell -b 1-8*2 --db all.db
expect 0 '| quickstart-tiny |' status quickstart-tiny --db all.db
expect 7 'none.db' status --db none.db

expect 0 'files/v_run.csv' export --db all.db --out files
for name in run cell forward v_throughput v_pair; do
    [ -s files/$name.csv ] || fail "export: no $name.csv"
done
[ "$(wc -l < files/run.csv)" -eq 5 ] || fail "export: $(wc -l < files/run.csv) lines of run, expected 5"
expect 0 'lines/cell.jsonl' export cell --db all.db --out lines -o jsonl
[ "$(ls lines)" = cell.jsonl ] || fail "export cell wrote $(ls lines)"
[ "$(grep -c '"model":"tiny-25m"' lines/cell.jsonl)" -eq 3 ] || fail "export: $(cat lines/cell.jsonl)"
expect 2 'no table or view "v_rnu"; the nearest is "v_run"' export v_rnu --db all.db --out none
[ ! -e none ] || fail 'export made a folder for a mistake'
expect 1 'folder err/x: Not a directory' export cell --db all.db --out err/x

# Predictions are not measurements.
expect 5 'a.db and b.db have no measured cell in common' compare a.db b.db
expect 2 'regime: compare: expected two databases' compare a.db
expect 2 '--tolerance: "much" is not one; expected a percentage from 0 to 1000' \
    compare a.db b.db --tolerance much

exit $failed
