#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# guest-tests.sh: what matrix.sh runs in each guest. Checks that kernel TLS is there, keeps what `kedge probe` says
# for the table of the README, then runs every tests/guest/*.sh: exit 0 passed, 77 skipped (its last line says
# why), else failed. A test that ends with a line "NAME: N passed, N failed, N skipped" counts as that many. The last
# line of output is the count.
#
# With KEDGE_TEST_SHORT it runs what kernels differ in, in a short form.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

passed=0 failed=0 skipped=0

# run_test NAME COMMAND...: prints the output of a test only if it did not pass.
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

# The table of the README is made of this.
keep_probe()
{
	[[ -n ${VM_SHARE:-} ]] || return 77
	build/kedge probe --json | tee "$VM_SHARE/probe.json" | grep -q '"record": true'
}

# pytest takes 10 s to start here: once for all.
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
	echo "short: what kernels differ in; the rest is left to make test-full"
	run_test each-kernel each_kernel
fi
for test in "${tests[@]}"; do
	name=${test##*/}
	run_test "${name%.sh}" bash "$test"
done
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
