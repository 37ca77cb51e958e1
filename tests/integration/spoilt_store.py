# SPDX-License-Identifier: BSD-3-Clause
"""spoilt_store.py HOW WORDS FOLDER NFVD NFVCTL - a descriptor store that does not return what it was
given. nfvd with two guests is killed, and started again with the stored descriptors, damaged as HOW
says. It must run, have both ports, and log WORDS about port a, whose guest stays (HOW none) or must
connect again. Exit status 0: all this is so."""
import array
import ctypes
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

HOW, WORDS, FOLDER, NFVD, NFVCTL = sys.argv[1:]
VUGEN = os.path.join(os.path.dirname(NFVD), "../tests/bench/vugen")
shutil.rmtree(FOLDER, ignore_errors=True)
os.makedirs(FOLDER, mode=0o700)
STATE, CONF = FOLDER + "/state", FOLDER + "/conf"
store = {}


def run(fds):
    """nfvd, with the descriptors {name: fd} handed out"""
    names, numbers = list(fds), list(fds.values())
    pid = os.fork()
    if pid:
        return pid
    high = numbers
    while high and min(high) < 3 + len(high):
        high = [os.dup(fd) for fd in high]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i, inheritable=True)
    log = os.open(FOLDER + "/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    env = dict(os.environ, NOTIFY_SOCKET=FOLDER + "/notify", LISTEN_FDS=str(len(names)),
               LISTEN_FDNAMES=":".join(names), LISTEN_PID=str(os.getpid()))
    os.execve(NFVD, [NFVD, "--state-dir", STATE, "--config-dir", CONF], env)


def same(a, b):
    """Are both the same open file? kcmp(2)"""
    return ctypes.CDLL(None).syscall(312, os.getpid(), os.getpid(), 0, a, b) == 0


def serve(notify):
    """Obey what nfvd asks of the store, as systemd does: it keeps no second descriptor of what it has."""
    while True:
        text, fds, _, _ = socket.recv_fds(notify, 4096, 8)
        lines = dict(line.split("=", 1) for line in text.decode().splitlines())
        name = lines.get("FDNAME")
        if "FDSTOREREMOVE" in lines and name in store:
            os.close(store.pop(name))
        for fd in fds:
            os.set_inheritable(fd, False)
            if "FDSTORE" in lines and not any(same(fd, other) for other in store.values()):
                store[name] = fd
            else:
                os.close(fd)


def wait(until):
    end = time.monotonic() + 20
    while not until() and time.monotonic() < end:
        time.sleep(0.02)
    return until()


def nfvctl(*args):
    return subprocess.run([NFVCTL, "--state-dir", STATE, *args], capture_output=True, text=True).stdout


def state(port):
    words = [line.split() for line in nfvctl("show").splitlines()]
    return next((w[2] for w in words if w[:1] == [port]), None)


def patch(at, data):
    """Write into the state, as a newer, older or broken nfvd would have."""
    os.pwrite(store["a/state"], data, at)


def another(name, fd):
    os.close(store[name])
    store[name] = fd


def a_file():
    fd = os.open(FOLDER + "/file", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, os.pread(store["a/state"], 4096, 0))
    return fd


def a_pipe():
    return os.pipe()[0]


def memfd(size):
    fd = os.memfd_create("other")
    os.ftruncate(fd, size)
    return fd


def a_map(name, key_bytes, value_bytes, entries):
    """A hash of the kernel's, as BPF_MAP_CREATE of bpf() makes it."""
    attr = struct.pack("<IIIIIII16s", 1, key_bytes, value_bytes, entries, 0, 0, 0, name)
    return ctypes.CDLL(None).syscall(321, 0, attr, len(attr))


