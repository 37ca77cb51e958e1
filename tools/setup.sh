#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# setup.sh [-n] [build|module|demo|kernel|debug|check|fresh|bench|draft|package]... - install missing packages with apt.
#
# Prints nothing if no package is missing; -n only lists missing ones. Default: all.
# shellcheck disable=SC2034 # kinds are used by name
set -eu

build="make gcc meson ninja-build pkg-config git
	libdpdk-dev liburcu-dev libbpf-dev libelf-dev zlib1g-dev libjansson-dev
	libsystemd-dev libmnl-dev libsmartcols-dev libmicrohttpd-dev libpcap-dev libxen-dev libnuma-dev libseccomp-dev libcap-dev libcmocka-dev
	clang-14 llvm-14 libclang-rt-14-dev bpftool"
run="iproute2 iputils-ping ethtool iperf iperf3 jq socat util-linux procps"
guests="qemu-system-x86 linux-image-cloud-amd64 busybox-static cpio kmod"
demo="$build $run $guests"
# The module for the running kernel, if that is Debian's.
module="make gcc"
case $(uname -r) in
*-amd64) module+=" linux-headers-$(uname -r)" ;;
esac
kernel_source="linux-source-6.1 flex bison bc xz-utils libelf-dev libssl-dev"
# The module in test machines, whose kernels are fetched, not installed.
kernel="$demo bc sparse pahole xz-utils zstd dpdk-dev python3"
package="$build build-essential debhelper dh-dkms dpkg-dev libbsd-dev"
check="$kernel $package lintian $kernel_source user-mode-linux runc mmdebstrap iperf libunbound8 libxdp1
	ccache cppcheck clang-tidy-14 clang-format-14 strace systemd prometheus tshark
	chromium cockpit-ws cockpit-bridge cockpit-system nodejs eslint"
# A Node.js from elsewhere brings its own npm, and conflicts with Debian's.
command -v npm >/dev/null || check+=" npm"
fresh="git mmdebstrap util-linux"
bench="$check"
debug="$kernel $kernel_source"
draft="$demo $kernel_source runc mmdebstrap iperf python3"

die() { echo "setup.sh: $*" >&2; exit 1; }

only_say=
if [ "${1:-}" = -n ]; then
	only_say=1
	shift
fi
wanted=
[ $# -gt 0 ] || set -- bench debug draft fresh
for kind; do
	case $kind in
	build | module | demo | kernel | debug | check | fresh | bench | draft | package) wanted+=" ${!kind}" ;;
	*) echo "usage: setup.sh [-n] [build|module|demo|kernel|debug|check|fresh|bench|draft|package]..." >&2; exit 2 ;;
	esac
done

# shellcheck disable=SC2086 # a list of words
command -v dpkg-query >/dev/null || die "this is not Debian; wanted:" $wanted
# shellcheck disable=SC2086
present=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' $wanted 2>/dev/null || true)"
missing=()
for package in $wanted; do
	case $present in
	*" installed:$package "*) ;;
	*) missing+=("$package") ;;
	esac
done
[ ${#missing[@]} -gt 0 ] || exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

if [ -n "$only_say" ]; then
	echo "would install: ${missing[*]}"
	exit 0
fi
[ "$(id -u)" = 0 ] || die "run as root: apt-get install ${missing[*]}"

# Packages must not start services when they are installed.
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
trap 'rm -f "$log" ${own_policy:+"$policy"}' EXIT
own_policy=
if [ ! -e $policy ]; then
	own_policy=1
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod +x $policy
fi

echo "setup.sh: installing ${#missing[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
if ! { apt-get -q update && apt-get -q -y install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
	tail -n 25 "$log" >&2
	die "apt-get failed"
fi
