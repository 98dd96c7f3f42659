#!/bin/bash
# Claims and reports from the command line: what a plan decides, what a database of timed runs
# decides, that doctored rows fail and disturbed ones decide nothing.  $REGIME is the program.
set -u
regime=${REGIME:-./regime}
doc=$(realpath "$(dirname "$0")/../docs/CLAIMS.md")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0
command -v sqlite3 > /dev/null || { echo 'SKIPPED: no sqlite3'; exit 77; }

fail() { # WHAT...
    echo "FAIL: $*"
    failed=1
}

# A value of the claims in a file, by SQL over its array: v is the claim.
claim() { # FILE EXPRESSION WHERE
    sqlite3 :memory: "SELECT $2 FROM (SELECT value AS v FROM json_each(readfile('$1'), '\$.claims')) WHERE $3"
}
is() { # WHAT GOT EXPECTED
    [ "$2" = "$3" ] || fail "$1: $2, expected $3"
}
# Verdict of a claim on a device.
verdict() { # FILE ID DEVICE
    claim "$1" "v->>'verdict'" "v->>'id' = '$2' AND v->>'device' = '$3'"
}

# ---- plans alone ----
"$regime" claims --json --db none.db > plan.json 2> err || fail "claims: exit code $?"
grep -q '^no database none.db' err || fail "claims without a database said '$(cat err)'"
a100=sim:a100-80gb
is 'claims named' "$(claim plan.json "COUNT(DISTINCT v->>'id')" 1)" 36
for id in C01 C02 C04 C05 C06 C07 C08 C09 C10 C14 C18 C19 C21 C32 C33 C35; do
    is "$id planned" "$(verdict plan.json $id $a100)" PASS
    is "$id evidence" "$(claim plan.json "v->>'evidence'" "v->>'id' = '$id'")" analytic
done
for id in C03 C11 C12 C13 C15 C16 C17 C20 C31; do
    is "$id planned" "$(verdict plan.json $id $a100)" NOT-RUN
    claim plan.json "v->>'reason'" "v->>'id' = '$id'" | grep -q '^only a clock' || fail "$id says not why"
done
is 'measured by a plan' "$(claim plan.json 'COUNT(*)' "v->>'measured' IS NOT NULL")" 0
is 'timing without a clock' "$(claim plan.json 'COUNT(*)' "v->>'evidence' = 'timing'")" 0
is 'decided without numbers' "$(claim plan.json 'COUNT(*)' \
    "v->>'verdict' IN ('PASS', 'FAIL') AND json_array_length(v->'questions') = 0")" 0
is 'the sentence' "$(sqlite3 :memory: "SELECT readfile('plan.json')->>'\$.summary.analytic.contradict'")" \
    "$(claim plan.json "COUNT(DISTINCT v->>'id')" "v->>'direction' = '-' AND v->>'verdict' = 'PASS' AND v->>'evidence' = 'analytic'")"

# Every claim of the program is told, with its direction.
claim plan.json "(v->>'id') || coalesce(' ' || (v->>'part'), '') || '|' || (v->>'direction')" 1 | sort -u > told
is 'claims to tell' "$(wc -l < told)" 42
while IFS='|' read -r id direction; do
    grep -q "^| ${id%% ??*} | $direction |" "$doc" || fail "docs/CLAIMS.md does not tell $id ($direction)"
done < told

# The command given as evidence plans the numbers again: FLOPs over bytes of the first question.
$regime $(claim plan.json "v->>'evidence_command'" "v->>'id' = 'C01'" | head -n 1 | cut -d ' ' -f 2-) \
    --json > again.json || fail 'the evidence command fails'
is 'planned again' "$(sqlite3 :memory: "SELECT printf('%.12g', p.value->>'flop' * 1.0 / (p.value->>'bytes_dram'))
    FROM json_each(readfile('again.json'), '\$.cells[0].phases') p WHERE p.value->>'phase' = 'decode'")" \
    "$(claim plan.json "printf('%.12g', v->>'\$.questions[0].analytic')" "v->>'id' = 'C01'")"

# Other devices, formats, and a sweep of one's own that cannot decide much.
"$regime" claims -q --db none.db --device sim:h100-sxm,sim:h200 -o csv > two.csv || fail 'two devices'
is 'ridges' "$(grep ^C02 two.csv | cut -d, -f 4,5 | tr '\n' ' ')" 'sim:h100-sxm,PASS sim:h200,PASS '
"$regime" claims -q --db none.db -o jsonl > c.jsonl || fail 'jsonl'
is 'lines' "$(wc -l < c.jsonl)" "$(claim plan.json 'COUNT(*)' 1)"
"$regime" claims -q --db none.db | grep -q '^## sim:a100-80gb, planned: nothing here was measured' ||
    fail 'Markdown does not say that it is planned'
