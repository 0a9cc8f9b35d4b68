# SPDX-License-Identifier: BSD-2-Clause
# Sourced by other scripts: paths, and the lines of `kernels`.
# shellcheck shell=bash

# shellcheck disable=SC2034 # used by those who source this
vmtest=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034
root=${vmtest%/*}
# shellcheck disable=SC2034
vm=$root/build/vm

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

labels()
{
	awk '!/^#/ && NF { print $1 }' "$vmtest/kernels"
}

# Prints SUITE and PACKAGE of the kernel LABEL.
kernel_line()
{
	awk -v label="$1" '!/^#/ && $1 == label { print $2, $3; found = 1 } END { exit !found }' \
		"$vmtest/kernels" || die "$1: no such kernel in $vmtest/kernels ($(labels | xargs))"
}

# mirror_of SUITE: prints the base address that this machine's apt uses for it. Sources have several formats, so apt
# reads them.
mirror_of()
{
	apt-get update --print-uris 2>/dev/null |
		awk -F "'" -v suite="/dists/$1/InRelease" '
			!found && (at = index($2, suite)) { print substr($2, 1, at - 1); found = 1 }'
}

# apt_apart DIR SUITE: gives apt a state of its own in DIR, with the packages of another Debian suite from the mirror that
# this machine's apt uses. They are checked against Debian's keyring. From then on: apt-get -c DIR/apt.conf.
apt_apart()
{
	local apt=$1 suite=$2 codename base security keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	base=$(mirror_of "$codename")
	[[ -n $base ]] || die "apt has no source for this machine's own suite '$codename': is this Debian?"
	security=$(mirror_of "$codename-security")

	mkdir -p "$apt"/{lists/partial,cache/archives/partial}
	: >"$apt/status"
	echo "deb [signed-by=$keyring arch=amd64] $base $suite main" >"$apt/sources.list"
	if [[ -n $security && $suite != *-backports ]]; then
		echo "deb [signed-by=$keyring arch=amd64] $security $suite-security main" >>"$apt/sources.list"
	fi
	# The machine's own settings (a proxy, for example) stay in force, except for what it does after an update:
	# container images then empty the archive directory, which another apt may be using.
	cat >"$apt/apt.conf" <<-CONF
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		Dir::State "$apt/";
		Dir::State::status "$apt/status";
		Dir::State::lists "$apt/lists/";
		Dir::Cache "$apt/cache/";
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "-";
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; };
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "3";
	CONF
	apt-get -qq -c "$apt/apt.conf" update --error-on=any ||
		die "$suite: no package list from the mirror (a key missing? see the package debian-archive-keyring)"
}

# unpack_modules KERNEL DIR MODULE...: unpacks modules and their dependencies into DIR. DIR/order lists them in the
# order of loading.
unpack_modules()
{
	local kernel=$1 dir=$2 modules path name

	shift 2
	modules=("$kernel"/lib/modules/*)
	mkdir -p "$dir"
	# modprobe prints no line for a module that is built into the kernel.
	modprobe -d "$kernel" -S "${modules[0]##*/}" --show-depends -a "$@" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$dir/paths"
	while read -r path; do
		name=${path##*/}
		name=${name%.ko*}.ko
		case $path in
		*.xz) xz -dc "$path" ;;
		*.zst) zstd -qdc "$path" ;;
		*) cat "$path" ;;
		esac >"$dir/$name"
		echo "$name" >>"$dir/order"
	done <"$dir/paths"
	rm "$dir/paths"
}

# copy_program TREE FILE [PATH]: copies a program and its shared libraries into TREE, as PATH (default: FILE).
copy_program()
{
	local lib

	install -D "$2" "$1${3:-$2}"
	# ldd fails on a static program, which needs nothing else.
	{ ldd "$2" 2>/dev/null || true; } | sed -nE 's|^[^/]*(/[^ ]*) .*|\1|p' | while read -r lib; do
		[[ -e $1$lib ]] || install -D "$lib" "$1$lib"
	done
}
