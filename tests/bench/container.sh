#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# container.sh - TCP and RTT between containers, and between a guest and a
# container, through nfvd and its peers. Run by tests/bench/run, in namespaces of its own.
#
#	container - container	nfvd (shortcut on, off), a Linux bridge, a bare veth pair,
#				side by side between the same two network namespaces
#	guest - container	nfvd and OVS-DPDK, a QEMU guest each; whoever is not measured
#				is stopped (SIGSTOP), for both would share two cores
#
# ROUNDS (5) rounds, one sample of each per round, SECONDS_PER_SAMPLE (2) each way.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
rounds=${ROUNDS:-5} secs=${SECONDS_PER_SAMPLE:-2}
dir=$(mktemp -d /tmp/nfv-bench.XXXXXX)
out=$build/bench
raw=$out/raw-container.jsonl
nfvd_pids='' peer_pids=''
export NFV_STATE_DIR=$dir/nfvd
ctl=$build/ctl/nfvctl

cleanup()
{
	trap - EXIT INT TERM
	# shellcheck disable=SC2086
	kill -CONT $nfvd_pids $peer_pids 2>/dev/null || true
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null || true
	tests/bench/peer-ovs.sh stop "$dir/ovs" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '[%3d s] %s\n' $SECONDS "$*" >&2; }

wait_for()
{
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { say "not in time: $*"; exit 1; }
		sleep 0.1
	done
}

in_x() { ip netns exec x "$@"; }
in_y() { ip netns exec y "$@"; }

# sample CASE WHO UNIT VALUE
sample() { printf '{"case":"%s","who":"%s","unit":"%s","value":%s}\n' "$1" "$2" "$3" "$4" >>"$raw"; }

# Gb/s both ways, averaged, from network namespace x to the iperf3 server at address $1; cores 0 and 1.
tcp()
{
	local way

	for way in '' -R; do
		# shellcheck disable=SC2086
		in_x taskset -c 0 iperf3 -c "$1" -t "$secs" -J --connect-timeout 5000 $way
	done | python3 -c '
import json, sys
text, values, decode = sys.stdin.read(), [], json.JSONDecoder()
while text.strip():
    result, end = decode.raw_decode(text.lstrip())
    text = text.lstrip()[end:]
    if "error" in result:
        sys.exit(result["error"])
    values.append(result["end"]["sum_received"]["bits_per_second"] / 1e9)
print("%.4f" % (sum(values) / len(values)))'
}

# Median RTT in microseconds.
rtt() { in_x taskset -c 0 "$ctl" -j probe rtt "$1" time 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["rtt_us"]["p50"])'; }

# link NAME SUBNET - a veth to each namespace, host ends NAME-x and NAME-y, addresses 10.80.SUBNET.1 and .2
link()
{
	local n i=1

	for n in x y; do
		ip link add "$1-$n" type veth peer name "$1" netns $n
		ip -n $n addr add "10.80.$2.$i/24" dev "$1"
		ip -n $n link set dev "$1" up
		ip link set dev "$1-$n" up
		i=$((i + 1))
	done
}

start_nfvd()
{
	"$build/dataplane/nfvd" --state-dir "$NFV_STATE_DIR" >"$dir/nfvd.log" 2>&1 &
	nfvd_pids=$!
	wait_for 10 "$ctl" show
}

start_containers()
{
	local n

	mkdir -p /run/netns
	for n in x y; do
		ip netns add $n
		ip -n $n link set lo up
	done
	ip link add pair netns x type veth peer name pair netns y
	ip -n x addr add 10.80.1.1/24 dev pair
	ip -n y addr add 10.80.1.2/24 dev pair
	ip -n x link set dev pair up
	ip -n y link set dev pair up
	link br 2
	ip link add bridge0 type bridge
	ip link set br-x master bridge0
	ip link set br-y master bridge0
	ip link set bridge0 up
	link nfv 3
	"$ctl" attach veth cx dev nfv-x >/dev/null
	"$ctl" attach veth cy dev nfv-y >/dev/null
	in_y taskset -c 1 iperf3 -s >"$dir/iperf3.log" 2>&1 &
	wait_for 10 in_x ping -c 1 -W 1 10.80.1.2
	wait_for 10 in_x ping -c 1 -W 1 10.80.2.2
	wait_for 10 in_x ping -c 1 -W 1 10.80.3.2
}

