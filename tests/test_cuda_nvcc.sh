#!/bin/bash
# The kernels as nvcc compiled them: for every architecture, without spills; and a kernel that
# would spill, or that nvcc warns of, does not get into a build.
#     CUSIM    folder of the emulated build, beside which nvcc's is
set -euo pipefail
cd "$(dirname "$0")/.."
build=${CUSIM:?folder of the emulated build}
read -r compile < "$build/compile_nvcc" || compile=
[ -n "$compile" ] || { echo 'skipped: this build has no CUDA backend'; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_cuda_nvcc.sh: $*"; exit 1; }

reports=("${build%/cusim}"/{harness/kernels,roofline}/cuda/*.ptxas)
[ ${#reports[@]} -eq "$(ls harness/kernels/cuda/*.cu roofline/cuda/*.cu | wc -l)" ] || fail "${#reports[@]} reports"
tests/check_ptxas.sh "${reports[@]}"
for report in "${reports[@]}"; do
    for arch in sm_80 sm_90; do
        grep -q "for '$arch'" "$report" || fail "$report: nothing for $arch"
    done
done

# The same tests for a GPU are ready, and do nothing where there is none.
if [ ! -e /dev/nvidiactl ]; then
    for program in kernels model matmul attention; do
        out=$("${build%/cusim}/tests/gpu_$program" 2>&1) || fail "gpu_$program: $out"
        case $out in *'no CUDA driver on this machine'*) ;; *) fail "gpu_$program: $out" ;; esac
    done
fi

# Tensor cores, their loads and asynchronous copies are what nvcc makes of cuda_ptx.h: in PTX, and
# in machine code where there is a tool to read it.
words_of() {
    case $1 in
    ptx) echo 'mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32' \
        'ldmatrix.sync.aligned.m8n8.x4.shared.b16' 'cp.async.cg.shared.global.L2::128B' \
        'cp.async.commit_group' 'cp.async.wait_group' ;;
    sass) echo HMMA.16816.F32.BF16 LDSM.16.M88.4 LDGSTS.E.BYPASS.LTC128B.128 LDGDEPBAR ;;
    esac
}
turned_ptx=ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 turned_sass=LDSM.16.MT88.4
to_ptx=$(echo "$compile" | sed 's/-gencode [^ ]*=[^ ]*//g; s/-Xptxas [^ ]*//g')
disassemble=$(command -v cuobjdump || true)
for unit in cuda_matmul_few cuda_matmul_many cuda_attention_fused; do
    $to_ptx -ptx -arch=compute_80 -o "$tmp/$unit.ptx" "harness/kernels/cuda/$unit.cu"
    if [ -n "$disassemble" ]; then
        "$disassemble" -sass "${build%/cusim}/harness/kernels/cuda/$unit.cu.o" > "$tmp/$unit.sass"
    fi
    for kind in ptx sass; do
        [ -e "$tmp/$unit.$kind" ] || continue
        turned=turned_$kind
        [ $unit = cuda_attention_fused ] || turned=
        for word in $(words_of $kind) ${turned:+${!turned}}; do
            grep -qF "$word" "$tmp/$unit.$kind" || fail "$unit: no $word in its $kind"
        done
        ! grep -qE '(ld|st)\.local|[^A-Z](LDL|STL)[^A-Z]' "$tmp/$unit.$kind" ||
            fail "$unit: local memory in its $kind"
    done
done

# What the document says of registers and shared memory, by the compiler it names.
named=$(sed -n 's/.*as nvcc \([0-9]*\.[0-9]*\) .*/\1/p' docs/KERNELS.md)
[ -n "$named" ] || fail 'docs/KERNELS.md names no compiler'
if ${compile%% *} --version | grep -q "release $named,"; then
    tests/kernel_table.sh "$(cat "$build/compile_cu")" \
        "${build%/cusim}"/harness/kernels/cuda/*.ptxas > "$tmp/table"
    sed -n '/^| `.*\.cu |/p' docs/KERNELS.md | diff - "$tmp/table" ||
        fail 'the table of docs/KERNELS.md is not that of tests/kernel_table.sh'
fi

# refused NAME WORD: planted code in $tmp/NAME.cu does not compile, and WORD says why.
refused() {
    local out
    if out=$($compile -c -o "$tmp/planted.o" "$tmp/$1.cu" 2>&1); then fail "$1 was compiled"; fi
    case $out in *"$2"*) ;; *) fail "$1: \"$out\" lacks \"$2\"" ;; esac
}
compile=$(echo "$compile" | sed 's/-gencode arch=compute_9[^ ]*//g') # one is enough here
cat > "$tmp/local.cu" <<'END'
__global__ void local_kernel(float *out, const int *index)
{
    float x[64];
    for (int i = 0; i < 64; i++) x[i] = out[i] * out[i + threadIdx.x];
    out[threadIdx.x] = x[index[threadIdx.x]];
}
END
refused local 'Local memory'
cat > "$tmp/spills.cu" <<'END'
__global__ void __launch_bounds__(1024, 2) spill_kernel(float *out, int n)
{
    float x[80];
#pragma unroll
    for (int i = 0; i < 80; i++) x[i] = out[i * n];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 80; i++) out[i * n] = x[79 - i] * x[i];
}
END
refused spills 'spill'
echo '__global__ void unused_kernel(float *out) { int never; out[0] = 1; }' > "$tmp/warns.cu"
refused warns 'never'

# The script behind it, on made-up reports.
cat > "$tmp/good" <<'END'
ptxas info    : Compiling entry function '_Z1kPf' for 'sm_80'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
END
tests/check_ptxas.sh "$tmp/good" || fail 'a kernel without spills is fine'
sed 's/0 bytes spill stores/8 bytes spill stores/' "$tmp/good" > "$tmp/bad"
out=$(tests/check_ptxas.sh "$tmp/bad") && fail 'spills passed'
case $out in *'_Z1kPf sm_80'*'8 bytes spill stores'*) ;; *) fail "\"$out\"" ;; esac
: > "$tmp/empty"
out=$(tests/check_ptxas.sh "$tmp/empty") && fail 'no kernel passed'
exit 0
