#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 240
# alone
#
# TCP in tunnels that end in containers, by packet sockets and without the shortcut, beside two containers on a Linux bridge:
# how fast it is, that it passes in super-frames, and that all headers are right of the segments that a device makes of these.
#
#	NFV_ROUNDS=N	no test: N rounds of both, in Mb/s
#	NFV_PART=N	an N-th of a bridge's throughput will do, not half of it

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

# KIND INNER ADDRESS TYPE WORDS: @ is what the address ends in at this end, % at the other one
tunnels()
{
	cat <<'LIST'
vxlan	10.9.1.@/24	vxlan	id 1 remote 10.0.0.% dstport 4789 dev eth0
vxlan-sum	10.9.2.@/24	vxlan	id 2 remote 10.0.0.% dstport 4790 dev eth0 udpcsum
vxlan-by6	10.9.3.@/24	vxlan	id 3 remote fd00::% dstport 4791 dev eth0
vxlan-by6-6	fd09:4::@/64	vxlan	id 4 remote fd00::% dstport 4792 dev eth0
geneve	10.9.5.@/24	geneve	id 5 remote 10.0.0.% dstport 6081
geneve-by6	10.9.6.@/24	geneve	id 6 remote fd00::% dstport 6082
gre	10.9.7.@/24	gre	local 10.0.0.@ remote 10.0.0.% key 7
gre-sum	10.9.8.@/24	gre	local 10.0.0.@ remote 10.0.0.% key 8 csum
gretap	10.9.9.@/24	gretap	local 10.0.0.@ remote 10.0.0.%
ipip	10.9.10.@/24	ipip	local 10.0.0.@ remote 10.0.0.%
sit	fd09:11::@/64	sit	local 10.0.0.@ remote 10.0.0.%
ip6gre	10.9.12.@/24	ip6gre	local fd00::@ remote fd00::%
ip6gretap	10.9.13.@/24	ip6gretap	local fd00::@ remote fd00::%
ip6tnl	fd09:14::@/64	ip6tnl	mode ip6ip6 local fd00::@ remote fd00::%
LIST
}

