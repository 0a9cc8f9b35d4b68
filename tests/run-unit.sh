#!/usr/bin/env bash
# run-unit.sh [-n NAME] PROGRAM...: runs each cmocka program, prints the output of those that fail, and one
# line of totals under NAME (default unit). A program that exits with 77 cannot run here: one skip.
set -uo pipefail
name=unit
if [ "$1" = -n ]; then name=$2; shift 2; fi
passed=0 failed=0 skipped=0
for bin in "$@"; do
    out=$("$bin" 2>&1)
    status=$?
    p=$(grep -c '^\[       OK' <<<"$out")
    f=$(grep -c '^\[  FAILED  \] [^0-9]' <<<"$out")
    s=$(grep -c '^\[  SKIPPED \] [^0-9]' <<<"$out")
    if [ "$status" -eq 77 ]; then s=$((s + 1)) status=0; fi
    # A program that died (a sanitizer, a crash) counts as a failure of its own.
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$((p + f + s))" -eq 0 ]; then f=1; out+=$'\nno test ran'; fi
    printf '  %s %-28s %4d passed, %d failed, %d skipped\n' "$name" "$(basename "$bin")" "$p" "$f" "$s"
    if [ "$f" -ne 0 ]; then printf '%s\n' "$out" | sed 's/^/    /'; fi
    grep '^measured ' <<<"$out"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$name: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
