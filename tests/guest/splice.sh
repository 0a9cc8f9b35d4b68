#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Bodies by splice(2) with kernel records on this kernel: tests/e2e/test_splice.py in the guest.
cd "$(dirname "$0")/../.." || exit 1
export KEDGE_SUITE=splice KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-15} KEDGE_TEST_TRANSFER_MB=${KEDGE_TEST_TRANSFER_MB:-20}
# As in kernel.sh.
export KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge}
exec /usr/bin/python3 -B -m pytest -q -p no:cacheprovider tests/e2e/test_splice.py "$@"
