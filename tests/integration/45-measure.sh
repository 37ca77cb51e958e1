#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nfvctl bench and probe: the shape of their output, also when something fails.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

OUT=$WORK/out ERR=$WORK/err

# says JQ-EXPRESSION: the expression is true for the last JSON
says() { jq -es "length == 1 and (.[0] | $1)" "$OUT"; }
# run ARG... - run nfvctl with its output in $OUT and $ERR
run() { "$NFVCTL" "$@" >"$OUT" 2>"$ERR"; }

start_nfvd
for n in 1 2 3; do
	mk_container c$n 10.0.0.$n/24
	nfvctl attach veth c$n dev veth-c$n >/dev/null
done
wait_for "in_ns c1 ping -c 1 -W 1 10.0.0.2 && in_ns c1 ping -c 1 -W 1 10.0.0.3" 10

# --- what they say ------------------------------------------------------------------

shapes()
{
	check "bench rtt" run -j bench rtt c1 c2 time 0.5
	check "its shape" says '.pairs[0] | .a == "c1" and .b == "c2" and .received > 0 and .sent >= .received and
		.loss_percent >= 0 and .gap_ms > 0 and .interval_us >= 100 and
		(.rtt_us | .min > 0 and .min <= .p50 and .p50 <= .p99 and .p99 <= .p999 and .p999 <= .max)'
	check "so many echoes as were asked for" run -j bench rtt c1 c2 count 20
	check "as many" says '.pairs[0].sent == 20'
	check "bench rtt, as a table" run bench rtt c1 c2 time 0.2
	check "its columns" grep -q '^A .*LOSS %  *GAP ms  *ECHOES' "$OUT"
	check "probe rtt" in_ns c1 "$NFVCTL" -j probe rtt 10.0.0.2 time 0.2
	check "its shape" [ "$(jq '.address == "10.0.0.2" and .rtt_us.p50 > 0 and .gap_ms > 0' "$WORK/output")" = true ]
	check "bench throughput" run -j bench throughput c1 c2 time 1 save "$WORK/throughput.json"
	check "its shape" says '(.pairs[0] | .gbps_ab > 0 and .gbps_ba > 0) and (.iperf3 | length == 2)'
	check "TCP has started before" says 'all(.iperf3[]; .start.test_start.omit == 2 and .start.test_start.duration == 1)'
	check "what is saved is the same" cmp <(jq -S . "$OUT") <(jq -S . "$WORK/throughput.json")
}

# --- rates ----------------------------------------------------------------------------

# `show time` at both ends, for 2500 UDP frames a second of 1000 bytes, which are 1042 on Ethernet.
rates()
{
	local server client

	BEFORE=$(stat_of c1 rx_frames)
	in_ns c2 iperf3 -s -1 >/dev/null &
	server=$!
	wait_for 'in_ns c2 ss -ltnH | grep -q :5201' 10
	in_ns c1 iperf3 -u -c 10.0.0.2 -b 20M -l 1000 -t 8 >"$WORK/iperf" 2>&1 &
	client=$!
	wait_for '[ "$(stat_of c1 rx_frames)" -gt "$((BEFORE + 2500))" ]' 10
	check "show with rates" run -j show time 4
	check "so long was asked for" says '.time_s >= 4 and .time_s < 4.5'
	check "rates of the sender" says '.ports[] | select(.name == "c1") |
		(.rx_pps | . > 2250 and . < 2750) and (.rx_gbps | . > 0.01876 and . < 0.02292) and .tx_pps < 100 and .dropped_pps == 0'
	check "rates of the receiver" says '.ports[] | select(.name == "c2") |
		(.tx_pps | . > 2250 and . < 2750) and (.tx_gbps | . > 0.01876 and . < 0.02292) and .rx_pps < 100'
	check "rates of a third" says '.ports[] | select(.name == "c3") | .rx_pps < 10 and .tx_pps < 10'
	check "the traffic was steady" wait $client
	wait $server
}

# --- outages --------------------------------------------------------------------------

# echoes TO SECONDS: begin bench rtt from c1; set $pid once echoes are on their way
echoes()
{
	local before

	before=$(stat_of c1 rx_frames)
	run -j bench rtt c1 "$1" time "$2" &
	pid=$!
	wait_for "[ \"\$(stat_of c1 rx_frames)\" -gt $((before + 30)) ]" 10
}

