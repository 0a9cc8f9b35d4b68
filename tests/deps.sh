#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# deps.sh [-n] [GROUP...]: installs the distribution's packages that a group needs and this machine lacks. With -n it
# installs nothing: it names what is missing and the command that installs it, and fails.
#
# Groups: build, check (includes build), test (includes check), servers, demo, fleet, containers, pods, vm, bench,
# bench-new, root, deb. The default is build and test. Says nothing and changes nothing when all is there. Needs root only if something is missing.
# Tested on Debian 12 and 13, also from their minimal systems. It asks apt which packages there are, not which release
# this is.
# shellcheck disable=SC2034 # the arguments name the arrays
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

# One word for each need. PACKAGE: it must be installed. PACKAGE=COMMAND: any COMMAND in the path will do; with a * at
# its end, any that begins so. PACKAGE@FUNCTION: it is there if the function says so. PACKAGE|PACKAGE...: the first that
# apt knows. A %FUNCTION in the place of PACKAGE prints the package's name.
build=(clang=clang llvm=llvm-strip gcc=gcc make=make pkg-config=pkg-config bpftool=bpftool
	libc6-dev libbpf-dev libxdp-dev libelf-dev zlib1g-dev libssl-dev libyaml-dev libjansson-dev systemtap-sdt-dev
	libseccomp-dev libsystemd-dev)
check=("${build[@]}" libcmocka-dev)
test=("${check[@]}" libhttp-parser-dev %clang_rt@has_fuzzer clang-format=clang-format clang-tidy=clang-tidy
	python3=/usr/bin/python3 python3-pytest python3-jsonschema python3-yaml python3-pyte curl=curl git=git patch=patch openssl=openssl nodejs=node node-express node-ws haproxy=haproxy ca-certificates jq=jq
	iproute2=ip strace=strace libcap2-bin=capsh procps=ps prometheus=promtool bpftrace=bpftrace
	git=git util-linux=setpriv slowhttptest=slowhttptest testssl.sh=testssl mandoc=mandoc systemd=systemd-analyze zsh=zsh
	mkcert=mkcert certbot=certbot pebble=pebble xdp-tools=xdp-filter liburing-dev devscripts=hardening-check binutils=objdump)
servers=(apache2-bin=apache2 nginx=nginx lighttpd=lighttpd haproxy=haproxy nodejs=node golang-go=go redis-server=redis-server node-ws
	python3-gunicorn python3-uvicorn python3-grpcio python3=/usr/bin/python3 node-express caddy=caddy 'php-fpm=php-fpm*' php-cgi=php-cgi
	libapache2-mod-php libapache2-mod-wsgi-py3 fcgiwrap=fcgiwrap uwsgi-core=uwsgi-core uwsgi-plugin-python3 puma=puma
	ruby=ruby perl=perl gcc=gcc libc6-dev
	'default-jdk-headless|openjdk-21-jdk-headless|openjdk-17-jdk-headless=java' curl=curl)
demo=(mkcert=mkcert nodejs=node node-express haproxy=haproxy curl=curl ca-certificates python3=/usr/bin/python3)
# IPVS needs its two tools here for the guests: they use this machine's files.
fleet=(haproxy=haproxy keepalived=keepalived ipvsadm=ipvsadm nodejs=node openssl=openssl iproute2=ip util-linux=nsenter
	python3=/usr/bin/python3)
vm=(qemu-system-x86=qemu-system-x86_64 busybox-static=busybox cpio=cpio kmod=modprobe xz-utils=xz zstd=zstd gcc=gcc libc6-dev
	iproute2=ip python3=/usr/bin/python3 util-linux=setpriv)
bench=(nginx=nginx haproxy=haproxy hitch=hitch caddy=caddy gnuplot-nox=gnuplot linux-perf=perf
	openssl=openssl python3=/usr/bin/python3 liburing-dev)
rooted=(debootstrap=debootstrap debian-archive-keyring util-linux=unshare iproute2=ip)
deb=(build-essential debhelper=dh dpkg-dev=dpkg-buildpackage lintian=lintian blhc=blhc devscripts=hardening-check)
containers=(podman=podman crun=crun busybox-static=busybox nodejs=node npm=npm python3-jsonschema python3-yaml "${rooted[@]}")
# In the root where pods and Compose run.
pods=(podman=podman podman-compose=podman-compose crun=crun netavark aardvark-dns catatonit nftables=nft python3=/usr/bin/python3)
bench_new=("${bench[@]}" "${rooted[@]}")

die()
{
	echo "deps.sh: $*" >&2
	exit 1
}

# The runtime of the sanitizers and fuzzers has the version of the clang that is, or will be, there.
clang_rt()
{
	local major

	major=$(clang -dumpversion 2>/dev/null | cut -d. -f1) || true
	[[ -n $major ]] || major=$(apt-cache depends clang 2>/dev/null | sed -n 's/^ *Depends: clang-\([0-9]*\)$/\1/p')
	echo "libclang-rt-${major:-VERSION}-dev"
}

has_fuzzer()
{
	local runtime

	runtime=$(clang -print-resource-dir 2>/dev/null) && compgen -G "$runtime/lib/*/libclang_rt.fuzzer*.a" >/dev/null
}

# has_command NAME: a file or a name in the path. A * at its end stands for anything.
has_command()
{
	if [[ $1 == *\* ]]; then
		compgen -c -- "${1%\*}" >/dev/null
	else
		command -v "$1" >/dev/null
	fi
}

# All at once: asking for each takes seconds.
read_installed()
{
	local package status

	while read -r package status; do
		[[ $status != installed ]] || installed[$package]=1
	done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null)
}

