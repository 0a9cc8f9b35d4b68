#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The static probes and the scripts of dist/bpftrace on this kernel. Natively tests/e2e/test_trace.py does more of this;
# here bpftrace is slow to compile, so the three scripts run as one, without their BEGIN and END.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v bpftrace >/dev/null || { echo "bpftrace is not installed: tests/deps.sh test"; exit 77; }

base=$(mktemp -d)
pids=()
# shellcheck disable=SC2317 # called by the trap
finish()
{
	[[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null || true
	wait
	rm -rf "$base"
}
trap finish EXIT

# wait_for FILE TEXT: until the text is in the file.
wait_for()
{
	local deadline=$((SECONDS + 300))

	until grep -q "$2" "$1"; do
		[[ $SECONDS -lt $deadline ]] || { echo "no '$2' in $1:"; cat "$1"; exit 1; }
		sleep 1
	done
}

# expect TEXT: a line of bpftrace's output.
expect()
{
	grep -qxF "$1" "$base/out" || { echo "no line '$1':"; cat "$base/out"; exit 1; }
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 2 \
	-keyout "$base/key" -out "$base/cert" 2>/dev/null
cat >"$base/app.py" <<'END'
import socket
server = socket.create_server(("127.0.0.1", 3000))
while True:
    conn = server.accept()[0]
    try:
        while conn.recv(65536):
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except ConnectionResetError:
        pass  # a refused request
END
/usr/bin/python3 -S "$base/app.py" &
pids+=($!)
build/kedge run --listen 127.0.0.1:3443 --proxy-protocol require --cert "$base/cert" --key "$base/key" \
	--app 127.0.0.1:3000 --pin off --control off 2>"$base/kedge" &
kedge=$!
pids+=("$kedge")
wait_for "$base/kedge" ready

awk '/^(BEGIN|END)$/ { skip = 1 } !skip { print } /^}$/ { skip = 0 }' \
	dist/bpftrace/{top-clients,latency,reasons}.bt >"$base/all.bt"
echo 'BEGIN { printf("ready\n"); }' >>"$base/all.bt"
bpftrace -p "$kedge" "$base/all.bt" >"$base/out" 2>&1 &
pids+=($!)
bpftrace=$!
wait_for "$base/out" ready

curl -sS -k --haproxy-protocol -o /dev/null https://127.0.0.1:3443/1 https://127.0.0.1:3443/2
curl -sS -k --haproxy-protocol -o /dev/null -H 'Transfer-Encoding: x' https://127.0.0.1:3443/3
# Bytes that are no PROXY prefix.
curl -sS -k -o /dev/null https://127.0.0.1:3443/4 2>/dev/null && exit 1
kill "$kedge"
wait "$kedge"
wait "$bpftrace" # it ends with its process
expect '@requests[127.0.0.1]: 2'
expect '@reason[http_transfer_encoding]: 1'
expect '@reason[prefix_missing]: 1'
expect '@closed: 3'
for stage in '1 prefix' '2 handshake' '3 hand-off' '4 connect' '5 first request' '6 response'; do
	expect "@us[$stage]: "
done