# An outage of one second in the middle of three. If each reply is awaited, it costs one echo.
outage()
{
	local pid

	echoes c2 3
	ip -n c2 link set eth0 down
	sleep 1
	ip -n c2 link set eth0 up
	check "bench rtt over an outage" wait $pid
	check "a third of all is lost" says '.pairs[0].loss_percent | . > 15 and . < 60'
	check "for a second there was no answer" says '.pairs[0].gap_ms | . >= 900 and . < 2500'
}

# Without a route for a while, only the echoes that cannot be sent are lost.
refused_sends()
{
	local pid

	echoes c3 2
	ip -n c1 route del 10.0.0.0/24
	sleep 0.3
	ip -n c1 route add 10.0.0.0/24 dev eth0
	check "bench rtt without a route for a while" wait $pid
	check "some are lost, others are not" says '.pairs[0].loss_percent | . > 1 and . < 70'
}

# --- bench matrix -----------------------------------------------------------------------

beside_others()
{
	ip link add uplink type veth peer name uplink-far
	ip link set uplink up
	ip link set uplink-far up
	nfvctl attach netdev up0 dev uplink >/dev/null
	check "an uplink is up" wait_for 'state_is up0 up' 10
	check "bench matrix beside an uplink" run -j bench matrix time 1 save "$WORK/matrix.json"
	check "its shape" says '(.pairs | length == 3) and all(.pairs[]; .gbps_ab > 0 and .gbps_ba > 0 and .rtt_us.p50 > 0 and
		.copies_per_frame >= 0 and .gap_ms > 0)'
	check "the uplink is left out" says '.left_out == [{"name": "up0", "reason": "a network device"}]'
	check "and named" grep -q 'up0 is left out' "$ERR"
	check_fails "bench rtt to it" run bench rtt c1 up0
	check "says what helps" grep -q 'try: nfvctl bench rtt c1 up0 addr ADDRESS' "$ERR"
	check_fails "bench throughput from it" run bench throughput up0 c1
	check "says what helps" grep -q 'try: nfvctl bench throughput c1 up0 addr ADDRESS' "$ERR"
	nfvctl detach up0 >/dev/null
	ip link del uplink
}

failures()
{
	local start=$SECONDS

	check_fails "bench matrix: where nothing can be written" run -j bench matrix save "$WORK/no/such/file"
	check "that is one JSON object" says '.error.message | contains("No such file")'
	check_fails "bench throughput: where nothing can be written" run -j bench throughput c1 c2 time 20 save "$WORK/no/such/file"
	check "that is told before it is measured" [ $((SECONDS - start)) -lt 15 ]
	ip -n c3 addr flush dev eth0
	check_fails "bench matrix: a pair fails" run -j bench matrix time 1 save "$WORK/failed.json"
	check "one JSON object, with the others" says '(.pairs | length == 3) and ([.pairs[] | select(.error)] | length == 2) and
		([.pairs[] | select(.gbps_ab > 0)] | length == 1)'
	check "and saved" cmp <(jq -S . "$OUT") <(jq -S . "$WORK/failed.json")
	ip -n c3 addr add 10.0.0.3/24 dev eth0
}

interrupted()
{
	local pid status=0 signal=$1

	rm -f "$WORK/matrix.json"
	# A shell without job control makes background processes ignore INT.
	env --default-signal=INT "$NFVCTL" -j bench matrix time 1 save "$WORK/matrix.json" >"$OUT" 2>"$ERR" &
	pid=$!
	wait_for '[ "$(jq ".pairs | length" "$WORK/matrix.json")" = 1 ]' 60
	kill -"$signal" $pid
	wait $pid || status=$?
	check "bench matrix, $signal: it says that it was not finished" [ $status = 1 ]
	check "the pairs that were finished are printed" says '.interrupted and (.pairs | length >= 1 and length < 3) and all(.pairs[]; .gbps_ba > 0)'
	check "and saved" cmp <(jq -S . "$OUT") <(jq -S . "$WORK/matrix.json")
	check "it says how many" grep -q 'interrupted: [12] of 3 pairs' "$ERR"
	check "no iperf3 is left" wait_for '! pgrep -x iperf3' 10
}

shapes
rates
outage
refused_sends
beside_others
failures
interrupted INT
interrupted TERM
finish
