#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 400
#
# nfvd ends, is killed, is replaced: guests keep their connection, and traffic continues. With LOAD=600, kill -9 under
# load is repeated for ten minutes.
. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

CONF=$WORK/conf LOAD=${LOAD:-10}
FDKEEP=$BUILD/dataplane/fdkeep
KEEPER= TCX=

# keeper [COMMAND]... - nfvd, under fdkeep
keeper()
{
	"$FDKEEP" "${@:-$NFVD}" --state-dir $STATE --config-dir "$CONF" >>$NFVD_LOG 2>&1 &
	KEEPER=$!
	assert 'wait_for "nfvctl show" 30'
}
nfvd_pid() { pgrep -P "$KEEPER"; }
state_of() { nfvctl -j show "$1" | jq -r '.ports[0].state'; }
# again OLD-PID GENERATOR: wait until a new nfvd responds and has its guests, or the generator has ended.
again()
{
	wait_for "! kill -0 $2 2>/dev/null ||
		{ [ \"\$(nfvd_pid)\" != $1 ] && [ \"\$(state_of a)\" = up ] && [ \"\$(state_of b)\" = up ]; }" 20
}
# Print QEMU's sockets.
qemu_sockets() { find "/proc/${GUEST_PID[$1]}/fd" -lname 'socket:*' -printf '%l\n' | sort; }
# Count the stored descriptors, except the packet socket that is made in advance and not bound yet.
kept()
{
	find "/proc/$KEEPER/fd" -mindepth 1 -printf '%l\n' |
		grep -cvxFf <(awk '$4 == "0000" && $5 == 0 { print "socket:[" $9 "]" }' /proc/net/packet; echo none)
}
links_kept() { find "/proc/$KEEPER/fd" -lname 'anon_inode:bpf_link' | wc -l; }
events() { nfvctl events; }

# --- a generator of frames between two ports --------------------------------------------

# pump SECONDS: send frames in both directions; each is checked at the receiver, and none may be bad.
pump() { "$BUILD/tests/bench/vugen" --a $STATE/a.sock --b $STATE/b.sock --size 200 --numbered --seconds "$1" >"$WORK/pump.json"; }
# Print the sum over all ports of frames that the previous nfvd had taken already.
replayed() { nfvctl -j stats | jq -n '[inputs.ports[].replayed] | add // 0'; }

names() { nfvctl -j show | jq -r '[.ports[] | select(.state == "up") | .name] | sort | join(" ")'; }
keeper_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$KEEPER/status"; }
# The ports exist and carry frames, each frame is accounted for, and as many descriptors are stored as before. Or the
# generator has ended.
whole() { wait_for "! kill -0 $2 2>/dev/null || { [ \"\$(names)\" = 'a b k1 k2' ] && [ \$(kept) = $1 ] && conserved; }" 20; }

killed_under_load()
{
	local before loaded kib gen pid echoes port end=$((SECONDS + LOAD - 1)) n=0 replayed=0

	before=$(kept)
	nfvctl attach kvm a >/dev/null && nfvctl attach kvm b >/dev/null
	mk_container k1 10.0.9.1/24 && mk_container k2 10.0.9.2/24
	nfvctl attach veth k1 dev veth-k1 zone blue >/dev/null && nfvctl attach veth k2 dev veth-k2 zone blue >/dev/null
	pump "$LOAD" &
	gen=$!
	in_ns k1 "$NFVCTL" -j probe rtt 10.0.9.2 time "$LOAD" >"$WORK/echoes.json" 2>&1 &
	echoes=$!
	check "restart: traffic flows" wait_for '[ "$(names)" = "a b k1 k2" ]' 20
	# Links are stored a little later than their ports.
	nap 1
	loaded=$(kept) kib=$(keeper_kib)
	# Stop in time: while the generator ends it does not reconnect.
	while [ $SECONDS -lt $end ]; do
		pid=$(nfvd_pid)
		kill -KILL "$pid"
		if ! again "$pid" $gen || ! whole "$loaded" $gen; then
			fail "restart: kill $n" "$(nfvctl show; nfvctl -j stats; events; tail -n 20 $NFVD_LOG)"
			break
		fi
		n=$((n + 1))
		replayed=$((replayed + $(replayed)))
		nap "0.$((RANDOM % 9))"
	done
	check "restart: over $n kills its peers stayed connected, each frame was accounted for, and as much was stored" [ $n -ge 1 ]
	wait $gen
	jq -c . "$WORK/pump.json"
	check "restart: and not one is torn" [ "$(jq .bad "$WORK/pump.json")" = 0 ]
	check "restart: those that came twice are counted" [ "$(jq .twice "$WORK/pump.json")" -le "$replayed" ]
	check "restart: at most a burst of each queue" [ "$replayed" -le $((n * 4 * 64)) ]
	wait $echoes
	jq -c '{sent, received, gap_ms}' "$WORK/echoes.json"
	# Frames that waited for nfvd arrive all at once, and may exceed the buffer of the prober's socket.
	check "restart: containers, past nfvd: the echoes came" jq -e --argjson links "$(links_kept)" \
		'.received > 0 and ($links == 0 or .received > .sent * 0.9)' "$WORK/echoes.json"
	check "restart: what was asked for is there" [ "$(nfvctl -j show | jq -r '[.ports[].name] | sort | join(" ")')" = "a b k1 k2" ]
	for port in a b k1 k2; do nfvctl detach $port >/dev/null; done
	ip netns del k1 && ip netns del k2
	check "restart: nothing is kept of peers that have left" wait_for "[ \$(kept) = $before ]" 10
	check "restart: the keeper has not grown" [ "$(keeper_kib)" -le $((kib + 512)) ]
}

# Kill nfvd when it interrupts the receiver: it has delivered frames that the sender does not know of yet.
killed_behind_a_delivery()
{
	local gen pid replayed

	nfvctl attach kvm a >/dev/null && nfvctl attach kvm b >/dev/null
	pump 3 &
	gen=$!
	wait_for '[ "$(state_of a)" = up ] && [ "$(state_of b)" = up ]' 20
	nap 0.7
	pid=$(nfvd_pid)
	strace -qq -f -p "$pid" -e trace=io_submit -e inject=io_submit:signal=KILL:when=1 -o /dev/null 2>/dev/null &
	check "restart: behind a delivery: killed" again "$pid" $gen
	replayed=$(replayed)
	check "restart: behind a delivery: an event says what comes again" \
		sh -c "'$NFVCTL' events | grep -q 'may have delivered the next $replayed frame(s) already'"
	wait $gen
	jq -c . "$WORK/pump.json"
	check "restart: behind a delivery: frames come twice" [ "$(jq .twice "$WORK/pump.json")" -gt 0 ]
	check "restart: behind a delivery: all that do are counted: $replayed" [ "$(jq .twice "$WORK/pump.json")" -le "$replayed" ]
	check "restart: behind a delivery: none is torn" [ "$(jq .bad "$WORK/pump.json")" = 0 ]
	nfvctl detach a >/dev/null && nfvctl detach b >/dev/null
}

# --- a guest in QEMU, and a container ---------------------------------------------------

guest()
{
	local sockets pid

	mk_container c1 10.0.0.1/24
	nfvctl attach veth c1 dev veth-c1 >/dev/null && nfvctl attach kvm vm1 >/dev/null
	"$GUEST" run unikernel vm1 --socket "$STATE/vm1.sock" --ip 10.0.0.2/24 --log "$WORK/vm1.log" >"$WORK/qemu.log" 2>&1 &
	GUEST_PID[vm1]=$!
	check "restart: a guest answers" wait_for "in_ns c1 ping -c 1 -W 1 10.0.0.2" 40
	nap 0.1
	sockets=$(qemu_sockets vm1)

	pid=$(nfvd_pid)
	kill -KILL "$pid"
	check "restart: killed: it answers" wait_for "in_ns c1 ping -c 1 -W 0.2 10.0.0.2" 20
	check "restart: killed: by another nfvd" [ "$(nfvd_pid)" != "$pid" ]
	check "restart: killed: QEMU's connection is the same" [ "$(qemu_sockets vm1)" = "$sockets" ]
	check "restart: killed: an event says so" wait_for "events | grep -q 'vm1 .*goes on with the guest'" 5

	pid=$(nfvd_pid)
	kill -HUP $KEEPER
	check "restart: told to: another nfvd" wait_for "[ \"\$(nfvd_pid)\" != $pid ] && [ \"\$(state_of vm1)\" = up ]" 20
	check "restart: told to: it answers" wait_for "in_ns c1 ping -c 1 -W 0.2 10.0.0.2" 20
	check "restart: told to: QEMU's connection is the same" [ "$(qemu_sockets vm1)" = "$sockets" ]

	kill "${GUEST_PID[vm1]}"
	wait "${GUEST_PID[vm1]}"
	check "restart: a guest that ends is seen to" wait_for '[ "$(state_of vm1)" = waiting ]' 10
	"$GUEST" run unikernel vm1 --socket "$STATE/vm1.sock" --ip 10.0.0.2/24 --log "$WORK/vm1.log" >"$WORK/qemu.log" 2>&1 &
	GUEST_PID[vm1]=$!
	check "restart: and the next one answers" wait_for "in_ns c1 ping -c 1 -W 1 10.0.0.2" 40
	nap 0.1
	kill -TERM $KEEPER
	wait $KEEPER
	check "restart: fdkeep ends with nfvd" [ $? = 0 ]
	check "restart: and QEMU is told" wait_for '[ "$(qemu_sockets vm1)" != "$sockets" ]' 10
	kill "${GUEST_PID[vm1]}"
	wait "${GUEST_PID[vm1]}"
}

# --- two containers --------------------------------------------------------------------------

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
	nfvctl detach c1 >/dev/null && nfvctl detach vm1 >/dev/null
	base=$(kept)
	ip -n c1 addr flush dev eth0
	ip -n c1 addr add 10.0.0.1/24 dev eth0
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

# --- what is stored, and spoilt -------------------------------------------------------------

# spoilt SPOIL WORDS - a program in place of fdkeep hands out damaged descriptors (SPOIL); nfvd must report it.
spoilt()
{
	check "spoilt: $1" python3 "$TOP/tests/integration/spoilt_store.py" "$1" "$2" "$WORK/spoilt" "$NFVD" "$NFVCTL"
}

keeper
killed_under_load
killed_behind_a_delivery
guest
containers
spoilt none "goes on with the guest"
spoilt two-devices "goes on with the guest"
spoilt cut "its state is none of nfvd's"
spoilt grown "its state is none of nfvd's"
spoilt magic "its state is none of nfvd's"
spoilt older "its state is of version 1, and this nfvd reads version 2"
spoilt newer "its state is of version 3, and this nfvd reads version 2"
spoilt incomplete "nfvd ended while its peer changed it"
spoilt no-state "its state was not kept"
spoilt state-is-a-file "its state is none of nfvd's"
spoilt state-is-a-pipe "its state is none of nfvd's"
spoilt regions "its state is none of nfvd's"
spoilt queues "it was attached with other queues"
spoilt features "what was kept of it is not sound"
spoilt ring "what was kept of its queues is not sound"
spoilt no-memory "what was kept of it is not sound"
spoilt short-memory "what was kept of it is not sound"
spoilt memory-is-a-pipe "what was kept of it is not sound"
spoilt kick-is-a-file "what was kept of its queues is not sound"
spoilt conn-is-a-pipe "has to connect again"
spoilt names "closed the stored descriptor"
spoilt asked "goes on with the guest"
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
