#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh FUZZER...: runs each fuzzer (build/fuzz/fuzz_NAME) for FUZZ_SECONDS (60), FUZZ_JOBS (2) at a time.
# With FUZZ_SEED, from the same corpus, the inputs are the same ones each time, as far as the time goes.
#
# A corpus grows in build/fuzz/corpus/NAME, begun with the files of tests/corpus/NAME, or with what
# tests/fuzz/seeds_NAME.py makes of them. tests/fuzz/fuzz_NAME.options has more seeds and libFuzzer's
# flags ("seeds = FILE..." and "flag = value"). An input that breaks something is left beside the fuzzer, and
# is printed with the command that shows it again.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

seconds=${FUZZ_SECONDS:-60}
jobs=${FUZZ_JOBS:-2}
passed=0 failed=0

# begin_corpus NAME DIR SEED...: what tests/corpus has for it, and the seeds.
begin_corpus()
{
	local name=$1 corpus=$2
	shift 2

	mkdir -p "$corpus"
	if [ -x "tests/fuzz/seeds_$name.py" ]; then
		"tests/fuzz/seeds_$name.py" "$corpus"
	elif [ -d "tests/corpus/$name" ]; then
		cp -n "tests/corpus/$name"/* "$corpus"
	fi
	[ $# -eq 0 ] || cp -n "$@" "$corpus"
}

# fuzz BINARY: its output is in BINARY.log afterwards; the status is the fuzzer's.
fuzz()
{
	local name corpus key value flags=() seeds=()
	name=$(basename "$1")
	corpus=$(dirname "$1")/corpus/${name#fuzz_}
	while read -r key _ value; do
		case $key in
		'' | '#'*) ;;
		seeds) read -ra seeds <<<"$value" ;;
		*) flags+=("-$key=$value") ;;
		esac
	done < <(cat "tests/fuzz/$name.options" 2>/dev/null)
	begin_corpus "${name#fuzz_}" "$corpus" ${seeds[@]+"${seeds[@]}"}
	[ -z "${FUZZ_SEED:-}" ] || flags+=("-seed=$FUZZ_SEED")
	"$1" -max_total_time="$seconds" -artifact_prefix="$1-" -print_final_stats=1 \
		${flags[@]+"${flags[@]}"} "$corpus" >"$1.log" 2>&1
}

# show_failure BINARY: what went wrong, and the input, also for those who have only this output.
show_failure()
{
	local input
	input=$(sed -n 's/.*Test unit written to //p' "$1.log" | tail -n 1)
	grep -n -B 2 -A 12 -m 1 -E '^broken: |runtime error: |ERROR: ' "$1.log" | cut -c 1-300 | sed 's/^/    /'
	tail -n 12 "$1.log" | cut -c 1-300 | sed 's/^/    /'
	[ -f "$input" ] || return 0
	echo "to see it again: $1 $input"
	echo "with this in that file: base64 -d <<<$(gzip -9nc "$input" | base64 -w 0) | gzip -d"
}

# report BINARY STATUS
report()
{
	local name runs features
	name=$(basename "$1")
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$1.log")
	# One that ran nothing has found nothing.
	if [ "$2" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		show_failure "$1"
	fi
	features=$(sed -n 's/.* ft: \([0-9]*\) .*/\1/p' "$1.log" | tail -n 1)
	printf '  %-26s %10s runs, %6s features, %s inputs in the corpus\n' "${1#*/}" "${runs:-?}" "${features:-?}" \
		"$(find "$(dirname "$1")/corpus/${name#fuzz_}" -type f | wc -l)"
}

declare -A binary_of=() # by process
# collect: waits for one of the running fuzzers.
collect()
{
	local pid status=0

	wait -n -p pid || status=$?
	report "${binary_of[$pid]}" "$status"
	unset "binary_of[$pid]"
}

for binary in "$@"; do
	[ "${#binary_of[@]}" -lt "$jobs" ] || collect
	fuzz "$binary" &
	binary_of[$!]=$binary
done
while [ "${#binary_of[@]}" -gt 0 ]; do
	collect
done
echo "fuzz: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