printf 'name: one\ndefaults: {model: llama3-8b, dtype: bf16, n-prompt: 256, n-gen: 256}\ngroups:\n  - decoder: diffusion\n    steps: 256\n' > one.yaml
"$regime" claims -q --db none.db one.yaml --json > one.json || fail 'a sweep of its own'
is 'C09 without ar' "$(verdict one.json C09 $a100)" INCONCLUSIVE
is 'C01 without ar' "$(verdict one.json C01 $a100)" NOT-RUN
"$regime" claims -q --db none.db --device cpu 2> err && fail 'claims planned the cpu'

# ---- a database of timed runs, made of a plan whose times become measured ones ----
cat > made.yaml <<'END'
name: made
defaults: {model: llama3-8b, dtype: bf16, device: sim:a100-80gb, n-prompt: 256, n-gen: 256, seed: 1}
pair: {axis: decoder, baseline: ar}
groups:
  - {decoder: ar, batch: 1-64*2}
  - {decoder: block, batch: 1-64*2, block-length: 16, steps: block-length / 4}
  - {decoder: diffusion, batch: [1, 8], steps: [128, 256]}
END
"$regime" sweep -q made.yaml --db made.db > /dev/null || fail 'storing plans'
# Without what is computed, and without the key, which is given anew.
columns=$(sqlite3 made.db "SELECT group_concat(name, ', ') FROM pragma_table_info('forward') WHERE pk = 0")
sqlite3 made.db <<END
PRAGMA foreign_keys = OFF;
UPDATE device SET kind = 'cuda', device = 'cuda:0', host_id = (SELECT host_id FROM host);
DELETE FROM forward_op;
CREATE TEMP TABLE one AS SELECT $columns FROM forward;
DELETE FROM forward;
UPDATE one SET time_ns = CAST(predicted_datasheet_ns / forwards AS INTEGER),
    flop_matmul = flop_matmul / forwards, flop_attention = flop_attention / forwards,
    bytes_dram = bytes_dram / forwards, bytes_dram_lo = bytes_dram_lo / forwards,
    bytes_dram_hi = bytes_dram_hi / forwards, bytes_weight = bytes_weight / forwards,
    tokens_committed = tokens_committed / forwards, logit_rows = logit_rows / forwards,
    predicted_datasheet_ns = predicted_datasheet_ns / forwards, sample = 1;
CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 256) SELECT i FROM n;
CREATE TEMP TABLE more AS SELECT one.*, n.i, 'decode' AS as_kind FROM one JOIN n ON n.i <= one.forwards
    UNION ALL SELECT one.*, n.i, 'pinned' FROM one JOIN n ON n.i <= 20;
UPDATE more SET seq = i, kind = as_kind, forwards = 1;
ALTER TABLE more DROP COLUMN i;
ALTER TABLE more DROP COLUMN as_kind;
INSERT INTO forward ($columns) SELECT * FROM more;
END
# A pinned time as long as the mean one, so that only what is doctored below decides.
timed() { # FILE: claims of made.db
    "$regime" claims -q --db made.db --json > "$1" || fail "claims of timed runs: exit code $?"
}
timed t.json
for id in C03 C07 C11 C12 C16 C17; do
    is "$id timed" "$(verdict t.json $id cuda:0)" PASS
    is "$id evidence" "$(claim t.json "v->>'evidence'" "v->>'id' = '$id' AND v->>'device' = 'cuda:0'")" timing
done
is 'C08 timed' "$(verdict t.json C08 cuda:0)" INCONCLUSIVE # 512 positions are not short
is 'C10 timed' "$(verdict t.json C10 cuda:0)" INCONCLUSIVE # one model
is 'C09 counted' "$(claim t.json "v->>'evidence'" "v->>'id' = 'C09' AND v->>'device' = 'cuda:0'")" analytic
is 'measured and analytic' "$(claim t.json 'COUNT(*)' "v->>'measured' IS NOT NULL AND v->>'analytic' IS NOT NULL")" 0
claim t.json "v->>'evidence_sql'" "v->>'id' = 'C12' AND v->>'device' = 'cuda:0'" > q.sql
is 'rows of evidence' "$(sqlite3 made.db < q.sql | cut -d'|' -f 1,3 | sort | uniq -c | tr -s ' ' | tr '\n' ';')" \
    ' 1 ar|1; 1 ar|8; 2 diffusion|1; 2 diffusion|8;'

