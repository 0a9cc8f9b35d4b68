#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh [-k LABEL] [-m MEM] [-c CPUS] [-t SECONDS] [-o DIR] -- COMMAND...: runs a command in an emulated guest, on this
# machine's files and under a kernel of `kernels` (default the first). Exits with the command's status.
#
# The command runs as root in the project's directory. Both its outputs come on standard output. What it writes is
# lost, except in $VM_SHARE, which -o copies to DIR. The only network is loopback.
#
# Further statuses: 97 the kernel complained (the lines are printed) or died; 98 the guest did not come up, four times;
# 99 the command took longer than SECONDS. The files of such a run are kept in build/vm/run.*.
set -euo pipefail
# shellcheck source=vmtest/lib.sh
. "$(dirname "$0")/lib.sh"

boot_seconds=120
seconds=600
memory=2048
cpus=2
label=$(labels | awk 'NR == 1')
out=

usage()
{
	echo "usage: run.sh [-k LABEL] [-m MEGABYTES] [-c CPUS] [-t SECONDS] [-o DIR] -- COMMAND..." >&2
	exit 2
}

while getopts k:m:c:t:o: option; do
	case $option in
	k) label=$OPTARG ;;
	m) memory=$OPTARG ;;
	c) cpus=$OPTARG ;;
	t) seconds=$OPTARG ;;
	o) out=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[[ $# -gt 0 ]] || usage
command -v qemu-system-x86_64 >/dev/null || die "qemu-system-x86_64 is missing: tests/deps.sh vm"

"$vmtest/fetch.sh" "$label" >/dev/null
"$vmtest/mkinitrd.sh" "$label"
if [[ ! $vm/tsc-khz -nt $vmtest/tsc-khz.c ]]; then
	# Renamed when complete: another guest may be starting.
	# shellcheck disable=SC2086 # CC may be several words
	${CC:-gcc} -O2 -o "$vm/tsc-khz.$$" "$vmtest/tsc-khz.c"
	mv "$vm/tsc-khz.$$" "$vm/tsc-khz"
fi
# The guest sees no link of build/vm to elsewhere.
kernel=$(readlink -f "$vm/$label")

run=
qemu=
follower=
keep=

stop()
{
	# Without the redirection bash reports each killed process.
	{
		[[ -z $follower ]] || kill "$follower"
		[[ -z $qemu ]] || kill -KILL "$qemu"
		wait
	} 2>/dev/null || true
	qemu='' follower=''
}

# shellcheck disable=SC2317 # called by the trap
finish()
{
	stop
	if [[ -n $keep ]]; then
		echo "run.sh: kept $run" >&2
	elif [[ -n $run ]]; then
		rm -rf "$run"
	fi
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

prepare()
{
	[[ -z $run ]] || rm -rf "$run"
	run=$(mktemp -d "$vm/run.XXXXXX")
	mkdir "$run/share"
	: >"$run/output"
	cp "$vmtest/guest-init" "$run/guest-init"
	ln -s "$kernel/lib/modules" "$run/modules"
	ln -s "$root" "$run/project"
	printf 'root=%q\nlabel=%q\nseconds=%q\ncommand=(%s)\n' "$root" "$label" "$seconds" \
		"$(printf '%q ' "$@")" >"$run/settings"
}

# With erms and fsrm the kernel copies with `rep movsb`, which the emulator does one byte at a time. la57 adds a fifth
# level to each page walk. With oops=panic a broken kernel ends the run at once. The crypto modules' own tests take
# seconds here. Without tsc=reliable two emulated CPUs may call each other's clock unstable while they start; for
# tsc_early_khz see tsc-khz.c. On a busy machine an emulated CPU may stop for a while. That is why the limits for stalls
# are longer, and the kernel does not test the timer, which would fail.
boot()
{
	local cpu=max,-erms,-fsrm,-la57
	local cmdline="console=ttyS0 loglevel=5 log_buf_len=4M panic=-1 oops=panic mitigations=off"
	local fs=local,security_model=none

	cmdline+=" cryptomgr.notests=1 rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=30"
	cmdline+=" no_timer_check tsc=reliable tsc_early_khz=$("$vm/tsc-khz")"

	setpriv --pdeathsig KILL qemu-system-x86_64 \
		-machine q35 -accel tcg,thread=multi -cpu "$cpu" -smp "$cpus" -m "$memory" \
		-nodefaults -display none -monitor none -no-reboot -serial "file:$run/console" \
		-kernel "$kernel/vmlinuz" -initrd "$kernel/initrd" -append "$cmdline" \
		-fsdev "$fs,id=host,path=/,readonly=on,multidevs=remap" \
		-device virtio-9p-pci,fsdev=host,mount_tag=host \
		-fsdev "$fs,id=run,path=$run" -device virtio-9p-pci,fsdev=run,mount_tag=run \
		</dev/null >"$run/qemu" 2>&1 &
	qemu=$!
}

# wait_for FILE SECONDS: waits until FILE is written (0), the guest has ended (1) or SECONDS are over (2).
wait_for()
{
	local deadline=$((SECONDS + $2))

	until [[ -s $run/$1 ]]; do
		kill -0 "$qemu" 2>/dev/null || return 1
		[[ $SECONDS -lt $deadline ]] || return 2
		sleep 0.1
	done
}

# wait_for_end SECONDS: waits until the guest is off and all of its output has been read; then kills it.
wait_for_end()
{
	local deadline=$((SECONDS + $1))

	while kill -0 "$qemu" 2>/dev/null && [[ $SECONDS -lt $deadline ]]; do
		sleep 0.1
	done
	{ kill -KILL "$qemu"; wait; } 2>/dev/null || true
	qemu='' follower=''
}

# Emulated kernels with two processors sometimes die in boot, when one processor runs code that the other one patches.
# Nothing of ours has run then.
come_up()
{
	local try

	for try in 1 2 3 4; do
		prepare "$@"
		boot
		if wait_for up "$boot_seconds"; then
			return 0
		fi
		stop
		echo "run.sh: $label: the guest did not come up (try $try); the end of its console:" >&2
		tail -n 30 "$run/qemu" "$run/console" >&2 || true
	done
	return 1
}

# Prints the kernel's complaints, each with the lines that follow.
complaints()
{
	local words='WARNING:|BUG:|Oops|Kernel panic|Call Trace:|INFO: task .* blocked'

	words+='|rcu: INFO:|detected stall|self-detected stall|detected expedited stall|kthread starved'
	words+='|possible (deadlock|recursive locking|circular locking)|suspicious RCU|UBSAN:|KASAN:|KFENCE:'
	words+='|general protection fault|refcount_t:|unregister_netdevice: waiting|Out of memory:'
	grep -s -E -A 40 "$words" "$run/dmesg" || grep -s -E -A 40 "$words" "$run/console"
}

if ! come_up "$@"; then
	keep=1
	exit 98
fi
tail -s 0.1 -n +1 -f --pid "$qemu" "$run/output" &
follower=$!

# The guest itself stops after SECONDS, and says what ran. If its status does not come even then, it hangs.
wait_for status $((seconds + 60)) || true
if [[ -s $run/status ]]; then
	status=$(<"$run/status")
	wait_for_end 30
elif kill -0 "$qemu" 2>/dev/null; then
	echo "run.sh: $label: the guest hangs; the end of its console:" >&2
	tail -n 30 "$run/console" >&2
	status=99
	stop
else
	echo "run.sh: $label: the guest died; the end of its console:" >&2
	tail -n 30 "$run/console" >&2
	status=97
	wait_for_end 0
fi
[[ $status -lt 97 || $status -gt 99 ]] || keep=1
if complaints >"$run/complaints"; then
	echo "run.sh: $label: the kernel complained:" >&2
	head -n 100 "$run/complaints" >&2
	keep=1
	[[ $status -eq 99 ]] || status=97
fi
if [[ -n $out ]]; then
	mkdir -p "$out"
	cp -a "$run/share/." "$out/"
fi
exit "$status"
