#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 300
#
# Other users of the same device: namespaces with the same numbers, programs and rate limiters
# of others, the host's own use of a device, a second nfvd, a killed nfvd.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

FRAME=$BUILD/tests/integration/frame

# refused NAME WORDS ARGUMENT...: nfvctl attach fails with a message that contains these words, and leaves no port.
refused()
{
	local name=$1 words=$2 output status=0

	shift 2
	output=$(nfvctl attach "$@" 2>&1) || status=$?
	check "$name" [ $status = 1 ]
	check "$name: says so" grep -qi -- "$words" <<<"$output"
	check_fails "$name: leaves no port" nfvctl show "$2"
}

# hint ARGUMENT...: print the command that nfvctl suggests when it refuses this attach.
hint() { nfvctl attach "$@" 2>&1 | sed -n 's,^ *try: ,,p'; }

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

# --- programs and disciplines --------------------------------------------------------

events() { nfvctl events; }
mac() { cat_in "$1" /sys/class/net/eth0/address; }
cat_in() { ip netns exec "$1" cat "$2"; }
shortcut_is() { [ "$(member "$1" shortcut)" = "$2" ]; }

# known: both containers' addresses are learnt, and frames between them use the shortcut.
known() { in_ns c1 ping -q -c 1 -W 1 10.0.0.2 && [ "$(pair c1 c2 shortcut_frames)" -gt "$BEFORE" ]; }
until_shortcut()
{
	BEFORE=$(pair c1 c2 shortcut_frames)
	wait_for known 15
}

pair_up()
{
	mk_container c1 10.0.0.1/24
	mk_container c2 10.0.0.2/24
	nfvctl attach veth c1 dev veth-c1 >/dev/null
	nfvctl attach veth c2 dev veth-c2 >/dev/null
}

pair_down()
{
	local n

	for n in c1 c2; do
		nfvctl show $n >/dev/null 2>&1 && nfvctl detach $n >/dev/null
		ip netns del $n
	done
	wait_for "! ip link show veth-c1 && ! ip link show veth-c2"
}

# hook DEV KIND RESULT [NETNS]: attach a foreign program; unhook removes it
hook()
{
	: >"$WORK/hook"
	${4:+ip netns exec "$4"} "$BUILD/tests/integration/hook" "$1" "$2" "$3" >"$WORK/hook" &
	HOOK=$!
	wait_for "grep -q ready $WORK/hook"
}
unhook() { kill $HOOK; wait $HOOK 2>/dev/null; }

no_loss() { in_ns c1 ping -q -c 50 -i 0.002 -W 5 10.0.0.2 | grep -q ' 0% packet loss'; }

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

# A foreign program that takes frames before nfvd can notice it: the lost frames are counted, and they are few.
stolen()
{
	local pinger before sent got lost cpu

	pair_up
	until_shortcut
	before=$(pair c1 c2 shortcut_frames)
	ip netns exec c1 ping -q -f -c 60000 -w 60 10.0.0.2 >"$WORK/stolen" &
	pinger=$!
	wait_for "[ \$(pair c1 c2 shortcut_frames) -gt $((before + 1000)) ]"
	hook veth-c1 tcx 0
	check "taken by another: noticed" wait_for "shortcut_is c1 false"
	wait $pinger
	# On each CPU a taken frame is noticed when the next one arrives.
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		ip netns exec c1 taskset -c "$cpu" "$FRAME" send eth0 "$(mac c2)" "$(mac c1)" 0 60 1
	done
	sent=$(sed -n 's,^\([0-9]*\) packets transmitted.*,\1,p' "$WORK/stolen")
	got=$(sed -n 's,.* transmitted\, \([0-9]*\) received.*,\1,p' "$WORK/stolen")
	lost=$(dropped c1 other_program)
	echo "  $sent sent, $got received, $lost taken by the other program"
	check "taken by another: each is counted" [ $((sent - got)) = "$lost" ]
	check "taken by another: a few" [ "$lost" -le 4 ]
	check "taken by another: frames in = delivered + dropped" wait_for conserved
	unhook
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
	ip netns exec c2 "$FRAME" recv eth0 $n 1000 | awk '
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

heard() { timeout 20 ip netns exec c1 "$FRAME" recv eth0 "$1" "$2"; }

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
programs
from_the_first
stolen
before_attach
foreign_address
in_order
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