doctor() { # SQL ID VERDICT
    cp made.db kept.db
    sqlite3 made.db "$1"
    timed d.json
    is "$2 after '$1'" "$(verdict d.json "$2" cuda:0)" "$3"
    mv kept.db made.db
}
of() { # DECODER [BATCH]
    echo "run_no IN (SELECT r.run_no FROM run r JOIN cell c USING (cell_id) WHERE c.decoder = '$1' AND c.batch_seqs = ${2:-c.batch_seqs})"
}
doctor "UPDATE forward SET time_ns = 2 * time_ns WHERE $(of ar 1)" C03 FAIL
doctor "UPDATE forward SET time_ns = 3 * time_ns WHERE $(of diffusion 1)" C07 FAIL
doctor "UPDATE forward SET time_ns = time_ns / 4 WHERE $(of diffusion 1)" C11 FAIL
doctor "UPDATE forward SET time_ns = time_ns / 2 WHERE $(of diffusion 8)" C12 FAIL
doctor "UPDATE forward SET time_ns = 2 * time_ns WHERE $(of block 1)" C16 FAIL
doctor "UPDATE forward SET flop_matmul = 2 * flop_matmul WHERE $(of diffusion)" C09 FAIL
doctor "UPDATE forward SET bytes_dram = 2 * bytes_dram WHERE $(of ar 1)" C01 FAIL
doctor "UPDATE forward SET time_ns = time_ns * (1 + seq % 2) WHERE $(of diffusion)" C12 INCONCLUSIVE
doctor "UPDATE run SET cache_resident = 1" C03 INCONCLUSIVE
doctor "DELETE FROM forward WHERE $(of ar) AND seq > 9" C03 INCONCLUSIVE
doctor "UPDATE run SET threads = 2; UPDATE forward SET other_cpus = 1; UPDATE invocation SET n_cpus = 2" C12 INCONCLUSIVE
doctor "DELETE FROM forward WHERE $(of diffusion)" C07 NOT-RUN

# ---- reports ----
"$regime" report --db made.db > report.md || fail "report: exit code $?"
for heading in Throughput 'Matched pairs' Roofline 'Prediction error'; do
    grep -q "^## $heading" report.md || fail "report without $heading"
done
grep -q '^## Ceilings' report.md && fail 'a report of roofs that nobody measured'
# Times were set to the predictions, whole nanoseconds.
is 'prediction error' "$("$regime" report prediction --db made.db -o csv | awk -F, '/datasheet,all/ {print ($5 < 1e-6)}')" 1
"$regime" report --db made.db --json > report.json || fail 'report --json'
is 'rows of a view' "$("$regime" report v_run --db made.db -o csv | tail -n +2 | wc -l)" \
    "$(sqlite3 made.db 'SELECT COUNT(*) FROM v_run')"
is 'integers' "$(sqlite3 :memory: "SELECT json_type(readfile('report.json'), '\$.throughput[0].batch')")" integer
is 'columns' "$("$regime" report v_pair --db made.db -o csv | head -n 1)" \
    "$(sqlite3 -header -csv made.db 'SELECT * FROM v_pair LIMIT 1' | head -n 1 | tr -d '\r')"
"$regime" report --db made.db -o latex | grep -q 'begin{tabular}' || fail 'report -o latex'
"$regime" report --db made.db -o jsonl | grep -q '^{"table":"pairs",' || fail 'report -o jsonl'

says() { # CODE SENTENCE ARGS...
    local code=$1 sentence=$2
    shift 2
    "$regime" "$@" > out 2> err
    is "exit code of regime $*" $? "$code"
    is "regime $*" "$(cat err)" "regime: $sentence"
}
says 2 'no view "v_pairs"; the nearest is "v_pair" (regime list views)' report v_pairs --db made.db
says 2 'report: expected one view, not "b" too' report a b --db made.db
says 2 'csv holds one table: name throughput, pairs, roofline, losses, ceilings, kernels, matmuls, prediction or a view (regime list views)' \
    report --db made.db -o csv
"$regime" report --db none.db > out 2> err
is 'report of nothing' $? 7
"$regime" sweep -q one.yaml --device sim:a100-80gb --db empty.db > /dev/null
sqlite3 empty.db 'PRAGMA foreign_keys = OFF; DELETE FROM run; DELETE FROM forward; DELETE FROM forward_op; DELETE FROM price'
is 'an empty database' "$("$regime" report --db empty.db)" \
    'empty.db holds nothing yet: regime sweep, run or ceilings fills it.'
exit $failed
