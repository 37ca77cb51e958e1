#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Which of root's privileges nfvd, its gates and fdkeep keep, as the kernel reports them.
. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

# NET_ADMIN NET_RAW BPF PERFMON SYS_ADMIN SYS_PTRACE DAC_OVERRIDE CHOWN FOWNER
KEPT=c00028300b
NONE=0000000000000000
own=$(awk '$1 == "CapEff:" { print $2 }' /proc/$$/status)
masked() { printf '%016x' $((0x$1 & 0x$own)); }	# a container's root may have less
KEPT=$(masked $KEPT)

status_of() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }
is() { [ "$(status_of "$1" "$2")" = "$3" ] || { grep -E '^(Cap|NoNew|Seccomp)' "/proc/$1/status"; return 1; }; }
children() { local list; list=$(cat "/proc/$1/task/"*/children 2>/dev/null); echo "${list% }"; }

start_nfvd
spawner=$(children $NFVD_PID)
for set in CapPrm CapEff CapBnd; do
	check "privileges: nfvd's $set" is $NFVD_PID $set $KEPT
done
check "privileges: nfvd gains none" is $NFVD_PID NoNewPrivs 1
check "privileges: nfvd has a filter" is $NFVD_PID Seccomp 2
for task in "/proc/$NFVD_PID/task/"*; do
	check "privileges: and so has its thread $(cat "$task/comm")" grep -q '^Seccomp:.2' "$task/status"
done
nfvctl attach kvm a >/dev/null
socat -T 5 - "UNIX:$STATE/a.sock" < <(exec sleep 4) >/dev/null &
client=$!
check "privileges: a peer has its gate" wait_for "gate=\$(children $spawner) && [ -n \"\$gate\" ]" 5
# shellcheck disable=SC2154 # wait_for sets it
for who in $spawner $gate; do
	check "privileges: a gate has no capability" is "$who" CapPrm $NONE
	check "privileges: in no set" is "$who" CapEff $NONE
	check "privileges: it gains none" is "$who" NoNewPrivs 1
	check "privileges: it has a filter" is "$who" Seccomp 2
done
check "privileges: a gate's filter is its own" [ "$(status_of "$gate" Seccomp_filters)" = $(($(status_of "$spawner" Seccomp_filters) + 1)) ]
kill $client
wait $client 2>/dev/null

# They still do what these privileges are for.
mk_container c1 10.0.0.1/24
check "privileges: a container, by the name of its namespace" nfvctl attach veth c1 dev eth0 netns c1
nfvctl detach c1 >/dev/null
in_ns c1 sleep 1000 &
wait_for '[ -n "$(ip netns pids c1)" ]' 20
holder=$(ip netns pids c1)
check "privileges: a container, by a process of another user" nfvctl attach veth c1 dev eth0 pid $holder
check "privileges: its shortcut" [ "$(nfvctl -j show c1 | jq '.ports[0].shortcut')" = true ]
check "privileges: a socket for another user" nfvctl attach kvm b owner nobody group nogroup permissions 0660
check "privileges: is his" [ "$(stat -c %U:%G:%a $STATE/b.sock)" = nobody:nogroup:660 ]
check "privileges: it goes with its port" nfvctl detach b
mkdir -m 700 "$WORK/theirs"
chown nobody "$WORK/theirs"
setpriv --reuid 65534 --regid 65534 --clear-groups socat "UNIX-LISTEN:$WORK/theirs/q.sock,mode=700" - < <(exec sleep 100) >/dev/null &
qemu=$!
wait_for "[ -S $WORK/theirs/q.sock ]" 5
check "privileges: a socket that another user listens on" nfvctl attach kvm q socket "$WORK/theirs/q.sock" mode client
check "privileges: it connects" wait_for 'nfvctl -j show q | jq -e ".ports[0].connected"' 5
kill $qemu $holder
wait $qemu 2>/dev/null
check "privileges: nothing was refused" [ "$(grep -c 'system call .* refused' "$NFVD_LOG")" = 0 ]
stop_nfvd

"$BUILD/dataplane/fdkeep" "$NFVD" --state-dir "$STATE" 2>"$WORK/keeper.log" &
keeper=$!
wait_for "nfvctl show" 20
check "privileges: fdkeep gains none" is $keeper NoNewPrivs 1
# fdkeep also needs SETPCAP and SYS_RESOURCE.
check "privileges: fdkeep has what nfvd needs to start" is $keeper CapEff "$(masked c00128310b)"
check "privileges: and nfvd has no more than alone" is "$(children $keeper)" CapBnd $KEPT
kill -TERM $keeper
wait $keeper
finish
