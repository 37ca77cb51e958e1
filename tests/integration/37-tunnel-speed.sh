#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 200
# alone
#
# TCP in tunnels (VXLAN, SRv6), by MPLS and plain, UDP_SEGMENT: with the shortcut, without it, and by a Linux bridge,
# whose throughput is the reference.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/offload.sh"

# A labelled TCP segment with an open checksum arrives either with a correct checksum or unchanged. The kernels that
# run this test do not need MPLS.
mpls()
{
	received <<'PY'
s = raw()
s.bind(("eth0", 0x8847))
print("listens", flush=True)
m = s.recv(70000)
vnet, p = struct.unpack("<BBHHHH", m[:10]), m[28 + 20:]
pseudo = sum16(m[28 + 12:28 + 20] + struct.pack(">HH", 6, len(p)))
left = vnet[0] & 1 and vnet[4:] == (38, 16) and p[16:18] == struct.pack(">H", pseudo)
done = not vnet[0] & 1 and sum16(struct.pack(">H", pseudo) + p) == 0xffff
print(len(m) - 10, m[24:28].hex(), "right" if left or done else "wrong")
PY
	python c1 <<'PY'
pseudo = sum16(b"\x0a\0\0\1\x0a\0\0\2" + struct.pack(">HH", 6, 1420))
ip = ipv4(6, struct.pack(">HHIIBBHHH", 7, 7, 1, 1, 0x50, 0x10, 9000, pseudo, 0) + bytes(i & 255 for i in range(1400)))
raw().send(struct.pack("<BBHHHH", 1, 0, 0, 0, 38, 16) + MAC[2] + MAC[1] + b"\x88\x47\0\x06\x41\x40" + ip)
PY
	wait $RECEIVER
	cat "$WORK/received"
	grep -qx "1458 00064140 right" "$WORK/received"
}

udp_segment()
{
	: >"$WORK/received"
	ip netns exec c2 timeout 20 python3 -u -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.0.2", 7777))
print("listens")
for i in range(6): print(len(s.recv(65536)), end=" ", flush=True)' >"$WORK/received" &
	RECEIVER=$!
	wait_for "grep -q listens $WORK/received" 20
	in_ns c1 python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(17, 103, 1000)
s.sendto(b"x" * 5500, ("10.0.0.2", 7777))'
	wait $RECEIVER
	cat "$WORK/received"
	grep -q "1000 1000 1000 1000 1000 500 " "$WORK/received"
}

# tcp ADDRESS: set $MBPS to the throughput of one second
tcp()
{
	# Retry: the server may still be busy with its last client.
	wait_for "in_ns c1 timeout 30 iperf3 -J -c $1 -t 1 --connect-timeout 10000 >$WORK/tcp || ! grep -q busy $WORK/tcp" 15
	MBPS=$(jq '.end.sum_received.bits_per_second // 0 | . / 1e6 | floor' "$WORK/tcp")
	[ "${MBPS:-0}" -gt 0 ]
}

# srv6 I: fd07::I is reached in c1 and c2 by a segment
srv6()
{
	local o=$((3 - $1)) f

	for f in all eth0; do
		in_ns "c$1" sysctl -qw "net.ipv6.conf.$f.seg6_enabled=1" "net.ipv6.conf.$f.forwarding=1" || return
	done
	ip -n "c$1" -6 addr add "fd07::$1/128" dev lo nodad
	ip -n "c$1" -6 route add "fc00::$1/128" encap seg6local action End.DT6 table 255 dev eth0 &&
		ip -n "c$1" -6 route add "fc00::$o/128" via "fd00::$o" &&
		ip -n "c$1" -6 route add "fd07::$o/128" encap seg6 mode encap segs "fc00::$o" dev eth0 src "fd07::$1" mtu 1400
}

