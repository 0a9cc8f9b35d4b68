#!/bin/bash
# run-all.sh: what `make test` is: installs what is missing, builds, runs every suite, adds up the totals.
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only without a failure.
#
# A suite is a make target whose output ends with "NAME: N passed, N failed, N skipped". One that dies
# before it says so counts as a failure. SUITES chooses some of them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

passed=0 failed=0 skipped=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# run SUITE
run()
{
	local status line p=0 f=0 s=0

	echo "=== $1"
	${MAKE:-make} -j"$(nproc)" --no-print-directory "$1" 2>&1 | tee "$output"
	status=${PIPESTATUS[0]}
	line=$(grep -E '^[a-z0-9-]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$output" | tail -n 1)
	if [[ -n $line ]]; then
		read -r _ p _ f _ s _ <<<"$line"
	fi
	if [[ $status -ne 0 && $f -eq 0 ]] || [[ $p -eq 0 && $f -eq 0 ]]; then
		echo "$1: ended with status $status and ${line:-no totals}: counted as a failure"
		f=$((f + 1))
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

tests/deps.sh build test servers demo vm || exit 1
${MAKE:-make} -j"$(nproc)" --no-print-directory all asan || exit 1
# Long enough to meet what a change has broken; hours are for other times.
export FUZZ_SECONDS=${FUZZ_SECONDS:-60}
for suite in ${SUITES:-unit coverage fuzz bpf-test same e2e servers bench-test vmbench-check demo vmtest}; do
	run "$suite"
done
echo
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
