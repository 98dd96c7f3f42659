# Regime.  `make help` lists the targets and settings, `make config` what was found.

CONFIG    ?= release## release, or debug (-O0)
SAN       ?=## sanitizers, e.g. address,undefined; builds in a folder of its own
CUDA      ?= auto## auto, 1 or 0: the CUDA backend
CUDA_HOME ?= /usr/local/cuda## where nvcc and its headers are
CUDA_ARCH ?= 80 90## compute capabilities to compile for
WERROR    ?= 1## 0: warnings are only warnings
V         ?= 0## 1: print whole commands and whole test outputs
T         ?=## check and check-slow: only tests whose name contains this
TINY      ?=## quickstart: 1 runs the smallest sweep that still shows every part
PREFIX    ?= /usr/local## install: where bin/ and share/ are
DESTDIR   ?=## install: put before PREFIX, for packagers

comma  := ,
config := $(strip $(CONFIG))
san    := $(strip $(SAN))
BUILD  ?= build/$(config)$(if $(san),-$(subst $(comma),+,$(san)))## folder of this build; build/CONFIG unless given
B      := $(strip $(BUILD))

ifeq ($(filter release debug,$(config)),)
  $(error CONFIG=$(config): want release or debug)
endif

# --- What the machine has ----------------------------------------------------------------
# Every probe leaves a value and, where something is missing, a reason for `make config`.

libs_wanted  := sqlite3 yaml-0.1 libcjson
PKG_CONFIG   ?= pkg-config
libs_missing := $(shell for l in $(libs_wanted) libmd; do \
                    $(PKG_CONFIG) --exists $$l 2>/dev/null || echo $$l; done)

