#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# boot.sh ROOT SCRATCH: runs systemd as the first process of a system of its own, in namespaces: its files are those of
# ROOT with a layer above, in SCRATCH, its network is a loopback, its cgroups are below the cgroup that it is started in,
# its BPF file system is empty. It ends when this process is killed. Needs root.
set -euo pipefail
root=$1 scratch=$2

# Nothing runs before this: whoever has started us looks for systemd as the only child.
# shellcheck disable=SC2016 # expanded by the other shell
exec unshare --mount --propagation private --pid --net --uts --ipc --cgroup --fork --kill-child bash -c '
	set -e
	root=$1 scratch=$2 new=$2/root
	mkdir -p "$scratch/upper" "$scratch/work" "$new"
	mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$new"
	# Within an installation nobody may start services; here somebody may.
	rm -f "$new/usr/sbin/policy-rc.d"
	# The modules are those of the kernel outside.
	ln -sf /dev/null "$new/etc/systemd/system/systemd-modules-load.service"
	mount -t proc proc "$new/proc"
	mount -t sysfs sys "$new/sys"
	mount -t cgroup2 cgroup "$new/sys/fs/cgroup"
	mount -t bpf bpf "$new/sys/fs/bpf"
	mount -t tmpfs -o mode=755 run "$new/run"
	mount -t tmpfs -o mode=1777 tmp "$new/tmp"
	mount -t tmpfs -o mode=755 dev "$new/dev"
	mkdir "$new/dev/pts" "$new/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 pts "$new/dev/pts"
	mount -t tmpfs -o mode=1777 shm "$new/dev/shm"
	for device in null zero full random urandom tty; do
		touch "$new/dev/$device"
		mount --bind "/dev/$device" "$new/dev/$device"
	done
	ln -s pts/ptmx "$new/dev/ptmx"
	ln -s /proc/self/fd "$new/dev/fd"
	ip link set lo up
	hostname kedge-deb
	mkdir -p "$new/old"
	cd "$new"
	pivot_root . old
	umount -l /old
	exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --show-status=no \
		--unit=multi-user.target </dev/null' - "$root" "$scratch"
