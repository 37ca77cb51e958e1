#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Frames whose offloads virtio_net_hdr cannot express, between containers and to a guest: SCTP, MPLS, SRv6, VXLAN,
# segments longer than the receiver's MTU. And the settings of a container's device that attaching changes and
# detaching restores.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/offload.sh"

# Print the settings of both ends of a container's veth.
offloads()
{
	in_ns "$1" ethtool -k eth0
	ethtool -k "veth-$1"
	ip -n "$1" -d -o link show eth0 | grep -o 'g[sr]o_[a-z0-9_]*max_size [0-9]*'
}
off() { in_ns "$1" ethtool -k eth0 | grep -q "^$2: off"; }
limited() { ! ip -n "$1" -d -o link show eth0 | grep -o 'g[sr]o_[a-z0-9_]*max_size [0-9]*' | awk '$2 > 65536 { n++ } END { exit !n }'; }

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

# tcp_super GSO_SIZE: 24000 bytes from c1, whose MTU is large
tcp_super()
{
	python c1 "$1" <<'PY'
send((1, 1, 54, int(sys.argv[1]), 34, 16), ipv4(6, struct.pack(">HHIIBBHHH", 7, 7, 1, 1, 0x50, 0x10, 9000, 0, 0) + bytes(24000)))
PY
}

two_containers
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
check "nothing was refused" [ "$(for r in bad_gso bad_csum gso_unsup oversize rx_full; do dropped c1 $r; dropped vm1 $r; done | sort -u)" = 0 ]
nfvctl detach vm1 >/dev/null
finish
