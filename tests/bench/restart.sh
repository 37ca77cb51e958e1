#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# restart.sh - measure the cost of killing the switch (kill -9), restarting it, and upgrading it, which is a restart after
# another binary was renamed over its own. Run by tests/bench/run, in namespaces. For each:
#
#	gap_ms		the longest time between two frames that arrive
#	lost		frames that were to be sent and did not arrive, of offered_pps
#	blocked_ms	how long nothing would have to pass to lose as many
#
#	vm-vm			a generator of frames, two vhost-user ports, 100000 frames/s each way
#	vm-container		echoes between a container and the unikernel in QEMU, one each millisecond
#	container-container	echoes between two containers
#
# fdkeep runs nfvd, and starts it 10 ms after it has ended. For comparison: OVS-DPDK, which connects to its guest (with
# QEMU as server), started again as soon as it has ended. The QEMU guests are emulated.
#
# ROUNDS (20) rounds, one sample of each.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
build=${BUILD:-build}
rounds=${ROUNDS:-20}
dir=$(mktemp -d /tmp/nfv-bench.XXXXXX)
out=$build/$RESULTS
raw=$out/raw-restart.jsonl
export NFV_STATE_DIR=$dir/nfvd
ctl=$build/ctl/nfvctl
keeper='' ovs=''

