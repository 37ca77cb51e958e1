#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 400
#
# nfvd ends, is killed, is replaced: guests keep their connection, and traffic continues. With LOAD=600, kill -9 under
# load is repeated for ten minutes.
. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/restart.sh"

LOAD=${LOAD:-10}

# --- a generator of frames between two ports --------------------------------------------

# pump SECONDS: send frames in both directions; each is checked at the receiver, and none may be bad.
pump() { exec "$BUILD/tests/bench/vugen" --a $STATE/a.sock --b $STATE/b.sock --size 200 --numbered --seconds "$1" >"$WORK/pump.json"; }
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

# Kill nfvd when it interrupts a guest: when that is the receiver, it has delivered frames that the sender does not know of yet.
killed_behind_a_delivery()
{
	local gen pid replayed twice=0

	nfvctl attach kvm a >/dev/null && nfvctl attach kvm b >/dev/null
	for _ in 1 2 3 4 5; do
		pump 3 &
		gen=$!
		wait_for '[ "$(state_of a)" = up ] && [ "$(state_of b)" = up ]' 20
		nap 0.7
		pid=$(nfvd_pid)
		strace -qq -f -p "$pid" -e trace=io_submit -e inject=io_submit:signal=KILL:when=1 -o /dev/null 2>/dev/null &
		again "$pid" $gen || fail "restart: behind a delivery" "no other nfvd"
		replayed=$(replayed)
		events >"$WORK/events"
		wait $gen
		jq -c . "$WORK/pump.json"
		[ "$(jq .bad "$WORK/pump.json")" = 0 ] || fail "restart: behind a delivery: torn"
		twice=$(jq .twice "$WORK/pump.json")
		[ "$twice" = 0 ] || break
	done
	check "restart: behind a delivery: frames come twice, and all that do are counted" [ "$twice" -gt 0 -a "$twice" -le "$replayed" ]
	check "restart: behind a delivery: an event says what comes again" \
		grep -q "may have delivered the next $replayed frame(s) already" "$WORK/events"
	nfvctl detach a >/dev/null && nfvctl detach b >/dev/null
}

# A port is attached anew while the thread of the one before still unmaps its guest's memory: what that removes from the store
# is its own.
attached_anew()
{
	local gen pid tracer threads

	nfvctl attach kvm a >/dev/null && nfvctl attach kvm b >/dev/null
	pump 9 2>/dev/null &
	gen=$!
	wait_for '[ "$(state_of a)" = up ] && [ "$(state_of b)" = up ]' 20
	nap 0.3
	pid=$(nfvd_pid)
	threads=$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)
	strace -qq -f -p "$pid" -e trace=munmap -e inject=munmap:delay_enter=1500000 -o /dev/null 2>/dev/null &
	tracer=$!
	wait_for "grep -q 'TracerPid:.[1-9]' /proc/$pid/status" 10
	kill -KILL $gen
	wait $gen 2>/dev/null
	nfvctl detach a >/dev/null && nfvctl detach b >/dev/null && nfvctl attach kvm a >/dev/null && nfvctl attach kvm b >/dev/null
	pump 15 &
	gen=$!
	check "restart: attached anew" wait_for '[ "$(state_of a)" = up ] && [ "$(state_of b)" = up ]' 20
	check "restart: attached anew: the threads of before end" wait_for "[ \$(find /proc/$pid/task -mindepth 1 -maxdepth 1 | wc -l) = $threads ]" 20
	nap 0.5
	kill -KILL $tracer
	kill -KILL "$pid"
	check "restart: attached anew: killed" again "$pid" $gen
	check "restart: attached anew: its peers stayed connected" wait $gen
	check "restart: attached anew: none is torn" [ "$(jq .bad "$WORK/pump.json")" = 0 ]
	nfvctl detach a >/dev/null && nfvctl detach b >/dev/null
}

# --- a guest in QEMU, and a container ---------------------------------------------------

guest()
{
	local sockets pid flood

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

	# Anybody can send to the socket on which fdkeep hears nfvd.
	python3 - "$(tr '\0' '\n' <"/proc/$(nfvd_pid)/environ" | sed -n 's/^NOTIFY_SOCKET=@//p')" <<-'EOT' &
	import socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	while True:
	    s.sendto(b"FDSTOREREMOVE=1", "\0" + sys.argv[1])
	EOT
	flood=$!
	nap 1
	check "restart: others talk to fdkeep" kill -0 $flood
	pid=$(nfvd_pid)
	kill -KILL "$pid"
	check "restart: meanwhile: another nfvd" wait_for "[ \"\$(nfvd_pid)\" != $pid ] && [ \"\$(state_of vm1)\" = up ]" 20
	check "restart: meanwhile: QEMU's connection is the same" [ "$(qemu_sockets vm1)" = "$sockets" ]
	kill $flood

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

keeper
killed_under_load
killed_behind_a_delivery
attached_anew
guest
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
finish
