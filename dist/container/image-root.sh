#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# image-root.sh KEDGE DIR: makes DIR the root of a container image: the program KEDGE, the libraries it needs from this machine,
# the licence of each, and a user. Needs Debian. Used by the Containerfile.
set -euo pipefail

kedge=$1 image=$2

# put FILE: the file at the same place in the image, and its package's licence.
put()
{
	local file=$1 package

	mkdir -p "$image${file%/*}"
	cp -L --preserve=mode "$file" "$image$file"
	# Where /lib is a link to /usr/lib, dpkg knows a file by one of its two names. It also lists diversions.
	package=$(dpkg-query -S "$file" "/usr$file" "${file#/usr}" 2>/dev/null | grep -v '^diversion by ' | head -n 1 | cut -d: -f1) || true
	[[ -n $package ]] || { echo "image-root.sh: $file is of no package: its licence is not known" >&2; exit 1; }
	mkdir -p "$image/usr/share/doc/$package"
	cp -L "/usr/share/doc/$package/copyright" "$image/usr/share/doc/$package/"
}

mkdir -p "$image"/{etc/kedge,usr/bin,usr/share/doc/kedge}
objcopy --strip-unneeded "$kedge" "$image/usr/bin/kedge"
cp LICENSE "$image/usr/share/doc/kedge/copyright"
# The others point to these.
cp -r /usr/share/common-licenses "$image/usr/share/"
while read -r library; do
	put "$library"
done < <(ldd "$kedge" | grep -o '/[^ ]*')
# libxdp loads it for the guard.
for dispatcher in /usr/lib/*/bpf/xdp-dispatcher.o; do
	put "$dispatcher"
done
cat >"$image/etc/passwd" <<'EOF'
root:x:0:0:root:/:/nonexistent
kedge:x:65532:65532:kedge:/:/nonexistent
EOF
cat >"$image/etc/group" <<'EOF'
root:x:0:
kedge:x:65532:
EOF
# Names of servers: /etc/hosts first, then DNS. Both are within the C library.
echo 'hosts: files dns' >"$image/etc/nsswitch.conf"
# For the control socket, where this is no volume of its own.
install -d -o 65532 -g 65532 -m 0700 "$image/run/kedge"
install -d -m 1777 "$image/tmp"
