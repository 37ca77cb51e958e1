#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# vm-vm.sh [BUILD] - frames between two vhost-user ports: nfvd, testpmd and OVS-DPDK, one
# core each (core 1; the generator has core 0), in interleaved rounds.
#
#	ROUNDS=5 SECONDS_PER_SAMPLE=2 SIZES="64 512 1500 8000"
#
# Samples: BUILD/bench/raw-vhost.jsonl; medians: BUILD/bench/vhost.json and a table.
set -eu
cd "$(dirname "$0")/../.."
BUILD=$(realpath "${1:-${BUILD:-build}}")
ROUNDS=${ROUNDS:-5} SECONDS_PER_SAMPLE=${SECONDS_PER_SAMPLE:-2} SIZES=${SIZES:-64 512 1500 8000}
here=$PWD/tests/bench
raw=$BUILD/bench/raw-vhost.jsonl
work=$(mktemp -d /tmp/vm-vm.XXXXXX)
nfvd_pid= running=

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
	running=$1
	case $1 in
	nfvd) start_nfvd ;;
	testpmd) "$here/peer-testpmd.sh" start "$work/testpmd" ;;
	ovs-dpdk) "$here/peer-ovs.sh" start "$work/ovs-dpdk" ;;
	esac
}

stop_switch()
{
	case $running in
	nfvd) stop_nfvd ;;
	testpmd) "$here/peer-testpmd.sh" stop "$work/testpmd" ;;
	ovs-dpdk) "$here/peer-ovs.sh" stop "$work/ovs-dpdk" ;;
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

# sample SWITCH SIZE - one line of raw samples; see report.py.
sample()
{
	local line unit=Gb/s key=gbps

	[ "$2" -gt 512 ] || unit=Mpps key=mpps
	line=$(timeout $((${SECONDS_PER_SAMPLE%.*} + 150)) "$BUILD/tests/bench/vugen" --a "$work/$1/a.sock" \
		--b "$work/$1/b.sock" --size "$2" --seconds "$SECONDS_PER_SAMPLE" --cpu 0) &&
		[[ $line == *'"bad":0,'* && $line =~ \"$key\":([0-9.]+) ]] || {
		echo "vm-vm: no good sample of $1, $2 bytes: $line" >&2
		return 1
	}
	echo "{\"case\":\"vm-vm-$2\",\"who\":\"$1\",\"unit\":\"$unit\",\"value\":${BASH_REMATCH[1]}}" >>"$raw"
}

mkdir -p "$BUILD/bench"
: >"$raw"
switches=(nfvd testpmd ovs-dpdk)
for ((round = 1; round <= ROUNDS; round++)); do
	for switch in "${switches[@]}"; do
		printf '\rvm-vm: round %d of %d, %-10s' "$round" "$ROUNDS" "$switch" >&2
		start_switch "$switch"
		for size in $SIZES; do
			sample "$switch" "$size"
			[ "$switch" != nfvd ] ||
				echo "{\"case\":\"vm-vm-$size\",\"ledger\":$(nfvctl -j ledger)}" >>"$raw"
		done
		stop_switch
	done
done
printf '\r%40s\r' '' >&2
python3 "$here/report.py" --command "ROUNDS=$ROUNDS SECONDS_PER_SAMPLE=$SECONDS_PER_SAMPLE tests/bench/vm-vm.sh" \
	--note "vugen, both ways at once, rings of 256 as QEMU and virtio-user make them; one core for the switch" \
	"$raw" "$BUILD/bench/vhost.json"
