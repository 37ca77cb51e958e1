#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 120
#
# Frames with 1500 bytes behind two tags, or behind one 802.1ad tag, to containers with MTU 1500, through nfvd and, for
# comparison, a Linux bridge. All kinds of tags arrive, also with foreign programs at egress; otherwise they are counted
# as lost.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

FRAME=$BUILD/tests/integration/frame
M1=02:00:00:00:00:01 M2=02:00:00:00:00:02

# received COUNT [MS]: write frames that arrive in c2 to $WORK/got, in the background; wait for $RECEIVER
received()
{
	: >"$WORK/got"
	ip netns exec c2 "$FRAME" recv eth0 "$1" "${2:-1000}" >"$WORK/got" &
	RECEIVER=$!
	wait_for "grep -q ready $WORK/got"
}

# whole TAGS: ten frames with these tags arrive unchanged
whole()
{
	received 10 200
	in_ns c1 "$FRAME" send eth0 $M2 $M1 "$1" 1514 10
	wait $RECEIVER
	diff <(echo ready; for n in {0..9}; do echo "$1 1514 $n ok"; done) "$WORK/got"
}

# lost NAME: with two tags they are not delivered but counted, one tag passes
lost()
{
	local before

	before=$(dropped c2 mtu)
	received 1
	in_ns c1 "$FRAME" send eth0 $M2 $M1 100s.5 1514 10
	check "$1: ten frames are lost for their length" wait_for "[ \$((\$(dropped c2 mtu) - $before)) = 10 ]"
	tcp_super 88a8006481000005
	check "$1: so is a super-frame" wait_for "[ \$((\$(dropped c2 mtu) - $before)) = 11 ]"
	in_ns c1 "$FRAME" send eth0 $M2 $M1 9 1514 1
	wait $RECEIVER
	check "$1: none arrives without its tag, one tag passes" diff <(printf 'ready\n9 1514 0 ok\n') "$WORK/got"
}

all_kinds()
{
	local tags

	for tags in 9 5.7 100s 100s.5 100s.200s 5.200s; do
		check "$1: tags $tags" whole $tags
	done
}

# tcp_super TAGS-IN-HEX: a super-frame of TCP from c1, 2900 bytes behind two tags; c2 gets two frames, of 1500 and of 1440
tcp_super()
{
	in_ns c1 python3 -c '
import socket, struct, sys
def sum16(b):
    t = sum(struct.unpack(">%dH" % (len(b) // 2), b))
    while t >> 16: t = (t & 0xffff) + (t >> 16)
    return t
tags = bytes.fromhex(sys.argv[1])
l4 = 20 + 2860
ip = bytearray(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + l4, 1, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2"))
ip[10:12] = struct.pack(">H", ~sum16(bytes(ip)) & 0xffff)
pseudo = sum16(bytes(ip[12:20]) + struct.pack(">HH", 6, l4))
tcp = struct.pack(">HHIIBBHHH", 7, 7, 1, 1, 0x50, 0x10, 9000, pseudo, 0) + bytes(2860)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.setsockopt(263, 15, 1)      # PACKET_VNET_HDR
s.bind(("eth0", 0))
at = 14 + len(tags)
s.send(struct.pack("<BBHHHH", 1, 1, at + 40, 1460, at + 20, 16) + bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]) + tags + b"\x08\0" + bytes(ip) + tcp)
' "$1"
}

# A super-frame behind tags is segmented like any other.
super_frame()
{
	ip netns exec c2 timeout 20 python3 -u -c '
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(263, 8, 1)       # PACKET_AUXDATA
s.bind(("eth0", 3))
print("ready")
left = 2860
while left:
    m, aux, _, _ = s.recvmsg(70000, 256)
    status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", aux[0][2][:20])
    if m[12:14] != b"\x81\0" or m[16:18] != b"\x08\0": continue
    left -= len(m) - 58
    print("%x.%d %d" % (tpid, tci, struct.unpack(">H", m[14:16])[0]))' >"$WORK/super" &
	RECEIVER=$!
	wait_for "grep -q ready $WORK/super"
	tcp_super 88a8006481000005
	wait $RECEIVER
	cat "$WORK/super"
	[ "$(sort -u "$WORK/super" | tr '\n' ' ')" = "88a8.100 5 ready " ]
}

# nfvd's mark on a frame of another socket does not count as nfvd's.
another_mark()
{
	received 1
	python3 -c '
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x6e640005)
s.bind(("veth-c2", 0))
s.send(bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 9]) + b"\x88\xb5" + bytes(4) + bytes(i * 7 & 255 for i in range(42)))'
	wait $RECEIVER
	diff <(printf 'ready\n0 60 0 ok\n') "$WORK/got"
}

filter() { tc filter "$1" dev veth-c2 egress prio 2 protocol all u32 match u32 0 0 flowid 1:1; }

attach()
{
	local i

	for i in 1 2; do nfvctl attach veth c$i dev veth-c$i mode packet >/dev/null; done
	nfvctl shortcut off >/dev/null
	wait_for "in_ns c1 ping -q -c 1 -W 1 10.0.0.2"
	in_ns c2 "$FRAME" send eth0 ff:ff:ff:ff:ff:ff $M2 0 60 1
}
detach() { for i in 1 2; do nfvctl detach c$i >/dev/null; done; }

# c1 sends by a packet socket, too, so it needs a larger MTU for the second tag.
for i in 1 2; do
	mk_container c$i 10.0.0.$i/24
	ip -n c$i link set eth0 address 02:00:00:00:00:0$i
done
ip -n c1 link set eth0 mtu 1508
ip link set veth-c1 mtu 1508

start_nfvd
attach
check "filters: become links" wait_for "! tc filter show dev veth-c2 egress | grep -q bpf"
all_kinds links
check "links: a super-frame behind two tags" super_frame
check "links: a mark of others" another_mark
filter add
check "links: a filter of others behind ours" whole 100s.5
filter del
: >"$WORK/hook"
"$BUILD/tests/integration/hook" veth-c2 tcx-egress 0 >"$WORK/hook" &
HOOK=$!
check "links: another program before ours is seen" wait_for "grep -q ready $WORK/hook && nfvctl doctor | grep -q 'at egress'"
lost "links, another before ours"
kill $HOOK
wait $HOOK 2>/dev/null
check "links: it has gone" wait_for "whole 100s.5"
check "conserved" wait_for conserved
detach
check "links: nothing is left" [ -z "$(tc qdisc show | grep clsact)" ]
stop_nfvd

export LD_PRELOAD=$BUILD/tests/integration/libno_tcx.so
start_nfvd
unset LD_PRELOAD
attach
all_kinds clsact
check "clsact: a super-frame behind two tags" super_frame
check "clsact: a mark of others" another_mark
filter add
check "clsact: a filter of others is seen" wait_for "nfvctl doctor | grep -q 'at egress'"
lost "clsact, another before ours"
filter del
check "clsact: it has gone" wait_for "whole 100s.5"
check "conserved" wait_for conserved
detach
check "clsact: nothing is left" [ -z "$(tc qdisc show | grep clsact)" ]

ip link add br0 type bridge
ip link set br0 up
for i in 1 2; do ip link set veth-c$i master br0; done
wait_for "in_ns c1 ping -q -c 1 -W 1 10.0.0.2"
all_kinds bridge
check "bridge: a super-frame behind two tags" super_frame
finish
