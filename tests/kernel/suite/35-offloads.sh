#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# share: 6.12
#
# Frames that virtio_net_hdr cannot express, and frames with several tags: the module's ports carry
# all that a bridge carries.
. "$(dirname "$0")/lib.sh"

# The debug kernel has VLANs only.
tunnels="vx4 vx6 gre ipip"
[ "$NFV_KERNEL" != debug ] || tunnels=
[ -z "$tunnels" ] || modprobe -a 8021q vxlan ip_gre ipip sctp

# device CONTAINER NAME ARGUMENT... - make a device by `ip link add`, with an address in its own network
declare -A net=([tag]=1 [tagtag]=2 [stag]=3 [stagtag]=4 [vx4]=5 [vx6]=6 [gre]=7 [ipip]=8)
device()
{
	local ns=$1 name=$2 i=${1#c}

	shift 2
	ip -n "$ns" link add name "$name" "$@"
	ip -n "$ns" addr add "10.${net[$name]}.0.$i/24" dev "$name"
	ip -n "$ns" link set "$name" up
}

for i in 1 2; do
	o=$((3 - i))
	mk_container c$i 10.0.0.$i/24
	ip -n c$i addr add fd00::$i/64 dev eth0 nodad
	device c$i tag link eth0 type vlan id 100
	device c$i tagtag link tag type vlan id 200
	device c$i stag link eth0 type vlan proto 802.1ad id 300
	device c$i stagtag link stag type vlan id 400
	[ -n "$tunnels" ] || continue
	device c$i vx4 type vxlan id 1 dstport 4789 local 10.0.0.$i remote 10.0.0.$o dev eth0
	device c$i vx6 type vxlan id 2 dstport 4790 local fd00::$i remote fd00::$o dev eth0
	device c$i gre type gretap local 10.0.0.$i remote 10.0.0.$o dev eth0
	device c$i ipip type ipip local 10.0.0.$i remote 10.0.0.$o dev eth0
done
serve c2

# A payload as long as the MTU, behind the tags.
whole_mtu() { in_ns c1 ping -q -M do -c 3 -i 0.2 -W 5 -s 1472 "$1"; }
# 8 MB by TCP: this takes minutes if super-frames are missing or lost.
bulk() { in_ns c1 timeout $((25 * ${NFV_PATIENCE:-1})) iperf3 -c "$1" -n 8M --connect-timeout 10000; }

datagrams()
{
	start "$WORK/received" c2 timeout 60 python3 -u -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.0.2", 7777))
for i in range(6): print(len(s.recv(65536)), end=" ", flush=True)'
	wait_for "ss -Hlun -N c2 | grep -q :7777" 20
	in_ns c1 python3 -c '
import socket
UDP_SEGMENT = 103
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
s.sendto(b"x" * 5500, ("10.0.0.2", 7777))'
	wait_for "[ '1000 1000 1000 1000 1000 500 ' = \"\$(cat $WORK/received)\" ]" 10
	local status=$?
	stop $STARTED
	return $status
}

sctp()
{
	local status

	start "$WORK/stream" c2 timeout 90 python3 -u -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
s.bind(("10.0.0.2", 7778)); s.listen(1); print("ready", flush=True)
c, _ = s.accept(); n = 0
while d := c.recv(65536): n += len(d)
print("got", n)'
	wait_for "grep -q ready $WORK/stream" 20
	in_ns c1 timeout 60 python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
s.connect(("10.0.0.2", 7778))
for _ in range(16): s.send(b"y" * 32768)
s.close()'
	wait_for "grep -q '^got 524288' $WORK/stream" 30
	status=$?
	stop $STARTED
	return $status
}

all()
{
	local d

	check "$1: reached" wait_for "in_ns c1 ping -q -c 1 -W 1 10.0.0.2 && in_ns c1 ping -q -c 1 -W 1 fd00::2" 20
	for d in tag tagtag stag stagtag; do
		check "$1: $d: a frame of the whole MTU" whole_mtu "10.${net[$d]}.0.2"
	done
	for d in tag tagtag stag stagtag $tunnels; do
		# The other end of a tunnel may not be ready for the first frames.
		check "$1: $d: TCP" wait_for "bulk 10.${net[$d]}.0.2" 60
	done
	check "$1: datagrams of UDP_SEGMENT" datagrams
	[ -z "$tunnels" ] || check "$1: SCTP" sctp
	check "$1: ping after all that" in_ns c1 ping -q -c 3 -i 0.2 -W 5 10.0.0.2
}

ip link add br0 type bridge
ip link set br0 up
for i in 1 2; do ip link set veth-c$i master br0; done
all bridge
for i in 1 2; do ip link set veth-c$i nomaster; done

load
start_nfvd
for i in 1 2; do attach c$i mode module >/dev/null; done
nfvctl shortcut off >/dev/null
all module
nfvctl shortcut on >/dev/null
all "module, shortcut"
check "frames in = delivered + dropped" wait_for conserved 10
for i in 1 2; do nfvctl detach c$i >/dev/null; done
finish
