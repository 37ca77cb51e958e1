#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 400
#
# nfvd ends, is killed, is replaced: guests keep their connection, and traffic goes on. LOAD=600 for
# ten minutes of kill -9 under load.
. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

CONF=$WORK/conf LOAD=${LOAD:-10}
FDKEEP=$BUILD/dataplane/fdkeep
KEEPER=

# keeper [COMMAND]... - nfvd, under fdkeep
keeper()
{
	"$FDKEEP" "${@:-$NFVD}" --state-dir $STATE --config-dir "$CONF" >>$NFVD_LOG 2>&1 &
	KEEPER=$!
	assert 'wait_for "nfvctl show" 30'
}
nfvd_pid() { pgrep -P "$KEEPER"; }
state_of() { nfvctl -j show "$1" | jq -r '.ports[0].state'; }
# again OLD-PID GENERATOR: another one answers, and has its guests; or the generator has ended.
again()
{
	wait_for "! kill -0 $2 2>/dev/null ||
		{ [ \"\$(nfvd_pid)\" != $1 ] && [ \"\$(state_of a)\" = up ] && [ \"\$(state_of b)\" = up ]; }" 20
}
# The socket by which a process is connected to a path: QEMU's end.
qemu_sockets() { find "/proc/${GUEST_PID[$1]}/fd" -lname 'socket:*' -printf '%l\n' | sort; }
kept() { find "/proc/$KEEPER/fd" -mindepth 1 | wc -l; }
events() { nfvctl events; }

# --- a generator of frames between two ports --------------------------------------------

# pump SECONDS: frames both ways, each checked; 0 are bad.
pump() { "$BUILD/tests/bench/vugen" --a $STATE/a.sock --b $STATE/b.sock --size 200 --seconds "$1" >"$WORK/pump.json"; }

killed_under_load()
{
	local before gen pid n=0

	nfvctl attach kvm a >/dev/null && nfvctl attach kvm b >/dev/null
	before=$(kept)
	pump "$LOAD" &
	gen=$!
	check "restart: traffic flows" wait_for '[ "$(state_of a)" = up ] && [ "$(state_of b)" = up ]' 20
	nap 0.3
	while kill -0 $gen 2>/dev/null; do
		pid=$(nfvd_pid)
		kill -KILL "$pid"
		if ! again "$pid" $gen; then
			fail "restart: kill $n" "$(nfvctl show; events; tail -n 20 $NFVD_LOG)"
			break
		fi
		n=$((n + 1))
		nap "0.$((RANDOM % 9))"
	done
	check "restart: its peers stayed connected over $n kills" [ $n -ge 3 ]
	wait $gen
	jq -c . "$WORK/pump.json"
	check "restart: and not one is torn" [ "$(jq .bad "$WORK/pump.json")" = 0 ]
	check "restart: what was asked for is there" [ "$(nfvctl -j show | jq '.ports | length')" = 2 ]
	check "restart: nothing is kept of peers that have left" wait_for "[ \$(kept) = $before ]" 10
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

# --- what is stored, and spoilt -------------------------------------------------------------

# What a store could hand out, by a program in the place of fdkeep: SPOIL, and what nfvd says of it.
spoilt()
{
	check "spoilt: $1" python3 "$TOP/tests/integration/spoilt_store.py" "$1" "$2" "$WORK/spoilt" "$NFVD" "$NFVCTL"
}

keeper
killed_under_load
guest
spoilt none "goes on with the guest"
spoilt cut "its state is none of nfvd's"
spoilt grown "its state is none of nfvd's"
spoilt magic "its state is none of nfvd's"
spoilt version "another version of nfvd wrote its state"
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
spoilt names "is not wanted: closed"
finish
