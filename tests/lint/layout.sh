#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# layout.sh FILE...: what clang-format would change in these files, and the command that does it. Status 1 then.
set -uo pipefail

found=$(clang-format --dry-run -Werror "$@" 2>&1) && exit 0
printf '%s\n' "$found"
mapfile -t files < <(sed -n 's/^\([^ :]*\):[0-9]*:[0-9]*: error:.*/\1/p' <<<"$found" | sort -u)
[[ ${#files[@]} -eq 0 ]] || echo "layout: not as .clang-format says: run: clang-format -i ${files[*]}"
exit 1