# add_tunnels NS I
add_tunnels()
{
	local kind address type words n=0 text

	while read -r kind address type words; do
		n=$((n + 1))
		text="$address $words"
		text=${text//@/$2}
		text=${text//%/$((3 - $2))}
		# shellcheck disable=SC2086
		if ip -n "$1" link add "t$n" type "$type" ${text#* } 2>/dev/null; then
			ip -n "$1" addr add "${text%% *}" dev "t$n" nodad 2>/dev/null || ip -n "$1" addr add "${text%% *}" dev "t$n"
			ip -n "$1" link set "t$n" up
			ADDRESS[$kind]=${address%/*}
		else
			echo "  not tried: $kind, this kernel has none"
		fi
	done < <(tunnels)
}

address() { echo "${ADDRESS[$1]//@/2}"; }

# tcp NS KIND: $MBPS is what one second carries
tcp()
{
	MBPS=0
	# A server may still have its last client.
	wait_for "in_ns $1 timeout 30 iperf3 -J -c $(address "$2") -t ${SECONDS_EACH:-1} --connect-timeout 10000 >$WORK/tcp || ! grep -q busy $WORK/tcp" 15
	MBPS=$(awk -F: '/"sum_received"/ { in_sum = 1 } in_sum && /bits_per_second/ { printf "%d", $2 / 1000000; exit }' "$WORK/tcp")
	[ "${MBPS:-0}" -gt 0 ]
}

# fast KIND: at least this part of what a bridge carries; measured again on a busy machine
fast()
{
	local bridge

	for _ in 1 2 3 4 5 6; do
		tcp b1 "$1" && bridge=$MBPS && tcp c1 "$1" || return
		RATIO="$MBPS of $bridge Mb/s"
		echo "$RATIO"
		[ $((PART * MBPS)) -lt "$bridge" ] || return 0
	done
	return 1
}

# copy FROM KIND BYTES: what is sent to c2 arrives as it was sent
copy()
{
	: >"$WORK/copy"
	ip netns exec c2 timeout 30 python3 -u -c '
import hashlib, socket, sys
s = socket.create_server((sys.argv[1], 7000), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("listens")
c, h = s.accept()[0], hashlib.sha256()
while (b := c.recv(1 << 20)): h.update(b)
c.send(h.digest())' "$(address "$2")" >"$WORK/copy" 2>&1 &
	RECEIVER=$!
	wait_for "grep -q listens $WORK/copy" 20
	in_ns "$1" timeout 30 python3 -c '
import hashlib, os, socket, sys
s, b = socket.create_connection((sys.argv[1], 7000)), os.urandom(int(sys.argv[2]))
s.sendall(b)
s.shutdown(socket.SHUT_WR)
sys.exit(s.recv(32) != hashlib.sha256(b).digest())' "$(address "$2")" "$3"
	local status=$?

	wait $RECEIVER
	return $status
}

# whole KIND: a copy arrives, and in frames that are longer than a segment
whole()
{
	local frames bytes

	frames=$(pair c1 c2 frames) bytes=$(pair c1 c2 bytes)
	copy c1 "$1" 8000000 || return
	frames=$(($(pair c1 c2 frames) - frames)) bytes=$(($(pair c1 c2 bytes) - bytes))
	echo "$frames frames, $bytes bytes"
	[ $((bytes / frames)) -gt 6000 ]
}

# segments KIND: of a copy c2 gets segments, all their sums and lengths are right, and their numbers follow each other
segments()
{
	: >"$WORK/segments"
	ip netns exec c2 timeout 20 python3 -u - "$1" >"$WORK/segments" 2>&1 <<'PY' &
import socket, struct, sys
def total(b):
    t = sum(struct.unpack(">%dH" % (len(b) // 2), b[:len(b) & ~1])) + (b[-1] << 8 if len(b) & 1 else 0)
    while t >> 16: t = (t & 0xffff) + (t >> 16)
    return t
def fail(*what):
    print("wrong:", *what)
    sys.exit(1)
def ip(b):    # number, protocol, payload, sum of the pseudo header
    if b[0] >> 4 == 4:
        if total(b[:20]) != 0xffff or struct.unpack(">H", b[2:4])[0] != len(b): fail("IPv4", b[:20].hex(), len(b))
        return struct.unpack(">H", b[4:6])[0], b[9], b[20:], total(b[12:20] + struct.pack(">HH", b[9], len(b) - 20))
    if struct.unpack(">H", b[4:6])[0] + 40 != len(b): fail("IPv6", b[:40].hex(), len(b))
    p, at = b[6], 40
    while p == 60: p, at = b[at], at + 8 * (b[at + 1] + 1)
    return None, p, b[at:], total(b[8:40] + struct.pack(">HH", p, len(b) - at))
def inner(p, b, pseudo):
    if p == 17:
        if struct.unpack(">H", b[4:6])[0] != len(b): fail("length of UDP", len(b))
        if b[6:8] != b"\0\0" and total(struct.pack(">H", pseudo) + b) != 0xffff: fail("sum of UDP", b[:8].hex())
        return b[16:], True
    if p == 47:
        if b[0] & 0x80 and total(b) != 0xffff: fail("sum of GRE", b[:8].hex())
        n = 4 + (4 if b[0] & 0x80 else 0) + (4 if b[0] & 0x20 else 0)
        return b[n:], b[2:4] == b"\x65\x58"
    return b, False
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
s.bind(("eth0", 3))
s.settimeout(15)
print("listens")
got, frames, followed, seqs, last = 0, 0, 0, {}, None
while got < 900000:
    m, a = s.recvfrom(70000)
    if a[2] == 4 or m[12:14] not in (b"\x08\0", b"\x86\xdd"): continue
    oid, p, b, pseudo = ip(m[14:])
    if p not in (4, 41, 47, 17): continue
    b, ethernet = inner(p, b, pseudo)
    if ethernet:
        if b[12:14] not in (b"\x08\0", b"\x86\xdd"): continue
        b = b[14:]
    iid, p, t, pseudo = ip(b)
    if p != 6 or t[2:4] != struct.pack(">H", 7000): continue
    if total(struct.pack(">H", pseudo) + t) != 0xffff: fail("sum of TCP", t[:20].hex())
    n = len(t) - (t[12] >> 4) * 4
    if not n: continue
    if len(m) > 1514: fail("a frame of", len(m))
    seq = struct.unpack(">I", t[4:8])[0]
    if last and seq == last[0]:
        frames += 1
        followed += (iid is None or iid == (last[1] + 1) & 0xffff) and (oid is None or oid == (last[2] + 1) & 0xffff)
    last = seq + n & 0xffffffff, iid, oid
    got += n
print(frames, "followed each other,", followed, "in number too")
sys.exit(frames < 100 or 2 * followed < frames)
PY
	LOOKER=$!
	wait_for "grep -q listens $WORK/segments" 20
	copy c1 "$1" 1000000 || return
	wait $LOOKER
	local status=$?

	cat "$WORK/segments"
	return $status
}

# What a device without such offloads gets is cut and summed by the kernel, by what nfvd's program said of the frame.
device_offloads()
{
	ethtool -K "$1" tso "$2" gso "$2" tx-udp_tnl-segmentation "$2" tx-udp_tnl-csum-segmentation "$2" tx-gre-segmentation "$2" \
		tx-gre-csum-segmentation "$2" tx-ipxip4-segmentation "$2" tx-ipxip6-segmentation "$2" tx "$2" >/dev/null
}

refused() { for r in bad_gso bad_csum gso_unsup oversize rx_full mtu; do dropped c1 $r; dropped c2 $r; done | sort -u; }

modprobe -qa vxlan geneve ip_gre ip6_gre ipip sit ip6_tunnel 8021q 2>/dev/null
declare -A ADDRESS=()
PART=${NFV_PART:-2}
ip link add br0 type bridge
ip link set br0 up
for i in 1 2; do
	for c in b c; do
		mk_container $c$i 10.0.0.$i/24
		ip -n $c$i -6 addr add fd00::$i/64 dev eth0 nodad
	done
	ip link set veth-b$i master br0
	add_tunnels b$i $i >/dev/null
done
add_tunnels c1 1
add_tunnels c2 2 >/dev/null
start_nfvd
for i in 1 2; do nfvctl attach veth c$i dev veth-c$i mode packet >/dev/null; done
nfvctl shortcut off >/dev/null
for c in b c; do
	in_ns ${c}2 iperf3 -s -D >/dev/null
	check "$c: ping" wait_for "in_ns ${c}1 ping -q -c 1 -W 1 10.0.0.2 && in_ns ${c}1 ping -q -c 1 -W 1 fd00::2" 20
done
mapfile -t KINDS < <(tunnels | cut -f 1 | while read -r k; do [ -n "${ADDRESS[$k]:-}" ] && echo "$k"; done)

if [ -n "${NFV_ROUNDS:-}" ]; then
	for ((r = 0; r < NFV_ROUNDS; r++)); do
		for k in ${NFV_KINDS:-${KINDS[@]}}; do
			tcp b1 "$k"
			b=$MBPS
			f=$(pair c1 c2 frames) n=$(pair c1 c2 bytes)
			tcp c1 "$k"
			f=$(($(pair c1 c2 frames) - f)) n=$(($(pair c1 c2 bytes) - n))
			echo "$k $b $MBPS: $((n / f)) bytes in a frame"
		done
	done
	finish
fi

for k in "${KINDS[@]}"; do
	check "$k: 1/$PART of a bridge's throughput" fast "$k"
	echo "  ${RATIO:-}"
	check "$k: arrives in super-frames" whole "$k"
done
device_offloads veth-c2 off
for k in "${KINDS[@]}"; do
	check "$k: cut by the kernel, all is right" segments "$k"
	sed -n 's/.* followed/  &/p' "$WORK/segments"
done
device_offloads veth-c2 on
for i in 1 2; do nfvctl set c$i vlan 10; done
check "access ports of a VLAN: in super-frames" whole "${KINDS[0]}"
# A trunk's frames have a tag, beside which nfvd does not put on a tunnel.
if [ -n "${ADDRESS[gre]:-}" ] && ip -n c2 link add tag10 link eth0 type vlan id 10; then
	nfvctl set c2 vlan trunk 10
	for address in 10.0.0.2/24 fd00::2/64; do
		ip -n c2 addr del $address dev eth0
		ip -n c2 addr add $address dev tag10 nodad 2>/dev/null
	done
	ip -n c2 link set tag10 up
	for k in gre ip6gre; do
		check "to a trunk: $k" wait_for "copy c1 $k 1000000" 20
	done
else
	echo "  not tried: to a trunk, this kernel has no VLANs or no GRE"
fi
check "nothing was refused" [ "$(refused)" = 0 ]
check "conserved" wait_for conserved 10
finish
