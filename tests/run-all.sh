#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run-all.sh [full]: does the work of `make test` and, with full, of `make test-full`. It installs what is missing,
# builds, runs every suite, several at a time, and adds up the totals.
#
# A suite is a make target whose output ends with "NAME: N passed, N failed, N skipped". A suite that dies earlier
# counts as a failure. Its output is printed when it has ended, and kept in build/test-logs. The last line is
# "N passed, N failed, N skipped"; the exit status is 0 only without a failure.
#
#   SUITES          run these only
#   TEST_JOBS       how many suites at a time; default one for each processor, as more would slow down the guests
#   SUITE_SECONDS   a suite that takes longer is ended
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# The longest first.
suites=(vmtest e2e servers unit same deb-test chaos faults fuzz prove sim bench-test bpf-test mutants coverage demo fleet containers)
case ${1-} in
'')
	# Each suite leaves some tests to the full run, and says how many.
	export KEDGE_TEST_SHORT=1 FUZZ_SECONDS=${FUZZ_SECONDS:-10} FUZZ_SEED=${FUZZ_SEED:-1}
	# Everything takes longer beside other suites.
	export KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-3}
	;;
full)
	# Instruction counts differ a little with the day's packages, so they are compared only here.
	suites=(test-debian13 "${suites[@]}" compilers vmbench-check)
	export FULL=1
	export FUZZ_SECONDS=${FUZZ_SECONDS:-120} CHAOS_SECONDS=${CHAOS_SECONDS:-400} SIM_SECONDS=${SIM_SECONDS:-600}
	;;
*)
	echo "usage: run-all.sh [full]" >&2
	exit 2
	;;
esac
# The guests run beside other suites.
export VMTEST_JOBS=${VMTEST_JOBS:-1}
[[ -z ${SUITES-} ]] || read -ra suites <<<"$SUITES"
jobs=${TEST_JOBS:-$(nproc)}
limit=${SUITE_SECONDS:-$([[ -n ${KEDGE_TEST_SHORT-} ]] && echo 3600 || echo 14400)}
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

# Sets groups (of packages), objects and programs (make targets), and kernels to what the suites need.
list_needs()
{
	local suite

	groups=(build test) objects=(test-objects) programs=() kernels=
	for suite in "${suites[@]}"; do
		case $suite in
		vmtest) programs+=(unit-programs bpf-test-programs e2e-programs) ;;
		unit | bpf-test | fuzz | sim | coverage | e2e | chaos | servers | bench-test) programs+=("$suite-programs") ;;
		esac
		case $suite in
		fuzz) objects+=(fuzz-objects) ;;
		vmbench-check) programs+=(bench-test-programs) ;;
		esac
		case $suite in
		vm*) groups+=(vm fleet) kernels=1 ;;
		servers | demo | fleet | containers) groups+=("$suite") ;;
		test-debian13) groups+=(root) ;;
		deb-test) groups+=(check deb root) ;;
		esac
	done
}

# Debian's packages, the model checker, and the kernels of the guests.
fetch()
{
	local label

	tests/deps.sh "${groups[@]}" || return 1
	[[ " ${suites[*]} " != *" prove "* ]] || tests/prove/fetch.sh || return 1
	[[ " ${suites[*]} " != *" containers "* ]] || tests/containers/base.sh || return 1
	[[ -n $kernels ]] || return 0
	# shellcheck source=vmtest/lib.sh
	for label in $(. vmtest/lib.sh && labels); do
		vmtest/fetch.sh "$label" || return 1
	done
}

# The network is slow, so packages and kernels are fetched while the compiler runs.
prepare()
{
	local fetching status=0 groups objects programs kernels

	list_needs
	tests/deps.sh build || return 1
	fetch >"$logs/fetch" 2>&1 &
	fetching=$!
	run_make "${objects[@]}" || status=$?
	wait "$fetching" || status=$?
	cat "$logs/fetch"
	[[ $status -eq 0 ]] && run_make "${objects[@]}" "${programs[@]}"
}

# Keeps suites that run side by side apart. Each has its own temporary directory: pytest closes a shared one to everybody
# but root. libbpf replaces a dot in the name of a pin, so there is none in the name. Each has its own loopback: a test
# that frees a port and wants it again must get it.
start()
{
	local tmp apart=(unshare --net sh -c 'ip link set lo up && exec "$@"' -)

	# These have networks of their own, and may have to fetch something.
	[[ $1 != vm* && $1 != test-debian13 && $1 != deb-test ]] || apart=()
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
		echo "$suite: ended after $limit s, as it seemed to hang: counted as a failure"
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
