#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 400
#
# nfvd ends, is killed, is replaced, upgraded: containers continue, past nfvd or through it.
. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/restart.sh"

TCX=

shortcut_frames() { nfvctl -j ledger | jq '[.. | .shortcut_frames? // empty] | add // 0'; }
device_of() { ip -j link show "$1" | jq '.[0].ifindex'; }
flags_of() { ip -j link show "$1" | jq -c '.[0].flags - ["LOWER_UP", "NO-CARRIER"]'; }
programs() { bpftool -j net show dev "$1" | jq -r '[.[].tc[].name] | sort | join(" ")'; }

# echoes KIND WHAT... - c1 pings c2 without a pause while WHAT runs: each echo must come back exactly once
echoes()
{
	local name=$1 pid

	shift
	in_ns c1 "$NFVCTL" -j probe rtt 10.0.0.2 time 2 >"$WORK/echoes.json" 2>"$WORK/echoes.log" &
	pid=$!
	nap 0.5
	"$@" || fail "restart: $name: another nfvd"
	wait $pid
	jq -c '{sent, received, gap_ms}' "$WORK/echoes.json"
	check "restart: $name: no frame is lost" jq -e '.sent > 20 and .sent == .received' "$WORK/echoes.json"
}
# The same through nfvd, with so few pings that c1's socket has room for all while they wait for nfvd.
pings()
{
	local name=$1 pid

	shift
	in_ns c1 ping -q -i 0.01 -c 150 -W 3 10.0.0.2 >"$WORK/pings" 2>&1 &
	pid=$!
	nap 0.5
	"$@" || fail "restart: $name: another nfvd"
	wait $pid
	grep transmitted "$WORK/pings"
	check "restart: $name: no frame is lost, and none comes twice" grep -q "150 packets transmitted, 150 received, 0%" "$WORK/pings"
}
killed_once()
{
	local pid

	pid=$(nfvd_pid)
	kill -KILL "$pid"
	wait_for "[ \"\$(nfvd_pid)\" != $pid ] && [ \"\$(state_of c1)\" = up ]" 20
}
told_once()
{
	local pid

	pid=$(nfvd_pid)
	kill -HUP $KEEPER
	wait_for "[ \"\$(nfvd_pid)\" != $pid ] && [ \"\$(state_of c1)\" = up ]" 20
}
# while_away WHAT... - run the command while no nfvd runs
while_away()
{
	local pid

	pid=$(nfvd_pid)
	kill -STOP $KEEPER
	kill -KILL "$pid"
	"$@"
	kill -CONT $KEEPER
	wait_for "[ \"\$(nfvd_pid)\" != $pid ] && nfvctl show" 20
}
# Replace a device by another one with the same name and number.
replace()
{
	local n

	n=$(device_of veth-c2)
	ip netns del c2
	wait_for '! ip link show veth-c2' 10
	ip netns add c2
	ip link add veth-c2 index "$n" type veth peer name eth0 netns c2
	ip -n c2 addr add 10.0.0.2/24 dev eth0
	ip -n c2 link set eth0 up
	ip -n c1 neigh flush dev eth0
}
turn_off()
{
	local file

	file=$(find "$CONF" -name 'config-*.json' | sort | tail -n 1)
	jq '(.ports[] | select(.name == "c1")).shortcut = false' "$file" >"$WORK/off" && cat "$WORK/off" >"$file"
}
ping_2() { in_ns c1 ping -q -c 1 -W 1 10.0.0.2; }
by_shortcut() { ping_2; [ "$(shortcut_frames)" -gt "$1" ]; }

containers()
{
	local before base

	keeper
	base=$(kept)
	mk_container c1 10.0.0.1/24
	mk_container c2 10.0.0.2/24
	nfvctl attach kvm first >/dev/null
	nfvctl attach veth c1 dev veth-c1 >/dev/null && nfvctl attach veth c2 dev veth-c2 >/dev/null
	nfvctl detach first >/dev/null
	check "restart: containers are stored" wait_for "[ \$(kept) = $((base + 6)) ]" 10
	check "restart: they reach each other past nfvd" wait_for "by_shortcut $(shortcut_frames)" 10
	TCX=$(programs veth-c1)
	if [ -z "$TCX" ]; then
		skip "restart: containers" "tcx, Linux 6.6"
		kill -TERM $KEEPER
		return
	fi
	before=$(shortcut_frames)
	echoes "containers, killed" killed_once
	check "restart: containers, killed: an event says so" grep -q "goes on with 2 container(s) and 2 address(es)" <(events)
	check "restart: containers, killed: by the shortcut" [ "$(shortcut_frames)" -gt $((before + 20)) ]
	before=$(shortcut_frames)
	echoes "containers, told to" told_once
	check "restart: containers, told to: by the shortcut" [ "$(shortcut_frames)" -gt $((before + 20)) ]
	nfvctl shortcut off >/dev/null
	before=$(shortcut_frames)
	pings "through nfvd, killed" killed_once
	pings "through nfvd, told to" told_once
	check "restart: through nfvd: not by the shortcut" [ "$(shortcut_frames)" = "$before" ]
	nfvctl shortcut on >/dev/null
	check "restart: what was stored is stored once" [ "$(kept)" = $((base + 6)) ]
	check "restart: all frames are accounted for" wait_for conserved 5

	wait_for "by_shortcut $(shortcut_frames)" 10
	check "restart: another device in the place of c2's" while_away replace
	check "restart: another device: it begins anew" wait_for "events | grep -q 'c2 .*starts anew: its socket is another'" 10
	check "restart: another device: it is reached" wait_for ping_2 10
	check "restart: another device: past nfvd, too" wait_for "by_shortcut $(shortcut_frames)" 10
	check "restart: the shortcut of c1 is turned off meanwhile" while_away turn_off
	check "restart: turned off: it is not used" sh -c "'$NFVCTL' -j show c1 | jq -e '.ports[0].shortcut == false'"
	before=$(shortcut_frames)
	check "restart: turned off: c2 is reached" wait_for ping_2 10
	check "restart: turned off: through nfvd" [ "$(shortcut_frames)" = "$before" ]
	check "restart: detached: nothing is stored of it" sh -c "'$NFVCTL' detach c1 && '$NFVCTL' detach c2"
	check "restart: detached: nothing" wait_for "[ \$(kept) = $base ]" 10
	nfvctl attach veth c1 dev veth-c1 >/dev/null && nfvctl attach veth c2 dev veth-c2 >/dev/null
	wait_for "[ \$(kept) = $((base + 6)) ]" 10
	kill -TERM $KEEPER
	wait $KEEPER
	check "restart: told to end: no program is left" [ "$(programs veth-c1)$(programs veth-c2)" = "" ]
	check "restart: told to end: no queueing discipline" [ "$(tc qdisc show dev veth-c1 | grep -c clsact)" = 0 ]
	check "restart: told to end: the devices are as they were" [ "$(flags_of veth-c1)$(flags_of veth-c2)" = '["BROADCAST","MULTICAST","UP"]["BROADCAST","MULTICAST"]' ]
}

