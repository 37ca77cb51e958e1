#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# kernel.sh [6.1|6.12] - containers and a guest through nfv.ko, beside nfvd without it and
# a bridge with vhost-net, in interleaved rounds in one boot of an emulated machine.
# ROUNDS (5), SECONDS_PER_SAMPLE (2). Result: build/bench/kernel.json
set -eu
cd "$(dirname "$0")/../.."
BUILD=$(realpath "${NFV_BUILD:-build}")
kernel=${1:-6.1}
export BUILD NFV_ROUNDS=${ROUNDS:-5} NFV_SECONDS=${SECONDS_PER_SAMPLE:-2} NFV_KERNEL=$kernel NFV_BUILD=$BUILD
mkdir -p "$BUILD/bench"
read -r NFV_KO < <(tests/kernel/build-module.sh "$kernel")
export NFV_KO
# An emulated machine with two processors does not always survive its nested guest, see nested_kvm() in
# tests/kernel/suite/lib.sh: then another boot measures the rounds that are missing.
rounds=$NFV_ROUNDS boots=0
: >"$BUILD/bench/raw-kernel.jsonl"
while [ "$NFV_ROUNDS" -gt 0 ] && [ $boots -lt 4 ]; do
	boots=$((boots + 1))
	tests/kernel/machine --kernel "$kernel" --mem 3072 --timeout $((NFV_ROUNDS * 100 + 120)) --share "$BUILD/bench" \
		tests/bench/kernel-inside.sh || echo "kernel.sh: boot $boots of the machine failed" >&2
	NFV_ROUNDS=$((rounds - $(grep -c '"tcp-container-container-module","who":"bridge' "$BUILD/bench/raw-kernel.jsonl")))
done
[ "$NFV_ROUNDS" = 0 ] || { echo "kernel.sh: $NFV_ROUNDS of $rounds rounds are missing" >&2; exit 1; }
emulated=()
for case in $(sed -n 's/.*"case":"\([^"]*\)".*/\1/p' "$BUILD/bench/raw-kernel.jsonl" | sort -u); do
	emulated+=(--emulated "$case")
done
python3 tests/bench/report.py --command "make bench-kernel" "${emulated[@]}" \
	--note "$boots boot(s) of Linux $kernel in QEMU TCG, the guest nested in it under KVM; container - container with the eBPF shortcut off" \
	"$BUILD/bench/raw-kernel.jsonl" "$BUILD/bench/kernel.json"
