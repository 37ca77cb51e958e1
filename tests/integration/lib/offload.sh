# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# For scripts about offloads that virtio_net_hdr cannot express: two containers with VXLAN devices, and programs that
# send and receive frames.

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

# two_containers - c1 and c2, not attached yet, and a bridge
two_containers()
{
	local i

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
	ip link add br0 type bridge
	ip link set br0 up
}
