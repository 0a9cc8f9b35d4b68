#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# mkflat.sh LABEL TREE IMAGE: build an initramfs that is a whole guest: what stands in TREE, which holds the
# guest's /init, busybox, and in /modules what the kernel LABEL needs for kernel TLS. Everything is in memory,
# so that such a guest meets no device that answers in its own time. Not compressed, and the same parts give
# the same bytes. TREE is added to.
#
# Programs are named, one a line with their paths, in TREE/programs; they come with their shared libraries.
set -euo pipefail
# shellcheck source=vmtest/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

[[ $# -eq 3 ]] || die "usage: mkflat.sh LABEL TREE IMAGE"
kernel=$vm/$1
tree=$2
image=$3
[[ -e $kernel/package ]] || die "$1: no such kernel in $vm: vmtest/fetch.sh $1"
busybox=$(command -v busybox) || die "busybox is missing: tests/deps.sh vm"

# The AES of this machine's CPU, as udev would load it, and what tls asks for by itself; what a kernel has built
# in or calls otherwise is left out.
wanted=()
modules=("$kernel"/lib/modules/*)
for module in tls aesni_intel ghash_clmulni_intel gcm ctr ghash_generic chacha20poly1305; do
	if modprobe -d "$kernel" -S "${modules[0]##*/}" --show-depends "$module" >/dev/null 2>&1; then
		wanted+=("$module")
	fi
done

mkdir -p "$tree"/{bin,proc,sys,dev,tmp,run,etc}
copy_program "$tree" "$busybox" /bin/busybox
unpack_modules "$kernel" "$tree/modules" "${wanted[@]}"
while read -r path as; do
	copy_program "$tree" "$path" "${as:-$path}"
done <"$tree/programs"
find "$tree" -exec touch -h -d @0 {} +
(cd "$tree" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc --quiet --reproducible --owner 0:0) >"$image.new"
mv "$image.new" "$image"
