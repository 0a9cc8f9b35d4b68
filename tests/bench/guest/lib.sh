# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the plan of a guest: starts proxies, one at a time, and measures them. busybox sh.
#
# Proxy and backend are in cgroups of their own below the one that kedge attaches to. So their processes are known,
# and no program of kedge sees the load client's sockets.
cgroup=/sys/fs/cgroup/bench
backend_port=9000 proxy_port=9443

fail()
{
	echo "error $*"
	cat /tmp/*.log
	exit 1
}

set_up()
{
	mkdir -p "$cgroup/proxy" "$cgroup/backend"
	[ ! -d /new ] || mount --bind /dev /new/dev
	grep -q generic-gcm-aesni /proc/crypto || fail "the kernel's AES is not that of the CPU"
}

# in_cgroup NAME COMMAND...: replaces the shell.
in_cgroup()
{
	echo 0 >"$cgroup/$1/cgroup.procs"
	shift
	exec "$@"
}

wait_listening()
{
	local hex=$(printf ':%04X ' "$1") tries=0

	# Column 4 of /proc/net/tcp: 0A is LISTEN. Time costs nothing here.
	until grep -q "$hex.* 0A " /proc/net/tcp; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || fail "nobody listens on port $1"
		sleep 0.1
	done
}

# start_proxy NAME COMMAND...
start_proxy()
{
	name=$1
	shift
	(in_cgroup backend backend $backend_port) >/tmp/backend.log 2>&1 &
	backend_pid=$!
	wait_listening $backend_port
	(in_cgroup proxy "$@") >/tmp/proxy.log 2>&1 &
	proxy_pid=$!
	wait_listening $proxy_port
	# Until the startup is over.
	sleep 2
}

proxy_pids()
{
	tr '\n' , <"$cgroup/proxy/cgroup.procs" | sed 's/,$//'
}

# measure CASE WORD...: prints "result NAME CASE JSON".
measure()
{
	local case=$1 answer

	shift
	answer=$(load --port $proxy_port --patience 600 --cpu "proxy=$(proxy_pids)" \
		--cpu "backend=$backend_pid" "$@" 2>/tmp/load.log) || fail "$name $case: $(cat /tmp/load.log)"
	echo "result $name $case $answer"
}

user_kb()
{
	local pid sum=0

	for pid in $(cat "$cgroup/proxy/cgroup.procs"); do
		sum=$((sum + $(awk '$1 == "Anonymous:" { print $2 }' "/proc/$pid/smaps_rollup")))
	done
	echo $sum
}

# slab WHEN: prints "slab NAME WHEN LINE" for each line of /proc/slabinfo. Caches are shrunk before: what a CPU keeps for
# its next objects would count as in use.
slab()
{
	local cache

	for cache in /sys/kernel/slab/*/shrink; do
		echo 1 >"$cache"
	done
	sed "s/^/slab $name $1 /" /proc/slabinfo
}

# open_idle COUNT: opens connections and holds them until close_idle.
open_idle()
{
	mkfifo /tmp/end
	load --port $proxy_port --patience 600 --mode idle --connections "$1" --size 100 </tmp/end >/tmp/held.log 2>&1 &
	load_pid=$!
	exec 3>/tmp/end
	until grep -q idle /tmp/held.log; do
		kill -0 $load_pid || fail "$name: $1 idle connections"
		sleep 0.1
	done
	sleep 7 # as IDLE_S in memory.py
}

close_idle()
{
	exec 3>&-
	wait $load_pid
	rm /tmp/end
	sleep 70 # until TIME_WAIT is over
}

# hold WARM COUNT: prints "memory NAME USER_KB USER_KB_WITH" COUNT idle connections, and the slab before and with them.
hold()
{
	local before

	open_idle "$1"
	close_idle
	before=$(user_kb)
	slab before
	open_idle "$2"
	slab with
	echo "memory $name $before $(user_kb)"
	close_idle
}

# The numbers of connections that kernel TLS has carried, and of records that it could not decrypt.
tls_counts()
{
	[ ! -e /proc/net/tls_stat ] || awk -v name="$name" '
		{ n[$1] = $2 }
		END { print "tls", name, n["TlsTxSw"] + 0, n["TlsRxSw"] + 0, n["TlsDecryptError"] + 0 }' /proc/net/tls_stat
}

stop_proxy()
{
	tls_counts
	kill $proxy_pid
	wait $proxy_pid || true
	# A master ends before its workers.
	while [ -s "$cgroup/proxy/cgroup.procs" ]; do
		sleep 0.1
	done
	kill $backend_pid
	wait $backend_pid || true
	rm -f /tmp/*.log
}
