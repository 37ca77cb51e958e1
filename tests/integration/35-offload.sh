#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 200
# alone
#
# Offloads that virtio_net_hdr cannot express, between containers and to a guest, compared with a Linux bridge: SCTP,
# tunnels, SRv6, MPLS, segments longer than the receiver's MTU, super-frames above 64 KiB. And the settings of a
# container's device that attaching changes and detaching restores.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

# Print the settings of both ends of a container's veth.
offloads()
{
	in_ns "$1" ethtool -k eth0
	ethtool -k "veth-$1"
	ip -n "$1" -d -o link show eth0 | grep -o 'g[sr]o_[a-z0-9_]*max_size [0-9]*'
}
off() { in_ns "$1" ethtool -k eth0 | grep -q "^$2: off"; }
limited() { ! ip -n "$1" -d -o link show eth0 | grep -o 'g[sr]o_[a-z0-9_]*max_size [0-9]*' | awk '$2 > 65536 { n++ } END { exit !n }'; }

# python NS: run the program on standard input, after the definitions that both sides need
python()
{
	local ns=$1

	shift
	{
		cat <<'PY'
import socket, struct, sys
MAC = {1: b"\2\0\0\0\0\1", 2: b"\2\0\0\0\0\2"}
def sum16(b):
    t = sum(struct.unpack(">%dH" % (len(b) // 2), b[:len(b) & ~1])) + (b[-1] << 8 if len(b) & 1 else 0)
    while t >> 16: t = (t & 0xffff) + (t >> 16)
    return t
def ipv4(protocol, payload):
    h = bytearray(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, b"\x0a\0\0\1", b"\x0a\0\0\2"))
    h[10:12] = struct.pack(">H", ~sum16(bytes(h)) & 0xffff)
    return bytes(h) + payload
def raw():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300)
    s.setsockopt(263, 15, 1)      # PACKET_VNET_HDR
    s.bind(("eth0", 0x0800))
    s.settimeout(20)
    return s
def send(vnet, ip): raw().send(struct.pack("<BBHHHH", *vnet) + MAC[2] + MAC[1] + b"\x08\0" + ip)
def receive(protocol):
    s = raw()
    print("listens", flush=True)
    while True:
        m = s.recv(70000)
        if m[22:24] == b"\x08\0" and m[33] == protocol: return struct.unpack("<BBHHHH", m[:10]), m[44:]
def crc32c(b):
    c = 0xffffffff
    for x in b:
        c ^= x
        for _ in range(8): c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
    return c ^ 0xffffffff
PY
		cat
	} >"$WORK/program.$ns"
	ip netns exec "$ns" python3 -u "$WORK/program.$ns" "$@"
}

# received: run the program on standard input in c2 in the background, and wait until it listens
received()
{
	local program

	program=$(cat)
	: >"$WORK/received"	# whoever was there before listened, too
	# A command in the background has no standard input by default.
	python c2 <<<"$program" >"$WORK/received" 2>&1 &
	RECEIVER=$!
	wait_for "grep -q listens $WORK/received" 20
}

# Send a packet as the kernel's SCTP passes it to veth: without CRC32c.
sctp()
{
	received <<'PY'
vnet, p = receive(132)
print("flags", vnet[0], "sum", "right" if p[8:12] == struct.pack("<I", crc32c(p[:8] + bytes(4) + p[12:])) else "wrong")
PY
	python c1 <<'PY'
sctp = struct.pack(">HHII", 36412, 36412, 1, 0) + b"\0\3\5\x14" + bytes(i & 255 for i in range(1300))
send((1, 0, 0, 0, 34, 8), ipv4(132, sctp))
PY
	wait $RECEIVER
	cat "$WORK/received"
	grep -q "flags 0 sum right" "$WORK/received"
}

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

# tcp_super GSO_SIZE: 24000 bytes from c1, whose MTU is large
tcp_super()
{
	python c1 "$1" <<'PY'
send((1, 1, 54, int(sys.argv[1]), 34, 16), ipv4(6, struct.pack(">HHIIBBHHH", 7, 7, 1, 1, 0x50, 0x10, 9000, 0, 0) + bytes(24000)))
PY
}

udp_segment()
{
	: >"$WORK/received"
	ip netns exec c2 timeout 5 python3 -u -c '
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
	MBPS=$(awk -F: '/"sum_received"/ { in_sum = 1 } in_sum && /bits_per_second/ { printf "%d", $2 / 1000000; exit }' "$WORK/tcp")
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

# Choose what carries frames between the containers: the shortcut, user space, or a bridge.
carry()
{
	local i

	if [ "$1" = bridge ]; then
		for i in 1 2; do nfvctl detach c$i >/dev/null && ip link set veth-c$i master br0; done
	else
		for i in 1 2; do
			ip link set veth-c$i nomaster
			nfvctl show c$i >/dev/null 2>&1 || nfvctl attach veth c$i dev veth-c$i mode packet >/dev/null
		done
		nfvctl shortcut "$1" >/dev/null
	fi
	wait_for "in_ns c1 ping -q -c 1 -W 1 10.0.0.2" 20
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

for i in 1 2; do
	mk_container c$i 10.0.0.$i/24
	ip -n c$i link set eth0 address 02:00:00:00:00:0$i
	ip -n c$i -6 addr add fd00::$i/64 dev eth0 nodad
	ip -n c$i link add vx4 type vxlan id 7 dev eth0 remote 10.0.0.$((3 - i)) dstport 4789
	ip -n c$i link add vx6 type vxlan id 9 dev eth0 remote fd00::$((3 - i)) dstport 4790
	ip -n c$i addr add 10.9.0.$i/24 dev vx4
	ip -n c$i -6 addr add fd09::$i/64 dev vx6 nodad
	ip -n c$i link set vx4 up
	ip -n c$i link set vx6 up
done
SRV6=
if srv6 1 2>/dev/null && srv6 2; then
	SRV6=SRv6:fd07::2
else
	echo "  not tried: SRv6, this kernel has no CONFIG_IPV6_SEG6_LWTUNNEL"
fi
ip link add br0 type bridge
ip link set br0 up
in_ns c2 iperf3 -s -D >/dev/null
ip -n c1 link set eth0 gso_max_size 180000 gro_max_size 170000
ethtool -K veth-c1 rx-gro-list on
before=$(offloads c1)
start_nfvd

# --- a container's device ---------------------------------------------------------

for by in "dev veth-c1" "dev eth0 netns c1"; do
	# shellcheck disable=SC2086
	check "offloads: attach $by" nfvctl attach veth c1 $by mode packet
	check "offloads: SCTP is cut in the container" off c1 tx-sctp-segmentation
	check "offloads: super-frames are of 64 KiB" limited c1
	check "offloads: the host's end merges no lists of frames" grep -q '^rx-gro-list: off' <(ethtool -k veth-c1)
	check "offloads: show says so" grep -q tx-sctp-segmentation <(nfvctl show c1)
	nfvctl detach c1 >/dev/null
	check "offloads: detaching puts all back" [ "$(offloads c1)" = "$before" ]
done

# A namespace that only an open file keeps.
ip netns add c3
ip link add veth-c3 type veth peer name eth0 netns c3
exec 8</run/netns/c3
ip netns del c3
check "offloads: an end that cannot be found is attached" nfvctl attach veth c3 dev veth-c3 mode packet
check "offloads: an event says so" grep -q 'c3.*neither name nor process' <(nfvctl events)
check "offloads: doctor, too" grep -q 'offloads.*c3' <(nfvctl doctor)
nfvctl detach c3 >/dev/null
ip link del veth-c3
exec 8<&-

# --- frames -----------------------------------------------------------------------

carry off
check "sctp: the CRC is computed" sctp
ip -n c1 link set eth0 mtu 9000
ip link set veth-c1 mtu 9000
dropped_before=$(dropped c2 mtu)
check "mtu: a super-frame of short segments is sent" tcp_super 1400
check "mtu: one of long segments" tcp_super 8000
check "mtu: the second one is dropped for its length" wait_for "[ \$(dropped c2 mtu) = $((dropped_before + 1)) ]" 10
ip -n c1 link set eth0 mtu 1500
ip link set veth-c1 mtu 1500
# A guest without offloads, with c2's address, which is found by flooding.
nfvctl attach kvm vm1 >/dev/null
"$BUILD/tests/integration/guest_sums" $STATE/vm1.sock 60 >"$WORK/sums" &
GUEST=$!
wait_for "grep -q ready $WORK/sums && state_is vm1 up" 20
nfvctl detach c2 >/dev/null
ip -n c1 neigh replace fd00::2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent
python c1 <<'PY'
send((1, 0, 0, 0, 34, 8), ipv4(132, struct.pack(">HHII", 36412, 36412, 1, 0) + b"\0\3\5\x14" + bytes(i & 255 for i in range(1300))))
l4 = 20 + 3000
pseudo = sum16(b"\x0a\0\0\1\x0a\0\0\2" + struct.pack(">HH", 6, l4))
tcp = lambda pseudo, n: struct.pack(">HHIIBBHHH", 7, 7, 1, 1, 0x50, 0x10, 9000, pseudo, 0) + bytes(i & 255 for i in range(n))
send((1, 1, 54, 1400, 34, 16), ipv4(6, tcp(pseudo, 3000)))
# Behind a label of MPLS, and in SRv6: an outer header, a routing header of one segment.
pseudo = sum16(b"\x0a\0\0\1\x0a\0\0\2" + struct.pack(">HH", 6, 1420))
raw().send(struct.pack("<BBHHHH", 1, 0, 0, 0, 38, 16) + MAC[2] + MAC[1] + b"\x88\x47\0\x06\x41\x40" + ipv4(6, tcp(pseudo, 1400)))
a, b = bytes([0xfd] + [0] * 14 + [1]), bytes([0xfd] + [0] * 14 + [2])
def ipv6(protocol, payload): return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + a + b + payload
inner = ipv6(6, tcp(sum16(a + b + struct.pack(">HH", 6, 1320)), 1300))
srh = struct.pack(">BBBBBBH", 41, 2, 4, 0, 0, 0, 0) + b
raw().send(struct.pack("<BBHHHH", 1, 0, 0, 0, 118, 16) + MAC[2] + MAC[1] + b"\x86\xdd" + ipv6(43, srh + inner))
# A super-frame in VXLAN by IPv6, which has an outer checksum.
pseudo = sum16(b"\x0a\0\0\1\x0a\0\0\2" + struct.pack(">HH", 6, 3020))
s = raw()
s.bind(("vx6", 0x0800))
s.send(struct.pack("<BBHHHH", 1, 1, 54, 1300, 34, 16) + MAC[2] + MAC[1] + b"\x08\0" + ipv4(6, tcp(pseudo, 3000)))
PY
check "guest: SCTP has its CRC" wait_for "grep -qx 'sctp 1350 finished right' $WORK/sums" 20
check "guest: TCP is cut and summed" wait_for "[ \"\$(grep -c '^tcp [0-9]* finished right' $WORK/sums)\" = 3 ]" 20
check "guest: TCP behind MPLS is summed" wait_for "grep -qx 'mpls 1458 finished right' $WORK/sums" 20
check "guest: TCP in SRv6 is summed" wait_for "grep -qx 'srv6 1438 finished right' $WORK/sums" 20
check "guest: TCP in VXLAN by IPv6 is cut, and both sums are right" wait_for "[ \"\$(grep -c '^vxlan6 [0-9]* finished right' $WORK/sums)\" = 3 ]" 20
check "guest: nothing was unfinished or wrong" eval '! grep -E "unfinished|wrong" $WORK/sums'
kill $GUEST
ip -n c1 neigh del fd00::2 dev eth0
nfvctl detach vm1 >/dev/null
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
