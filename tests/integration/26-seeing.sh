#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What an operator sees: the bottleneck, live; events as they happen; many ports.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

VUGEN=$BUILD/tests/bench/vugen

# of PORT FIELD... - of its statistics
of() { nfvctl -j stats "$1" | jq -r ".ports[0].$2"; }
# frames SECONDS - two guests send as fast as they can, in the background
frames() { "$VUGEN" --a $STATE/a.sock --b $STATE/b.sock --size 64 --seconds "$1" >"$WORK/vugen.json" & pump=$!; }

start_nfvd --workers 1
for name in a b; do nfvctl attach kvm $name >/dev/null; done

# ---- who is the bottleneck ----
check "pressure: nothing happens: idle" [ "$(of a bound)" = idle ]
frames 4
check "top: the busiest first, with rates" eval 'nfvctl -j top time 0.3 count 1 | jq -e ".ports[0].rx_pps > 1000 and .ports[0].rx_pps + .ports[0].tx_pps >= .ports[1].rx_pps + .ports[1].tx_pps"'
# The guests may lack CPU time, and then the switch is not the bottleneck: compare with the same second's figures.
said() { nfvctl -j stats | jq -e '.workers[0].busy as $busy | .ports[:2] | all(.[]; .bound != "idle" and
	(.bound == "switch") == (.pressure.from >= 0.5 and .pressure.to < 0.1 and $busy >= 0.5))'; }
check "pressure: two guests that send all they can wait for the switch" wait_for said 4
check "pressure: the worker is busy" eval 'nfvctl -j stats | jq -e ".workers[0] | .busy > 0 and .busy_s > 0"'
check "pressure: show says it" eval 'nfvctl show a | grep -qE "^bound  *(switch|guest)$"'
wait "$pump"
check "pressure: they have gone: idle" wait_for '[ "$(of a bound)" = idle ]' 5
check "pressure: the worker has slept" eval 'nfvctl -j stats | jq -e ".workers[0].sleep_s > 0"'
nfvctl limit a from 1kpps >/dev/null
frames 2
check "pressure: who has reached its limit waits for the switch" wait_for '[ "$(of a bound)" = switch ]' 3
check "pressure: and for how long is counted" eval '[ "$(of a paused_s)" != 0.0 ]'
wait "$pump"
nfvctl limit a from none >/dev/null
check "top: a table for people" eval 'nfvctl top time 0.1 count 2 | grep -c "^workers busy: [0-9]* %$" | grep -qx 2'

# ---- events as they come ----
"$NFVCTL" -j events --follow >"$WORK/events" 2>"$WORK/events.log" &
follower=$!
told() { wait_for "jq -se 'any(.[]; $1)' $WORK/events" 5; }
check "events: what was" told '.kind == "started"'
nfvctl attach kvm x >/dev/null
check "events: and what comes, by kind" told '.kind == "attached" and .port == "x"'
# While the follower is stopped, 8 events per kind and port are kept, of a burst of 300.
kill -STOP $follower
for i in {1..150}; do
	printf '{"jsonrpc":"2.0","id":1,"method":"quarantine.set","params":{"port":"x","on":%s}}\n' true false
done | socat -t 5 - "UNIX:$STATE/ctl.sock" >/dev/null
kill -CONT $follower
check "events: a gap is told" told '.missing > 100'
check "events: a line each" eval '[ $(jq -c . $WORK/events | wc -l) = $(wc -l <$WORK/events) ]'
stop_nfvd
start_nfvd --workers 1
check "events: it waits for the next nfvd" wait_for '[ $(grep -c "\"started\"" $WORK/events) = 2 ]' 5
check "events: and says so" grep -q "waiting for it" "$WORK/events.log"
kill $follower; wait $follower 2>/dev/null

# ---- more ports than there may be ----
mkdir "$WORK/many"
/usr/bin/python3 "$TOP/tests/seeing/many_ports.py" "$WORK/many/ctl.sock" 4096 &
many=$!
wait_for "[ -S $WORK/many/ctl.sock ]" 5
many() { nfvctl --state-dir "$WORK/many" "$@"; }
check "4096 ports: show" eval '[ $(many show | wc -l) = 4097 ]'
check "4096 ports: show with rates" eval '[ $(many -j show time 0.1 | jq ".ports | length") = 4096 ]'
check "4096 ports: stats" eval '[ $(many -j stats | jq "[.ports[].rx_frames] | add") = 83865600 ]'
check "4096 ports: top" eval '[ $(many -j top time 0.1 count 1 | jq ".ports | length") = 4096 ]'
many export --listen "unix:$WORK/many/e.sock" >/dev/null &
check "4096 ports: metrics" eval "wait_for '[ -S $WORK/many/e.sock ]' 5 &&
	printf 'GET /metrics HTTP/1.0\r\n\r\n' | socat -t 10 - UNIX:$WORK/many/e.sock | grep -c '^nfv_port_up' | grep -qx 4096"
kill $many $!; wait $many $! 2>/dev/null
finish
