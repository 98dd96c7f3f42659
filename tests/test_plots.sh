#!/bin/bash
# regime plot: from a database to files, and every way it can fail with its exit code.
# $REGIME is the program to run.
set -u
regime=$(realpath "${REGIME:-./regime}")
[ -x "$regime" ] || { echo "no program at $regime"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
unset REGIME_DB
failed=0

fail() { # WHAT...
    echo "FAIL: $*"
    failed=1
}

# Exit code and all of stderr; nothing on stdout.
refuses() { # CODE SENTENCE ARGS...
    local code=$1 sentence=$2
    shift 2
    "$regime" "$@" > out 2> err
    local rc=$?
    [ $rc -eq "$code" ] || fail "regime $*: exit code $rc, expected $code"
    [ "$(cat err)" = "regime: $sentence" ] || fail "regime $*: said '$(cat err)'"
    [ ! -s out ] || fail "regime $*: printed on stdout"
}

names='roofline, intensity-batch, throughput, break-even, regime, breakdown, speed-at-quality, gaussian, model-vs-counter, roofline-levels, executed-vs-algorithmic, elasticity, or all'
refuses 2 "plot: expected one figure or all (regime list figures)" plot
refuses 2 "plot: expected one figure or all (regime list figures)" plot roofline regime
refuses 2 "no figure \"rooflin\"; the nearest is \"roofline\" ($names)" plot rooflin
refuses 7 'cannot read ./regime.db: No such file or directory' plot roofline

# A plan on a machine nobody has: two decoders, no GPU needed.
"$regime" run --device sim:a100-80gb -m qwen2.5-0.5b --decoder ar,block -b 1,8 -p 32 -n 32 \
    --block-length 8 --steps 2 --db plan.db > out 2> err || fail "run: $(cat err)"

# Without gnuplot: exit code 6, one sentence, and the data of every figure.
mkdir bin
PATH=$dir/bin "$regime" plot all --db plan.db --out bare > out 2> err
rc=$?
[ $rc -eq 6 ] || fail "without gnuplot: exit code $rc, expected 6"
grep -q '^regime: gnuplot not found: data, script and caption are in bare; install gnuplot-nox to draw them$' err ||
    fail "without gnuplot: said '$(cat err)'"
for kind in roofline intensity-batch throughput regime breakdown; do
    for ending in tsv gp txt; do
        [ -s "bare/$kind-a100-80gb.$ending" ] || fail "without gnuplot: no $kind.$ending"
    done
done
[ "$(sort out)" = "$(ls -d bare/* | sort)" ] || fail 'the files printed are not those written'
[ -z "$(ls bare | grep -E 'pdf|svg|png')" ] || fail 'pictures without gnuplot'

touch file
refuses 1 'file is not a folder' plot roofline --db plan.db --out file
refuses 1 'folder file/x: Not a directory' plot roofline --db plan.db --out file/x

if command -v gnuplot > /dev/null; then
    "$regime" plot roofline --db plan.db > out 2> err || fail "plot: $(cat err)"
    [ "$(wc -l < out)" -eq 6 ] || fail "plot roofline wrote $(wc -l < out) files"
    while read -r f; do [ -s "$f" ] || fail "$f is empty or missing"; done < out
    head -c 5 figures/roofline-a100-80gb.pdf | grep -q '%PDF-' || fail 'no PDF'
    head -c 4 figures/roofline-a100-80gb.png | grep -qa 'PNG' || fail 'no PNG'
    # By hand, after a look at the data: the same picture.
    cp figures/roofline-a100-80gb.svg before.svg
    rm figures/roofline-a100-80gb.svg
    (cd figures && gnuplot roofline-a100-80gb.gp) || fail 'the script does not run by hand'
    cmp -s before.svg figures/roofline-a100-80gb.svg || fail 'drawn by hand it is another picture'
fi
exit $failed
