#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# kernel.sh [6.1|6.12] - containers and a guest through nfv.ko, beside nfvd without it and
# a bridge with vhost-net, in interleaved rounds in one boot of an emulated machine.
# ROUNDS (5), SECONDS_PER_SAMPLE (2). Result: build/bench/kernel.json
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
BUILD=$(realpath "${NFV_BUILD:-build}")
kernel=${1:-6.1}
export BUILD NFV_SMOKE=$SMOKE NFV_ROUNDS=${ROUNDS:-5} NFV_SECONDS=${SECONDS_PER_SAMPLE:-2} NFV_KERNEL=$kernel NFV_BUILD=$BUILD
raw=$BUILD/$RESULTS/raw-kernel.jsonl
mkdir -p "${raw%/*}"
read -r NFV_KO < <(tests/machine/build-module.sh "$kernel")
export NFV_KO
: >"$raw"
status=0
tests/machine/machine --kernel "$kernel" --mem 3072 --timeout $((NFV_ROUNDS * 100 + 240)) --share "${raw%/*}" \
	tests/bench/kernel-inside.sh || status=$?
emulated=()
for case in $(jq -r .case "$raw" | sort -u); do
	emulated+=(--emulated "$case")
done
[ ${#emulated[@]} -gt 0 ] || die "no samples"
report "$raw" "$BUILD/$RESULTS/kernel.json" --command "make bench-kernel" "${emulated[@]}" \
	--guest QEMU --note "one boot of Linux $kernel in QEMU TCG, on one processor, the guest nested in it under KVM; container - container with the eBPF shortcut off"
[ "$status" = 0 ] || die "rounds are missing"
