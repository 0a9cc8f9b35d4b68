#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Calls that only kernel TLS makes fail one by one, on this kernel: tests/faults/test_kernel_tls.py.
cd "$(dirname "$0")/../.." || exit 1
command -v strace >/dev/null || { echo "strace is not installed: tests/deps.sh test"; exit 77; }
export KEDGE_SUITE=faults KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-10}
# As in kernel.sh.
export KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge}
exec /usr/bin/python3 -B -m pytest -q -p no:cacheprovider tests/faults/test_kernel_tls.py
