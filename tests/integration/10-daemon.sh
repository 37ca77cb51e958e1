#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nfvd's life: who may start it, how it ends, what it leaves behind, what it costs when idle.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

running() { nfvctl -j version | jq -e .nfvd; }
state_of() { member "$1" state; }
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$NFVD_PID/stat"; }
ingress_programs() { tc filter show dev "$1" ingress | grep -c 'direct-action'; }
switched() { nfvctl -j stats | jq '[.ports[].rx_frames] | add // 0'; }

# refused NAME WORDS COMMAND...: the command exits with status 1 and prints one line that contains these words.
refused()
{
	local name=$1 words=$2 status=0

	shift 2
	timeout 20 "$@" >"$WORK/out" 2>&1 || status=$?
	if [ $status != 1 ]; then
		fail "$name" "exit status $status" "$(cat "$WORK/out")"
	elif ! grep -q "$words" "$WORK/out"; then
		fail "$name" "it says: $(cat "$WORK/out")"
	else
		pass "$name"
	fi
}

# --- starting -------------------------------------------------------------------

state_dirs()
{
	local dir

	mkdir "$WORK/open" "$WORK/plain"
	chmod 777 "$WORK/open"
	ln -s plain "$WORK/link"
	echo precious >"$WORK/file"
	for dir in open link file; do
		refused "daemon: state directory: $dir" "state directory '$WORK/$dir' must be a directory" \
			"$NFVD" --state-dir "$WORK/$dir"
	done
	refused "daemon: state directory that cannot be made" "cannot make state directory '$WORK/no/such'" \
		"$NFVD" --state-dir "$WORK/no/such"
	dir=$WORK/$(printf 'd%.0s' {1..110})
	refused "daemon: state directory too long for a socket in it" "$dir" "$NFVD" --state-dir "$dir"
	check "daemon: none of it leaves a file" \
		[ -z "$(find "$WORK/open" "$WORK/plain" -mindepth 1)" ]
	check "daemon: or touches one" grep -q precious "$WORK/file"
}

second_daemon()
{
	refused "daemon: a second one on one state directory says whose it is" \
		"another nfvd (pid $NFVD_PID) uses the state directory '$STATE'" "$NFVD" --state-dir "$STATE"
	check "daemon: the first goes on" running
}

# --- socket paths ---------------------------------------------------------------

in_the_way()
{
	local path=$WORK/taken.sock listener long

	refused "attach: a directory as socket" "$WORK/plain" "$NFVCTL" attach kvm p socket "$WORK/plain"
	echo precious >"$path"
	refused "attach: a file as socket" "$path" "$NFVCTL" attach kvm p socket "$path"
	check "attach: the file is left alone" grep -q precious "$path"
	rm "$path"
	ln -s "$WORK/file" "$path"
	refused "attach: a symbolic link as socket" "$path" "$NFVCTL" attach kvm p socket "$path"
	check "attach: the link is left alone" [ -L "$path" ]
	rm "$path"

	socat "UNIX-LISTEN:$path,fork" EXEC:cat &
	listener=$!
	assert 'wait_for "[ -S $path ]" 10' "socat listens"
	refused "attach: another's listening socket" "$path" "$NFVCTL" attach kvm p socket "$path"
	check "attach: it goes on listening" \
		sh -c "[ \"\$(echo hello | timeout 10 socat -t 5 - UNIX-CONNECT:$path)\" = hello ]"
	kill -KILL $listener
	wait $listener 2>/dev/null
	check "attach: a stale socket is replaced" nfvctl attach kvm p socket "$path"
	check "attach: now it is ours" [ "$(state_of p)" = waiting ]
	check "attach: detached" nfvctl detach p
	check "attach: the socket goes with the port" [ ! -e "$path" ]

	long=$WORK/$(printf 's%.0s' {1..107})
	long=${long:0:108}
	refused "attach: a socket path of 108 bytes" "at most 107 bytes" "$NFVCTL" attach kvm p socket "$long"
	long=${long:0:107}
	check "attach: one of 107 bytes" nfvctl attach kvm p socket "$long"
	check "attach: it has its whole name" [ -S "$long" ]
	nfvctl detach p >/dev/null
	check "attach: and is removed" [ ! -e "$long" ]
}

# --- idle -----------------------------------------------------------------------

# Ports: two guests and two containers.
populate()
{
	local i

	for i in 1 2; do
		mk_container c$i 10.0.0.$i/24
		nfvctl attach veth c$i dev veth-c$i >/dev/null || return 1
	done
	for i in 3 4; do
		guest_start uml vm$i 10.0.0.$i/24 --mem 128 || return 1
	done
}

ping1() { in_ns c1 ping -q -c 1 -W 10 "$1"; }

# While idle, nfvd does not poll; and the first frame after that is not lost.
idle()
{
	local ticks before i lost=0

	# Wait until the kernels have finished announcing the new interfaces.
	before=-1
	for ((i = 0; i < 20; i++)); do
		[ "$(switched)" != "$before" ] || break
		before=$(switched)
		sleep 1
	done
	ticks=$(cpu_ticks)
	sleep 5		# the time over which CPU use is measured
	ticks=$(($(cpu_ticks) - ticks))
	check "idle: four ports use less than 1 % of a core ($ticks ticks in 5 s)" [ "$ticks" -lt 5 ]
	for i in 4 2 3 4 2; do
		ping1 10.0.0.$i >/dev/null || lost=$((lost + 1))
		sleep 0.7	# idle again
	done
	check "idle: the first ping after it is answered, 5 times" [ $lost = 0 ]
}

