#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The part of kernel.sh that runs inside the machine. Containers x and y, guest vm; each has
# eth0 on nfvd and eth1 on a bridge (the guest's by vhost-net). nfvd's container ports
# change between module and packet from sample to sample.
. "$(dirname "$0")/../kernel/suite/lib.sh"
SMOKE=$NFV_SMOKE
. "$(dirname "$0")/lib.sh"
set -o pipefail

raw=$WORK/round.jsonl	# samples of the current round
say() { printf '[%4d s] %s\n' $SECONDS "$*"; }
die() { say "failed: $*"; tail -n 30 "$WORK"/*.log; exit 1; }
# take CASE WHO UNIT COMMAND...
take() { sample "$raw" "$@" || die "no sample of $2, $1"; }

# cost SRC DST - print nfvd's frames and system calls from SRC to DST
cost() { echo "$(pair "$1" "$2" frames) $(pair "$1" "$2" syscalls)"; }
# per_frame FRAMES SYSCALLS FRAMES SYSCALLS - system calls per frame; the last two numbers are the earlier ones
per_frame() { awk -v f=$(($1 - $3)) -v s=$(($2 - $4)) 'BEGIN { if (f <= 0) exit 1; printf "%.4f\n", s / f }'; }
# syscalls CASE WHO FROM TO "FRAMES SYSCALLS" - the last argument is cost's output from before
syscalls()
{
	# shellcheck disable=SC2046,SC2086 # two numbers each
	take "$1" "$2" syscalls/frame per_frame $(cost "$3" "$4") $5
}

# tcp_out ADDRESS - TCP from x
tcp_out()
{
	in_ns x timeout $((NFV_SECONDS + OMIT + 60)) iperf3 -J -c "$1" -t "$NFV_SECONDS" -O $OMIT --connect-timeout 10000 ${2:-} | gbps
}
rtt() { in_ns x timeout 60 "$NFVCTL" -j probe rtt "$1" time "$NFV_SECONDS" | rtt_p50; }

modprobe -qa vhost_net tun pktgen
nested_kvm || die "no nested KVM"
load || die "insmod"
start_nfvd
nfvctl shortcut off >/dev/null
ip link add br0 type bridge
ip link set br0 up
n=1
for name in x y; do
	mk_container $name 10.0.0.$n/24
	ip link add br-$name type veth peer name eth1 netns $name
	ip -n $name addr add 10.0.1.$n/24 dev eth1
	ip -n $name link set eth1 up
	ip link set br-$name master br0 up
	n=$((n + 1))
done
ip tuntap add tap0 mode tap vnet_hdr
ip link set tap0 master br0 up
nfvctl attach kvm vm >/dev/null
"$GUEST" run qemu vm --socket $STATE/vm.sock --ip 10.0.0.9/24 \
	--extra -netdev --extra tap,id=t,ifname=tap0,script=no,downscript=no,vhost=on \
	--extra -device --extra virtio-net-pci,netdev=t,mac=52:54:00:00:00:99,romfile= >>"$WORK/vm.log" 2>&1 &
GUEST_PID[vm]=$!
guest_wait vm 240 || die "the guest does not boot"
guest_exec vm 'ip addr add 10.0.1.9/24 dev eth1; ip link set eth1 up' || die "eth1 of the guest"
serve y
wait_for "in_ns x ping -q -c 1 -W 2 10.0.1.9" 30 || die "the guest over the bridge"

# use MODE: attach both containers' ports in this mode
use()
{
	local name

	for name in x y; do
		nfvctl detach $name >/dev/null 2>&1
		attach $name mode "$1" >/dev/null || die "attach $name mode $1"
	done
	wait_for "in_ns x ping -q -c 1 -W 2 10.0.0.9 && in_ns x ping -q -c 1 -W 2 10.0.0.2" 30 || die "ping, $1"
}

# measure WHO SUBNET
measure()
{
	local who=$1 net=$2 out in before

	[ "$who" = bridge-vhost-net ] || before=$(cost x vm)
	out=$(tcp_out 10.0.$net.9) || die "TCP, $who"
	[ "$who" = bridge-vhost-net ] || syscalls syscalls-container-to-vm "$who" x vm "$before"
	[ "$who" = bridge-vhost-net ] || before=$(cost vm x)
	in=$(tcp_out 10.0.$net.9 -R) || die "TCP -R, $who"
	[ "$who" = bridge-vhost-net ] || syscalls syscalls-vm-to-container "$who" vm x "$before"
	take tcp-container-to-vm "$who" Gb/s echo "$out"
	take tcp-vm-to-container "$who" Gb/s echo "$in"
	take tcp-vm-container-module "$who" Gb/s jq -n "($out + $in) / 2"
	[ "$who" != nfvd ] || ledger "$raw" tcp-vm-container-module
	take rtt-vm-container-module "$who" us rtt 10.0.$net.9
	[ "$who" != nfvd ] || ledger "$raw" rtt-vm-container-module
	take tcp-container-container-module "$who" Gb/s tcp_out 10.0.$net.2
	[ "$who" != nfvd ] || ledger "$raw" tcp-container-container-module
}

# small WHO - send 60-byte frames in bulk from x to the guest, which discards them
small()
{
	local before mac pg=/proc/net/pktgen

	mac=$(guest_exec vm 'cat /sys/class/net/eth0/address')
	before=$(cost x vm)
	in_ns x bash -c "echo rem_device_all >$pg/kpktgend_0; echo add_device eth0 >$pg/kpktgend_0
		for set in 'count 20000' 'pkt_size 60' 'delay 0' 'dst_mac $mac' 'dst 10.0.0.9' 'clone_skb 0'; do
			echo \"\$set\" >$pg/eth0; done; echo start >$pg/pgctrl" || die "pktgen"
	syscalls syscalls-small-frames "$1" x vm "$before"
}

for ((round = 1; round <= NFV_ROUNDS; round++)); do
	say "round $round of $NFV_ROUNDS"
	: >"$raw"
	use module
	measure nfvd 0
	small nfvd
	use packet
	measure packet 0
	small packet
	measure bridge-vhost-net 1
	cat "$raw" >>"$BUILD/$RESULTS/raw-kernel.jsonl"
done
nfvctl ledger
nfvctl drops
guest_kill vm
finish
