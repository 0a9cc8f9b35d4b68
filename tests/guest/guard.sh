#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The guard on this kernel: tests/e2e/test_guard.py in the guest.
cd "$(dirname "$0")/../.." || exit 1
export KEDGE_SUITE=guard KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-10} KEDGE_TEST_RELOADS=8
# As in kernel.sh.
export KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge}
exec /usr/bin/python3 -B -m pytest -q -p no:cacheprovider tests/e2e/test_guard.py