class Device:
    """A device of a guest whose driver runs and sends nothing: its peer in vhost-user."""
    BYTES = 1 << 20

    def __init__(self, port, memory, call):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("%s/%s.sock" % (STATE, port))
        features = struct.unpack("<Q", self.ask(1))[0] & (1 << 32 | 1 << 30)
        self.ask(15)
        self.tell(2, struct.pack("<Q", features))
        self.tell(5, struct.pack("<II4Q", 1, 0, 0, self.BYTES, 1 << 30, 0), memory)
        for i in range(2):
            at = (1 << 30) + (ord(port) % 2 * 2 + i) * 65536
            self.tell(8, struct.pack("<II", i, 256))
            self.tell(9, struct.pack("<II4Q", i, 0, at, at + 16384, at + 8192, 0))
            self.tell(13, struct.pack("<Q", i), call)
            self.tell(12, struct.pack("<Q", i), os.eventfd(0))
            self.tell(18, struct.pack("<II", i, 1))

    def tell(self, request, payload=b"", fd=None):
        anc = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.sock.sendmsg([struct.pack("<III", request, 1, len(payload)) + payload], anc)

    def ask(self, request):
        self.tell(request)
        return self.sock.recv(20)[12:]


def two_devices():
    """A guest has its memory in two devices, and one interrupt for all queues. Both go on, twice."""
    global nfvd
    memory, call = memfd(Device.BYTES), os.eventfd(0)

    devices = [Device(port, memory, call) for port in "ab"]
    assert wait(lambda: state("a") == state("b") == "up"), "not up"
    for _ in range(2):
        time.sleep(0.2)
        os.kill(nfvd, signal.SIGKILL)
        os.waitpid(nfvd, 0)
        nfvd = run(store)
        assert wait(lambda: state("a") == state("b") == "up"), "not up again"
        assert sum(WORDS in line for line in nfvctl("events").splitlines()) == len(devices), "not both go on"


VRING = 8 + 4 * 4 + 3 * 8 + 2 * 4 + 8 * 32 + 8 * 4	# where struct nfvd_keep_state has its vrings
SPOIL = {
    "none": lambda: None,
    "cut": lambda: os.ftruncate(store["a/state"], 100),
    "grown": lambda: os.ftruncate(store["a/state"], 8192),
    "magic": lambda: patch(0, b"nfvdkeeq"),
    "older": lambda: (patch(8, struct.pack("<II", 1, 4096)), os.ftruncate(store["a/state"], 4096)),
    "newer": lambda: (patch(8, struct.pack("<II", 3, 8192)), os.ftruncate(store["a/state"], 8192)),
    "incomplete": lambda: patch(16, struct.pack("<I", 0)),
    "queues": lambda: patch(20, struct.pack("<I", 3)),
    "features": lambda: patch(32, struct.pack("<Q", 1 << 63)),
    "regions": lambda: patch(52, struct.pack("<I", 99)),
    "ring": lambda: patch(VRING, struct.pack("<I", 77)),
    "no-state": lambda: os.close(store.pop("a/state")),
    "state-is-a-file": lambda: another("a/state", a_file()),
    "state-is-a-pipe": lambda: another("a/state", a_pipe()),
    "no-memory": lambda: os.close(store.pop("a/mem0")),
    "short-memory": lambda: another("a/mem0", memfd(4096)),
    "memory-is-a-pipe": lambda: another("a/mem0", a_pipe()),
    "kick-is-a-file": lambda: another("a/kick1", a_file()),
    "conn-is-a-pipe": lambda: another("a/conn", a_pipe()),
    "names": lambda: store.update({"../../etc/passwd": a_pipe(), "conn": a_pipe(), "nobody/conn": a_pipe()}),
}

OTHER_MAPS = "@shortcut0"


def maps():
    """Of the shortcut: "@shortcut" and the layout. Its maps' names follow."""
    return next(n for n in store if n.startswith("@shortcut") and not n.startswith(OTHER_MAPS)).split("/")[0]


def rename_maps(old):
    for name in [n for n in store if n.startswith(old + "/")]:
        store[OTHER_MAPS + name.removeprefix(old)] = store.pop(name)


