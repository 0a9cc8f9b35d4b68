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
