#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 240
#
# Frames between containers: super-frames, VLANs, bursts, with and without the shortcut.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/containers.sh"

# moved A B: print FRAMES BYTES COPIES from A to B, read at one instant.
moved() { nfvctl -j ledger | jq -r --arg a "$1" --arg b "$2" '.pairs[] | select(.src == $a and .dst == $b) | "\(.frames) \(.bytes) \(.copies)"'; }

# tcp FROM TO SERVER NAME COPIES: super-frames are kept whole, and the ledger counts COPIES copies per frame.
tcp()
{
	local from=$1 to=$2 server=$3 name="$5: TCP $1 to $2" copies=$4 pid client reverse= was now frames bytes copied

	client=$to
	[ "$server" = "$to" ] && client=$from || reverse=-R
	listen "$server"
	pid=$!
	listening "$server"
	read -ra was <<<"$(moved "$from" "$to")"
	# shellcheck disable=SC2086 # nothing or an option
	check "$name" timeout 60 ip netns exec "$client" iperf3 -c "$(address "$server")" -t 1 $reverse || return
	read -ra now <<<"$(moved "$from" "$to")"
	wait $pid
	frames=$((now[0] - was[0])) bytes=$((now[1] - was[1])) copied=$((now[2] - was[2]))
	echo "  $frames frames of $((bytes / (frames + 1))) bytes, $copied copies"
	check "$name: super-frames are kept" [ $((bytes / (frames + 1))) -gt 10000 ]
	if [ "$copies" = 0 ]; then
		# The first frames went through user space, which learnt the address.
		check "$name: no copies" [ $((copied * 20)) -lt "$frames" ]
	else
		check "$name: $copies copies per frame" [ "$copied" = $((copies * frames)) ]
	fi
}

udp()
{
	local server

	listen c2
	server=$!
	listening c2
	check "$1: UDP" timeout 20 ip netns exec c1 iperf3 -c 10.0.0.2 -u -b 50M -l 1400 -t 1
	wait $server
	# IP fragments are frames like others.
	check "$1: a datagram in fragments" in_ns c1 ping -q -c 3 -i 0.2 -s 20000 -W 2 10.0.0.2
}

# tagged NAME TAGS: ten frames with these tags arrive unchanged, once each.
tagged()
{
	local name=$1 tags=$2 size=$3 receiver other vlan=${2%%[s.]*}

	# Each end sends a frame, so that its address is learnt in this VLAN.
	in_ns c2 "$FRAME" send eth0 ff:ff:ff:ff:ff:ff "$(mac c2)" "$tags" 60 1
	in_ns c1 "$FRAME" send eth0 ff:ff:ff:ff:ff:ff "$(mac c1)" "$tags" 60 1
	wait_for "nfvctl fdb | grep $(mac c1) | grep -q ' $vlan '" 5
	wait_for "nfvctl fdb | grep $(mac c2) | grep -q ' $vlan '" 5
	rm -f "$WORK/tagged" "$WORK/other"	# not ready yet
	ip netns exec c2 "$FRAME" recv eth0 -1 500 >"$WORK/tagged" &
	receiver=$!
	ip netns exec c3 "$FRAME" recv eth0 -1 500 >"$WORK/other" &
	other=$!
	wait_for "grep -q ready $WORK/tagged && grep -q ready $WORK/other" 5
	in_ns c1 "$FRAME" send eth0 "$(mac c2)" "$(mac c1)" "$tags" "$size" 10
	wait $receiver
	kill $other
	wait $other 2>/dev/null
	check "$name: tags $tags arrive unchanged, once" diff \
		<(echo ready; for n in {0..9}; do echo "$tags $size $n ok"; done) "$WORK/tagged"
	check "$name: and nowhere else" [ "$(cat "$WORK/other")" = ready ]
}

vlans()
{
	tagged "$1" 0 60
	tagged "$1" 5 60
	tagged "$1" 5 1514
	tagged "$1" 100s.5 1000
}

# Only the containers respond to a ping to all hosts.
# ask_all - print which hosts have responded so far
ask_all()
{
	in_ns c1 ping -6 -c 2 -i 0.3 -W 1 ff02::1%eth0 | sed -n 's,.*from \(fe80[^%]*\)%.*,\1,p' >>"$WORK/answers"
	sort -u "$WORK/answers"
}

