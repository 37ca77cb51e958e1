#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# policy.sh - measure how well policies hold, and what they cost. Run by tests/bench/run, in namespaces; nfvd has one
# worker on core 1, all other processes run on core 0.
#
#	rate-*		what passes of the rate that is set (1 is right), of frames between two kvm ports (vugen, who
#			sends all it can) and of TCP between containers, from and to; beside it the same by OVS-DPDK's
#			ingress policing, and by tc-tbf on a veth. All bytes of frames count
#	neighbours	frames of two other containers, which send echoes meanwhile, that nfvd lost
#	tcp-beside-*	1 Gbit/s of TCP between containers beside a flooder: 64-byte frames of a guest, or broadcast of
#			super-frames to 64 ports. Its peer: alone
#	rtt-beside-*	the 99th percentile of a third pair's echoes, beside both. Its peers: beside the TCP; alone
#	vm-vm-64	plain; nfvd_all_policies: with a zone, VLAN, addresses, guards, limits and storm limits
#	quarantine-*	ms from nfvd's answer to the last frame that is delivered
#
# The flooder has nice 19, and "alone" runs beside a loop with nice 19, so that the flooder's use of core 0 does not count.
# ROUNDS (3) rounds, SECONDS_PER_SAMPLE (1).
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
build=$(realpath "${BUILD:-build}")
rounds=${ROUNDS:-3} secs=${SECONDS_PER_SAMPLE:-1}
dir=$(mktemp -d /tmp/nfv-bench.XXXXXX)
out=$build/$RESULTS
raw=$out/raw-policy.jsonl
export NFV_STATE_DIR=$dir/nfvd
ctl=$build/ctl/nfvctl
many=64 times=200
[ -z "$SMOKE" ] || many=8 times=5

