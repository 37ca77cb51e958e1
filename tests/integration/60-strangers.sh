#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Other users of the host against what runs as root: the state directory, a daemon of theirs, links in the place of
# results, namespaces whose process has ended.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/strangers.sh"

# --- the state directory --------------------------------------------------------------

killed()
{
	kill -KILL "$NFVD_PID"
	wait "$NFVD_PID" 2>/dev/null
	NFVD_PID=
}

state_dir()
{
	local pid

	start_nfvd
	nfvctl attach kvm vm1 >/dev/null
	check "state: modes and owners" [ "$(find "$STATE" -printf '%P %y %m %U\n' | sort)" = " d 755 0
ctl.sock s 660 0
lock f 600 0
vm1.sock s 700 0" ]
	check_fails "state: another user cannot hold the lock" stranger flock --nonblock "$STATE/lock" true
	# As nfvd once made it; somebody waits until it is free.
	chmod 644 "$STATE/lock"
	"${STRANGER[@]}" flock --no-fork "$STATE/lock" sleep 100 &
	HOLDER=$!
	check "state: somebody waits for the lock" wait_for "grep -q -- '-> .* $HOLDER ' /proc/locks" 5
	says "state: a second daemon is refused" "another nfvd (pid $NFVD_PID)" "$NFVD" --state-dir "$STATE"
	check "state: the lock is nfvd's alone again" [ "$(stat -c %a "$STATE/lock")" = 600 ]
	chmod 644 "$STATE/lock"
	killed
	check "state: he has it, nfvd being killed" wait_for "grep -q '^[0-9]*: FLOCK .* $HOLDER ' /proc/locks" 5
	start_nfvd
	check "state: nfvd starts all the same" nfvctl show
	pid=$NFVD_PID
	says "state: and is the one that has it" "another nfvd (pid $pid)" "$NFVD" --state-dir "$STATE"
	kill "$HOLDER"
	wait "$HOLDER" 2>/dev/null
	stop_nfvd

	mkdir "$WORK/s" && chmod 770 "$WORK/s"
	says "state: a folder that a group can write" "must be a directory (no link) of uid 0 that others cannot write" "$NFVD" --state-dir "$WORK/s"
	chmod 755 "$WORK/s"
	ln -s "$PRECIOUS" "$WORK/s/lock"
	says "state: a link for the lock" "cannot open '$WORK/s/lock'" "$NFVD" --state-dir "$WORK/s"
	check "state: it was not followed" untouched
	rm "$WORK/s/lock" && echo 1 >"$WORK/s/lock" && chown 65534 "$WORK/s/lock"
	says "state: a lock of somebody else's" "is not a file of uid 0" "$NFVD" --state-dir "$WORK/s"
	stranger mkdir /tmp/theirs
	says "state: a folder that another user can replace" "could be replaced by other users" "$NFVD" --state-dir /tmp/theirs/nfvd
	stranger ln -s "$WORK/s" /tmp/link
	says "state: a link that another user can replace" "must be a directory (no link)" "$NFVD" --state-dir /tmp/link
	strangers_leave
}

# Somebody else's answers are not nfvd's.
false_daemon()
{
	stranger mkdir /tmp/theirs
	python3 -c 'import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
while True:
    c, _ = s.accept()
    c.recv(65536)
    c.send(b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": {\"ports\": []}}\n")' /tmp/theirs/ctl.sock 2>>"$WORK/agent.log" &
	wait_for "[ -S /tmp/theirs/ctl.sock ]" 10
	says "control: a daemon of somebody else's is not asked" "is served by uid 65534" "$NFVCTL" --state-dir /tmp/theirs show
	kill $!
	strangers_leave
}

# --- results --------------------------------------------------------------------------

saved()
{
	stranger mkdir /tmp/theirs
	stranger ln -s "$PRECIOUS" /tmp/theirs/x.json
	stranger ln -s "$PRECIOUS" /tmp/x.json
	says "save: in a folder of somebody else's" "other users can change /tmp/theirs" "$NFVCTL" bench throughput c1 c2 time 1 save /tmp/theirs/x.json
	says "save: at a link" "cannot write /tmp/x.json" "$NFVCTL" bench throughput c1 c2 time 1 save /tmp/x.json
	check "save: no link was followed" untouched
	strangers_leave
}

# --- namespaces ------------------------------------------------------------------------

measures_c3() { nfvctl -j bench rtt c1 c3 count 1 | jq -e 'any(.. | objects; .address == "10.0.0.3")'; }
# The process that a container was attached by ends; its number is given to another, in another namespace.
pid_reused()
{
	local pid other

	ip netns add keep
	ip link add veth-c3 type veth peer name eth0 netns keep
	ip -n keep addr add 10.0.0.3/24 dev eth0
	ip -n keep link set eth0 up
	ip link set veth-c3 up
	ip netns add wrong
	device eth0 -n wrong
	ip -n wrong addr add 10.0.0.77/24 dev eth0
	ip -n wrong link set eth0 up
	nsenter --net=/run/netns/keep sleep 1000 &
	pid=$!
	wait_for "[ /proc/$pid/ns/net -ef /run/netns/keep ]" 10
	nfvctl attach veth c3 dev eth0 pid $pid >/dev/null
	check "a container attached by its process" measures_c3
	kill $pid
	wait $pid 2>/dev/null
	for _ in {1..50}; do
		echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
		nsenter --net=/run/netns/wrong sleep 1000 &
		other=$!
		[ $other != $pid ] || break
		kill $other
	done
	assert "[ $other = $pid ]" "its number is given to another process"
	wait_for "[ /proc/$pid/ns/net -ef /run/netns/wrong ]" 10
	check "its number is another's: the container is the same" measures_c3
	# The same with a name that is given anew; and nobody else can find it.
	ip netns add lent
	ip link add veth-c4 type veth peer name eth0 netns lent
	ip -n lent addr add 10.0.0.4/24 dev eth0
	ip -n lent link set eth0 up
	nfvctl attach veth c4 dev eth0 netns lent >/dev/null
	exec {LENT}</run/netns/lent
	ip netns del lent
	ip netns add lent
	device eth0 -n lent
	ip -n lent addr add 10.0.0.78/24 dev eth0
	says "a name given anew: another namespace is not entered" "cannot find the network namespace" "$NFVCTL" bench rtt c1 c4 count 1
	exec {LENT}<&-
	kill $other
}

# A path that is told may be somebody else's to fill.
no_namespace()
{
	mkfifo "$WORK/fifo"
	says "a pipe in the place of a namespace" "$WORK/fifo" "$NFVCTL" attach veth c5 dev eth0 netns "$WORK/fifo"
	check "nfvd does not wait for it" timeout 10 "$NFVCTL" show
	ip -n c1 addr flush dev eth0
	ip -n c1 link set eth0 name 'a;id$(id)'
	says "a name of a container's device is told" 'a;id$(id)' "$NFVCTL" bench rtt c1 c2
	check_fails "and is in no command to copy" grep -F 'a;id' <("$NFVCTL" bench rtt c1 c2 2>&1 | grep try:)
}

state_dir
false_daemon
start_nfvd
for i in 1 2; do
	mk_container c$i 10.0.0.$i/24
	nfvctl attach veth c$i dev veth-c$i >/dev/null
done
saved
pid_reused
no_namespace
finish
