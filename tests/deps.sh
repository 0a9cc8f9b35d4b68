#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# deps.sh [-n] [GROUP...]: install what a group needs and this machine lacks, from the distribution's packages. With -n
# it installs nothing: it names what is missing and the command that installs it, and fails.
#
# Groups: build, check (holds build), test (holds check), servers, demo, vm, bench, bench-new. No argument means build
# and test. Says nothing and changes nothing when all is there. Needs root only if something is missing. Written for
# Debian 12, also tried from its bare base image.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

# One word each: a package, or PACKAGE=COMMAND where any vendor's COMMAND in the path will do.
build=(clang=clang llvm=llvm-strip gcc=gcc make=make pkg-config=pkg-config bpftool=bpftool
	libc6-dev libbpf-dev libxdp-dev libelf-dev zlib1g-dev libssl-dev libyaml-dev libjansson-dev systemtap-sdt-dev
	libseccomp-dev libsystemd-dev)
check=("${build[@]}" libcmocka-dev)
test=("${check[@]}" libhttp-parser-dev libclang-rt-14-dev clang-format=clang-format clang-tidy=clang-tidy
	python3=/usr/bin/python3 python3-pytest curl=curl openssl=openssl nodejs=node haproxy=haproxy
	iproute2=ip strace=strace libcap2-bin=capsh procps=ps prometheus=promtool bpftrace=bpftrace
	util-linux=setpriv slowhttptest=slowhttptest testssl.sh=testssl mandoc=mandoc systemd=systemd-analyze
	mkcert=mkcert xdp-tools=xdp-filter liburing-dev)
servers=(apache2-bin=apache2 nginx=nginx lighttpd=lighttpd haproxy=haproxy nodejs=node golang-go=go redis-server=redis-server node-ws
	python3-gunicorn python3-uvicorn python3=/usr/bin/python3 node-express caddy=caddy php8.2-fpm=php-fpm8.2 php8.2-cgi=php-cgi
	fcgiwrap=fcgiwrap uwsgi-core=uwsgi-core uwsgi-plugin-python3 puma=puma ruby=ruby perl=perl gcc=gcc libc6-dev
	openjdk-17-jdk-headless=java curl=curl)
demo=(mkcert=mkcert nodejs=node node-express haproxy=haproxy curl=curl python3=/usr/bin/python3)
vm=(qemu-system-x86=qemu-system-x86_64 busybox-static=busybox cpio=cpio kmod=modprobe xz-utils=xz zstd=zstd gcc=gcc libc6-dev
	iproute2=ip python3=/usr/bin/python3 util-linux=setpriv)
bench=(nginx=nginx haproxy=haproxy hitch=hitch caddy=caddy gnuplot-nox=gnuplot linux-perf=perf
	openssl=openssl python3=/usr/bin/python3 liburing-dev)
bench_new=("${bench[@]}" debootstrap=debootstrap)

die()
{
	echo "deps.sh: $*" >&2
	exit 1
}

# Prints those of the given words that this machine lacks, as package names.
missing()
{
	local word packages=()

	for word in "$@"; do
		case $word in
		*=*) command -v "${word#*=}" >/dev/null || echo "${word%%=*}" ;;
		*) packages+=("$word") ;;
		esac
	done
	[[ ${#packages[@]} -gt 0 ]] || return 0
	# Unknown names make dpkg-query fail; what it does print is still right.
	{ dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true; } |
		awk -v want="${packages[*]}" '
			$2 == "installed" { have[$1] = 1 }
			END { n = split(want, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }'
}

# Debian starts a service when its package is installed (haproxy, nginx). policy-rc.d is where a machine says no;
# a policy that is already there and says so itself is left alone.
policy=/usr/sbin/policy-rc.d
policy_ours=
policy_kept=

deny_services()
{
	local status=0

	if [[ -e $policy ]]; then
		"$policy" haproxy start >/dev/null 2>&1 || status=$?
		[[ $status -ne 101 ]] || return 0
		policy_kept=$policy.kept-by-kedge
		mv "$policy" "$policy_kept"
	fi
	policy_ours=1
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

restore_policy()
{
	[[ -z $policy_ours ]] || rm -f "$policy"
	[[ -z $policy_kept ]] || mv "$policy_kept" "$policy"
	policy_ours='' policy_kept=''
}

apt()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" </dev/null
}

install()
{
	local try

	[[ $(id -u) -eq 0 ]] || die "needs root to install: $*"
	echo "deps.sh: installing $*"
	# The lock of the package lists, unlike dpkg's, is not waited for by apt itself.
	for try in 1 2 3 4 5; do
		apt update && break
		[[ $try -lt 5 ]] || die "apt-get update failed"
		sleep 3
	done
	trap restore_policy EXIT
	trap 'exit 1' HUP INT TERM
	deny_services
	apt install --no-install-recommends --no-remove "$@" ||
		die "apt-get could not install: $*"
	restore_policy
}

# Debian's Express stands in /usr/share/nodejs, where only Debian's own node looks by itself. With
# NODE_PATH=build/node/node_modules any node finds it.
link_express()
{
	local link=$root/build/node/node_modules

	[[ $(readlink "$link" || true) != /usr/share/nodejs ]] || return 0
	mkdir -p "${link%/*}"
	ln -sfn /usr/share/nodejs "$link"
}

name_only=
if [[ ${1-} == -n ]]; then
	name_only=1
	shift
fi
[[ $# -gt 0 ]] || set -- build test
words=()
for group in "$@"; do
	case $group in
	build) words+=("${build[@]}") ;;
	check) words+=("${check[@]}") ;;
	test) words+=("${test[@]}") ;;
	servers) words+=("${servers[@]}") ;;
	demo) words+=("${demo[@]}") ;;
	vm) words+=("${vm[@]}") ;;
	bench) words+=("${bench[@]}") ;;
	bench-new) words+=("${bench_new[@]}") ;;
	*)
		echo "usage: deps.sh [-n] [build|check|test|servers|demo|vm|bench|bench-new]..." >&2
		exit 2
		;;
	esac
done

# /usr/sbin is not in every user's path, but haproxy, modprobe and capsh are in it.
PATH=$PATH:/usr/sbin:/sbin
mapfile -t lack < <(missing "${words[@]}" | sort -u)
if [[ ${#lack[@]} -gt 0 && -n $name_only ]]; then
	die "missing: ${lack[*]}; install them as root with: tests/deps.sh $*"
fi
if [[ ${#lack[@]} -gt 0 ]]; then
	# Two of us at once would fight for apt's locks.
	exec 9>/run/lock/kedge-deps 2>/dev/null || die "needs root to install: ${lack[*]}"
	flock 9
	install "${lack[@]}"
fi
[[ " $* " != *" demo "* && " $* " != *" servers "* ]] || link_express
