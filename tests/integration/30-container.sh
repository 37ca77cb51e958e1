#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 240
#
# Containers: attaching by either end, super-frames, VLANs, with and without the
# shortcut; devices that are set down, renamed, moved or deleted.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

FRAME=$BUILD/tests/integration/frame

# moved A B: print FRAMES BYTES COPIES from A to B, read at one instant.
moved() { nfvctl -j ledger | jq -r --arg a "$1" --arg b "$2" '.pairs[] | select(.src == $a and .dst == $b) | "\(.frames) \(.bytes) \(.copies)"'; }
events() { nfvctl events; }
mac() { ip -n "$1" -o link show dev "${2:-eth0}" | sed -n 's,.*link/ether \([0-9a-f:]*\).*,\1,p'; }
address() { echo "10.0.0.${1#c}"; }
reach() { in_ns "$1" ping -q -c 1 -W 10 "$(address "$2")"; }
is_gone() { ! nfvctl show "$1" >/dev/null 2>&1; }
ifindex_of() { ip -o link show dev "$1" | cut -d: -f1; }
is_up() { ip -o link show dev "$1" up | grep -q .; }
# Print all settings that attaching may change, except the qdisc that the kernel adds when the device is set up.
settings()
{
	ip -d -o link show dev "$1" | sed 's/qdisc [a-z]*//'
	cat "/proc/sys/net/ipv6/conf/$1/disable_ipv6"
	tc qdisc show dev "$1" | grep -v noqueue
}

names() { nfvctl -j show | jq -c '[.ports[].name]'; }
# refused NAME WORDS ARGUMENT...: nfvctl attach fails with a message that contains these words, and leaves no port.
refused()
{
	local name=$1 words=$2 before output status=0

	shift 2
	before=$(names)
	output=$(nfvctl attach "$@" 2>&1) || status=$?
	if [ $status != 1 ]; then
		fail "$name" "status $status: $output"
	elif ! grep -qi -- "$words" <<<"$output"; then
		fail "$name" "it says: $output"
	elif [ "$(names)" != "$before" ]; then
		fail "$name" "the ports are others than before"
	else
		pass "$name"
	fi
}

# conserved: frames in = delivered + dropped, at every port.
conserved() { nfvctl -j stats | jq -e '.ports == [.ports[] | select(.rx_frames + .replicated == .delivered + .dropped)]'; }

# --- attaching ------------------------------------------------------------------

attach_each_way()
{
	local sleeper

	check "container: attach by the host end" nfvctl attach veth c1 dev veth-c1
	check "container: attach by the container's end and a name" nfvctl attach veth c2 dev eth0 netns c2
	ip netns exec c3 sleep 1000 &
	sleeper=$!
	wait_for "[ \$(readlink /proc/$sleeper/ns/net) != \$(readlink /proc/self/ns/net) ]" 5
	check "container: attach by the container's end and a pid" nfvctl attach veth c3 dev eth0 pid $sleeper
	kill $sleeper
	wait $sleeper 2>/dev/null
	check "container: the host end was found" [ "$(member c2 dev)" = veth-c2 ]
	check "container: ifindex, peer and namespace are told" [ "$(member c2 ifindex):$(member c2 container_dev):$(member c2 container_netns)" = \
		"$(ifindex_of veth-c2):eth0:/run/netns/c2" ]
	check "container: they reach each other" reach c1 c2
	check "container: all of them" reach c2 c3
}

