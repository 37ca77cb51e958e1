#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# attach.sh - how long the command takes that plugs in a container's veth: `nfvctl attach veth`, `ip link set master`
# of a bridge, `ovs-vsctl add-port` of OVS with its userspace datapath. Run by tests/bench/run, in namespaces of its own.
#
#	attach-first	the first one after the switch was started
#	attach		each of the 16 after it, in turn with the peers'
#
# ROUNDS (5) rounds, in each of which nfvd and the bridge are new. From the start of the command to its end.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
build=$(realpath "${BUILD:-build}")
rounds=${ROUNDS:-5} more=16
[ -z "$SMOKE" ] || more=2
dir=$(mktemp -d /tmp/nfv-bench.XXXXXX)
out=$build/$RESULTS
raw=$out/raw-attach.jsonl
export NFV_STATE_DIR=$dir/nfvd
nfvd=

cleanup()
{
	trap - EXIT INT TERM
	[ -z "$nfvd" ] || kill "$nfvd" || true
	tests/bench/peer-ovs.sh stop "$dir/ovs" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# took CASE WHO COMMAND... - its time in ms
took()
{
	local case=$1 who=$2 start=${EPOCHREALTIME/[.,]/} end

	shift 2
	"$@" >"$dir/said" 2>&1 || die "$case, $who: $(tail -n 1 "$dir/said")"
	end=${EPOCHREALTIME/[.,]/}
	jq -cn --arg case "$case" --arg who "$who" --argjson us $((end - start)) '{$case, $who, unit: "ms", value: ($us / 1000)}' >>"$raw"
}

# three CASE N - of each switch one
three()
{
	took "$1" nfvd "$build/ctl/nfvctl" attach veth "c$2" dev "n$2"
	took "$1" bridge ip link set "b$2" master bridge0
	took "$1" ovs-dpdk "$ovs/usr/bin/ovs-vsctl" --db="unix:$dir/ovs/db.sock" add-port br0 "o$2"
}

# veth NAME - a veth pair that is up, its other end in the namespace x
veth() { ip link add "$1" type veth peer name "$1" netns x && ip link set "$1" up && ip -n x link set "$1" up; }

mkdir -p "$out" /run/netns
: >"$raw"
ovs=$(tests/bench/fetch-ovs.sh)
ip netns add x
veth first
tests/bench/peer-ovs.sh start-veth "$dir/ovs" first
for round in $(seq "$rounds"); do
	say "attach, round $round of $rounds"
	"$build/dataplane/nfvd" --state-dir "$NFV_STATE_DIR" >"$dir/nfvd.log" 2>&1 &
	nfvd=$!
	await 10 "$build/ctl/nfvctl" show
	ip link add bridge0 type bridge
	ip link set bridge0 up
	for i in $(seq 0 "$more"); do
		for kind in n b o; do veth "$kind$i"; done
	done
	sleep 0.5
	three attach-first 0
	for i in $(seq "$more"); do three attach "$i"; done
	for i in $(seq 0 "$more"); do
		"$ovs/usr/bin/ovs-vsctl" --db="unix:$dir/ovs/db.sock" del-port br0 "o$i"
		for kind in b o; do ip link del "$kind$i"; done
	done
	ip link del bridge0
	kill "$nfvd"
	wait "$nfvd" || true
	nfvd=
	for i in $(seq 0 "$more"); do ip link del "n$i"; done
	rm -rf "$NFV_STATE_DIR"
done
report "$raw" "$out/attach.json" --command "make bench ARGS=attach" \
	--note "the whole command, its process among it; OVS-DPDK polls one of the two processors"
