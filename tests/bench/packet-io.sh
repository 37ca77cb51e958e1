#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# packet-io.sh [ROUNDS] [SECONDS] - compare ways to read and write AF_PACKET sockets.
#
# Two containers, a forwarder between the host ends of their veths (packet_io.c);
# each round runs every way once: TCP and 64-byte UDP by iperf3, a ping flood.
# Prints medians with min and max. PACKET_IO names the program (default: built here).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
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

# number KEY FILE: print the last "KEY": NUMBER of a JSON file.
number() { sed -n 's/.*"'"$1"'":[[:space:]]*\([0-9.e+-]*\).*/\1/p' "$2" | tail -n 1; }

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
	local tcp gbps rtt mpps

	start "$1"
	timeout 30 ip netns exec c1 iperf3 -c 10.0.0.2 -t "$seconds" -J >/run/io/tcp.json
	rtt=$(ip netns exec c1 ping -q -f -c 2000 -w 10 10.0.0.2 | sed -n 's,^rtt [^=]*= [^/]*/\([^/]*\)/.*,\1,p')
	finish
	gbps=$(awk '/"sum_received"/ { on = 1 }
		on && /bits_per_second/ { gsub(/[^0-9.e+]/, "", $2); print $2 / 1e9; exit }' /run/io/tcp.json)
	tcp=$(awk -v b="$(number bytes /run/io/out)" -v f="$(number frames /run/io/out)" \
		-v s="$(number syscalls /run/io/out)" -v c="$(number busy_s /run/io/out)" \
		-v k="$(number copies /run/io/out)" \
		'BEGIN { printf "%.3f %d %.2f %.2f", c / (b / 1e9), b / f, k / f, s / f }')

	start "$1"
	timeout 30 ip netns exec c1 iperf3 -c 10.0.0.2 -u -b 0 -l 64 -t "$seconds" -J >/run/io/udp.json
	finish
	mpps=$(awk -v t="$seconds" '/"sum"/ { on = 1 }
		on && /"lost_packets"/ { gsub(/[^0-9]/, "", $2); lost = $2 }
		on && /"packets"/ { gsub(/[^0-9]/, "", $2); all = $2 }
		END { printf "%.3f", (all - lost) / t / 1e6 }' <(sed -n '/"end"/,$p' /run/io/udp.json))
	awk -v f="$(number frames /run/io/out)" -v c="$(number busy_s /run/io/out)" -v l="$(number late /run/io/out)" \
		-v gbps="$gbps" -v rtt="$rtt" -v tcp="$tcp" -v mpps="$mpps" \
		'BEGIN { printf "%.1f %.1f %s %s %.2f %.2f\n", gbps, rtt * 1000, tcp, mpps, c * 1e6 / f, 100 * l / (f + l) }' \
		>>"/run/io/${1// /-}"
}

# median COLUMN FILE
median()
{
	cut -d' ' -f"$1" "$2" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], "(" v[1] "-" v[NR] ")" }'
}

for ((r = 0; r < rounds; r++)); do
	for way in "${ways[@]}"; do
		run "$way" || echo "$way: failed in round $r" >&2
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