# J3: each refusal has its own message and changes nothing.
refusals()
{
	refused "attach: no such device" "no device 'veth9' in nfvd's network namespace" veth x dev veth9
	refused "attach: no such namespace" "nowhere" veth x dev eth0 netns nowhere
	refused "attach: no such pid" "4194303" veth x dev eth0 pid 4194303
	refused "attach: no such device in the namespace" "no device 'eth7'" veth x dev eth7 netns c1
	refused "attach: attached already, by its name" "port 'c1' already" veth x dev veth-c1
	refused "attach: attached already, by the other end" "port 'c1' already" veth x dev eth0 netns c1
	refused "attach: attached already, as another type" "port 'c1' already" netdev x dev veth-c1
	refused "attach: loopback" "'lo' is not an Ethernet" netdev x dev lo
	refused "attach: loopback as veth" "'lo' is not a veth" veth x dev lo
	ip tuntap add tap0 mode tap
	ip tuntap add tun0 mode tun
	refused "attach: tun has no Ethernet" "not an Ethernet device" netdev x dev tun0
	refused "attach: tap as veth" "is not a veth" veth x dev tap0
	ip link add br0 type bridge
	ip link add v8 type veth peer name v9
	ip link set v8 master br0
	refused "attach: member of a bridge" "bridge" veth x dev v8
	ip link del v8
	ip link del br0
	# The other end of this pair is in c2, where nfvd does not find it.
	ip -n c1 link add far0 type veth peer name far1 netns c2
	refused "attach: other end in another namespace" "other end" veth x dev far0 netns c1
	ip -n c1 link del far0
}

# J7: an attach that failed halfway leaves nothing behind, and the next try succeeds.
undone()
{
	local before after

	ip link add v6 type veth peer name v7
	ip link set v7 up
	before=$(settings v6)
	check "attach: a pair with both ends here" nfvctl attach veth x dev v6
	check "attach: has set the device up" is_up v6
	check "attach: detach" nfvctl detach x
	after=$(settings v6)
	check "attach: the device is as it was before" [ "$before" = "$after" ]
	# At most once in this loop the device is deleted after nfvd has found it and before it has taken it.
	for _ in {1..10}; do
		ip link add v4 type veth peer name v5
		"$NFVCTL" attach veth y dev v4 >/dev/null 2>&1 &
		ip link del v4
		wait $!
	done
	check "attach: a device that goes meanwhile leaves no port" wait_for "is_gone y" 2
	ip link add v4 type veth peer name v5
	check "attach: and the next one works" nfvctl attach veth y dev v4
	nfvctl detach y >/dev/null
	ip link del v4
	ip link del v6
}

# --- traffic --------------------------------------------------------------------

listen() { ip netns exec "$1" iperf3 -s -1 >"$WORK/server.log" 2>&1 & }
listening() { wait_for "in_ns $1 ss -Hltn sport = 5201 | grep -q 5201" 5; }

# tcp FROM TO SERVER NAME COPIES: super-frames are kept whole, and the ledger counts COPIES copies per frame.
tcp()
{
	local from=$1 to=$2 server=$3 name="$5: TCP $1 to $2" copies=$4 pid client reverse= was now frames bytes copied

	client=$to
	[ "$server" = "$to" ] && client=$from || reverse=-R
	listen "$server"
	pid=$!
	listening "$server"
	read -ra was <<<"$(moved "$from" "$to")"
	# shellcheck disable=SC2086 # nothing or an option
	check "$name" timeout 60 ip netns exec "$client" iperf3 -c "$(address "$server")" -t 1 $reverse || return
	read -ra now <<<"$(moved "$from" "$to")"
	wait $pid
	frames=$((now[0] - was[0])) bytes=$((now[1] - was[1])) copied=$((now[2] - was[2]))
	echo "  $frames frames of $((bytes / (frames + 1))) bytes, $copied copies"
	check "$name: super-frames are kept" [ $((bytes / (frames + 1))) -gt 10000 ]
	if [ "$copies" = 0 ]; then
		# The first frames went through user space, which learnt the address.
		check "$name: no copies" [ $((copied * 20)) -lt "$frames" ]
	else
		check "$name: $copies copies per frame" [ "$copied" = $((copies * frames)) ]
	fi
}

udp()
{
	local server

	listen c2
	server=$!
	listening c2
	check "$1: UDP" timeout 20 ip netns exec c1 iperf3 -c 10.0.0.2 -u -b 50M -l 1400 -t 1
	wait $server
	# IP fragments are frames like others.
	check "$1: a datagram in fragments" in_ns c1 ping -q -c 3 -i 0.2 -s 20000 -W 2 10.0.0.2
}

