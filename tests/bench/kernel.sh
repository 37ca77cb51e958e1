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
tests/kernel/machine --kernel "$kernel" --mem 3072 --timeout 1800 --share "$BUILD/bench" tests/bench/kernel-inside.sh
emulated=()
for case in $(sed -n 's/.*"case":"\([^"]*\)".*/\1/p' "$BUILD/bench/raw-kernel.jsonl" | sort -u); do
	emulated+=(--emulated "$case")
done
python3 tests/bench/report.py --command "make bench-kernel" "${emulated[@]}" \
	--note "one boot of Linux $kernel in QEMU TCG, the guest nested in it under KVM; container - container with the eBPF shortcut off" \
	"$BUILD/bench/raw-kernel.jsonl" "$BUILD/bench/kernel.json"
