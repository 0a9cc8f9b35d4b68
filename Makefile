# SPDX-License-Identifier: BSD-2-Clause
# kedge: one Makefile, no recursion, everything under build/. `make help` lists the targets.

ifeq ($(origin CC),default)
CC	:= gcc
endif
CLANG	?= clang
BPFTOOL	?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
OUT	?= build
PYTHON	?= /usr/bin/python3
CFLAGS	?= -O2 -g
Q	:= $(if $(V),,@)
say	= $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

VERSION := 0.2.0

pkgs		:= libbpf libxdp libssl libcrypto yaml-0.1 jansson libsystemd libseccomp
kedge_CFLAGS	:= -std=gnu11 -D_GNU_SOURCE -DKEDGE_VERSION='"$(VERSION)"' -Iinclude -iquote . -iquote user -I$(OUT) \
		   -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
		   -Wundef -Wno-unused-parameter -fno-strict-aliasing \
		   $(shell pkg-config --cflags $(pkgs) 2>/dev/null)
kedge_LDLIBS	:= $(shell pkg-config --libs $(pkgs) 2>/dev/null) -lelf -lz -lpthread
bpf_CFLAGS	:= -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Iinclude -Ibpf
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
fuzz_bins	:= $(fuzz_srcs:tests/fuzz/%.c=$(OUT)/fuzz/%)

all: $(OUT)/kedge ## build/kedge, optimised
asan: $(OUT)/kedge-asan ## build/kedge-asan, with the address and undefined-behaviour sanitizers

# --- the BPF side -----------------------------------------------------------------------------
$(OUT)/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(bpf_CFLAGS) $(bpf_sysinc) -MMD -MP -MF $(OUT)/$*.bpf.d -MT $@ -c $< -o $@
	$(Q)llvm-strip -g $@ 2>/dev/null || llvm-strip-14 -g $@

# Programs of others, for tests.
$(OUT)/%.bpf.o: tests/bpf/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(bpf_CFLAGS) $(bpf_sysinc) -MMD -MP -MF $(OUT)/$*.bpf.d -MT $@ -c $< -o $@

$(OUT)/%.skel.h: $(OUT)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# --- the daemon -------------------------------------------------------------------------------
$(OUT)/user/%.o: user/%.c | $(skels)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(kedge_CFLAGS) -MMD -MP -c $< -o $@

$(OUT)/asan/%.o: %.c | $(skels)
	$(call say,ASAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O1 -g $(SANITIZE) $(kedge_CFLAGS) -MMD -MP -c $< -o $@

# They contain the version.
$(foreach dir,user asan/user,$(addprefix $(OUT)/$(dir)/,daemon/main.o daemon/status.o metrics/metrics_text.o)): Makefile

$(OUT)/kedge: $(user_srcs:user/%.c=$(OUT)/user/%.o)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(kedge_LDLIBS)

$(OUT)/kedge-asan: $(user_srcs:%.c=$(OUT)/asan/%.o)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) $^ -o $@ $(kedge_LDLIBS)

# --- unit tests: cmocka, sanitizers, no root ----------------------------------------------------
# Out of an archive, so that a test links only the modules it reaches.
$(OUT)/asan/libkedge.a: $(lib_srcs:%.c=$(OUT)/asan/%.o)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/unit/%: $(OUT)/asan/tests/unit/%.o $(testlib_srcs:%.c=$(OUT)/asan/%.o) $(OUT)/asan/libkedge.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) $^ -o $@ $(kedge_LDLIBS) -lcmocka

$(OUT)/unit/bench/test_hist: $(OUT)/asan/tests/bench/hist.o

unit: $(unit_bins) ## builds and runs the unit tests
	$(Q)JOBS=$(shell nproc) tests/run-unit.sh $(unit_bins)

check: ## the unit tests for a package's build: no root, no network but loopback, installs nothing; two minutes
	$(Q)tests/deps.sh -n check
	$(Q)$(MAKE) --no-print-directory unit

