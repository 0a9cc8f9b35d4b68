#!/bin/bash
# The static probes and the scripts of dist/bpftrace on this kernel: tests/e2e/test_trace.py.
cd "$(dirname "$0")/../../tests" || exit 1
command -v bpftrace >/dev/null || { echo "bpftrace is not installed: tests/deps.sh test"; exit 77; }
export KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-15} KEDGE_SUITE=trace
# As in kernel.sh: the sanitizers' build takes too long to start under emulation.
export KEDGE_BIN=${KEDGE_BIN:-$PWD/../build/kedge}
# bpftrace takes half a minute to compile anything here: one run for all scripts, not for what else there is.
export KEDGE_TEST_ONE_BPFTRACE=1
exec /usr/bin/python3 -m pytest -q -p no:cacheprovider -k 'not document' e2e/test_trace.py
