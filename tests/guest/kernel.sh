#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The whole story with kernel TLS, the edit and the bypass in the kernel: test_kernel.py, and a part of the corpus.
cd "$(dirname "$0")/../.." || exit 1
export KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-15} KEDGE_SUITE=kernel
# The build with sanitizers takes a minute to start under emulation. It runs natively and in record.sh.
export KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge} KEDGE_TEST_TRANSFER_MB=${KEDGE_TEST_TRANSFER_MB:-8}
# All accepted streams of the corpus on one connection, under kernel TLS: no other machine has it.
same='tests/same/test_same.py::test_all_accepted_streams_pipelined'
# And all responses, by both editors.
down='tests/same/test_same_response.py::test_responses'
exec /usr/bin/python3 -m pytest -q -p no:cacheprovider -s tests/guest \
	"$same"\[record_kernel-edit_{user,kernel,kernel-bypass}-{None,97}-tls\] \
	"$down"\[record_kernel-edit_{user,kernel-bypass}-None-tls\]
