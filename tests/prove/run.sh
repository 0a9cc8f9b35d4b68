#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh [-t] [NAME...]: proves what the harnesses in this directory claim, with the model checker CBMC. Without names
# all of them; with KEDGE_TEST_SHORT those that are quick. -t prints the whole trace of the first property that fails.
#
# A harness is a function of C, prove_NAME(), that takes any input: variables without a value. ASSUME() says what is known of the
# input, PROVE() what must follow, REACH() which places some input must come to (prove.h). CBMC turns the harness and
# the code that it calls into one formula, and a solver looks for an input that breaks a PROVE(), leaves an array, reads
# through a bad pointer, overflows a signed number, shifts too far or divides by 0. If it finds none there is none. A
# loop that may take more turns than its harness says is a failure, too. So a proof has no other bounds than those in
# the comment of its harness, which also says what it takes for granted.
#
# The comment above has a line for each of its file:
#   Run: NAME short|long [FLAGS OF CBMC]
# and one for each static function that another one stands in for, which must not be static:
#   Instead: FUNCTION:STANDIN
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

here=tests/prove
logs=build/prove/logs
compile=(-D_GNU_SOURCE -Iinclude -I. -Iuser "-I$here")
checks=(--slice-formula --drop-unused-functions --unwinding-assertions --pointer-overflow-check)
passed=0 failed=0 skipped=0 trace=

[[ ${1-} != -t ]] || { trace=1 && shift; }

# runs: prints FILE NAME FORM FLAGS of each.
runs()
{
	sed -nE "s|^ \* Run: (.*)|\1|p; t name; b; :name F" $here/*.c | paste - - |
		awk -F '\t' '{ print $2, $1 }'
}

# model NAME FILE [FLAG OF THE COMPILER]: compiles the harness to NAME.gb, for cbmc.
model()
{
	local name=$1 file=$2 program=$logs/$1.gb instead=()

	shift 2
	mapfile -t instead < <(sed -nE 's|^ \* Instead: (.*)|--replace-calls\n\1|p' "$file")
	"$tools/goto-cc" "${compile[@]}" "$@" --function "prove_$name" "$file" -o "$program" &&
		{ [[ ${#instead[@]} -eq 0 ]] ||
			"$tools/goto-instrument" "${instead[@]}" "$program" "$program"; }
}

# check NAME FILE FLAG...: says for each property whether it holds.
check()
{
	local name=$1 file=$2

	shift 2
	model "$name" "$file" && "$cbmc" "$logs/$name.gb" "${checks[@]}" "$@"
}

# inputs NAME FILE FLAG...: prints what the harness says of its inputs, for the first property that fails.
inputs()
{
	local name=$1 file=$2

	shift 2
	{ model "$name" "$file" -DPROVE_TRACE &&
		"$cbmc" "$logs/$name.gb" "${checks[@]}" "$@" --trace --stop-on-fail; } >"$log.trace" 2>&1
	if [[ -n $trace ]]; then
		cat "$log.trace"
	else
		awk '/^Violated property/ { last = 1 } last && NF' "$log.trace"
		sed -nE 's/^ *INPUT /  with /p' "$log.trace"
	fi
}

# prove NAME FILE FLAG...
prove()
{
	local name=$1 file=$2 log=$logs/$1 wrong missed reached seconds

	shift 2
	TIMEFORMAT=%U
	seconds=$({ time check "$name" "$file" "$@" >"$log" 2>&1; } 2>&1)
	# A place is reached if the solver can break the promise that it is not.
	wrong=$(grep -E '^\[.*\] .*: (FAILURE|UNKNOWN|ERROR)$' "$log" | grep -v ' reach: ')
	missed=$(grep -E '^\[.*\] .* reach: .*: SUCCESS$' "$log")
	reached=$(grep -cE '^\[.*\] .* reach: .*: FAILURE$' "$log")
	if [[ -z $wrong && -z $missed && $reached -gt 0 ]]; then
		passed=$((passed + 1))
		printf '  %-20s %7s s, %5d properties, %d places reached\n' "$name" "$seconds" \
			"$(grep -c ': SUCCESS$' "$log")" "$reached"
		return
	fi
	failed=$((failed + 1))
	printf '  %-20s %7s s, failed; see all with: %s/run.sh -t %s\n' "$name" "$seconds" $here "$name"
	if [[ -n $wrong ]]; then
		echo "$wrong"
		inputs "$name" "$file" "$@"
	elif [[ -n $missed ]]; then
		echo "no input comes here, so nothing is proved:"
		echo "$missed"
	else
		tail -n 20 "$log"
	fi
}

# wanted NAME FORM: is it to run now?
wanted()
{
	if [[ ${#names[@]} -gt 0 ]]; then
		[[ " ${names[*]} " == *" $1 "* ]]
	else
		[[ $2 == short || -z ${KEDGE_TEST_SHORT-} ]]
	fi
}

names=("$@")
mkdir -p $logs
cbmc=$($here/fetch.sh) || { echo "prove: 0 passed, 1 failed, 0 skipped"; exit 1; }
tools=${cbmc%/*}
while read -r file name form flags; do
	if wanted "$name" "$form"; then
		# shellcheck disable=SC2086 # several flags
		prove "$name" "$file" $flags
	elif [[ ${#names[@]} -eq 0 ]]; then
		skipped=$((skipped + 1))
		echo "  $name: skipped, it takes longer"
	fi
done < <(runs)
if [[ ${#names[@]} -gt 0 && $((passed + failed)) -ne ${#names[@]} ]]; then
	echo "run.sh: no such harness among: ${names[*]}" >&2
	failed=$((failed + 1))
fi
echo "prove: $passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 && $passed -gt 0 ]]
