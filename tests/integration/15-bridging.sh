#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A guest that bridges its two interfaces, with and without spanning tree; link-local protocols.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/addresses.sh"

# A guest that bridges its two interfaces, both of which are ports.
vnf()
{
	local l

	ip netns add fw
	for l in a b; do
		ip link add leg-$l type veth peer name in-$l netns fw
		ip -n fw link set in-$l up
		ip link set leg-$l up
		nfvctl attach veth fw-$l dev leg-$l >/dev/null
	done
	in_ns fw sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	ip -n fw link add br0 type bridge "$@"
	for l in a b; do
		ip -n fw link set in-$l master br0
	done
	ip -n fw link set br0 up
}

vnf_end()
{
	nfvctl detach fw-a >/dev/null
	nfvctl detach fw-b >/dev/null
	ip netns del fw
	wait_for "! ip link show leg-a && ! ip link show leg-b" 5
}

blocking() { ip -n fw -d link show in-a; ip -n fw -d link show in-b; }
rx_frames() { nfvctl -j stats | jq '[.ports[].rx_frames] | add // 0'; }
# At most a handful of frames arrive within a second.
quiet()
{
	local before

	before=$(rx_frames)
	nap 1
	before=$(($(rx_frames) - before))
	echo "$before frames"
	[ $before -lt 100 ]
}
is_blocked() { blocking | grep -q 'bridge_slave state blocking'; }
both_forward() { [ "$(blocking | grep -c 'bridge_slave state forwarding')" = 2 ]; }
reaches() { in_ns c1 ping -q -c 5 -i 0.2 -W 2 10.0.0.2 | grep ' 0% packet loss'; }

bridging_guest()
{
	check "link-local: dropped unless told otherwise" eval "nfvctl link-local | grep -x 'link-local drop'"
	check "link-local: so says version" eval "nfvctl version | grep 'link-local drop'"
	# Without spanning tree, the storm limits bound the frames that circulate, and other ports work.
	vnf
	wait_for both_forward 40
	send c1 $ALL "$(cat_in c1)" 60
	check "loop: others reach each other" wait_for reaches 20
	check "loop: nfvd answers, and has a limit for it" wait_for '[ "$(dropped fw-a storm)" -gt 0 ] || quiet' 20
	vnf_end

	check "link-local: a word that is none is refused" eval "! nfvctl link-local pass"
	check "link-local: forward" nfvctl link-local forward
	check "link-local: so says version" eval "nfvctl version | grep 'link-local forward'"
	check "link-local: and an event" eval "nfvctl events | grep 'link-local protocols: forward'"
	vnf stp_state 1 forward_delay 200 hello_time 100
	check "spanning tree: one leg is blocked" wait_for is_blocked 40
	check "spanning tree: the other forwards" wait_for "blocking | grep 'bridge_slave state forwarding'" 40
	send c1 $ALL "$(cat_in c1)" 60
	check "spanning tree: nothing goes round" wait_for quiet 20
	check "spanning tree: others reach each other" reaches
	vnf_end
	listen c2
	send c1 01:80:c2:00:00:01 "$(cat_in c1)" 60
	send c1 01:80:c2:00:00:0e "$(cat_in c1)" 61
	check "link-local: LLDP passes" hears c2 61 1
	check "link-local: a pause frame does not" [ "$(heard c2 60)" = 0 ]
	nfvctl link-local drop >/dev/null
	send c1 01:80:c2:00:00:0e "$(cat_in c1)" 62
	send c1 $ALL "$(cat_in c1)" 63
	check "link-local: dropped again" eval 'hears c2 63 1 && [ "$(heard c2 62)" = 0 ]'
	listen_end
}

start_nfvd
make_containers join_nfvd
bridging_guest
finish
