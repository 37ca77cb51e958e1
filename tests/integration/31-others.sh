#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Other users of the same device: namespaces with the same numbers, the host's own use of a device, a second nfvd,
# a killed nfvd.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/containers.sh"

# --- which namespace ---------------------------------------------------------------

# A container in a container: its veth has the same two interface numbers as another container's.
same_numbers()
{
	local n

	for n in node pod tenant; do
		ip netns add $n
	done
	ip link add vt index 77 type veth peer name eth0 netns tenant
	ip -n node link add vp index 77 type veth peer name eth0 netns pod
	assert '[ "$(ip -n pod -o link show eth0 | cut -d: -f1)" = "$(ip -n tenant -o link show eth0 | cut -d: -f1)" ]' "same numbers"
	refused "same numbers: another's veth is not taken" "other end of 'eth0' is not in nfvd's" veth x dev eth0 netns pod
	check "same numbers: the one that ends here is" nfvctl attach veth x dev eth0 netns tenant
	check "same numbers: it is its own" [ "$(member x dev)" = vt ]
	nfvctl detach x >/dev/null
	ip link add v0 type veth peer name v1
	ln -s /proc/1/ns/net /run/own
	check "both ends here: by the name of the namespace" nfvctl attach veth x dev v1 netns /run/own
	check "both ends here: the other one" [ "$(member x dev)" = v0 ]
	nfvctl detach x >/dev/null
	for n in node pod tenant; do
		ip netns del $n
	done
	ip link del v0
}

# In its own mount namespace nfvd does not see later mounts: it finds a file in place of a namespace.
mount_namespace()
{
	local command nfvd

	unshare --mount "$NFVD" --state-dir /run/apart >>"$WORK/apart.log" 2>&1 &
	nfvd=$!
	wait_for "$NFVCTL --state-dir /run/apart show" 15
	ip netns add late
	ip link add veth-late type veth peer name eth0 netns late
	command=$("$NFVCTL" --state-dir /run/apart attach veth late dev eth0 netns late 2>&1)
	check "mount namespace: what is wrong" grep -q "mount namespace" <<<"$command"
	command=$(sed -n 's,^ *try: nfvctl ,,p' <<<"$command")
	# shellcheck disable=SC2086 # a command
	check "mount namespace: what it names helps" "$NFVCTL" --state-dir /run/apart $command
	kill $nfvd
	wait $nfvd
	ip netns del late
}

# --- the host, and another nfvd -------------------------------------------------------

in_use()
{
	local before

	ip netns add far
	ip link add up0 type veth peer name eth0 netns far
	ip -n far link set eth0 up
	ip link set up0 up
	ip addr add 192.0.2.2/24 dev up0
	refused "in use: an address" "192.0.2.2/24" netdev up dev up0
	ip addr flush dev up0
	ip -6 addr add 2001:db8::2/64 dev up0 nodad
	refused "in use: an IPv6 address" "2001:db8::2/64" netdev up dev up0
	before=$(ip -6 addr show dev up0)
	check "in use: forced" nfvctl $(hint netdev up dev up0 | cut -d' ' -f2-)
	check "in use: doctor says so" wait_for "nfvctl doctor | grep 2001:db8::2/64"
	nfvctl detach up >/dev/null
	check "in use: its IPv6 is as it was" [ "$(ip -6 addr show dev up0)" = "$before" ]
	ip -6 addr flush dev up0 scope global
	ip route add 198.51.100.0/24 dev up0
	refused "in use: a route" "198.51.100.0/24" netdev up dev up0
	ip route flush dev up0
	ip route add default dev up0
	refused "in use: the default route" "default route" veth up dev up0
	ip route flush dev up0
	ip link add mv0 link up0 type macvlan
	refused "in use: a macvlan" "carries the device mv0" netdev up dev up0
	ip link set mv0 netns far
	ip -n far link set mv0 up
	refused "in use: a macvlan that is in a container" "macvlan" netdev up dev up0
	ip -n far link del mv0
	# Where the kernel has such devices.
	if ip link add up0.5 link up0 type vlan id 5 2>/dev/null; then
		refused "in use: a VLAN" "carries the device up0.5" netdev up dev up0
		ip link del up0.5
	fi
	check "in use: no more" nfvctl attach netdev up dev up0
	nfvctl detach up >/dev/null
	ip link set up0 down
	ip -6 addr add 2001:db8::3/64 dev up0 nodad
	before=$(ip -6 -o addr show dev up0 | grep -o 'inet6 [^ ]*')
	nfvctl attach netdev up dev up0 force yes >/dev/null
	nfvctl detach up >/dev/null
	check "in use: an address of a device that was down stays" [ "$(ip -6 -o addr show dev up0 | grep -o 'inet6 [^ ]*')" = "$before" ]
	ip netns del far
}

