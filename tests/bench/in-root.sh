#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# in-root.sh ROOT TARGET: runs the benchmark TARGET within ROOT, such as the one of `make test-debian13`, with the
# compiler, OpenSSL and proxies that it has. What is built there is in build/ beside ROOT, the report in
# build/bench-report.
set -euo pipefail
# shellcheck source=tests/root.sh
. "$(dirname "$0")/../root.sh"

[[ $# -eq 2 ]] || die "usage: in-root.sh ROOT TARGET"
[[ -e $1/base ]] || die "$1 is not a root that was installed by make test-debian13"
dir=$(realpath "$1")
build=${dir%/*}/build
mkdir -p "$build"

mapfile -t settings < <(env | grep -E '^(BENCH_|PEERS=|KERNELS=|SEEDS=|WHO=|CASE=|KERNEL=|KEDGE_)' | grep -v '^BENCH_ROOT=')
# shellcheck disable=SC2016 # expanded by the other shell
in_root "$dir" "$root" "$build" env BENCH_OUT=build/bench-report "${settings[@]}" sh -ec '
	tests/deps.sh build bench
	exec make -j"$(nproc)" --no-print-directory "$1"' - "$2"
