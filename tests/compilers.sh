#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# compilers.sh [COMPILER...]: builds kedge, with and without sanitizers, and the unit tests with each compiler (gcc and
# clang), below build/compilers. A warning is an error, also of a packager's -Wall -Wextra. A clang also builds the BPF
# programs. One test for each; the last line is their total.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

[[ $# -gt 0 ]] || set -- gcc clang
# This make is one of its own: a jobserver of another one would be warned of, and a warning is an error.
unset MAKEFLAGS MFLAGS
passed=0 failed=0 skipped=0
for compiler in "$@"; do
	out=build/compilers/$compiler
	clang=${CLANG:-clang}
	[[ $compiler != clang* ]] || clang=$compiler
	if ! version=$("$compiler" -dumpfullversion -dumpversion 2>/dev/null); then
		echo "compilers: $compiler: skipped: it is not installed"
		skipped=$((skipped + 1))
		continue
	fi
	# What is there would say nothing.
	rm -rf "$out"
	mkdir -p "$out"
	start=$SECONDS
	if ${MAKE:-make} -j"$(nproc)" --no-print-directory OUT="$out" CC="$compiler" CLANG="$clang" WERROR=1 \
		CFLAGS="-O2 -g -Wall -Wextra -Werror" all asan unit-objects >"$out/log" 2>&1 && ! grep -q 'warning:' "$out/log"; then
		echo "compilers: $compiler $version: ok ($((SECONDS - start)) s)"
		passed=$((passed + 1))
		rm -rf "$out"
	else
		grep -E -A 8 'warning:|error:' "$out/log" | head -n 100 || tail -n 20 "$out/log"
		echo "compilers: $compiler $version: FAILED, all of it: $out/log"
		failed=$((failed + 1))
	fi
done
echo "compilers: $passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
