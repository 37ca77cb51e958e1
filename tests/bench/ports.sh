#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# ports.sh [BUILD] - measure what many idle ports cost a pair of guests: 64-byte frames between two ports of an nfvd
# without other ports, with 254 others, and with as many as the descriptors allow, up to 4094. Half of them have a silent
# guest, half wait for one. One core for the switch, one for the generator, interleaved rounds.
#
#	ROUNDS=5 SECONDS_PER_SAMPLE=2 PORTS="256 4096"
#
# Samples: BUILD/bench/raw-ports.jsonl; medians: BUILD/bench/ports.json and a table.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
BUILD=$(realpath "${1:-${BUILD:-build}}")
ROUNDS=${ROUNDS:-5} SECONDS_PER_SAMPLE=${SECONDS_PER_SAMPLE:-2} PORTS=${PORTS:-256 4096}
[ -z "$SMOKE" ] || PORTS=16
raw=$BUILD/$RESULTS/raw-ports.jsonl
work=$(mktemp -d /dev/shm/ports.XXXXXX)
descriptors=$(ulimit -Hn)
pids=()

nfvctl() { "$BUILD/ctl/nfvctl" --state-dir "$work/nfvd" "$@"; }

stop()
{
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
	pids=()
	rm -rf "$work"/*
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# attach_more N - attach ports, up to N in all, over one connection.
attach_more()
{
	python3 - "$work/nfvd/ctl.sock" $(($1 - 2)) <<-'P'
	import json, socket, sys
	s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile("rw")
	for i in range(int(sys.argv[2])):
	    f.write(json.dumps({"jsonrpc": "2.0", "id": i, "method": "port.attach", "params": {"type": "kvm", "name": "p%d" % i}}) + "\n")
	    f.flush()
	    r = f.readline()
	    if '"result"' not in r: sys.exit("ports.sh: " + r)
	P
}

guests_there() { grep -q ready "$work/vuidle" || ! kill -0 "${pids[-1]}"; }

# start N: start nfvd with N ports
start()
{
	# A port takes one descriptor, its guest 9 more; the rest is for nfvd itself.
	local guests=$((($1 - 2) / 2)) guests_max=$(((descriptors - 1500 - $1) / 9)) i sockets=()

	mkdir "$work/nfvd"
	"$BUILD/dataplane/nfvd" --state-dir "$work/nfvd" --workers 1 --cpus 1 >"$work/nfvd.log" 2>&1 &
	pids+=($!)
	wait_for 20 nfvctl show
	nfvctl attach kvm a >/dev/null
	nfvctl attach kvm b >/dev/null
	[ "$1" -gt 2 ] || return 0
	attach_more "$1"
	[ $guests -le $guests_max ] || guests=$guests_max
	for ((i = 0; i < guests; i++)); do sockets+=("$work/nfvd/p$i.sock"); done
	mkfifo "$work/in"
	sleep 10000 >"$work/in" &
	pids+=($!)
	"$BUILD/tests/bench/vuidle" "${sockets[@]}" <"$work/in" >"$work/vuidle" 2>&1 &
	pids+=($!)
	wait_for 120 guests_there
	grep -q ready "$work/vuidle" || die "$(<"$work/vuidle")"
	sleep 0.5	# until their memory is no longer in the caches
}

# measure CASE WHO N
measure()
{
	local line

	printf '\rports: round %d of %d, %-12s' "$round" "$ROUNDS" "$1, $2" >&2
	start "$3"
	line=$("$BUILD/tests/bench/vugen" --a "$work/nfvd/a.sock" --b "$work/nfvd/b.sock" --size 64 --seconds "$SECONDS_PER_SAMPLE" --cpu 0)
	stop
	jq -ce --arg case "$1" --arg who "$2" '{$case, $who, unit: "Mpps", value: .mpps, idle}' <<<"$line" >>"$raw"
}

mkdir -p "$BUILD/$RESULTS"
: >"$raw"
for ((round = 1; round <= ROUNDS; round++)); do
	for n in $PORTS; do
		if ((round % 2)); then
			measure "ports-$n" nfvd "$n"
			measure "ports-$n" two-ports 2
		else
			measure "ports-$n" two-ports 2
			measure "ports-$n" nfvd "$n"
		fi
	done
done
printf '\r%40s\r' '' >&2
report "$raw" "$BUILD/$RESULTS/ports.json" \
	--command "ROUNDS=$ROUNDS SECONDS_PER_SAMPLE=$SECONDS_PER_SAMPLE PORTS='$PORTS' tests/bench/ports.sh" \
	--note "vugen, 64 bytes, both ways; of the other ports every second has a silent guest, as far as $descriptors descriptors allow; two-ports is an nfvd without them"
