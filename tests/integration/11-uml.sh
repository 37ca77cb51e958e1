#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A pair of User-mode Linux guests: real drivers and TCP at native speed, with
# super-frames and one copy; killed and rebooted under traffic, while a pair of
# containers on the same switch loses nothing.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

frames() { pair vm1 vm2 frames; }
flowing() { local n; n=$(frames); wait_for "[ \$(frames) -gt $((n + 300)) ]" 10; }

# Ping between the containers during the whole test, through user space as all traffic here.
ping_start()
{
	mk_container c1 10.0.0.11/24
	mk_container c2 10.0.0.12/24
	nfvctl attach veth c1 dev veth-c1 && nfvctl attach veth c2 dev veth-c2 && nfvctl shortcut off || return 1
	in_ns c1 ping -i 0.05 10.0.0.12 >"$WORK/ping" 2>&1 &
	PING_PID=$!
	wait_for "grep -q icmp_seq=5 $WORK/ping" 10
}

# Each request so far has exactly one reply, in order; the last one may still be missing.
ping_lossless()
{
	grep -o 'icmp_seq=[0-9]*' "$WORK/ping" | awk -F = -v min="${1:-10}" '
		$2 != ++n { print "reply " n " is to request " $2; wrong = 1; exit }
		END { exit wrong || n <= min }'
}

boot()
{
	guest_start uml vm1 10.0.0.1/24 && guest_start uml vm2 10.0.0.2/24
}

super_frames()
{
	local frames bytes

	frames=$(pair vm1 vm2 frames) bytes=$(pair vm1 vm2 bytes)
	check "uml: TCP" iperf vm1 10.0.0.2 -t 2
	frames=$(($(pair vm1 vm2 frames) - frames)) bytes=$(($(pair vm1 vm2 bytes) - bytes))
	check "uml: super-frames stay whole ($((bytes / (frames ? frames : 1))) bytes on average)" \
		[ $bytes -gt $((10000 * frames)) ]
	check "uml: TCP the other way" iperf vm1 10.0.0.2 -t 2 -R
	check "uml: one copy per frame" [ "$(pair vm1 vm2 copies)" = "$(pair vm1 vm2 frames)" ]
	check "uml: one copy per frame, the other way" [ "$(pair vm2 vm1 copies)" = "$(pair vm2 vm1 frames)" ]
	check "uml: and of each byte" [ "$(pair vm1 vm2 copied_bytes)" = "$(pair vm1 vm2 bytes)" ]
}

traffic_start() { guest_exec vm1 "iperf3 -c 10.0.0.2 -t 100 $* >/dev/null 2>&1 &" && flowing; }
traffic_stop() { guest_exec vm1 'busybox killall -KILL iperf3; iperf3 -s -D'; }

conservation()
{
	local first i

	first=$(frames)
	for ((i = 0; i < 20; i++)); do
		conserved || return 1
	done
	wait_for "[ \$(frames) -gt $first ]" 5 || echo "$first frames, and no more"
	[ "$(frames)" -gt "$first" ]
}

waiting_within()
{
	local start

	start=$(now_ms)
	wait_for "state_is vm2 waiting" 10
	start=$(($(now_ms) - start))
	echo "$start ms"
	[ $start -lt 5000 ]
}

# cycle N OPTION... - options are for the traffic's client.
cycle()
{
	local n=$1

	shift
	check "cycle $n: traffic${1:+ $1}" traffic_start "$@"
	guest_kill vm2
	check "cycle $n: killed under traffic, the port waits within 5 s" waiting_within
	check "cycle $n: and nothing is in flight" wait_for conserved 10
	traffic_stop
	check "cycle $n: the guest starts again" guest_start uml vm2 10.0.0.2/24
	check "cycle $n: TCP again" iperf vm1 10.0.0.2 -t 1
	check "cycle $n: traffic${1:+ $1}, again" traffic_start "$@"
	check "cycle $n: rebooted under traffic" guest_exec vm2 reboot
	check "cycle $n: the guest is back" guest_wait vm2
	traffic_stop
	check "cycle $n: with TCP" iperf vm1 10.0.0.2 -t 1
	check "cycle $n: the containers have lost nothing" ping_lossless
}

start_nfvd
check "uml: two containers ping each other" ping_start
check "uml: two guests" boot
check "uml: ping" guest_exec vm1 'ping -c 5 -i 0.2 10.0.0.2'
check "uml: ping from a container" in_ns c1 ping -q -c 5 -i 0.2 10.0.0.1
super_frames
check "uml: traffic" traffic_start
check "uml: conserved at 20 instants of it" conservation
check "uml: traffic ends" traffic_stop
check_fails "uml: nothing of it was malformed" grep -E 'refused|fenced' "$NFVD_LOG"
cycle 1
cycle 2 -R
cycle 3 --bidir
check "uml: the containers have lost nothing at all" ping_lossless 200
{ kill -KILL "$PING_PID"; wait "$PING_PID"; } 2>/dev/null
check "uml: each end of the guest was seen" wait_for '[ "$(dropped vm2 vu_disconnect)" = 6 ]' 5
check "uml: conserved in the end" wait_for conserved 10
# A guest that reboots under traffic may free its rings, and write to their memory, before it stops the device. Then the
# rings are malformed, and the port is fenced until the guest is back.
check_fails "uml: nothing was refused" grep refused "$NFVD_LOG"
check "uml: and both guests are up" wait_for "state_is vm1 up && state_is vm2 up" 5
finish
