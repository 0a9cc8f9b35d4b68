#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh [NAME...]: puts each fault of tests/mutants/NAME.patch (default: those named in MUTANTS, else all) into a copy
# of the tree, builds it, and demands that a test fails. A mutant that no test finds is a failure.
#
# A patch is a unified diff, after lines that say:
#   What: TEXT         what is wrong in it
#   Found by: COMMAND  run in the root of the tree; it passes without the patch, and must fail with it
#   Builds: TARGETS    what make builds before the command, if it is not clear from the command
#   Says: TEXT         what the command must say; without it, it must name a test that failed
#   Needs: root | vm   of the machine
#   Short: yes         it is quick: KEDGE_TEST_SHORT runs only these
#
# The copy is build/mutants/tree. It keeps the last mutant. What it said is in build/mutants/NAME.log.
#   MUTANT_SECONDS     a command that takes longer hangs, and a mutant that hangs is found (240)
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
scratch=build/mutants
base=$scratch/base tree=$scratch/tree
limit=$((${MUTANT_SECONDS:-240} * ${KEDGE_TEST_PATIENCE:-1}))
passed=0 failed=0 skipped=0
declare -A plain=() # by command: what it does without a patch: passes, or why it is no use
# The make that may run this script has its own targets and jobs.
unset MAKEFLAGS MFLAGS MAKELEVEL

# One line of a patch's header.
header()
{
	sed -n "/^--- /q; s/^$2: *//p" "tests/mutants/$1.patch" | head -n 1
}

# The names of the mutants to run.
choose()
{
	local names=() name

	if [[ $# -gt 0 || -n ${MUTANTS-} ]]; then
		read -ra names <<<"${*:-$MUTANTS}"
		printf '%s\n' "${names[@]}"
		return
	fi
	for name in tests/mutants/*.patch; do
		name=$(basename "$name" .patch)
		[[ -n ${KEDGE_TEST_SHORT-} && $(header "$name" Short) != yes ]] || echo "$name"
	done
}

# What make builds for a mutant.
targets_of()
{
	local name=$1 command word targets

	targets=$(header "$name" Builds)
	command=$(header "$name" 'Found by')
	if [[ -z $targets ]]; then
		targets=$(grep -oE '\bbuild/[A-Za-z0-9_/.-]+' <<<"$command" | sort -u | tr '\n' ' ')
		# Of "make NAME", the programs of that suite.
		word=$(sed -n 's/.*\bmake \([a-z0-9-]*\).*/\1/p' <<<"$command")
		! grep -q "^suites_built.*\b${word:-none}\b" Makefile || targets+="$word-programs"
	fi
	# A command that names no program runs kedge itself.
	echo "${targets:-all asan}"
}

# The tree without a patch. What the tree's own build/ has need not be built again.
make_base()
{
	local part

	rm -rf "$base" "$tree" && mkdir -p "$base/build" || return 1
	git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -c 2>/dev/null |
		tar -x -C "$base" || return 1
	for part in asan user fuzz/obj cover/obj flags flood; do
		[[ ! -e build/$part ]] || { mkdir -p "$base/build/$(dirname "$part")" && cp -a "build/$part" "$base/build/$part"; }
	done
	find build -maxdepth 1 -type f \( -name '*.bpf.*' -o -name '*.skel.h' \) -exec cp -pt "$base/build" {} +
	# The kernels of the guests.
	[[ ! -d build/vm ]] || ln -s "$root/build/vm" "$base/build/vm"
}

# build DIR LOG TARGET...
build()
{
	local dir=$1 log=$2

	shift 2
	make -j"$(nproc)" -C "$dir" "$@" >"$log" 2>&1 9>&-
}

# Makes the tree equal to the base: also its objects, so that the next mutant compiles only what it changes.
restore()
{
	find "$tree" -newer "$scratch/stamp" -type f -delete
	cp -a -u "$base/." "$tree"
}

# try COMMAND LOG: runs it in the tree. Gives its status; 124 means that it hung.
try()
{
	(cd "$tree" && timeout --kill-after=20 "$limit" bash -c "$1") >"$2" 2>&1 </dev/null 9>&-
}

# cmocka says ERROR where the end of a test finds something left, too.
test_failed='^ *\[  (FAILED  |ERROR   )\]|[1-9][0-9]* failed\b|ERROR: [A-Za-z]*Sanitizer|runtime error: |Assertion .* failed'
test_failed+='|ERROR: libFuzzer|VERIFICATION FAILED|check failed: |: deadly signal'
# Of a command that ends well, but could not test anything here.
test_skipped='(^|[^0-9])0 passed|no tests ran|^[0-9]+ (skipped|deselected)'

# What COMMAND does without a patch, in plain[COMMAND].
try_plain()
{
	local status=0 log=$scratch/plain.log

	[[ -z ${plain[$1]-} ]] || return 0
	try "$1" "$log" 2>/dev/null || status=$?
	if [[ $status -eq 77 ]] || { [[ $status -eq 0 ]] && grep -qE "$test_skipped" "$log"; }; then
		plain[$1]=skips
	elif [[ $status -eq 0 ]]; then
		plain[$1]=passes
	else
		plain[$1]=fails
		tail -n 30 "$log" | sed 's/^/    /'
	fi
}

fail()
{
	echo "$1: FAILED: $2"
	echo "  to see it again: tests/mutants/run.sh $1"
	failed=$((failed + 1))
}

skip()
{
	echo "$1: skipped: $2"
	skipped=$((skipped + 1))
}

# judge NAME COMMAND STATUS SECONDS LOG
judge()
{
	local says

	says=$(header "$1" Says)
	if [[ $3 -eq 0 ]]; then
		fail "$1" "not found by $2: $(header "$1" What)"
	elif [[ $3 -eq 124 || $3 -eq 137 ]]; then
		echo "$1: found by $2 after $4 s, as it hung"
		passed=$((passed + 1))
	elif [[ $3 -eq 126 || $3 -eq 127 ]] || ! if [[ -n $says ]]; then grep -qF -- "$says" "$5"; else
		grep -qE "$test_failed" "$5"; fi; then
		tail -n 20 "$5" | sed 's/^/    /'
		fail "$1" "$2 ended with status $3, but ${says:+did not say \"$says\"}${says:-named no test that failed}"
	else
		echo "$1: found by $2 after $4 s"
		passed=$((passed + 1))
	fi
}

# mutate NAME
mutate()
{
	local name=$1 command log=$scratch/$1.log status=0 began targets

	command=$(header "$name" 'Found by')
	read -ra targets < <(targets_of "$name")
	if [[ -z $command || -z $(header "$name" What) ]]; then
		fail "$name" "the patch lacks What or Found by"
		return
	fi
	try_plain "$command"
	case ${plain[$command]} in
	skips) skip "$name" "$command runs no test here" && return ;;
	fails) fail "$name" "$command fails without the patch, too" && return ;;
	esac
	if ! patch -s -p1 -F3 --no-backup-if-mismatch -d "$tree" -i "$root/tests/mutants/$name.patch" >"$log" 2>&1; then
		sed 's/^/    /' "$log"
		fail "$name" "rewrite it, the code has changed: $(header "$name" What)"
	elif ! build "$tree" "$log" "${targets[@]}"; then
		tail -n 20 "$log" | sed 's/^/    /'
		fail "$name" "the mutant does not build"
	else
		began=$SECONDS
		try "$command" "$log" 2>/dev/null || status=$?
		judge "$name" "$command" "$status" $((SECONDS - began)) "$log"
	fi
}