enslaved()
{
	pair_up
	in_ns c1 ping -q -c 1 -W 5 10.0.0.2 >/dev/null
	ip link add br0 type bridge
	ip link set br0 up
	ip link set veth-c1 master br0
	check "put into a bridge: the port says so" wait_for "state_is c1 down"
	check "put into a bridge: so does doctor" wait_for "nfvctl doctor | grep 'put into a bridge'"
	ip link set veth-c2 master br0
	wait_for "state_is c2 down"
	check "put into a bridge: which has the frames" wait_for "in_ns c1 ping -q -c 1 -W 1 10.0.0.2"
	ip link set veth-c1 nomaster
	ip link set veth-c2 nomaster
	check "out of the bridge: the port is up" wait_for "state_is c1 up && state_is c2 up"
	check "out of the bridge: it is reached" wait_for "in_ns c1 ping -q -c 1 -W 1 10.0.0.2"
	ip link del br0
	pair_down
}

two_daemons()
{
	local other said

	pair_up
	"$NFVD" --state-dir /run/second >>"$WORK/second.log" 2>&1 &
	other=$!
	wait_for "$NFVCTL --state-dir /run/second show"
	check_fails "second nfvd: the device is refused" "$NFVCTL" --state-dir /run/second attach veth c1 dev veth-c1 force yes
	said=$("$NFVCTL" --state-dir /run/second attach veth c1 dev veth-c1 2>&1)
	check "second nfvd: it says whose it is" grep -q "another nfvd" <<<"$said"
	kill $other
	wait $other
	check "second nfvd: the first loses nothing" no_loss
	pair_down
}

# What a killed nfvd leaves behind disturbs nobody, and the next nfvd removes it. kernel: the expected message.
killed()
{
	local name=$1 pid

	pair_up
	in_ns c1 ping -q -c 1 -W 5 10.0.0.2 >/dev/null
	pid=$NFVD_PID
	NFVD_PID=
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	ip link add br0 type bridge
	ip link set br0 up
	ip link set veth-c1 master br0
	ip link set veth-c2 master br0
	check "$name: killed, a bridge takes over" wait_for "in_ns c1 ping -q -c 1 -W 1 10.0.0.2"
	check "$name: it loses nothing" no_loss
	ip link set veth-c1 nomaster
	# The host uses IPv6 on the device again two seconds after the last sign of nfvd.
	check "$name: the host speaks there again" wait_for "in_ns c1 ping -6 -q -c 1 -W 1 \$(ip -6 -o addr show dev veth-c1 | sed -n 's,.*inet6 \\(fe80[^/]*\\)/.*,\\1,p')%eth0"
	start_nfvd
	check "$name: the next nfvd leaves no program of the last" [ -z "$(tc filter show dev veth-c1 ingress; tc filter show dev veth-c2 egress)" ]
	check "$name: nor a qdisc" [ -z "$(tc qdisc show | grep clsact)" ]
	check "$name: IPv6 is on" [ "$(cat /proc/sys/net/ipv6/conf/veth-c1/disable_ipv6)" = 0 ]
	ip link del br0
	check "$name: attach again" nfvctl attach veth c1 dev veth-c1
	nfvctl attach veth c2 dev veth-c2 >/dev/null
	check "$name: it is reached" in_ns c1 ping -q -c 1 -W 10 10.0.0.2
	pair_down
}

# The host neither receives frames of a container nor sends any to it.
host_is_silent()
{
	local host

	pair_up
	host=$(ip -6 -o addr show dev veth-c1 | sed -n 's,.*inet6 \(fe80[^/]*\)/.*,\1,p')
	assert '[ -n "$host" ]' "the host's end has an address"
	check_fails "$1: the host does not answer IPv6" in_ns c1 ping -6 -q -c 2 -i 0.2 -W 1 "$host%eth0"
	check_fails "$1: nor ask" ping -6 -q -c 2 -i 0.2 -W 1 "$(ip -n c1 -6 -o addr show dev eth0 | sed -n 's,.*inet6 \(fe80[^/]*\)/.*,\1,p')%veth-c1"
	check "$1: containers speak IPv6" wait_for "in_ns c1 ping -6 -q -c 1 -W 1 \$(ip -n c2 -6 -o addr show dev eth0 | sed -n 's,.*inet6 \\(fe80[^/]*\\)/.*,\\1,p')%eth0"
	pair_down
}

# Where programs are filters of clsact (kernels before 6.6), detach removes only nfvd's.
detach_beside_others()
{
	pair_up
	tc filter add dev veth-c1 egress prio 5 protocol all u32 match u32 0 0 flowid 1:1
	nfvctl detach c1 >/dev/null
	check "detach: another's filter stays" grep -q "pref 5 u32" <(tc filter show dev veth-c1 egress)
	check "detach: none of ours does" [ -z "$(tc filter show dev veth-c1 ingress; tc filter show dev veth-c1 egress | grep bpf)" ]
	nfvctl detach c2 >/dev/null
	check "detach: no qdisc where nobody else was" [ -z "$(tc qdisc show dev veth-c2 | grep clsact)" ]
	pair_down
}

start_nfvd
same_numbers
mount_namespace
in_use
enslaved
two_daemons
host_is_silent tcx
killed tcx
stop_nfvd
export LD_PRELOAD=$BUILD/tests/integration/libno_tcx.so
start_nfvd
unset LD_PRELOAD
detach_beside_others
host_is_silent clsact
export LD_PRELOAD=$BUILD/tests/integration/libno_tcx.so
killed clsact
finish
