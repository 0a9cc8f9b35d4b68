#!/bin/bash
# run.sh FUZZER...: runs each fuzzer (build/fuzz/fuzz_NAME) for FUZZ_SECONDS, 60 by default.
#
# A corpus grows in build/fuzz/corpus/NAME, begun with the files of tests/corpus/NAME, or with what
# tests/fuzz/seeds_NAME.py makes of them. tests/fuzz/fuzz_NAME.options has more seeds and libFuzzer's
# flags ("seeds = FILE..." and "flag = value"). An input that breaks something is left in build/fuzz and
# named; run the fuzzer on it to see it again.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

seconds=${FUZZ_SECONDS:-60}
passed=0 failed=0

# fuzz BINARY
fuzz()
{
	local dir name corpus log key value flags=() seeds=() runs
	dir=$(dirname "$1")
	name=$(basename "$1")
	corpus=$dir/corpus/${name#fuzz_}
	log=$dir/$name.log
	while read -r key _ value; do
		case $key in
		'' | '#'*) ;;
		seeds) read -ra seeds <<<"$value" ;;
		*) flags+=("-$key=$value") ;;
		esac
	done < <(cat "tests/fuzz/$name.options" 2>/dev/null)
	mkdir -p "$corpus"
	if [ -x "tests/fuzz/seeds_${name#fuzz_}.py" ]; then
		"tests/fuzz/seeds_${name#fuzz_}.py" "$corpus"
	elif [ -d "tests/corpus/${name#fuzz_}" ]; then
		cp -n "tests/corpus/${name#fuzz_}"/* "$corpus"
	fi
	for value in ${seeds[@]+"${seeds[@]}"}; do
		cp -n "$value" "$corpus"
	done

	if "$1" -max_total_time="$seconds" -artifact_prefix="$dir/$name-" -print_final_stats=1 \
		${flags[@]+"${flags[@]}"} "$corpus" >"$log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		tail -n 40 "$log" | sed 's/^/    /'
	fi
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	printf '  %-16s %12s runs, %s inputs in the corpus\n' "$name" "${runs:-?}" \
		"$(find "$corpus" -type f | wc -l)"
}

for binary in "$@"; do
	fuzz "$binary"
done
echo "fuzz: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
