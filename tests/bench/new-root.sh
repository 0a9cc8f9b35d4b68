#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# new-root.sh: installs Debian's newest nginx, HAProxy and hitch with their own libraries into build/bench/new, a
# root of their own: sid, and experimental for HAProxy. Does nothing if it is there; remove the directory for newer
# ones. Needs root. The installation starts none of them.
set -euo pipefail
# shellcheck source=vmtest/lib.sh
. "$(dirname "$0")/../../vmtest/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

new=$root/build/bench/new
[[ ! -e $new/complete ]] || exit 0
# shellcheck source=/dev/null
mirror=$(mirror_of "$(. /etc/os-release && echo "${VERSION_CODENAME-}")")
[[ -n $mirror ]] || die "apt has no source for this machine's own suite: is this Debian?"
[[ $(id -u) -eq 0 ]] || die "needs root"

if [[ ! -e $new/base ]]; then
	rm -rf --one-file-system "$new"
	mkdir -p "$new"
	debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg sid "$new" "$mirror" ||
		die "debootstrap failed: see $new/debootstrap/debootstrap.log"
	printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
	chmod 755 "$new/usr/sbin/policy-rc.d"
	echo "deb $mirror experimental main" >"$new/etc/apt/sources.list.d/experimental.list"
	# This machine's way to its mirror (a proxy, for example) works in there, too.
	apt-config dump | grep -E '^Acquire::https?::' >"$new/etc/apt/apt.conf.d/00machine" || true
	touch "$new/base"
fi

# A mirror may be some weeks behind, but its lists are signed.
apt()
{
	DEBIAN_FRONTEND=noninteractive chroot "$new" apt-get -q -y -o Acquire::Check-Valid-Until=false "$@" </dev/null
}
apt update
apt install --no-install-recommends nginx hitch
apt install --no-install-recommends -t experimental haproxy
touch "$new/complete"
