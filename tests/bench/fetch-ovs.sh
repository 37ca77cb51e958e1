#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# fetch-ovs.sh - Debian's Open vSwitch with DPDK, not installed: that would change which program
# an Open vSwitch of this host runs. Unpacked into a folder of the cache, once; prints that folder.
set -eu

. "$(dirname "${BASH_SOURCE[0]}")/../../tools/guests/cache.sh"

# What its libraries are, tools/setup.sh bench installs.
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
