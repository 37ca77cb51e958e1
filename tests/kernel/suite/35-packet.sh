#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# share: 6.12
# Packet sockets on this kernel, without the module: frames that virtio_net_hdr cannot express arrive, too.
. "$(dirname "$0")/lib.sh"
modprobe -qa sctp vxlan geneve ip_gre ipip 8021q || true

features() { in_ns c1 ethtool -k eth0 | grep -E 'tx-sctp-segmentation|tx-gso-list|tx-udp-segmentation'; }
reach() { in_ns c1 ping -q -c 1 -W 2 10.0.0.2; }

# udp_segment: one send of six datagrams (UDP_SEGMENT)
udp_segment()
{
	start "$WORK/received" c2 timeout 20 python3 -u -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.0.2", 7777))
for i in range(6): print(len(s.recv(65536)), end=" ", flush=True)'
	wait_for "ss -Hlun -N c2 | grep -q :7777" 20
	in_ns c1 python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(17, 103, 1000)
s.sendto(b"x" * 5500, ("10.0.0.2", 7777))'
	wait "$STARTED"
	cat "$WORK/received"
	[ "$(cat "$WORK/received")" = "1000 1000 1000 1000 1000 500 " ]
}

# sctp PORT BYTES SECONDS: send from c1 to c2
sctp()
{
	start "$WORK/sctp.$1" c2 timeout 40 python3 -u -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.bind(("10.0.0.2", int(sys.argv[1]))); s.listen(1); print("listens", flush=True)
c, a = s.accept(); n = 0
while True:
    d = c.recv(65536)
    if not d: break
    n += len(d)
print("got", n)' "$1"
	wait_for "grep -q listens $WORK/sctp.$1" 20
	in_ns c1 timeout "$3" python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.connect(("10.0.0.2", int(sys.argv[1])))
left = int(sys.argv[2])
while left: left -= s.send(b"y" * min(left, 32768))
s.close()' "$1" "$2" || stop "$STARTED"
	wait "$STARTED"
	cat "$WORK/sctp.$1"
	grep -q "got $2\$" "$WORK/sctp.$1"
}

# between NAME NUMBER LINK...: make such a device in both containers, in 10.NUMBER.0.0/24; {local} and {remote} are its ends
between()
{
	local name=$1 number=$2 i args

	shift 2
	for i in 1 2; do
		args="$*"
		args=${args//\{local\}/10.0.0.$i}
		args=${args//\{remote\}/10.0.0.$((3 - i))}
		args=${args//\{local6\}/fd00::$i}
		args=${args//\{remote6\}/fd00::$((3 - i))}
		# shellcheck disable=SC2086
		ip -n c$i link add "$name" $args || return
		ip -n c$i addr add "10.$number.0.$i/24" dev "$name"
		ip -n c$i link set "$name" up
	done
}

# A payload as long as the MTU behind tags, and 4 MB by TCP. 10.21: two tags; 10.22: one 802.1ad tag; 10.23: both.
tags()
{
	local net

	check "$1: they reach each other" wait_for reach 20
	for net in 21 22 23; do
		check "$1: tags, 10.$net: a whole MTU" in_ns c1 ping -q -M do -c 3 -i 0.2 -W 5 -s 1472 10.$net.0.2
		check "$1: tags, 10.$net: TCP" tcp 10.$net.0.2
	done
}

# tcp ADDRESS: send 4 MB
tcp() { in_ns c1 timeout 30 iperf3 -c "$1" -n 4M --connect-timeout 10000; }

for i in 1 2; do
	mk_container c$i 10.0.0.$i/24
	ip -n c$i -6 addr add fd00::$i/64 dev eth0 nodad
done
between vlan5 5 link eth0 type vlan id 5
between tagtag 21 link vlan5 type vlan id 6
between stag 22 link eth0 type vlan proto 802.1ad id 7
between stagtag 23 link stag type vlan id 8
serve c2
ip link add br0 type bridge
ip link set br0 up
for i in 1 2; do ip link set veth-c$i master br0; done
tags bridge
for i in 1 2; do ip link set veth-c$i nomaster; done
before=$(features)
start_nfvd
nfvctl shortcut off >/dev/null
for i in 1 2; do attach c$i mode packet >/dev/null; done
check "packet: the other end cuts SCTP itself" eval '[[ $(features) == *"tx-sctp-segmentation: off"* ]]'
check "packet: they reach each other" wait_for reach 20
check "packet: UDP_SEGMENT arrives" udp_segment
check "packet: SCTP arrives" sctp 7001 1000000 30
check "packet: TCP in a VLAN arrives" tcp 10.5.0.2
tags packet
between vx4 6 type vxlan id 4 local {local} remote {remote} dstport 4789 && check "packet: TCP in VXLAN arrives" tcp 10.6.0.2
between vx6 7 type vxlan id 6 local {local6} remote {remote6} dstport 4790 && check "packet: TCP in VXLAN by IPv6 arrives" tcp 10.7.0.2
between gen 8 type geneve id 8 remote {remote} && check "packet: TCP in Geneve arrives" tcp 10.8.0.2
between gre9 9 type gre local {local} remote {remote} csum && check "packet: TCP in GRE with checksums arrives" tcp 10.9.0.2
between ipip9 10 type ipip local {local} remote {remote} && check "packet: TCP in IPIP arrives" tcp 10.10.0.2
check "packet: nothing was missed or refused" eval '[ "$(dropped c1 missed):$(dropped c1 ring_stuck):$(dropped c1 bad_gso):$(dropped c2 gso_unsup)" = 0:0:0:0 ]'

# If a container's owner switches the offload on again, its frames are lost, but the port works.
in_ns c1 ethtool -K eth0 tx-sctp-segmentation on
sctp 7002 1000000 3 >/dev/null 2>&1
check "packet: a super-frame of SCTP is counted as missed" eval '[ "$(dropped c1 missed)" -gt 0 ]'
check "packet: the port goes on" wait_for reach 20
echo "  ring_stuck $(dropped c1 ring_stuck), missed $(dropped c1 missed)"
in_ns c1 ethtool -K eth0 tx-sctp-segmentation off
check "packet: SCTP arrives again" sctp 7003 100000 20
for i in 1 2; do nfvctl detach c$i >/dev/null; done
check "packet: detaching puts all of it back" [ "$(features)" = "$before" ]
finish
