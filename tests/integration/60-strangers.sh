#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 400
#
# Other users of the host, guests and containers against what runs as root: names and links
# in folders that all can write, the state directory, texts for the terminal, namespaces
# whose process has gone, a guest that hangs up, names of guests for the hotplug script.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

STRANGER=(setpriv --reuid 65534 --regid 65534 --clear-groups)
stranger() { "${STRANGER[@]}" "$@"; }
# In here /tmp is ours, for all to write; with the programs, should they be below it.
mkdir /run/under
mount --bind /tmp /run/under
mount -t tmpfs -o mode=1777 tmpfs /tmp
for dir in "$TOP" "$BUILD"; do
	case $dir in
	/tmp/*) mkdir -p "$dir" && mount --bind "/run/under/${dir#/tmp/}" "$dir" ;;
	esac
done
strangers_leave() { find /tmp -mindepth 1 -maxdepth 1 -user 65534 -exec rm -rf --one-file-system {} +; }
chmod 711 "$WORK"
PRECIOUS=$WORK/precious
echo precious >"$PRECIOUS"
untouched() { [ "$(cat "$PRECIOUS")" = precious ]; }

# says NAME TEXT COMMAND... - it is refused, by itself and with this text
says()
{
	local name=$1 text=$2 output status=0

	shift 2
	[ "$(type -t "$1")" = function ] || set -- timeout 100 "$@"
	output=$("$@" 2>&1) || status=$?
	if [ $status -gt 0 ] && [ $status -lt 124 ] && [[ $output = *"$text"* ]]; then
		pass "$name"
	else
		fail "$name" "$* -> status $status, wanted: $text" "$output"
	fi
}

# --- folders of bench draft ---------------------------------------------------------

# Measures nothing: there is no image.
draft() { (cd "${DIR:-$WORK}" && timeout 100 "$NFVCTL" bench draft --only unikernel.osv.kvm "$@"); }

# Each would run a program, had it got to a shell.
names_in_tmp()
{
	local name

	mkdir "$WORK/bin"
	printf '#!/bin/sh\necho "$0 $*" >>%s/owned\n' "$WORK" >"$WORK/bin/owned"
	chmod 755 "$WORK/bin/owned"
	install -o 65534 -m 755 "$WORK/bin/owned" /tmp/owned
	# shellcheck disable=SC2016 # for a shell that there shall be none of
	for name in '$(owned)' '`owned`' ';owned;' '|owned|' $'\nowned\n' "';owned;'" '$(cd ${PWD%${PWD#?}}tmp;.${PWD%${PWD#?}}owned)' abcdef; do
		stranger mkdir "/tmp/nfv-draft.$name"
	done
	for TMPDIR in '' /tmp; do
		check "draft: names in /tmp, TMPDIR=$TMPDIR" env TMPDIR="$TMPDIR" PATH="$WORK/bin:$PATH" \
			bash -c 'cd "$1" && exec timeout 100 "$2" bench draft --only unikernel.osv.kvm --out "$1/draft"' - "$WORK" "$NFVCTL"
	done
	unset TMPDIR
	check "draft: nothing of it has run" [ ! -e "$WORK/owned" ]
	check "draft: they are as they were" [ "$(find /tmp -maxdepth 1 -name 'nfv-draft.*' -printf x | wc -c)" = 8 ]
	strangers_leave
}

stale_runs()
{
	local runs=/run/nfv-draft

	# shellcheck disable=SC2016
	mkdir -p $runs/nfv-draft.abc123 $runs/nfv-draft.abc1234 $runs/nfv-draft.'$(id)' $runs/other "$WORK/elsewhere"
	ln -s "$WORK/elsewhere" $runs/nfv-draft.abc124
	mkdir $runs/nfv-draft.abc125 && chown 65534 $runs/nfv-draft.abc125
	check "draft: with remains of others" draft --out "$WORK/draft"
	check "draft: removes what a run of before has left" [ ! -e $runs/nfv-draft.abc123 ]
	check "draft: and nothing else" [ "$(find $runs -mindepth 1 | wc -l)" = 5 ]
	check "draft: behind a link neither" [ -d "$WORK/elsewhere" ]
	rm -rf $runs

	stranger mkdir $runs
	says "draft: its folder in /run was made by somebody else" "users other than root can change" draft --out "$WORK/draft"
	rmdir $runs
	stranger ln -s "$WORK/elsewhere" $runs
	says "draft: its folder in /run is a link of somebody else's" "cannot make /run/nfv-draft" draft --out "$WORK/draft"
	rm $runs
	mkdir -m 777 $runs
	says "draft: its folder in /run can be written by others" "users other than root can change" draft --out "$WORK/draft"
	rmdir $runs
	check "draft: its folder in /run is root's alone" draft --out "$WORK/draft"
	check "draft: of mode 700" [ "$(stat -c %u:%a $runs)" = 0:700 ]
}

results()
{
	stranger mkdir /tmp/theirs /tmp/theirs/nfv-draft
	for name in result.json .result.json result.json.new report.html; do
		stranger ln -s "$PRECIOUS" "/tmp/theirs/nfv-draft/$name"
	done
	DIR=/tmp/theirs says "draft: in a folder of somebody else's" "other users can change /tmp/theirs" draft
	says "draft: results in a folder of somebody else's" "other users can change /tmp/theirs" draft --out /tmp/theirs/nfv-draft
	mkdir /tmp/theirs/ours
	says "draft: results in a folder of ours in theirs" "other users can change" draft --out /tmp/theirs/ours/deep
	mv /tmp/theirs/nfv-draft /tmp/nfv-draft
	DIR=/tmp says "draft: in /tmp" "other users can change" draft
	stranger ln -s "$WORK" /tmp/link
	says "draft: results behind a link of somebody else's" "other users can change /tmp/link" draft --out /tmp/link/draft
	says "draft: at a link" "cannot use /tmp/link" draft --out /tmp/link
	mkdir -m 1777 "$WORK/sticky"
	says "draft: in a folder that all can write" "other users can change" draft --out "$WORK/sticky/draft"
	mkdir -m 775 "$WORK/group" && chgrp 65534 "$WORK/group"
	says "draft: in a folder that a group can write" "other users can change" draft --out "$WORK/group/draft"
	check "draft: nobody's links were followed" untouched
	cp "$NFVCTL" /tmp/theirs/nfvctl
	check "draft: who could replace nfvctl can be trusted with results" \
		timeout 100 /tmp/theirs/nfvctl bench draft --only unikernel.osv.kvm --out /tmp/theirs/own
	mkdir "$WORK/linked" && ln -s "$PRECIOUS" "$WORK/linked/result.json"
	says "draft: a link for the result" "result.json" draft --out "$WORK/linked"
	check "draft: it was not followed" untouched
	check "draft: a folder of ours, with / at its end" draft --out "$WORK/new/"
	check "draft: is for others to read only" [ "$(stat -c %u:%a "$WORK/new")" = 0:755 ]
	strangers_leave
}

# What was built by a stranger is not run.
cache_and_scripts()
{
	stranger mkdir -p /tmp/cache/nfv-fastpath
	XDG_CACHE_HOME=/tmp/cache says "draft: a cache of somebody else's" "other users can change /tmp/cache" draft --out "$WORK/draft"
	mkdir -p "$WORK/cache/nfv-fastpath" && chown 65534 "$WORK/cache/nfv-fastpath"
	XDG_CACHE_HOME=$WORK/cache says "draft: the folder in the cache" "other users can change" draft --out "$WORK/draft"
	unset XDG_CACHE_HOME
	HOME=$WORK/home
	mkdir -p "$HOME/.cache/nfv-fastpath" && chmod 777 "$HOME/.cache"
	says "draft: a cache that others can write" "other users can change" draft --out "$WORK/draft"
	chmod 755 "$HOME/.cache"
	check "draft: a cache of root's" draft --out "$WORK/draft"
	stranger mkdir -p /tmp/guests/draft
	NFV_GUESTS=/tmp/guests says "draft: scripts of somebody else's" "will not run the scripts in /tmp/guests/draft" draft --out "$WORK/draft"
	strangers_leave
}

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
	AGENTS+=($!)
	wait_for "[ -S /tmp/theirs/ctl.sock ]" 10
	says "control: a daemon of somebody else's is not asked" "is served by uid 65534" "$NFVCTL" --state-dir /tmp/theirs show
	kill $!
	strangers_leave
}

# --- what guests and containers say -----------------------------------------------------

# hostile_agent NAME PROGRAM - a guest's agent that answers all but its address and synchronisation with PROGRAM, in Python
hostile_agent()
{
	rm -f "$STATE/$1.agent"
	python3 - "$STATE/$1.agent" "$2" >>"$WORK/agent.log" 2>&1 <<-'EOT' &
	import socket, sys
	listener = socket.socket(socket.AF_UNIX)
	listener.bind(sys.argv[1])
	listener.listen()
	while True:
	    conn, _ = listener.accept()
	    f = conn.makefile("rwb")
	    for line in f:
	        line = line.decode().strip()
	        if line.startswith("echo nfv-sync"):
	            text = line[5:].encode() + b"\nnfv-agent-exit 0\n"
	        elif line.startswith("ip "):
	            text = b"2: eth0    inet 10.0.0.9/24 brd\nnfv-agent-exit 0\n"
	        elif line:
	            exec(sys.argv[2])
	        else:
	            continue
	        try:
	            f.write(text)
	            f.flush()
	        except OSError:
	            break
	    f = None
	    conn.close()
	EOT
	AGENTS+=($!)
	wait_for "[ -S $STATE/$1.agent ]" 10
}

# None of these bytes and characters gets through, and the text does.
STEERING=$'[\x01-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|[^\xc2-\xf4\x80-\xbf][\x80-\xbf]'
clean() { ! LC_ALL=C grep -aP "$STEERING" "$1"; }
shown()
{
	local name=$1 text=$2

	shift 2
	timeout 100 "$@" >"$WORK/shown" 2>&1
	check "$name: no text steers the terminal" clean "$WORK/shown"
	check "$name: it is shown" grep -qF "$text" "$WORK/shown"
}

# device NAME - one that is up, in the namespace of the command $2...
device()
{
	local name=$1

	shift
	ip "$@" link add "$name" type veth peer name "o${#name}-$RANDOM"
	for end in $(ip "$@" -o link | sed -n 's/^[0-9]*: \(o[0-9]*-[0-9]*\)@.*/\1/p') "$name"; do
		ip "$@" link set "$end" up
	done
}

