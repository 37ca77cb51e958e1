#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Run each bench of the Makefile once, as short as possible: it must succeed, and its result must have the shape that
# README uses. The figures of such a run mean nothing. To be run by hand, because it takes minutes: SMOKE=1 make bench-xen

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

# bench TARGET RESULT [ARG] - make TARGET, and set $RESULT to its result
bench()
{
	local log=$WORK/${2%.json}.log

	RESULT=$BUILD/bench-smoke/$2
	SMOKE=1 timeout 600 make -s -C "$TOP" BUILD="$BUILD" "$1" ARGS="${3:-}" >"$log" 2>&1 </dev/null || { tail -n 25 "$log"; return 1; }
	! grep -A 20 Traceback "$log"
}
says() { jq -e "$1" "$RESULT" >/dev/null || { jq -c . "$RESULT"; return 1; }; }
# cases PEER NAME... - the result has these cases, with samples of nfvd and of this peer
cases()
{
	local peer=$1 name

	shift
	check "it says what it is" says '.smoke == true and .machine.cores > 0 and .command and .note and .date'
	for name; do
		check "$name" says "[.cases[] | select(.name == \"$name\") |
			.nfvd.samples[0] > 0 and .peers[\"$peer\"].samples[0] > 0 and .ratio[\"$peer\"] > 0] == [true]"
	done
}

rm -rf "$BUILD/bench-smoke"
check "make bench: vm-vm" bench bench vhost.json vm-vm
check "it says what it is" says '.smoke == true and .machine.cores > 0 and .command and .note and .date'
# On a busy machine a polling peer may carry nothing, or the generator may be the limit: the result says so.
check "its cases, each with a sample, or a refused one, of all four" says '[.cases[].name] == ["vm-vm-64-cold", "vm-vm-64-hot", "vm-vm-64"] and
	all(.cases[]; (.peers | keys == ["ovs-dpdk", "testpmd", "testpmd-huge"]) and .copies_per_frame == 1 and
		all(.nfvd, .peers[]; .generator_idle[0] >= 0 and (.refused == 1 or .samples[0] >= 0)))'
check "and who plays the guest" says 'all(.cases[]; .guest == "vugen")'

check "make bench: container" bench bench container.json container
cases bridge tcp-container-container rtt-container-container
cases ovs-dpdk tcp-vm-container rtt-vm-container tcp-vm-container-own-core rtt-vm-container-own-core
check "and who plays the guest" says 'all(.cases[]; .guest == (if .name | contains("vm") then "QEMU" else null end))'

check "make bench-policy" bench bench-policy policy.json
cases ovs-dpdk rate-from-100Mbit-64
cases tc-tbf rate-from-100Mbit-tcp
cases alone tcp-beside-small tcp-beside-super rtt-beside-small rtt-beside-super
check "the rest of it" says '[.cases[].name] | contains(["neighbours", "vm-vm-64", "quarantine-guests", "rate-to-100Mbit-64"])'

check "make bench-restart" bench bench-restart restart.json
cases ovs-dpdk kill-vm-container restart-vm-container upgrade-vm-container
check "killed, restarted, upgraded, each with four figures" says '[.cases[].name] | sort == (["kill", "restart", "upgrade"] |
	map("\(.)-container-container", "\(.)-vm-container", "\(.)-vm-vm"))'
check "... of each pair" says 'all(.cases[]; (.nfvd, .peers[]) | .gap_ms.median > 0 and .lost.min >= 0 and .offered_pps.min > 0 and
	.blocked_ms.max >= .blocked_ms.min)'

check "make bench: many ports" bench bench ports.json ports
cases two-ports ports-16

check "make bench: many addresses" bench bench macs.json macs
cases macs-10 macs-1000000

check "make bench-observe" bench bench-observe observe.json
check "it says what it is" says '.smoke == true and .machine.cores > 0 and .command and .note and .date'
check "its cases" says '[.cases[].name] == ["export-16", "delay-16", "vm-vm-64", "vm-vm-64-ratio", "capture-1mpps"]'
check "scrapes, alone and beside frames" says '.cases[0] | .nfvd.series.min > 300 and all(.nfvd, .nfvd_beside_frames; .median > 0 and .longest_ms.max >= .median)'
check "delays, and what came late" says '.cases[1] | all(.nfvd, .peers["not-scraped"]; .median > 0 and .late.max >= .missing.max)'
check "after a capture" says '.cases[2] | .nfvd.samples[0] > 0 and .peers["never-captured"].samples[0] > 0'
check "each frame of a captured port is in the file, or was counted as missed" says '.cases[4] | .nfvd.unexplained.max == 0 and .nfvd.unexplained.min == 0 and
	.nfvd.file.min > 0 and .peers["not-captured"].taken.min > 0'

check "make bench: attach" bench bench attach.json attach
cases bridge attach-first attach
cases ovs-dpdk attach

check "packet-io.sh" eval "timeout 300 '$TOP/tests/bench/packet-io.sh' 1 1 >'$WORK/packet-io'"
check "each way has its nine figures" [ "$(grep -cE '^[a-z0-9 ]+  +([0-9.]+ \([0-9.-]+\) +){3}([0-9.]+ +){3}([0-9.]+ \([0-9.-]+\) *){3}$' "$WORK/packet-io")" = 8 ]

check "make bench-draft" bench bench-draft draft.json "--only container --runs 1 --time 1"
check "its shape" says '.smoke and .complete and .tables.throughput[0].tx.median > 0 and .host.build.sha256[0]'

if NFV_KO=$("$TOP/tests/machine/build-module.sh" 6.1 2>&1); then
	check "make bench-kernel" bench bench-kernel kernel.json
	cases bridge-vhost-net tcp-vm-container-module rtt-vm-container-module tcp-container-container-module
	cases packet syscalls-container-to-vm syscalls-vm-to-container syscalls-small-frames

	check "make bench-counts" bench bench-counts counts.json
	for peer in packet bridge-vhost-net tc-vhost-net; do
		cases $peer to-guest-60-instructions from-guest-64K-instructions rtt-60-instructions rtt-64K-elapsed
	done
	check "where the instructions go" grep -q 'calls  vhost_get_vq_desc' "$BUILD/bench-smoke/counts-profile.txt"
else
	skip "make bench-kernel, make bench-counts" "$(tail -n 1 <<<"$NFV_KO")"
fi
finish
