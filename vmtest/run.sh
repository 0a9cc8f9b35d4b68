#!/bin/bash
# run.sh [-k LABEL] [-m MEM] [-c CPUS] [-t SECONDS] [-o DIR] -- COMMAND...: run a command under a kernel of
# `kernels` (default the first), emulated, on this machine's own files, and return its status.
#
# The command runs as root in the project's directory, with both its outputs on our standard output. What it
# writes is gone afterwards, except in $VM_SHARE: -o copies that to DIR. There is no network but loopback.
#
# Statuses of our own: 97 the kernel complained (the lines are printed) or died; 98 the guest did not come
# up, twice; 99 the command took longer than SECONDS. What is known about these is kept in build/vm/run.*.
set -euo pipefail
# shellcheck source=vmtest/lib.sh
. "$(dirname "$0")/lib.sh"

boot_seconds=90
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
kernel=$vm/$label

run=
qemu=
follower=
keep=

stop()
{
	# bash would tell whom it found killed.
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
	printf 'root=%q\nlabel=%q\nseconds=%q\ncommand=(%s)\n' "$root" "$label" "$seconds" \
		"$(printf '%q ' "$@")" >"$run/settings"
}

# erms and fsrm make the kernel copy with `rep movsb`, which the emulator does a byte at a time; la57 costs
# a fifth level in each page walk. Without tsc=reliable two emulated CPUs may judge each other's clock
# unstable while they start. oops=panic: a broken kernel ends the run at once. The crypto modules' own tests
# take seconds here.
boot()
{
	local cpu=max,-erms,-fsrm,-la57
	local cmdline="console=ttyS0 loglevel=5 log_buf_len=4M panic=-1 oops=panic tsc=reliable mitigations=off"
	cmdline+=" cryptomgr.notests=1"
	local fs=local,security_model=none

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

# Waits until the file $1 is there (0), the guest has ended (1) or $2 seconds are over (2).
wait_for()
{
	local deadline=$((SECONDS + $2))

	until [[ -e $run/$1 ]]; do
		kill -0 "$qemu" 2>/dev/null || return 1
		[[ $SECONDS -lt $deadline ]] || return 2
		sleep 0.1
	done
}

come_up()
{
	local try

	for try in 1 2; do
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

# Prints what the kernel complained about, with the lines that follow.
complaints()
{
	local words='WARNING:|BUG:|Oops|Kernel panic|Call Trace:|rcu.*(stall|detected expedited)|INFO: task .* blocked'

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

# The guest keeps the time itself, and tells what ran; past that it hangs.
wait_for status $((seconds + 15)) || true
# It has yet to switch itself off.
for _ in {1..100}; do
	kill -0 "$qemu" 2>/dev/null || break
	sleep 0.1
done
if kill -0 "$qemu" 2>/dev/null; then
	stop
	echo "run.sh: $label: the guest hangs; the end of its console:" >&2
	tail -n 30 "$run/console" >&2
	status=99
else
	wait "$follower"
	qemu='' follower=''
	status=$(cat "$run/status" 2>/dev/null) || true
	if [[ -z $status ]]; then
		echo "run.sh: $label: the guest died; the end of its console:" >&2
		tail -n 30 "$run/console" >&2
		status=97
	fi
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
