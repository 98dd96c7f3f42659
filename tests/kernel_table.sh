#!/bin/bash
# What each CUDA kernel needs of a multiprocessor, as docs/KERNELS.md has it: registers as ptxas
# says, shared memory as large as the type that its launch names, and how many blocks fit.  Kernels
# without launch bounds, the ones that walk elements, are left out: they fill an SM anyway.
#     kernel_table.sh COMPILE REPORT...
#     COMPILE   how a kernel is compiled for the CPU, to ask for sizes
#     REPORT    FILE.cu.ptxas, what `ptxas -v` said of harness/kernels/cuda/FILE.cu
set -euo pipefail
cd "$(dirname "$0")/.."
compile=$1
shift
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# kernel|arch|registers|static shared bytes
kernels() {
    awk '
    /Compiling entry function/ { split($0, part, "\047"); kernel = part[2]; arch = part[4] }
    / Used [0-9]+ registers/ {
        shared = 0
        for (i = 1; i < NF; i++) {
            if ($i == "Used") registers = $(i + 1)
            if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/) shared = $i
        }
        print kernel "|" arch "|" registers "|" shared
    }' "$1" | c++filt | sed 's/^void //; s/([^|]*)|/|/; s/unsigned short/bf16/g; s/signed char/int8_t/g'
}

# Sizes are those of arrays in an object file: name|threads|bytes.
sizes() {
    local source=$1 name type n=0
    : > "$tmp/names"
    printf '#include "%s"\n' "$source" > "$tmp/sizes.cu"
    while read -r name; do
        type=
        if grep -q SHARED_ALL "$source"; then
            type=${name/_kernel/_shared}
            case $type in *', true>' | *', false>') type="${type%,*}>" ;; esac
        fi
        echo "char threads_$n[N_THREADS], shared_$n[${type:+sizeof($type) + }1];" >> "$tmp/sizes.cu"
        echo "$n|$name" >> "$tmp/names"
        n=$((n + 1))
    done
    $compile -w -c -o "$tmp/sizes.o" "$tmp/sizes.cu"
    nm -S --defined-only "$tmp/sizes.o" | awk '{ print $4 "|" $2 }' > "$tmp/found"
    while IFS='|' read -r n name; do
        threads=$((16#$(sed -n "s/^threads_$n|//p" "$tmp/found")))
        echo "$name|$threads|$((16#$(sed -n "s/^shared_$n|//p" "$tmp/found") - 1))"
    done < "$tmp/names"
}

for report; do
    source=harness/kernels/cuda/$(basename "$report" .ptxas)
    bounded=$(tr '\n' ' ' < "$source" | grep -o '__launch_bounds__(N_THREADS[^)]*) *[a-z_]*' || true)
    [ -n "$bounded" ] || continue
    kernels "$report" | grep "^${bounded##* }[<|]" > "$tmp/kernels"
    sizes "$source" < <(cut -d'|' -f1 "$tmp/kernels" | sort -uV) > "$tmp/sizes"
    awk -F'|' -v file="$(basename "$source")" '
    FNR == NR { threads[$1] = $2; shared[$1] = $3; order[++n] = $1; next }
    { registers[$1, $2] = $3; if (shared[$1] == 0) shared[$1] = $4 }
    # Registers are dealt out 256 at a time to a warp, from a quarter of 65536 each; a block has
    # 1 KiB of shared memory beside its own.
    function blocks(name, arch, shared_of_sm,    warps, by_registers, by_shared, most) {
        warps = threads[name] / 32
        by_registers = 4 * int(16384 / (int((registers[name, arch] * 32 + 255) / 256) * 256))
        most = int(by_registers / warps)
        by_shared = int(shared_of_sm / (shared[name] + 1024))
        if (by_shared < most) most = by_shared
        if (2048 / threads[name] < most) most = int(2048 / threads[name])
        return most < 32 ? most : 32
    }
    END {
        for (i = 1; i <= n; i++) {
            k = order[i]
            printf "| `%s` | %s | %d | %.1f | %d | %d | %d | %d |\n", k, file, threads[k],
                shared[k] / 1024, registers[k, "sm_80"], blocks(k, "sm_80", 167936),
                registers[k, "sm_90"], blocks(k, "sm_90", 233472)
        }
    }' "$tmp/sizes" "$tmp/kernels"
done
