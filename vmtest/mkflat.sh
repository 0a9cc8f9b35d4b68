#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# mkflat.sh LABEL TREE IMAGE: builds an initramfs that is a whole guest. It contains TREE, which has the guest's /init,
# busybox, and in /modules what the kernel LABEL needs for kernel TLS. Everything is in memory, so the guest has no
# device whose answers take a varying time. The image is not compressed; the same parts give the same bytes.
#
# TREE/programs lists programs, one path on a line. They and their shared libraries are added to TREE.
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

# The CPU's AES, which udev would load on a real machine, and what tls asks for by itself. A module that is built into
# the kernel, or has another name there, is left out.
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
