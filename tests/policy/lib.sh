# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts that run the table of cases. Source it after tests/lib.sh.

CASES=$TOP/tests/policy/cases

# silent NAME - make a container that sends nothing by itself; do not attach it
silent()
{
	mk_container "$1" 10.9.0.1/24
	in_ns "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	in_ns "$1" ip addr flush dev eth0
}

# containers [OPTION OF ATTACH]... - make a, b and c, silent, with the addresses of the cases, and attach them
containers()
{
	local name

	for name in a b c; do
		silent $name
		ip -n $name link set eth0 address 02:00:00:00:00:0$name
		nfvctl attach veth $name dev veth-$name "$@" >/dev/null
		wait_for "state_is $name up"
	done
}

# table LABEL ENDPOINT ENDPOINT ENDPOINT [twice] - run all rows; print one result, and each row that fails. With SHARE=N
# run one row in N, a different part for each further table.
table()
{
	local label=$1 rows want

	shift
	awk -v n="${SHARE:-1}" -v at="${tables:=0}" '!/^[^#].*\|/ || i++ % n == at % n' "$CASES" >"$WORK/cases"
	tables=$((tables + 1))
	want=$(grep -c '^[^#].*|' "$WORK/cases")
	"$BUILD/tests/policy/policy" $STATE/ctl.sock "$WORK/cases" "$@" >"$WORK/rows" 2>&1
	rows=$(grep -c '^ok' "$WORK/rows")
	check "$label: $want rows" eval "[ $rows = $want ] && ! grep -v '^ok' $WORK/rows || { grep -v '^ok' $WORK/rows; false; }"
}

# changes LABEL ENDPOINT ENDPOINT ENDPOINT - change policies 1000 times; with SHARE=N, 1000/N times
changes()
{
	local n=$((1000 / ${SHARE:-1}))

	check "$1: $n changes under traffic, none late" "$BUILD/tests/policy/policy_changes" $STATE/ctl.sock $n "${@:2}"
}

# ---- mirrors ----

FRAME=$BUILD/tests/integration/frame
A=02:00:00:00:00:0a B=02:00:00:00:00:0b

# send_5 [BYTES] - send 5 frames from a to b, while b and the probe listen
send_5()
{
	local name pids=()

	for name in b p; do in_ns $name "$FRAME" recv eth0 5 1500 >"$WORK/recv.$name" & pids+=($!); done
	wait_for "grep -q ready $WORK/recv.b && grep -q ready $WORK/recv.p" || return
	in_ns a "$FRAME" send eth0 $B $A 0 "${1:-60}" 5
	wait "${pids[@]}"
	cat "$WORK/recv.b" "$WORK/recv.p"
}
# got NAME LEN N - it has received N frames of that length
got() { [ "$(grep -c " $2 [0-9] " "$WORK/recv.$1")" = "$3" ]; }

# mirrors LABEL - check which copies of a's and b's frames reach p, a port in another zone
mirrors()
{
	in_ns b "$FRAME" send eth0 $A $B 0 60 1
	wait_for "nfvctl -j fdb | jq -e '[.entries[] | select(.mac == \"$B\").port] | unique == [\"b\"]'"
	check "$1, no mirror: the probe gets nothing" eval 'send_5 && got b 60 5 && got p 60 0'
	nfvctl mirror add m1 from a to p >/dev/null
	check "$1, a mirror: the probe gets what is carried" eval 'send_5 && got b 60 5 && got p 60 5'
	nfvctl mirror remove m1 >/dev/null
	nfvctl mirror add m1 from b received to p snap 64 >/dev/null
	check "$1: what b is sent, its first 64 bytes" eval 'send_5 1000 && got b 1000 5 && got p 64 5'
	nfvctl mirror remove m1 >/dev/null
	nfvctl quarantine a mirror p >/dev/null
	check "$1, quarantine: the probe alone gets it" eval 'send_5 && got b 60 0 && got p 60 5'
	nfvctl release a >/dev/null
}
