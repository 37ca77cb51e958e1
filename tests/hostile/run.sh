#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run.sh NFVD EVIL-VU [PATTERN] - a hostile guest against an nfvd of its own. Fails
# if a test does, if nfvd dies or does not end when told, or if a sanitizer complains.
set -u

. "$(dirname "$0")/../../tools/namespaces.sh"
# nfvd listens to the kernel's news about devices: not those of this machine.
if [ "$(id -u)" = 0 ]; then
	ns_inside "$@" || exec unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$@" "$(ns_word)"
	set -- "${@:1:$#-1}"
fi
nfvd=$(realpath "$1") evil=$(realpath "$2")
shift 2

dir=$(mktemp -d)
log=$dir/nfvd.log
pid=

on_exit()
{
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
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

# wait_for SECONDS COMMAND... - until it succeeds.
wait_for()
{
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
gone() { ! kill -0 "$pid" 2>/dev/null; }
ready() { [ -S "$dir/state/ctl.sock" ] || gone; }

mkdir -m 700 "$dir/state"
"$nfvd" --state-dir "$dir/state" >"$log" 2>&1 &
pid=$!
wait_for 30 ready && ! gone || die "nfvd does not start"

status=0
NFVD_STATE_DIR=$dir/state "$evil" "$@" || status=$?

gone && die "nfvd has died"
kill -TERM "$pid"
wait_for 20 gone || die "nfvd does not end"
ended=0
wait "$pid" || ended=$?
pid=
[ $ended = 0 ] || die "nfvd ends with status $ended"
! grep -qE 'runtime error:|ERROR: [A-Za-z]*Sanitizer' "$log" || die "a sanitizer complains"
# A guest cannot make nfvd log without limit.
[ "$(stat -c %s "$log")" -lt 1048576 ] || die "nfvd has logged $(stat -c %s "$log") bytes"
[ -z "$(ls "$dir/state" | grep -vx lock)" ] || die "left in the state directory: $(ls "$dir/state")"
[ $status = 0 ] || die "evil-vu: status $status"
