#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What an operator sees: who is the bottleneck.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

VUGEN=$BUILD/tests/bench/vugen

# of PORT FIELD... - of its statistics
of() { nfvctl -j stats "$1" | jq -r ".ports[0].$2"; }
# frames SECONDS - as fast as two guests can, in the background
frames() { "$VUGEN" --a $STATE/a.sock --b $STATE/b.sock --size 64 --seconds "$1" >"$WORK/vugen.json" & pump=$!; }

start_nfvd --workers 1
for name in a b; do nfvctl attach kvm $name >/dev/null; done

# ---- who is the bottleneck ----
check "pressure: nothing happens: idle" [ "$(of a bound)" = idle ]
frames 3
check "pressure: two guests that send all they can wait for the switch" wait_for '[ "$(of a bound)$(of b bound)" = switchswitch ]' 4
check "pressure: their queues are never empty" eval 'nfvctl -j stats a | jq -e ".ports[0].pressure.from > 0.5"'
check "pressure: the worker is busy" eval 'nfvctl -j stats | jq -e ".workers[0] | .busy > 0.5 and .busy_s > 0"'
check "pressure: show says it" eval 'nfvctl show a | grep -q "^bound  *switch$"'
wait "$pump"
check "pressure: they have gone: idle" wait_for '[ "$(of a bound)" = idle ]' 5
check "pressure: the worker has slept" eval 'nfvctl -j stats | jq -e ".workers[0].sleep_s > 0"'
nfvctl limit a from 1kpps >/dev/null
frames 2
check "pressure: who has reached its limit waits for the switch" wait_for '[ "$(of a bound)" = switch ]' 3
check "pressure: and for how long is counted" eval '[ "$(of a paused_s)" != 0.0 ]'
wait "$pump"
nfvctl limit a from none >/dev/null
finish