matrix()
{
	local by=$1 what

	carry "$by"
	check "$by: UDP_SEGMENT arrives" wait_for udp_segment 30
	check "$by: TCP, MPLS" mpls
	for what in plain:10.0.0.2 VXLAN:10.9.0.2 VXLAN-by-IPv6:fd09::2 $SRV6; do
		check "$by: TCP, ${what%%:*}" tcp "${what#*:}"
		echo "  $MBPS Mb/s"
	done
}

# super_frames ADDRESS: TCP arrives in c2 in tunnelled frames longer than its MTU
super_frames()
{
	: >"$WORK/received"
	ip netns exec c2 timeout 20 python3 -u -c '
import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
s.setsockopt(263, 15, 1)      # PACKET_VNET_HDR
s.bind(("eth0", 0x800))
print("listens")
tcp = longest = 0
while tcp < 2000000:
    m = s.recv(70000)
    # VXLAN, TCP by IPv4 in it; a super-frame of datagrams is one of UDP
    if m[33] != 17 or m[46:48] != b"\x12\xb5" or m[83] != 6: continue
    tcp += len(m)
    if m[1] == 1: longest = max(longest, len(m))
print(longest)' >"$WORK/received" &
	RECEIVER=$!
	wait_for "grep -q listens $WORK/received" 20
	tcp "$1"
	wait $RECEIVER
	cat "$WORK/received"
	[ "$(tail -n 1 "$WORK/received")" -gt 10000 ]
}

# half SHORTCUT ADDRESS: at least half of a bridge's throughput; repeated, because the machine may be busy
half()
{
	local bridge

	for _ in 1 2 3 4 5 6; do
		carry bridge && tcp "$2" && bridge=$MBPS || return
		carry "$1" && tcp "$2" || return
		echo "shortcut $1: $MBPS, bridge $bridge Mb/s"
		[ $((2 * MBPS)) -lt "$bridge" ] || return 0
	done
	return 1
}

two_containers
SRV6=
if srv6 1 2>/dev/null && srv6 2; then
	SRV6=SRv6:fd07::2
else
	echo "  not tried: SRv6, this kernel has no CONFIG_IPV6_SEG6_LWTUNNEL"
fi
in_ns c2 iperf3 -s -D >/dev/null
ip -n c1 link set eth0 gso_max_size 180000 gro_max_size 170000
start_nfvd
nfvctl attach veth c1 dev veth-c1 mode packet >/dev/null
carry off
for by in off on; do
	matrix $by
done
check "nothing was refused" [ "$(for r in bad_gso bad_csum gso_unsup oversize rx_full; do dropped c1 $r; dropped c2 $r; done | sort -u)" = 0 ]
check "conserved" wait_for conserved 10
matrix bridge
check "plain: half of a bridge's throughput" half on 10.0.0.2
check "VXLAN: half of a bridge's throughput" half on 10.9.0.2
check "VXLAN, shortcut off: half of a bridge's throughput" half off 10.9.0.2
check "VXLAN, shortcut off: frames are not cut" super_frames 10.9.0.2
# If a device cannot segment a frame, the kernel does, by the offload fields that nfvd's program has set.
ethtool -K veth-c2 tso off gso off tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off tx off >/dev/null
check "VXLAN, cut and summed by the kernel" tcp 10.9.0.2
ethtool -K veth-c2 tso on gso on tx-udp_tnl-segmentation on tx-udp_tnl-csum-segmentation on tx on >/dev/null
"$BUILD/tests/integration/hook" veth-c2 tcx-egress 0 >"$WORK/hook" &
HOOK=$!
check "VXLAN, another program first: seen" wait_for "grep -q ready $WORK/hook && nfvctl doctor | grep -q 'at egress'"
check "VXLAN, another program first: TCP" tcp 10.9.0.2
check "VXLAN, another program first: frames are cut" eval '! super_frames 10.9.0.2'
kill $HOOK
check "nothing was refused then" [ "$(for r in bad_gso bad_csum gso_unsup; do dropped c1 $r; dropped c2 $r; done | sort -u)" = 0 ]
finish
