#!/bin/sh
# A folder's model on the command line: what it runs, stores, tells apart and refuses.
set -u
golden=$(cd "$(dirname "$0")" && pwd)/golden
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work" || exit 1
bad=0
fail() { echo "FAIL: $*"; bad=1; }
says() { # words, exit code, command
    words=$1 code=$2; shift 2
    "$REGIME" "$@" > out 2> err; got=$?
    [ "$got" -eq "$code" ] || fail "$*: exit $got, want $code: $(cat err)"
    grep -qF -- "$words" out err || fail "$*: no '$words' in: $(cat out err)"
}
forwards() { # phase: how many the last run's one decode took
    awk -F, -v p="$1" '{for (i = 1; i <= NF; i++) if ($i == p) print $(i + 1)}' out
}
cp -r "$golden/llama" model
# What the model is sure of decides how many forwards there are, and the plan follows.
says "" 0 run -m ./model -p 6 -n 6 --db a.db -q -o csv --decoder block --block-length 6 \
    --strategy threshold --threshold 0.01,1
[ "$(forwards denoise | xargs)" = "1 6" ] || fail "all are sure enough, then none: $(cat out)"

# Prompts of one's own give other tokens; the last n-prompt are read.
echo "[1,5,17,60,3,3,41]
[9,22,58,13,30,7]" > two.jsonl
echo "[5,17,60,3,3,41]" > one.jsonl
echo "[9,22,58,13,30,7]" > other.jsonl
for at in model moved; do
    echo "name: x
groups:
  - {model: ./$at, n-prompt: 6, n-gen: 6, prompts: [two.jsonl, one.jsonl, other.jsonl]}" > $at.yaml
done
says "" 0 sweep model.yaml --db a.db --json
tokens=$(grep -o '"tokens_sha256":"[0-9a-f]*"' out | sort | uniq -c | awk '{print $1}' | sort | xargs)
[ "$tokens" = "1 2" ] || fail "one prompt twice, another once: $tokens"
# The same model is the same cell, wherever it lies.
mv model moved
says "0 ran, 3 reused" 0 sweep moved.yaml --db a.db

# Two ids end a sequence: the first of the batch at its fifth token of AR, the second at its seventh.
sed 's/"eos_token_id": 2/"eos_token_id": [18, 31]/' "$golden/llama/config.json" > moved/config.json
says "request 0: 1 15 13 26 14 57 | 11 37 15 1 18" 0 generate -m ./moved -p 6 -n 12 -b 2 --eos stop
says "10 tokens in 6 forwards" 0 generate -m ./moved -p 6 -n 12 -b 2 --eos stop
says "" 0 run -m ./moved -p 6 -n 12 -b 2 --eos go-on,stop --db e.db -q
ends=$(sqlite3 e.db "SELECT r.eos, p.phase, p.forwards / p.samples, p.seqs / p.samples,
    p.tokens_committed / p.samples, p.tokens_past_eos / p.samples
    FROM v_phase p JOIN v_run r USING (run_id) ORDER BY 1, 2" | xargs)
[ "$ends" = "|decode|11|22|10|12 |prefill|1|2|2|0 stop|decode|6|10|10|0 stop|prefill|1|2|2|0" ] ||
    fail "forwards, sequences, tokens, tokens past the end: $ends"
sed 's/"eos_token_id": 2/"eos_token_id": [18, 999]/' "$golden/llama/config.json" > moved/config.json
says "eos_token_id: expected an id below" 2 plan -m ./moved -p 6 -n 6
cp "$golden/llama/config.json" moved/config.json

# Predictions need the shape alone.
rm moved/model.safetensors
says "sim:a100-80gb" 0 plan -m ./moved -p 6 -n 6 --decoder ar,block --block-length 6 --json
says "model.safetensors: No such file" 2 run -m ./moved -p 6 -n 6 --db none.db
says "mean nothing on seeded random weights" 2 run -m ./moved --weights seeded --decoder block \
    --block-length 6 --strategy threshold -p 6 -n 6 --db none.db
says "want --model ./FOLDER" 2 run -m tiny-test --weights checkpoint --db none.db
says "no model \"moved\"; the folder of that name is ./moved" 2 run -m moved --db none.db
says "./nowhere/config.json: No such file" 2 run -m ./nowhere --db none.db
says "nothing says where sequences end" 2 plan -m ./moved -p 6 -n 6 --eos stop
run="run -m tiny-test -p 6 -n 6 --db none.db"
says "one.jsonl has 1 prompts, too few for a batch of 2" 2 $run -b 2 --prompts one.jsonl
says "one.jsonl:1: a prompt of 6 tokens; --n-prompt 7" 2 $run -p 7 --prompts one.jsonl
echo "[1,2,3,4,5,6" > bad.jsonl
says "bad.jsonl:1: expected one JSON array of token ids" 2 $run --prompts bad.jsonl
echo "[1,2,3,4,5,-6]" > bad.jsonl
says "bad.jsonl:1: a token id is not a whole number from 0 on" 2 $run --prompts bad.jsonl
echo "[1,2,3,4,5,205]" > bad.jsonl
says "bad.jsonl:1: token 205; the model has 205" 2 $run --prompts bad.jsonl
: > bad.jsonl
says "bad.jsonl:1: no prompts" 2 $run --prompts bad.jsonl
says "none.jsonl: No such file" 2 $run --prompts none.jsonl
says "a process draws its own beginnings" 2 quality --process sticky-4 --decoder ar -p 6 --prompts one.jsonl
[ ! -e none.db ] || fail "something was written"
exit $bad
