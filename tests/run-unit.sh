#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# run-unit.sh [-n NAME] PROGRAM...: runs cmocka programs, JOBS (1) at a time. Prints a line for each, the whole output of
# those that fail, and a line of totals for NAME (default unit). Exit status 77 means that a program cannot run here,
# and counts as one skip.
set -uo pipefail

name=unit
if [[ ${1-} == -n ]]; then
	name=$2
	shift 2
fi
jobs=${JOBS:-1}
passed=0 failed=0 skipped=0
slowest='' slowest_ms=-1
logs=$(mktemp -d) || exit 1

declare -A log_of=() # by process; a log has the name of its program

# shellcheck disable=SC2317 # called by the trap
finish()
{
	[[ ${#log_of[@]} -eq 0 ]] || kill "${!log_of[@]}" 2>/dev/null || true
	rm -rf "$logs"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# start PROGRAM
start()
{
	local log
	log=$logs/$(basename "$1")
	date +%s%3N >"$log.began"
	"$1" >"$log" 2>&1 &
	log_of[$!]=$log
}

# report LOG STATUS
report()
{
	local log=$1 status=$2 ms p f s
	ms=$(($(date +%s%3N) - $(<"$log.began")))
	p=$(grep -c '^\[       OK' "$log")
	# cmocka names a test that failed twice.
	f=$(grep '^\[  FAILED  \] [^0-9]' "$log" | grep -v ' test(s), listed below' | sort -u | grep -c .)
	s=$(grep -c '^\[  SKIPPED \] [^0-9]' "$log")
	if [[ $status -eq 77 ]]; then
		s=$((s + 1)) status=0
	fi
	# A program that died (a sanitizer, a crash) counts as one failure.
	if [[ $status -ne 0 && $f -eq 0 ]]; then
		f=1
	fi
	if [[ $((p + f + s)) -eq 0 ]]; then
		f=1
		echo "no test ran" >>"$log"
	fi
	printf '  %s %-28s %4d passed, %d failed, %d skipped, %d.%01d s\n' "$name" "$(basename "$log")" "$p" "$f" "$s" \
		$((ms / 1000)) $((ms % 1000 / 100))
	[[ $f -eq 0 ]] || sed 's/^/    /' "$log"
	grep '^measured ' "$log"
	if [[ $ms -gt $slowest_ms ]]; then
		slowest=$(basename "$log") slowest_ms=$ms
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# Waits for one program to end.
collect()
{
	local pid status=0

	wait -n -p pid "${!log_of[@]}" || status=$?
	report "${log_of[$pid]}" "$status"
	unset "log_of[$pid]"
}

for program in "$@"; do
	[[ ${#log_of[@]} -lt $jobs ]] || collect
	start "$program"
done
while [[ ${#log_of[@]} -gt 0 ]]; do
	collect
done
echo "$name: slowest: $slowest, $((slowest_ms / 1000)) s"
echo "$name: $passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
