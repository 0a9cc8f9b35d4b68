#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# debian13.sh [full]: builds and tests kedge in a root of Debian 13 under build/debian13, which it installs first. The
# tree is this one; what is built there is in build/debian13/build. A second run installs and builds what is new.
#
# By default: unit, bpf-test and e2e in their short form, and everything compiled by clang as well. With full: every
# suite but the guests, none in its short form, and the BPF objects built there under each kernel of the guests.
#
#   DEBIAN13_SUITES   run these only
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/root.sh
. tests/root.sh

project=$PWD
place=$project/build/debian13

within()
{
	in_root "$place/root" "$project" "$place/build" "$@"
}

packages=(build test demo)
suites="unit e2e compilers bpf-test"
short=(KEDGE_TEST_SHORT=1)
case ${1-} in
'') ;;
full)
	packages+=(servers fleet bench)
	suites="e2e servers unit same fuzz compilers bench-test bpf-test coverage demo fleet"
	short=()
	;;
*)
	echo "usage: debian13.sh [full]" >&2
	exit 2
	;;
esac

[[ $(id -u) -eq 0 ]] || die "needs root"
tests/deps.sh root
mkdir -p "$place/build"
make_root trixie "$place/root"
within tests/deps.sh "${packages[@]}"

# With the network of this machine no longer in reach.
status=0
log=$place/log
unshare --net bash -c '. tests/root.sh; in_root "$@"' - "$place/root" "$project" "$place/build" \
	env "${short[@]}" "SUITES=${DEBIAN13_SUITES:-$suites}" WERROR=1 tests/run-all.sh ${1:+full} 2>&1 | tee "$log" || status=$?
totals=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1) || true
read -r passed _ failed _ skipped _ <<<"${totals:-0 passed, 1 failed, 0 skipped}"

# The other clang's BPF objects, on the kernels of the guests, which need this machine's tools.
if [[ ${1-} == full && -z ${DEBIAN13_SUITES-} ]]; then
	tests/deps.sh build check vm
	tests/bpf-objects.sh "$place/build" 2>&1 | tee "$log" || status=$?
	totals=$(grep -E '^bpf-objects: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1) || true
	read -r _ p _ f _ s _ <<<"${totals:-bpf-objects: 0 passed, 1 failed, 0 skipped}"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
fi
echo "test-debian13: $passed passed, $failed failed, $skipped skipped"
exit "$status"
