#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# evil_capture.py SOCKET - start a capture, try all changes of its memory that must fail, then stay without reading.
import array, ctypes, fcntl, json, mmap, os, socket, sys, time

s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"capture.start","params":{}}\n')
data, ancillary, _, _ = s.recvmsg(65536, socket.CMSG_SPACE(4))
assert "result" in json.loads(data), data
fd = array.array("i", ancillary[0][2])[0]
size = os.fstat(fd).st_size
libc = ctypes.CDLL(None, use_errno=True)

def refused(what, call):
    try:
        call()
    except (OSError, PermissionError, ValueError):
        return
    sys.exit(f"not refused: {what}")

def punch():
    if libc.fallocate64(fd, 3, ctypes.c_long(0), ctypes.c_long(size)):
        raise OSError(ctypes.get_errno(), "fallocate")

refused("to map it for writing", lambda: mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))
refused("to write", lambda: os.pwrite(fd, b"x" * 4096, 0))
refused("to cut it", lambda: os.ftruncate(fd, 0))
refused("to make it grow", lambda: os.ftruncate(fd, 2 * size))
refused("to punch a hole", punch)
refused("to take the seals off", lambda: fcntl.fcntl(fd, 1033, 0x10))
# A descriptor can be opened again through /proc.
def anew():
    other = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
    mmap.mmap(other, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
refused("to map it anew", anew)
mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
s.sendall(b'{"jsonrpc":"2.0","id":2,"method":"capture.start","params":{}}\n')
reply = json.loads(s.recv(65536))
assert reply["error"]["code"] == -32001, reply
print("held", flush=True)
time.sleep(600)
