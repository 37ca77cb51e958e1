# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the scripts in tests/integration:
#
#	. "$(dirname "$0")/../lib.sh"
#	ns_enter "$@"
#	start_nfvd
#	mk_container c1 10.0.0.1/24
#	guest_start uml vm1 10.0.0.2/24
#	check "the guest reaches the container" guest_exec vm1 'ping -c 1 10.0.0.1'
#	finish
#
# A script runs in its own network, mount and process namespaces, with its own
# /run, so nothing that it leaves outlives it. It prints one line per
# result: `ok - NAME`, `not ok - NAME` or `skip - NAME: what is missing`.
# It tests the programs of $NFV_BUILD (default build/), or $NFVD and $NFVCTL.
set -u

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$TOP/tools/namespaces.sh"
. "$TOP/tests/wait.sh"
BUILD=$(realpath -m "${NFV_BUILD:-$TOP/build}")
NFVD=${NFVD:-$BUILD/dataplane/nfvd}
NFVCTL=${NFVCTL:-$BUILD/ctl/nfvctl}
GUEST=$TOP/tools/guests/guest
STATE=/run/nfvd
WORK=/run/test			# logs; removed with the namespace
NFVD_LOG=$WORK/nfvd.log
NFVD_PID=
declare -A GUEST_PID=()
FAILED=0

# ns_enter "$@" - run the script again inside the namespaces. TERM does not reach them; KILL ends all processes there.
ns_enter()
{
	if ! ns_inside "$@"; then
		[ "$(id -u)" = 0 ] || { skip "$(basename "$0")" "root, to make namespaces"; exit 0; }
		exec unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$@" "$(ns_word)"
	fi
	mount -t tmpfs tmpfs /run
	mkdir -p $WORK /run/netns
	ip link set lo up
	MARK=$(now_ms)
	trap on_exit EXIT
	trap 'exit 130' INT TERM
}

on_exit()
{
	local status=$? file

	without_module
	[ $status = 0 ] && [ $FAILED = 0 ] && return
	[ $FAILED != 0 ] || echo "not ok - $(basename "$0"): ended early, status $status"
	for file in "$WORK"/*.log; do
		[ -s "$file" ] && { echo "--- ${file##*/}"; tail -n 25 "$file"; }
	done
	exit 1
}

# load [PARAMETER=VALUE]... - load nfv.ko, in a machine. The scripts of one boot each load it, and unload it at their end.
load() { insmod "$NFV_KO" "$@"; }
loaded() { [ -d /sys/module/nfv ]; }
unload() { rmmod nfv; }
without_module()
{
	[ -n "${NFV_KO:-}" ] && loaded || return
	[ -z "$NFVD_PID" ] || stop_nfvd
	wait_for unload 20 || fail "nfv.ko goes at the end" "$(lsmod | grep '^nfv ')"
}

finish()
{
	stop_nfvd || fail "nfvd ends when told" "status $?"
	exit $((FAILED != 0))
}

# --- results -------------------------------------------------------------------

MARK=0
now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }

# took - set $REPLY to the time since the last result, without starting a process.
took()
{
	local now=${EPOCHREALTIME/[.,]/}

	now=$((now / 1000))
	printf -v REPLY '%d.%d s' $(((now - MARK) / 1000)) $(((now - MARK) % 1000 / 100))
	MARK=$now
}

pass() { took; echo "ok - $1 ($REPLY)"; }
skip() { took; echo "skip - $1: $2"; }

fail()
{
	took
	echo "not ok - $1 ($REPLY)"
	shift
	printf '%s\n' "$@" | sed '/^$/d; s/^/  /'
	FAILED=$((FAILED + 1))
}

# check NAME COMMAND... - print a result: ok if the command succeeds, otherwise its output, too.
# A function runs in this shell, which can then wait for the processes that it starts.
check()
{
	local name=$1 status=0

	shift
	"$@" >"$WORK/output" 2>&1 || status=$?
	if [ $status = 0 ]; then
		pass "$name"
	else
		fail "$name" "$* -> status $status" "$(cat "$WORK/output")"
		return 1
	fi
}

# check_fails NAME COMMAND... - passes if the command exits with an error; not if a signal ends it.
check_fails()
{
	local name=$1 output status=0

	shift
	output=$("$@" 2>&1) || status=$?
	if [ $status -gt 0 ] && [ $status -lt 124 ]; then
		pass "$name"
	else
		fail "$name" "$* -> status $status" "$output"
		return 1
	fi
}

