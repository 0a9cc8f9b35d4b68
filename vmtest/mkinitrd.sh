#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# mkinitrd.sh LABEL: builds build/vm/LABEL/initrd, with which a guest mounts the host's file system. It contains busybox,
# initrd-init, and the modules for 9p over virtio, overlays and AES. It is kept until one of its parts changes.
set -euo pipefail
# shellcheck source=vmtest/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

[[ $# -eq 1 ]] || die "usage: mkinitrd.sh LABEL"
kernel=$vm/$1
initrd=$kernel/initrd
busybox=$(command -v busybox) || die "busybox is missing: tests/deps.sh vm"

exec 9>"$vm/initrd-$1.lock"
flock 9
if [[ $initrd -nt $vmtest/mkinitrd.sh && $initrd -nt $vmtest/lib.sh && $initrd -nt $vmtest/initrd-init &&
	$initrd -nt $kernel/package ]]; then
	exit 0
fi

tree=$(mktemp -d "$vm/initrd.XXXXXX")
trap 'rm -rf "$tree" "$initrd.new"' EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$tree"/{bin,proc,sys,dev,run,host,layer,root}
copy_program "$tree" "$busybox" /bin/busybox
install -m 755 "$vmtest/initrd-init" "$tree/init"

# On a real machine udev loads aesni_intel, by the CPU's flags. tls itself asks only for gcm in plain C. kedge sees a
# difference: aesni_intel may finish a record later (asynchronously).
unpack_modules "$kernel" "$tree/modules" virtio_pci 9pnet_virtio 9p overlay aesni_intel

(cd "$tree" && find . -print0 | cpio -0 -o -H newc --quiet) >"$initrd.new"
mv "$initrd.new" "$initrd"
