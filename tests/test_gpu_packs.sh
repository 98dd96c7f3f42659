#!/bin/bash
# What `make gpu-check` once left of a GPU, in docs/gpu/CARD-DATE: this program still reads the
# database, and decodes every counter image that CUPTI wrote, where its host library is.
#     GPU_PACKS=DIR   other packs than those of docs/gpu
set -euo pipefail
cd "$(dirname "$0")/.."
regime=${REGIME:?the program}
packs=${GPU_PACKS:-docs/gpu}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_gpu_packs.sh: $*"; exit 1; }

n=0 images=0 undecoded=0
for report in "$packs"/*/report.md; do
    [ -e "$report" ] || continue
    pack=${report%/report.md} n=$((n + 1))
    # A copy: opening an older database for writing brings it to this program's version.
    cp "$pack/gpu-check.db" "$tmp/pack.db" || fail "$pack: no gpu-check.db"
    "$regime" merge "$tmp/all.db" "$tmp/pack.db" -q > /dev/null || fail "$pack: its database is not read"
    for image in "$pack"/counters/*.counters; do
        [ -e "$image" ] || continue
        rc=0
        "$regime" counters decode "$image" -o csv > "$tmp/decoded" 2> "$tmp/why" || rc=$?
        case $rc in
        0) [ "$(wc -l < "$tmp/decoded")" -gt 1 ] || fail "$image: decodes to nothing" ;;
        6) undecoded=$((undecoded + 1)) ;; # no CUPTI here, or another version of it
        *) fail "$image: $(cat "$tmp/why")" ;;
        esac
        images=$((images + 1))
    done
done
if [ $n -eq 0 ]; then
    echo "no pack in $packs yet: nothing has run on a GPU"
    exit 0
fi
echo "$n packs read, $((images - undecoded)) of $images counter images decoded"
