#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# matrix.sh [-j JOBS] [-t SECONDS] [LABEL...]: runs guest-tests.sh under every kernel of `kernels`, or under those
# named. Prints the results for each kernel and their total. Exit status 1 if anything failed.
#
# The full output for each kernel is kept as build/vm/LABEL.log.
set -euo pipefail
# shellcheck source=vmtest/lib.sh
. "$(dirname "$0")/lib.sh"

jobs=${VMTEST_JOBS:-2}
seconds=3600
while getopts j:t: option; do
	case $option in
	j) jobs=$OPTARG ;;
	t) seconds=$OPTARG ;;
	*)
		echo "usage: matrix.sh [-j JOBS] [-t SECONDS] [LABEL...]" >&2
		exit 2
		;;
	esac
done
shift $((OPTIND - 1))
[[ $# -gt 0 ]] || mapfile -t all < <(labels)
wanted=("${@:-${all[@]}}")
for label in "${wanted[@]}"; do
	kernel_line "$label" >/dev/null
done

# By process: the label of a run, and when it began.
declare -A running=() began=()

# shellcheck disable=SC2317 # called by the trap
stop()
{
	[[ ${#running[@]} -eq 0 ]] || kill "${!running[@]}" 2>/dev/null || true
	wait
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

start()
{
	"$vmtest/run.sh" -k "$1" -t "$seconds" -o "$vm/$1.share" -- \
		env "KEDGE_TEST_SHORT=${KEDGE_TEST_SHORT-}" vmtest/guest-tests.sh >"$vm/$1.log" 2>&1 &
	running[$!]=$1
	began[$!]=$SECONDS
}

# Waits until one run has ended, and keeps its status and time.
reap()
{
	local pid status=0

	wait -n -p pid "${!running[@]}" || status=$?
	echo "$status $((SECONDS - began[$pid]))" >"$vm/${running[$pid]}.status"
	unset "running[$pid]"
}

# Downloads come first, one after the other: they must not slow down a test.
mkdir -p "$vm"
for label in "${wanted[@]}"; do
	"$vmtest/fetch.sh" "$label"
done

for label in "${wanted[@]}"; do
	[[ ${#running[@]} -lt $jobs ]] || reap
	start "$label"
done
while [[ ${#running[@]} -gt 0 ]]; do
	reap
done

# Reads the log of a kernel into passed, failed and skipped, and the end of its run into status and took.
read_result()
{
	local line

	passed=0 failed=0 skipped=0
	read -r status took <"$vm/$1.status"
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$vm/$1.log" | tail -n 1) || true
	[[ -z $line ]] || read -r passed _ failed _ skipped _ <<<"$line"
	# A run that ended badly is a failure, even if its tests passed.
	[[ $status -eq 0 || $failed -ne 0 ]] || failed=1
}

sum_passed=0 sum_failed=0 sum_skipped=0
summary=
for label in "${wanted[@]}"; do
	read_result "$label"
	echo "=== $label: status $status, $took s"
	cat "$vm/$label.log"
	summary+="$label: $passed passed, $failed failed, $skipped skipped"$'\n'
	sum_passed=$((sum_passed + passed))
	sum_failed=$((sum_failed + failed))
	sum_skipped=$((sum_skipped + skipped))
done

echo "=== what each kernel can"
"$vmtest/table.py" --compare "${wanted[@]}" || sum_failed=$((sum_failed + 1))
printf '=== all kernels\n%s' "$summary"
for label in "${wanted[@]}"; do
	sed -nE "s/^(ok|FAILED) +([a-z-]+)\>.*[( ]([0-9]+) s\)\$/\3 $label \2/p" "$vm/$label.log"
done | sort -n | awk 'END { if (NF) print "vmtest: slowest: " $3 " on " $2 ", " $1 " s" }'
echo "vmtest: $sum_passed passed, $sum_failed failed, $sum_skipped skipped"
[[ $sum_failed -eq 0 ]]
