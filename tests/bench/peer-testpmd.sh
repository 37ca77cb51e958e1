#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# peer-testpmd.sh start|stop DIR - DPDK's testpmd as a cable between two vhost-user
# ports: DIR/a.sock and DIR/b.sock, forwarding on core 1, log in DIR/log, pid in DIR/pid.
set -eu
cmd=${1-} dir=${2-}
[ -n "$dir" ] || { echo "usage: ${0##*/} start|stop DIR" >&2; exit 2; }

alive() { [ -f "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; }

# wait_until SECONDS COMMAND...
wait_until()
{
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

ready() { ! alive || [ -S "$dir/a.sock" ] && [ -S "$dir/b.sock" ] && grep -q 'io packet forwarding' "$dir/log"; }
dead() { ! alive; }

stop()
{
	if alive; then
		kill -TERM "$(cat "$dir/pid")"
		wait_until 10 dead || { kill -KILL "$(cat "$dir/pid")"; wait_until 5 dead; }
	fi
	rm -f "$dir"/{a.sock,b.sock,pid,in}
}

start()
{
	mkdir -p "$dir"
	dir=$(realpath "$dir")
	stop
	# Ends when its standard input does: give it one that does not.
	mkfifo "$dir/in"
	exec 3<>"$dir/in"
	setsid dpdk-testpmd --no-huge --no-shconf --no-pci --no-telemetry -m 512 -l 0,1 --file-prefix "bench$$" \
		--vdev "net_vhost0,iface=$dir/a.sock" --vdev "net_vhost1,iface=$dir/b.sock" \
		-- --forward-mode=io --total-num-mbufs=32768 --auto-start <&3 >"$dir/log" 2>&1 3>&- &
	echo $! >"$dir/pid"
	exec 3>&-
	if ! wait_until 20 ready || ! alive; then
		tail -n 20 "$dir/log" >&2
		stop
		echo "${0##*/}: testpmd does not start" >&2
		exit 1
	fi
}

case $cmd in
start | stop) $cmd ;;
*) echo "usage: ${0##*/} start|stop DIR" >&2; exit 2 ;;
esac
