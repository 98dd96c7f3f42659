#!/bin/sh
# Commit traces on the command line: written by a run, replayed by runs and plans, or refused.
set -u
example=$(cd "$(dirname "$0")" && pwd)/traces/sticky-4-threshold.jsonl
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work" || exit 1
bad=0
fail() { echo "FAIL: $*"; bad=1; }
says() { # words of stderr, exit code, command
    words=$1 code=$2; shift 2
    "$REGIME" "$@" > out 2> err; got=$?
    [ "$got" -eq "$code" ] || fail "$*: exit $got, want $code: $(cat err)"
    grep -qF -- "$words" out err || fail "$*: no '$words' in: $(cat out err)"
}
shape="-m tiny-test --decoder block --block-length 4 -p 4"
cell="$shape -n 8 -b 2"

# Decisions of random weights mean nothing, unless a trace makes them.
for s in threshold factor entropy-bound remdm-conf; do
    says "mean nothing on seeded random weights" 2 plan $cell --strategy $s
done
# One run, of which a whole decode is written down; test_traces.c replays.
says "" 0 run $cell --strategy ancestral --steps 6 --db a.db --write-trace a.jsonl
[ "$(grep -c '"phase":"commit"' a.jsonl)" -eq 4 ] || fail "two blocks of two sequences: $(cat a.jsonl)"
says "straggler" 0 report losses --db a.db
says '"strategy":"threshold"' 0 plan $cell --strategy threshold --trace a.jsonl --json
says "--steps" 0 plan $cell --strategy threshold --trace a.jsonl --steps 3

# Verified drafts: which were right is written down and replayed, whoever drafts.
verified="-m tiny-test --decoder ar-verify -p 4 -n 12 -b 2" drafted="$verified --draft-tokens 3"
says "" 0 run $drafted --acceptance 0.5 --draft tiny-25m --draft-layers 1 --db v.db \
    --write-trace v.jsonl
says '"acceptance":null' 0 run $drafted --trace v.jsonl --db w.db --json
forwards() { sqlite3 "$1" "SELECT forwards / samples, tokens_committed / samples, rows / samples
    FROM v_phase WHERE phase = 'verify'"; }
[ "$(forwards v.db)" = "$(forwards w.db)" ] || fail "verify: $(forwards v.db), $(forwards w.db)"
says "want draft-tokens 3 or more" 2 plan $verified --draft-tokens 1 --trace v.jsonl
says "v.jsonl:1: a prefill forward commits position 0" 2 plan $shape -n 12 -b 2 --trace v.jsonl
says "a.jsonl:1: expected one prefill" 2 plan $drafted --trace a.jsonl
says "--acceptance" 0 plan $drafted --trace v.jsonl --acceptance 0.3

# Requests that say where they end: what follows is waste, or is not computed.
line() { echo "{\"request\":$1,\"forward\":$2,\"phase\":\"denoise\",\"committed\":[$3]${4:-}}"; }
{ line 0 0 0,1 ',"eos":1'; line 0 1 2,3; line 0 2 4,5,6,7
  line 1 0 0,1,2,3; line 1 1 5,4 ',"eos":4'; line 1 2 6,7; } > ends.jsonl
says '"forwards":4,"seqs":6,"tokens_past_eos":9,"rows":24,"logit_rows":20,"tokens_committed":7' 0 plan $cell --trace ends.jsonl --json
says '"forwards":4,"seqs":5,"tokens_past_eos":5,"rows":20,"logit_rows":16,"tokens_committed":7' 0 plan $cell --trace ends.jsonl --eos stop --json
says "nothing says where sequences end" 2 plan $cell --eos stop

# What cannot be replayed is refused with its line, and nothing is written.
says "a.jsonl:" 2 plan $shape -n 16 -b 2 --trace a.jsonl
says "too few for a batch of 4" 2 plan $shape -n 8 -b 4 --trace a.jsonl
echo '{"request":0}' > bad.jsonl
says "bad.jsonl:1: key \"forward\" is missing" 2 run $cell --trace bad.jsonl --db none.db
says "nowhere.jsonl" 2 run $cell --trace nowhere.jsonl --db none.db
says "takes revealed positions back" 2 run $cell --strategy remdm-cap --write-trace c.jsonl --db none.db
says "expected a denoiser or ar-verify" 2 run -m tiny-test --decoder ar --write-trace c.jsonl --db none.db
says "none/c.jsonl: No such file" 1 run $cell --write-trace none/c.jsonl --db none.db
says "one cell" 2 run $cell -b 1,2 --write-trace c.jsonl --db none.db
[ ! -e none.db ] && [ ! -e c.jsonl ] || fail "something was written"

# The example of docs/TRACES.md: what an exact process decides, without a model.
on="--decoder block --block-length 8 -p 8 -n 32 --strategy threshold"
says "" 0 quality --process sticky-4 $on -b 4 --threshold 0.6 --samples 4 --db q.db -q \
    --write-trace again.jsonl
cmp -s again.jsonl "$example" || fail "the example is not what its command writes"
says '"forwards":16,"seqs":59' 0 plan -m qwen2.5-0.5b $on -b 4 --trace "$example" --json
says "ancestral" 0 list strategies
exit $bad