cuda_dirs := harness/kernels/cuda roofline/cuda
nvcc     := $(firstword $(wildcard $(strip $(CUDA_HOME))/bin/nvcc) $(shell command -v nvcc))
cuda_src := $(filter-out %_stub.c,$(wildcard $(patsubst %,%/*.c,$(cuda_dirs)) $(patsubst %,%/*.cu,$(cuda_dirs))))

# CUDA=auto takes the backend when both its sources and a compiler are there.
cuda_why :=
ifneq ($(filter 0,$(CUDA)),)
  cuda_why := switched off by CUDA=0
else ifneq ($(san),)
  cuda_why := sanitizer builds are CPU builds
else ifeq ($(cuda_src),)
  cuda_why := this version has no CUDA backend
else ifeq ($(nvcc),)
  cuda_why := no nvcc in $(strip $(CUDA_HOME))/bin or PATH
endif
use_cuda := $(if $(cuda_why),0,1)
ifeq ($(strip $(CUDA))$(use_cuda),10)
  $(error CUDA=1, but $(cuda_why))
endif

cupti_h   := $(firstword $(wildcard $(strip $(CUDA_HOME))/include/cupti_range_profiler.h \
                                    $(strip $(CUDA_HOME))/extras/CUPTI/include/cupti_range_profiler.h))
# Counters need CUPTI's headers only: the library is opened when they are asked for.
cupti_why := $(strip $(if $(filter 0,$(CUDA)),switched off by CUDA=0,\
                 $(if $(cupti_h),,no cupti_range_profiler.h (CUDA 12.6 or newer) under $(strip $(CUDA_HOME)))))
use_cupti := $(if $(cupti_why),0,1)
cupti_src := $(if $(filter 1,$(use_cupti)),$(filter-out %_stub.c,$(wildcard roofline/cupti/*.c)),\
                 $(wildcard roofline/cupti/*_stub.c))
# One of its headers includes C++'s <string> without using it; shim/ has an empty one.
cupti_flags = $(if $(findstring cupti/,$(1)),-Iroofline/cupti/shim \
                  $(if $(cupti_h),-isystem $(strip $(CUDA_HOME))/include -isystem $(dir $(cupti_h))))

# --- Flags -------------------------------------------------------------------------------

warn := -Wall -Wextra -Wno-unused-parameter -Wshadow -Wconversion -Wno-sign-conversion \
        -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 $(if $(filter 1,$(WERROR)),-Werror)

opt.release := -O3 -g
opt.debug   := -O0 -g3
opt := $(opt.$(config))
ifneq ($(san),)
  opt := -O1 -g -fno-omit-frame-pointer -fsanitize=$(san) -fno-sanitize-recover=all
endif

# Sums keep the order they are written in: no -ffast-math, no contraction to FMA unasked.
cflags  := -std=c11 -D_GNU_SOURCE $(warn) $(opt) -ffp-contract=off -pthread -I. \
           $(shell $(PKG_CONFIG) --cflags $(libs_wanted) 2>/dev/null) $(CFLAGS)
ldflags := $(if $(san),-fsanitize=$(san)) -pthread $(LDFLAGS)
libs    := $(or $(shell $(PKG_CONFIG) --libs $(libs_wanted) 2>/dev/null),\
                -lsqlite3 -lyaml -lcjson) -lmd -lm -lpthread -ldl

# Instruction sets belong to files by name; everything else runs on any x86-64.
file_flags = $(call cupti_flags,$(1)) $(if $(findstring _avx512.,$(1)),-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma) \
            $(if $(findstring _avx512bf16.,$(1)),-mavx512f -mavx512bf16 -mfma) \
            $(if $(findstring _avx512vnni.,$(1)),-mavx512f -mavx512vnni -mfma) \
            $(if $(findstring _amx.,$(1)),-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mamx-tile -mamx-bf16) \
            $(if $(findstring _avx2.,$(1)),-mavx2 -mfma -mf16c)

nvflags :=
ifeq ($(use_cuda),1)
  cflags  += -isystem $(strip $(CUDA_HOME))/include
  libs    += -L$(strip $(CUDA_HOME))/lib64 -lcudart_static -lrt
  nvflags := -std=c++17 -O3 -fmad=false -lineinfo -I. \
             -Xcompiler -Wall,-Wextra,-Wno-unused-parameter,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics \
             $(if $(filter 1,$(WERROR)),-Werror all-warnings -Xptxas -Werror) \
             -Xptxas -v,-warn-spills,-warn-lmem-usage \
             $(foreach a,$(CUDA_ARCH),-gencode arch=compute_$(a),code=sm_$(a)) \
             -gencode arch=compute_$(lastword $(CUDA_ARCH)),code=compute_$(lastword $(CUDA_ARCH))
endif

# --- Sources -----------------------------------------------------------------------------
# Every .c of these folders.  Of a pair X_stub.c and X.c (or X.cu) one is taken: the real one
# when it exists and its feature, told by its name, is in this build.

DIRS ?= harness/base harness/kernels harness/kernels/cpu harness/kernels/null harness/model \
        harness/decode ar_baseline diffusion roofline results plots harness/app

roots := harness ar_baseline diffusion roofline results plots

in_build = $(if $(findstring cuda,$(1)),$(use_cuda),1)
real_of  = $(wildcard $(1:_stub.c=.c) $(1:_stub.c=.cu))
pick     = $(or $(and $(filter 1,$(call in_build,$(1))),$(call real_of,$(1))),$(1))

all_c := $(foreach d,$(DIRS),$(wildcard $(d)/*.c))
stubs := $(filter %_stub.c,$(all_c))
src   := $(filter-out $(stubs) $(foreach s,$(stubs),$(call real_of,$(s))),$(all_c)) \
         $(foreach s,$(stubs),$(call pick,$(s)))
src   += $(if $(filter 1,$(use_cuda)),$(cuda_src),$(wildcard $(patsubst %,%/*_stub.c,$(cuda_dirs))))
src   += $(cupti_src)

embedded := $(wildcard results/*.sql plots/*.gp harness/sweeps/*.yaml)
gen      := $(B)/gen/embedded.c $(B)/gen/build_info.c

main    := harness/app/main.c
lib_obj := $(patsubst %,$(B)/%.o,$(filter-out $(main),$(src))) $(gen:=.o)
main_obj:= $(patsubst %,$(B)/%.o,$(filter $(main),$(src)))
regime  := $(if $(main_obj),$(B)/regime)

shared_test_obj := $(patsubst %,$(B)/%.o,$(filter-out tests/test_% tests/slow_%,$(wildcard tests/*.c)))
chosen     = $(if $(strip $(T)),$(foreach f,$(1),$(if $(findstring $(strip $(T)),$(f)),$(f))),$(1))
tests     := $(call chosen,$(wildcard tests/test_*.c tests/test_*.sh))
slow      := $(call chosen,$(wildcard tests/slow_*.c tests/slow_*.sh))
runnable   = $(patsubst %.c,$(B)/%,$(1))
headers   := $(foreach d,$(DIRS) tests,$(wildcard $(d)/*.h))
header_obj:= $(patsubst %,$(B)/%.o,$(headers))

# --- The CUDA kernels on a CPU, for tests --------------------------------------------------
# The same .cu files as C++, every access of theirs checked by tests/cusim; needs no toolkit.

cusim_tests := $(patsubst %.c,$(B)/%,$(wildcard tests/test_cuda_*.c tests/test_cusim.c))
cusim_why   := $(strip $(if $(san),a sanitizer build: the emulator checks every access itself, \
                 $(if $(filter x86_64,$(shell uname -m)),$(if $(shell command -v $(CXX)),, \
                     no C++ compiler ($(CXX)) for the emulated kernels), \
                   the emulator switches stacks on x86-64 only)))
# Programs that call the launchers themselves do not even link without it; the others say why.
tests       := $(if $(cusim_why),$(filter-out $(shell grep -l cusim/device.h tests/test_cuda_*.c),$(tests)),$(tests))
no_cusim    := tests/cusim/cusim_absent.c tests/cusim/cusim_none.c tests/cusim/cusim_gpu.c
cusim_c     := $(filter-out %/cuda_library.c,$(filter %.c,$(cuda_src))) \
               $(filter-out $(no_cusim),$(wildcard tests/cusim/*.c))
cusim_cu    := $(filter %.cu,$(cuda_src)) $(wildcard tests/cusim/*.cu)
cusim_obj   := $(patsubst %,$(B)/cusim/%.o,$(if $(cusim_why),$(filter-out %_gpu.c,$(no_cusim)), \
                 $(cusim_c) $(cusim_cu)))
cusim_cflags := -Itests/cusim/include $(cflags) $(if $(san),,-O2) -DCUSIM_WHY='"$(cusim_why)"'
cusim_nvflags := -x c++ -std=c++17 -g -O1 -Itests/cusim/shadow -Itests/cusim/include -I. \
                 -Wall -Wextra -Wno-unused-parameter -Wno-unknown-pragmas $(if $(filter 1,$(WERROR)),-Werror) -ffp-contract=off \
                 -fsanitize=thread --param tsan-instrument-func-entry-exit=0 \
                 -fsanitize=bounds,alignment -fsanitize-undefined-trap-on-error

# --- The AVX-512 kernels on a CPU without it, for tests -------------------------------------
# tests/isasim spells their instructions out; a cpuinfo.c that finds them all is linked with them.

isasim_of    := kernels same_bits bf16_products int8_products vec_math
isasim_tests := $(if $(shell grep -m1 -o avx2 /proc/cpuinfo),$(isasim_of:%=$(B)/tests/isasim_test_%))
isasim_obj   := $(patsubst %,$(B)/isasim/%.o,harness/base/cpuinfo.c \
                  tests/isasim/amx.c $(wildcard harness/kernels/cpu/*_avx512*.c harness/kernels/cpu/*_amx.c))
tests        += $(call chosen,$(isasim_tests:$(B)/%=%.c))

# --- A stand-in for CUPTI's device half and NVML, for tests ---------------------------------
# Linked before the library, in place of the files that find the real ones.

double_tests := $(patsubst %.c,$(B)/%,$(wildcard tests/test_counting*.c))
double_c     := $(if $(filter 1,$(use_cupti)),$(wildcard tests/cupti/*.c),\
                    tests/cupti/double_control.c tests/cupti/double_nvml.c)
double_obj   := $(patsubst %,$(B)/%.o,$(double_c))
$(double_obj): cflags += $(if $(filter 1,$(use_cupti)),,-DNO_CUPTI)

# The same tests for a GPU, linked wherever nvcc is.
gpu_tests := $(if $(filter 1,$(use_cuda)),$(addprefix $(B)/tests/gpu_,kernels model matmul attention graph))

# --- Targets -----------------------------------------------------------------------------

quiet := $(if $(filter 1,$(V)),,@)
say    = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $(2))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all check check-slow check-run check-slow-run quickstart gpu-check gpu-bundle install config help \
        clean format layers headers state deps need-libs FORCE

all: $(regime) $(B)/libregime.a ## build ./regime
	$(if $(regime),@ln -sfn $(abspath $(regime)) regime)

# These install what is missing first, then start over so that the probes above see it, with
# a job per CPU unless the user chose a number.
again = +@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

check: ## run the tests, the layer check and the header check
	@tests/bootstrap.sh build test
	$(again) check-run

check-slow: ## run the tests that take minutes: fuzzing, statistics, kill tests
	@tests/bootstrap.sh build test
	$(again) check-slow-run

quickstart: ## build, measure this machine, run the sweep and draw the figures
	@tests/bootstrap.sh build figures
	$(again) all
	@./regime quickstart --out out/quickstart $(if $(filter 1,$(TINY)),--tiny)

deps: ## install the Debian packages that are missing
	@tests/bootstrap.sh build test figures && echo 'Every package is installed.'

for_mutants = $(if $(filter %_mutants.sh,$(1)),$(if $(cusim_why),,\
                  $(cusim_tests) $(B)/cusim/compile_c $(B)/cusim/link))
for_nvcc    := $(if $(filter %_nvcc.sh,$(tests)),$(B)/cusim/compile_nvcc $(B)/cusim/compile_cu $(gpu_tests))

check-run: $(regime) $(filter $(B)/%,$(call runnable,$(tests))) \
           $(call for_mutants,$(tests)) $(for_nvcc) \
           $(if $(strip $(T)),,layers headers state)
	@REGIME=$(abspath $(regime)) SAN=$(san) V=$(V) CUSIM=$(B)/cusim \
	    tests/run_tests.sh $(call runnable,$(tests))

check-slow-run: $(regime) $(filter $(B)/%,$(call runnable,$(slow))) $(call for_mutants,$(slow))
	@REGIME=$(abspath $(regime)) SAN=$(san) V=$(V) CUSIM=$(B)/cusim tests/run_tests.sh $(call runnable,$(slow))

gpu-check: $(regime) $(gpu_tests) ## verify and measure an NVIDIA GPU: kernels, roofs, a short sweep
	@tests/gpu_check.sh '$(cuda_why)' $(regime) $(B)/tests

gpu-bundle: $(regime) $(gpu_tests) ## a folder with all that gpu-check needs, for a GPU machine that cannot build
	@tests/gpu_bundle.sh '$(cuda_why)' $(regime) $(B)/tests $(B)/gpu-bundle

layers: ## check that no include points up the layers
	$(call say,CHECK,layers)
	$(quiet)tests/check_layers.sh

# Sanitizers add variables of their own.
state: $(lib_obj) $(main_obj) ## check that no object keeps state at file scope
	$(call say,CHECK,state)
	$(quiet)$(if $(san),:,tests/check_state.sh $(filter-out %.cu.o,$(lib_obj) $(main_obj)))

headers: $(header_obj) ## check that every header compiles on its own

format: ## check formatting with clang-format (FIX=1 rewrites)
	$(quiet)clang-format $(if $(FIX),-i,--dry-run -Werror) $(wildcard $(patsubst %,%/*.[ch],$(DIRS) roofline/cupti tests tests/cupti))

config: ## print what was found on this machine and what will be built
	@printf '%-10s %s\n' \
	    build     '$(B)' \
	    config    '$(config)$(if $(san), with sanitizers $(san))' \
	    compiler  '$(shell $(CC) --version 2>/dev/null | head -n 1)' \
	    libraries '$(if $(libs_missing),missing: $(libs_missing) (make deps installs them),$(libs_wanted) libmd found)' \
	    cuda      '$(if $(cuda_why),no: $(cuda_why),yes: $(nvcc) for $(CUDA_ARCH))' \
	    emulator  '$(if $(cusim_why),no: $(cusim_why),yes: test_cuda_* run the kernels on the CPU)' \
	    cupti     '$(if $(cupti_why),no: $(cupti_why),yes: $(cupti_h))' \
	    gnuplot   '$(or $(shell command -v gnuplot),missing: figures stay as data and script (make deps installs it))' \
	    pdftotext '$(or $(shell command -v pdftotext),missing: figure tests are skipped (make deps installs it))' \
	    valgrind  '$(or $(shell command -v valgrind),missing: counted-traffic tests are skipped (make deps installs it))' \
	    cmocka    '$(if $(wildcard /usr/include/cmocka.h),found,missing: needed by make check (make deps installs it))' \
	    cflags    '$(cflags)' \
	    libs      '$(libs)'

install: all ## install the program, its sweep files and its documents
	install -d $(DESTDIR)$(strip $(PREFIX))/bin $(DESTDIR)$(strip $(PREFIX))/share/regime/sweeps \
	    $(DESTDIR)$(strip $(PREFIX))/share/doc/regime
	install -m 755 $(regime) $(DESTDIR)$(strip $(PREFIX))/bin/regime
	$(if $(wildcard harness/sweeps/*.yaml),install -m 644 $(wildcard harness/sweeps/*.yaml) \
	    $(DESTDIR)$(strip $(PREFIX))/share/regime/sweeps)
	install -m 644 LICENSE $(wildcard README.md CHANGELOG.md docs/*.md) \
	    $(DESTDIR)$(strip $(PREFIX))/share/doc/regime

clean: ## remove every build
	rm -rf build $(if $(filter build/%,$(B)),,$(B)) regime

help: ## print this list
	@echo 'make TARGET'
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' Makefile
	@echo 'make NAME=value'
	@awk -F' *[?]= *|## ' '/^[A-Z_]+ +[?]=.*## /{ \
	    printf "  %-12s %s%s\n", $$1, $$3, ($$2 == "" || index($$2, "$$") ? "" : " (" $$2 ")")}' Makefile

# --- Rules -------------------------------------------------------------------------------

need-libs:
	$(if $(libs_missing),@echo 'missing libraries: $(libs_missing); `make deps` installs them' >&2; exit 1)

$(regime): $(main_obj) $(B)/libregime.a
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ldflags) -o $@ $^ $(libs)

# Appended afresh each time: members are told apart by base name only.
$(B)/libregime.a: $(lib_obj) $(B)/sources
	$(call say,AR,$@)
	$(quiet)rm -f $@ && $(AR) qcs $@ $(lib_obj)

$(B)/tests/%: $(B)/tests/%.c.o $(shared_test_obj) $(B)/libregime.a
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ldflags) -o $@ $^ $(libs) -lcmocka

$(double_tests): $(B)/tests/%: $(B)/tests/%.c.o $(shared_test_obj) $(double_obj) $(B)/libregime.a
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ldflags) -o $@ $^ $(libs) -lcmocka

# Before the library, so that the emulated backend is taken and not the one in it.
$(filter-out %_counting,$(cusim_tests)): $(B)/tests/%: $(B)/cusim/tests/%.c.o $(shared_test_obj) $(cusim_obj) $(B)/libregime.a
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ldflags) -o $@ $^ $(libs) -lcmocka $(if $(cusim_why),,-lstdc++)

# An emulated GPU whose counters are the stand-in's.
$(filter %_counting,$(cusim_tests)): $(B)/tests/%: $(B)/cusim/tests/%.c.o $(shared_test_obj) $(cusim_obj) $(double_obj) $(B)/libregime.a
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ldflags) -o $@ $^ $(libs) -lcmocka $(if $(cusim_why),,-lstdc++)

$(isasim_tests): $(B)/tests/isasim_%: $(B)/tests/%.c.o $(shared_test_obj) $(isasim_obj) $(B)/libregime.a
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ldflags) -o $@ $^ $(libs) -lcmocka

$(gpu_tests): $(B)/tests/gpu_%: $(B)/cusim/tests/test_cuda_%.c.o $(B)/tests/cusim/cusim_gpu.c.o \
              $(B)/tests/cusim/cusim_none.c.o $(shared_test_obj) $(B)/libregime.a
	$(call say,LINK,$@)
	$(quiet)$(CC) $(ldflags) -o $@ $^ $(libs) -lcmocka

$(B)/isasim/%.c.o: %.c $(B)/flags | need-libs
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(quiet)$(CC) -Itests/isasim $(cflags) $(if $(or $(findstring avx512,$<),$(findstring _amx.,$<)),-mavx2 -mfma -Wno-psabi -O1 -DUNROLL=2, \
	    '-D__builtin_cpu_supports(x)=1') -MMD -MP -c -o $@ $<

$(B)/cusim/%.c.o: %.c $(B)/flags | need-libs
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(quiet)$(CC) $(cusim_cflags) -MMD -MP -c -o $@ $<

$(B)/cusim/%.cu.o: %.cu $(B)/cusim/compile_cu
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(quiet)$(CXX) $(cusim_nvflags) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

$(B)/%.c.o: %.c $(B)/flags | need-libs
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(quiet)$(CC) $(cflags) $(call file_flags,$<) -MMD -MP -c -o $@ $<

$(B)/gen/%.c.o: $(B)/gen/%.c $(B)/flags
	$(call say,CC,$<)
	$(quiet)$(CC) $(cflags) -MMD -MP -c -o $@ $<

$(B)/%.cu.o: %.cu $(B)/flags
	@mkdir -p $(@D)
	$(call say,NVCC,$<)
	$(quiet)$(nvcc) $(nvflags) -MMD -MP -MF $(@:.o=.d) -c -o $@ $< 2> $(@:.o=.ptxas) || \
	    { grep -v '^ptxas info' $(@:.o=.ptxas) >&2; exit 1; }

$(B)/%.h.o: %.h $(B)/flags | need-libs
	@mkdir -p $(@D)
	$(call say,HDR,$<)
	$(quiet)$(CC) $(cflags) $(call file_flags,$<) -MMD -MP -MF $(@:.o=.d) -MT $@ -include $< -x c -c -o $@ /dev/null

$(B)/gen/embedded.c: $(embedded) $(B)/sources tests/embed.sh
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(quiet)tests/embed.sh $(embedded) > $@

# Rewritten only when its text changes, so that an unchanged tree rebuilds nothing.
$(B)/gen/build_info.c: FORCE
	@mkdir -p $(@D)
	@CC='$(CC)' CONFIG='$(config)' SAN='$(san)' CFLAGS_USED='$(cflags)' USE_CUDA='$(use_cuda)' \
	    tests/build_info.sh $(wildcard $(roots)) > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Objects depend on the flags they were built with, archives on the list of their members.
keep = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
$(B)/flags: FORCE
	$(call keep,$(CC) $(cflags) $(ldflags) $(nvflags) $(libs))
$(B)/sources: FORCE
	$(call keep,$(src) $(embedded))

# How the emulated tests are made, for the test that plants mistakes in them.
$(B)/cusim/compile_c: FORCE
	$(call keep,$(CC) -Itests/cusim/include $(cflags) -O2)
$(B)/cusim/compile_cu: FORCE
	$(call keep,$(CXX) $(cusim_nvflags))
$(B)/cusim/compile_nvcc: FORCE
	$(call keep,$(if $(filter 1,$(use_cuda)),$(nvcc) $(nvflags)))
$(B)/cusim/link: FORCE
	$(call keep,$(CC) $(ldflags) $(cusim_obj) $(shared_test_obj) $(B)/libregime.a $(libs) -lcmocka -lstdc++)

.SECONDARY:
-include $(wildcard $(lib_obj:.o=.d) $(main_obj:.o=.d) $(header_obj:.o=.d) $(cusim_obj:.o=.d) $(isasim_obj:.o=.d) \
                    $(B)/tests/*.d $(B)/tests/cupti/*.d $(B)/cusim/tests/*.d)
