#!/bin/bash
# The whole story with kernel TLS, the edit and the bypass in the kernel: test_kernel.py.
cd "$(dirname "$0")/../.." || exit 1
export KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-15} KEDGE_SUITE=kernel
# Leaks are looked for natively: under emulation the search takes a minute at each exit.
export ASAN_OPTIONS=detect_leaks=0
exec /usr/bin/python3 -m pytest -q -p no:cacheprovider -s tests/guest
