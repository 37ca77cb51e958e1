#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# packet-io.sh [ROUNDS] [SECONDS] - compare ways to read and write AF_PACKET sockets.
#
# Two containers, a forwarder between the host ends of their veths (packet_io.c);
# each round runs every way once: TCP and 64-byte UDP by iperf3, a ping flood.
# Prints medians with min and max. PACKET_IO names the program (default: built here).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
OMIT=2		# s of TCP before each sample, in which it starts, as in lib.sh
. "$here/../../tools/namespaces.sh"
if ! ns_inside "$@"; then
	exec unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$@" "$(ns_word)"
fi
set -- "${@:1:$#-1}"
rounds=${1:-5} seconds=${2:-2}
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/io
program=${PACKET_IO:-}
if [ -z "$program" ]; then
	program=/run/io/packet_io
	gcc -std=gnu11 -O2 -D_GNU_SOURCE "$here/packet_io.c" -o $program
fi

ip link set lo up
for i in 1 2; do
	ip netns add c$i
	ip link add h$i type veth peer name eth0 netns c$i
	ip link set h$i addrgenmode none
	ip link set h$i up
	ip -n c$i link set lo up
	ip -n c$i addr add 10.0.0.$i/24 dev eth0
	ip -n c$i link set eth0 up
done
ip netns exec c2 iperf3 -s >/run/io/server.log 2>&1 &

ways=("recvmmsg" "v2" "v3" "recvmmsg bypass"
	"recvmmsg memory" "v2 memory" "peek memory" "recvmmsg memory bypass")

# Functions for jq: a share of nothing is 0; rounded to so many digits.
JQ='def share($n): if $n == 0 then 0 else . / $n end; def digits($n): pow(10; $n) as $by | . * $by | round / $by;'
# iperf CLIENT-ARG... - print its JSON, or fail with one line
iperf()
{
	local json status=0

	json=$(timeout 30 ip netns exec c1 iperf3 -c 10.0.0.2 -t "$seconds" -J "$@" 2>&1) || status=$?
	jq -e 'has("end") and (has("error") | not)' <<<"$json" >/dev/null 2>&1 && [ $status = 0 ] && printf '%s' "$json" && return
	echo "packet-io: iperf3 $*: status $status: $(jq -r '.error' <<<"$json" 2>/dev/null || tail -n 1 <<<"$json")" >&2
	return 1
}

start()
{
	local mode=${1%% *} options=${1#"${1%% *}"}

	# shellcheck disable=SC2086 # options are words
	$program "$mode" h1 h2 $options >/run/io/out &
	pid=$!
	# The first reply shows that the forwarder works.
	ip netns exec c1 ping -q -c 1 -w 5 10.0.0.2 >/dev/null
}

finish()
{
	kill -TERM $pid
	wait $pid
}

# Columns: Gb/s, RTT us, CPU s per GB, bytes per frame, copies and system calls per frame;
# then with 64-byte UDP: Mpps received, CPU us per frame, % late.
run()
{
	local tcp udp rtt first

	start "$1"
	tcp=$(iperf -O $OMIT)
	rtt=$(ip netns exec c1 ping -q -f -c 2000 -w 10 10.0.0.2 | sed -n 's,^rtt [^=]*= [^/]*/\([^/]*\)/.*,\1,p')
	finish
	first=$(cat /run/io/out)
	start "$1"
	udp=$(iperf -u -b 0 -l 64)
	finish
	jq -rn --argjson tcp "$tcp" --argjson udp "$udp" --argjson a "$first" --slurpfile b /run/io/out --argjson rtt "$rtt" "$JQ"'
		$b[0] as $b | $udp.end.sum as $sum | [($tcp.end.sum_received.bits_per_second / 1e9 | digits(1)), ($rtt * 1000 | digits(1)),
		($a.busy_s | share($a.bytes / 1e9) | digits(3)), ($a.bytes | share($a.frames) | floor),
		($a.copies | share($a.frames) | digits(2)), ($a.syscalls | share($a.frames) | digits(2)),
		(($sum.packets - $sum.lost_packets) / $sum.seconds / 1e6 | digits(3)), ($b.busy_s * 1e6 | share($b.frames) | digits(2)),
		($b.late * 100 | share($b.frames + $b.late) | digits(2))] | join(" ")' >>"/run/io/${1// /-}"
}

# median COLUMN FILE
median()
{
	cut -d' ' -f"$1" "$2" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], "(" v[1] "-" v[NR] ")" }'
}

for ((r = 0; r < rounds; r++)); do
	for way in "${ways[@]}"; do
		run "$way"
	done
done
format='%-24s %-18s %-16s %-20s %-8s %-7s %-9s %-20s %-18s %s\n'
# shellcheck disable=SC2059
printf "$format" way "TCP Gb/s" "ping flood us" "CPU s per GB" bytes/f copies syscalls "64 B Mpps" "CPU us per frame" "late %"
for way in "${ways[@]}"; do
	file=/run/io/${way// /-}
	[ -s "$file" ] || continue
	# shellcheck disable=SC2059
	printf "$format" "$way" "$(median 1 "$file")" "$(median 2 "$file")" "$(median 3 "$file")" \
		"$(median 4 "$file" | cut -d' ' -f1)" "$(median 5 "$file" | cut -d' ' -f1)" \
		"$(median 6 "$file" | cut -d' ' -f1)" "$(median 7 "$file")" "$(median 8 "$file")" "$(median 9 "$file")"
done
