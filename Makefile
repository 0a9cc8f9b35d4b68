# SPDX-License-Identifier: BSD-2-Clause
# kedge: one Makefile, no recursion, everything under build/. `make help` lists the targets.

ifeq ($(origin CC),default)
CC	:= gcc
endif
CLANG	?= clang
BPFTOOL	?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
OUT	?= build
PYTHON	?= /usr/bin/python3
PKG_CONFIG ?= pkg-config
# CPPFLAGS, CFLAGS, LDFLAGS and LDLIBS belong to the packager. They come after ours in every rule, except for the BPF
# objects, which have BPF_CFLAGS. With sanitizers the default is -O1.
their_CFLAGS := $(CFLAGS)
CFLAGS	?= -O2 -g
Q	:= $(if $(V),,@)
say	= $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

# Whoever starts a long target is told first how long it takes. Not for `make -s`, nor for a make within make.
hash	:= \#
ifeq ($(MAKELEVEL)$(findstring s,$(firstword -$(MAKEFLAGS))),0)
takes	:= $(foreach g,$(MAKECMDGOALS),$(shell sed -En 's|^$(hash)$(hash) [a-z]*: ($g) .([0-9]+ [a-z]+).*|\1 takes about \2 on two cores.|p' \
	   $(firstword $(MAKEFILE_LIST))))
ifneq ($(filter nocheck,$(DEB_BUILD_OPTIONS)),)
takes	:= $(subst deb takes about 8 min,deb takes about 1 min,$(takes))
endif
$(if $(takes),$(info $(takes)))
endif

# Between releases: the next one's, with -dev. CHANGELOG.md and debian/changelog (~dev) must agree; a test compares them.
VERSION := 0.3.0-dev

.DEFAULT_GOAL := all

pkgs		:= libbpf libxdp libssl libcrypto yaml-0.1 jansson libsystemd libseccomp
# Callbacks and tests do not use every parameter. For clang a packager's -Wextra undoes this, so the rules have it behind, too.
unused		:= -Wno-unused-parameter
kedge_CFLAGS	:= -std=gnu11 -D_GNU_SOURCE -DKEDGE_VERSION='"$(VERSION)"' -Iinclude -iquote . -iquote user -I$(OUT) \
		   -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
		   -Wundef $(unused) -fno-strict-aliasing $(if $(WERROR),-Werror) \
		   $(shell $(PKG_CONFIG) --cflags $(pkgs) 2>/dev/null)
kedge_LDLIBS	:= $(shell $(PKG_CONFIG) --libs $(pkgs) 2>/dev/null) -lelf -lz -lpthread

# Hardening of the installed program. A packager can replace each of the three: `make HARDEN_CFLAGS=`. Some flags do not
# exist on every architecture, so the compiler tries them.
try_CFLAGS	 = $(shell for flag in $(1); do \
		   ! $(CC) -Werror $$flag -x c -c /dev/null -o /dev/null 2>/dev/null || echo $$flag; done)
ifeq ($(origin HARDEN_CFLAGS),undefined)
HARDEN_CFLAGS	:= -fPIE -fstack-protector-strong \
		   $(call try_CFLAGS,-fstack-clash-protection -fcf-protection -mbranch-protection=standard)