# containers WHO ADDRESS
containers()
{
	sample tcp-container-container "$1" Gb/s "$(tcp "$2")"
	[ "$1" != nfvd ] || ledger tcp-container-container
	sample rtt-container-container "$1" us "$(rtt "$2")"
	[ "$1" != nfvd ] || ledger rtt-container-container
}

# ledger CASE... - what nfvd's frames cost up to here since the last time
ledger()
{
	local case

	for case; do
		printf '{"case":"%s","ledger":%s}\n' "$case" "$("$ctl" -j ledger | tr -d '\n')" >>"$raw"
	done
}

measure_containers()
{
	local round

	for round in $(seq "$rounds"); do
		say "container - container, round $round of $rounds"
		containers nfvd 10.80.3.2
		"$ctl" shortcut off >/dev/null
		ledger nfvd_shortcut_off
		containers nfvd_shortcut_off 10.80.3.2
		ledger nfvd_shortcut_off
		"$ctl" shortcut on >/dev/null
		containers bridge 10.80.2.2
		containers veth 10.80.1.2
	done
}

# guest NAME SOCKET ADDRESS - a QEMU guest; its pid in $guest
guest()
{
	tools/guests/guest run qemu "$1" --socket "$2" --ip "$3/24" --dir "$dir" --log "$dir/$1.log" --nfvctl "$ctl" &
	guest=$!
}

start_guests()
{
	# One namespace, a device for each switch, as the bare pair above.
	ip link add ovs-x type veth peer name ovs netns x
	ip -n x addr add 10.80.5.1/24 dev ovs
	ip -n x link set ovs up
	ip link set ovs-x up
	# OVS's own data path knows no partial checksums.
	in_x ethtool -K ovs tx off >/dev/null
	tests/bench/peer-ovs.sh start-veth "$dir/ovs" ovs-x
	peer_pids="$(cat "$dir/ovs/ovs-vswitchd.pid") $(cat "$dir/ovs/ovsdb-server.pid")"
	"$ctl" attach kvm vm >/dev/null
	guest vm "$NFV_STATE_DIR/vm.sock" 10.80.3.9
	nfvd_pids="$nfvd_pids $guest"
	guest ovsvm "$dir/ovs/a.sock" 10.80.5.9
	peer_pids="$peer_pids $guest"
	wait_for 90 in_x ping -c 1 -W 1 10.80.3.9
	wait_for 90 in_x ping -c 1 -W 1 10.80.5.9
}

# turn RUN STOP - process lists
turn()
{
	# shellcheck disable=SC2086
	kill -STOP $2
	# shellcheck disable=SC2086
	kill -CONT $1
}

# with_guest WHO ADDRESS; the first try after a stop may find a server that is still clearing up
with_guest()
{
	local value

	wait_for 20 in_x ping -c 1 -W 1 "$2"
	value=$(tcp "$2") || { sleep 1; value=$(tcp "$2"); }
	sample tcp-vm-container "$1" Gb/s "$value"
	[ "$1" != nfvd ] || ledger tcp-vm-container
	sample rtt-vm-container "$1" us "$(rtt "$2")"
	[ "$1" != nfvd ] || ledger rtt-vm-container
}

measure_guests()
{
	local round

	for round in $(seq "$rounds"); do
		say "guest - container, round $round of $rounds"
		turn "$nfvd_pids" "$peer_pids"
		with_guest nfvd 10.80.3.9
		turn "$peer_pids" "$nfvd_pids"
		with_guest ovs-dpdk 10.80.5.9
	done
}

mkdir -p "$out" "$NFV_STATE_DIR"
: >"$raw"
start_nfvd
start_containers
measure_containers
start_guests
measure_guests
accel=$(tools/guests/guest accel)
python3 tests/bench/report.py --command "make bench ARGS=container" \
	--note "guest - container: QEMU guests under $accel; OVS-DPDK's container has transmit offloads off" \
	$([ "$accel" = kvm ] || echo --emulated tcp-vm-container --emulated rtt-vm-container) \
	"$raw" "$out/container.json"
