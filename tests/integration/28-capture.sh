#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# capture and trace: tshark reads the file; each dropped frame has a reason; slow, dead and hostile clients.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

FRAME=$BUILD/tests/integration/frame
VUGEN=$BUILD/tests/bench/vugen
FILE=$WORK/x.pcapng
capture_start()
{
	"$NFVCTL" capture "$@" >"$WORK/capture.out" 2>"$WORK/capture.err" &
	CAPTURE=$!
	begun $CAPTURE
}
begun() { wait_for 'nfvctl -j events | jq -e "[.events[] | select(.kind == \"capture\")] | last | .text | contains(\"started by uid 0, pid '$1' \")"' 5; }
capture_stop() { kill "$CAPTURE" && wait "$CAPTURE"; }
shark() { tshark -r "$FILE" "$@" 2>/dev/null; }
# lines N FILTER - tshark finds N frames
lines() { local n; n=$(shark -Y "$2" | wc -l); [ "$n" = "$1" ] || { echo "$n, not $1"; shark -Y "$2" | head -n 5; nfvctl drops; return 1; }; }
send() { in_ns "$1" "$FRAME" send eth0 "$2" "$3" 0 60 "$4"; }

start_nfvd --workers 1
for i in 1 2; do mk_container c$i 10.0.0.$i/24; in_ns c$i ip link set eth0 address 02:00:00:00:00:0$i; nfvctl attach veth c$i dev veth-c$i >/dev/null; done
wait_for "state_is c1 up && state_is c2 up"
check "two containers reach each other" in_ns c1 ping -q -c 3 -i 0.01 10.0.0.2
wait_for "in_ns c1 ping -q -c 20 -i 0.002 10.0.0.2 && [ \$(pair c1 c2 shortcut_frames) -gt 5 ]" 10

# ---- the file ----
check "capture: of two ports" capture_start c1 c2 -w "$FILE" icmp
before=$(pair c1 c2 shortcut_frames)
in_ns c1 ping -q -c 5 -i 0.01 10.0.0.2 >/dev/null
check "capture: they do not use the shortcut meanwhile" [ "$(pair c1 c2 shortcut_frames)" = "$before" ]
check "capture: show says why" eval 'nfvctl show c1 | grep -q "shortcut_hindered.*captured"'
check "capture: it ends when told" capture_stop
check "capture: the shortcut is used again" wait_for "in_ns c1 ping -q -c 5 -i 0.002 10.0.0.2 && [ \$(pair c1 c2 shortcut_frames) -gt $before ]" 5
check "capture: tshark reads it: each frame at both ports" lines 20 icmp
check "capture: the filter let nothing else through" lines 20 frame
check "capture: one interface for each port" [ "$(shark -T fields -e frame.interface_name | sort | uniq -c | tr -s ' \n' ' ')" = " 10 c1 10 c2 " ]
check "capture: directions" lines 5 'frame.interface_name == "c1" and frame.packet_flags_direction == 1 and icmp.type == 8'
check "capture: and the other" lines 5 'frame.interface_name == "c2" and frame.packet_flags_direction == 2 and icmp.type == 8'
check "capture: the sightings of a frame have one number" [ "$(shark -T fields -e frame.packet_id | sort | uniq -c | awk '{ print $1 }' | sort -u)" = 2 ]

# ---- why frames are dropped ----
nfvctl set c1 address 02:00:00:00:00:01 >/dev/null
check "dropped: captured" capture_start c1 --dropped -w "$FILE"
send c1 02:00:00:00:00:02 02:00:00:00:00:66 7
send c1 02:00:00:00:00:02 02:00:00:00:00:01 3
wait_for '[ $(dropped c1 spoofed_mac) = 7 ]' 5
capture_stop
check "dropped: tshark finds the reason without a plugin" lines 7 'frame.comment contains "spoofed_mac"'
check "dropped: and nothing that passed" lines 7 frame
check "dropped: with the generation" lines 7 'frame.comment matches "generation [1-9]"'
check "dropped: for people" eval "capture_start --reason spoofed_mac -c 2; send c1 02:00:00:00:00:02 02:00:00:00:00:66 2; wait $CAPTURE; wait_for 'grep -c \"c1 drop 02:00:00:00:00:66 > 02:00:00:00:00:02.*dropped: spoofed_mac\" $WORK/capture.out | grep -qx 2' 5"
check "dropped: as JSON" eval "capture_start -j --reason spoofed_mac -c 1; send c1 02:00:00:00:00:02 02:00:00:00:00:66 1; wait_for 'jq -e \".reason == \\\"spoofed_mac\\\" and .from == \\\"c1\\\"\" $WORK/capture.out' 5"

# ---- trace ----
check_fails "trace: a filter is one word" nfvctl trace c1 time 2 ether proto 0x88b5
"$NFVCTL" -j trace c1 time 1.5 >"$WORK/trace" 2>&1 &
tracer=$!
begun $tracer
send c1 02:00:00:00:00:02 02:00:00:00:00:66 4
send c1 02:00:00:00:00:02 02:00:00:00:00:01 6
wait $tracer
check "trace: what passed" eval "jq -e '.paths[] | select(.to == \"c2\" and (has(\"reason\") | not)) | .frames >= 6' $WORK/trace"
check "trace: what did not, and why" eval "jq -e '.paths[] | select(.reason == \"spoofed_mac\") | .frames == 4 and .to == \"nowhere\" and (.why | contains(\"nfvctl set\"))' $WORK/trace"

