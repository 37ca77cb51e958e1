#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The part of counts.sh that runs inside the machine. Containers x on nfvd, y on a bridge, z behind tc programs, w alone.
. "$(dirname "$0")/../kernel/suite/lib.sh"
vucount=$BUILD/tests/bench/vucount

die() { echo "failed: $*"; tail -n 30 "$WORK"/*.log; exit 1; }

# count WHO user|net|none WHERE CONTAINER
count()
{
	echo "$1, the clock: $NFV_CLOCK"
	"$vucount" "$2" "$3" "/run/netns/$4" eth0 "$NFV_BURSTS" >"$WORK/lines" || die "$1"
	jq -c --arg who "$1" '. + {$who}' "$WORK/lines" >>"$NFV_OUT/raw-counts-$NFV_CLOCK.jsonl"
	[ "$NFV_CLOCK" = elapsed ] || grep bpf_prog /proc/kallsyms >>"$NFV_OUT/raw-counts.kallsyms"
}

modprobe -qa vhost_net tun || die "vhost_net, tun"
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
load || die "insmod"
# Spinning before sleep would be counted, but is not work for frames.
start_nfvd --spin-us 0
n=1
for name in w x y z; do
	mk_container $name 10.0.$n.1/24
	in_ns $name sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
	n=$((n + 1))
done
ip link add br0 type bridge
ip link set br0 up
ip link set veth-y master br0
ip tuntap add tap-y mode tap vnet_hdr
ip link set tap-y master br0 up
ip tuntap add tap-z mode tap vnet_hdr
ip link set tap-z up
"$BUILD/tests/bench/redirect" tap-z /sys/fs/bpf/to-tap && "$BUILD/tests/bench/redirect" veth-z /sys/fs/bpf/to-veth peer || die "redirect"
tc qdisc add dev veth-z clsact && tc filter add dev veth-z ingress bpf da object-pinned /sys/fs/bpf/to-tap &&
	tc qdisc add dev tap-z clsact && tc filter add dev tap-z ingress bpf da object-pinned /sys/fs/bpf/to-veth || die "tc"
nfvctl attach kvm vm >/dev/null
if [ "$NFV_CLOCK" = counted ]; then
	cat /proc/kallsyms >"$NFV_OUT/raw-counts.kallsyms"
	cat "/proc/$NFVD_PID/maps" >"$NFV_OUT/raw-counts.maps"
fi
for mode in module packet; do
	attach x mode $mode >/dev/null || die "attach, $mode"
	count $mode user $STATE/vm.sock x
	nfvctl ledger
	nfvctl detach x >/dev/null
done
stop_nfvd || die "nfvd does not end"
count nobody none - w
count bridge-vhost-net net tap-y y
count tc-vhost-net net tap-z z
finish