host_is_silent()
{
	local name=$1 expected

	ip addr add 10.0.0.99/24 dev veth-c1
	check_fails "$name: the host does not answer IPv4" in_ns c1 ping -q -c 2 -i 0.2 -W 1 10.0.0.99
	ip addr del 10.0.0.99/24 dev veth-c1
	check "$name: nor ARP" [ -z "$(in_ns c1 ip neigh show 10.0.0.99 | grep lladdr)" ]
	wait_for "! ip -n c1 -6 addr show dev eth0 | grep -q tentative" 5
	expected=$(for i in c1 c2 c3; do ip -n $i -6 -o addr show dev eth0 scope link | sed 's,.*inet6 \([^/]*\)/.*,\1,'; done | sort)
	: >"$WORK/answers"
	check "$name: all containers answer IPv6" wait_for '[ "$(ask_all)" = "$expected" ]' 10
	check "$name: and nobody else" [ "$(sort -u "$WORK/answers")" = "$expected" ]
}

# Everything that must work the same with and without the shortcut.
traffic()
{
	local name=$1 copies=$2 output

	tcp c1 c2 c2 "$copies" "$name"
	tcp c2 c1 c2 "$copies" "$name"
	udp "$name"
	vlans "$name"
	host_is_silent "$name"
	output=$(in_ns c1 ping -q -f -c 2000 -w 10 10.0.0.2)
	check "$name: no echo lost or doubled" grep -q '^2000 packets transmitted, 2000 received, 0% packet loss' <<<"$output"
	check "$name: frames in = delivered + dropped" wait_for conserved 10
}

# An idle container sends as many frames at once as a bridge's receiver would queue: all are delivered.
bursts()
{
	local before frames i

	reach c1 c2 >/dev/null
	frames=$(pair c1 c2 frames) before=$(dropped c2 dst_full)
	for i in 1 2 3 4 5; do
		in_ns c1 "$FRAME" send eth0 "$(mac c2)" "$(mac c1)" 0 60 1500
		check "$1: a burst of 1500 small frames is delivered" \
			wait_for "[ \$((\$(pair c1 c2 frames) - $frames)) -ge $((i * 1500)) ]" 5
	done
	# Stop nfvd meanwhile.
	kill -STOP "$NFVD_PID"
	in_ns c1 "$FRAME" send eth0 "$(mac c2)" "$(mac c1)" 0 60 4000
	kill -CONT "$NFVD_PID"
	check "$1: one of 4000 waits for nfvd" wait_for "[ \$((\$(pair c1 c2 frames) - $frames)) -ge $((5 * 1500 + 4000)) ]" 5
	check "$1: none of them was missed" [ "$(member c1 missed):$(dropped c2 dst_full)" = "0:$before" ]
}

# While the shortcut is switched on and off, no frame is duplicated, and hardly one is lost.
switching()
{
	local pid i

	ip netns exec c1 ping -f -c 30000 -w 4 10.0.0.2 >"$WORK/switching" 2>&1 &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		nfvctl shortcut off >/dev/null
		nfvctl shortcut on >/dev/null
	done
	wait $pid
	check "switching: no frame is doubled" grep -q ' received, ' <(grep -v duplicates "$WORK/switching")
	check "switching: hardly one is lost" awk '/packets transmitted/ { exit !($1 - $4 <= 20) }' "$WORK/switching"
	check "switching: frames in = delivered + dropped" wait_for conserved 10
	tail -n 3 "$WORK/switching" | sed 's/^/  /'
}

per_port()
{
	local before

	nfvctl shortcut off c2 >/dev/null
	before=$(pair c1 c2 shortcut_frames)
	check "shortcut off for a port: it is reached" in_ns c1 ping -q -c 50 -i 0.002 10.0.0.2
	check "shortcut off for a port: through user space" [ "$(pair c1 c2 shortcut_frames)" = "$before" ]
	before=$(pair c1 c3 shortcut_frames)
	reach c1 c3 >/dev/null
	sleep_for_sync
	in_ns c1 ping -q -c 50 -i 0.002 10.0.0.3 >/dev/null
	check "shortcut off for a port: the others keep theirs" [ "$(pair c1 c3 shortcut_frames)" -gt "$before" ]
	nfvctl shortcut on c2 >/dev/null
}

for i in 1 2 3; do
	mk_container c$i 10.0.0.$i/24
done
start_nfvd
for i in 1 2 3; do
	nfvctl attach veth c$i dev veth-c$i >/dev/null
done
nfvctl shortcut off >/dev/null
traffic "shortcut off" 2
bursts "shortcut off"
nfvctl shortcut on >/dev/null
sleep_for_sync
traffic "shortcut on" 0
switching
per_port
finish