# ---- each dropped frame of two guests that send more than either takes, and of malformed ones ----
# Without containers, because the guests expect only frames of one length.
for name in c1 c2; do nfvctl detach $name >/dev/null; done
for name in a b; do nfvctl attach kvm $name >/dev/null; done
counts() { nfvctl -j drops | jq -r '.drops[] | select(.frames and .count > 0) | "\(.port) \(.reason) \(.count)"' | sort; }
explained()
{
	counts >"$WORK/before"
	capture_start --dropped -w "$FILE" || return
	"$VUGEN" --a $STATE/a.sock --b $STATE/b.sock --size 64 --seconds 0.3 >/dev/null
	wait_for "conserved" 5
	capture_stop || return
	counts >"$WORK/after"
	shark -T fields -e frame.interface_name -e frame.comment | sed -n 's/^\(.*\)\tdropped: \([a-z_]*\),.*/\1 \2/p' | sort | uniq -c |
		awk '{ print $2, $3, $1 }' >"$WORK/captured"
	# The counts of before plus the captured drops are the counts of now.
	awk '{ n[$1 " " $2] += $3 } END { for (k in n) print k, n[k] }' "$WORK/before" "$WORK/captured" | sort >"$WORK/sum"
	cat "$WORK/captured" "$WORK/capture.err"
	grep -q ', 0 missed' "$WORK/capture.err" && diff "$WORK/sum" "$WORK/after" && grep -q dst_full "$WORK/captured"
}
check "dropped: each one is explained, as many as nfvctl drops counts" explained
sed 's/^/# /' "$WORK/output"

# ---- clients that are no good ----
"$VUGEN" --a $STATE/a.sock --b $STATE/b.sock --size 64 --seconds 12 >"$WORK/vugen.json" & pump=$!
wait_for "state_is a up && state_is b up"
# Wait until more frames have passed than a ring holds.
moving() { local n; n=$(stat_of a rx_frames); wait_for "[ \$(stat_of a rx_frames) -gt $((n + 200000)) ]" 5; }
check "hostile: two guests send" moving
/usr/bin/python3 "$TOP/tests/seeing/evil_capture.py" $STATE/ctl.sock >"$WORK/evil" 2>&1 & evil=$!
check "hostile: can only read what it gets" wait_for "grep -q held $WORK/evil" 5
check "hostile: one that reads nothing holds nobody" moving
capture_start a -w /dev/null
kill -STOP $CAPTURE
check "hostile: one that is stopped holds nobody" moving
kill -CONT $CAPTURE
nap 0.2
capture_stop
check "capture: what it missed it says" grep -qE "captured, [1-9][0-9]* missed" "$WORK/capture.err"
check "hostile: more frames than can be read: it ends when told" timeout --preserve-status -k 10 -s INT 0.5 "$NFVCTL" capture a >/dev/null
check "hostile: and trace in its time" timeout 10 "$NFVCTL" trace a time 0.5 >/dev/null
check "hostile: a full disk" eval "mkdir $WORK/full && mount -t tmpfs -o size=64k tmpfs $WORK/full && ! nfvctl capture a -w $WORK/full/x 2>$WORK/err && grep -q 'No space left' $WORK/err"
check "hostile: a closed pipe" eval "nfvctl capture a -w - 2>/dev/null | head -c 1000 | wc -c | grep -qx 1000"
check "hostile: no more than four" eval 'for i in 1 2 3 4; do "$NFVCTL" capture -w /dev/null 2>/dev/null & c[$i]=$!; done; wait_for "timeout 0.2 $NFVCTL capture -w /dev/null 2>&1 | grep -q \"4 captures already\"" 5; kill ${c[@]} $evil; wait ${c[@]} $evil 2>/dev/null; true'
check "capture: when they have gone nobody looks" wait_for 'timeout --preserve-status -s INT 0.3 "$NFVCTL" capture a -w /dev/null' 5
check_fails "capture: a filter that does not compile" nfvctl capture a 'tcp prot 80'
check_fails "capture: no port, no filter" nfvctl capture nobody
check_fails "capture: no reason" nfvctl capture --reason because
check_fails "capture: too long" nfvctl capture -s 9000
check_fails "capture: nowhere to write" nfvctl capture -w /nowhere/x
check_fails "capture: -w without a file" sh -c "cd '$WORK' && '$NFVCTL' capture -w"
check "capture: makes none" [ ! -e "$WORK/-w" ]
echo old >"$WORK/old.pcapng"
check_fails "capture: without nfvd" nfvctl --state-dir /nonexistent capture vm1 -w "$WORK/old.pcapng"
check "capture: it says so" grep -q "nfvd is not running" <(nfvctl --state-dir /nonexistent capture vm1 2>&1)
check "capture: and leaves an old file as it was" [ "$(cat "$WORK/old.pcapng")" = old ]
wait $pump
check "hostile: not one frame is torn" eval "jq -e '.bad == 0' $WORK/vugen.json"
check "capture: it ends with nfvd" eval 'capture_start a; stop_nfvd; ! wait $CAPTURE && grep -q "nfvd has ended" $WORK/capture.err'
finish
