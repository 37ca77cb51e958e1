#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# `why` predicts what happens to a frame; bench sizing.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

n=0 A=02:00:00:00:00:0a B=02:00:00:00:00:0b
FRAME=$BUILD/tests/integration/frame

# case WANT REASON WORDS... - the arguments up to -- are `PORT WORDS` for `set`, those after it are for `why a b`. It must
# print WANT (and REASON), and a frame of that kind must be treated so.
verdict() { nfvctl -j why a b "$@" | jq -r '.verdict + " " + (.reason // "-")'; }
says() { local got; got=$(verdict "${@:3}"); [ "$got" = "$1 $2" ] || { echo "$got"; nfvctl why a b "${@:3}"; return 1; }; }
is() { check "why: $*: $1 $2" says "$@"; }
# then_dropped REASON PORT - a frame from a to b is dropped for this reason, and counted at PORT
then_dropped()
{
	local before

	before=$(dropped "$2" "$1")
	in_ns a "$FRAME" send eth0 $B "${3:-$A}" 0 60 1
	wait_for "[ \$(dropped $2 $1) -gt $before ]" 5
}
# changed - run the command that `why` names at the stage that drops the frame; then the frame passes
changed()
{
	local command

	command=$(nfvctl -j why a b "$@" | jq -r '[.stages[] | select(.verdict == "drop")][0].command')
	echo "$command"
	eval "$command" && says delivered - "$@"
}

start_nfvd --workers 1
for name in a b c; do mk_container $name 10.0.0.$((++n))/24; in_ns $name ip link set eth0 address 02:00:00:00:00:0$name; done
for name in a b c; do nfvctl attach veth $name dev veth-$name >/dev/null; done
wait_for "state_is a up && state_is b up && state_is c up"
in_ns a ping -q -c 1 10.0.0.2 >/dev/null
in_ns c ping -q -c 1 10.0.0.2 >/dev/null

is delivered -
check "why: the carrier is the shortcut" eval 'nfvctl -j why a b | jq -e ".stages | last | .stage == \"carrier\" and (.rule | contains(\"shortcut\"))"'
check "why: for people" eval "nfvctl why a b | tail -n 1 | grep -qx '$A > $B: delivered'"
is flooded - dst 02:00:00:00:00:99
is elsewhere - dst 02:00:00:00:00:0c
is dropped same_port dst $A
is dropped ctrl_proto dst 01:80:c2:00:00:00
is dropped bad_src_mac src 03:00:00:00:00:01
is dropped mtu length 1600
nfvctl set a vlan 10 >/dev/null; nfvctl set b vlan 20 >/dev/null
is dropped vlan dst $B vlan 20
nfvctl set a vlan trunk all >/dev/null; nfvctl set b vlan trunk all >/dev/null
in_ns a ping -q -c 1 10.0.0.2 >/dev/null

