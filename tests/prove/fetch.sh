#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fetch.sh: finds the model checker CBMC, and prints the command that runs it; its compiler is beside it. If this machine has none, the packages
# of it and of its libraries are fetched from Debian 13 and unpacked into build/prove/cbmc (25 MB to fetch). It runs
# with these libraries, so the machine's own ones may be older. Does nothing if it is there.
#
# The packages come from the Debian mirror that this machine's apt uses, and are checked against Debian's keyring. apt
# gets a separate state, so the machine's packages, lists and sources do not change.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=vmtest/lib.sh
. "$(dirname "$0")/../../vmtest/lib.sh"

suite=trixie
packages=(cbmc minisat libc6 libstdc++6 libgcc-s1)
# The copy of the tree that tests/mutants breaks uses the one of the whole tree.
home=${root%/build/mutants/*}/build/prove/cbmc

if command -v cbmc >/dev/null; then
	command -v cbmc
	exit 0
fi
if [[ -x $home/bin/cbmc ]]; then
	echo "$home/bin/cbmc"
	exit 0
fi

# The loader is named, because the one of this machine belongs to another libc.
write_commands()
{
	local name

	mkdir "$1/bin"
	for name in cbmc goto-cc goto-instrument; do
		cat >"$1/bin/$name" <<-'RUN'
			#!/bin/sh
			usr=${0%/*}/../usr
			lib=$usr/lib/x86_64-linux-gnu
			exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib:$usr/lib" "$usr/bin/${0##*/}" "$@"
		RUN
		chmod 755 "$1/bin/$name"
	done
}

[[ $(uname -m) == x86_64 ]] || die "the packages of cbmc are fetched for x86_64 only: install cbmc"
mkdir -p "${home%/*}"
exec 9>"$home.lock"
flock 9
if [[ ! -x $home/bin/cbmc ]]; then
	new=$home.new
	apt=$home.apt
	trap 'rm -rf "$new" "$apt"' EXIT
	trap 'exit 1' HUP INT TERM
	rm -rf "$new"
	mkdir -p "$new/debs"
	apt_apart "$apt" "$suite"
	(cd "$new/debs" && apt-get -qq -c "$apt/apt.conf" download "${packages[@]}") || die "cbmc: download failed"
	for deb in "$new"/debs/*.deb; do
		dpkg-deb -x "$deb" "$new"
	done
	rm -rf "$new/debs"
	write_commands "$new"
	"$new/bin/cbmc" --version >/dev/null || die "cbmc was fetched, but does not run"
	rm -rf "$home"
	mv "$new" "$home"
fi
echo "$home/bin/cbmc"
