#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nfvd as a switch, with and without the containers' shortcut: flooding,
# learning and its limit, VLANs, what must not be forwarded, a port that is an
# ordinary network device.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

FRAME=$BUILD/tests/integration/frame
ALL=ff:ff:ff:ff:ff:ff
NOBODY=02:00:00:00:99:99
TAG=0		# VLAN of test frames

mac() { cat_in "$1" "/sys/class/net/${2:-eth0}/address"; }
cat_in() { ip netns exec "$1" cat "$2"; }
ping1() { in_ns "$1" ping -q -c 1 -W 10 "$2"; }
no_ping() { ! in_ns "$1" ping -q -c 1 -W 0.5 "$2"; }
send() { in_ns "$1" "$FRAME" send eth0 "$2" "$3" $TAG 60 "${4:-1}"; }
# learnt NAME VLAN: the address of its eth0.
learnt() { nfvctl -j fdb | jq -e --arg mac "$(mac "$1")" --argjson vlan "$2" --arg port "$1" 'any(.entries[]; .mac == $mac and .vlan == $vlan and .port == $port)'; }
addresses_of() { nfvctl -j fdb | jq --arg port "$1" '[.entries[] | select(.port == $port)] | length'; }

# arrives SENDER DST SRC EXPECTED RECEIVER...: send 5 test frames; each receiver must get EXPECTED of them. A broadcast
# that is one byte longer follows: when it arrives, all frames before it have arrived or are lost.
arrives()
{
	local from=$1 dst=$2 src=$3 expected=$4 to pids=() count=5

	shift 4
	[ "$expected" != 0 ] || count=1
	for to; do
		rm -f "$WORK/recv-$to"
		ip netns exec "$to" "$FRAME" recv eth0 $count 3000 >"$WORK/recv-$to" &
		pids+=($!)
	done
	for to; do
		wait_for "grep -q ready $WORK/recv-$to" 5 || return 1
	done
	send "$from" "$dst" "$src" 5
	[ "$expected" != 0 ] || in_ns "$from" "$FRAME" send eth0 $ALL "$(mac "$from")" $TAG 61 1
	wait "${pids[@]}"
	for to; do
		echo "$to got: $(tail -n +2 "$WORK/recv-$to")"
		[ "$(grep -c ' 60 [0-9] ok$' "$WORK/recv-$to")" = "$expected" ] || return 1
		[ "$expected" != 0 ] || grep -q ' 61 0 ok$' "$WORK/recv-$to" || return 1
	done
}

# counted PORT REASON N COMMAND...: the command causes exactly N drops.
counted()
{
	local port=$1 reason=$2 expected=$3 before

	before=$(dropped "$port" "$reason")
	shift 3
	"$@" || return 1
	wait_for "[ \$((\$(dropped $port $reason) - before)) = $expected ]" 2 ||
		{ nfvctl drops; return 1; }
}

attach_all()
{
	local i

	for i in 1 2 3; do
		mk_container c$i 10.0.0.$i/24
		nfvctl attach veth c$i dev veth-c$i || return 1
	done
	# Otherwise their own announcements would be counted, too.
	for i in 1 2 3; do
		in_ns c$i sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
	done
}

flooding()
{
	check "$1: broadcast reaches all others" arrives c1 $ALL "$(mac c1)" 5 c2 c3
	check "$1: multicast, too" arrives c1 01:00:5e:00:00:fb "$(mac c1)" 5 c2 c3
	check "$1: and a destination that nobody has" arrives c1 $NOBODY "$(mac c1)" 5 c2 c3
	ping1 c1 10.0.0.2 >/dev/null
	check "$1: fdb lists who spoke" wait_for "learnt c2 0" 5
	check "$1: a known destination alone gets its frames" arrives c1 "$(mac c2)" "$(mac c1)" 5 c2
	check "$1: nobody else sees them" arrives c1 "$(mac c2)" "$(mac c1)" 0 c3
	check "$1: a frame to where it came from is dropped" \
		counted c1 same_port 3 send c1 "$(mac c1)" "$(mac c1)" 3
}

