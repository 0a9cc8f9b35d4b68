# SPDX-License-Identifier: BSD-2-Clause
# Sourced: a root of another Debian release, and a command that runs in it. Needs root.
# shellcheck shell=bash

# shellcheck source=vmtest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../vmtest/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

# make_root SUITE DIR: installs Debian's minimal system into DIR, from the mirror that this machine's apt uses. Does
# nothing if it is there. What was downloaded is kept in DIR.debs, so that a second try goes on where the first stopped.
make_root()
{
	local suite=$1 dir=$2 codename mirror security

	[[ ! -e $dir/base ]] || return 0
	[[ $(id -u) -eq 0 ]] || die "needs root"
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	mirror=$(mirror_of "$codename")
	security=$(mirror_of "$codename-security")
	[[ -n $mirror ]] || die "apt has no source for this machine's own suite '$codename': is this Debian?"

	rm -rf --one-file-system "$dir"
	mkdir -p "$dir" "$dir.debs"
	debootstrap --variant=minbase --cache-dir="$(realpath "$dir.debs")" --include=ca-certificates \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$suite" "$dir" "$mirror" ||
		die "debootstrap failed: see $dir/debootstrap/debootstrap.log"
	if [[ -n $security && $suite != sid ]]; then
		echo "deb $security $suite-security main" >"$dir/etc/apt/sources.list.d/security.list"
	fi
	printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
	chmod 755 "$dir/usr/sbin/policy-rc.d"
	# A root that is lost with the power is made again.
	echo force-unsafe-io >"$dir/etc/dpkg/dpkg.cfg.d/unsafe-io"
	# How this machine reaches its mirror (a proxy, say) holds in there, too.
	apt-config dump | grep -E '^Acquire::https?::' >"$dir/etc/apt/apt.conf.d/00machine" || true
	rm -rf "$dir.debs"
	touch "$dir/base"
}

# in_root DIR PROJECT BUILD COMMAND...: runs a command with DIR as the root, in a mount namespace of its own. The
# command finds the directory PROJECT as /kedge, and BUILD instead of what PROJECT has in build/. It sees this machine's
# devices, processes and cgroups. The root is changed by pivot_root and not by chroot: tests enter namespaces.
in_root()
{
	# shellcheck disable=SC2016 # expanded by the other shell
	unshare --mount --propagation private bash -c '
		set -e
		dir=$1 project=$2 build=$3
		shift 3
		mount --bind "$dir" "$dir"
		mkdir -p "$dir/kedge" "$dir/old"
		for part in proc sys dev; do
			mount --rbind "/$part" "$dir/$part"
		done
		mount -t tmpfs -o mode=1777 tmp "$dir/tmp"
		mount -t tmpfs -o mode=755 run "$dir/run"
		mkdir -m 1777 "$dir/run/lock"
		mount --bind "$project" "$dir/kedge"
		mount --bind "$build" "$dir/kedge/build"
		cd "$dir"
		pivot_root . old
		umount -l /old
		cd /kedge
		exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
			TERM=dumb "$@"' - "$@"
}
