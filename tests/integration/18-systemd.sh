#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nfvd.service as installed, under its own instance of systemd: started, killed, restarted, stopped,
# with two guests under load and a container.
. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

SYSTEMD=
inside() { nsenter --target "$SYSTEMD" --mount --pid --cgroup "$@"; }
nfvctl() { inside "$NFVCTL" "$@"; }
property() { inside systemctl show --value --property "$1" nfvd; }
state_of() { nfvctl -j show "$1" | jq -r '.ports[0].state'; }
# guests_after OLD-PID: wait until a new nfvd has both guests.
guests_after() { wait_for "[ \$(property MainPID) -gt 0 -a \$(property MainPID) != $1 ] && [ \$(state_of a) = up ] && [ \$(state_of b) = up ]" 20; }

# Run a systemd that starts only nfvd.
boot()
{
	cat >"$WORK/boot" <<-EOT
	mount --make-rprivate /
	mount -t tmpfs -o mode=755 tmpfs /run
	mount -t tmpfs tmpfs /etc/systemd/system
	mkdir -p /run/lock /var/lib/nfvd
	mount -t tmpfs tmpfs /var/lib/nfvd
	umount -R /sys/fs/cgroup 2>/dev/null
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	sed -e 's|@SBIN@|$BUILD/dataplane|' -e '/^After=/d; /^Before=/d; s/^\[Unit\]/&\nDefaultDependencies=no/' \
		'$TOP/tools/packaging/nfvd.service' >/etc/systemd/system/nfvd.service
	container=other exec /lib/systemd/systemd --system --unit=nfvd.service --show-status=no
	EOT
	unshare --mount --pid --cgroup --uts --ipc --fork --kill-child --mount-proc bash "$WORK/boot" </dev/null >"$WORK/systemd.log" 2>&1 &
	wait_for "SYSTEMD=\$(pgrep -P $! systemd)" 20 && wait_for "nfvctl version" 40
}

check "systemd: starts nfvd.service" boot
check "systemd: it is ready" wait_for '[ "$(property ActiveState)" = active ]' 10
check "systemd: attach kvm" nfvctl attach kvm a
check "systemd: attach kvm, again" nfvctl attach kvm b
mk_container c1 10.0.0.1/24
# The container's own announcements would also go to the guests, which expect only test frames.
in_ns c1 sysctl -qw net.ipv6.conf.all.disable_ipv6=1
check "systemd: attach veth" nfvctl attach veth c1 dev veth-c1
# The maps of the shortcut, and the container.
check "systemd: the container is stored" wait_for '[ "$(property NFileDescriptorStore)" -ge 5 ]' 10
nap 0.5
base=$(property NFileDescriptorStore)
inside "$BUILD/tests/bench/vugen" --a $STATE/a.sock --b $STATE/b.sock --size 200 --seconds 16 >"$WORK/pump.json" &
pump=$!
check "systemd: its guests' descriptors are stored" wait_for '[ "$(property NFileDescriptorStore)" -ge $((base + 14)) ]' 20

# What it changes beside its devices the unit lets it write.
ip link add veth-d type veth peer name d0
ip -6 addr add fd00::1/64 dev veth-d
check "systemd: attach a device with an address" nfvctl attach veth d dev veth-d force yes
nfvctl detach d >/dev/null
check "systemd: static addresses of a device that was down stay" grep -q fd00::1 <(ip -6 addr show dev veth-d)
ip link del veth-d
pid=$(property MainPID)
check "systemd: sysfs can be written, for Xen's guests" nsenter --target "$(pgrep -P "$SYSTEMD" -x nfvd)" --mount test -w /sys/bus
inside kill -KILL "$pid"
check "systemd: after kill -9 another nfvd has the guests" guests_after "$pid"
pid=$(property MainPID)
check "systemd: systemctl restart" inside systemctl restart nfvd
check "systemd: after it, too" guests_after "$pid"
pid=$(property MainPID)
inside kill -STOP "$pid"
check "systemd: a nfvd that hangs is found, and another has the guests" guests_after "$pid"
check "systemd: the container is there" [ "$(state_of c1)" = up ]
check "systemd: frames are delivered" wait_for '[ "$(nfvctl -j stats | jq "[.ports[].tx_frames] | add")" -gt 1000 ]' 10
check "systemd: the guests have not noticed" wait $pump
jq -c . "$WORK/pump.json"
check "systemd: not one frame is torn" [ "$(jq .bad "$WORK/pump.json")" = 0 ]
check "systemd: what guests left behind is not stored" wait_for '[ "$(property NFileDescriptorStore)" = $base ]' 10
check "systemd: systemctl stop" inside systemctl stop nfvd
check "systemd: no process of nfvd is left" wait_for '! inside pgrep nfvd' 10
check "systemd: the device is as it was" [ -z "$(tc filter show dev veth-c1 ingress 2>/dev/null)" ]
finish
