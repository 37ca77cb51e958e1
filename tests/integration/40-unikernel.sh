#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The unikernel of tools/guests and a container: the guest has 8 MB, and its
# TCP/IP and its driver are not Linux's.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

CLOSED=9	# a port where nobody listens

# unikernel_start NAME A.B.C.D/N [option of `guest run`]... - start it, do not wait.
unikernel_start()
{
	local name=$1 ip=$2

	shift 2
	rm -f "$WORK/$name.log"
	nfvctl show "$name" >/dev/null 2>&1 || nfvctl attach kvm "$name" >/dev/null || return 1
	"$GUEST" run unikernel "$name" --socket "$STATE/$name.sock" --ip "$ip" --log "$WORK/$name.log" "$@" \
		>"$WORK/$name.qemu.log" 2>&1 &
	GUEST_PID[$name]=$!
}

# says NAME WORDS [SECONDS]: wait for the words on its console
says() { wait_for "grep -q -- '$2' $WORK/$1.log" "${3:-20}"; }
# ping waits for a late reply only twice the usual time, so on a loaded machine it is repeated.
ping_all() { in_ns c1 ping -q "$@" | tee "$WORK/ping" && grep -q ' 0% packet loss' "$WORK/ping"; }
# refused SECONDS: the guest refuses a connection with RST.
refused() { in_ns c1 timeout "$1" bash -c "exec 3<>/dev/tcp/10.0.0.2/$CLOSED" 2>&1 | grep -q refused; }
reaches() { wait_for "in_ns c1 ping -c 1 -W 1 10.0.0.2" 20; }

# Send 4 MB by TCP, and close the connection properly.
send_to() { in_ns c1 timeout 60 bash -c "head -c 4000000 /dev/zero >/dev/tcp/$1/5001" && says vm4 'iperf server: 3906 KiB' 15; }
# super_frames SRC DST: the average frame is longer than 1514 bytes
super_frames() { [ "$(pair "$1" "$2" bytes)" -gt $((1514 * $(pair "$1" "$2" frames))) ]; }

boots()
{
	local start

	# Set the neighbour entry: the guest cannot yet respond to ARP, and a lost SYN is repeated only after a second.
	in_ns c1 ip neigh replace 10.0.0.2 lladdr 52:54:00:00:00:02 dev eth0
	start=$(now_ms)
	unikernel_start vm1 10.0.0.2/24 --mac 52:54:00:00:00:02
	check "unikernel: a closed port refuses" wait_for "refused 0.3" 20
	echo "  the first RST $(($(now_ms) - start)) ms after its launch, $("$GUEST" accel)"
	check "unikernel: is ready" says vm1 nfv-guest-ready
	sed 's/^/  /' "$WORK/vm1.log"
	in_ns c1 ip neigh del 10.0.0.2 dev eth0
}

# A guest that only timers wake responds later.
woken()
{
	ping_all -c 5 -i 0.2 -W 5 "$1" && awk -F '[=/ ]+' '/^rtt/ { exit $6 > 20 } END { exit !NR }' "$WORK/ping"
}

answers()
{
	check "unikernel: interrupts wake it" wait_for "woken 10.0.0.2" 15
	check "unikernel: a million pings" ping_all -f -l 32 -c 1000000 10.0.0.2
	check "unikernel: pings of 64 KB, in fragments" wait_for "ping_all -c 5 -i 0.2 -W 5 -s 65000 10.0.0.2" 15
	check "unikernel: a closed port still refuses" refused 5
}

# Both iperf programs print numbers, and all sent bytes have arrived.
tcp()
{
	check "unikernel: iperf to it" in_ns c1 timeout 60 iperf -f m -c 10.0.0.2 -t 2
	check "unikernel: it has got something" says vm1 'iperf server: [1-9]'
	unikernel_start vm2 10.0.0.3/24 --extra nfv.iperf=10.0.0.1 --extra nfv.time=2
	# The first connection is refused; it tries again.
	check "unikernel: another" says vm2 nfv-guest-ready
	check "unikernel: its client begins" wait_for '[ "$(pair c1 vm2 frames)" -gt 2 ]' 10
	in_ns c1 timeout 60 iperf -f m -s >"$WORK/iperf.log" 2>&1 &
	check "unikernel: iperf from it" says vm2 'iperf client: [1-9]'
	check "unikernel: the container has got something" wait_for "grep -q 'bits/sec' $WORK/iperf.log" 5
	check "unikernel: in super-frames" super_frames vm2 c1
	grep -h iperf "$WORK"/vm[12].log | sed 's/^/  /'
	guest_kill vm2
}

# Between two unikernels: no checksum is computed, and each frame is copied once.
pair_of_them()
{
	unikernel_start vm2 10.0.0.3/24 --extra nfv.iperf=10.0.0.2 --extra nfv.time=1
	check "unikernel: TCP to another" says vm2 'iperf client: [1-9]'
	check "unikernel: in super-frames, too" super_frames vm2 vm1
	check "unikernel: one copy" [ "$(copies_of vm2 vm1)" = 1.00 ]
	guest_kill vm2
}

# A device without offloads.
plain()
{
	local p off=()

	for p in csum guest_csum host_tso4 guest_tso4 guest_ecn mrg_rxbuf event_idx; do
		off+=(--extra -global --extra "virtio-net-device.$p=off")
	done
	unikernel_start vm4 10.0.0.5/24 "${off[@]}" --extra nfv.iperf=10.0.0.2 --extra nfv.time=1
	check "unikernel: without offloads, TCP from it" says vm4 'iperf client: [1-9]'
	check "unikernel: without offloads, TCP to it" send_to 10.0.0.5
	check "unikernel: without offloads, fragments" wait_for "ping_all -c 3 -i 0.2 -W 5 -s 65000 10.0.0.5" 15
	guest_kill vm4
}

restarted()
{
	local frames

	# Under a flood nfvd must give taken buffers back to the guest before it ends.
	frames=$(($(pair c1 vm1 frames) + 100))
	in_ns c1 ping -q -f -w 10 10.0.0.2 >/dev/null &
	check "unikernel: a flood" wait_for '[ "$(pair c1 vm1 frames)" -gt $frames ]' 10
	stop_nfvd || fail "unikernel: nfvd ends" "status $?"
	start_nfvd
	nfvctl attach kvm vm1 >/dev/null
	nfvctl attach veth c1 dev veth-c1 >/dev/null
	check "unikernel: after a restart of nfvd" reaches
	check "unikernel: and all answers come" ping_all -f -c 200 10.0.0.2
}

pci()
{
	local machine

	for machine in q35 pc; do
		unikernel_start vm4 10.0.0.5/24 --machine $machine
		check "unikernel: $machine, over PCI" says vm4 nfv-guest-ready
		check "unikernel: $machine, interrupts wake it" wait_for "woken 10.0.0.5" 15
		guest_kill vm4
	done
}

small()
{
	unikernel_start vm3 10.0.0.4/24 --mem 4
	check "unikernel: says when memory is too small" says vm3 'nfv-guest-failed.*memory'
	guest_kill vm3
}

if ! command -v qemu-system-x86_64 >/dev/null; then
	skip "unikernel" "qemu-system-x86_64"
	exit 0
fi
check "unikernel: built, and no larger than it may be" "$TOP/tools/guests/unikernel/build.sh"
start_nfvd
mk_container c1 10.0.0.1/24
nfvctl attach veth c1 dev veth-c1 >/dev/null
boots
answers
tcp
pair_of_them
plain
check "unikernel: frames in = delivered + dropped" wait_for conserved 10
restarted
pci
small
finish