# --- upgraded from one whose shortcut had another layout ------------------------------------

LAYOUT=$(sed -n 's/^#define SHORTCUT_LAYOUT.*"\([0-9]*\)"/\1/p' "$TOP/dataplane/shortcut/bpf/shortcut.h")
OTHER=${LAYOUT//?/0}

upgraded()
{
	local pid base pings

	mkdir "$WORK/bin"
	sed "s/@shortcut$LAYOUT/@shortcut$OTHER/g" "$NFVD" >"$WORK/bin/nfvd"
	chmod +x "$WORK/bin/nfvd"
	keeper "$WORK/bin/nfvd"
	wait_for "by_shortcut $(shortcut_frames)" 10
	check "upgraded: from one whose containers are stored" wait_for "[ \$(links_kept) = 4 ]" 10
	base=$(kept)
	pid=$(nfvd_pid)
	in_ns c1 ping -q -i 0.01 -c 300 -W 1 10.0.0.2 >"$WORK/pings" 2>&1 &
	pings=$!
	install "$NFVD" "$WORK/bin/nfvd.new" && mv "$WORK/bin/nfvd.new" "$WORK/bin/nfvd"
	kill -HUP $KEEPER
	check "upgraded: another nfvd" wait_for "[ \"\$(nfvd_pid)\" != $pid ] && [ \"\$(state_of c1)\$(state_of c2)\" = upup ]" 20
	wait $pings
	grep transmitted "$WORK/pings"
	check "upgraded: the containers go on" [ "$(grep -o '[0-9]* received' "$WORK/pings" | cut -d ' ' -f 1)" -gt 250 ]
	check "upgraded: both layouts are said" grep -q "shortcut: loaded anew; .*: it was kept in layout $OTHER, and this nfvd's is $LAYOUT" <(events)
	check "upgraded: and what was lost" grep -q "shortcut: 2 container(s) attached anew: .* within at most [0-9.]* ms" <(events)
	check "upgraded: past nfvd again" wait_for "by_shortcut $(shortcut_frames)" 10
	check "upgraded: all frames are accounted for" wait_for conserved 5
	check "upgraded: as much is stored as before" wait_for "[ \$(links_kept) = 4 ] && [ \$(kept) = $base ]" 10
	check "upgraded: one nfvd's programs are there" [ "$(programs veth-c1 | tr -d '0-9')" = "$(tr -d '0-9' <<<"$TCX")" ]
	kill -TERM $KEEPER
	wait $KEEPER
	check "upgraded, told to end: no program is left" [ "$(programs veth-c1)$(programs veth-c2)" = "" ]
}

containers
if [ -n "$TCX" ]; then
	upgraded
	spoilt veth-none "goes on with 2 container(s)"
	for how in socket-is-a-pipe socket-is-another no-socket link-is-a-pipe link-is-another link-is-the-other-way no-link; do
		spoilt veth-$how "goes on with 1 container(s)"
	done
	spoilt veth-map-is-a-pipe "loaded anew; its counters start at zero, and each container is attached anew: what was kept as its map 'ports' is none"
	spoilt veth-map-is-another "its map 'ports' was kept with keys of 12, values of 32 bytes, for 65536 entries"
	spoilt veth-map-is-a-program "what was kept as its map 'ports' is none"
	spoilt veth-map-of-another-size "its map 'ports' was kept with keys of 4, values of 100 bytes, for 4096 entries"
	spoilt veth-no-map "its map 'counters' was not kept"
	spoilt veth-other-layout "loaded anew; its counters start at zero, and each container is attached anew: it was kept in layout 0, and this nfvd's is $LAYOUT"
fi
finish