refused_frames()
{
	local dst

	for dst in 00 01 02 0e; do	# STP, pause, LACP, LLDP
		check "$1: 01:80:c2:00:00:$dst is not forwarded" \
			counted c1 ctrl_proto 5 arrives c1 01:80:c2:00:00:$dst "$(mac c1)" 0 c2 c3
	done
	check "$1: 01:80:c2:00:00:10 is" arrives c1 01:80:c2:00:00:10 "$(mac c1)" 5 c2 c3
	check "$1: a multicast source is not forwarded" \
		counted c1 bad_src_mac 5 arrives c1 "$(mac c2)" 03:00:00:00:00:01 0 c2 c3
	check "$1: nor is a source of zeros" \
		counted c1 bad_src_mac 5 arrives c1 "$(mac c2)" 00:00:00:00:00:00 0 c2 c3
}

# An address is learnt per VLAN. (Containers' own VLAN devices would do, but not every kernel has them.)
vlans()
{
	TAG=5
	send c2 $ALL "$(mac c2)" 1
	check "$1: fdb lists who spoke in VLAN 5" wait_for "learnt c2 5" 5
	check "$1: apart from without" wait_for "learnt c2 0" 5
	check "$1: in VLAN 5 it gets its frames" arrives c1 "$(mac c2)" "$(mac c1)" 5 c2
	check "$1: with their tags" tags_are 5 c2
	check "$1: nobody else sees them" arrives c1 "$(mac c2)" "$(mac c1)" 0 c3
	TAG=6
	check "$1: in VLAN 6 nobody knows where it is" arrives c1 "$(mac c2)" "$(mac c1)" 5 c2 c3
	TAG=5
	check "$1: broadcast keeps its tag" arrives c1 $ALL "$(mac c1)" 5 c2 c3
	check "$1: everywhere" tags_are 5 c2 c3
	TAG=0
	check_fails "$1: VLAN 6 is not VLAN 5" learnt c2 6
}

tags_are()
{
	local tag=$1 to

	shift
	for to; do
		[ "$(awk '$NF == "ok" { print $1 }' "$WORK/recv-$to" | sort -u)" = "$tag" ] || return 1
	done
}

# Send from 10 source addresses at a port from which at most 4 are learnt.
mac_limit()
{
	local i

	nfvctl detach c3 >/dev/null && nfvctl attach veth c3 dev veth-c3 macs 4 >/dev/null || return 1
	send c3 $ALL "$(mac c3)"
	check "$1: 10 addresses where 4 are allowed: all frames pass" many_addresses
	check "$1: the 7 that were not learnt are counted" wait_for '[ "$(member c3 mac_limit)" = 7 ]' 3
	check "$1: an event says so" wait_for "nfvctl events | grep 'c3 .*its share of 4 addresses'" 3
	check "$1: and doctor" wait_for "doctor_says 'it has taught its share of addresses'" 3
	check "$1: nothing was dropped for it" [ "$(dropped c3 macs)" = 0 ]
	check "$1: one that was not learnt is flooded to" arrives c1 02:00:00:00:77:09 "$(mac c1)" 5 c2 c3
	check "$1: fdb has 4 of them" wait_for '[ "$(addresses_of c3)" = 4 ]' 5
	check "$1: one that was learnt works" ping1 c3 10.0.0.1
	nfvctl detach c3 >/dev/null
	check "$1: they go with the port" wait_for '[ "$(addresses_of c3)" = 0 ]' 5
	check "$1: and it can be attached again" nfvctl attach veth c3 dev veth-c3
}

many_addresses()
{
	local i pid status=0

	rm -f "$WORK/recv-c1"
	ip netns exec c1 "$FRAME" recv eth0 10 3000 >"$WORK/recv-c1" &
	pid=$!
	wait_for "grep -q ready $WORK/recv-c1" 5
	for i in {0..9}; do
		send c3 $ALL 02:00:00:00:77:0$i || status=1
	done
	wait $pid
	cat "$WORK/recv-c1"
	[ "$(grep -c ' 60 [0-9] ok$' "$WORK/recv-c1")" = 10 ] && return $status
}