endif
# Fortify needs optimisation, and conflicts with sanitizers. A packager's value has precedence.
optimised	:= $(filter-out -O0,$(lastword $(filter -O%,$(CFLAGS))))
ifeq ($(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS))$(findstring -fsanitize,$(CFLAGS)),)
HARDEN_CPPFLAGS	?= $(if $(optimised),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif
HARDEN_LDFLAGS	?= -pie -Wl,-z,relro,-z,now,-z,noexecstack

# Debug information does not depend on the directory of the tree, so neither does the program, which has the BTF of the BPF
# objects. Builds with sanitizers keep the directory: their reports are read elsewhere.
no_path		:= -ffile-prefix-map=$(CURDIR)=.

# The commands of the rules: optimised, and with sanitizers (san_).
compile		= $(CC) $(no_path) $(HARDEN_CPPFLAGS) $(HARDEN_CFLAGS) $(kedge_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(unused) -MMD -MP -c $< -o $@
link		= $(CC) $(HARDEN_CFLAGS) $(HARDEN_LDFLAGS) $(CFLAGS) $(LDFLAGS) $(1) -o $@ $(2) $(LDLIBS)
# These have the checks of user/base/check.h.
checks		:= -DKEDGE_CHECKS
san_compile	= $(CC) -O1 -g $(kedge_CFLAGS) $(checks) $(CPPFLAGS) $(their_CFLAGS) $(SANITIZE) -U_FORTIFY_SOURCE $(unused) -MMD -MP -c $< -o $@
san_link	= $(CC) $(their_CFLAGS) $(SANITIZE) $(LDFLAGS) $(1) -o $@ $(kedge_LDLIBS) $(2) $(LDLIBS)
# clang builds the fuzzers and measures coverage. It does not know every flag of gcc.
clang_CFLAGS	= -O1 -g $(kedge_CFLAGS) $(checks) $(CPPFLAGS) $(their_CFLAGS) -U_FORTIFY_SOURCE $(unused) -Wno-unknown-warning-option \
		  -Wno-ignored-optimization-argument -Wno-unused-command-line-argument

# When the flags change, every object is built again.
flags_now	:= $(strip $(HARDEN_CPPFLAGS) $(HARDEN_CFLAGS) $(HARDEN_LDFLAGS) $(kedge_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS))
flags_built	:= $(file <$(OUT)/flags)
ifneq ($(flags_built),$(flags_now))
.PHONY: $(OUT)/flags
# What is installed is what was built, so install does not build it again with other flags, and say nothing.
ifeq ($(strip $(MAKECMDGOALS))$(if $(wildcard $(OUT)/kedge),,no),install)
flags_but	= $(or $(filter-out $(1),$(2)),nothing)
$(error $(OUT)/kedge has other flags: it was built with $(call flags_but,$(flags_now),$(flags_built)), \
	and install has $(call flags_but,$(flags_built),$(flags_now)). Give install the same CFLAGS and LDFLAGS, or run make first)
endif
endif
$(OUT)/flags:
	$(Q)$(PKG_CONFIG) --print-errors --exists $(pkgs) || \
		{ echo "to install what kedge is built with, as root: tests/deps.sh build" >&2; exit 1; }
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '$(subst ','\'',$(flags_now))' >$@

bpf_CFLAGS	:= $(no_path) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter $(if $(WERROR),-Werror) -Iinclude -Ibpf
# clang -target bpf does not know the multiarch directory; the host clang does.
bpf_sysinc	 = $(shell $(CLANG) -v -E - </dev/null 2>&1 | \
		   sed -n '/search starts here:$$/,/^End of/s|^ \(/.*\)|-idirafter \1|p')
FUZZ		:= address,undefined -fno-sanitize-recover=undefined
SANITIZE	:= -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

bpf_srcs	:= $(wildcard bpf/*.bpf.c)
skels		:= $(bpf_srcs:bpf/%.bpf.c=$(OUT)/%.skel.h)
user_srcs	:= $(wildcard user/*/*.c)
lib_srcs	:= $(filter-out user/daemon/main.c,$(user_srcs))
unit_srcs	:= $(wildcard tests/unit/*/test_*.c)
unit_bins	:= $(unit_srcs:tests/unit/%.c=$(OUT)/unit/%)
bpf_tests	:= $(patsubst tests/bpf/%.c,$(OUT)/bpf-test/%,$(wildcard tests/bpf/test_*.c))
testlib_srcs	:= $(wildcard tests/lib/*.c)
fuzz_srcs	:= $(wildcard tests/fuzz/fuzz_*.c)
fuzz_libs	:= $(filter-out $(fuzz_srcs),$(wildcard tests/fuzz/*.c))
# Those that depend on limits run with smaller ones, too.
comma		:= ,
shrunk_names	:= flow http1 response
shrunk_srcs	:= $(wildcard user/base/*.c user/http/*.c user/access/*.c user/conn/mover*.c) user/conn/flow_check.c user/conn/pipes.c user/app/leg_proof.c
shrunk_bins	:= $(shrunk_names:%=$(OUT)/fuzz-shrunk/fuzz_%)
fuzz_bins	:= $(fuzz_srcs:tests/fuzz/%.c=$(OUT)/fuzz/%) $(shrunk_bins)

# The simulation: the calls of kedge that its world plays.
sim_calls	:= socket bind listen connect accept4 close recv recvmsg read send sendmsg write shutdown getsockopt setsockopt \
		   getsockname getpeername clock_gettime time eventfd poll fcntl epoll_create1 epoll_ctl epoll_wait \
		   malloc calloc realloc reason_name conn_choose conn_join_idle leg_pool_put \
		   $(patsubst %,conn_%_enter,prefix handshake connect idle move reply linger closed)
sim_wrap	:= $(sim_calls:%=-Wl,--wrap=%)
sim_srcs	:= $(wildcard tests/sim/*.c)
sim_libs	:= $(filter-out tests/sim/main.c,$(sim_srcs))

## build: all (1 min): build/kedge, optimised and hardened
all: $(OUT)/kedge
## build: asan (1 min): build/kedge-asan, with the address and undefined-behaviour sanitizers
asan: $(OUT)/kedge-asan

# --- the BPF side -----------------------------------------------------------------------------
# BPF_OBJECTS=DIR takes the objects from there, where another clang has built them.
ifneq ($(BPF_OBJECTS),)
$(skels:.skel.h=.bpf.o): $(OUT)/%.bpf.o: $(BPF_OBJECTS)/%.bpf.o
	$(call say,COPY,$@)
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@
endif

$(OUT)/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(bpf_CFLAGS) $(BPF_CFLAGS) $(bpf_sysinc) -MMD -MP -MF $(OUT)/$*.bpf.d -MT $@ -c $< -o $@
	$(Q)llvm-strip -g $@ 2>/dev/null || llvm-strip-14 -g $@

# BPF programs of somebody else, for tests.
$(OUT)/%.bpf.o: tests/bpf/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(bpf_CFLAGS) $(BPF_CFLAGS) $(bpf_sysinc) -MMD -MP -MF $(OUT)/$*.bpf.d -MT $@ -c $< -o $@

$(OUT)/%.bpf.o: tests/chaos/%.bpf.c
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(bpf_CFLAGS) $(BPF_CFLAGS) $(bpf_sysinc) -MMD -MP -MF $(OUT)/$*.bpf.d -MT $@ -c $< -o $@

$(OUT)/%.skel.h: $(OUT)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# --- the daemon -------------------------------------------------------------------------------
$(OUT)/user/%.o: user/%.c $(OUT)/flags | $(skels)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(compile)

$(OUT)/asan/%.o: %.c $(OUT)/flags | $(skels)
	$(call say,ASAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(san_compile)

$(OUT)/kedge: $(user_srcs:user/%.c=$(OUT)/user/%.o)
	$(call say,LINK,$@)
	$(Q)$(call link,$^,$(kedge_LDLIBS))

$(OUT)/kedge-asan: $(user_srcs:%.c=$(OUT)/asan/%.o)
	$(call say,LINK,$@)
	$(Q)$(call san_link,$^)

# --- unit tests: cmocka, sanitizers, no root ----------------------------------------------------
# From an archive a test links only the modules that it needs.
$(OUT)/asan/libkedge.a: $(lib_srcs:%.c=$(OUT)/asan/%.o)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/unit/%: $(OUT)/asan/tests/unit/%.o $(testlib_srcs:%.c=$(OUT)/asan/%.o) $(OUT)/asan/libkedge.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(call san_link,$^,-lcmocka)

$(OUT)/unit/bench/test_hist: $(OUT)/asan/tests/bench/hist.o

unit-objects: $(unit_srcs:%.c=$(OUT)/asan/%.o) $(testlib_srcs:%.c=$(OUT)/asan/%.o)

## test: unit (3 min): the unit tests
unit: $(unit_bins)
	$(Q)JOBS=$(shell nproc) tests/run-unit.sh $(unit_bins)

## test: check (3 min): the unit tests for a package's build: no root, no network but loopback, installs nothing
check:
	$(Q)tests/deps.sh -n check
	$(Q)$(MAKE) --no-print-directory unit

# --- coverage of the automaton: clang counts the branches of the source --------------------------
cover_bins	:= $(addprefix $(OUT)/cover/kedge/,test_http1 test_http1_body test_http1_char test_http1_field \
		   test_http1_line test_http1_option test_http1_take test_http1_word)
cover_srcs	:= $(addprefix tests/lib/,corpus_file.c http1_corpus.c http1_driver.c guard.c test_filter.c assert_reason.c) \
		   $(addprefix user/,http/http1_edit.c http/http1_check.c http/xff.c base/check.c base/addr.c base/decimal.c)

$(OUT)/cover/obj/%.o: %.c $(OUT)/flags
	$(call say,COVER,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(clang_CFLAGS) -fprofile-instr-generate -fcoverage-mapping -MMD -MP -c $< -o $@

$(OUT)/cover/%: $(OUT)/cover/obj/tests/unit/%.o $(cover_srcs:%.c=$(OUT)/cover/obj/%.o)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(their_CFLAGS) $(LDFLAGS) -fprofile-instr-generate $^ -o $@ -lcmocka $(LDLIBS)

$(OUT)/cover/%.profraw: $(OUT)/cover/% $(wildcard tests/corpus/http1/*)
	$(Q)LLVM_PROFILE_FILE=$@ $< >$(OUT)/cover/$*.log 2>&1 || { cat $(OUT)/cover/$*.log; exit 1; }

## test: coverage (1 min): the unit tests take every branch of the HTTP/1.1 automaton
coverage: $(cover_bins:%=%.profraw)
	$(Q)llvm-profdata merge -o $(OUT)/cover/all.profdata $^
	$(Q)$(PYTHON) tests/coverage.py $(OUT)/cover/all.profdata $(cover_bins)

# --- fuzzers: libFuzzer, clang ------------------------------------------------------------------
$(OUT)/fuzz/obj/%.o: %.c $(OUT)/flags | $(skels)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -Werror $(clang_CFLAGS) -fsanitize=fuzzer-no-link,$(FUZZ) -MMD -MP -c $< -o $@

$(OUT)/fuzz/libkedge.a: $(patsubst %.c,$(OUT)/fuzz/obj/%.o,$(lib_srcs) $(testlib_srcs) $(fuzz_libs))
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/fuzz/fuzz_%: $(OUT)/fuzz/obj/tests/fuzz/fuzz_%.o $(OUT)/fuzz/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(CLANG) $(their_CFLAGS) $(LDFLAGS) -fsanitize=fuzzer,$(FUZZ) $(fuzz_wrap) $(filter %.o,$^) $(filter %.a,$^) -o $@ $(kedge_LDLIBS) -lhttp_parser $(LDLIBS)

# One plays the application leg's socket, the other drives the simulation (below).
$(OUT)/fuzz/fuzz_flow $(OUT)/fuzz-shrunk/fuzz_flow: fuzz_wrap = $(patsubst %,-Wl$(comma)--wrap=%,recv sendmsg shutdown)
$(OUT)/fuzz/fuzz_sim: fuzz_wrap = $(sim_wrap)
$(OUT)/fuzz/fuzz_sim: $(patsubst %.c,$(OUT)/fuzz/obj/%.o,$(sim_libs))

# The same with smaller limits, which are met more often: tests/fuzz/shrunk.h.
$(OUT)/fuzz-shrunk/obj/%.o: %.c $(OUT)/flags | $(skels)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -Werror $(clang_CFLAGS) -DKEDGE_SHRUNK='"tests/fuzz/shrunk.h"' -fsanitize=fuzzer-no-link,$(FUZZ) \
		-MMD -MP -c $< -o $@

$(OUT)/fuzz-shrunk/libkedge.a: $(patsubst %.c,$(OUT)/fuzz-shrunk/obj/%.o,$(shrunk_srcs) $(testlib_srcs) $(fuzz_libs))
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/fuzz-shrunk/fuzz_%: $(OUT)/fuzz-shrunk/obj/tests/fuzz/fuzz_%.o $(OUT)/fuzz-shrunk/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(CLANG) $(their_CFLAGS) $(LDFLAGS) -fsanitize=fuzzer,$(FUZZ) $(fuzz_wrap) $^ -o $@ $(kedge_LDLIBS) -lhttp_parser $(LDLIBS)

## test: fuzz (10 min): each fuzzer for FUZZ_SECONDS (60)
# fuzz_sim is slow, and the suite sim has a short form of its own: tests/fuzz/run.sh build/fuzz/fuzz_sim
fuzz_suite	:= $(filter-out %/fuzz_sim,$(fuzz_bins))
fuzz: $(fuzz_suite)
	$(Q)tests/fuzz/run.sh $(fuzz_suite)

# --- the simulation: a worker in a made-up world ---------------------------------------------------
# Keys wear out there after a few hundred records.
$(OUT)/sim/record_tls.o: user/tls/record_tls.c $(OUT)/flags
	$(call say,ASAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(san_compile) -DRECORD_TLS_KEY_RECORDS=SIM_KEY_RECORDS -include tests/sim/worn.h

$(OUT)/sim/sim: $(OUT)/sim/record_tls.o $(patsubst %.c,$(OUT)/asan/%.o,$(sim_srcs) $(testlib_srcs)) $(OUT)/asan/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(call san_link,$^,$(sim_wrap) -lcmocka)

## test: sim (1 min): kedge's connections in a made-up world: SIM_SEEDS (256) from SIM_FROM (0), or SIM_SECONDS
sim: $(OUT)/sim/sim
	$(Q)$< $(if $(SIM_FROM),--from $(SIM_FROM)) $(if $(SIM_SECONDS),--seconds $(SIM_SECONDS),--seeds $(or $(SIM_SEEDS),256))

# --- proofs: the model checker CBMC --------------------------------------------------------------
## test: prove (10 min): what holds for every input: the automaton, prefixes, responses; no root
prove:
	$(Q)tests/prove/run.sh

# --- tests of the BPF side: cmocka, socket pairs, root -------------------------------------------
$(OUT)/bpf-test/%: $(OUT)/asan/tests/bpf/%.o $(OUT)/asan/tests/bpf/leg.o $(OUT)/asan/tests/bpf/both.o \
		 $(addprefix $(OUT)/asan/tests/lib/,corpus_file.o http1_corpus.o http1_aliases.o http1_heads.o test_filter.o) $(OUT)/asan/libkedge.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(call san_link,$^,-lcmocka)

$(filter $(OUT)/bpf-test/test_guard%,$(bpf_tests)): $(addprefix $(OUT)/asan/tests/bpf/,guard_rig.o packet.o)

## test: bpf-test (2 min, root): the BPF programs
bpf-test: $(bpf_tests)
	$(Q)tests/run-unit.sh -n bpf-test $(bpf_tests)

# --- benchmarks ---------------------------------------------------------------------------------------
$(OUT)/bench/obj/%.o: tests/bench/%.c $(OUT)/flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(compile)

$(OUT)/bench/load: $(patsubst %,$(OUT)/bench/obj/%.o,load load_run load_conn cpu hist)
	$(call say,LINK,$@)
	$(Q)$(call link,$^,-lssl -lcrypto)

$(OUT)/bench/backend: $(OUT)/bench/obj/backend.o
	$(call say,LINK,$@)
	$(Q)$(call link,$^)

# move uses kedge's keys and kernel TLS.
$(OUT)/bench/libkedge.a: $(lib_srcs:user/%.c=$(OUT)/user/%.o)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/bench/move: $(patsubst %,$(OUT)/bench/obj/%.o,move move_epoll move_uring move_ring move_tls) $(OUT)/bench/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(call link,$^,-luring $(kedge_LDLIBS))

$(OUT)/bench/uring_facts: $(patsubst %,$(OUT)/bench/obj/%.o,uring_facts uring_facts_tls cpu) $(OUT)/bench/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(call link,$^,-luring $(kedge_LDLIBS))

# QEMU loads it, not the guest.
$(OUT)/bench/plugin.so: tests/bench/guest/plugin.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HARDEN_CPPFLAGS) $(filter-out -fPIE,$(HARDEN_CFLAGS)) $(kedge_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(unused) $(LDFLAGS) \
		-fPIC -shared -fvisibility=hidden $< -o $@ $(LDLIBS)

# PEERS=new adds the newest versions of the other proxies.
new_root = $(if $(filter new,$(PEERS)),tests/deps.sh bench-new && tests/bench/new-root.sh,:)

# BENCH_ROOT=DIR runs a benchmark within another root, as make test-debian13 installs one.
ifneq ($(BENCH_ROOT),)
bench vmbench bench-profile membench bench-mover bench-splice:
	$(Q)tests/deps.sh root
	$(Q)tests/bench/in-root.sh $(BENCH_ROOT) $@
else
## benchmark: bench (10 min, root): kedge beside nginx, haproxy, hitch and caddy; writes docs/bench/native.*
bench:
	$(Q)tests/deps.sh build bench
	$(Q)$(MAKE) --no-print-directory all $(OUT)/bench/load $(OUT)/bench/backend
	$(Q)$(new_root)
	$(Q)$(PYTHON) -B tests/bench/native.py

## benchmark: vmbench (1 h): instructions per request, counted in guests with kernel TLS; writes docs/bench/guest.*
vmbench:
	$(Q)tests/deps.sh build bench vm
	$(Q)$(MAKE) --no-print-directory all $(addprefix $(OUT)/bench/,load backend plugin.so)
	$(Q)$(new_root)
	$(Q)$(PYTHON) -B tests/bench/vmbench.py

## benchmark: bench-profile (1 min, root): where the time goes: WHO=kedge+edit+bypass CASE=get1k, KERNEL=6.12 for a guest
bench-profile:
	$(Q)tests/deps.sh build bench vm
	$(Q)$(MAKE) --no-print-directory all $(addprefix $(OUT)/bench/,load backend plugin.so)
	$(Q)$(PYTHON) -B tests/bench/bench_profile.py

## benchmark: vmbench-check (3 min): a short vmbench, compared with tests/bench/baseline.json
vmbench-check: $(OUT)/kedge $(addprefix $(OUT)/bench/,load backend plugin.so)
	$(Q)$(PYTHON) -B tests/bench/vmbench_check.py

## benchmark: membench (10 min, root): memory per idle TLS connection; writes docs/bench/memory.*
membench:
	$(Q)tests/deps.sh build bench vm
	$(Q)$(MAKE) --no-print-directory all $(addprefix $(OUT)/bench/,load backend)
	$(Q)$(PYTHON) -B tests/bench/memory.py

## benchmark: bench-mover (15 min, root): a relay by epoll beside one by io_uring; writes docs/bench/mover.*
bench-mover:
	$(Q)tests/deps.sh build bench vm
	$(Q)$(MAKE) --no-print-directory all $(addprefix $(OUT)/bench/,load backend plugin.so move uring_facts)
	$(Q)$(PYTHON) -B tests/bench/mover.py

## benchmark: bench-splice (30 min, root): bodies by splice(2), and copied; writes docs/bench/splice.*
bench-splice:
	$(Q)tests/deps.sh build bench vm
	$(Q)$(MAKE) --no-print-directory all $(addprefix $(OUT)/bench/,load backend plugin.so)
	$(Q)$(PYTHON) -B tests/bench/splice.py
endif

## benchmark: bench-docs: writes tables and pictures again from docs/bench/*.json; measures nothing
bench-docs:
	$(Q)$(PYTHON) -B tests/bench/render.py

## benchmark: bench-test (1 min, root): the benchmarks' own tests
bench-test: $(OUT)/kedge-asan $(addprefix $(OUT)/bench/,load backend move uring_facts)
	$(Q)cd tests && KEDGE_SUITE=bench-test $(PYTHON) -B -m pytest -q bench

# Sends many SYNs, for the tests of the guard.
$(OUT)/flood: tests/e2e/flood.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HARDEN_CPPFLAGS) $(HARDEN_CFLAGS) $(kedge_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(unused) $(HARDEN_LDFLAGS) $(LDFLAGS) \
		$< -o $@ $(LDLIBS)

# --- the whole: pytest, root ------------------------------------------------------------------------
## test: same (3 min, root): one corpus of streams through every combination of capabilities
same: $(OUT)/kedge-asan
	$(Q)cd tests && KEDGE_SUITE=same $(PYTHON) -B -m pytest -q same

## test: faults (30 min, root): each system call fails in each way, beside connections that must not notice
faults: $(OUT)/kedge $(OUT)/kedge-asan
	$(Q)cd tests && KEDGE_SUITE=faults $(PYTHON) -B -m pytest -q faults

## test: e2e (15 min, root): a running kedge: the story, lifecycle, transfer and more, and a minute of soak
e2e: $(OUT)/kedge $(OUT)/kedge-asan $(OUT)/flood $(OUT)/foreign.bpf.o
	$(Q)cd tests && KEDGE_SUITE=e2e $(PYTHON) -B -m pytest -q e2e soak

## test: deb-test (3 min, root): the Debian package in a system of its own: installed, started, upgraded, removed
deb-test: $(OUT)/kedge-asan
	$(Q)tests/deps.sh build check deb root
	$(Q)cd tests && KEDGE_SUITE=deb-test $(PYTHON) -B -m pytest -q deb

## test: mutants (30 min, root): each fault of tests/mutants, or those in MUTANTS, is put in; a test must find it
mutants:
	$(Q)tests/mutants/run.sh

## test: chaos (3 min, root): each request exactly once while everything is killed: CHAOS_SECONDS (120) in all
chaos: $(OUT)/kedge-asan $(OUT)/foreign.bpf.o $(OUT)/lossy.bpf.o
	$(Q)cd tests && KEDGE_SUITE=chaos unshare --net sh -c 'ip link set lo up && exec "$$@"' - \
		$(PYTHON) -B -m pytest -q -s chaos

## test: soak (1 h, root): SOAK_SECONDS (3600) of load, reloads and a dying application
soak: $(OUT)/kedge
	$(Q)cd tests && KEDGE_SUITE=soak KEDGE_BIN=$(abspath $(OUT))/kedge SOAK_SECONDS=$(or $(SOAK_SECONDS),3600) \
		$(PYTHON) -B -m pytest -q -s -o faulthandler_timeout=0 soak

# Prints what kedge counts in a stream, for the tests with real servers.
$(OUT)/heads: $(addprefix $(OUT)/asan/tests/,servers/heads.o lib/http1_driver.o lib/corpus_file.o lib/http1_corpus.o lib/guard.o) \
	      $(OUT)/asan/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(call san_link,$^)

## test: servers (10 min, root): the corpus through kedge to real servers
servers: $(OUT)/kedge-asan $(OUT)/heads
	$(Q)tests/deps.sh servers
	$(Q)cd tests && KEDGE_SUITE=servers $(PYTHON) -B -m pytest -q servers

## develop: servers-doc (10 min, root): writes the table of docs/servers.md
servers-doc: $(OUT)/kedge-asan $(OUT)/heads
	$(Q)tests/deps.sh servers
	$(Q)cd tests && PYTHONPATH=lib $(PYTHON) -B servers/report.py

## test: demo (1 min, root): the story with Express, HAProxy and curl, answers checked
demo:
	$(Q)tests/deps.sh build demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(PYTHON) -B tests/story/demo.py

## test: demo-vm (2 min): the same in a guest whose kernel has TLS
demo-vm:
	$(Q)tests/deps.sh build demo vm
	$(Q)$(MAKE) --no-print-directory all
	$(Q)vmtest/run.sh -k 6.12 -- env KEDGE_TEST_PATIENCE=10 $(PYTHON) -B tests/story/demo.py

## test: fleet (1 min, root): a balancer, three kedges, three applications in network namespaces
fleet:
	$(Q)tests/deps.sh build fleet
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(PYTHON) -B tests/story/fleet.py

## test: containers (4 min, root): the image of the Containerfile in podman; the examples for Kubernetes and Compose, run
containers:
	$(Q)tests/deps.sh build test containers
	$(Q)tests/containers/base.sh
	$(Q)$(MAKE) --no-print-directory all asan
	$(Q)cd tests && KEDGE_SUITE=containers $(PYTHON) -B -m pytest -q containers

## test: fleet-vm (3 min): the same in a guest whose kernel has TLS and IPVS
fleet-vm:
	$(Q)tests/deps.sh build fleet vm
	$(Q)$(MAKE) --no-print-directory all
	$(Q)vmtest/run.sh -k 6.12 -- tests/guest/fleet.sh

## test: vmtest (15 min): each kernel of vmtest/kernels, in emulated guests
vmtest: $(OUT)/kedge $(OUT)/kedge-asan $(OUT)/flood $(OUT)/foreign.bpf.o $(unit_bins) $(bpf_tests)
	$(Q)vmtest/matrix.sh

# Suites that run side by side must find everything built. The objects need only the packages that build kedge.
test-objects: all asan $(OUT)/asan/libkedge.a
fuzz-objects: $(patsubst %.c,$(OUT)/fuzz/obj/%.o,$(lib_srcs))

unit-programs: $(unit_bins)
bpf-test-programs: $(bpf_tests)
fuzz-programs: $(fuzz_bins)
sim-programs: $(OUT)/sim/sim
coverage-programs: $(cover_bins)
e2e-programs: $(OUT)/flood $(OUT)/foreign.bpf.o
chaos-programs: $(OUT)/foreign.bpf.o $(OUT)/lossy.bpf.o
servers-programs: $(OUT)/heads
bench-test-programs: $(addprefix $(OUT)/bench/,load backend plugin.so move uring_facts)
suites_built := unit bpf-test fuzz sim coverage e2e chaos servers bench-test
test-programs: $(suites_built:%=%-programs)

## whole: test (30 min, root): every suite in a short form, each kernel too; the last line has the totals
test:
	$(Q)tests/run-all.sh

## build: compilers (8 min): everything with each of COMPILERS (gcc clang); a warning is an error
compilers:
	$(Q)CC= tests/compilers.sh $(COMPILERS)

## whole: test-debian13 (20 min, root): builds and tests in a root of Debian 13; FULL=1: every suite there (2 h)
test-debian13:
	$(Q)tests/debian13.sh $(if $(FULL),full)

## test: bpf-objects (10 min, root): the BPF objects in BPF_OBJECTS (those of test-debian13), on this kernel and in guests
bpf-objects:
	$(Q)tests/deps.sh build check vm
	$(Q)tests/bpf-objects.sh $(or $(BPF_OBJECTS),$(OUT)/debian13/build)

## whole: test-full (3 h, root): every suite, complete, and Debian 13
test-full:
	$(Q)tests/run-all.sh full

# --- install ----------------------------------------------------------------------------------------
DESTDIR		?=
# Some know these in capitals.
prefix		?= $(or $(PREFIX),/usr/local)
bindir		?= $(or $(BINDIR),$(prefix)/bin)
mandir		?= $(or $(MANDIR),$(prefix)/share/man)
datadir		?= $(or $(DATADIR),$(prefix)/share/kedge)
docdir		?= $(or $(DOCDIR),$(prefix)/share/doc/kedge)
unitdir		?= $(or $(UNITDIR),$(prefix)/lib/systemd/system)
sysusersdir	?= $(or $(SYSUSERSDIR),$(prefix)/lib/sysusers.d)
bashdir		?= $(or $(BASHDIR),$(prefix)/share/bash-completion/completions)
zshdir		?= $(or $(ZSHDIR),$(prefix)/share/zsh/site-functions)
INSTALL		?= install

inst_docs	:= README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE
# These keep their places below docs/, so that links between them lead somewhere.
inst_pages	:= $(wildcard docs/*.md docs/tutorials/*.md docs/pictures/* docs/bench/*.md docs/bench/*.svg)
inst_units	:= $(wildcard dist/*.service dist/*.socket)
# A dashboard, alerts, a schema; scripts and examples, which keep their directory of dist/. The documents refer to dist/
# and to docs/examples/, which are links to these.
inst_data	:= $(patsubst dist/%,%,$(filter-out dist/container/%,$(wildcard dist/*/*)) dist/kedge.yaml dist/kedge.logrotate dist/kedge.schema.json dist/grafana-kedge.json dist/prometheus-kedge-rules.yaml)