# Ports of guests, as far as nfvctl knows: devices with an agent beside.
guests()
{
	mk_container c1 10.0.0.1/24
	mk_container c2 10.0.0.2/24
	nfvctl attach veth c1 dev veth-c1 >/dev/null
	nfvctl attach veth c2 dev veth-c2 >/dev/null
	for vm in vm vm2; do
		device "tap-$vm"
		nfvctl attach netdev $vm dev "tap-$vm" >/dev/null
	done
}

texts()
{
	hostile_agent vm2 'text = b""'
	# shellcheck disable=SC2016
	hostile_agent vm 'text = b"evil\033]0;owned\007\033[2J\302\2331m\2331m\342\200\256\177\nnfv-agent-exit 1\n"'
	shown "bench rtt" evil "$NFVCTL" bench rtt vm c1
	shown "bench throughput" evil "$NFVCTL" bench throughput vm vm2 time 1
	shown "bench throughput, as JSON" evil "$NFVCTL" -j bench throughput vm vm2 time 1
	shown "bench matrix" evil "$NFVCTL" bench matrix time 1
	shown "bench matrix, as JSON" evil "$NFVCTL" -j bench matrix time 1
	# shellcheck disable=SC2016
	hostile_agent vm 'text = b"{\"error\": {\"message\": \"evil\\u001b]0;owned\\u0007\\u009b1m\"}}\nnfv-agent-exit 0\n"'
	shown "bench rtt, an error in JSON" evil "$NFVCTL" bench rtt vm c1
	hostile_agent vm 'text = b"{\"address\": \"evil\", \"rtt_us\": {\"min\": \"evil\\u001b[2J\\u009b1m\", \"p50\": [\"\\u007f\", {}]}}\nnfv-agent-exit 0\n"'
	shown "bench rtt, a result" evil "$NFVCTL" bench rtt vm c1
	shown "bench rtt, a result as JSON" evil "$NFVCTL" -j bench rtt vm c1
}

