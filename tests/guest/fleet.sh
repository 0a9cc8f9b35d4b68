#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The story of a fleet with kernel TLS, behind HAProxy and behind the IPVS of this kernel: tests/story/fleet.py.
cd "$(dirname "$0")/../.." || exit 1
missing=$(tests/deps.sh -n fleet 2>&1) || { echo "${missing%%$'\n'*}"; exit 77; }
export KEDGE_TEST_PATIENCE=${KEDGE_TEST_PATIENCE:-10} KEDGE_BIN=${KEDGE_BIN:-$PWD/build/kedge}
export KEDGE_FLEET_CLIENTS=${KEDGE_FLEET_CLIENTS:-6} KEDGE_FLEET_RATE=${KEDGE_FLEET_RATE:-40} KEDGE_FLEET_ROUND=${KEDGE_FLEET_ROUND:-4}
exec /usr/bin/python3 -B tests/story/fleet.py