# assert 'EXPRESSION' [NAME] - end the script with a failure unless the expression is true. Print nothing if it is.
assert()
{
	if ! eval "$1"; then
		fail "${2:-assertion}" "$1 (line ${BASH_LINENO[0]})"
		exit 1
	fi
}

# --- the daemon ------------------------------------------------------------------

nfvctl() { "$NFVCTL" "$@"; }

start_nfvd()
{
	"$NFVD" --state-dir $STATE "$@" >>$NFVD_LOG 2>&1 &
	NFVD_PID=$!
	if ! wait_for "nfvctl show || ! kill -0 $NFVD_PID" 60 || ! kill -0 $NFVD_PID 2>/dev/null; then
		fail "nfvd starts" "$(tail -n 20 $NFVD_LOG)"
		exit 1
	fi
}

# stop_nfvd - end nfvd by TERM, and return its exit status; 124 if it does not end.
stop_nfvd()
{
	local pid=$NFVD_PID

	[ -n "$pid" ] || return 0
	NFVD_PID=
	kill -TERM "$pid" 2>/dev/null
	if ! wait_for "! kill -0 $pid" 10; then
		kill -KILL "$pid"
		wait "$pid" 2>/dev/null
		return 124
	fi
	wait "$pid"
}

# --- endpoints -------------------------------------------------------------------

# mk_container NAME A.B.C.D/N - make a namespace NAME with eth0, whose host end is veth-NAME. Do not attach it.
mk_container()
{
	ip netns add "$1"
	ip link add "veth-$1" type veth peer name eth0 netns "$1"
	ip -n "$1" link set lo up
	ip -n "$1" addr add "$2" dev eth0
	ip -n "$1" link set eth0 up
	ip link set "veth-$1" up
}

in_ns() { ip netns exec "$@"; }

# guest_start qemu|uml NAME [A.B.C.D/N] [option of `guest run`]... - attach port NAME unless it exists, start the guest,
# and wait until it responds.
guest_start()
{
	local kind=$1 name=$2 ip=${3:-}

	shift $(($# < 3 ? $# : 3))
	nfvctl show "$name" >/dev/null 2>&1 || nfvctl attach kvm "$name" >/dev/null || return 1
	"$GUEST" run "$kind" "$name" --socket "$STATE/$name.sock" ${ip:+--ip "$ip"} --nfvctl "$NFVCTL" \
		"$@" >>"$WORK/$name.log" 2>&1 &
	GUEST_PID[$name]=$!
	guest_wait "$name"
}

# guest_wait NAME [SECONDS] - wait until the guest responds, also after a reboot. If it does not, show the end of its log.
guest_wait() { "$GUEST" wait "$STATE/$1.agent" "${2:-180}" || { tail -n 10 "$WORK/$1.log"; return 1; }; }
guest_exec() { "$GUEST" exec "$STATE/$1.agent" "$2" "${3:-}"; }

# guest_kill NAME [SIGNAL] - end the guest and all its processes.
guest_kill()
{
	local pid=${GUEST_PID[$1]}

	kill -"${2:-KILL}" "$pid"
	wait "$pid" 2>/dev/null
	unset "GUEST_PID[$1]"
}

. "$TOP/tests/said.sh"

# --- traffic ---------------------------------------------------------------------

# iperf GUEST ADDRESS [OPTION]... - send TCP from a guest's client; print what the server received, in Mb/s. Try again
# while the server is busy with its last client.
iperf()
{
	local guest=$1 to=$2 output mbps limit=$((SECONDS + 30))

	shift 2
	while :; do
		output=$(guest_exec "$guest" "iperf3 -f m -c $to $*") && break
		grep -q 'busy\|refused' <<<"$output" && [ $SECONDS -lt $limit ] || { echo "$output" >&2; return 1; }
		sleep 0.1
	done
	mbps=$(awk '$NF == "receiver" { for (i = 2; i <= NF; i++) if ($i == "Mbits/sec") print $(i - 1) }' <<<"$output")
	echo "$mbps"
	awk -v n="${mbps:-0}" 'BEGIN { exit !(n > 0) }'
}
