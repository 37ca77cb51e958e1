#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# counts.sh [6.1|6.12] - count the host's instructions per frame between a container and a guest: nfvd with the module,
# nfvd without it, a bridge with vhost-net, tc programs with vhost-net. ../machine/profile.c counts in an emulated
# machine with one CPU; a second run uses the host's clock. The guest is part of vucount.
# BURSTS (32) per case; with fewer, nfvd's first accesses to the guest's pages distort the counts.
# Results: build/bench/counts.json; counts-profile.txt has the counts by function.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
BUILD=$(realpath "${NFV_BUILD:-build}")
kernel=${1:-6.1}
[ -z "$SMOKE" ] || BURSTS=2
out=$BUILD/$RESULTS
export BUILD NFV_BUILD=$BUILD NFV_KERNEL=$kernel NFV_BURSTS=${BURSTS:-32} NFV_OUT=$out NFV_CLOCK
mkdir -p "$out"
NFV_KO=$(tests/machine/build-module.sh "$kernel" | head -n 1)
export NFV_KO
profile=$out/raw-counts.profile
: >"$profile"
for NFV_CLOCK in counted elapsed; do
	counting=()
	[ $NFV_CLOCK = elapsed ] || counting=(--profile "$profile")
	: >"$out/raw-counts-$NFV_CLOCK.jsonl"
	tests/machine/machine "${counting[@]}" --cpus 1 --kernel "$kernel" --timeout 900 --share "$out" \
		--append sysctl.net.core.bpf_jit_kallsyms=1 tests/bench/counts-inside.sh
done
python3 tests/bench/counts.py "$out" "$BUILD/dataplane/nfvd"
cases=()
for case in $(jq -r .case "$out/raw-counts.jsonl" | sort -u); do
	cases+=(--emulated "$case")
done
report "$out/raw-counts.jsonl" "$out/counts.json" --command "make bench-counts" "${cases[@]}" >/dev/null \
	--note "Linux $kernel in QEMU TCG, one processor; instructions of host kernel and nfvd, each iteration of a rep movs one; nfvd does not spin; the guest's and the container's programs are not counted, their system calls are"