# Of the containers c1 and c2, which are there.
CONTAINERS = {
    "veth-none": lambda: None,
    "veth-socket-is-a-pipe": lambda: another("c1/packet", a_pipe()),
    "veth-socket-is-another": lambda: another("c1/packet", os.dup(store["c2/packet"])),
    "veth-no-socket": lambda: os.close(store.pop("c1/packet")),
    "veth-link-is-a-pipe": lambda: another("c1/ingress", a_pipe()),
    "veth-link-is-another": lambda: another("c1/ingress", os.dup(store["c2/ingress"])),
    "veth-link-is-the-other-way": lambda: another("c1/ingress", os.dup(store["c1/egress"])),
    "veth-no-link": lambda: os.close(store.pop("c1/egress")),
    "veth-map-is-a-pipe": lambda: another(maps() + "/ports", a_pipe()),
    "veth-map-is-another": lambda: another(maps() + "/ports", os.dup(store[maps() + "/addresses"])),
    "veth-map-is-a-program": lambda: another(maps() + "/ports", os.dup(store["c1/ingress"])),
    "veth-map-of-another-size": lambda: another(maps() + "/ports", a_map(b"ports", 4, 100, 4096)),
    "veth-no-map": lambda: os.close(store.pop(maps() + "/counters")),
    "veth-other-layout": lambda: rename_maps(maps()),
}


def reach():
    return subprocess.run("ip netns exec c1 ping -q -c 1 -W 1 10.0.0.2".split(), stdout=subprocess.DEVNULL).returncode == 0


def kept_by_kernel():
    """Of what is stored, the shortcut's maps and links: {(kind, id)}."""
    found = set()
    for fd in store.values():
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
            found.update(re.findall(r"^(map|link)_id:\s*(\d+)$", info.read(), re.M))
    return found


