#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What a killed nfvd left on a device: the next one puts it back.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/keep.sh"

# Print the settings of a container's device that nfvd changes.
looks()
{
	ip -j link show veth-t1 | jq -c '.[0].flags - ["NO-CARRIER", "LOWER_UP"]'
	ip -o addr show dev veth-t1 scope global | grep -o 'fd00::1/64'
	ip -j -d link show veth-t1 | jq -c '.[0] | [.promiscuity, .gso_max_size, .gro_max_size]'
	tc qdisc show dev veth-t1 | grep clsact
	tc filter show dev veth-t1 ingress
	in_ns t1 ethtool -k eth0 | grep -E 'tx-sctp|gso-list'
	ethtool -k veth-t1 | grep -E 'gro-list|rx-udp'
}
untouched() { [ "$(looks)" = "$before" ] || { diff <(echo "$before") <(looks); false; }; }
stateless() { [ -z "$(find "$STATE" -name '*.device')" ]; }

traces()
{
	local before

	stop_nfvd
	mk_container t1 10.9.0.1/24
	ip link set veth-t1 down
	ip addr add fd00::1/64 dev veth-t1
	before=$(looks)
	start_nfvd
	check "traces: attach a device that is down" nfvctl attach veth t1 dev veth-t1 force yes
	check_fails "traces: it is changed" untouched
	killed
	start_nfvd
	check "traces: the next nfvd puts it back" wait_for untouched 5
	check "traces: and says so" grep -q "veth-t1: restored the settings" <(nfvctl events)
	check "traces: and forgets" stateless
	stop_nfvd
	keep
	nfvctl attach veth t1 dev veth-t1 force yes >/dev/null
	killed
	keep
	check "traces: the next nfvd has the port" wait_for '[ "$(setting t1 state)" = up ]' 5
	killed
	keep
	check "traces: and the one after that, too" wait_for '[ "$(setting t1 state)" = up ]' 5
	check "traces: detach" nfvctl detach t1
	check "traces: what the first of them changed is put back" wait_for untouched 5
	nfvctl attach veth t1 dev veth-t1 force yes >/dev/null
	killed
	ip link del veth-t1
	ip link add veth-t1 type veth peer name eth0 netns t1
	ip link set veth-t1 up
	start_nfvd
	check "traces: another device of that name is not touched" grep -q UP <(ip link show veth-t1)
	check "traces: and nothing is left of the one that is gone" stateless
	stop_nfvd
}

traces
finish
