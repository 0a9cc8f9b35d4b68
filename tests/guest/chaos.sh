#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Each request exactly once while things happen, with kernel TLS, the edit and the bypass in the kernel: two runs of
# tests/chaos/chaos.py. Applications and kedge take long to start here, so few of them are killed. These kernels have
# netem, which also delays and reorders: whether it does is tried first.
cd "$(dirname "$0")/../.." || exit 1
export KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-10} KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge}
passed=0 failed=0
if unshare --net sh -c 'ip link set lo up && cd tests &&
	exec /usr/bin/python3 -B -m pytest -q -p no:cacheprovider -k "reordered or lost" chaos/test_once.py'; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
fi
# Bytes that may bypass TCP are not spliced.
with=(); [[ ${KEDGE_TEST_SPLICE:-} = on ]] && with=(--with record_kernel-edit_kernel)
for events in none app-end,app-stop,kedge-stop,net,reload,sockets; do
	if tests/chaos/chaos.py --seed "${KEDGE_TEST_SEED:-1429}" --seconds 15 --events "$events" --threads 4 "${with[@]}"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "chaos: $passed passed, $failed failed, 0 skipped"
[[ $failed -eq 0 ]]