# tagged NAME TAGS: ten frames with these tags arrive unchanged, once each.
tagged()
{
	local name=$1 tags=$2 size=$3 receiver other vlan=${2%%[s.]*}

	# Each end sends a frame, so that its address is learnt in this VLAN.
	in_ns c2 "$FRAME" send eth0 ff:ff:ff:ff:ff:ff "$(mac c2)" "$tags" 60 1
	in_ns c1 "$FRAME" send eth0 ff:ff:ff:ff:ff:ff "$(mac c1)" "$tags" 60 1
	wait_for "nfvctl fdb | grep $(mac c1) | grep -q ' $vlan '" 5
	wait_for "nfvctl fdb | grep $(mac c2) | grep -q ' $vlan '" 5
	rm -f "$WORK/tagged" "$WORK/other"	# not ready yet
	ip netns exec c2 "$FRAME" recv eth0 -1 500 >"$WORK/tagged" &
	receiver=$!
	ip netns exec c3 "$FRAME" recv eth0 -1 500 >"$WORK/other" &
	other=$!
	wait_for "grep -q ready $WORK/tagged && grep -q ready $WORK/other" 5
	in_ns c1 "$FRAME" send eth0 "$(mac c2)" "$(mac c1)" "$tags" "$size" 10
	wait $receiver
	kill $other
	wait $other 2>/dev/null
	check "$name: tags $tags arrive unchanged, once" diff \
		<(echo ready; for n in {0..9}; do echo "$tags $size $n ok"; done) "$WORK/tagged"
	check "$name: and nowhere else" [ "$(cat "$WORK/other")" = ready ]
}

vlans()
{
	tagged "$1" 0 60
	tagged "$1" 5 60
	tagged "$1" 5 1514
	tagged "$1" 100s.5 1000
}

# Only the containers respond to a ping to all hosts.
# ask_all - print which hosts have responded so far
ask_all()
{
	in_ns c1 ping -6 -c 2 -i 0.3 -W 1 ff02::1%eth0 | sed -n 's,.*from \(fe80[^%]*\)%.*,\1,p' >>"$WORK/answers"
	sort -u "$WORK/answers"
}

host_is_silent()
{
	local name=$1 expected

	ip addr add 10.0.0.99/24 dev veth-c1
	check_fails "$name: the host does not answer IPv4" in_ns c1 ping -q -c 2 -i 0.2 -W 1 10.0.0.99
	ip addr del 10.0.0.99/24 dev veth-c1
	check "$name: nor ARP" [ -z "$(in_ns c1 ip neigh show 10.0.0.99 | grep lladdr)" ]
	wait_for "! ip -n c1 -6 addr show dev eth0 | grep -q tentative" 5
	expected=$(for i in c1 c2 c3; do ip -n $i -6 -o addr show dev eth0 scope link | sed 's,.*inet6 \([^/]*\)/.*,\1,'; done | sort)
	: >"$WORK/answers"
	check "$name: all containers answer IPv6" wait_for '[ "$(ask_all)" = "$expected" ]' 10
	check "$name: and nobody else" [ "$(sort -u "$WORK/answers")" = "$expected" ]
}

# Everything that must work the same with and without the shortcut.
traffic()
{
	local name=$1 copies=$2 output

	tcp c1 c2 c2 "$copies" "$name"
	tcp c2 c1 c2 "$copies" "$name"
	udp "$name"
	vlans "$name"
	host_is_silent "$name"
	output=$(in_ns c1 ping -q -f -c 2000 -w 10 10.0.0.2)
	check "$name: no echo lost or doubled" grep -q '^2000 packets transmitted, 2000 received, 0% packet loss' <<<"$output"
	check "$name: frames in = delivered + dropped" wait_for conserved 10
}