# --- coverage of the automaton: clang counts branches as they stand in the source ----------------
cover_bins	:= $(addprefix $(OUT)/cover/kedge/,test_http1 test_http1_parts test_http1_take)
cover_srcs	:= $(addprefix tests/lib/,http1_corpus.c http1_driver.c guard.c) \
		   $(addprefix user/,http/http1_edit.c http/xff.c base/addr.c base/decimal.c)

$(OUT)/cover/obj/%.o: %.c
	$(call say,COVER,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -O1 -g -fprofile-instr-generate -fcoverage-mapping $(kedge_CFLAGS) -MMD -MP -c $< -o $@

$(OUT)/cover/%: $(OUT)/cover/obj/tests/unit/%.o $(cover_srcs:%.c=$(OUT)/cover/obj/%.o)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -fprofile-instr-generate $^ -o $@ -lcmocka

$(OUT)/cover/%.profraw: $(OUT)/cover/% $(wildcard tests/corpus/http1/*)
	$(Q)LLVM_PROFILE_FILE=$@ $< >$(OUT)/cover/$*.log 2>&1 || { cat $(OUT)/cover/$*.log; exit 1; }

coverage: $(cover_bins:%=%.profraw) ## branches of the automaton that the unit tests take: all of them
	$(Q)llvm-profdata merge -o $(OUT)/cover/all.profdata $^
	$(Q)$(PYTHON) tests/coverage.py $(OUT)/cover/all.profdata $(cover_bins)

# --- fuzzers: libFuzzer, clang ------------------------------------------------------------------
$(OUT)/fuzz/obj/%.o: %.c | $(skels)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -O1 -g -fsanitize=fuzzer-no-link,$(FUZZ) $(kedge_CFLAGS) -Werror -MMD -MP -c $< -o $@

$(OUT)/fuzz/libkedge.a: $(patsubst %.c,$(OUT)/fuzz/obj/%.o,$(lib_srcs) $(testlib_srcs) $(fuzz_libs))
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/fuzz/fuzz_%: $(OUT)/fuzz/obj/tests/fuzz/fuzz_%.o $(OUT)/fuzz/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(CLANG) -fsanitize=fuzzer,$(FUZZ) $^ -o $@ $(kedge_LDLIBS) -lhttp_parser

fuzz: $(fuzz_bins) ## runs each fuzzer for FUZZ_SECONDS (60; make test 10, make test-full 120)
	$(Q)tests/fuzz/run.sh $(fuzz_bins)

# --- tests of the BPF side: cmocka, socket pairs, root -------------------------------------------
$(OUT)/bpf-test/%: $(OUT)/asan/tests/bpf/%.o $(OUT)/asan/tests/bpf/leg.o $(OUT)/asan/tests/bpf/both.o \
		 $(addprefix $(OUT)/asan/tests/lib/,http1_corpus.o http1_aliases.o http1_heads.o) $(OUT)/asan/libkedge.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) $^ -o $@ $(kedge_LDLIBS) -lcmocka

$(filter $(OUT)/bpf-test/test_guard%,$(bpf_tests)): $(addprefix $(OUT)/asan/tests/bpf/,guard_rig.o packet.o)

bpf-test: $(bpf_tests) ## builds and runs the tests of the BPF programs; root
	$(Q)tests/run-unit.sh -n bpf-test $(bpf_tests)

# --- benchmarks ---------------------------------------------------------------------------------------
$(OUT)/bench/obj/%.o: tests/bench/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(kedge_CFLAGS) -MMD -MP -c $< -o $@

$(OUT)/bench/load: $(patsubst %,$(OUT)/bench/obj/%.o,load load_run load_conn cpu hist)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ -lssl -lcrypto

$(OUT)/bench/backend: $(OUT)/bench/obj/backend.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@

# What move has of kedge's own: keys, kernel TLS.
$(OUT)/bench/libkedge.a: $(lib_srcs:user/%.c=$(OUT)/user/%.o)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/bench/move: $(patsubst %,$(OUT)/bench/obj/%.o,move move_epoll move_uring move_ring move_tls) $(OUT)/bench/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ -luring $(kedge_LDLIBS)

$(OUT)/bench/uring_facts: $(patsubst %,$(OUT)/bench/obj/%.o,uring_facts uring_facts_tls cpu) $(OUT)/bench/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ -luring $(kedge_LDLIBS)

# PEERS=new: the newest versions of the others, too.
new_root = $(if $(filter new,$(PEERS)),tests/deps.sh bench-new && tests/bench/new-root.sh,:)

bench: ## kedge beside nginx, haproxy, hitch and caddy on this machine; writes docs/bench/native.*; root
	$(Q)tests/deps.sh build bench
	$(Q)$(MAKE) --no-print-directory all $(OUT)/bench/load $(OUT)/bench/backend
	$(Q)$(new_root)
	$(Q)$(PYTHON) -B tests/bench/native.py

# Loaded into QEMU, not into the guest.
$(OUT)/bench/plugin.so: tests/bench/guest/plugin.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(kedge_CFLAGS) -fPIC -shared -fvisibility=hidden $< -o $@

vmbench: ## instructions a request, counted in guests with kernel TLS; writes docs/bench/guest.*
	$(Q)tests/deps.sh build bench vm
	$(Q)$(MAKE) --no-print-directory all $(addprefix $(OUT)/bench/,load backend plugin.so)
	$(Q)$(new_root)
	$(Q)$(PYTHON) -B tests/bench/vmbench.py

bench-profile: ## where the time goes: WHO=kedge+edit+bypass CASE=get1k, natively or in a guest (KERNEL=6.12)
	$(Q)tests/deps.sh build bench vm
	$(Q)$(MAKE) --no-print-directory all $(addprefix $(OUT)/bench/,load backend plugin.so)
	$(Q)$(PYTHON) -B tests/bench/bench_profile.py

vmbench-check: $(OUT)/kedge $(addprefix $(OUT)/bench/,load backend plugin.so) ## a short vmbench against tests/bench/baseline.json
	$(Q)$(PYTHON) -B tests/bench/vmbench_check.py

membench: ## memory for each idle TLS connection, natively and in a guest; writes docs/bench/memory.*; root
	$(Q)tests/deps.sh build bench vm
	$(Q)$(MAKE) --no-print-directory all $(addprefix $(OUT)/bench/,load backend)
	$(Q)$(PYTHON) -B tests/bench/memory.py

bench-mover: ## a relay by epoll beside one by io_uring, in guests and on this machine; writes docs/bench/mover.*; root
	$(Q)tests/deps.sh build bench vm
	$(Q)$(MAKE) --no-print-directory all $(addprefix $(OUT)/bench/,load backend plugin.so move uring_facts)
	$(Q)$(PYTHON) -B tests/bench/mover.py

bench-test: $(OUT)/kedge-asan $(addprefix $(OUT)/bench/,load backend move uring_facts) ## the benchmarks' own tests, in small; root
	$(Q)cd tests && KEDGE_SUITE=bench-test $(PYTHON) -B -m pytest -q bench

# Many SYNs, for the test of the guard.
$(OUT)/flood: tests/e2e/flood.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(kedge_CFLAGS) $< -o $@

# --- the whole: pytest, root ------------------------------------------------------------------------
same: $(OUT)/kedge-asan ## one corpus of streams through every combination of capabilities; root
	$(Q)cd tests && KEDGE_SUITE=same $(PYTHON) -B -m pytest -q same

e2e: $(OUT)/kedge $(OUT)/kedge-asan $(OUT)/flood $(OUT)/foreign.bpf.o ## the story, lifecycle, transfer and more through a running kedge, a minute's soak; root
	$(Q)cd tests && KEDGE_SUITE=e2e $(PYTHON) -B -m pytest -q e2e soak

soak: $(OUT)/kedge ## an hour (SOAK_SECONDS=3600) of load, reloads and a dying application; root
	$(Q)cd tests && KEDGE_SUITE=soak KEDGE_BIN=$(abspath $(OUT))/kedge SOAK_SECONDS=$(or $(SOAK_SECONDS),3600) \
		$(PYTHON) -B -m pytest -q -s -o faulthandler_timeout=0 soak

# Tells the tests with real servers what kedge counts of a stream.
$(OUT)/heads: $(addprefix $(OUT)/asan/tests/,servers/heads.o lib/http1_driver.o lib/http1_corpus.o lib/guard.o) \
	      $(OUT)/asan/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) $^ -o $@ $(kedge_LDLIBS)

servers: $(OUT)/kedge-asan $(OUT)/heads ## the corpus through kedge to real servers: nobody is fooled; root
	$(Q)tests/deps.sh servers
	$(Q)cd tests && KEDGE_SUITE=servers $(PYTHON) -B -m pytest -q servers

servers-doc: $(OUT)/kedge-asan $(OUT)/heads ## writes the table of docs/servers.md anew; root
	$(Q)tests/deps.sh servers
	$(Q)cd tests && PYTHONPATH=lib $(PYTHON) -B servers/report.py

demo: ## the story with Express, HAProxy and curl, answers checked; installs what it needs; root
	$(Q)tests/deps.sh build demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(PYTHON) -B tests/story/demo.py

demo-vm: ## the same in a guest whose kernel has TLS
	$(Q)tests/deps.sh build demo vm
	$(Q)$(MAKE) --no-print-directory all
	$(Q)vmtest/run.sh -k 6.12 -- env KEDGE_TEST_PATIENCE=10 $(PYTHON) -B tests/story/demo.py

vmtest: $(OUT)/kedge $(OUT)/kedge-asan $(OUT)/flood $(OUT)/foreign.bpf.o $(unit_bins) $(bpf_tests) ## the guest tests under every kernel of vmtest/kernels
	$(Q)vmtest/matrix.sh

# What a run of all suites needs, so that suites side by side find it built. The first part asks for no more than the
# packages that build kedge.
test-objects: all asan $(OUT)/asan/libkedge.a $(patsubst %.c,$(OUT)/fuzz/obj/%.o,$(lib_srcs))

test-programs: $(unit_bins) $(bpf_tests) $(fuzz_bins) $(cover_bins) $(OUT)/flood $(OUT)/foreign.bpf.o $(OUT)/heads \
	       $(addprefix $(OUT)/bench/,load backend plugin.so move uring_facts)

test: ## every suite, each kernel among them, in half an hour; totals in the last line; installs what it needs; root
	$(Q)tests/run-all.sh

test-full: ## the same without leaving anything out; takes much longer
	$(Q)tests/run-all.sh full

# --- install ----------------------------------------------------------------------------------------
DESTDIR		?=
prefix		?= /usr/local
bindir		?= $(prefix)/bin
mandir		?= $(prefix)/share/man
datadir		?= $(prefix)/share/kedge
docdir		?= $(prefix)/share/doc/kedge
unitdir		?= $(prefix)/lib/systemd/system
sysusersdir	?= $(prefix)/lib/sysusers.d
INSTALL		?= install

inst_docs	:= README.md CHANGELOG.md SECURITY.md LICENSE dist/kedge.yaml $(wildcard docs/*.md)
inst_units	:= $(wildcard dist/*.service dist/*.socket)
# Dashboards, scripts of bpftrace: what stands in a directory of dist/ keeps it.
inst_data	:= $(patsubst dist/%,%,$(wildcard dist/*/*))

