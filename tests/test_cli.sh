#!/bin/bash
# The command line: sentences on stderr, exit codes, and that tables and help agree.
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

# Exit code, the whole of stderr, and nothing on stdout.
refuses() { # CODE SENTENCE ARGS...
    local code=$1 sentence=$2
    shift 2
    "$regime" "$@" > out 2> err
    local rc=$?
    [ $rc -eq "$code" ] || fail "regime $*: exit code $rc, expected $code"
    [ "$(cat err)" = "regime: $sentence" ] || fail "regime $*: said '$(cat err)', expected '$sentence'"
    [ ! -s out ] || fail "regime $*: printed on stdout"
}

# Exit code 0, nothing on stderr, and a text on stdout.
prints() { # TEXT ARGS...
    local text=$1
    shift
    "$regime" "$@" > out 2> err || fail "regime $*: exit code $?"
    [ ! -s err ] || fail "regime $*: said '$(cat err)'"
    grep -qF -- "$text" out || fail "regime $*: no '$text' in: $(head -c 600 out)"
}

# ---- mistakes ----
refuses 2 'expected a verb (regime --help)'
refuses 2 'no verb "plna"; the nearest is "plan" (regime --help)' plna
refuses 2 'expected a verb before "-q" (regime --help)' -q plan
refuses 2 'unknown option "--bacth"; the nearest is "--batch" (regime plan --help)' plan --bacth 3
refuses 2 'unknown option "--bacth"; the nearest is "--batch" (regime plan --help)' plan --bacth=3
refuses 2 'unknown option "-z" (regime plan --help)' plan -z
refuses 2 'list does not take --batch (regime list --help)' list --batch 3
refuses 2 'list does not take --showcmd (regime list --help)' list --showcmd
refuses 2 '--batch: expected a value after it' plan --batch
refuses 2 '--batch: expected a value after it' plan --batch --n-gen 4
refuses 2 '--json takes no value' plan --json=1
refuses 2 '--output: no format "xml"; expected md, csv, json, jsonl or latex' list -o xml
refuses 2 '--db: the value is empty, expected FILE' report --db ''
for verb in quickstart plan verify list compare merge counters; do
    refuses 2 "$verb does not take --db (regime $verb --help)" $verb --db a.db
done
for verb in quickstart plot merge; do
    refuses 2 "$verb does not take --json (regime $verb --help)" $verb --json
    refuses 2 "$verb does not take --output (regime $verb --help)" $verb -o csv
done
refuses 2 'unexpected "b": plan takes one sweep (regime plan --help)' plan a b
refuses 2 'unexpected "x": doctor takes no words without a flag (regime doctor --help)' doctor x
refuses 6 "threads 4096: this process may use $(nproc) CPUs" run --threads 4096
refuses 2 'no device "gpu" (regime list devices)' quickstart --device gpu --out never
[ ! -e never ] || fail 'quickstart: made a folder for a device that is not there'
refuses 2 'no list of "modles"; the nearest is "models" (regime list)' list modles
refuses 2 'list takes one word, not "axes" too' list models axes

refuses 2 'counters: expected list, check, or decode and a file' counters
refuses 2 'counters: expected list, check, or decode and a file' counters list all
refuses 1 'no-such-file: No such file or directory' counters decode no-such-file
prints 'dram__bytes_read.sum' counters list

number='expected a whole number from 1 to 1048576'
refuses 2 "--batch: 0 is too small; $number" plan --batch 0
refuses 2 "--batch: \"-3\" is negative; $number" plan -b -3
refuses 2 "--batch: 2000000 is too large; $number" plan -b 2M
refuses 2 "--batch: \"99999999999999999999\" is too large; $number" plan -b 99999999999999999999
refuses 2 "--batch: \"8-4\" runs backwards; $number" plan -b 8-4
refuses 2 "--batch: the value is empty; $number" plan -b ''
refuses 2 "--batch: \"1-99999\" names more than 10000 values; $number" plan -b 1-99999
refuses 2 '--dtype: "fp16" is not one; expected f32, bf16 or int8' plan --dtype fp16
refuses 2 '--temperature: "inf" is not one; expected a number from 0 to 100' plan --temperature inf
refuses 2 '--model: no model "qwen2.5-05b"; the nearest is "qwen2.5-0.5b" (regime list models)' \
    plan -m qwen2.5-05b
refuses 2 '--model: no model "gpt" (regime list models)' plan -m gpt
refuses 2 '--decoder: no decoder "blok"; the nearest is "block" (regime list decoders)' \
    plan --decoder blok
refuses 2 '--device: no device "gpu"; expected cpu, cuda:N or sim:NAME (regime list devices)' \
    plan --device gpu
