#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run.sh NFVD NFVCTL EVIL-VU [PATTERN | --memory | --policy] - a hostile guest against an nfvd of its own, beside
# another nfvd that nobody harms. Fails if a test does, if nfvd dies or does not end when
# told, or if a sanitizer complains.
set -u

. "$(dirname "$0")/../../tools/namespaces.sh"
. "$(dirname "$0")/../bench/hugepages.sh"
. "$(dirname "$0")/../wait.sh"
huge_guard
# nfvd listens to the kernel's news about devices: not those of this machine.
if [ "$(id -u)" = 0 ]; then
	ns_inside "$@" || exec unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$@" "$(ns_word)"
	set -- "${@:1:$#-1}"
fi
nfvd=$(realpath "$1") nfvctl=$(realpath "$2") evil=$(realpath "$3")
shift 3

dir=$(mktemp -d)
log=$dir/nfvd.log
pid= control=

on_exit()
{
	[ -z "$pid$control" ] || kill -KILL $pid $control 2>/dev/null
	huge_give_back "$NFV_HUGEPAGES"
	rm -rf "$dir"
}
trap on_exit EXIT
trap 'exit 130' INT TERM

die()
{
	echo "run.sh: $*" >&2
	tail -n 60 "$log" >&2
	exit 1
}

gone() { ! kill -0 "$1" 2>/dev/null; }
ready() { "$nfvctl" --state-dir "$1" show >/dev/null 2>&1 || gone "$2"; }

# start_in FOLDER LOG: $REPLY is its pid
start_in()
{
	mkdir -m 700 "$1"
	"$nfvd" --state-dir "$1" >"$2" 2>&1 &
	REPLY=$!
	wait_for "ready $1 $REPLY" 30 && ! gone $REPLY || die "nfvd does not start"
}

start_in "$dir/control" "$dir/control.log"
control=$REPLY
for port in w0 w1; do
	"$nfvctl" --state-dir "$dir/control" attach kvm $port >/dev/null || die "the control's ports"
done
start_in "$dir/state" "$log"
pid=$REPLY

# For a guest in huge pages, of which there may be none.
huge_take "$NFV_HUGEPAGES" 24

status=0
NFVD_STATE_DIR=$dir/state NFVD_PID=$pid CONTROL_STATE_DIR=$dir/control CONTROL_PID=$control "$evil" "$@" || status=$?

gone $pid && die "nfvd has died"
gone $control && die "the control has died"
kill -TERM "$pid"
wait_for "gone $pid" 20 || die "nfvd does not end"
ended=0
wait "$pid" || ended=$?
pid=
[ $ended = 0 ] || die "nfvd ends with status $ended"
! grep -qE 'runtime error:|ERROR: [A-Za-z]*Sanitizer' "$log" || die "a sanitizer complains"
kill -TERM $control
wait_for "gone $control" 20 || die "the control does not end"
control=
# A guest cannot make nfvd log without limit.
[ "$(stat -c %s "$log")" -lt 1048576 ] || die "nfvd has logged $(stat -c %s "$log") bytes"
[ -z "$(ls "$dir/state" | grep -vx lock)" ] || die "left in the state directory: $(ls "$dir/state")"
[ $status = 0 ] || die "evil-vu: status $status"
