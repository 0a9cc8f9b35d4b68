#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The record layers, and the hand-off of keys to them, with real kernel TLS. The programs are the unit tests,
# which skip this part on a kernel without it.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

names=(tls/test_{keys,record,record_ktls,record_ktls_splice,record_rules,record_limits,record_twin})
[[ -n ${KEDGE_TEST_SHORT-} ]] || names+=(tls/test_tls)
programs=()
for name in "${names[@]}"; do
	programs+=("build/unit/$name")
	[[ -x build/unit/$name ]] || { echo "build/unit/$name is not built: make unit"; exit 77; }
done
# Leaks are found natively; here the report would hide a failed test.
ASAN_OPTIONS=detect_leaks=0 tests/run-unit.sh "${programs[@]}"