cleanup()
{
	trap - EXIT INT TERM
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null || true
	[ -z "$ovs" ] || tests/bench/peer-ovs.sh stop "$dir/ovs" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

in_x() { ip netns exec x "$@"; }
nfvd_pid() { pgrep -P "$keeper"; }
is_up() { "$ctl" -j show "$1" | jq -e '.ports[0].state == "up"'; }

# --- what is done to a switch ------------------------------------------------------------

kill_nfvd() { kill -KILL "$(nfvd_pid)"; }
restart_nfvd() { kill -HUP "$keeper"; }
upgrade_nfvd()
{
	replace_nfvd
	restart_nfvd
}
replace_nfvd() { install "$build/dataplane/nfvd" "$dir/bin/nfvd.new" && mv "$dir/bin/nfvd.new" "$dir/bin/nfvd"; }
# Return whether nfvd runs the new file: /proc marks a replaced file as "(deleted)".
nfvd_is_new() { [ "$(readlink "/proc/$(nfvd_pid)/exe")" = "$dir/bin/nfvd" ]; }
kill_ovs() { end_ovs KILL; }
restart_ovs() { end_ovs TERM; }
upgrade_ovs()
{
	install "$(tests/bench/fetch-ovs.sh)/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk" "$dir/bin/vswitchd.new"
	mv "$dir/bin/vswitchd.new" "$dir/bin/vswitchd"
	end_ovs TERM "$dir/bin/vswitchd"
}
# end_ovs SIGNAL [FILE] - end it, and start it again, from FILE if given, as soon as it has ended
end_ovs()
{
	local pid

	pid=$(cat "$dir/ovs/ovs-vswitchd.pid")
	kill "-$1" "$pid"
	while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
	tests/bench/peer-ovs.sh again "$dir/ovs" "${2:-}"
}

# --- what is measured of it: {gap_ms, sent, received}, perhaps {offered} ------------------------------------

frames() { "$build/tests/bench/vugen" --a "$NFV_STATE_DIR/a.sock" --b "$NFV_STATE_DIR/b.sock" --size 200 --rate 100000 --warmup 0.3 --seconds "$1"; }
echoes() { in_x "$ctl" -j probe rtt "$2" time "$1"; }

# disturbed SECONDS CASE WHO WHAT MEASURE... - run WHAT one second after MEASURE has begun
disturbed()
{
	local seconds=$1 name=$2 who=$3 what=$4 pid

	shift 4
	"$1" "$seconds" "${@:2}" >"$dir/sample" 2>"$dir/sample.err" &
	pid=$!
	sleep 1
	"$what"
	wait $pid || die "no sample of $name, $who: $(tail -n 3 "$dir/sample.err")"
	jq -ce --arg case "$name" --arg who "$who" --argjson seconds "$seconds" '
		([(.offered // .sent) - .received, 0] | max) as $lost | ((.offered // .sent) / (.seconds // $seconds)) as $pps |
		{$case, $who, unit: "ms", value: .gap_ms,
		 figures: {$lost, offered_pps: $pps, blocked_ms: ($lost / $pps * 1000), gap_ms}}' "$dir/sample" >>"$raw"
}

# --- who is there ------------------------------------------------------------------------

# container NAME SUBNET
container()
{
	ip netns add "$1"
	ip -n "$1" link set lo up
	ip link add "nfv-$1" type veth peer name nfv netns "$1"
	ip -n "$1" addr add "10.80.3.$2/24" dev nfv
	ip -n "$1" link set nfv up
	ip link set "nfv-$1" up
}

# guest NAME SOCKET ADDRESS SIDE - the unikernel in QEMU; SIDE is the switch's: server or client
guest() { tools/guests/guest run unikernel "$1" --socket "$2" --ip "$3/24" --mode "$4" --log "$dir/$1.log" >"$dir/$1.qemu" 2>&1 & }

start()
{
	mkdir -p /run/netns "$NFV_STATE_DIR" "$dir/bin"
	replace_nfvd
	"$build/dataplane/fdkeep" "$dir/bin/nfvd" --state-dir "$NFV_STATE_DIR" --config-dir "$dir/conf" >"$dir/nfvd.log" 2>&1 &
	keeper=$!
	await 10 "$ctl" show
	container x 1
	container y 2
	"$ctl" attach veth cx dev nfv-x >/dev/null
	"$ctl" attach veth cy dev nfv-y >/dev/null
	"$ctl" attach kvm vm >/dev/null
	guest vm "$NFV_STATE_DIR/vm.sock" 10.80.3.9 server
	ip link add ovs-x type veth peer name ovs netns x
	ip -n x addr add 10.80.5.1/24 dev ovs
	ip -n x link set ovs up
	ip link set ovs-x up
	ovs=yes
	tests/bench/peer-ovs.sh start-veth "$dir/ovs" ovs-x
	guest ovsvm "$dir/ovs/a.sock" 10.80.5.9 client
	await 40 in_x ping -c 1 -W 1 10.80.3.9
	await 60 in_x ping -c 1 -W 1 10.80.5.9
}

mkdir -p "$out"
: >"$raw"
start
for round in $(seq "$rounds"); do
	say "round $round of $rounds"
	kill -STOP "$(cat "$dir/ovs/ovs-vswitchd.pid")"
	for what in kill restart upgrade; do
		await 20 in_x ping -c 1 -W 1 10.80.3.2
		await 20 in_x ping -c 1 -W 1 10.80.3.9
		disturbed 3 $what-container-container nfvd ${what}_nfvd echoes 10.80.3.2
		disturbed 3 $what-vm-container nfvd ${what}_nfvd echoes 10.80.3.9
		"$ctl" attach kvm a >/dev/null
		"$ctl" attach kvm b >/dev/null
		disturbed 3 $what-vm-vm nfvd ${what}_nfvd frames
		await 10 "$ctl" detach a
		await 10 "$ctl" detach b
		[ $what != upgrade ] || nfvd_is_new || die "it is the nfvd of before the upgrade"
	done
	kill -CONT "$(cat "$dir/ovs/ovs-vswitchd.pid")"
	for what in kill restart upgrade; do
		await 60 in_x ping -c 1 -W 1 10.80.5.9
		disturbed 12 $what-vm-container ovs-dpdk ${what}_ovs echoes 10.80.5.9
	done
done
report "$raw" "$out/restart.json" --command "make bench-restart (ROUNDS=$rounds)" \
	--emulated kill-vm-container --emulated restart-vm-container --emulated upgrade-vm-container
