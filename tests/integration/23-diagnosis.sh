#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Messages about guests that cannot connect, or seem not to work; and none about those that work.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/driven.sh"

# doctor_says PATTERN, doctor_is_silent PATTERN: one finding's text or command has it; none has.
doctor_says() { nfvctl -j doctor | jq -e --arg says "$1" 'any(.findings[]; [.check, .text, .fix] | join(" ") | test($says))'; }
doctor_is_silent() { nfvctl -j doctor | jq -e --arg says "$1" 'all(.findings[]; [.check, .text, .fix] | join(" ") | test($says) | not)'; }

# --- an interface that comes up late -----------------------------------------------

late_interface()
{
	driven_start vm1
	check "late: it is told that there are no receive buffers" wait_for "nfvctl events | grep -q 'vm1.*no receive buffers'" 10
	check "late: doctor names both causes" doctor_says 'interface is not up, or guest memory is not shared'
	check "late: and does not call it bad" nfvctl doctor
	check "late: 256 are posted" eval 'driven post 256 && [ "$REPLY" = "posted 256" ]'
	check "late: with the first buffers that is withdrawn" wait_for "doctor_is_silent 'guest memory'" 5
	check "late: show, too" [ "$(member vm1 mem_unshared)" = false ]
	# The index is 0 again.
	check "late: and 65536 in all" eval 'driven post 65536 && [ "$REPLY" = "posted 65536" ]'
	nap 3
	check "late: and for good, when the ring's index wraps" doctor_is_silent 'guest memory'
	driven_end
	nfvctl detach vm1 >/dev/null
}

# --- both ends listen ----------------------------------------------------------------

both_listen()
{
	nfvctl attach kvm vm2 >/dev/null
	check "both listen: all is well before that" doctor_is_silent vm2
	# What QEMU does with server=on.
	/usr/bin/python3 -c '
import os, socket, sys
os.unlink(sys.argv[1])
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); sys.stdin.read()' "$STATE/vm2.sock" < <(sleep 1000) &
	other=$!
	check "both listen: doctor says so" wait_for "doctor_says 'vm2.*server=on'" 5
	check "both listen: and the command that helps" doctor_says 'vm2.*mode client'
	nfvctl detach vm2 >/dev/null
	check "both listen: detach leaves the other's socket" [ -S "$STATE/vm2.sock" ]
	check "both listen: which can be attached to, mode client" nfvctl attach kvm vm2 mode client
	nfvctl detach vm2 >/dev/null
	kill $other
	rm "$STATE/vm2.sock"
	nfvctl attach kvm vm2 >/dev/null
	rm "$STATE/vm2.sock"
	check "removed: doctor says so" doctor_says 'vm2.*socket was removed'
	nfvctl detach vm2 >/dev/null
}

# --- more queues than there are ---------------------------------------------------------

qemu_with_queues()
{
	qemu-system-x86_64 -M q35 -accel tcg -m 64 -nodefaults -display none -S \
		-object memory-backend-memfd,id=mem,size=64M,share=on -machine memory-backend=mem \
		-chardev socket,id=net,path=$STATE/vm3.sock,reconnect=1 -netdev "vhost-user,id=net,chardev=net,queues=$1" \
		-device virtio-net-pci,netdev=net,mq=on,vectors=0,romfile= >"$WORK/qemu.log" 2>&1 </dev/null &
	qemu=$!
}

more_queues()
{
	nfvctl attach kvm vm3 >/dev/null
	qemu_with_queues 4
	check "more queues: doctor says what the peer wants" wait_for "doctor_says 'vm3.*it wants more'" 15
	check "more queues: and the command that helps" doctor_says 'attach kvm vm3 queues N'
	kill $qemu
	wait $qemu 2>/dev/null
	nfvctl detach vm3 >/dev/null
	nfvctl attach kvm vm3 queues 4 >/dev/null
	qemu_with_queues 4
	check "queues enough: it stays" wait_for '[ "$(member vm3 connected)" = true ]' 15
	check "queues enough: doctor has nothing to say" doctor_is_silent 'vm3'
	kill $qemu
	wait $qemu 2>/dev/null
	nfvctl detach vm3 >/dev/null
}

# --- a QEMU that is not root's ------------------------------------------------------------

# may UID GID SOCKET
may() { setpriv --reuid "$1" --regid "$2" --clear-groups /usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$3"; }
state() { stat -c '%u %g %a' "$1"; }

permissions()
{
	nfvctl attach kvm plain >/dev/null
	nfvctl attach kvm owned owner nobody group 4242 >/dev/null
	nfvctl attach kvm grouped group 4242 permissions 0660 >/dev/null
	check_fails "socket: nobody may not connect" may 65534 65534 "$STATE/plain.sock"
	check "socket: its owner may" may 65534 65534 "$STATE/owned.sock"
	check "socket: so may its group" may 1 4242 "$STATE/owned.sock"
	check "socket: by permissions, too" may 1 4242 "$STATE/grouped.sock"
	check_fails "socket: others may not" may 1 1 "$STATE/grouped.sock"
	check "socket: as it was asked for" [ "$(state "$STATE/grouped.sock")" = "0 4242 660" ]
	check_fails "socket: no such user" nfvctl attach kvm other owner no-such-user
	check_fails "socket: no such permissions" nfvctl attach kvm other permissions 0999
	check "socket: nothing is left of those" [ ! -e "$STATE/other.sock" ]
	# nfvd is killed and leaves its socket, which belongs to another user.
	kill -KILL $NFVD_PID
	wait $NFVD_PID 2>/dev/null
	start_nfvd
	check_fails "socket: what another user left is not taken" nfvctl attach kvm owned
	check "socket: but by that user's name" nfvctl attach kvm owned owner nobody group 4242
}

# --- no descriptors left ------------------------------------------------------------------

few_descriptors()
{
	local n=0 out

	stop_nfvd
	(ulimit -n 80; exec "$NFVD" --state-dir $STATE >>"$NFVD_LOG" 2>&1) &
	NFVD_PID=$!
	wait_for "nfvctl show" 20
	mk_container c1 10.0.0.1/24
	nfvctl attach veth c1 dev veth-c1 >/dev/null
	while [ $n -lt 40 ] && out=$(nfvctl attach kvm "k$n" 2>&1); do
		n=$((n + 1))
	done
	check "descriptors: attach says that they are gone" grep -q 'Too many open files' <<<"$out"
	check "descriptors: and what helps" grep -q 'try:.*LimitNOFILE' <<<"$out"
	check "descriptors: nothing is left of it" [ ! -e "$STATE/k$n.sock" ]
	check "descriptors: show works" nfvctl show c1
	check "descriptors: counters, too" nfvctl stats c1
	# Freed descriptors may first go to the container's links, and to the ring that is made in advance.
	for out in 0 1 2; do nfvctl detach "k$out" >/dev/null; done
	# The port's thread closes them a little later.
	check "descriptors: with three ports less it works again" wait_for "nfvctl attach kvm again" 10
	check "descriptors: nobody complains in the log" [ -z "$(grep libbpf "$NFVD_LOG")" ]
}

start_nfvd
late_interface
both_listen
if command -v qemu-system-x86_64 >/dev/null; then
	more_queues
else
	skip "more queues" "qemu-system-x86_64"
fi
permissions
few_descriptors
finish
