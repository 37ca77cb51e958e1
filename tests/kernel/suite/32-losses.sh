#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# share: 6.12
# The module loses frames, and `nfvctl drops` says why and how many: see tests/losses.sh.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/losses.sh"
. "$TOP/tests/policy/lib.sh"

arrived() { in_ns "$1" cat /sys/class/net/eth0/statistics/rx_packets; }
# send BYTES N - from a to b
send() { in_ns a "$FRAME" send eth0 $B $A 0 "$1" "$2"; }
learnt() { nfvctl -j fdb | jq -e --arg mac "$1" 'any(.entries[]; .mac == $mac)'; }

# begin PARAMETER=VALUE... - load the module with these, and attach a and b; nothing is lost yet
begin()
{
	local name

	load "$@"
	for name in a b; do attach $name mode module >/dev/null; done
	wait_for "state_is a up && state_is b up"
	in_ns b "$FRAME" send eth0 $A $B 0 60 1
	in_ns a "$FRAME" send eth0 $B $A 0 60 1
	check "with $*: nothing is lost" wait_for "learnt $A && learnt $B && whole_truth"
}
end()
{
	for name in a b; do nfvctl detach $name >/dev/null; done
	LOST=()
	wait_for unload 20
}

start_nfvd --workers 1
nfvctl shortcut off >/dev/null
for name in a b; do silent $name; done
ip -n a link set eth0 address $A
ip -n b link set eth0 address $B

begin ring_entries=64 held_kib=256 held_ms=10000
loses "module, a full ring" a ring_full 36/100 b stopped send 60 100
loses "module, what is held takes too much memory" a held_bytes '?/20' b stopped super_frames a 20 $A $B
ip -n b link set eth0 mtu 1000
loses "module, the other end's MTU" b dst_full 5/5 b send 1400 5
ip -n b link set eth0 mtu 1500
ip -n a link set eth0 mtu 4000
ip link set veth-a mtu 4000
loses "module, the device's MTU" b mtu 5/5 b send 3000 5
check "the ledger has those from a" [ "$(pair a b dropped)" = 10 ]
ip -n a link set eth0 mtu 1500
ip link set veth-a mtu 1500
end

# Twice as long: the module looks for old frames that often.
old() { send 60 20; nap 1; }
begin held_ms=100
loses "module, held for too long" b expired 20/20 b stopped old
check "the ledger has those from a, too" [ "$(pair a b dropped)" = 20 ]
end
finish
