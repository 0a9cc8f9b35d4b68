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

VERSION := 0.1.0

pkgs		:= libbpf libssl libcrypto libcyaml yaml-0.1 jansson libsystemd
kedge_CFLAGS	:= -std=gnu11 -D_GNU_SOURCE -DKEDGE_VERSION='"$(VERSION)"' -Iinclude -I. -Iuser -I$(OUT) \
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
user_srcs	:= $(wildcard user/*.c)
lib_srcs	:= $(filter-out user/main.c,$(user_srcs))
unit_srcs	:= $(wildcard tests/unit/test_*.c)
unit_bins	:= $(unit_srcs:tests/unit/%.c=$(OUT)/unit/%)
bpf_tests	:= $(patsubst tests/bpf/%.c,$(OUT)/bpf-test/%,$(wildcard tests/bpf/test_*.c))
testlib_srcs	:= $(wildcard tests/lib/*.c)
fuzz_srcs	:= $(wildcard tests/fuzz/fuzz_*.c)
fuzz_bins	:= $(fuzz_srcs:tests/fuzz/%.c=$(OUT)/fuzz/%)

all: $(OUT)/kedge ## build/kedge, optimised
asan: $(OUT)/kedge-asan ## build/kedge-asan, with the address and undefined-behaviour sanitizers

# --- the BPF side -----------------------------------------------------------------------------
$(OUT)/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(bpf_CFLAGS) $(bpf_sysinc) -MMD -MP -MF $(OUT)/$*.bpf.d -MT $@ -c $< -o $@
	$(Q)llvm-strip -g $@ 2>/dev/null || llvm-strip-14 -g $@

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

unit: $(unit_bins) ## builds and runs the unit tests
	$(Q)tests/run-unit.sh $(unit_bins)

# --- fuzzers: libFuzzer, clang ------------------------------------------------------------------
$(OUT)/fuzz/obj/%.o: %.c | $(skels)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -O1 -g -fsanitize=fuzzer-no-link,$(FUZZ) $(kedge_CFLAGS) -MMD -MP -c $< -o $@

$(OUT)/fuzz/libkedge.a: $(lib_srcs:%.c=$(OUT)/fuzz/obj/%.o) $(testlib_srcs:%.c=$(OUT)/fuzz/obj/%.o)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/fuzz/fuzz_%: $(OUT)/fuzz/obj/tests/fuzz/fuzz_%.o $(OUT)/fuzz/libkedge.a
	$(call say,LINK,$@)
	$(Q)$(CLANG) -fsanitize=fuzzer,$(FUZZ) $^ -o $@ $(kedge_LDLIBS)

fuzz: $(fuzz_bins) ## runs each fuzzer for FUZZ_SECONDS (60)
	$(Q)tests/fuzz/run.sh $(fuzz_bins)

# --- tests of the BPF side: cmocka, socket pairs, root -------------------------------------------
$(OUT)/bpf-test/%: $(OUT)/asan/tests/bpf/%.o $(OUT)/asan/tests/bpf/leg.o $(OUT)/asan/tests/bpf/both.o \
		 $(OUT)/asan/libkedge.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) $^ -o $@ $(kedge_LDLIBS) -lcmocka

bpf-test: $(bpf_tests) ## builds and runs the tests of the BPF programs; root
	$(Q)tests/run-unit.sh -n bpf-test $(bpf_tests)

# --- the whole: pytest, root ------------------------------------------------------------------------
same: $(OUT)/kedge-asan ## one corpus of streams through every combination of capabilities; root
	$(Q)cd tests && KEDGE_SUITE=same $(PYTHON) -B -m pytest -q same

e2e: $(OUT)/kedge-asan ## the story, lifecycle, transfer and more through a running kedge, a minute's soak; root
	$(Q)cd tests && KEDGE_SUITE=e2e $(PYTHON) -B -m pytest -q e2e soak

soak: $(OUT)/kedge ## an hour (SOAK_SECONDS=3600) of load, reloads and a dying application; root
	$(Q)cd tests && KEDGE_SUITE=soak KEDGE_BIN=$(abspath $(OUT))/kedge SOAK_SECONDS=$(or $(SOAK_SECONDS),3600) \
		$(PYTHON) -B -m pytest -q -s -o faulthandler_timeout=0 soak

demo: ## the story with Express, HAProxy and curl, answers checked; installs what it needs; root
	$(Q)tests/deps.sh build demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(PYTHON) -B tests/story/demo.py

demo-vm: ## the same in a guest whose kernel has TLS
	$(Q)tests/deps.sh build demo vm
	$(Q)$(MAKE) --no-print-directory all
	$(Q)vmtest/run.sh -k 6.12 -- env KEDGE_TEST_PATIENCE=10 $(PYTHON) -B tests/story/demo.py

vmtest: $(OUT)/kedge $(OUT)/kedge-asan $(unit_bins) $(bpf_tests) ## the guest tests under every kernel of vmtest/kernels
	$(Q)vmtest/matrix.sh

test: ## everything, with the totals in the last line; installs what it needs; root
	$(Q)tests/run-all.sh

# --- style ------------------------------------------------------------------------------------------
c_files		 = $(wildcard user/*.[ch] include/kedge/*.h bpf/*.[ch] tests/unit/*.[ch] tests/lib/*.[ch] \
		   tests/bpf/*.[ch] tests/fuzz/*.[ch])

lint: $(skels) ## clang-format and clang-tidy must have nothing to say
	$(Q)clang-format --dry-run -Werror $(c_files)
	$(Q)clang-tidy --quiet $(user_srcs) -- $(kedge_CFLAGS) 2>$(OUT)/lint.err || \
		{ cat $(OUT)/lint.err; exit 1; }

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

clean: ## removes what was built, not what was downloaded
	rm -rf $(OUT)/user $(OUT)/asan $(OUT)/unit $(OUT)/bpf-test $(OUT)/fuzz/obj $(OUT)/kedge* $(OUT)/*.bpf.* $(OUT)/*.skel.h

.PHONY: all asan unit fuzz bpf-test same e2e soak demo demo-vm vmtest test help clean
.DELETE_ON_ERROR:
.SECONDARY:
-include $(wildcard $(OUT)/*.d $(OUT)/user/*.d $(OUT)/asan/user/*.d $(OUT)/asan/tests/*/*.d \
	   $(OUT)/fuzz/obj/*/*.d $(OUT)/fuzz/obj/tests/*/*.d)
