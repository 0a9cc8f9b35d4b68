#!/bin/bash
# guest-tests.sh: what matrix.sh runs in each guest. Checks that kernel TLS is there, then runs every
# tests/guest/*.sh, each a test of its own: exit 0 passed, 77 skipped (its last line says why), else failed.
# The last line of output is the count.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

passed=0 failed=0 skipped=0

# run_test NAME COMMAND...: prints the output of a test only if it did not pass.
run_test()
{
	local name=$1 status=0 start=$SECONDS output
	shift

	output=$(mktemp)
	"$@" >"$output" 2>&1 </dev/null || status=$?
	case $status in
	0)
		echo "ok      $name ($((SECONDS - start)) s)"
		passed=$((passed + 1))
		;;
	77)
		echo "skipped $name: $(tail -n 1 "$output")"
		skipped=$((skipped + 1))
		;;
	*)
		echo "FAILED  $name (status $status, $((SECONDS - start)) s)"
		sed 's/^/        /' "$output"
		failed=$((failed + 1))
		;;
	esac
	rm -f "$output"
}

uname -srv
run_test ktls vmtest/ktls-check.py
for test in tests/guest/*.sh; do
	[[ -e $test ]] || continue
	name=${test##*/}
	run_test "${name%.sh}" bash "$test"
done
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
