#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 600
# What ports may do, where the module carries the frames: the same table of cases as everywhere.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/policy/lib.sh"

load
start_nfvd
containers mode module
mk_container p 10.9.0.1/24
in_ns p sysctl -qw net.ipv6.conf.all.disable_ipv6=1
in_ns p ip addr flush dev eth0
table "module" dev:a dev:b dev:c twice
nfvctl shortcut off >/dev/null
table "module, no shortcut" dev:a dev:b dev:c
nfvctl shortcut on >/dev/null
changes "module" dev:a dev:b dev:c
nfvctl detach b >/dev/null
nfvctl attach kvm b >/dev/null
table "module to a guest" dev:a kvm:$STATE/b.sock dev:c
nfvctl detach a >/dev/null
nfvctl detach b >/dev/null
nfvctl attach veth b dev veth-b mode module >/dev/null
nfvctl attach kvm a >/dev/null
wait_for "state_is b up"
table "guest to the module" kvm:$STATE/a.sock dev:b dev:c
nfvctl detach a >/dev/null
nfvctl attach veth a dev veth-a mode packet >/dev/null
wait_for "state_is a up"
table "packet socket to the module" dev:a dev:b dev:c
nfvctl detach a >/dev/null

# ---- with 'macs 1 drop' ----
attach a mode module macs 1 drop >/dev/null
wait_for "state_is a up"
CASES=$TOP/tests/policy/macs.cases
table "module, macs 1 drop" dev:a dev:b dev:c twice
nfvctl detach a >/dev/null

# ---- mirrors ----
FRAME=$BUILD/tests/integration/frame
A=02:00:00:00:00:0a B=02:00:00:00:00:0b
attach a mode module >/dev/null
attach p mode module zone probes >/dev/null
for name in a p; do wait_for "state_is $name up"; done
check "the probe is the module's, too" port_via p module

# send_5 [BYTES] - from a to b, while both b and the probe listen
send_5()
{
	local name pids=()

	for name in b p; do in_ns $name "$FRAME" recv eth0 5 1500 >"$WORK/recv.$name" & pids+=($!); done
	wait_for "grep -q ready $WORK/recv.b && grep -q ready $WORK/recv.p" || return
	in_ns a "$FRAME" send eth0 $B $A 0 "${1:-60}" 5
	wait "${pids[@]}"
	cat "$WORK/recv.b" "$WORK/recv.p"
}
got() { [ "$(grep -c " $2 [0-9] " "$WORK/recv.$1")" = "$3" ]; }
in_ns b "$FRAME" send eth0 $A $B 0 60 1
wait_for "nfvctl -j fdb | jq -e '[.entries[] | select(.mac == \"$B\").port] == [\"b\"]'"
check "no mirror: the probe gets nothing" eval 'send_5 && got b 60 5 && got p 60 0'
nfvctl mirror add m1 from a to p >/dev/null
check "a mirror: the probe gets what the module carries" eval 'send_5 && got b 60 5 && got p 60 5'
nfvctl mirror remove m1 >/dev/null
nfvctl mirror add m1 from b received to p snap 64 >/dev/null
check "what b is sent, its first 64 bytes" eval 'send_5 1000 && got b 1000 5 && got p 64 5'
nfvctl mirror remove m1 >/dev/null
nfvctl quarantine a mirror p >/dev/null
check "quarantine: the probe alone gets it" eval 'send_5 && got b 60 0 && got p 60 5'
stop_nfvd
check "nfv.ko goes" wait_for unload 20
finish