inst_examples	:= $(wildcard docs/examples/*)
# A link into the source leads nowhere there: its text stays.
unlink_source	:= sed -i -zE 's@\[([^]]*)\]\((\.\./)*(bpf|debian|include|tests|user|vmtest|LICENSES|Makefile|Containerfile)(/[^)]*)?\)@\1@g'

## install: install: binary, man pages, units, completion, documents below DESTDIR and prefix (/usr/local)
install: $(OUT)/kedge
	$(INSTALL) -D -m 755 $(OUT)/kedge $(DESTDIR)$(bindir)/kedge
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man1 docs/man/kedge.1
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man5 docs/man/kedge.yaml.5
	$(INSTALL) -D -m 644 dist/kedge.sysusers $(DESTDIR)$(sysusersdir)/kedge.conf
	$(INSTALL) -D -m 644 dist/kedge.bash $(DESTDIR)$(bashdir)/kedge
	$(INSTALL) -D -m 644 dist/kedge.zsh $(DESTDIR)$(zshdir)/_kedge
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(docdir) $(inst_docs)
	set -e; for f in $(inst_pages); do $(INSTALL) -D -m 644 $$f $(DESTDIR)$(docdir)/$$f; done
	$(unlink_source) $(patsubst %,$(DESTDIR)$(docdir)/%,$(filter %.md,$(inst_docs) $(inst_pages)))
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(datadir)/examples $(inst_examples)
	$(INSTALL) -d $(DESTDIR)$(unitdir)
	set -e; for f in $(inst_units); do sed 's|/usr/bin/kedge|$(bindir)/kedge|' $$f \
		>$(DESTDIR)$(unitdir)/$${f##*/}; chmod 644 $(DESTDIR)$(unitdir)/$${f##*/}; done
	set -e; for f in $(inst_data); do \
		$(INSTALL) -D -m "$$([ -x dist/$$f ] && echo 755 || echo 644)" dist/$$f $(DESTDIR)$(datadir)/$$f; done
	ln -sfn $(shell realpath -ms --relative-to=$(docdir) $(datadir)) $(DESTDIR)$(docdir)/dist
	ln -sfn $(shell realpath -ms --relative-to=$(docdir)/docs $(datadir)/examples) $(DESTDIR)$(docdir)/docs/examples

## install: uninstall: removes what install put there; configuration and users stay
uninstall:
	rm -f $(DESTDIR)$(bindir)/kedge $(DESTDIR)$(mandir)/man1/kedge.1 $(DESTDIR)$(mandir)/man5/kedge.yaml.5 \
		$(DESTDIR)$(sysusersdir)/kedge.conf $(DESTDIR)$(bashdir)/kedge $(DESTDIR)$(zshdir)/_kedge \
		$(addprefix $(DESTDIR)$(docdir)/,dist docs/examples $(notdir $(inst_docs)) $(inst_pages)) \
		$(addprefix $(DESTDIR)$(unitdir)/,$(notdir $(inst_units))) $(addprefix $(DESTDIR)$(datadir)/,$(inst_data) $(inst_examples:docs/%=%))
	for d in $(sort $(dir $(addprefix $(DESTDIR)$(datadir)/,$(inst_data) $(inst_examples:docs/%=%)))) $(DESTDIR)$(datadir) \
		$(addprefix $(DESTDIR)$(docdir)/,$(sort $(dir $(inst_pages)))) \
		$(DESTDIR)$(docdir)/docs $(DESTDIR)$(docdir); do [ ! -d "$$d" ] || rmdir --ignore-fail-on-non-empty "$$d"; done

## install: deb (8 min): the Debian package, for the release that this runs on; DEB_BUILD_OPTIONS=nocheck: 1 min, without the unit tests
deb:
	$(Q)tests/deps.sh build check deb
	$(Q)tests/deb/build.sh $(CURDIR)/$(OUT)/deb/package

## develop: reference: writes the table of options into docs/configuration.md and kedge.yaml(5)
reference: $(OUT)/kedge
	$(Q)docs/reference.sh $(CURDIR)/$(OUT)/kedge

# --- style ------------------------------------------------------------------------------------------
c_files		 = $(wildcard user/*/*.[ch] include/kedge/*.h bpf/*.[ch] tests/unit/*/*.[ch] tests/lib/*.[ch] \
		   tests/bpf/*.[ch] tests/bench/*.[ch] tests/bench/guest/*.c tests/e2e/*.c tests/fuzz/*.[ch] tests/servers/*.[ch] tests/chaos/*.c \
		   tests/sim/*.[ch] tests/prove/*.[ch])

## develop: board-picture (4 min): runs kedge and Prometheus, and writes the panels of the dashboard to docs/pictures/board.svg
board-picture: $(OUT)/kedge
	$(Q)tests/deps.sh build test demo bench
	$(Q)$(PYTHON) -B tests/story/board.py

## develop: lint (5 min): rooms, headers, licences, clang-format, clang-tidy
# Each part runs, whatever the others find: make lint-layout runs that one alone.
lint_parts	:= $(addprefix lint-,rooms headers files order layout warnings)
lint: $(skels)
	$(Q)$(MAKE) --no-print-directory --keep-going $(lint_parts)

lint-rooms lint-headers lint-files lint-order: lint-%:
	$(Q)$(PYTHON) -B tests/lint/$*.py

lint-layout:
	$(Q)tests/lint/layout.sh $(c_files)

lint-warnings: $(skels)
	$(Q)clang-tidy --quiet $(user_srcs) -- $(kedge_CFLAGS) 2>$(OUT)/lint.err || \
		{ cat $(OUT)/lint.err; exit 1; }

## develop: help: this list
help:
	@awk -f tests/help.awk $(firstword $(MAKEFILE_LIST))

## develop: clean: removes what was built, not what was downloaded
clean:
	rm -rf $(OUT)/user $(OUT)/flood $(OUT)/bench/obj $(OUT)/bench/load $(OUT)/bench/backend $(OUT)/bench/plugin.so $(OUT)/bench/move $(OUT)/bench/uring_facts $(OUT)/bench/libkedge.a $(OUT)/asan $(OUT)/unit $(OUT)/bpf-test $(OUT)/fuzz/obj $(OUT)/fuzz-shrunk/obj $(OUT)/cover $(OUT)/kedge* $(OUT)/flags \
		$(OUT)/compilers $(OUT)/bpf-objects $(OUT)/*.bpf.* $(OUT)/*.skel.h

.PHONY: all asan unit coverage fuzz prove sim bpf-test same faults e2e chaos mutants soak deb-test bench bench-docs bench-test bench-profile vmbench vmbench-check membench bench-mover bench-splice board-picture \
	install uninstall deb reference servers servers-doc demo demo-vm fleet fleet-vm containers vmtest check test test-full test-objects test-programs \
	bpf-objects compilers test-debian13 unit-objects fuzz-objects $(addsuffix -programs,$(suites_built)) lint $(lint_parts) help clean
.DELETE_ON_ERROR:
.SECONDARY:
# Not in all of build/, which may contain the root of another system.
-include $(wildcard $(OUT)/*.d) $(shell find $(addprefix $(OUT)/,user asan fuzz/obj fuzz-shrunk/obj cover/obj bench/obj) -name '*.d' 2>/dev/null)
