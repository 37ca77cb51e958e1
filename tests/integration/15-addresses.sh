#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 300
#
# Which port has an address, with and without the shortcut, with one worker and two. A Linux bridge is the reference
# where it decides the same way: a router that takes over with its virtual address (VRRP, CARP), fail-over when a link
# goes down, more addresses than are learnt. Unlike with a bridge, an address that two ports claim all the time stays
# where it was.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/addresses.sh"

VRRP=00:00:5e:00:01:0a VRRP_GROUP=01:00:5e:00:00:12
MOVER=02:00:00:00:aa:01 ASKER=02:00:00:00:cc:03
SHARED=02:00:00:00:bb:02

join_bridge() { ip link set "veth-$1" master br0; }
start_bridge() { ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up; }

# c1 is master; c2, with higher priority, takes over once. If they do not hear each other, both are masters.
vrrp()
{
	listen c1; listen c2; listen c3
	send c1 $VRRP_GROUP $VRRP 60
	check "$1: VRRP: the master's advertisement reaches both" eval "hears c2 60 1 && hears c3 60 1"
	send c3 $VRRP $ASKER 70
	check "$1: VRRP: the virtual router is the master" hears c1 70 1
	send c2 $VRRP_GROUP $VRRP 61
	check "$1: VRRP: the old master hears the new one" hears c1 61 1
	send c3 $VRRP $ASKER 71
	check "$1: VRRP: the virtual router is the new master, at once" hears c2 71 1
	listen_end
}

# c1's link goes down, c2 announces the address (gratuitous ARP), c3 sends to it.
failover()
{
	listen c2; listen c3
	send c1 $ALL $MOVER 60
	hears c3 60 1
	send c3 $MOVER $ASKER 61 && ip -n c1 link set eth0 down
	[ "$1" = bridge ] || wait_for "state_is c1 down" 5
	# The address is not announced yet.
	send c3 $MOVER $ASKER 72
	check "$1: fail-over: what was at the port that is down is flooded" hears c2 72 1
	send c2 $ALL $MOVER 62
	check "$1: fail-over: the announcement arrives" hears c3 62 1
	send c3 $MOVER $ASKER 73
	check "$1: fail-over: the new port gets its frames" hears c2 73 1
	ip -n c1 link set eth0 up
	[ "$1" = bridge ] || wait_for "state_is c1 up" 5
	send c3 $MOVER $ASKER 74
	check "$1: fail-over: also when the old one is up again" hears c2 74 1
	listen_end
}

# Behind c1 there are more addresses than are learnt.
many()
{
	listen c2
	in_ns c1 python3 - <<-'PY'
		import socket, struct, time
		s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		s.bind(("eth0", 0))
		body = bytes((i * 7) & 0xff for i in range(42))
		for i in range(2000):
		    s.send(b"\xff" * 6 + b"\x02\0\0\1" + struct.pack(">H", i) + b"\x88\xb5" + bytes(4) + body)
		    if i % 20 == 0: time.sleep(0.004)
	PY
	check "$1: 2000 addresses: all frames arrive" wait_for '[ "$(heard c2 60)" = 2000 ]' 10
	listen c1
	send c2 02:00:00:01:07:cf $SHARED 66
	check "$1: 2000 addresses: the last one is reached" hears c1 66 1
	listen_end
}

# Two ports claim an address all the time; all frames of the owner and of the thief arrive. $1: label
contest()
{
	local before=$(member c1 mac_contested) drops i

	drops=$(nfvctl -j drops)
	listen c1; listen c2; listen c3
	send c2 $ALL $SHARED 60
	hears c3 60 1
	for ((i = 1; i <= 10; i++)); do
		send c1 $ALL $SHARED 61
		send c2 $ALL $SHARED 60
	done
	check "$1: contest: all frames of the owner arrive" eval "hears c3 60 11 && hears c1 60 11"
	check "$1: contest: and all of the other" eval "hears c3 61 10 && hears c2 61 10"
	check "$1: contest: it stays with the one who was there first" eval "owner_is $SHARED c2 && contested $SHARED"
	check "$1: contest: the other's claims are counted" [ "$(member c1 mac_contested)" -gt "$before" ]
	check "$1: contest: an event names both" \
		wait_for "nfvctl events | grep -E 'c2 .*$SHARED is claimed by c2 and c1: it stays at c2'" 3
	for ((i = 1; i <= 10; i++)); do
		send c1 $ALL $SHARED 61
		send c3 $SHARED $ASKER 65
	done
	check "$1: contest: the owner gets its frames, though the other has the last word" hears c2 65 10
	check "$1: contest: the other gets none" [ "$(heard c1 65)" = 0 ]
	check "$1: contest: nothing was dropped" [ "$(nfvctl -j drops)" = "$drops" ]
	listen_end
}

# Both send known unicast as fast as they can, with the same source address; the shortcut carries what it can.
contest_by_unicast()
{
	local owner pid

	in_ns c2 ping -q -c 1 -W 5 10.0.0.3 >/dev/null
	owner=$(cat_in c2)
	while :; do send c1 "$(cat_in c3)" "$owner" 60 20; done &
	pid=$!
	# Wait until nfvd has decided who owns it; from then on the owner loses no frame.
	ip netns exec c2 ping -q -i 0.02 -c 1000 10.0.0.3 >"$WORK/first" &
	check "$1: contest by unicast: it is settled" wait_for "contested $owner && owner_is $owner c2" 10
	{ kill $!; wait $!; } 2>/dev/null
	check "$1: contest by unicast: the owner loses nothing then" \
		eval "in_ns c2 ping -q -i 0.02 -c 100 -W 5 10.0.0.3 | grep ' 0% packet loss'"
	check "$1: contest by unicast: it is still the owner's" owner_is "$owner" c2
	{ kill $pid; wait $pid; } 2>/dev/null
}

# With the shortcut the kernel forwards known frames; it must learn of a move before the next tick.
move_under_traffic()
{
	local i

	listen c1; listen c2
	send c3 $ALL $ASKER 60
	for ((i = 0; i < 3; i++)); do
		send c1 $ALL $MOVER 61
		check "$1: a move, $i: it is there" wait_for "owner_is $MOVER c1" 5
		send c3 $MOVER $ASKER 7$i
		check "$1: a move, $i: and reached" hears c1 7$i 1
		send c2 $ALL $MOVER 62
		check "$1: a move, $i: it is here" wait_for "owner_is $MOVER c2" 5
		nap 0.05	# a tick is 0.1 s
		send c3 $MOVER $ASKER 8$i
		check "$1: a move, $i: frames follow" hears c2 8$i 1
		# Three moves within a second would count as contested.
		nap 1.1
	done
	listen_end
}

if start_bridge 2>/dev/null; then
	make_containers join_bridge
	vrrp bridge
	failover bridge
	many bridge
	remove_containers
	ip link del br0
else
	skip "bridge" "a kernel with bridges"
fi

for workers in 1 2; do
	start_nfvd --workers $workers
	for shortcut in off on; do
		label="$workers worker(s), shortcut $shortcut"
		nfvctl shortcut $shortcut >/dev/null
		check "$label: three containers" make_containers join_nfvd
		vrrp "$label"
		failover "$label"
		move_under_traffic "$label"
		contest "$label"
		contest_by_unicast "$label"
		many "$label"
		check "$label: frames in = delivered + dropped" wait_for conserved 10
		remove_containers
	done
	check "nfvd ends" stop_nfvd
done
finish