# is_there WORD
is_there()
{
	local name any

	case $1 in
	*=*) has_command "${1#*=}" ;;
	*@*) "${1#*@}" ;;
	*)
		IFS='|' read -ra any <<<"$1"
		for name in "${any[@]}"; do
			[[ -z ${installed[$name]-} ]] || return 0
		done
		return 1
		;;
	esac
}

# names_of WORD: the packages that would do.
names_of()
{
	local names=${1%%[=@]*}

	[[ $names != %* ]] || names=$("${names#%}")
	tr '|' '\n' <<<"$names"
}

# Asks apt for all that may be installed at once: each time it reads its lists.
read_known()
{
	local names line package=

	mapfile -t names < <(for word in "${lack[@]}"; do names_of "$word"; done)
	known=()
	while read -r line; do
		case $line in
		'Candidate: ('*) ;;
		'Candidate: '*) known[$package]=1 ;;
		*:) package=${line%:} ;;
		esac
	done < <(apt-cache policy "${names[@]}" 2>/dev/null)
}

# package_of WORD: the package to install for a need. If apt knows none of several, the first.
package_of()
{
	local names name

	mapfile -t names < <(names_of "$1")
	for name in "${names[@]}"; do
		if [[ -n ${known[$name]-} ]]; then
			echo "$name"
			return
		fi
	done
	echo "${names[0]}"
}

# Debian starts a service when its package is installed (haproxy, nginx). policy-rc.d is where a machine says no. One
# that is already there and says no stays.
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

update_lists()
{
	local try

	# apt does not wait for the lock of the package lists, as it does for dpkg's.
	for try in 1 2 3 4 5; do
		! apt update || return 0
		[[ $try -lt 5 ]] || die "apt-get update failed"
		sleep 3
	done
}

install()
{
	trap restore_policy EXIT
	trap 'exit 1' HUP INT TERM
	deny_services
	apt install --no-install-recommends --no-remove "$@" ||
		die "apt-get could not install: $*"
	restore_policy
}

# say_unknown WORD PACKAGE: what to do about a package that apt does not have.
say_unknown()
{
	local what="install it another way, or add the name it has here to tests/deps.sh (NAME|OTHER)"

	[[ $1 != *=* ]] || what="install the command ${1#*=} another way: any in the path will do"
	echo "deps.sh: apt has no package $2, needed for $(needed_by "$1"): $what" >&2
}

# needed_by WORD: the groups, of those asked for, that have it.
needed_by()
{
	local group word found=()

	for group in "${groups[@]}"; do
		local -n words_of=$group
		for word in "${words_of[@]}"; do
			[[ $word != "$1" ]] || found+=("$group")
		done
	done
	echo "${found[*]//_/-}"
}

# Debian's Express is in /usr/share/nodejs, where only Debian's own node looks by itself. With
# NODE_PATH=build/node/node_modules any node finds it.
link_express()
{
	local link=$root/build/node/node_modules

	[[ $(readlink "$link" || true) != /usr/share/nodejs ]] || return 0
	mkdir -p "${link%/*}"
	ln -sfn /usr/share/nodejs "$link"
}

# Sets lack to the words that this machine has nothing for.
find_lack()
{
	local word

	lack=()
	for word in "${words[@]}"; do
		is_there "$word" || lack+=("$word")
	done
}

# Sets packages to what would be installed for the words in lack, and unknown to the words that apt has nothing for.
find_packages()
{
	local word package

	packages=() unknown=()
	read_known
	for word in "${lack[@]}"; do
		package=$(package_of "$word")
		packages+=("$package")
		[[ -n ${known[$package]-} ]] || unknown+=("$word")
	done
}

name_only=
if [[ ${1-} == -n ]]; then
	name_only=1
	shift
fi
[[ $# -gt 0 ]] || set -- build test
groups=()
for group in "$@"; do
	case $group in
	build | check | test | servers | demo | fleet | containers | pods | vm | bench | deb) groups+=("$group") ;;
	bench-new) groups+=(bench_new) ;;
	root) groups+=(rooted) ;;
	*)
		echo "usage: deps.sh [-n] [build|check|test|servers|demo|fleet|containers|pods|vm|bench|bench-new|root|deb]..." >&2
		exit 2
		;;
	esac
done
mapfile -t words < <(for group in "${groups[@]}"; do
	declare -n of=$group
	printf '%s\n' "${of[@]}"
done | sort -u)

# /usr/sbin is not in every user's path, but haproxy, modprobe and capsh are in it.
PATH=$PATH:/usr/sbin:/sbin
declare -A installed=() known=()
read_installed
find_lack
if [[ ${#lack[@]} -gt 0 ]]; then
	command -v apt-get >/dev/null ||
		die "missing: ${lack[*]%%[=@]*}; there is no apt here: install what your distribution calls these"
	find_packages
	if [[ -n $name_only || $(id -u) -ne 0 ]]; then
		for word in "${unknown[@]}"; do
			echo "deps.sh: apt does not know $(package_of "$word"), perhaps only before apt-get update" >&2
		done
		die "missing: ${packages[*]}; install them as root with: tests/deps.sh $*
	or: apt-get install --no-install-recommends ${packages[*]}"
	fi
	# Two of us at once would fight for apt's locks.
	exec 9>/run/lock/kedge-deps
	flock 9
	echo "deps.sh: installing ${packages[*]}"
	update_lists
	# The lists may know more now.
	find_packages
	for word in "${unknown[@]}"; do
		say_unknown "$word" "$(package_of "$word")"
	done
	[[ ${#unknown[@]} -eq 0 ]] || exit 1
	install "${packages[@]}"
fi
[[ " $* " != *" demo "* && " $* " != *" servers "* ]] || link_express
