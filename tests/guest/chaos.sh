#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Each request exactly once while everything is killed, with kernel TLS, the edit and the bypass in the kernel: some
# runs of tests/chaos/chaos.py.
cd "$(dirname "$0")/../.." || exit 1
# The build with sanitizers takes a minute to start under emulation.
export KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-10} KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge}
passed=0 failed=0
# A calm one, one with many kinds of events, one with all.
for events in none app-kill,app-stop,kedge-end,reload,sockets ''; do
	if tests/chaos/chaos.py --seed "${KEDGE_TEST_SEED:-1429}" --seconds 20 ${events:+--events "$events"} --threads 4; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "chaos: $passed passed, $failed failed, 0 skipped"
[[ $failed -eq 0 ]]
