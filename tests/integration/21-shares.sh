#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# alone
#
# `weight`: the shares of several senders of one worker and of one receiver. And a flow keeps its rate beside a flooder.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

start_nfvd --workers 1
for name in a b c d; do nfvctl attach kvm $name >/dev/null; done

# shares A B C - a, b and c send as much as they can to d, which is slow. Their shares of the worker and of d must be as
# A:B:C, within 10 %.
shares()
{
	timeout 60 "$BUILD/tests/policy/policy_shares" $STATE/{a,b,c,d}.sock >"$WORK/shares" || return
	cat "$WORK/shares"
	jq -e --argjson want "[$1, $2, $3]" '
		def fair: (add / ($want | add)) as $part | [., $want] | transpose | all(.[0] / (.[1] * $part) | . > 0.9 and . < 1.1);
		(.queued | fair) and (.slow | fair)' "$WORK/shares"
}
check "nobody has a weight: equal shares" shares 1 1 1
nfvctl set c weight 4 >/dev/null
check "weights 1, 1, 4" shares 1 1 4
nfvctl set a weight 3 >/dev/null
nfvctl set c weight 2 >/dev/null
check "weights 3, 1, 2" shares 3 1 2
nfvctl set a weight default >/dev/null
nfvctl set c weight default >/dev/null
check "none again: equal shares" shares 1 1 1

# flow SENDER RECEIVER - 2000 frames a second arrive. One of three tries must succeed, because other processes may run.
flow()
{
	local try

	for try in 1 2 3; do
		timeout 60 "$BUILD/tests/bench/vugen" --a $STATE/"$1".sock --b $STATE/"$2".sock --size 64 --oneway --rate 2000 --seconds 1.5 >"$WORK/flow" || return
		cat "$WORK/flow"
		! jq -e '.received > 0.95 * .offered' "$WORK/flow" || return 0
	done
	return 1
}
nfvctl set a zone flood >/dev/null
nfvctl set b zone flood >/dev/null
nice -n 19 "$BUILD/tests/bench/vugen" --a $STATE/a.sock --b $STATE/b.sock --size 64 --oneway --seconds 3600 >/dev/null &
FLOODER=$!
floods() { [ "$(stat_of a rx_frames)" -gt "$1" ]; }
check "a floods" wait_for "floods $(($(stat_of a rx_frames) + 1000000))"
check "a flow beside it keeps its rate" flow c d
nfvctl set a weight 64 >/dev/null
check "also beside one of weight 64" flow c d
check "it flooded to the end" kill $FLOODER
wait $FLOODER 2>/dev/null
finish
