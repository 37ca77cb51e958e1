#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# peer-testpmd.sh start|start-huge|stop DIR - DPDK's testpmd as a cable between two vhost-user
# ports: DIR/a.sock and DIR/b.sock, forwarding on core 1, log in DIR/log, pid in DIR/pid. start-huge: in huge
# pages, which stop gives back, as peer-ovs.sh does.
set -eu
cmd=${1-} dir=${2-}
. "$(dirname "$0")/hugepages.sh"
. "$(dirname "$0")/../wait.sh"
[ -n "$dir" ] || { echo "usage: ${0##*/} start|start-huge|stop DIR" >&2; exit 2; }
reserved=${NFV_HUGEPAGES:-$dir/hugepages}
memory=(--no-huge)

alive() { [ -f "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; }

ready() { ! alive || [ -S "$dir/a.sock" ] && [ -S "$dir/b.sock" ] && grep -q 'io packet forwarding' "$dir/log"; }
dead() { ! alive; }

stop()
{
	if alive; then
		kill -TERM "$(cat "$dir/pid")"
		wait_for dead 10 || { kill -KILL "$(cat "$dir/pid")"; wait_for dead 5; }
	fi
	huge_give_back "$reserved"
	rm -f "$dir"/{a.sock,b.sock,pid,in}
}

start()
{
	mkdir -p "$dir"
	dir=$(realpath "$dir")
	stop
	if [ "$cmd" = start-huge ]; then
		memory=(--in-memory)
		huge_take "$reserved" 512
	fi
	# testpmd ends with its standard input, so give it a pipe that stays open.
	mkfifo "$dir/in"
	exec 3<>"$dir/in"
	setsid dpdk-testpmd "${memory[@]}" --no-shconf --no-pci --no-telemetry -m 512 -l 0,1 --file-prefix "bench$$" \
		--vdev "net_vhost0,iface=$dir/a.sock" --vdev "net_vhost1,iface=$dir/b.sock" \
		-- --forward-mode=io --total-num-mbufs=32768 --auto-start <&3 >"$dir/log" 2>&1 3>&- &
	echo $! >"$dir/pid"
	exec 3>&-
	if ! wait_for ready 20 || ! alive; then
		tail -n 20 "$dir/log" >&2
		stop
		echo "${0##*/}: testpmd does not start" >&2
		exit 1
	fi
}

case $cmd in
start*) start ;;
stop) stop ;;
*) echo "usage: ${0##*/} start|start-huge|stop DIR" >&2; exit 2 ;;
esac
