# Sourced by the scripts beside it: where things are, and what a line of `kernels` says.
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
