#!/bin/bash
# More mistakes in the CUDA kernels that the tests must notice: see test_cuda_mutants.sh.
exec "$(dirname "$0")/test_cuda_mutants.sh" tests/cuda_mutants.txt
