#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The files of `make install` under a real systemd: test_systemd.py. It writes to /etc and /usr, which are a layer of
# memory in a guest.
cd "$(dirname "$0")/../.." || exit 1
[[ -x /lib/systemd/systemd ]] || { echo "no systemd on this machine"; exit 77; }
export KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-15} KEDGE_SUITE=systemd KEDGE_BIN=$PWD/build/kedge
exec /usr/bin/python3 -m pytest -q -p no:cacheprovider -s tests/systemd
