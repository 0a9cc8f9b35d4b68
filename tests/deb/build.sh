#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# build.sh DIR [VERSION]: builds the Debian package in a copy of the tree, DIR/kedge, and judges it by lintian, blhc and
# hardening-check: each warning is an error. The packages are in DIR afterwards; the last line is the path of kedge's.
# With VERSION, only the packages are built again, from what is there, as those of that version.
set -euo pipefail
cd "$(dirname "$0")/../.."
place=$1 version=${2-}

die()
{
	echo "build.sh: $*" >&2
	exit 1
}

copy_tree()
{
	rm -rf "$place/kedge" "$place"/kedge[_-]*
	mkdir -p "$place/kedge"
	# What is in nobody's history is not in the package: keys from trying things out, say.
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . -path ./build -prune -o ! -type d ! -path '*/__pycache__/*' -print0
	fi | tar --create --null --files-from=- --ignore-failed-read | tar --extract --directory="$place/kedge" --no-same-owner
}

set_version()
{
	sed -i "1s/(.*)/($1)/" "$place/kedge/debian/changelog"
}

# Between releases each package must replace the one before, so its version gets a time: that of the last commit, or now if
# the tree has something else.
stamp()
{
	local ours seconds

	ours=$(cd "$place/kedge" && dpkg-parsechangelog -S Version)
	[[ $ours == *~dev ]] || return 0
	seconds=$(git log -1 --format=%ct 2>/dev/null) || true
	[[ -n $seconds && -z $(git status --porcelain) ]] || seconds=$(date +%s)
	set_version "$ours$(date --utc --date="@$seconds" +%Y%m%d%H%M%S)"
}

build()
{
	local how=(-us -uc)

	[[ -z $version ]] || how+=(-b -nc)
	echo "build.sh: building; the log is $place/log"
	# Nothing of the make that has called us.
	(cd "$place/kedge" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u CC LC_ALL=C.UTF-8 dpkg-buildpackage "${how[@]}") \
		>"$place/log" 2>&1 || { tail -n 40 "$place/log" >&2; die "the build failed: $place/log"; }
}

# judge NAME COMMAND...: its output is the fault.
judge()
{
	local name=$1

	shift
	"$@" >"$place/$name" 2>&1 || { cat "$place/$name" >&2; die "$name is not content with the package"; }
}

if [[ -z $version ]]; then
	copy_tree
	stamp
else
	set_version "$version"
fi
build
version=$(cd "$place/kedge" && dpkg-parsechangelog -S Version)
arch=$(dpkg --print-architecture)
deb=$place/kedge_${version}_$arch.deb
judge lintian lintian --allow-root --fail-on error,warning --tag-display-limit 0 --info "$place/kedge_${version}_$arch.changes"
if [[ -z ${2-} ]]; then
	judge blhc blhc --all "$place/log"
fi
# The C library's start files have no control-flow protection, so the linker does not mark the program. Branch protection is
# of other processors; older tools do not ask for it.
without=(--nocfprotection)
[[ $(hardening-check --help 2>&1) != *--nobranchprotection* ]] || without+=(--nobranchprotection)
judge hardening-check hardening-check "${without[@]}" "$place/kedge/debian/kedge/usr/bin/kedge"
echo "$deb"