refuses 2 'command line: the axes make more than 50000 cells' plan -b 1-1000 -n 1-1000
refuses 2 '--steps: no axis is called "bach"; the nearest is "batch", at column 16 of "block-length / bach"' \
    plan --steps 'block-length / bach'
refuses 2 '--counters: counters are read for a whole command, not for a cell: regime sweep --counters' \
    plan --counters auto
refuses 2 '--counters: "maybe" is none of off|auto|require' run --counters maybe
refuses 2 '--probes: no probe "cupti" (regime list probes)' run -m tiny-test --probes cupti,nvml
refuses 6 'counters are required and cupti-base cannot be read: cupti-base counts on NVIDIA GPUs (cuda:N)' run -m tiny-test --counters require --probes cupti-base

# ---- the decoders are what they are said to be, on this machine ----
"$regime" verify -o csv > verify.csv 2> err || fail "verify: $(cat err)"
[ "$(grep -c ',PASS$' verify.csv)" -ge 16 ] || fail "verify: $(cat verify.csv)"
[ "$(grep -c '^drift,' verify.csv)" -eq 5 ] || fail "verify: $(cat verify.csv)"
# --only: these rows of the whole and no others, the same but for what was timed
untimed() { sed 's/: [0-9.]* times as long.*//' "$1"; }
for only in 'caches cache\|drift' 'tokens tokens' 'times time'; do
    what=${only%% *} rows=${only#* }
    "$regime" verify --only "$what" -o csv > only.csv 2> err || fail "verify --only $what: $(cat err)"
    untimed verify.csv | grep "^check,\|^\($rows\)," > want.txt
    untimed only.csv > got.txt
    cmp -s want.txt got.txt || fail "verify --only $what: $(cat only.csv)"
    [ "$(wc -l < got.txt)" -gt 2 ] || fail "verify --only $what: $(cat only.csv)"
done
refuses 2 'verify: expected at most one model' verify --only caches tiny-test tiny-25m
refuses 2 '--only: "bits" is none of caches|tokens|times' verify --only bits
refuses 2 'verify: expected at most one model' verify tiny-test tiny-25m

# ---- an experiment typed by hand that cannot run is a mistake; one of several is a skip ----
refuses 2 'block: n-prompt 64 + n-gen 63 is not a multiple of block-length 32' plan --decoder block -n 63
refuses 2 'qwen2.5-0.5b has 24 layers; 99 were asked for' plan --layers 99
refuses 2 'batch x (n-depth + n-prompt + n-gen) is 35184372088832 positions; the most is 2147483647' \
    plan -p 16Mi -n 16Mi -b 1Mi
prints '# skipped: block: n-prompt 64 + n-gen 63 is not a multiple of block-length 32' \
    plan --showcmd --decoder ar,block -n 63

# ---- sweep files ----
refuses 2 'no sweep file or built-in sweep "quickstrat"; the nearest is "quickstart" (regime list sweeps)' \
    plan quickstrat
refuses 2 'none.yaml: No such file or directory' plan none.yaml
printf 'name: x\ngroups:\n  - batch: 0\n' > bad.yaml
refuses 2 "bad.yaml:3: batch: 0 is too small; $number" plan bad.yaml
printf 'name: x\ngroups:\n  - batch: [1, 2]\n' > good.yaml
prints 'regime plan --model qwen2.5-0.5b --batch 2 --decoder ar --device sim:a100-80gb' \
    plan good.yaml --showcmd
prints 'regime plan --model tiny-25m --batch 2 --decoder ar --device sim:h200' \
    plan good.yaml --showcmd -m tiny-25m --device sim:h200
"$regime" plan good.yaml --showcmd -b 7 > out
[ "$(grep -c . out)" -eq 1 ] || fail "--batch over a sweep's batch: $(cat out)"

# ---- plan --showcmd prints commands that give the same cells ----
for sweep in $("$regime" list sweeps -o csv | tail -n +2 | cut -d , -f 1); do
    "$regime" plan "$sweep" --device sim:h200 --showcmd | grep '^regime plan ' > commands
    [ -s commands ] || fail "$sweep: no commands"
    # A sample is enough: each command starts the program once.
    awk 'NR % 7 == 1' commands > sample
    while read -r _ verb rest; do
        # shellcheck disable=SC2086
        again=$("$regime" "$verb" $rest --showcmd)
        [ "$again" = "regime $verb $rest" ] || fail "$sweep: $rest became $again"
    done < sample
done

# ---- ways to write an option ----
"$regime" plan --showcmd --batch 4 > want
for way in -b4 -b=4 --batch=4 '-b 4' '--batch 4-4' '-qb4'; do
    # shellcheck disable=SC2086
    "$regime" plan --showcmd $way > out 2>&1
    cmp -s out want || fail "$way: $(cat out)"
done
prints '--batch 2 ' plan --showcmd -b 1 -b 2
"$regime" plan --showcmd --decoder ar --steps 4 > out 2> err
[ "$(cat err)" = 'regime: without effect on these cells: --steps' ] || fail "unused axis: $(cat err)"

"$regime" plan --showcmd --top-p 0.9 > out 2> err
[ "$(cat err)" = 'regime: without effect on these cells: --top-p' ] || fail "top-p: $(cat err)"
"$regime" plan --showcmd quickstart --acceptance 0.9 > out 2> err
[ "$(cat err)" = 'regime: without effect on these cells: --acceptance' ] || fail "sweep: $(cat err)"
prints '--top-p 0.9 ' plan --showcmd --top-p 0.9 --temperature 1

# ---- what was left out is said by reason ----
cat > skips.yaml <<'END'
name: skips
groups:
  - {decoder: block, n-prompt: 64, n-gen: [62, 63, 64], block-length: 32, steps: 4}
  - {decoder: ar, batch: [1, 2, 3, 4], skip: batch > 2}
END
"$regime" plan skips.yaml > out 2> err
[ "$(cat err)" = 'skipped 2 cells like block batch 1: block: n-prompt 64 + n-gen 62 is not a multiple of block-length 32
skipped 2 cells: batch > 2
(-v names each skipped cell)' ] || fail "skips: $(cat err)"
{ printf '\357\273\277'; cat skips.yaml; } > marked.yaml
"$regime" plan marked.yaml > out 2>&1 || fail "a byte order mark: $(cat out)"
"$regime" plan skips.yaml -v > out 2> err
[ "$(grep -c '^regime: debug: skipped ' err)" = 4 ] || fail "skips with -v: $(cat err)"

# ---- a device that is not there leaves no database ----
for verb in run 'sweep quickstart' bound; do
    # shellcheck disable=SC2086
    "$regime" $verb -m tiny-test --device cuda:77 --db none.db > out 2> err
    [ $? -eq 6 ] || fail "$verb on cuda:77: $(cat err)"
    [ ! -e none.db ] || fail "$verb: made a database for a device that is not there"
    rm -f none.db
done

# ---- a data sheet has one memory roof: a model that fits the cache is explained with it ----
prints '| ar ' run -m tiny-test -n 4 --device sim:a100-80gb -q --db sim.db
prints "so the memory roof is still DRAM's" explain last --db sim.db

# ---- help, version, lists ----
prints 'Usage: regime VERB' --help
prints 'Usage: regime VERB' help
for code in 0 1 2 3 4 5 6 7 8 75; do prints "  $(printf '%-3s' $code) " --help; done
for verb in $("$regime" list verbs -o csv | tail -n +2 | cut -d , -f 1); do
    prints "Usage: regime $verb" "$verb" --help
    prints "Usage: regime $verb" help "$verb"
    awk -v v="$verb" 'length($0) > 100 { print v ": line longer than 100: " $0; bad = 1 } END { exit bad }' out ||
        failed=1
done
for axis in $("$regime" list axes -o csv | awk -F , 'NR > 1 && /,yes,/ { print $1 }'); do
    prints "--$axis " plan --help
    # and nothing of it is cut off: every axis ends with its default
    awk -v a="--$axis" '!/^         / { on = $1 == a || $2 == a } on { all = all $0 }
                        END { exit all !~ /default[^)]*\)$/ }' out ||
        fail "help: no default after --$axis"
done
prints 'compiler' --version
for what in verbs devices models decoders axes sweeps backends; do
    prints "{\"$what\":[{" list $what --json
    prints '\begin{tabular}' list $what -o latex
    "$regime" list $what -o jsonl | grep -qv '^{.*}$' && fail "list $what -o jsonl: not one object a line"
done
prints '{"checks":[{"check":"cpu",' doctor --json
for check in driver cupti counters privileges mig persistence dcgm container; do
    grep -qF "{\"check\":\"$check\"," out || fail "doctor says nothing of $check"
done
prints 'database' doctor --db "$dir/x.db"
prints 'No such file or directory' doctor --db "$dir/none/x.db"

# ---- verbose says where, a full disk is an error ----
"$regime" plan -v -b 0 2> err
grep -q '^regime: passed < ' err || fail "plan -v: $(cat err)"
if [ -w /dev/full ]; then
    "$regime" list models > /dev/full 2> err
    rc=$?
    [ $rc -eq 1 ] || fail "list > /dev/full: exit code $rc"
    grep -q '^regime: standard output: ' err || fail "list > /dev/full: $(cat err)"
fi

exit $failed
