#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# base.sh SUITE DIR: makes of Debian's release SUITE, in DIR: DIR/root, the system that the package will be installed
# in, with systemd and all that the package depends on; and DIR/kedge_VERSION_ARCHITECTURE.deb, built on that release. On
# another release than this machine's the package is built in DIR/builder. A second run installs only what is new.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/root.sh
. tests/root.sh
suite=$1 place=$2
project=$PWD
export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-nocheck}

# What is in build/ of the project is another's: the builder has its own.
within()
{
	in_root "$place/$1" "$project" "$place/build" env DEBIAN_FRONTEND=noninteractive "${@:2}"
}

this_release()
{
	# shellcheck source=/dev/null
	(. /etc/os-release && echo "${VERSION_CODENAME-}")
}

# in DIR VERSION: the package of this tree and the next version of it.
build_both()
{
	local next

	tests/deb/build.sh "$1"
	next=$(cd "$1/kedge" && dpkg-parsechangelog -S Version)+next
	# Its configuration is another one: dpkg has to choose.
	echo '# of the next version' >>"$1/kedge/debian/kedge.yaml"
	tests/deb/build.sh "$1" "$next"
}

if [[ ${3-} == build ]]; then
	build_both "$place"
	exit
fi

mkdir -p "$place/build"
make_root "$suite" "$place/root"
if [[ $suite == "$(this_release)" ]]; then
	build_both "$place/package"
else
	[[ -e $place/builder/base ]] || cp -a --reflink=auto "$place/root" "$place/builder"
	within builder tests/deps.sh build check deb
	within builder env "DEB_BUILD_OPTIONS=$DEB_BUILD_OPTIONS" tests/deb/base.sh "$suite" /kedge/build/package build
	rm -rf "$place/package"
	cp -a "$place/build/package" "$place/package"
fi
packages=("$place"/package/kedge_*.deb)
needs=$(dpkg-deb -f "${packages[0]}" Depends)
# shellcheck disable=SC2016 # expanded by the other shell
within root sh -c 'apt-get satisfy -q -y --no-install-recommends "$1" >/dev/null 2>&1 ||
	{ apt-get update -q && apt-get satisfy -q -y --no-install-recommends "$1"; }' - "$needs, systemd, systemd-sysv, logrotate"
