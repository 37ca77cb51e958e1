#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Containers' devices: attaching by either end, refusals; devices that are set down, renamed, moved or deleted.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/containers.sh"

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
# refused_unchanged NAME WORDS ARGUMENT...: nfvctl attach fails with a message that contains these words, and changes no port.
refused_unchanged()
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
	refused_unchanged "attach: no such device" "no device 'veth9' in nfvd's network namespace" veth x dev veth9
	refused_unchanged "attach: no such namespace" "nowhere" veth x dev eth0 netns nowhere
	refused_unchanged "attach: no such pid" "4194303" veth x dev eth0 pid 4194303
	refused_unchanged "attach: no such device in the namespace" "no device 'eth7'" veth x dev eth7 netns c1
	refused_unchanged "attach: attached already, by its name" "port 'c1' already" veth x dev veth-c1
	refused_unchanged "attach: attached already, by the other end" "port 'c1' already" veth x dev eth0 netns c1
	refused_unchanged "attach: attached already, as another type" "port 'c1' already" netdev x dev veth-c1
	refused_unchanged "attach: loopback" "'lo' is not an Ethernet" netdev x dev lo
	refused_unchanged "attach: loopback as veth" "'lo' is not a veth" veth x dev lo
	ip tuntap add tap0 mode tap
	ip tuntap add tun0 mode tun
	refused_unchanged "attach: tun has no Ethernet" "not an Ethernet device" netdev x dev tun0
	refused_unchanged "attach: tap as veth" "is not a veth" veth x dev tap0
	ip link add br0 type bridge
	ip link add v8 type veth peer name v9
	ip link set v8 master br0
	refused_unchanged "attach: member of a bridge" "bridge" veth x dev v8
	ip link del v8
	ip link del br0
	# The other end of this pair is in c2, where nfvd does not find it.
	ip -n c1 link add far0 type veth peer name far1 netns c2
	refused_unchanged "attach: other end in another namespace" "other end" veth x dev far0 netns c1
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
sleep_for_sync
down_and_up
renamed_and_moved
deleted delete_link "link deleted"
recreate
deleted delete_netns "namespace deleted"
recreate
detach_all "$descriptors"
finish
