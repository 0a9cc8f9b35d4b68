#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# guest-tests.sh: matrix.sh runs it in each guest. It checks kernel TLS, keeps the output of `kedge probe` for the
# table of docs/kernels.md, then runs every tests/guest/*.sh. Exit status 0 counts as passed, 77 as skipped (its last line
# says why), any other as failed. If a test prints "NAME: N passed, N failed, N skipped", those numbers count. The last
# line of output is the total.
#
# With KEDGE_TEST_SHORT it tests only what differs between kernels, in a short form.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

passed=0 failed=0 skipped=0

# run_test NAME COMMAND...: prints the output of a test unless it passed.
run_test()
{
	local name=$1 status=0 start=$SECONDS output totals p=1 f=0 s=0
	shift

	output=$(mktemp)
	"$@" >"$output" 2>&1 </dev/null || status=$?
	totals=$(grep -E '^[a-z-]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$output" | tail -n 1)
	if [[ -n $totals ]]; then
		read -r _ p _ f _ s _ <<<"$totals"
	fi
	if [[ $status -eq 77 ]]; then
		p=0 f=0 s=1
		echo "skipped $name: $(tail -n 1 "$output")"
	elif [[ $status -eq 0 && $p -gt 0 && $f -eq 0 ]]; then
		echo "ok      $name: $p passed, $s skipped ($((SECONDS - start)) s)"
		grep '^measured ' "$output"
	else
		[[ $f -gt 0 ]] || f=1
		[[ -n $totals ]] || p=0
		echo "FAILED  $name (status $status, $((SECONDS - start)) s)"
		sed 's/^/        /' "$output"
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	rm -f "$output"
}

# For the table of docs/kernels.md.
keep_probe()
{
	[[ -n ${VM_SHARE:-} ]] || return 77
	build/kedge probe --json | tee "$VM_SHARE/probe.json" | grep -q '"record": true'
}

# One pytest for all: it takes 10 s to start here.
each_kernel()
{
	export KEDGE_SUITE=each-kernel KEDGE_TEST_PATIENCE=15 KEDGE_TEST_TRANSFER_MB=4 KEDGE_BIN=$PWD/build/kedge
	/usr/bin/python3 -B -m pytest -q -p no:cacheprovider -s tests/guest tests/e2e/test_{peername,losses,guard}.py
}

uname -srv
run_test ktls vmtest/ktls-check.py
run_test probe keep_probe
tests=(tests/guest/*.sh)
if [[ -n ${KEDGE_TEST_SHORT-} ]]; then
	export KEDGE_TEST_SHORT=each-kernel
	tests=(tests/guest/{record,bpf}.sh)
	# The fleet's parts are the same on all kernels: one of them will do.
	[[ ${VM_LABEL-} != 6.12 ]] || tests+=(tests/guest/fleet.sh)
	echo "short: what differs between kernels; make test-full runs the rest"
	run_test each-kernel each_kernel
fi
for test in "${tests[@]}"; do
	name=${test##*/}
	run_test "${name%.sh}" bash "$test"
done
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
