#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# macs.sh [BUILD] - measure what a million learnt addresses cost a pair of guests: 64-byte frames between two ports, from 8192
# addresses each, of an nfvd that 61 silent guests have taught 16384 addresses each. For comparison, from 5 addresses each,
# with silent guests that have sent nothing. One core for the switch, one for the generator, interleaved rounds.
#
#	ROUNDS=5 SECONDS_PER_SAMPLE=2
#
# Samples: BUILD/bench/raw-macs.jsonl; medians: BUILD/bench/macs.json and a table.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
. tests/bench/many.sh
BUILD=$(realpath "${1:-${BUILD:-build}}")
ROUNDS=${ROUNDS:-5} SECONDS_PER_SAMPLE=${SECONDS_PER_SAMPLE:-2}
raw=$BUILD/$RESULTS/raw-macs.jsonl
work=$(mktemp -d /dev/shm/macs.XXXXXX)
trap 'stop_many; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
macs=16384

# measure WHO TAUGHT OWN
measure()
{
	local line learnt

	printf '\rmacs: round %d of %d, %-12s' "$round" "$ROUNDS" "$1" >&2
	teach=$2
	# Every second one has a guest.
	start_many 124
	# The table grows ten times a second.
	sleep 1
	line=$("$BUILD/tests/bench/vugen" --a "$work/nfvd/a.sock" --b "$work/nfvd/b.sock" --size 64 --cold 8 --macs "$3" \
		--seconds "$SECONDS_PER_SAMPLE" --cpu 0)
	learnt=$(nfvctl -j show | jq '[.ports[].macs] | add')
	stop_many
	jq -ce --arg who "$1" --argjson learnt "$learnt" '{case: "macs-1000000", $who, unit: "Mpps", value: .mpps, idle, $learnt}' <<<"$line" >>"$raw"
}

mkdir -p "$BUILD/$RESULTS"
: >"$raw"
for ((round = 1; round <= ROUNDS; round++)); do
	if ((round % 2)); then
		measure nfvd 16384 8192
		measure macs-10 0 5
	else
		measure macs-10 0 5
		measure nfvd 16384 8192
	fi
done
printf '\r%40s\r' '' >&2
report "$raw" "$BUILD/$RESULTS/macs.json" \
	--command "ROUNDS=$ROUNDS SECONDS_PER_SAMPLE=$SECONDS_PER_SAMPLE tests/bench/macs.sh" \
	--note "vugen, 64 bytes, buffers of 8 MiB, both ways, from 8192 addresses each, at an nfvd that has learnt a million; macs-10: from 5 each, at one that knows these only"
