#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# demo.sh [BUILD] - two QEMU guests and two containers on one switch: attach
# them, measure every pair, print the table, write BUILD/demo/result.json.
#
# Everything runs in separate network, mount and process namespaces. The host's
# network is not touched, and nothing outlives the namespaces.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath -m "${1:-$top/build}")

. "$top/tools/namespaces.sh"
if ! ns_inside "$@"; then
	[ "$(id -u)" = 0 ] || { echo "demo: needs root, to make namespaces" >&2; exit 1; }
	setpriv --pdeathsig KILL \
		unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$build" "$(ns_word)" &
	child=$!
	# shellcheck disable=SC2064
	trap "kill -KILL $child; wait; exit 130" INT TERM
	status=0
	wait $child || status=$?
	exit $status
fi

state=/run/nfvd
guest=$top/tools/guests/guest
nfvctl=$build/ctl/nfvctl
result=$build/demo/result.json
export PATH=$build/ctl:$PATH
log=

say() { printf '[%3d s] %s\n' $SECONDS "$*"; }

die()
{
	say "failed: $*" >&2
	if [ -n "$log" ] && [ -s "$log" ]; then
		echo "--- the end of ${log##*/}:" >&2
		tail -n 30 "$log" >&2
	fi
	exit 1
}

# wait_for SECONDS PID COMMAND... - repeat the command until it succeeds; fail if PID ends before.
wait_for()
{
	local limit=$((SECONDS + $1)) pid=$2

	shift 2
	until "$@" >/dev/null 2>&1; do
		kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $limit ] || return 1
		sleep 0.05
	done
}

mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/demo "$build/demo"
ip link set lo up
rm -f "$result"

# --- the switch ------------------------------------------------------------------

log=/run/demo/nfvd.log
"$build/dataplane/nfvd" --state-dir $state >$log 2>&1 &
nfvd=$!
wait_for 60 $nfvd nfvctl show || die "nfvd does not respond"
say "nfvd runs: $(nfvctl version | head -n 1)"

# --- two containers: network namespaces with an ordinary eth0 ---------------------

address=10
log=/run/demo/nfvctl.log
for name in c1 c2; do
	address=$((address + 1))
	ip netns add $name
	ip link add veth-$name type veth peer name eth0 netns $name
	ip -n $name link set lo up
	ip -n $name addr add 10.77.0.$address/24 dev eth0
	ip -n $name link set eth0 up
	ip link set veth-$name up
	nfvctl attach veth $name dev veth-$name 2>$log || die "attach veth $name"
done

# --- two guests ---------------------------------------------------------------------

accel=$("$guest" accel)
case $accel in
kvm) say "guests: QEMU with KVM" ;;
tcg) say "guests: QEMU with TCG, for KVM cannot run a guest here; their times are emulated" ;;
esac
"$top/tools/guests/build-image.sh" "$nfvctl" >/dev/null || die "no guest image"
declare -A pid
for name in vm1 vm2; do
	address=$((address + 1))
	nfvctl attach kvm $name 2>$log || die "attach kvm $name"
	"$guest" run qemu $name --socket $state/$name.sock --ip 10.77.0.$address/24 \
		--nfvctl "$nfvctl" >/run/demo/$name.log 2>&1 &
	pid[$name]=$!
done
for name in vm1 vm2; do
	wait_for 240 "${pid[$name]}" "$guest" wait $state/$name.agent 2 ||
		{ log=/run/demo/$name.log; die "$name does not respond"; }
	say "$name responds"
done

# --- measure ------------------------------------------------------------------------

log=/run/demo/nfvd.log
say "measuring: TCP both ways and RTT for every pair"
status=0
nfvctl bench matrix save "$result" || status=$?
echo
nfvctl ledger || status=$?
[ $status = 0 ] || die "a measurement failed"

emulated='[]'
if [ "$accel" = tcg ]; then
	emulated='["vm1", "vm2"]'
	echo "emulated: every pair with vm1 or vm2 (QEMU under TCG); compare within this run only"
fi
about='"accel": "'$accel'", "emulated": '$emulated', "date": "'$(date -u +%FT%TZ)'",'
about+=' "kernel": "'$(uname -r)'", "cpus": '$(nproc)', "command": "make demo",'
sed -i "0,/{/s//{$about/" "$result"
case $result in
"$PWD"/*) result=${result#"$PWD"/} ;;
esac
say "done: $result"
say "in a browser: apt install cockpit; make install; nfvd; then https://$(hostname):9090/nfv"

kill -TERM $nfvd
wait $nfvd || { log=/run/demo/nfvd.log; die "nfvd did not end well"; }
