#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run-all.sh [full]: what `make test` and, with full, `make test-full` do: install what is missing, build, run every
# suite, several at a time, and add up the totals.
#
# A suite is a make target whose output ends with "NAME: N passed, N failed, N skipped". One that dies before it says
# so counts as a failure. The output of a suite is printed when the suite has ended, and kept in build/test-logs.
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only without a failure.
#
#   SUITES          run these only
#   TEST_JOBS       how many suites at a time (one for each processor: emulation slows down much faster than it shares)
#   SUITE_SECONDS   after this a suite is taken to hang, and is ended
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# The longest first.
suites=(vmtest e2e servers unit same fuzz bench-test bpf-test coverage demo)
case ${1-} in
'')
	# Each suite leaves out what the full run is for, and says how much.
	export KEDGE_TEST_SHORT=1 FUZZ_SECONDS=${FUZZ_SECONDS:-10}
	# Side by side everything takes longer.
	export KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-3}
	;;
full)
	# Instructions are compared with those of before here: small differences come and go with the day's packages.
	suites+=(vmbench-check)
	export FUZZ_SECONDS=${FUZZ_SECONDS:-120}
	;;
*)
	echo "usage: run-all.sh [full]" >&2
	exit 2
	;;
esac
# The guests are one of the suites that run side by side.
export VMTEST_JOBS=${VMTEST_JOBS:-1}
[[ -z ${SUITES-} ]] || read -ra suites <<<"$SUITES"
jobs=${TEST_JOBS:-$(nproc)}
limit=${SUITE_SECONDS:-$([[ -n ${KEDGE_TEST_SHORT-} ]] && echo 2400 || echo 14400)}
logs=build/test-logs

passed=0 failed=0 skipped=0
table=
declare -A suite_of=() began=() scratch=() # by process

# shellcheck disable=SC2317 # called by the trap
stop()
{
	[[ ${#suite_of[@]} -eq 0 ]] || kill "${!suite_of[@]}" 2>/dev/null
	wait
	rm -rf "${scratch[@]}"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

run_make()
{
	${MAKE:-make} -j"$(nproc)" --no-print-directory "$@"
}

# Debian's packages, and the kernels of the guests.
fetch()
{
	local label

	tests/deps.sh build test servers demo vm || return 1
	# shellcheck source=vmtest/lib.sh
	for label in $(. vmtest/lib.sh && labels); do
		vmtest/fetch.sh "$label" || return 1
	done
}

# Packages and kernels come over the network, which leaves the processors to the compiler.
prepare()
{
	local fetching status=0

	tests/deps.sh build || return 1
	fetch >"$logs/fetch" 2>&1 &
	fetching=$!
	run_make test-objects || status=$?
	wait "$fetching" || status=$?
	cat "$logs/fetch"
	[[ $status -eq 0 ]] && run_make test-programs
}

# Suites that run side by side must not meet. Each has a directory of its own for what it writes, for pytest closes the
# one that all share to everybody but root (and libbpf makes a dot in the name of a pin another character), and a
# loopback of its own, for a port that one has freed and wants again must still be there.
start()
{
	local tmp apart=(unshare --net sh -c 'ip link set lo up && exec "$@"' -)

	# Guests have a network of their own, and may have to be fetched.
	[[ $1 != vm* ]] || apart=()
	tmp=$(mktemp -d /tmp/kedge-suite-XXXXXX) && chmod 711 "$tmp" || exit 1
	echo "=== $1: begins"
	TMPDIR=$tmp timeout --kill-after=30 "$limit" "${apart[@]}" "${MAKE:-make}" -j"$(nproc)" \
		--no-print-directory "$1" >"$logs/$1" 2>&1 </dev/null &
	suite_of[$!]=$1 began[$!]=$SECONDS scratch[$!]=$tmp
}

# report SUITE STATUS SECONDS
report()
{
	local suite=$1 status=$2 line p=0 f=0 s=0

	echo "=== $suite: ended after $3 s"
	cat "$logs/$suite"
	line=$(grep -E '^[a-z0-9-]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$logs/$suite" | tail -n 1)
	if [[ -n $line ]]; then
		read -r _ p _ f _ s _ <<<"$line"
	fi
	if [[ $status -eq 124 || $status -eq 137 ]]; then
		echo "$suite: ended after $limit s, for it seemed to hang: counted as a failure"
		f=$((f + 1))
	elif [[ $status -ne 0 && $f -eq 0 ]] || [[ $p -eq 0 && $f -eq 0 ]]; then
		echo "$suite: ended with status $status and ${line:-no totals}: counted as a failure"
		f=$((f + 1))
	fi
	table+=$(printf '%-14s %5d passed, %d failed, %3d skipped %5d s   %s' "$suite" "$p" "$f" "$s" "$3" \
		"$(sed -n "s/^$suite: slowest: //p" "$logs/$suite" | tail -n 1)")$'\n'
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

collect()
{
	local pid status=0

	wait -n -p pid "${!suite_of[@]}" || status=$?
	report "${suite_of[$pid]}" "$status" "$((SECONDS - began[$pid]))"
	rm -rf "${scratch[$pid]}"
	unset "suite_of[$pid]" "scratch[$pid]"
}

mkdir -p "$logs"
prepare || exit 1
echo "=== installed and built after $SECONDS s"
for suite in "${suites[@]}"; do
	[[ ${#suite_of[@]} -lt $jobs ]] || collect
	start "$suite"
done
while [[ ${#suite_of[@]} -gt 0 ]]; do
	collect
done
printf '=== all after %d s; suite, results, time, its slowest test\n%s\n' "$SECONDS" "$table"
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
