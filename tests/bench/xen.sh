#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# xen.sh [6.1|6.12] - measure Xen guests and a container through nfv.ko, compared with xen-netback and a bridge,
# in interleaved rounds in one boot of an emulated machine. Its clock counts instructions, because real time would
# measure what QEMU is slow at (timers, interrupts, address spaces), and the host's other load. Linux sizes TCP
# windows by the guest's memory: 0.7 MB with 160 MiB, 6 MB from 768 MiB on.
# ROUNDS (9), SECONDS_PER_SAMPLE (2; each takes three and more), CASES (all; a part of their names), GUEST_MIB (1024),
# LEND (1: nfv-netfront passes pages to the stack that dom0 can still write to).
# Result: build/bench/xen.json
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
BUILD=$(realpath "${NFV_BUILD:-build}")
kernel=${1:-6.1}
[ -z "$SMOKE" ] || CASES=rtt GUEST_MIB=160
mib=${GUEST_MIB:-1024}
export BUILD NFV_SMOKE=$SMOKE NFV_GUEST_MIB=$mib NFV_ROUNDS=${ROUNDS:-9} NFV_SECONDS=${SECONDS_PER_SAMPLE:-2} NFV_CASES=${CASES:-} NFV_LEND=${LEND:-} NFV_KERNEL=$kernel NFV_BUILD=$BUILD
mkdir -p "$BUILD/$RESULTS"
raw=$BUILD/$RESULTS/raw-xen.jsonl
NFV_KO=$(tests/machine/build-module.sh "$kernel" | head -n 1)
export NFV_KO
: >"$raw"
status=0
tests/machine/machine --xen --count --kernel "$kernel" --mem $((2048 + 4 * mib)) --timeout $(((NFV_ROUNDS + 1) * (300 + 90 * NFV_SECONDS) + 600)) --share "$BUILD/$RESULTS" \
	tests/bench/xen-inside.sh || status=$?
emulated=()
for case in $(jq -r 'select(.who == "nfvd") | .case' "$raw" | sort -u); do
	emulated+=(--emulated "$case")
done
[ ${#emulated[@]} -gt 0 ] || die "no samples"
command=
for name in ROUNDS SECONDS_PER_SAMPLE CASES GUEST_MIB LEND; do
	command+=${!name:+$name=${!name} }
done
report "$raw" "$BUILD/$RESULTS/xen.json" --command "${command}make bench-xen" "${emulated[@]}" \
	--note "one boot of Xen 4.17 and Linux $kernel in QEMU TCG, one processor, whose clock counts instructions, 8 ns each; PV guests with one, and $mib MiB; a short first round is not counted, nor TCP's first 2 s; iperf3 in its usual blocks of 128 KiB, or where named so of 1 MiB; tcp-xen-container: from the guest and to it, averaged; -persistent: guests with nfv-netfront, beside the others' xen-netback"
[ "$status" = 0 ] || die "samples are missing"