mtu_mismatch()
{
	check "doctor: the same MTU everywhere" wait_for "doctor_says 'all devices have MTU 1500'" 3
	ip link set veth-c2 mtu 4000
	check "doctor: another MTU is found" wait_for "doctor_says 'large frames between them are lost'" 3
	check "doctor: and where" wait_for "doctor_says 'c2 4000'" 3
	ip link set veth-c2 mtu 1500
	check "doctor: put back" wait_for "doctor_says 'all devices have MTU 1500'" 3
}

doctor_says() { nfvctl -j doctor | jq -e --arg says "$1" 'any(.findings[]; .text | contains($says))'; }

# Ordinary devices: the end of a veth, and a tap that a program has open.
netdev()
{
	ip netns add n1
	ip link add up0 type veth peer name eth0 netns n1
	ip -n n1 addr add 10.0.0.21/24 dev eth0
	ip -n n1 link set eth0 up
	check "netdev: attach" nfvctl attach netdev up0 dev up0
	check "netdev: from a container" ping1 c1 10.0.0.21
	check "netdev: to a container" ping1 n1 10.0.0.2
	check "netdev: no shortcut there" [ "$(pair up0 c2 shortcut_frames)" = 0 ]
	in_ns n1 iperf3 -s -1 >"$WORK/iperf-server.log" 2>&1 &
	wait_for "in_ns n1 ss -Hltn sport = 5201 | grep -q 5201" 5
	check "netdev: TCP" timeout 60 ip netns exec c1 iperf3 -c 10.0.0.21 -t 1
	wait $!

	tap
}

# n2's eth0 is a tap that a program has open, without offloads.
tap()
{
	local near far server
	local tap=TUN,tun-type=tap,iff-no-pi

	ip netns add n2
	socat $tap,tun-name=tap0 "UNIX-SENDTO:$WORK/far,bind=$WORK/near" 2>>"$WORK/socat.log" &
	near=$!
	ip netns exec n2 socat $tap,tun-name=eth0 "UNIX-SENDTO:$WORK/near,bind=$WORK/far" 2>>"$WORK/socat.log" &
	far=$!
	# socat ends if it sends before the other end listens.
	wait_for "[ -S $WORK/near ] && [ -S $WORK/far ]" 5
	ip link set tap0 up
	ip -n n2 link set eth0 up
	ip -n n2 addr add 10.0.0.22/24 dev eth0
	check "tap: attach" nfvctl attach netdev tap0 dev tap0
	check "tap: from a container" ping1 c1 10.0.0.22
	check "tap: to a container" ping1 n2 10.0.0.2
	in_ns n2 iperf3 -s -1 >"$WORK/iperf-server.log" 2>&1 &
	server=$!
	wait_for "in_ns n2 ss -Hltn sport = 5201 | grep -q 5201" 5
	check "tap: TCP" timeout 60 ip netns exec c1 iperf3 -c 10.0.0.22 -t 1
	check "tap: no bad checksum" [ "$(bad_checksums n2)" = 0 ]
	{ kill -KILL $near $far $server; wait $near $far $server; } 2>/dev/null
	check "tap: the port goes with the device" wait_for "! nfvctl show tap0" 2
}

bad_checksums() { cat_in "$1" /proc/net/snmp | awk '/^Tcp: [0-9]/ { print $NF }'; }

# Everything that must work the same with and without the shortcut.
switch()
{
	nfvctl shortcut "$1" >/dev/null
	flooding "shortcut $1"
	refused_frames "shortcut $1"
	vlans "shortcut $1"
	mac_limit "shortcut $1"
	check "shortcut $1: frames in = delivered + dropped" wait_for conserved 10
}

start_nfvd
check "switch: three containers" attach_all
switch off
switch on
mtu_mismatch
netdev
finish
