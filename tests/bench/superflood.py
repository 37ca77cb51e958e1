#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""superflood.py IFNAME - send TCP super-frames of 64 KiB as broadcast until killed."""
import socket
import struct
import sys

SOL_PACKET, PACKET_VNET_HDR = 263, 15
NEEDS_CSUM, GSO_TCPV4 = 1, 1
MSS = 1448
PAYLOAD = 45 * MSS


def frame():
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + PAYLOAD, 0, 0, 64, 6, 0, bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)))
    total = sum(struct.unpack("!10H", ip))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~total & 0xffff) + ip[12:]
    tcp = struct.pack("!HHIIBBHHH", 1, 2, 0, 0, 0x50, 0x10, 65535, 0, 0)
    vnet = struct.pack("=BBHHHH", NEEDS_CSUM, GSO_TCPV4, 54, MSS, 34, 16)
    return vnet + b"\xff" * 6 + bytes((2, 0, 0, 0, 0, 0x64)) + b"\x08\x00" + ip + tcp + bytes(PAYLOAD)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.bind((sys.argv[1], 0))
    one = frame()
    while True:
        try:
            sock.send(one)
        except OSError as error:
            # The device's queue is full.
            if error.errno != 105:
                raise


if __name__ == "__main__":
    main()