install: $(OUT)/kedge ## binary, man pages, units, documents below DESTDIR and prefix (/usr/local)
	$(INSTALL) -D -m 755 $(OUT)/kedge $(DESTDIR)$(bindir)/kedge
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man1 docs/man/kedge.1
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(mandir)/man5 docs/man/kedge.yaml.5
	$(INSTALL) -D -m 644 dist/kedge.sysusers $(DESTDIR)$(sysusersdir)/kedge.conf
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(docdir) $(inst_docs)
	$(INSTALL) -d $(DESTDIR)$(unitdir)
	set -e; for f in $(inst_units); do sed 's|/usr/bin/kedge|$(bindir)/kedge|' $$f \
		>$(DESTDIR)$(unitdir)/$${f##*/}; chmod 644 $(DESTDIR)$(unitdir)/$${f##*/}; done
	set -e; for f in $(inst_data); do \
		$(INSTALL) -D -m "$$([ -x dist/$$f ] && echo 755 || echo 644)" dist/$$f $(DESTDIR)$(datadir)/$$f; done

uninstall: ## removes what install put there; configuration and users stay
	rm -f $(DESTDIR)$(bindir)/kedge $(DESTDIR)$(mandir)/man1/kedge.1 $(DESTDIR)$(mandir)/man5/kedge.yaml.5 \
		$(DESTDIR)$(sysusersdir)/kedge.conf $(addprefix $(DESTDIR)$(docdir)/,$(notdir $(inst_docs))) \
		$(addprefix $(DESTDIR)$(unitdir)/,$(notdir $(inst_units))) $(addprefix $(DESTDIR)$(datadir)/,$(inst_data))
	for d in $(sort $(dir $(addprefix $(DESTDIR)$(datadir)/,$(inst_data)))) $(DESTDIR)$(datadir) \
		$(DESTDIR)$(docdir); do [ ! -d "$$d" ] || rmdir --ignore-fail-on-non-empty "$$d"; done

reference: $(OUT)/kedge ## writes the table of options into docs/configuration.md and kedge.yaml(5)
	$(Q)docs/reference.sh $(CURDIR)/$(OUT)/kedge

# --- style ------------------------------------------------------------------------------------------
c_files		 = $(wildcard user/*/*.[ch] include/kedge/*.h bpf/*.[ch] tests/unit/*/*.[ch] tests/lib/*.[ch] \
		   tests/bpf/*.[ch] tests/bench/*.[ch] tests/bench/guest/*.c tests/e2e/*.c tests/fuzz/*.[ch] tests/servers/*.[ch])

lint: $(skels) ## rooms, licences, clang-format and clang-tidy: none of them may have anything to say
	$(Q)$(PYTHON) -B tests/lint/rooms.py
	$(Q)$(PYTHON) -B tests/lint/files.py
	$(Q)clang-format --dry-run -Werror $(c_files)
	$(Q)clang-tidy --quiet $(user_srcs) -- $(kedge_CFLAGS) 2>$(OUT)/lint.err || \
		{ cat $(OUT)/lint.err; exit 1; }

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

clean: ## removes what was built, not what was downloaded
	rm -rf $(OUT)/user $(OUT)/flood $(OUT)/bench/obj $(OUT)/bench/load $(OUT)/bench/backend $(OUT)/bench/plugin.so $(OUT)/bench/move $(OUT)/bench/uring_facts $(OUT)/bench/libkedge.a $(OUT)/asan $(OUT)/unit $(OUT)/bpf-test $(OUT)/fuzz/obj $(OUT)/cover $(OUT)/kedge* $(OUT)/*.bpf.* $(OUT)/*.skel.h

.PHONY: all asan unit coverage fuzz bpf-test same e2e soak bench bench-test bench-profile vmbench vmbench-check membench bench-mover \
	install uninstall reference servers servers-doc demo demo-vm vmtest check test test-full test-objects test-programs \
	help clean
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(OUT) -name '*.d' -type f 2>/dev/null)
