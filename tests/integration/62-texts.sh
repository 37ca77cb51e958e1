#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 400
#
# What guests and containers say: texts for the terminal, names of devices, an agent that hangs up.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/strangers.sh"

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

AGENTS=()
start_nfvd
guests
texts
devices
hangs_up
kill "${AGENTS[@]}" 2>/dev/null
finish
