#!/bin/bash
# Everything `make gpu-check` needs in one folder: the program, the tests for a GPU, the scripts and the
# shared libraries they ask for but for those of the C library and NVIDIA's, so that a GPU machine
# without compilers, packages or a network can run it: FOLDER/gpu-check.
#     gpu_bundle.sh REASON REGIME TESTS FOLDER
#     REASON    why this build has no CUDA backend; empty when it has one
set -euo pipefail
why=$1 regime=$2 tests=$3 to=$4
[ -z "$why" ] || { echo "gpu-bundle: nothing to bring along: $why. (exit code 6)" >&2; exit 6; }
rm -rf "$to"
mkdir -p "$to"/{bin,lib,tests,docs/beside}
cp "$regime" "$tests"/gpu_{kernels,model,matmul,attention,graph} "$to/bin"
cp tests/gpu_check.sh tests/gpu_ncu.sh "$to/tests"
cp docs/beside/forward_torch.py "$to/docs/beside"
strip --strip-debug "$to"/bin/*
# NAME => FILE; those of the C library belong to the machine.
ldd "$to"/bin/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|ld-linux[^/]*)\.so' |
    while read -r library; do cp -L "$library" "$to/lib"; done
cat > "$to/gpu-check" <<'END'
#!/bin/bash
# make gpu-check, brought along; results are left in docs/gpu beside this file, or in GPU_OUT.
cd "$(dirname "$(realpath "$0")")" || exit 1
export LD_LIBRARY_PATH=$PWD/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
exec tests/gpu_check.sh '' bin/regime bin
END
chmod +x "$to/gpu-check"
echo "gpu-bundle: $to ($(du -sm "$to" | cut -f 1) MB); run its gpu-check on the GPU machine"
