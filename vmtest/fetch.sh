#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fetch.sh [-u] LABEL: unpacks the kernel LABEL of `kernels` into build/vm/LABEL and indexes its modules. Does nothing
# if it is there; -u looks for a newer one first. Prints the package's name.
#
# The package comes from the Debian mirror that this machine's apt uses, and is checked against Debian's keyring. apt
# gets a separate state, so the machine's packages, lists and sources do not change.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=vmtest/lib.sh
. "$(dirname "$0")/lib.sh"

update=
if [[ ${1-} == -u ]]; then
	update=1
	shift
fi
[[ $# -eq 1 ]] || die "usage: fetch.sh [-u] LABEL"
label=$1
kernel=$vm/$label
line=$(kernel_line "$label")
read -r suite package <<<"$line"

if [[ -e $kernel/package && -z $update ]]; then
	cat "$kernel/package"
	exit 0
fi

mkdir -p "$vm"
exec 9>"$vm/fetch-$label.lock"
flock 9
new=$vm/$label.new
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM

# Prints a package's dependencies whose names begin with linux-$2-. Newer kernels come in several parts.
depends()
{
	apt-cache -c "$apt/apt.conf" depends --important "$1" |
		sed -nE "s/^ *\\|?Depends: (linux-($2)-[^ ]*)\$/\1/p"
}

apt=$vm/apt/$label
apt_apart "$apt" "$suite"
mapfile -t images < <(depends "$package" image)
[[ ${#images[@]} -eq 1 ]] || die "$suite: $package depends on ${#images[@]} kernel images, not one"
image=${images[0]}
version=$(apt-cache -c "$apt/apt.conf" show --no-all-versions "$image" | sed -n 's/^Version: //p')

if [[ $(cat "$kernel/package" 2>/dev/null) != "$image $version" ]]; then
	rm -rf "$new"
	mkdir -p "$new/debs"
	mapfile -t parts < <(echo "$image" && depends "$image" 'base|binary|modules')
	(cd "$new/debs" && apt-get -qq -c "$apt/apt.conf" download "${parts[@]}") ||
		die "$image: download failed"
	for deb in "$new"/debs/*.deb; do
		dpkg-deb -x "$deb" "$new"
	done
	rm -rf "$new/debs"
	# With a merged /usr, the modules are in /usr/lib.
	if [[ -d $new/usr/lib/modules && ! -e $new/lib ]]; then
		ln -s usr/lib "$new/lib"
	fi
	modules=("$new"/lib/modules/*)
	[[ ${#modules[@]} -eq 1 && -d ${modules[0]}/kernel ]] || die "$image: holds no modules"
	depmod -b "$new" "${modules[0]##*/}"
	# Newer packages have the kernel beside its modules instead of in /boot.
	for image_file in "$new"/boot/vmlinuz-* "${modules[0]}/vmlinuz"; do
		[[ ! -f $image_file ]] || ln -srf "$image_file" "$new/vmlinuz"
	done
	[[ -e $new/vmlinuz ]] || die "$image: holds no kernel"
	echo "$image $version" >"$new/package"
	rm -rf "$kernel"
	mv "$new" "$kernel"
fi
cat "$kernel/package"
