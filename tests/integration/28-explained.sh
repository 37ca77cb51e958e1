#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Each frame that a hostile guest loses is in a capture of what is dropped, for the reason that nfvd counts: the cases
# of the hostile suite about chains, frames and policies, with a capture beside them.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

FILE=$WORK/x.pcapng
OTHER=/run/control

# Its witness has another nfvd, which nobody harms.
mkdir -m 700 $OTHER
"$NFVD" --state-dir $OTHER >"$WORK/control.log" 2>&1 & control=$!
wait_for "nfvctl --state-dir $OTHER show" 60
for port in w0 w1; do nfvctl --state-dir $OTHER attach kvm $port >/dev/null; done
start_nfvd --workers 1

# With nice, so that it reads what there is however busy the machine is. Snapped: what counts is how many.
nice -n -10 "$NFVCTL" capture --dropped -s 14 -w "$FILE" 2>"$WORK/capture.err" & capture=$!
wait_for 'nfvctl -j events | jq -e ".events[] | select(.kind == \"capture\")"' 5
# tshark is slow: fewer frames than there are otherwise.
hostile() { EVIL_DROPS=$WORK/drops EVIL_CYCLE_MS=${EVIL_CYCLE_MS:-40} NFVD_STATE_DIR=$STATE NFVD_PID=$NFVD_PID CONTROL_STATE_DIR=$OTHER CONTROL_PID=$control "$BUILD/tests/hostile/evil-vu" --policy; }
check "explained: the hostile cases of chains, frames and policies" hostile
kill "$capture"
check "explained: the capture ends" wait "$capture"
sed 's/^/# /' "$WORK/capture.err"

# by_port FILE: lines of port, reason, count; those of a port that was attached anew are added up
by_port() { awk '{ n[$1 " " $2] += $3 } END { for (k in n) print k, n[k] }' "$1" | sort; }
captured()
{
	tshark -r "$FILE" -T fields -e frame.interface_name -e frame.comment 2>/dev/null |
		sed -n 's/^\(.*\)\tdropped: \([a-z_]*\),.*/\1 \2 1/p' >"$WORK/lines"
	by_port "$WORK/lines" >"$WORK/captured"
	by_port "$WORK/drops" >"$WORK/counted"
	missed=$(sed -n 's/.* captured, \([0-9]*\) missed.*/\1/p' "$WORK/capture.err")
}
sum() { awk '{ n += $3 } END { print n + 0 }' "$1"; }
# What a machine that was too busy made it miss, it has counted; no reason is then in the file more often than at nfvd.
explained()
{
	cat "$WORK/captured"
	[ $(($(sum "$WORK/captured") + missed)) = "$(sum "$WORK/counted")" ] || { diff "$WORK/counted" "$WORK/captured"; return 1; }
	[ "$missed" != 0 ] || diff "$WORK/counted" "$WORK/captured" || return
	! join -j 1 <(sed 's/ /:/' "$WORK/counted") <(sed 's/ /:/' "$WORK/captured") | awk '$3 > $2' | grep .
}
reasons()
{
	local r

	for r in runt runt_chain oversize bad_csum bad_gso gso_unsup ctrl_proto bad_src_mac macs spoofed_mac vlan rx_buf_short; do
		grep -q "^evil $r " "$WORK/captured" || { echo "no $r"; return 1; }
	done
}
captured
check "explained: tshark counts for each port and reason as many as nfvd" explained
sed 's/^/# /' "$WORK/output"
check "explained: all reasons that the cases are about" reasons
kill "$control"; wait "$control"
finish
