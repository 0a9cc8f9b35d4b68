#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Real servers on this kernel: the true peer and the bypass, from tests/servers.
# KEDGE_TEST_SERVERS is an expression of pytest that chooses some ("" is all), because servers start slowly here.
cd "$(dirname "$0")/../.." || exit 1
export KEDGE_SUITE=servers KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-15} KEDGE_TEST_COMBINATIONS=ends KEDGE_TEST_PEERS=100 \
	KEDGE_TEST_REQUESTS=${KEDGE_TEST_REQUESTS:-500}
# As in kernel.sh.
export KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge}
exec /usr/bin/python3 -B -m pytest -q -p no:cacheprovider -k "${KEDGE_TEST_SERVERS-nginx or Node or redis or websocket}" \
	tests/servers/test_peername.py tests/servers/test_redis.py tests/servers/test_bypass.py
