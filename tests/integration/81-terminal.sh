#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nfvctl's output fits a terminal's width, and is complete if it does not go to a terminal.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

# on COLUMNS ARG... - nfvctl's output on a terminal of that width, without colours and carriage returns
on()
{
	local columns=$1

	shift
	script -qec "stty cols $columns; TERM=xterm '$NFVCTL' $*" /dev/null </dev/null |
		sed 's/\x1b\[[0-9;]*m//g; s/\r$//'
}

too_wide() { awk -v most="$1" 'length($0) > most'; }

start_nfvd
mk_container c1 10.0.0.1/24
mk_container c2 10.0.0.2/24
ip link add a-name-of-15-ch type veth peer name eth0 netns c2 2>/dev/null || ip link add a-name-of-15-ch type veth peer name eth1 netns c2
nfvctl attach veth c1 dev veth-c1 >/dev/null
nfvctl attach veth a-port-with-a-name-of-its-own-3 dev a-name-of-15-ch >/dev/null
nfvctl attach veth c2 dev veth-c2 >/dev/null
nfvctl attach kvm vm1 socket "$WORK/a/very/long/path/to/no/folder/at/all/vm1.sock" >/dev/null 2>&1
mkdir -p "$WORK/a/quite/long/path/to/the/folder/of/a/guest"
nfvctl attach kvm vm1 socket "$WORK/a/quite/long/path/to/the/folder/of/a/guest/vm1.sock" >/dev/null
in_ns c1 ping -c 2 -i 0.2 10.0.0.2 >/dev/null
# Cause some drops.
nfvctl quarantine c2 >/dev/null
in_ns c1 ping -c 1 -W 0.1 10.0.0.2 >/dev/null
nfvctl release c2 >/dev/null

for command in show "show time 0.1" stats ledger drops "drops all" fdb events doctor help "help bench"; do
	check "80 columns: $command" [ -z "$(on 80 $command | grep -v ^usage | too_wide 80)" ]
	check "80 columns: $command: it is there" [ "$(on 80 $command | wc -l)" -gt 1 ]
done
check "80 columns: what is left out is said" grep -q "^(without .*ACCEPTS.*: no room; -j has all)" <(on 80 show)
check "200 columns: nothing is" [ -z "$(on 200 show | grep without)" ]
letters() { awk 'NR > 1' | sed 's/^c1  *[a-z_]*  *[0-9]* //' | tr -d ' \n'; }
check "80 columns: no letter of a text is lost" [ "$(on 80 drops c1 all | letters)" = "$(nfvctl drops c1 all | letters)" ]
check "no terminal: nothing is left out" grep -q "ACCEPTS.*COPIES/FRAME" <(nfvctl show)
check "no terminal: one line for each" [ "$(nfvctl drops all | awk 'NR > 1' | wc -l)" = "$(nfvctl -j drops all | jq '.drops | length')" ]
check "no terminal: no colours" [ -z "$(nfvctl show | grep $'\e')" ]
check "a terminal has them, unless NO_COLOR" grep -q $'\e\[32mup' <(script -qec "'$NFVCTL' show" /dev/null </dev/null)
check "NO_COLOR" [ -z "$(NO_COLOR=1 script -qec "'$NFVCTL' show" /dev/null </dev/null | grep $'\e')" ]

# The text and the JSON show the same time.
ms=$(nfvctl -j events | jq '.events[0].time_ms')
check "events: local time" grep -qF "$(TZ=Asia/Tokyo date -d "@$((ms / 1000))" +%FT%T).$(printf %03d $((ms % 1000)))" \
	<(TZ=Asia/Tokyo "$NFVCTL" events)
finish
