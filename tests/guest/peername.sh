#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The true peer and the loss of capabilities at run time, on this kernel: tests/e2e/test_peername.py and
# test_losses.py in the guest.
cd "$(dirname "$0")/../.." || exit 1
export KEDGE_SUITE=peername KEDGE_TEST_COMBINATIONS=ends KEDGE_TEST_PEERS=200
# As in kernel.sh.
export KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge}
exec /usr/bin/python3 -B -m pytest -q -p no:cacheprovider tests/e2e/test_peername.py tests/e2e/test_losses.py