devices()
{
	local name=$'evil\e[31m' c1=$'evil\xc2\x9b1m' byte=$'evil\x9b1m' view

	device "$name"
	ip link set "$name" mtu 1400	# for doctor to speak of
	nfvctl attach netdev p1 dev "$name" >"$WORK/shown" 2>&1
	ip link set "$name" name "$c1"
	check "a device is renamed" wait_for "nfvctl events | grep 'p1.*is now called'" 10
	ip link set "$c1" name "$byte"
	check "and again, to what is not UTF-8" wait_for "[ \$(nfvctl events | grep -c 'p1.*is now called') = 2 ]" 10
	check "it still has a name" grep -q evil <(nfvctl -j show p1 | jq '.ports[].dev')
	for view in show "show p1" events doctor "-j show" "-j events" "-j doctor" "attach netdev p2 dev evil$(printf '\e[2J')" \
		"detach evil$(printf '\e[2J')" "evil$(printf '\e[2J')"; do
		# shellcheck disable=SC2086 # words
		shown "nfvctl ${view%%$'\e'*}" evil "$NFVCTL" $view
	done
	check "nfvd's log: no text steers the terminal" clean "$NFVD_LOG"
	nfvctl detach p1 >/dev/null
}

hangs_up()
{
	local status=0

	hostile_agent vm 'conn.shutdown(socket.SHUT_RDWR); text = b""'
	says "a guest hangs up: bench rtt says so" "closed the connection" "$NFVCTL" bench rtt vm c1
	# Before the next command is written, which was a SIGPIPE.
	rm "$STATE/vm.agent"
	python3 - "$STATE/vm.agent" <<-'EOT' &
	import socket, sys
	listener = socket.socket(socket.AF_UNIX)
	listener.bind(sys.argv[1])
	listener.listen()
	while True:
	    listener.accept()[0].close()
	EOT
	AGENTS+=($!)
	wait_for "[ -S $STATE/vm.agent ]" 10
	for _ in 1 2 3; do
		says "a guest hangs up at once" "closed the connection" "$NFVCTL" bench rtt vm c1
	done
	"$NFVCTL" bench matrix time 1 save "$WORK/matrix.json" >"$WORK/output" 2>&1 || status=$?
	check "a guest hangs up: bench matrix says so" [ $status = 1 ]
	check "a guest hangs up: the other pairs are saved" python3 -c '
import json, sys
pairs = {(p["a"], p["b"]): p for p in json.load(open(sys.argv[1]))["pairs"]}
sys.exit(len(pairs) != 6 or "gbps_ab" not in pairs["c1", "c2"] or "closed the connection" not in pairs["c1", "vm"]["error"])' "$WORK/matrix.json"
	check "a reader that has read enough is no error to tell" [ -z "$("$NFVCTL" drops all 2>&1 >/dev/full | grep -v 'No space')" ]
}

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

