#!/bin/bash
# Kill a sweep at 20 random moments: the database stays whole, no finished run is lost, none is run
# twice.
set -eu
db=$(mktemp -d)/k.db
trap 'rm -rf "$(dirname "$db")"' EXIT
sql() { sqlite3 -readonly "$db" "$1"; }
finished() { [ -s "$db" ] && sql "SELECT run_id FROM run WHERE status = 'ok' ORDER BY run_id" || true; }

RANDOM=${SEED:-7}
before=$(finished)
for i in $(seq 20); do
    "$REGIME" sweep quickstart-tiny --db "$db" -q > /dev/null 2>&1 &
    pid=$!
    # From before the database exists to well into the second group.
    sleep "$(printf '%d.%03d' $((RANDOM % 5)) $((RANDOM % 1000)))"
    kill -9 $pid 2> /dev/null || true
    wait $pid 2> /dev/null || true
    [ ! -s "$db" ] || [ "$(sql 'PRAGMA integrity_check')" = ok ] || { echo "kill $i: database damaged"; exit 1; }
    after=$(finished)
    lost=$(comm -23 <(echo "$before") <(echo "$after") | grep . || true)
    [ -z "$lost" ] || { echo "kill $i: lost run $lost"; exit 1; }
    before=$after
done
"$REGIME" sweep quickstart-tiny --db "$db" -q > /dev/null
[ "$(sql 'PRAGMA integrity_check')" = ok ]
twice=$(sql "SELECT COUNT(*) FROM (SELECT cell_id FROM run WHERE status = 'ok' GROUP BY cell_id HAVING COUNT(*) > 1)")
left=$(sql "SELECT COUNT(*) FROM v_run WHERE status <> 'ok'")
cells=$("$REGIME" plan quickstart-tiny --showcmd --device cpu | grep -cv '^#')
runs=$(sql "SELECT COUNT(*) FROM run WHERE status = 'ok'")
echo "$runs runs of $cells cells, $twice twice, $left not ok"
[ "$twice" = 0 ] && [ "$left" = 0 ] && [ "$runs" = "$cells" ]
