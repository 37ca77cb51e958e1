#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# fetch-ovs.sh - unpack Debian's Open vSwitch with DPDK into a folder of the cache, once, and print the
# folder. It is not installed, because that would replace the program of this host's Open vSwitch.
set -eu

. "$(dirname "${BASH_SOURCE[0]}")/../../tools/guests/cache.sh"

# tools/setup.sh bench installs its libraries.
runs()
{
	! ldd "$1"/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk "$1"/usr/sbin/ovsdb-server "$1"/usr/bin/ovs-vsctl |
		grep 'not found' >&2
}

ovs=$cache/ovs
if [ ! -e "$ovs" ]; then
	making "Open vSwitch"
	exec {lock}>"$cache/lock-ovs"
	flock "$lock"
fi
if [ ! -e "$ovs" ]; then
	apt_open
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	echo "fetch-ovs.sh: getting Debian's Open vSwitch" >&2
	debs_unpack "$work/ovs" openvswitch-switch-dpdk openvswitch-switch openvswitch-common
	runs "$work/ovs" || cache_refused "a library is missing; tools/setup.sh bench installs it"
	mv -T "$work/ovs" "$ovs"
fi
touch "$ovs"
echo "$ovs"
