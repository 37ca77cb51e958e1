#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# vm-vm.sh [BUILD] - measure frames between two vhost-user ports: nfvd, testpmd without and with huge pages, and
# OVS-DPDK, one core each (core 1; the generator has core 0), in interleaved rounds.
#
#	ROUNDS=5 SECONDS_PER_SAMPLE=2 SIZES="64 512 1500 8000" CASES="vm-vm-64-cold vm-vm-64-hot ..."
#
# -cold: each frame is in other memory, written by the sender and read by the receiver; memory is used again after twice
# the size of the last-level cache. -hot, or neither: the same 256 buffers, not written or read, all in caches.
# A sample is refused if the generator had no idle time, because it would measure the generator.
# Samples: BUILD/bench/raw-vhost.jsonl; medians: BUILD/bench/vhost.json and a table.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
BUILD=$(realpath "${1:-${BUILD:-build}}")
ROUNDS=${ROUNDS:-5} SECONDS_PER_SAMPLE=${SECONDS_PER_SAMPLE:-2} SIZES=${SIZES:-64 512 1500 8000}
[ -z "$SMOKE" ] || SIZES=64
# shellcheck disable=SC2086
CASES=${CASES:-$(printf 'vm-vm-%s-cold vm-vm-%s-hot ' $(for size in $SIZES; do echo "$size $size"; done))}
idle_min=0.05
# Size of the core's last-level cache; getconf gives the sum of a socket's.
l3=$(cat /sys/devices/system/cpu/cpu0/cache/index3/size 2>/dev/null) || l3=65536K
cold_mib=$((${l3%K} * 2 / 1024))
here=$PWD/tests/bench
raw=$BUILD/$RESULTS/raw-vhost.jsonl
work=$(mktemp -d /tmp/vm-vm.XXXXXX)
nfvd_pid= running= jumbo=

nfvctl() { "$BUILD/ctl/nfvctl" --state-dir "$work/nfvd" "$@"; }
nfvd_answers() { [ -S "$work/nfvd/ctl.sock" ] && nfvctl show >/dev/null 2>&1; }

start_nfvd()
{
	local end=$((SECONDS + 20))

	mkdir -p "$work/nfvd"
	"$BUILD/dataplane/nfvd" --state-dir "$work/nfvd" --workers 1 --cpus 1 >>"$work/nfvd.log" 2>&1 &
	nfvd_pid=$!
	until nfvd_answers; do
		kill -0 $nfvd_pid && [ $SECONDS -lt $end ] || { cat "$work/nfvd.log" >&2; return 1; }
		sleep 0.05
	done
	nfvctl attach kvm a >/dev/null
	nfvctl attach kvm b >/dev/null
}

stop_nfvd()
{
	local end=$((SECONDS + 10)) pid=$nfvd_pid

	[ -n "$pid" ] || return 0
	nfvd_pid=
	kill -TERM "$pid" || true
	while kill -0 "$pid" 2>/dev/null; do
		[ $SECONDS -lt $end ] || kill -KILL "$pid"
		sleep 0.05
	done
	wait "$pid" || true
}

start_switch()
{
	running=$1 jumbo=
	case $1 in
	nfvd) start_nfvd ;;
	testpmd) "$here/peer-testpmd.sh" start "$work/$1" ;;
	testpmd-huge) "$here/peer-testpmd.sh" start-huge "$work/$1" ;;
	ovs-dpdk) "$here/peer-ovs.sh" start "$work/$1" ;;
	esac
}

stop_switch()
{
	case $running in
	nfvd) stop_nfvd ;;
	testpmd*) "$here/peer-testpmd.sh" stop "$work/$running" ;;
	ovs-dpdk) "$here/peer-ovs.sh" stop "$work/$running" ;;
	esac
	running=
}

cleanup()
{
	stop_switch
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# measure SWITCH CASE - one line of raw samples; see report.py.
measure()
{
	local switch=$1 case=$2 size cold=() unit=Gb/s key=gbps line

	size=${case#vm-vm-} size=${size%-*}
	[[ $size =~ ^[0-9]+$ ]] || die "no such case: $case"
	[[ $case != *-cold ]] || cold=(--cold $cold_mib)
	[ "$size" -gt 512 ] || unit=Mpps key=mpps
	# Only for long frames, because jumbo makes OVS's buffers larger.
	if [ "$switch$jumbo" = ovs-dpdk ] && [ "$size" -gt 1514 ]; then
		"$here/peer-ovs.sh" start-jumbo "$work/$switch" || die "$switch: no frames of $size bytes"
		jumbo=1
	fi
	line=$(timeout $((${SECONDS_PER_SAMPLE%.*} + 150)) "$BUILD/tests/bench/vugen" --a "$work/$switch/a.sock" \
		--b "$work/$switch/b.sock" --size "$size" --seconds "$SECONDS_PER_SAMPLE" --cpu 0 "${cold[@]}") &&
		jq -ce --arg case "$case" --arg who "$switch" --arg unit $unit --arg key $key --argjson least $idle_min \
			'if .bad > 0 then error("frames are not what was sent") else {$case, $who, $unit, idle} +
			if .idle < $least then {refused: .[$key]} else {value: .[$key]} end end' <<<"$line" >>"$raw" ||
		die "no good sample of $switch, $case: $line"
}

mkdir -p "$BUILD/$RESULTS"
: >"$raw"
for ((round = 1; round <= ROUNDS; round++)); do
	for switch in nfvd testpmd testpmd-huge ovs-dpdk; do
		printf '\rvm-vm: round %d of %d, %-12s' "$round" "$ROUNDS" "$switch" >&2
		start_switch "$switch"
		for case in $CASES; do
			measure "$switch" "$case"
			[ "$switch" != nfvd ] || ledger "$raw" "$case"
		done
		stop_switch
	done
done
printf '\r%40s\r' '' >&2
report "$raw" "$BUILD/$RESULTS/vhost.json" \
	--command "ROUNDS=$ROUNDS SECONDS_PER_SAMPLE=$SECONDS_PER_SAMPLE CASES='${CASES% }' tests/bench/vm-vm.sh" \
	--guest vugen --note "vugen, both ways at once, rings of 256 as QEMU and virtio-user make them; one core for the switch, one for the generator; cold: $cold_mib MiB"
