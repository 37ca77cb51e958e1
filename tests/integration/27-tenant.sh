#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A port's addresses: 'macs N drop' with each carrier, nfvd --profile tenant; a pinned address survives a restart of nfvd,
# but not of the endpoint.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

. "$TOP/tests/policy/lib.sh"

FRAME=$BUILD/tests/integration/frame
ALL=ff:ff:ff:ff:ff:ff
A=02:00:00:00:00:0a OTHER=02:00:00:00:00:66
KEEPER=

send() { in_ns "$1" "$FRAME" send eth0 $ALL "$2" 0 60 "${3:-1}"; }
pinned() { nfvctl -j show "$1" | jq -r '.ports[0].pinned // "none"'; }
# spoofs NETNS - 3 frames from another address are dropped
spoofs()
{
	local before

	before=$(dropped "$1" spoofed_mac)
	send "$1" $OTHER 3
	wait_for "[ \$(dropped $1 spoofed_mac) = $((before + 3)) ]"
}

# ---- macs N drop ----
start_nfvd
containers macs 1 drop
for name in b c; do nfvctl detach $name >/dev/null; nfvctl attach veth $name dev veth-$name >/dev/null; wait_for "state_is $name up"; done
CASES=$TOP/tests/policy/macs.cases
table "macs: container - container" dev:a dev:b dev:c twice
check "it is shown" eval "[ \$(nfvctl -j show a | jq -r .ports[0].macs_over) = drop ]"
nfvctl detach a >/dev/null
nfvctl attach kvm a macs 1 drop >/dev/null
table "macs: guest - container" kvm:$STATE/a.sock dev:b dev:c
nfvctl detach a >/dev/null

for bad in 0 16385 "1 fly" x "1 drop drop"; do
	check_fails "refused: macs $bad" nfvctl attach kvm x macs $bad
done
stop_nfvd

# ---- the profile ----
check_fails "another profile" "$NFVD" --state-dir $STATE --profile landlord
start_nfvd --profile tenant
check "who asks for the words is told so" jq -e 'any(.result.policy_words[]; .word == "address" and .default == "pin")' <(printf '{"jsonrpc":"2.0","id":1,"method":"daemon.info"}\n' | socat -t 2 - "UNIX:$STATE/ctl.sock")
nfvctl attach veth a dev veth-a >/dev/null
wait_for "state_is a up"
check "a tenant's address is pinned by default" eval "send a $A && wait_for '[ \$(pinned a) = $A ]' && spoofs a"
check "show says so" eval "nfvctl set a | grep -q 'address pin'"
check "unless it says otherwise" eval "nfvctl set a address any && nfvctl set a | grep -q 'address any' && send a $OTHER && [ \$(pinned a) = none ]"
check "default is the profile's" eval "nfvctl set a address default && nfvctl set a | grep -q 'address pin'"
check "a file without a word means that" eval "nfvctl save $WORK/site.json && nfvctl set a address any && nfvctl apply $WORK/site.json && nfvctl set a | grep -q 'address pin'"
check "another word does not pin anew" eval "send a $A && wait_for '[ \$(pinned a) = $A ]' && nfvctl set a guard ra && spoofs a"
stop_nfvd

# ---- kept ----
"$BUILD/dataplane/fdkeep" "$NFVD" --state-dir $STATE --config-dir $WORK/conf >>$NFVD_LOG 2>&1 &
KEEPER=$!
wait_for "nfvctl show"
nfvctl attach veth a dev veth-a address pin >/dev/null
for name in g h; do nfvctl attach kvm $name address pin >/dev/null; done
wait_for "state_is a up"
send a $A
wait_for "[ \$(pinned a) = $A ]"
"$BUILD/tests/bench/vugen" --a $STATE/g.sock --b $STATE/h.sock --rate 1000 --seconds 60 >$WORK/vugen 2>&1 &
VUGEN=$!
wait_for "[ \$(pinned g) = $A ]"
# Stop it, so that it sends no address that could be pinned.
kill -STOP $VUGEN
# by SIGNAL - end nfvd by the signal, and wait until a new one has its ports
by()
{
	local pid

	pid=$(pgrep -P $KEEPER)
	kill -"$1" "$pid"
	wait_for "[ -n \"\$(pgrep -P $KEEPER)\" ] && [ \"\$(pgrep -P $KEEPER)\" != $pid ] && state_is a up && state_is g up"
}
for signal in KILL HUP; do
	check "$signal: nfvd goes on" by $signal
	check "$signal: a container's address is pinned still" eval "[ \$(pinned a) = $A ] && spoofs a"
	check "$signal: and a guest's" [ "$(pinned g)" = $A ]
done
kill -KILL $VUGEN; wait $VUGEN 2>/dev/null
check "a guest that has left has none" wait_for "[ \$(pinned g) = none ]"
ip -n a link set eth0 down
wait_for "! state_is a up"
check "a container that begins anew has none" [ "$(pinned a)" = none ]
ip -n a link set eth0 up
wait_for "state_is a up"
check "and pins another" eval "send a $OTHER && wait_for '[ \$(pinned a) = $OTHER ]'"
kill -TERM $KEEPER; wait $KEEPER 2>/dev/null
finish
