#!/bin/bash
# The tests of the CUDA kernels must notice mistakes: plant one at a time in a copy of a source,
# build the test program with it and require that it fails and says why.
#     test_cuda_mutants.sh [FILE]    FILE: other mutants than the ones below
#     CUSIM    folder of the emulated build
set -euo pipefail
cd "$(dirname "$0")/.."
build=${CUSIM:?folder of the emulated build}
cuda=harness/kernels/cuda

[ -z "${SAN:-}" ] || { echo 'skipped: a sanitizer build, which has no emulator'; exit 77; }
for program in kernels model graph matmul attention tiles; do
    [ -e "$build/tests/test_cuda_$program.c.o" ] || { echo 'skipped: test_cuda_* are not built'; exit 77; }
done
[ -e "$build/$cuda/cuda_add.cu.o" ] || { echo 'skipped: no emulator on this machine'; exit 77; }

# name | file changed | unit compiled | sed script | program | its tests | what it has to say
mutants() {
    cat <<'END'
no_barrier_in_a_sum|cuda_device.h|cuda_rmsnorm.cu|/block_sum(float/,/^}/{/part\[/,/v = 0;/s/__syncthreads();//}|kernels|threads_in_turn*|uninitialised|race
no_barrier_after_a_sum|cuda_device.h|cuda_rowstat.cu|/block_sum(float/,/^}/{/v += part/,/return/s/__syncthreads();//}|kernels|threads_in_turn*|race
norm_goes_past_the_row|cuda_rmsnorm.cu|cuda_rmsnorm.cu|s/i < d;/i <= d;/|kernels|threads_in_turn*|rmsnorm
one_key_too_many|cuda_attention.cu|cuda_attention.cu|s/key < at.n_visible/key <= at.n_visible/|kernels|threads_in_turn*|attention h
last_key_unseen|cuda_attention.cu|cuda_attention.cu|s/key < at.n_visible/key < at.n_visible - 1/|kernels|threads_in_turn*|attention h
every_row_sees_all|cuda_ops.c|cuda_ops.c|s/span_visible(s, r)/s->n_visible/|kernels|threads_in_turn*|attention h
block_mask_is_causal|cuda_ops.c|cuda_ops.c|s/span_visible(s, r)/(s->mask == MASK_FULL ? s->n_visible : s->pos0 + r + 1)/|model|logits*|mask 2
no_barrier_before_merging_warps|cuda_attention.cu|cuda_attention.cu|s/__syncthreads();//|kernels|threads_in_turn*|uninitialised
heads_share_the_wrong_keys|cuda_attention.cu|cuda_attention.cu|s/head \* a.hk \/ a.h/head % a.hk/|kernels|threads_in_turn*|attention h
sum_keeps_its_old_maximum|cuda_attention.cu|cuda_attention.cu|s/p->sum \*= shrink;//|kernels|threads_in_turn*|attention h
keys_stored_one_further|cuda_kv_store.cu|cuda_kv_store.cu|s/cap + at.pos/cap + at.pos + 1/|kernels|threads_in_turn*|kv_store
turned_the_other_way|cuda_rope.cu|cuda_rope.cu|s/c\[w\] - b/c[w] + b/|kernels|threads_in_turn*|rope
wide_reads_off_16_bytes|cuda_device.h|cuda_rmsnorm.cu|s/(uintptr_t)t.data % 16 == 0 \&\&//|kernels|views*|trap
bias_of_another_row|cuda_copy.cu|cuda_copy.cu|s/from.n_dim == 1 ? 0 : //|kernels|threads_in_turn*|out of bounds
ties_go_to_the_highest|cuda_rowstat.cu|cuda_rowstat.cu|s/b.id < a.id/b.id > a.id/|kernels|ties*|FAILED
mask_id_is_chosen|cuda_rowstat.cu|cuda_rowstat.cu|s/ \&\& id != rule->mask_id//|kernels|ties*|FAILED
mask_id_is_drawn|cuda_rowstat.cu|cuda_rowstat.cu|/gumbel(words/,/sampled = /s/allowed(&a.rule, id + i)/id + i < a.rule.n_ids/|kernels|sampling*|FAILED
position_and_step_swapped|cuda_rowstat.cu|cuda_rowstat.cu|s/key.position, key.step/key.step, key.position/|kernels|threads_in_turn*|rowstat
entropy_of_the_wrong_maximum|cuda_rowstat.cu|cuda_rowstat.cu|s/s.weighted + shift \* s.sum/s.weighted/|kernels|threads_in_turn*|entropy
staging_buffer_overwritten|cuda_memory.c|cuda_memory.c|s/TRY(cuda_check(cudaEventSynchronize(s->copied).*/;/|graph|staged*|FAILED
staged_under_a_waiting_call|cuda_memory.c|cuda_memory.c|s/if (s->awaited) .*/;/|graph|staged*|FAILED
graph_of_other_calls|cuda_graph.c|cuda_graph.c|s/g->hash != c->pending_hash/0/;s/memcmp(g->call.* != 0/0/|graph|graphs*|FAILED|not the same
pinned_piece_filled_too_early|cuda_load.c|cuda_load.c|/EventSynchronize/d|kernels|large*|row
results_read_too_early|cuda_ops.c|cuda_ops.c|s/TRY(cuda_sync(c));//|kernels|ties*|FAILED
ring_read_before_the_warp_met|cuda_matmul_few.cu|cuda_matmul_few.cu|s/__syncwarp();//|matmul|products*|race|uninitialised
copies_of_one_step_not_waited_for|cuda_matmul_few.cu|cuda_matmul_few.cu|s/wait<STAGES - 2>/wait<STAGES - 1>/|matmul|products*|async copy
last_part_of_k_forgotten|cuda_matmul_few.cu|cuda_matmul_few.cu|s/p < N_PARTS; p/p < N_PARTS - 1; p/|matmul|products*|k 512
fragment_of_another_column|cuda_tile.h|cuda_matmul_few.cu|s/4 \* pair + lane \/ 8/4 * pair + lane \/ 16/|matmul|products*|n 1 m
mask_ends_one_key_late|cuda_attention_fused.cu|cuda_attention_fused.cu|s/key < seen/key <= seen/|attention|attention*|blocks of
scores_read_before_they_are_there|cuda_attention_fused.cu|cuda_attention_fused.cu|s/^            __syncthreads();//|attention|attention*|uninitialised|race
last_chunk_not_merged|cuda_attention_merge.cu|cuda_attention_merge.cu|s/n_visible + CUDA_CHUNK - 1/n_visible/|attention|attention*|share keys
keys_nobody_sees_are_read|cuda_attention_fused.cu|cuda_attention_fused.cu|s/a.keys + at, D, n_keys - key, D/a.keys + at, D, KEYS, D/|attention|keys*|test_cuda_attention.c
END
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# One mutant; a line on stderr and a non-zero status when nothing notices it.
try() {
    local IFS='|' name file unit script program filter words out object
    read -r name file unit script program filter words <<< "$1"
    local dir=$tmp/$name source=$cuda/$unit
    mkdir -p "$dir/$cuda"
    sed -e "$script" "$cuda/$file" > "$dir/$cuda/$file"
    if cmp -s "$cuda/$file" "$dir/$cuda/$file"; then
        echo "$name: the script changes nothing in $file"
        return 1
    fi
    [ "$file" != "$unit" ] || source=$dir/$cuda/$file
    IFS=' '
    local compile link
    case $unit in
    *.c) compile=$(cat "$build/compile_c") ;;
    *) compile=$(cat "$build/compile_cu") ;;
    esac
    object=$build/$cuda/$unit.o
    # The mutant's folder first, so that a changed header is found there.
    ${compile/ -I/ -I$dir -I} -Wno-error -w -c -o "$dir/unit.o" "$source"
    link=$(cat "$build/link")
    ${link/ $object / $dir/unit.o } "$build/tests/test_cuda_$program.c.o" -o "$dir/test" 2>&1
    if out=$(timeout 120 "$dir/test" "$filter" 2>&1); then
        echo "$name: no test noticed"
        return 1
    fi
    while [ -n "$words" ]; do
        case $out in *"${words%%|*}"*) return 0 ;; esac
        case $words in *'|'*) words=${words#*|} ;; *) words= ;; esac
    done
    echo "$name: failed without saying why: $out"
    return 1
}

# Two at a time.
status=0 n=0
if [ $# -gt 0 ]; then mapfile -t list < "$1"; else mapfile -t list < <(mutants); fi
for ((i = 0; i < ${#list[@]}; i += 2)); do
    pids=()
    for m in "${list[@]:i:2}"; do
        try "$m" & pids+=($!)
    done
    for pid in "${pids[@]}"; do
        n=$((n + 1))
        wait "$pid" || status=1
    done
done
[ "$n" -ge 26 ] || { echo "test_cuda_mutants.sh: only $n mutants ran"; status=1; }
exit $status