# An idle container sends as many frames at once as a bridge's receiver would queue: all are delivered.
bursts()
{
	local before frames i

	reach c1 c2 >/dev/null
	frames=$(pair c1 c2 frames) before=$(dropped c2 dst_full)
	for i in 1 2 3 4 5; do
		in_ns c1 "$FRAME" send eth0 "$(mac c2)" "$(mac c1)" 0 60 1500
		check "$1: a burst of 1500 small frames is delivered" \
			wait_for "[ \$((\$(pair c1 c2 frames) - $frames)) -ge $((i * 1500)) ]" 5
	done
	# Stop nfvd meanwhile.
	kill -STOP "$NFVD_PID"
	in_ns c1 "$FRAME" send eth0 "$(mac c2)" "$(mac c1)" 0 60 4000
	kill -CONT "$NFVD_PID"
	check "$1: one of 4000 waits for nfvd" wait_for "[ \$((\$(pair c1 c2 frames) - $frames)) -ge $((5 * 1500 + 4000)) ]" 5
	check "$1: none of them was missed" [ "$(member c1 missed):$(dropped c2 dst_full)" = "0:$before" ]
}

# While the shortcut is switched on and off, no frame is duplicated, and hardly one is lost.
switching()
{
	local pid i

	ip netns exec c1 ping -f -c 30000 -w 4 10.0.0.2 >"$WORK/switching" 2>&1 &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		nfvctl shortcut off >/dev/null
		nfvctl shortcut on >/dev/null
	done
	wait $pid
	check "switching: no frame is doubled" grep -q ' received, ' <(grep -v duplicates "$WORK/switching")
	check "switching: hardly one is lost" awk '/packets transmitted/ { exit !($1 - $4 <= 20) }' "$WORK/switching"
	check "switching: frames in = delivered + dropped" wait_for conserved 10
	tail -n 3 "$WORK/switching" | sed 's/^/  /'
}

per_port()
{
	local before

	nfvctl shortcut off c2 >/dev/null
	before=$(pair c1 c2 shortcut_frames)
	check "shortcut off for a port: it is reached" in_ns c1 ping -q -c 50 -i 0.002 10.0.0.2
	check "shortcut off for a port: through user space" [ "$(pair c1 c2 shortcut_frames)" = "$before" ]
	before=$(pair c1 c3 shortcut_frames)
	reach c1 c3 >/dev/null
	sleep_for_sync
	in_ns c1 ping -q -c 50 -i 0.002 10.0.0.3 >/dev/null
	check "shortcut off for a port: the others keep theirs" [ "$(pair c1 c3 shortcut_frames)" -gt "$before" ]
	nfvctl shortcut on c2 >/dev/null
}

# Wait until the learnt addresses are in the shortcut's map, and frames use the shortcut.
sleep_for_sync() { wait_for "in_ns c1 ping -q -c 1 -W 1 10.0.0.3; [ \$(pair c1 c3 shortcut_frames) -gt 0 ]" 5; }

# A frame that exceeds the receiving device's MTU is dropped for that reason, with and without the shortcut.
mtu()
{
	local before

	ip -n c1 link set eth0 mtu 4000
	ip link set veth-c1 mtu 4000
	wait_for "[ \$(member c1 mtu) = 4000 ]" 3
	before=$(dropped c2 mtu)
	check_fails "mtu: too long for the receiver" in_ns c1 ping -q -c 2 -i 0.2 -W 1 -M do -s 3000 10.0.0.2
	check "mtu: counted there" wait_for "[ \$((\$(dropped c2 mtu) - before)) = 2 ]" 3
	check "mtu: shorter ones pass" reach c1 c2
	ip -n c1 link set eth0 mtu 1500
	ip link set veth-c1 mtu 1500
	wait_for "[ \$(member c1 mtu) = 1500 ]" 3
}

# --- what happens to devices ----------------------------------------------------

# J5
down_and_up()
{
	ip link set veth-c1 down
	check "down: the port says so" wait_for "state_is c1 down" 1
	check "down: the others go on" reach c2 c3
	ip link set veth-c1 up
	check "up: the port says so" wait_for "state_is c1 up" 1
	check "up: it is reached" wait_for "reach c2 c1" 3
	ip -n c1 link set eth0 down
	# The kernel may report it a second late.
	check "container's end down: the port says so" wait_for "state_is c1 down" 3
	ip -n c1 link set eth0 up
	check "container's end up again: so is the port" wait_for "state_is c1 up" 1
	check "container's end up again: it is reached" wait_for "reach c2 c1" 3
}

