#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Listeners in mode tcp on this kernel: tests/e2e/test_tcp.py in the guest.
cd "$(dirname "$0")/../.." || exit 1
export KEDGE_SUITE=tcp KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-15} KEDGE_TEST_COMBINATIONS=ends KEDGE_TEST_TRANSFER_MB=2
# As in kernel.sh.
export KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge}
exec /usr/bin/python3 -B -m pytest -q -p no:cacheprovider tests/e2e/test_tcp.py