# leave NAME...: these are for make test-full. Each must fit the code also today, so that it does not rot there.
leave()
{
	local name

	for name in "$@"; do
		if patch -s -p1 -F3 --dry-run -d "$base" -i "$root/tests/mutants/$name.patch" >/dev/null 2>&1; then
			skipped=$((skipped + 1))
		else
			fail "$name" "rewrite it, the code has changed: $(header "$name" What)"
		fi
	done
	echo "left to make test-full: $# mutants"
}

# Why the machine cannot run the mutant; nothing if it can.
lacks()
{
	case $(header "$1" Needs) in
	root) [[ $(id -u) -eq 0 ]] || echo "needs root" ;;
	vm) [[ $(id -u) -eq 0 && -d build/vm ]] || echo "needs root and the kernels of make vmtest" ;;
	esac
}

main()
{
	local names=() name why others targets=() some

	mapfile -t names < <(choose "$@")
	for name in "${names[@]}"; do
		[[ -r tests/mutants/$name.patch ]] || { echo "run.sh: tests/mutants has no $name.patch" >&2; exit 2; }
		read -ra some < <(targets_of "$name")
		[[ -n $(lacks "$name") ]] || targets+=("${some[@]}")
	done
	mkdir -p "$scratch"
	exec 9>"$scratch/lock"
	flock -n 9 || { echo "run.sh: another one uses $scratch" >&2; exit 2; }
	mapfile -t targets < <(printf '%s\n' "${targets[@]}" | sort -u)
	make_base || exit 1
	build "$base" "$scratch/base.log" "${targets[@]}" || { tail -n 30 "$scratch/base.log"; exit 1; }
	cp -a "$base" "$tree"
	touch "$scratch/stamp"
	sleep 0.01
	for name in "${names[@]}"; do
		why=$(lacks "$name")
		if [[ -n $why ]]; then
			skip "$name" "$why"
			continue
		fi
		restore
		mutate "$name"
	done
	if [[ -n ${KEDGE_TEST_SHORT-} ]]; then
		mapfile -t others < <(printf 'tests/mutants/%s.patch\n' "${names[@]}" | grep -vxFf - <(ls tests/mutants/*.patch) |
			sed 's,.*/,,; s,\.patch$,,')
		leave "${others[@]}"
	fi
	echo "mutants: $passed passed, $failed failed, $skipped skipped"
	[[ $failed -eq 0 ]]
}

main "$@"
