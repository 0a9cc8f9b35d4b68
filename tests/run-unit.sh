#!/usr/bin/env bash
# Runs each unit test program given, prints the output of those that fail, and one line of totals.
set -uo pipefail
passed=0 failed=0 skipped=0
for bin in "$@"; do
    out=$("$bin" 2>&1)
    status=$?
    p=$(grep -c '^\[       OK' <<<"$out")
    f=$(grep -c '^\[  FAILED  \] [^0-9]' <<<"$out")
    s=$(grep -c '^\[  SKIPPED \] [^0-9]' <<<"$out")
    # A program that died (a sanitizer, a crash) counts as a failure of its own.
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$((p + f))" -eq 0 ]; then f=1; out+=$'\nno test ran'; fi
    printf '  unit %-28s %4d passed, %d failed, %d skipped\n' "$(basename "$bin")" "$p" "$f" "$s"
    if [ "$f" -ne 0 ]; then printf '%s\n' "$out" | sed 's/^/    /'; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "unit: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
