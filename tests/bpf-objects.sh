#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# bpf-objects.sh DIR: takes the BPF objects in DIR, built by another clang, and builds kedge and the tests of the BPF
# programs with them, in build/bpf-objects. Runs `kedge probe`, which loads every program, and the tests, on this
# machine's kernel and in a guest for each of vmtest/kernels. The last line is the total.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=vmtest/lib.sh
. vmtest/lib.sh

[[ $# -eq 1 ]] || die "usage: bpf-objects.sh DIR"
[[ -e $1/flow.bpf.o ]] || die "$1: no BPF objects here"
[[ $(id -u) -eq 0 ]] || die "needs root"
out=build/bpf-objects
passed=0 failed=0 skipped=0

# count NAME STATUS LOG: adds what a run of the tests said.
count()
{
	local line p=0 f=0 s=0

	line=$(grep -E '^bpf-test: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$3" | tail -n 1)
	[[ -z $line ]] || read -r _ p _ f _ s _ <<<"$line"
	# A run that ended badly is a failure whatever its tests said.
	[[ $2 -eq 0 && $p -gt 0 ]] || f=$((f > 0 ? f : 1))
	[[ $f -eq 0 ]] || cat "$3"
	echo "bpf-objects: $1: $p passed, $f failed, $s skipped"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# The probe loads every program, also those that the tests do not use.
tests="$out/kedge probe --json | tee /dev/stderr | grep -cE '^ *\"(edit|bypass|peername|guard)\": true' | grep -q 4 &&
	BPF_OUT=$out exec tests/guest/bpf.sh"

# Objects of two clangs may have the same age.
rm -rf "$out"
mkdir -p "$out"
if ! "${MAKE:-make}" -j"$(nproc)" --no-print-directory OUT="$out" BPF_OBJECTS="$1" all bpf-test-programs \
	>"$out/log" 2>&1; then
	tail -n 30 "$out/log"
	die "the build failed, all of it: $out/log"
fi
unshare --mount sh -c "mount -t bpf bpf /sys/fs/bpf && $tests" >"$out/native.log" 2>&1 </dev/null
count "this kernel, $(uname -r)" $? "$out/native.log"
for label in $(labels); do
	vmtest/run.sh -k "$label" -t 1800 -- env KEDGE_TEST_SHORT=1 sh -c "$tests" >"$out/$label.log" 2>&1
	count "$label" $? "$out/$label.log"
done
echo "bpf-objects: $passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