def there(kind, number):
    return subprocess.run(["bpftool", kind, "show", "id", number], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def containers():
    """Whatever the store hands out, both are there, reach each other, and are stored again."""
    global nfvd
    whole = {c + "/" + what for c in ("c1", "c2") for what in ("packet", "ingress", "egress")}

    for c in ("c1", "c2"):
        nfvctl("attach", "veth", c, "dev", "veth-" + c)
    assert wait(lambda: whole <= set(store)), "not stored: " + " ".join(store)
    assert wait(reach), "they do not reach each other"
    before = kept_by_kernel()
    assert len(before) > 4 and all(there(*what) for what in before), "what is kept is not known to bpftool"
    pings = subprocess.Popen("ip netns exec c1 ping -q -i 0.01 -c 300 -W 1 10.0.0.2".split(), stdout=subprocess.PIPE, text=True)
    os.kill(nfvd, signal.SIGKILL)
    os.waitpid(nfvd, 0)
    CONTAINERS[HOW]()
    nfvd = run(store)
    assert wait(lambda: state("c1") == state("c2") == "up"), "not up"
    assert wait(reach), "they do not reach each other"
    events = nfvctl("events")
    assert WORDS in events, "it does not say so"
    anew = re.search(r"(\d) container\(s\) attached anew: .* within at most [0-9.]+ ms", events)
    assert (int(anew[1]) if anew else 0) == (0 if HOW == "veth-none" else 1 if "goes on with 1" in WORDS else 2), "who began anew?"
    received = int(re.search(r"(\d+) received", pings.communicate()[0])[1])
    assert received > 200, f"{received} of 300 echoes came, one each 10 ms"
    assert wait(lambda: whole <= set(store)), "not stored again: " + " ".join(store)
    assert not [n for n in store if n.startswith(OTHER_MAPS + "/")], "another layout's maps are stored"
    if "loaded anew" in events:
        assert wait(lambda: not any(there(*what) for what in before)), "left: " + str([w for w in before if there(*w)])


# ---- a peer that asks while nfvd is killed -------------------------------------------------

GET_FEATURES, SET_FEATURES = 1, 2


def send(peer, request, payload=b""):
    peer.sendall(struct.pack("<III", request, 1, len(payload)) + payload)


def reply(peer):
    """Of GET_FEATURES; b"": disconnected."""
    peer.settimeout(10)
    try:
        return peer.recv(20, socket.MSG_WAITALL)
    except ConnectionError:
        return b""


def connect():
    """A peer of a, which has said what it wants."""
    while True:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            peer.connect(STATE + "/a.sock")
            send(peer, GET_FEATURES)
            send(peer, SET_FEATURES, struct.pack("<Q", 1 << 32))
            send(peer, GET_FEATURES)
        except OSError:
            time.sleep(0.01)
            continue
        # The second reply comes when nfvd has taken SET_FEATURES, too.
        if reply(peer) and reply(peer):
            return peer


def unread(peer):
    """Bytes that nobody has received yet."""
    return struct.unpack("i", fcntl.ioctl(peer, termios.TIOCOUTQ, bytes(4)))[0]


def asking(failed, end):
    peer = connect()
    while not end.is_set():
        try:
            send(peer, GET_FEATURES)
            if reply(peer):
                continue
        except TimeoutError:
            failed.append("no reply, and not disconnected")
            return
        except OSError:
            pass
        peer = connect()


def asked():
    """It has its reply, or is disconnected: it never waits for ever."""
    global nfvd
    failed, end = [], threading.Event()

    nfvctl("attach", "kvm", "a")
    peer = connect()
    assert wait(lambda: "a/conn" in store and os.pread(store["a/state"], 4, 16) == b"\1\0\0\0"), "not stored"
    # It cannot carry out the message, but its gate could have received it by then.
    os.kill(nfvd, signal.SIGSTOP)
    os.waitpid(nfvd, os.WUNTRACED)		# until its last thread has stopped: kill() does not wait
    send(peer, GET_FEATURES)
    for _ in range(50):
        if unread(peer):
            time.sleep(0.01)
    os.kill(nfvd, signal.SIGKILL)
    os.waitpid(nfvd, 0)
    nfvd = run(store)
    assert reply(peer), "disconnected"
    assert wait(lambda: WORDS in nfvctl("events")), "it does not say so"
    peer.close()
    thread = threading.Thread(target=asking, args=(failed, end))
    thread.start()
    for _ in range(8):
        assert wait(lambda: nfvctl("version")), "it does not start"
        time.sleep(random.random() / 5)
        os.kill(nfvd, signal.SIGKILL)
        os.waitpid(nfvd, 0)
        nfvd = run(store)
    end.set()
    thread.join()
    assert not failed, failed[0]


notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(FOLDER + "/notify")
threading.Thread(target=serve, args=(notify,), daemon=True).start()
nfvd = run({})
generator = None
good = False
try:
    wait(lambda: nfvctl("version") and os.path.exists(STATE + "/ctl.sock"))
    if HOW in CONTAINERS:
        containers()
        good = True
        sys.exit(0)
    if HOW == "asked":
        asked()
        good = True
        sys.exit(0)
    nfvctl("attach", "kvm", "a")
    nfvctl("attach", "kvm", "b")
    if HOW == "two-devices":
        two_devices()
        good = True
        sys.exit(0)
    generator = subprocess.Popen([VUGEN, "--a", STATE + "/a.sock", "--b", STATE + "/b.sock", "--seconds", "60"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait(lambda: {"a/conn", "a/call1", "b/call1"} <= set(store)), "nothing is stored"
    time.sleep(0.2)
    os.kill(nfvd, signal.SIGKILL)
    os.waitpid(nfvd, 0)
    SPOIL[HOW]()
    nfvd = run(store)
    with_guest = HOW in ("none", "names")
    assert wait(lambda: state("a") == ("up" if with_guest else "waiting")), "port a is " + str(state("a"))
    assert any(WORDS in line for line in nfvctl("events").splitlines()), "it does not say so"
    if with_guest:
        assert state("b") == "up", "port b is " + str(state("b"))
    else:
        assert wait(lambda: not [name for name in store if name.startswith("a/")]), "still stored: " + " ".join(store)
    assert wait(lambda: not set(store) & {"conn", "nobody/conn", "../../etc/passwd"}), "still stored: " + " ".join(store)
    good = True
except AssertionError as why:
    print(why, nfvctl("events"), open(FOLDER + "/log").read()[-2000:], sep="\n")
finally:
    if generator:
        generator.kill()
        generator.wait()
    os.kill(nfvd, signal.SIGKILL)
    os.waitpid(nfvd, 0)
sys.exit(not good)