cleanup()
{
	trap - EXIT INT TERM
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null || true
	tests/bench/peer-ovs.sh stop "$dir/ovs" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

in_x() { ip netns exec x "$@"; }

# put CASE WHO UNIT VALUE
put() { jq -cn --arg case "$1" --arg who "$2" --arg unit "$3" --argjson value "$4" '{$case, $who, $unit, $value}' >>"$raw"; }

# --- who is there ------------------------------------------------------------------------

# pair NAME SUBNET [ATTACH] - two more devices between the namespaces x and y
pair()
{
	local n i=1

	for n in x y; do
		ip link add "$1-$n" type veth peer name "$1" netns $n
		ip -n $n addr add "10.81.$2.$i/24" dev "$1"
		ip -n $n link set dev "$1" up
		ip link set dev "$1-$n" up
		[ -z "${3:-}" ] || "$ctl" attach veth "$1-$n" dev "$1-$n" >/dev/null
		i=$((i + 1))
	done
}

start()
{
	local n

	mkdir -p /run/netns "$NFV_STATE_DIR"
	"$build/dataplane/nfvd" --state-dir "$NFV_STATE_DIR" --workers 1 --cpus 1 >"$dir/nfvd.log" 2>&1 &
	await 10 "$ctl" show
	for n in x y; do
		ip netns add $n
		ip -n $n link set lo up
	done
	pair tcp 1 attach
	pair rtt 2 attach
	"$ctl" shortcut off >/dev/null
	pair br 3
	ip link add bridge0 type bridge
	ip link set br-x master bridge0
	ip link set br-y master bridge0
	ip link set bridge0 up
	for n in a b c; do "$ctl" attach kvm $n zone guests >/dev/null; done
	taskset -c 0 ip netns exec y iperf3 -s >"$dir/iperf3.log" 2>&1 &
	await 10 in_x ping -c 1 -W 1 10.81.1.2
	await 10 in_x ping -c 1 -W 1 10.81.2.2
	await 10 in_x ping -c 1 -W 1 10.81.3.2
}

# --- rates -------------------------------------------------------------------------------

# frames SIZE KEY SOCKETS - print a value of vugen's result
frames() { "$build/tests/bench/vugen" --a "$3/a.sock" --b "$3/b.sock" --size "$1" --oneway --seconds "$secs" --warmup 0.7 --cpu 0 | jq -e ".$2"; }
# On the wire each segment of 1448 bytes is 66 bytes longer.
tcp() { in_x timeout 60 taskset -c 0 iperf3 -c "$1" -t "$secs" -O "$OMIT" -J --connect-timeout 5000 "${@:2}" | gbps | jq '. * 1514 / 1448'; }

neighbours_lost() { "$ctl" -j drops | jq '[.drops[] | select((.port == "rtt-x" or .port == "rtt-y") and .frames).count] | add // 0'; }
# beside_neighbours COMMAND... - run the command while neighbours send, and count their losses
beside_neighbours()
{
	local pid before

	before=$(neighbours_lost)

	in_x taskset -c 0 "$ctl" -j probe rtt 10.81.2.2 time "$secs" >"$dir/neighbours" &
	pid=$!
	"$@"
	wait $pid || die "no echoes"
	put neighbours nfvd frames $(($(neighbours_lost) - before))
}

# held CASE WHO WANT COMMAND... - record the rate that the command prints, divided by WANT
held()
{
	local name=$1 who=$2 want=$3 got

	shift 3
	got=$("$@") || die "no sample of $name, $who"
	put "$name" "$who" 'of the rate' "$(jq -n "$got / $want")"
}

# rate RATE WANT UNIT SIZE - limit what a guest sends, then what it receives
rate()
{
	say "rate $1, $4 bytes"
	"$ctl" set a from "$1" >/dev/null
	beside_neighbours held "rate-from-$1-$4" nfvd "$2" frames "$4" "$3" "$NFV_STATE_DIR"
	"$ctl" set a from none >/dev/null
	"$ctl" set b to "$1" >/dev/null
	beside_neighbours held "rate-to-$1-$4" nfvd "$2" frames "$4" "$3" "$NFV_STATE_DIR"
	"$ctl" set b to none >/dev/null
}

# rate_tcp RATE GBPS
rate_tcp()
{
	say "rate $1, TCP"
	"$ctl" set tcp-x from "$1" >/dev/null
	beside_neighbours held "rate-from-$1-tcp" nfvd "$2" tcp 10.81.1.2
	"$ctl" set tcp-x from none >/dev/null
	"$ctl" set tcp-y to "$1" >/dev/null
	beside_neighbours held "rate-to-$1-tcp" nfvd "$2" tcp 10.81.1.2
	"$ctl" set tcp-y to none >/dev/null
	ip netns exec x tc qdisc add dev br root tbf rate "$1" burst 128kb latency 20ms
	held "rate-from-$1-tcp" tc-tbf "$2" tcp 10.81.3.2
	ip netns exec x tc qdisc del dev br root
}

rates()
{
	# 64-byte frames at 10 Gbit/s are more than one guest sends.
	for size in 64 1500; do
		[ -z "$SMOKE" ] || [ $size = 64 ] || continue
		[ -n "$SMOKE" ] || rate 1Mbit 0.001 gbps $size
		rate 100Mbit 0.1 gbps $size
		[ -n "$SMOKE" ] || rate 1Gbit 1 gbps $size
		[ -n "$SMOKE" ] || [ $size = 64 ] || rate 10Gbit 10 gbps $size
		[ -n "$SMOKE" ] || rate 10kpps 0.01 mpps $size
		[ -n "$SMOKE" ] || rate 1Mpps 1 mpps $size
	done
	rate_tcp 100Mbit 0.1
	[ -n "$SMOKE" ] || rate_tcp 1Gbit 1
	[ -n "$SMOKE" ] || rate_tcp 10Gbit 10
}

rates_of_ovs()
{
	local kbps

	tests/bench/peer-ovs.sh start "$dir/ovs" 2>"$dir/ovs.err" || { say "no OVS-DPDK: $(tail -n 1 "$dir/ovs.err")"; return 0; }
	for size in 64 1500; do
		# At 1 Mbit/s the generator's greeting is policed away.
		for kbps in 100000 1000000; do
			[ -z "$SMOKE" ] || [ $size$kbps = 64100000 ] || continue
			tests/bench/peer-ovs.sh limit "$dir/ovs" $kbps
			held "rate-from-$(label $kbps)-$size" ovs-dpdk "$(jq -n "$kbps / 1e6")" frames $size gbps "$dir/ovs"
		done
	done
	tests/bench/peer-ovs.sh stop "$dir/ovs"
}
label() { if [ "$1" = 1000000 ]; then echo 1Gbit; else echo 100Mbit; fi; }

# --- fairness ----------------------------------------------------------------------------

small() { exec nice -n 19 "$build/tests/bench/vugen" --a "$NFV_STATE_DIR/a.sock" --b "$NFV_STATE_DIR/b.sock" --size 64 --oneway --seconds 3600 --cpu 0 >/dev/null; }
super() { exec ip netns exec z nice -n 19 taskset -c 0 tests/bench/superflood.py s0; }
idle() { exec nice -n 19 taskset -c 0 bash -c 'while :; do :; done'; }
p99() { jq '.rtt_us.p99' "$1"; }
gbit() { tcp 10.81.1.2 -b 1G; }
echoes() { in_x taskset -c 0 "$ctl" -j probe rtt 10.81.2.2 time "$((secs + 1))" >"$dir/echoes"; }

# Attach separate ports in one namespace; a flooder makes their traffic.
attach_many()
{
	local i

	ip netns add z
	for i in $(seq 0 $many); do
		ip link add "super$i" type veth peer name "s$i" netns z
		ip -n z link set "s$i" up
		ip link set "super$i" up
		"$ctl" attach veth "super$i" dev "super$i" zone many >/dev/null
	done
	await 10 super_ports_up
}
super_ports_up() { "$ctl" -j show | jq -e '[.ports[] | select(.name | startswith("super"))] | all(.state == "up")'; }

# fair FLOODER UNIT-LESS-NAME WHO_TCP WHO_BOTH - measure TCP with echoes beside it
fair()
{
	local flooder=$1 name=$2 tcp=$3 rtt=$4 pid echoes

	"$flooder" &
	pid=$!
	[ "$flooder" = idle ] || await 10 floods
	echoes & echoes=$!
	put "tcp-beside-$name" "$tcp" Gb/s "$(gbit)"
	wait $echoes
	put "rtt-beside-$name" "$rtt" us "$(p99 "$dir/echoes")"
	kill $pid
	wait $pid 2>/dev/null || true
}
taken() { "$ctl" -j stats | jq '[.ports[] | select(.name == "a" or .name == "super0").rx_frames] | add'; }
floods() { local was; was=$(taken); sleep 0.2; [ $(($(taken) - was)) -gt 1000 ]; }

alone()
{
	local pid

	idle &
	pid=$!
	echoes
	put "rtt-beside-$1" alone us "$(p99 "$dir/echoes")"
	kill $pid
	wait $pid 2>/dev/null || true
}

fairness()
{
	local name

	for name in small super; do
		say "beside $name frames"
		alone "$name"
		fair idle "$name" alone with-tcp
		fair "$name" "$name" nfvd nfvd
	done
}

# --- cost, quarantine --------------------------------------------------------------------

both_ways() { "$build/tests/bench/vugen" --a "$NFV_STATE_DIR/a.sock" --b "$NFV_STATE_DIR/b.sock" --size 64 --seconds "$secs" --cpu 0 --ip4 10.0.0.5 | jq -e .mpps; }

# all_policies PORT MAC
all_policies()
{
	"$ctl" set "$1" zone guests vlan 10 address "$2" 10.0.0.5 fd00::5 guard dhcp,ra from 100Gbit to 100Gbit broadcast 1kpps multicast 1kpps unknown 1kpps >/dev/null
}
plain() { "$ctl" set "$1" zone "$2" vlan "trunk all" address any guard none from none to none broadcast default multicast default unknown default >/dev/null; }

cost()
{
	say "cost"
	plain a default; plain b default
	sample "$raw" vm-vm-64 nfvd Mpps both_ways
	all_policies a 02:00:00:00:00:0a; all_policies b 02:00:00:00:00:0b
	sample "$raw" vm-vm-64 nfvd_all_policies Mpps both_ways
	plain a guests; plain b guests
}

# quarantine CASE ENDPOINT...
quarantine()
{
	taskset -c 0 "$build/tests/policy/policy_quarantine" "$NFV_STATE_DIR/ctl.sock" $times "${@:2}" >"$dir/late" || die "no quarantine"
	jq -ce --arg case "$1" '.late_us[] | {$case, who: "nfvd", unit: "ms", value: (. / 1000)}' "$dir/late" >>"$raw"
}

mkdir -p "$out"
: >"$raw"
start
for round in $(seq "$rounds"); do
	say "round $round of $rounds"
	rates
	cost
done
quarantine quarantine-guests "kvm:$NFV_STATE_DIR/a.sock" "kvm:$NFV_STATE_DIR/b.sock" "kvm:$NFV_STATE_DIR/c.sock"
attach_many
for round in $(seq "$rounds"); do fairness; done
rates_of_ovs
report "$raw" "$out/policy.json" --command "make bench-policy (ROUNDS=$rounds)" \
	--note "a rate's figure is what passes, over what is set; TCP and echoes beside a flooder: the peer 'alone' is the same without it"
