#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 300
#
# Programs, filters and rate limiters of others on a container's device, addresses that others use; and the order of
# frames whose path changes.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/containers.sh"

shortcut_is() { [ "$(member "$1" shortcut)" = "$2" ]; }

# hook DEV KIND RESULT [NETNS]: attach a foreign program; unhook removes it
hook()
{
	: >"$WORK/hook"
	${4:+ip netns exec "$4"} "$BUILD/tests/integration/hook" "$1" "$2" "$3" >"$WORK/hook" &
	HOOK=$!
	wait_for "grep -q ready $WORK/hook"
}
unhook() { kill $HOOK; wait $HOOK 2>/dev/null; }

# hindered NAME WORDS: the shortcut is not used; show, an event and doctor report it; no frame is lost.
hindered()
{
	check "$1: the shortcut is not used" wait_for "shortcut_is c1 false || shortcut_is c2 false"
	check "$1: doctor says why" wait_for "nfvctl doctor | grep -q -- '$2'"
	check "$1: an event says it" wait_for "nfvctl events | grep -q -- 'shortcut not used: .*$2'"
	BEFORE=$(pair c1 c2 shortcut_frames)
	check "$1: no frame is lost" no_loss
	check "$1: none takes the shortcut" [ "$(pair c1 c2 shortcut_frames)" = "$BEFORE" ]
}
free_again()
{
	check "$1: gone, the shortcut is used again" wait_for "shortcut_is c1 true && shortcut_is c2 true"
	check "$1: and frames take it" until_shortcut
}

programs()
{
	pair_up
	check "programs: the shortcut is used" until_shortcut
	hook veth-c1 tcx 0
	hindered "tcx" "tcx program"
	unhook
	free_again "tcx"
	tc qdisc add dev veth-c1 clsact
	tc filter add dev veth-c1 ingress prio 1 protocol all u32 match u32 0 0 flowid 1:1
	hindered "tc filter" "tc filter (u32, pref 1)"
	tc filter del dev veth-c1 ingress
	free_again "tc filter"
	tc qdisc del dev veth-c1 clsact
	tc qdisc add dev veth-c2 clsact
	tc filter add dev veth-c2 egress prio 2 protocol all u32 match u32 0 0 flowid 1:1
	hindered "tc filter at egress" "tc filter (u32, pref 2) is at egress"
	tc qdisc del dev veth-c2 clsact
	free_again "tc filter at egress"
	hook eth0 xdp 2 c2
	hindered "XDP" "XDP program is on the container"
	unhook
	free_again "XDP"
	hook eth0 xdp 1 c2
	wait_for "shortcut_is c2 false"
	check_fails "XDP: it drops, by whatever way frames come" in_ns c1 ping -q -c 3 -i 0.1 -W 1 10.0.0.2
	unhook
	free_again "XDP that drops"
	tc qdisc add dev veth-c2 root tbf rate 8mbit burst 16k latency 20ms
	hindered "limiter" "queueing discipline"
	tc qdisc del dev veth-c2 root
	free_again "limiter"
	pair_down
}

# Frames to a port arrive from the moment of attaching on, although nfvd still changes its device.
from_the_first()
{
	mk_container c1 10.0.0.1/24
	mk_container c2 10.0.0.2/24
	in_ns c1 ip neigh replace 10.0.0.2 lladdr "$(mac c2)" dev eth0
	in_ns c2 ip neigh replace 10.0.0.1 lladdr "$(mac c1)" dev eth0
	nfvctl attach veth c1 dev veth-c1 >/dev/null
	nfvctl attach veth c2 dev veth-c2 >/dev/null
	check "just attached: no frame is lost" grep ' 0% packet loss' \
		<(in_ns c1 ping -q -f -c 30000 -w 30 10.0.0.2 | tee "$WORK/first")
	grep loss "$WORK/first" | sed 's/^/  /'
	pair_down
}

before_attach()
{
	mk_container c1 10.0.0.1/24
	tc qdisc add dev veth-c1 clsact
	tc filter add dev veth-c1 ingress prio 1 protocol all u32 match u32 0 0 flowid 1:1
	refused "a filter is there: refused without the module" "tc filter (u32, pref 1) at ingress" veth c1 dev veth-c1 mode packet
	check "a filter is there: what it names attaches" nfvctl $(hint veth c1 dev veth-c1 mode packet | cut -d' ' -f2-)
	check "a filter is there: doctor says that it is passed by" wait_for "nfvctl doctor | grep 'do not pass the tc filter'"
	nfvctl detach c1 >/dev/null
	check "a filter is there: it still is after detach" grep -q u32 <(tc filter show dev veth-c1 ingress)
	ip netns del c1
	wait_for "! ip link show veth-c1"
}

# A container does not receive frames to an address that it does not have (any more), on any path.
foreign_address()
{
	local way

	pair_up
	until_shortcut
	in_ns c2 "$FRAME" send eth0 ff:ff:ff:ff:ff:ff 02:00:00:00:00:99 0 60 1
	wait_for "nfvctl fdb | grep -q 02:00:00:00:00:99"
	in_ns c1 ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:99 dev eth0
	for way in on off; do
		nfvctl shortcut $way >/dev/null
		check_fails "foreign address, shortcut $way: not taken" in_ns c1 ping -q -c 5 -i 0.2 -W 1 10.0.0.2
	done
	nfvctl shortcut on >/dev/null
	in_ns c1 ip neigh del 10.0.0.2 dev eth0
	# After the container has changed its own address, this holds at once.
	ip -n c2 link set eth0 address 02:00:00:00:00:98
	check "new address: it is reached" in_ns c1 ping -q -c 1 -W 10 10.0.0.2
	check "new address: the shortcut follows" until_shortcut
	pair_down
}

# The path of a stream of frames changes many times, and no frame overtakes another.
in_order()
{
	local n=1500000 sender receiver frames shortcut

	pair_up
	until_shortcut
	frames=$(pair c1 c2 frames) shortcut=$(pair c1 c2 shortcut_frames)
	ip netns exec c2 "$FRAME" recv eth0 $n 5000 | awk '
		/ready/ { print; fflush(); next }
		{ got++; if ($3 + 0 < last) back++; last = $3 + 0 }
		END { print "got", got + 0, "back", back + 0 }' >"$WORK/order" &
	receiver=$!
	wait_for "grep -q ready $WORK/order"
	ip netns exec c1 "$FRAME" send eth0 "$(mac c2)" "$(mac c1)" 0 60 $n &
	sender=$!
	while kill -0 $sender 2>/dev/null; do
		nfvctl shortcut off >/dev/null
		nap 0.1
		nfvctl shortcut on >/dev/null
		nap 0.2
	done
	wait $sender $receiver
	shortcut=$(($(pair c1 c2 shortcut_frames) - shortcut)) frames=$(($(pair c1 c2 frames) - frames))
	echo "  $(tail -n 1 "$WORK/order"), $shortcut of $frames by the shortcut"
	check "order: frames went both ways" [ $(((shortcut > 0) * (shortcut < frames))) = 1 ]
	check "order: many arrived" [ "$(awk '/^got/ { print $2 }' "$WORK/order")" -gt 10000 ]
	check "order: none overtook another" grep -q ' back 0$' "$WORK/order"
	pair_down
}

start_nfvd
programs
from_the_first
before_attach
foreign_address
in_order
finish