# J2
renamed_and_moved()
{
	local ifindex

	ip link set veth-c1 name other1 2>/dev/null ||
		{ ip link set veth-c1 down; ip link set veth-c1 name other1; ip link set other1 up; }
	check "renamed: the port follows" wait_for "[ \$(member c1 dev) = other1 ]" 1
	check "renamed: an event says so" wait_for 'events | grep other1' 3
	check "renamed: it is reached" wait_for "reach c2 c1" 3
	ifindex=$(ifindex_of other1)
	ip netns add elsewhere
	ip link set other1 netns elsewhere
	check "moved: the port is detached" wait_for "is_gone c1" 5
	check "moved: an event says so" wait_for 'events | grep moved' 3
	# A new device with the old one's number is not a port.
	ip link add again index "$ifindex" type veth peer name again-peer
	check_fails "moved: another device with its index is no port" nfvctl show c1
	check "moved: and is free to attach" nfvctl attach veth again dev again
	# The device is deleted and another one with its number made at once: nfvd must not take it for the same.
	ip link del again
	ip link add again index "$ifindex" type veth peer name again-peer
	check "index reused: the port of the first is detached" wait_for "is_gone again" 2
	ip link del again
	ip -n elsewhere link set other1 name veth-c1
	ip -n elsewhere link set veth-c1 netns $$
	ip link set veth-c1 up
	ip netns del elsewhere
	check "moved back: attach again" nfvctl attach veth c1 dev veth-c1
	check "moved back: it is reached" wait_for "reach c2 c1" 3
}

# J1: a device is deleted while its container sends at full speed.
deleted()
{
	local server client witness

	listen c2
	server=$!
	listening c2
	ip netns exec c1 iperf3 -c 10.0.0.2 -t 10 >"$WORK/client.log" 2>&1 &
	client=$!
	ip netns exec c3 ping -q -i 0.005 -c 300 -W 2 10.0.0.2 >"$WORK/witness" &
	witness=$!
	wait_for "[ \$(pair c1 c2 frames) -gt 100 ]" 5
	$1
	check "$2: the port is detached" wait_for "is_gone c1" 5
	wait $witness
	check "$2: the others lose nothing" grep -q ' 0% packet loss' "$WORK/witness"
	kill -KILL $client $server 2>/dev/null
	wait $client $server 2>/dev/null
	check "$2: frames in = delivered + dropped" wait_for conserved 10
}

delete_link() { ip link del veth-c1; }
delete_netns()
{
	# The namespace ends with its last process.
	ip netns pids c1 | xargs -r kill -KILL
	ip netns del c1
}

recreate()
{
	ip netns del c1 2>/dev/null
	mk_container c1 10.0.0.1/24
	check "recreated: attach under the same name" nfvctl attach veth c1 dev veth-c1
	check "recreated: counts from zero" [ "$(pair c1 c2 shortcut_frames)" = 0 ]
	check "recreated: it is reached" wait_for "reach c1 c2" 5
}

detach_all()
{
	local before=$1

	for i in c1 c2 c3; do
		check "detach $i" nfvctl detach $i
	done
	check "detach: no qdisc is left" [ -z "$(tc qdisc show | grep clsact)" ]
	check "detach: no promiscuous device is left" [ -z "$(ip -d -o link show | grep 'promiscuity [1-9]')" ]
	# The connection that asked whether nfvd runs may still have been open at the first count.
	check "detach: nfvd holds no more descriptors than before" wait_for "[ \$(find /proc/$NFVD_PID/fd -mindepth 1 | wc -l) -le $before ]" 3
}

for i in 1 2 3; do
	mk_container c$i 10.0.0.$i/24
done
start_nfvd
descriptors=$(find "/proc/$NFVD_PID/fd" -mindepth 1 | wc -l)
attach_each_way
refusals
undone
nfvctl shortcut off >/dev/null
traffic "shortcut off" 2
bursts "shortcut off"
nfvctl shortcut on >/dev/null
sleep_for_sync
traffic "shortcut on" 0
switching
per_port
mtu
down_and_up
renamed_and_moved
deleted delete_link "link deleted"
recreate
deleted delete_netns "namespace deleted"
recreate
detach_all "$descriptors"
finish
