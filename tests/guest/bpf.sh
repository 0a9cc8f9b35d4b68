#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The tests of the BPF programs on this kernel, with fewer random streams and shorter bodies because it is emulated.
# They are those below build/, or below BPF_OUT.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

names=(test_open test_bypass test_edit test_edit_corpus test_edit_cost test_edit_random test_edit_heads
	test_guard test_guard_state test_guard_rate test_guard_cookie test_guard_cost)
[[ -z ${KEDGE_TEST_SHORT-} ]] || names=(test_open test_edit_corpus test_edit_heads test_guard)
programs=()
for name in "${names[@]}"; do
	program=${BPF_OUT:-build}/bpf-test/$name
	programs+=("$program")
	[[ -x $program ]] || { echo "$program is not built: make bpf-test"; exit 77; }
done
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || exit 1
# Leaks are found natively; under emulation the search takes a minute at each exit.
export ASAN_OPTIONS=detect_leaks=0 KEDGE_RANDOM=20 KEDGE_MEGABYTES=8 KEDGE_STRIDE=7 KEDGE_GUARD_REPEAT=1000
tests/run-unit.sh -n bpf-test "${programs[@]}"
