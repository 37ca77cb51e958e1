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
. tests/bench/many.sh
BUILD=$(realpath "${1:-${BUILD:-build}}")
ROUNDS=${ROUNDS:-5} SECONDS_PER_SAMPLE=${SECONDS_PER_SAMPLE:-2} PORTS=${PORTS:-256 4096}
[ -z "$SMOKE" ] || PORTS=16
raw=$BUILD/$RESULTS/raw-ports.jsonl
work=$(mktemp -d /dev/shm/ports.XXXXXX)
trap 'stop_many; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# measure CASE WHO N
measure()
{
	local line

	printf '\rports: round %d of %d, %-12s' "$round" "$ROUNDS" "$1, $2" >&2
	start_many "$3"
	line=$("$BUILD/tests/bench/vugen" --a "$work/nfvd/a.sock" --b "$work/nfvd/b.sock" --size 64 --seconds "$SECONDS_PER_SAMPLE" --cpu 0)
	stop_many
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
