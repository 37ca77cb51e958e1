#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# limit: 900
#
# The Debian packages: built, checked, installed, upgraded, removed and purged, in a separate Debian with systemd as
# PID 1. Two guests under load do not notice the upgrade.
. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

ROOT=$WORK/root DEBS=$WORK/debs SYSTEMD=
IMAGE=$(NFV_PREPARED=yes "$TOP/tests/deb-image.sh") || { skip "packages" "the Debian that tests/prepare makes"; finish; }

inside() { nsenter --target "$SYSTEMD" --mount --pid --cgroup --uts --ipc --root --wd env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
nfvctl() { inside nfvctl "$@"; }
property() { inside systemctl show --value --property "$1" nfvd; }
state_of() { nfvctl -j show "$1" | jq -r '.ports[0].state'; }
files() { inside find / -xdev ! -type d ! -path '/var/log/*' ! -path '/var/cache/*' ! -path '/tmp/*' ! -path '/var/lib/dpkg/*' ! -path '/var/lib/systemd/*' ! -path '/boot/*' | sort; }

# newer DEB VERSION - make a copy of the package with a later version
newer()
{
	dpkg-deb -R "$1" "$WORK/newer"
	sed -i "s/^Version: .*/Version: $2/" "$WORK/newer/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$WORK/newer" "${1%_0*}_$2.deb"
}

boot()
{
	mkdir "$WORK/upper" "$ROOT"
	mount -t tmpfs -o mode=755 tmpfs "$WORK/upper"
	mkdir "$WORK/upper"/{up,work}
	mount -t overlay -o "lowerdir=$IMAGE,upperdir=$WORK/upper/up,workdir=$WORK/upper/work" overlay "$ROOT"
	mkdir -p "$ROOT/debs" "$ROOT/build"
	mount --bind "$DEBS" "$ROOT/debs"
	mount --bind "$BUILD" "$ROOT/build"
	cat >"$WORK/boot" <<-EOT
	mount --make-rprivate /
	mount -t proc proc $ROOT/proc
	mount --rbind /dev $ROOT/dev
	mount -t tmpfs -o mode=755 tmpfs $ROOT/run
	mount -t sysfs -o ro sysfs $ROOT/sys
	mount -t bpf bpf $ROOT/sys/fs/bpf
	mount -t cgroup2 cgroup2 $ROOT/sys/fs/cgroup
	cd $ROOT && mkdir -p .host && pivot_root . .host && umount -l .host
	container=other exec /lib/systemd/systemd --system --unit=basic.target --show-status=no
	EOT
	unshare --mount --pid --cgroup --uts --ipc --fork --kill-child bash "$WORK/boot" </dev/null >"$WORK/systemd.log" 2>&1 &
	wait_for "SYSTEMD=\$(pgrep -P $! systemd)" 20 && wait_for 'inside systemctl is-active basic.target' 60
}

mkdir "$DEBS"
check "packages: built" "$TOP/tools/packaging/build-debs" "$DEBS" || finish
# The maintainer's name is that of the user who runs this test.
check "packages: lintian has no error" lintian --allow-root --fail-on error \
	--suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact "$DEBS"/*.changes
newer "$DEBS"/nfvd_0*.deb 0.1.1 >/dev/null
check "packages: a Debian starts" boot || finish
# The modules of the running kernel are not installed there.
inside sh -c 'for kernel in /lib/modules/*; do depmod "${kernel##*/}"; done' 2>/dev/null
files >"$WORK/before"

check "packages: nfv-dkms is installed" inside sh -c 'dpkg -i /debs/nfv-dkms_*.deb'
check "packages: and has built the module" inside sh -c 'ls /lib/modules/*/updates/dkms/nfv.ko*'
check "packages: nfvd is installed" inside sh -c 'dpkg -i /debs/nfvd_0.1.0_amd64.deb'
check "packages: nfv-cockpit is installed" inside sh -c 'dpkg -i /debs/nfv-cockpit_*.deb'
check "packages: Cockpit has found the page" grep -q '^nfv ' <(inside cockpit-bridge --packages)
check "packages: it runs" wait_for '[ "$(property ActiveState)" = active ]' 20
check "packages: it starts at boot" inside systemctl is-enabled nfvd
check "packages: nfvctl talks to it" nfvctl version
check "packages: attach" sh -c "true" && nfvctl attach kvm a >/dev/null && nfvctl attach kvm b >/dev/null
"$BUILD/tests/bench/vugen" --a "/proc/$SYSTEMD/root/run/nfvd/a.sock" --b "/proc/$SYSTEMD/root/run/nfvd/b.sock" --size 200 --seconds 12 >"$WORK/pump.json" &
pump=$!
check "packages: two guests" wait_for '[ "$(state_of a)$(state_of b)" = upup ]' 20
nap 0.5
pid=$(property MainPID)
check "packages: nfvd is upgraded" inside sh -c 'dpkg -i /debs/nfvd_0.1.1.deb'
check "packages: upgraded: another one runs" wait_for "[ \$(property MainPID) -gt 0 -a \$(property MainPID) != $pid ] && [ \"\$(state_of a)\$(state_of b)\" = upup ]" 20
check "packages: upgraded: the guests have not noticed" wait $pump
jq -c . "$WORK/pump.json"
check "packages: upgraded: not one frame is torn" [ "$(jq .bad "$WORK/pump.json")" = 0 ]
check "packages: upgraded: what was asked for is there" [ "$(nfvctl -j show | jq '.ports | length')" = 2 ]
check "packages: nfvd is removed" inside dpkg -r nfvd
check "packages: removed: it has ended" wait_for '! inside pgrep nfvd' 10
check "packages: removed: what it kept stays" inside sh -c 'ls /var/lib/nfvd/config-*'
check "packages: purged" inside dpkg -P nfvd nfv-dkms nfv-cockpit
files >"$WORK/after"
check "packages: purged: nothing is left" diff "$WORK/before" "$WORK/after"
finish
