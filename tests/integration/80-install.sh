#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# make install writes only where it is told, each time; the installed programs work; make uninstall leaves nothing.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

unset MAKEFLAGS MAKELEVEL MFLAGS DESTDIR prefix sysconfdir
make_() { make -C "$TOP" --no-print-directory BUILD="$BUILD" "$@"; }
files() { find "$1" ! -type d | sort; }
built() { find "$BUILD/ctl" "$BUILD/dataplane" "$BUILD/build.ninja" -type f -newer "$WORK/mark"; }

# Make everything read-only except $WORK and the build's folder.
mount --bind "$BUILD" "$BUILD"
for dir in /usr /etc "$TOP"; do
	[ "$(stat -c %m "$dir")" = "$dir" ] || mount --bind "$dir" "$dir"
	mount -o remount,bind,ro "$dir" || { skip "install" "a folder that can be made read-only"; finish; }
done
mount --bind "$BUILD" "$BUILD"
mount -o remount,bind,rw "$BUILD"

# installed NAME ROOT SCRIPTS VARIABLE... - make install with these variables puts files under ROOT, the script in SCRIPTS
installed()
{
	local name=$1 root=$2 scripts=$3

	shift 3
	touch "$WORK/mark"
	check "$name: make install" make_ install "$@" || return
	check "$name: nothing was built for it" [ -z "$(built)" ]
	check "$name: the programs" [ -x "$root/sbin/nfvd" -a -x "$root/sbin/nfvctl" -a -x "$root/sbin/fdkeep" ]
	check "$name: the guests for bench draft" [ -x "$root/share/nfv-fastpath/guests/guest" ]
	check "$name: the page" [ -f "$root/share/cockpit/nfv/manifest.json" -a -f "$root/share/cockpit/nfv/main.js" ]
	check "$name: Xen's script" [ -x "$scripts/vif-nfv" ]
	check "$name: nothing is elsewhere" \
		[ -z "$(files "$WORK/root" | grep -vE "^($root/sbin/(nfvd|nfvctl|fdkeep)|$root/share/nfv-fastpath/(guests/.*|nfv-alerts.yml)|$root/share/man/man8/nfvctl.8|$root/share/bash-completion/completions/nfvctl|$root/share/cockpit/nfv/[a-z]*\.(js|css|html|json)|$root/lib/systemd/system/nfvd(-export)?.service|$scripts/vif-nfv)$")" ]
	check "$name: nfvctl runs" grep -q "nfvctl 0" <("$root/sbin/nfvctl" version)
	check "$name: make uninstall" make_ uninstall "$@"
	check "$name: no file is left" [ -z "$(files "$WORK/root")" ]
}

mkdir "$WORK/root"
root=$WORK/root
installed "prefix" "$root/a" "$root/a/etc/xen/scripts" prefix="$root/a"
installed "another prefix" "$root/b" "$root/b/etc/xen/scripts" prefix="$root/b"
installed "sysconfdir" "$root/c" "$root/d/xen/scripts" prefix="$root/c" sysconfdir="$root/d"
installed "DESTDIR" "$root/usr/local" "$root/etc/xen/scripts" DESTDIR="$root"
installed "DESTDIR and prefix" "$root/usr" "$root/etc/xen/scripts" DESTDIR="$root" prefix=/usr
installed "DESTDIR, prefix and sysconfdir" "$root/opt/n" "$root/x/xen/scripts" DESTDIR="$root" prefix=/opt/n sysconfdir=/x

# The installed programs run.
make_ install prefix="$root/a" >/dev/null
NFVD=$root/a/sbin/nfvd NFVCTL=$root/a/sbin/nfvctl
start_nfvd
unit=$root/a/lib/systemd/system/nfvd.service
check "installed: systemd understands the units" [ -z "$(systemd-analyze verify --man=no "$unit" "${unit%.service}-export.service" 2>&1)" ]
# systemd is not PID 1 here, so do what it would do: make the folders, run the command, wait for READY=1.
service()
{
	local started told=$WORK/told

	mkdir -p /var/lib
	mount -t tmpfs tmpfs /var/lib
	socat -u "UNIX-RECV:$WORK/notify" "CREATE:$told" &
	wait_for "[ -S $WORK/notify ]" 5
	read -ra started < <(sed -n 's/^ExecStart=//p' "$unit")
	NOTIFY_SOCKET=$WORK/notify "${started[@]}" --state-dir "$WORK/service" >>"$NFVD_LOG" 2>&1 &
	started=$!
	wait_for "grep -q READY=1 $told" 10 && "$NFVCTL" --state-dir "$WORK/service" attach kvm kept && [ -e /var/lib/nfvd/config-0000000001.json ]
	told=$?
	kill "$started"
	wait "$started" && return $told
}
check "installed: its command keeps what is attached, and says when it is ready" service
check "installed: a port is attached" nfvctl attach kvm vm1
check "installed: and detached" nfvctl detach vm1
check "installed: a manual page" grep -q "^\.TH NFVCTL 8" "$root/a/share/man/man8/nfvctl.8"
# completed WORD... - print bash's completions of the last word
completed()
{
	. "$root/a/share/bash-completion/completions/nfvctl"
	COMP_WORDS=(nfvctl "$@") COMP_CWORD=$#
	_nfvctl "$NFVCTL" "${!#}"
	echo "${COMPREPLY[@]}"
}
check "installed: completion of a command" [ "$(completed att)" = attach ]
check "installed: completion of a parameter" [ "$(completed attach kvm vm1 queues 2 ow)" = owner ]
check "installed: completion of a value" [ "$(completed attach kvm vm1 mode "")" = "server client" ]
check "installed: the script finds nfvctl" grep -q "^PATH=.*:$root/a/sbin$" "$root/a/etc/xen/scripts/vif-nfv"
make_ uninstall prefix="$root/a"
finish