# --- namespaces ---------------------------------------------------------------------------

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

# --- names --------------------------------------------------------------------------------

# The hotplug script with xenstore's tools in place of Xen's: each has the words that it was given in a file.
hotplug()
{
	local bin=$WORK/xen name path

	mkdir "$bin"
	cat >"$bin/xenstore-read" <<-'EOT'
	#!/bin/sh
	cat "$NAME_FILE"
	EOT
	cat >"$bin/xenstore-write" <<-'EOT'
	#!/bin/sh
	printf '<%s>' "$@" >>"$WRITTEN"
	EOT
	cat >"$bin/nfvctl" <<-'EOT'
	#!/bin/sh
	printf '<%s>' "$@" >"$CALLED"
	[ "$FAILS" = no ] || { printf '%s\n' "$FAILS" >&2; exit 1; }
	echo "$3: xen attached in 1.0 ms"
	EOT
	chmod +x "$bin"/*
	export NAME_FILE=$WORK/name CALLED=$WORK/called WRITTEN=$WORK/written FAILS=no
	plug() { : >"$WRITTEN"; PATH=$bin:$PATH XENBUS_PATH=${1-backend/vif/7/0} bash "$TOP/tools/xen/vif-nfv" online; }
	# shellcheck disable=SC2016
	for name in '-j' '--state-dir' 'help' '-h' '$(touch owned)' '`touch owned`' 'a b;touch owned' $'a\nb' '' '..' '*' "a'b" $'\e[2J'; do
		printf '%s' "$name" >"$NAME_FILE"
		plug >/dev/null 2>&1
		check "vif-nfv: a guest called $(printf %q "$name")" grep -qxE '<attach><xen><[A-Za-z0-9_][A-Za-z0-9_.-]*><domid><7><devid><0><temporary><yes>' "$CALLED"
		check "vif-nfv: it is no command" grep -qvE '<xen><(help|-.*)>' "$CALLED"
		check "vif-nfv: and is connected" grep -qx '<backend/vif/7/0/hotplug-status><connected>' "$WRITTEN"
	done
	check "vif-nfv: nothing of it has run" [ -z "$(find . "$WORK" -maxdepth 1 -name owned)" ]
	local names=() all
	for name in vm vm--incoming vm.12345 vm-emu all _all 'a b' a_b 'a;b' 0f8fad5b-d9cb-469f-a165-70867728950e 0f8fad5b-d9cb-469f-a165-70867728950f; do
		printf '%s' "$name" >"$NAME_FILE"
		for path in backend/vif/7/0 backend/vif/7/12345; do
			plug $path >/dev/null 2>&1
			names+=("$(sed 's/<attach><xen><\([^>]*\)>.*/\1/' "$CALLED")")
		done
	done
	all=$(printf '%s\n' "${names[@]}" | sort -u)
	check "vif-nfv: guests are told apart, but for one that migrates" [ "$(wc -l <<<"$all")" = 20 ]
	check "vif-nfv: a name that a port can have is left" grep -qx vm <<<"$all"
	check "vif-nfv: no guest's name is that of another's device" [ -z "$(grep -xE 'vm-emu|vm\.12345-.*|all' <<<"$all" | grep -vE '^vm\.12345-[0-9a-f]{8}(\.12345)?$')" ]
	check "vif-nfv: and no name is too long" [ -z "$(grep -vxE '[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}' <<<"$all")" ]
	echo vm >"$NAME_FILE"
	FAILS=$'-s evil\e]0;owned\a' plug >/dev/null 2>&1
	check "vif-nfv: what nfvctl says of a failure is one value" grep -qF "<backend/vif/7/0/hotplug-status><error>" "$WRITTEN"
	check "vif-nfv: and no option" grep -qvF '<-s' "$WRITTEN"
	for path in '' /vif 'backend/vif/7/$(touch owned)' backend/vif/x/0 backend/vif/7/-1; do
		: >"$CALLED"
		plug "$path" >/dev/null 2>&1
		check "vif-nfv: a path '$path' is no guest's" [ ! -s "$CALLED" ]
	done
}

AGENTS=()
names_in_tmp
stale_runs
results
cache_and_scripts
state_dir
false_daemon
start_nfvd
guests
texts
devices
hangs_up
saved
pid_reused
no_namespace
hotplug
kill "${AGENTS[@]}" 2>/dev/null
finish
