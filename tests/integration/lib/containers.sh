# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# For scripts about containers and their devices.

FRAME=$BUILD/tests/integration/frame

events() { nfvctl events; }
mac() { ip -n "$1" -o link show dev "${2:-eth0}" | sed -n 's,.*link/ether \([0-9a-f:]*\).*,\1,p'; }
address() { echo "10.0.0.${1#c}"; }
reach() { in_ns "$1" ping -q -c 1 -W 10 "$(address "$2")"; }
is_gone() { ! nfvctl show "$1" >/dev/null 2>&1; }
# listen NAME - an iperf3 server for one client
listen() { ip netns exec "$1" iperf3 -s -1 >"$WORK/server.log" 2>&1 & }
listening() { wait_for "in_ns $1 ss -Hltn sport = 5201 | grep -q 5201" 5; }
# Wait until the learnt addresses are in the shortcut's map, and frames use the shortcut.
sleep_for_sync() { wait_for "in_ns c1 ping -q -c 1 -W 1 10.0.0.3; [ \$(pair c1 c3 shortcut_frames) -gt 0 ]" 5; }

# refused NAME WORDS ARGUMENT...: nfvctl attach fails with a message that contains these words, and leaves no port.
refused()
{
	local name=$1 words=$2 output status=0

	shift 2
	output=$(nfvctl attach "$@" 2>&1) || status=$?
	check "$name" [ $status = 1 ]
	check "$name: says so" grep -qi -- "$words" <<<"$output"
	check_fails "$name: leaves no port" nfvctl show "$2"
}

# hint ARGUMENT...: print the command that nfvctl suggests when it refuses this attach.
hint() { nfvctl attach "$@" 2>&1 | sed -n 's,^ *try: ,,p'; }

# --- two containers, attached and removed ---------------------------------------------

# known: both containers' addresses are learnt, and frames between them use the shortcut.
known() { in_ns c1 ping -q -c 1 -W 1 10.0.0.2 && [ "$(pair c1 c2 shortcut_frames)" -gt "$BEFORE" ]; }
until_shortcut()
{
	BEFORE=$(pair c1 c2 shortcut_frames)
	wait_for known 15
}

pair_up()
{
	mk_container c1 10.0.0.1/24
	mk_container c2 10.0.0.2/24
	nfvctl attach veth c1 dev veth-c1 >/dev/null
	nfvctl attach veth c2 dev veth-c2 >/dev/null
}

pair_down()
{
	local n

	for n in c1 c2; do
		nfvctl show $n >/dev/null 2>&1 && nfvctl detach $n >/dev/null
		ip netns del $n
	done
	wait_for "! ip link show veth-c1 && ! ip link show veth-c2"
}

no_loss() { in_ns c1 ping -q -c 50 -i 0.002 -W 5 10.0.0.2 | grep -q ' 0% packet loss'; }