# --- ending ---------------------------------------------------------------------

left_behind() { find "$STATE" -mindepth 1 ! -name '*.agent' ! -name '*.agent.uml' ! -path '*.agent.uml/*'; }

killed()
{
	kill -KILL "$NFVD_PID"
	wait "$NFVD_PID" 2>/dev/null
	check "killed: its sockets are still there" [ -S $STATE/ctl.sock -a -S $STATE/vm3.sock ]
	start_nfvd
	check "killed: a new one starts" running
	guest_kill vm3
	guest_kill vm4
	check "killed: a guest can be attached again" guest_start uml vm3 10.0.0.3/24 --mem 128
	check "killed: a port can be attached where its socket was left" nfvctl attach kvm vm4
	check "killed: a container can be attached again" nfvctl attach veth c1 dev veth-c1
	check "killed: its programs are not there twice" [ "$(ingress_programs veth-c1)" -le 1 ]
	check "killed: they reach each other" wait_for "ping1 10.0.0.3" 20
	nfvctl attach veth c2 dev veth-c2 >/dev/null
	check "killed: two containers, too" wait_for "ping1 10.0.0.2" 20
	nfvctl shortcut off >/dev/null
	before=$(switched)
	check "killed: and with the shortcut off" ping1 10.0.0.2
	check "killed: through user space" wait_for "[ \$(switched) -gt $before ]" 5
	nfvctl shortcut on >/dev/null
}

terminated()
{
	local start status=0

	start=$(now_ms)
	stop_nfvd || status=$?
	start=$(($(now_ms) - start))
	check "SIGTERM: status 0" [ $status = 0 ]
	check "SIGTERM: within 5 s, with ports and a guest ($start ms)" [ $start -lt 5000 ]
	check "SIGTERM: no file is left" [ -z "$(left_behind)" ]
	check "SIGTERM: no program is left on a container's veth" [ "$(ingress_programs veth-c1)" = 0 ]
	guest_kill vm3
}

# A guest may start together with its port: a new socket must respond at once. Take the best of three.
answers_at_once()
{
	local start took best=9999 i

	# Take the best of several, because other work of the machine slows each of them.
	for ((i = 0; i < 20 && best >= 300; i++)); do
		nfvctl attach kvm new$i >/dev/null
		start=$(now_ms)
		# VHOST_USER_GET_FEATURES: a request of 12 bytes, a response of 20
		took=$(printf '\1\0\0\0\1\0\0\0\0\0\0\0' | timeout 5 socat -t 5 - "UNIX-CONNECT:$STATE/new$i.sock" |
			head -c 20 | { [ "$(wc -c)" = 20 ] && echo $(($(now_ms) - start)); })
		nfvctl detach new$i >/dev/null
		[ "${took:-9999}" -ge $best ] || best=$took
	done
	check "kvm: a new socket answers at once ($best ms)" [ "$best" -lt 300 ]
}

notified()
{
	local listener

	socat -u "UNIX-RECV:$WORK/notify" - >"$WORK/notified" &
	listener=$!
	assert 'wait_for "[ -S $WORK/notify ]" 10' "socat listens"
	export NOTIFY_SOCKET=$WORK/notify
	start_nfvd
	unset NOTIFY_SOCKET
	check "systemd: READY=1" wait_for "grep -q READY=1 $WORK/notified" 5
	stop_nfvd
	check "systemd: STOPPING=1" wait_for "grep -q STOPPING=1 $WORK/notified" 5
	kill $listener
	wait $listener 2>/dev/null
}

# A worker has its processor for itself, as far as nfvd goes: threads, and the processes that check what peers say.
own_cpu()
{
	local pid file workers=0 others=0

	[ "$(nproc)" -gt 1 ] || { skip "cpus: the worker's own" "a second processor"; return; }
	start_nfvd --workers 1 --cpus 1
	nfvctl attach kvm pinned >/dev/null
	for pid in $NFVD_PID $(pgrep -P $NFVD_PID); do
		for file in /proc/"$pid"/task/*/status; do
			if [ "$(awk '$1 == "Name:" { print $2 }' "$file")" = nfvd-worker ]; then
				workers+=$(awk '$1 == "Cpus_allowed_list:" { print $2 }' "$file")
			elif awk '$1 == "Cpus_allowed_list:" { print $2 }' "$file" | tr ',' '\n' | awk -F- '$1 <= 1 && 1 <= $NF { exit 1 }'; then
				others+=0
			else
				others+=1
			fi
		done
	done
	check "cpus: the worker's is that, and nobody's else: $workers $others" [ "$workers ${others//0}" = "01 " ]
	stop_nfvd
}

state_dirs
notified
own_cpu
start_nfvd
answers_at_once
second_daemon
in_the_way
check "idle: two guests and two containers" populate
idle
killed
terminated
finish