nfvctl set a address $A 10.0.0.1 >/dev/null
in_ns b ping -q -c 1 10.0.0.1 >/dev/null
is dropped spoofed_mac src 02:00:00:00:00:66
check "why: and so it is" then_dropped spoofed_mac a 02:00:00:00:00:66
is dropped spoofed_ip ip 10.0.0.9
is dropped spoofed_ip ip 10.0.0.9 kind arp
is delivered - ip 10.0.0.1
check "why: its command changes it" changed ip 10.0.0.9
# Keep a silent meanwhile: its first address would be pinned.
in_ns a sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
in_ns a ip link set eth0 arp off
nfvctl set a address pin >/dev/null
is delivered - src 02:00:00:00:00:77
in_ns a ip link set eth0 arp on
check "why: asking pins nothing" wait_for "in_ns c ping -q -c 1 10.0.0.1 && in_ns b ping -q -c 1 10.0.0.1" 5
is dropped spoofed_mac src 02:00:00:00:00:77
nfvctl set a address any >/dev/null
in_ns b ping -q -c 1 10.0.0.1 >/dev/null
nfvctl set a guard dhcp,ra >/dev/null
is dropped guard kind dhcp
is dropped guard kind ra
check "why: its command changes it" changed kind dhcp
nfvctl set a isolated on >/dev/null; nfvctl set b isolated on >/dev/null
in_ns c ping -q -c 1 10.0.0.2 >/dev/null
in_ns c ping -q -c 1 10.0.0.1 >/dev/null
is dropped isolated
check "why: and so it is" then_dropped isolated b
check "why: its command changes it" changed
nfvctl quarantine a >/dev/null
is dropped quarantined
check "why: and so it is" then_dropped quarantined a
check "why: its command changes it" eval 'eval "$(nfvctl -j why a b | jq -r "[.stages[] | select(.verdict == \"drop\")][0].command")" && [ "$(verdict)" = "delivered -" ]'
nfvctl set b zone blue >/dev/null
check "why: another zone: the command is right" eval 'nfvctl -j why a b dst 02:00:00:00:00:0b | jq -e ".stages[] | select(.stage == \"zone\").command == \"nfvctl set b zone default\""'
nfvctl set b zone default >/dev/null
nfvctl limit a from 1Gbit >/dev/null
check "why: a limit is told" eval 'nfvctl -j why a b | jq -e ".stages[] | select(.stage == \"limit\" and .verdict == \"note\") | .rule | contains(\"from 1Gbit\")"'
nfvctl limit a from none >/dev/null
nfvctl set a isolated off >/dev/null
carrier() { nfvctl -j why a b dst $B | jq -e --arg words "$1" '.stages | last | .stage == "carrier" and (.rule | contains($words))'; }
check "why: the shortcut again" wait_for "in_ns b ping -q -c 1 10.0.0.1 && carrier shortcut" 5
nfvctl mirror add m1 from a to c >/dev/null
check "why: what is mirrored passes nfvd" carrier nfvd
check "why: as it does" eval 'before=$(nfvctl -j ledger a b | jq "[.pairs[].frames] | add"); in_ns a ping -q -c 1 10.0.0.2; [ "$(nfvctl -j ledger a b | jq "[.pairs[].frames] | add")" -gt "$before" ]'
nfvctl mirror remove m1 >/dev/null
nfvctl detach a >/dev/null; nfvctl attach veth a dev veth-a macs "1 drop" >/dev/null
wait_for "state_is a up"
check "why: its one address" wait_for "in_ns a ping -q -c 1 10.0.0.2 && says delivered - src $A" 5
is dropped macs src 02:00:00:00:00:66
check "why: and so it is" then_dropped macs a 02:00:00:00:00:66
in_ns b ip link set eth0 down
check "why: a port that is down" wait_for 'nfvctl -j why a b dst 02:00:00:00:00:0b | jq -e "[.stages[] | select(.verdict == \"drop\")][0] | .stage == \"to\" and .command == \"nfvctl show b\""' 5
# The frame that is asked about is as long as its headers, and has an address that its port may have.
nfvctl set a address 10.0.0.1,fd00::5 guard ra >/dev/null
verdict_of() { nfvctl -j why a b dst 02:00:00:00:00:99 "$@" | jq -r '.verdict + " " + (.reason // "-")'; }
in_ns b ip link set eth0 up
wait_for "state_is b up" 5
nfvctl set a vlan trunk all >/dev/null
check "why: IPv6 behind a tag" eval '[ "$(verdict_of vlan 10 ip fd00::5)" = "flooded -" ]'
check "why: a router's advertisement" eval '[ "$(verdict_of kind ra length 60)" = "dropped guard" ]'
nfvctl set a address fd00::5 guard none >/dev/null
check "why: only IPv6 addresses" eval '[ "$(verdict_of)" = "flooded -" ]'
nfvctl set a address any >/dev/null
check_fails "why: one port twice" nfvctl why a a
check_fails "why: one port" nfvctl why a
check_fails "why: no port" nfvctl why a nobody
check_fails "why: no address" nfvctl why a b src hello
check_fails "why: no kind" nfvctl why a b kind stp
check_fails "why: no VLAN" nfvctl why a b vlan 4095
check_fails "why: an address of another kind" nfvctl why a b kind arp ip fe80::1

# ---- sizing ----
in_ns b ip link set eth0 up
wait_for "state_is b up"
check "sizing: by nfvd" eval "nfvctl shortcut off >/dev/null; nfvctl -j bench sizing a b time 1 | tee $WORK/sizing | jq -e '(.rows | length == 2) and .rows[0].worker_gbps > .rows[0].gbps / 2 and .rows[1].worker_fps > 1000 and .new_sessions_per_s > 100'"
jq -c '.rows[]' "$WORK/sizing" | sed 's/^/# /'
check_fails "sizing: one endpoint" nfvctl bench sizing a
finish
