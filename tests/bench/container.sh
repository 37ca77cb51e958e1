#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# container.sh - TCP and RTT between containers, and between a guest and a
# container, through nfvd and its peers. Run by tests/bench/run, in namespaces of its own.
#
#	container - container	nfvd (shortcut on, off), a Linux bridge, a bare veth pair,
#				side by side between the same two network namespaces
#	guest - container	nfvd and OVS-DPDK (userspace-tso-enable: super-frames and partial checksums
#				pass there, too), a QEMU guest each; whoever is not measured is stopped
#				(SIGSTOP), for both would share two cores. Twice: guest, iperf3 and switch
#				on any core, of which OVS's PMD spins on one; and -own-core, with
#				the switch alone on core 1, all else on core 0
#
# ROUNDS (5) rounds, one sample of each per round, SECONDS_PER_SAMPLE (2) each way, after OMIT (2).
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
build=${BUILD:-build}
rounds=${ROUNDS:-5} secs=${SECONDS_PER_SAMPLE:-2}
dir=$(mktemp -d /tmp/nfv-bench.XXXXXX)
out=$build/$RESULTS
raw=$out/raw-container.jsonl
nfvd_pids='' peer_pids=''
export NFV_STATE_DIR=$dir/nfvd
ctl=$build/ctl/nfvctl
nfvctl() { "$ctl" "$@"; }

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

in_x() { ip netns exec x "$@"; }
in_y() { ip netns exec y "$@"; }
y_serves() { ss -Hltn -N y | grep -q :5201; }

# Gb/s both ways, averaged, from network namespace x to the iperf3 server at address $1; cores 0 and 1.
one_way() { in_x timeout $((secs + OMIT + 30)) taskset -c 0 iperf3 -c "$1" -t "$secs" -O $OMIT -J --connect-timeout 5000 ${2:-} | gbps; }
tcp()
{
	local out in

	out=$(one_way "$1") && in=$(one_way "$1" -R) && jq -n "($out + $in) / 2"
}

# Median RTT in microseconds.
rtt() { in_x timeout 30 taskset -c 0 "$ctl" -j probe rtt "$1" time 1 | rtt_p50; }

# take CASE WHO UNIT COMMAND... - record the number that the command prints
take()
{
	sample "$raw" "$@" || die "no sample of $2, $1"
	[ "$2" != nfvd ] || ledger "$raw" "$1"
}

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
	await 10 "$ctl" show
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
	await 10 y_serves
	await 10 in_x ping -c 1 -W 1 10.80.1.2
	await 10 in_x ping -c 1 -W 1 10.80.2.2
	await 10 in_x ping -c 1 -W 1 10.80.3.2
}

# containers WHO ADDRESS
containers()
{
	take tcp-container-container "$1" Gb/s tcp "$2"
	take rtt-container-container "$1" us rtt "$2"
}

measure_containers()
{
	local round

	for round in $(seq "$rounds"); do
		say "container - container, round $round of $rounds"
		containers nfvd 10.80.3.2
		"$ctl" shortcut off >/dev/null
		ledger "$raw" nfvd_shortcut_off
		containers nfvd_shortcut_off 10.80.3.2
		ledger "$raw" nfvd_shortcut_off
		"$ctl" shortcut on >/dev/null
		containers bridge 10.80.2.2
		containers veth 10.80.1.2
	done
}

# guest NAME SOCKET ADDRESS SIDE - a QEMU guest; its pid in $guest; SIDE is the switch's: server or client
guest()
{
	tools/guests/guest run qemu "$1" --socket "$2" --ip "$3/24" --mode "$4" --dir "$dir" --log "$dir/$1.log" --nfvctl "$ctl" &
	guest=$!
}

start_guests()
{
	# One namespace, a device for each switch, as the bare pair above.
	ip link add ovs-x type veth peer name ovs netns x
	ip -n x addr add 10.80.5.1/24 dev ovs
	ip -n x link set ovs up
	ip link set ovs-x up
	tests/bench/peer-ovs.sh start-veth "$dir/ovs" ovs-x
	peer_pids="$(cat "$dir/ovs/ovs-vswitchd.pid") $(cat "$dir/ovs/ovsdb-server.pid")"
	"$ctl" attach kvm vm >/dev/null
	guest vm "$NFV_STATE_DIR/vm.sock" 10.80.3.9 server
	nfvd=$nfvd_pids nfvd_guest=$guest
	nfvd_pids="$nfvd_pids $guest"
	guest ovsvm "$dir/ovs/a.sock" 10.80.5.9 client
	ovs=${peer_pids% *} ovs_guest=$guest
	peer_pids="$peer_pids $guest"
	await 90 in_x ping -c 1 -W 1 10.80.3.9
	await 90 in_x ping -c 1 -W 1 10.80.5.9
}

# turn RUN STOP - continue the processes of the first list, stop those of the second
turn()
{
	# shellcheck disable=SC2086
	kill -STOP $2
	# shellcheck disable=SC2086
	kill -CONT $1
}

# After a stop the server may still be closing the last connection.
tcp_again() { tcp "$1" 2>/dev/null || { sleep 1; tcp "$1"; }; }

# cores LIST PID... - pin all their threads to these cores
cores()
{
	local list=$1 pid

	shift
	for pid; do
		taskset -a -c -p "$list" "$pid" >/dev/null || true
	done
}

# with_guest WHO ADDRESS SWITCH GUEST - its processes; OVS has its PMD on core 1 by itself
with_guest()
{
	local guests

	guests="$4 $(pgrep -P "$4" -d ' ' || true)"
	await 20 in_x ping -c 1 -W 1 "$2"
	take tcp-vm-container "$1" Gb/s tcp_again "$2"
	take rtt-vm-container "$1" us rtt "$2"
	# shellcheck disable=SC2086
	cores 0 $guests
	[ "$1" != nfvd ] || cores 1 "$3"
	take tcp-vm-container-own-core "$1" Gb/s tcp_again "$2"
	take rtt-vm-container-own-core "$1" us rtt "$2"
	# shellcheck disable=SC2086
	cores "0-$(($(nproc) - 1))" $guests
	[ "$1" != nfvd ] || cores "0-$(($(nproc) - 1))" "$3"
}

measure_guests()
{
	local round

	for round in $(seq "$rounds"); do
		say "guest - container, round $round of $rounds"
		turn "$nfvd_pids" "$peer_pids"
		with_guest nfvd 10.80.3.9 "$nfvd" "$nfvd_guest"
		turn "$peer_pids" "$nfvd_pids"
		with_guest ovs-dpdk 10.80.5.9 "$ovs" "$ovs_guest"
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
emulated=()
for case in tcp-vm-container rtt-vm-container tcp-vm-container-own-core rtt-vm-container-own-core; do
	[ "$accel" = kvm ] || emulated+=(--emulated $case)
done
report "$raw" "$out/container.json" --command "make bench ARGS=container" \
	--guest QEMU --note "guest - container: QEMU guests under $accel; OVS-DPDK with userspace-tso-enable, its PMD spins on core 1 of two, which guest and iperf3 use, too, but for -own-core: switch on core 1, all else on core 0" \
	"${emulated[@]}"
