#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# peer-ovs.sh start DIR | start-jumbo DIR | limit DIR KBPS | start-veth DIR IFNAME | again DIR [FILE] | stop DIR
#
# Open vSwitch with DPDK (Debian's build) in its default configuration: one bridge, NORMAL action, one PMD on core 1.
# start: two vhost-user ports, DIR/a.sock and DIR/b.sock, in a separate network namespace (the bridge makes interfaces).
# start-jumbo: the same for frames up to 9000 bytes; a port that has had a guest keeps its buffers of 2144 bytes, whatever
# its mtu_request says. limit: ingress policing of a, bursts of 10 ms. start-veth: DIR/a.sock,
# where the guest listens, and the netdev IFNAME, in the caller's network namespace, which must not be the machine's;
# super-frames and partial checksums pass (userspace-tso-enable). again: start ovs-vswitchd, or FILE in its place, after
# it has ended, in the caller's network namespace; its ports are in its database.
# Every file is in DIR. stop ends what start began, and releases the huge pages that start reserved.
set -eu
cmd=${1-} dir=${2-} ifname=${3-} mtu=
. "$(dirname "$0")/hugepages.sh"
. "$(dirname "$0")/../wait.sh"
usage() { echo "usage: ${0##*/} start DIR | start-jumbo DIR | limit DIR KBPS | start-veth DIR IFNAME | again DIR [FILE] | stop DIR" >&2; exit 2; }
[ -n "$dir" ] || usage

reserved=${NFV_HUGEPAGES:-$dir/hugepages}	# records the number before
reserve=1024		# pages of 2 MiB; with half of it, its mbufs leave nothing for rings

alive() { [ -f "$dir/$1.pid" ] && kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null; }
dead() { ! alive "$1"; }

end_process()
{
	if alive "$1"; then
		kill -TERM "$(cat "$dir/$1.pid")"
		wait_for "dead $1" 10 || { kill -KILL "$(cat "$dir/$1.pid")"; wait_for "dead $1" 5; }
	fi
	rm -f "$dir/$1.pid"
}

stop()
{
	end_process ovs-vswitchd
	end_process ovsdb-server
	huge_give_back "$reserved"
	rm -f "$dir"/*.sock "$dir"/*.ctl "$dir"/*.mgmt "$dir"/*.snoop "$dir"/conf.db "$dir"/.conf.db.~lock~
}

fail()
{
	echo "${0##*/}: $1" >&2
	tail -n 15 "$dir/ovs-vswitchd.log" >&2 || true
	stop
	exit 1
}

vsctl() { ovs-vsctl --db="unix:$dir/db.sock" "$@"; }
db_answers() { vsctl --no-wait show >/dev/null; }
dpdk_ready() { dead ovs-vswitchd || [ "$(vsctl get Open_vSwitch . dpdk_initialized)" = true ]; }
port_up() { [ "$(vsctl get Interface "$1" ofport)" -gt 0 ]; }

start_db()
{
	ovsdb-tool create "$dir/conf.db" $schema
	setsid ovsdb-server "$dir/conf.db" --remote="punix:$dir/db.sock" --unixctl="$dir/db.ctl" \
		--log-file="$dir/ovsdb-server.log" >/dev/null 2>&1 </dev/null &
	echo $! >"$dir/ovsdb-server.pid"
	wait_for db_answers 10 || fail "ovsdb-server does not start"
	vsctl --no-wait init
}

# start_vswitchd EAL_OPTIONS
start_vswitchd()
{
	local own=(unshare --net)

	[ -z "$ifname" ] || own=()
	vsctl --no-wait set Open_vSwitch . other_config:dpdk-init=true other_config:pmd-cpu-mask=0x2 \
		other_config:dpdk-lcore-mask=0x1 other_config:dpdk-extra="$1" \
		other_config:userspace-tso-enable="$([ -n "$ifname" ] && echo true || echo false)"
	run_vswitchd "${own[@]}"
	wait_for dpdk_ready 60 && alive ovs-vswitchd
}

# run_vswitchd [COMMAND]... - what starts it
run_vswitchd()
{
	setsid "$@" $vswitchd "unix:$dir/db.sock" --unixctl="$dir/ovs-vswitchd.ctl" \
		--log-file="$dir/ovs-vswitchd.log" >/dev/null 2>&1 </dev/null &
	echo $! >"$dir/ovs-vswitchd.pid"
}

# Debian's build always adds --in-memory, which excludes --no-huge, so it needs
# huge pages. stop releases them, even if the kernel did not find all.
start_with_dpdk()
{
	huge_take "$reserved" $reserve
	start_vswitchd "--no-shconf --no-pci --no-telemetry"
}

# A port that listens; the generator and User-mode Linux connect.
listening_port()
{
	vsctl --timeout=20 add-port br0 "$1" -- set Interface "$1" type=dpdkvhostuser ${mtu:+mtu_request=$mtu}
	wait_for "port_up $1" 10 || fail "no port $1"
	wait_for "[ -S $dir/$1 ]" 10 || fail "no socket of port $1"
	ln -sf "$1" "$dir/$1.sock"
}

# A port that connects, and retries. Only this kind supports super-frames and partial checksums.
connecting_port()
{
	vsctl --timeout=20 add-port br0 "$1" -- set Interface "$1" type=dpdkvhostuserclient \
		options:vhost-server-path="$dir/$1.sock"
	wait_for "port_up $1" 10 || fail "no port $1"
}

start()
{
	mkdir -p "$dir"
	dir=$(realpath "$dir")
	stop
	export OVS_RUNDIR=$dir OVS_DBDIR=$dir OVS_LOGDIR=$dir OVS_SYSCONFDIR=$dir
	: >"$dir/ovs-vswitchd.log"
	start_db
	start_with_dpdk || fail "ovs-vswitchd does not start with DPDK"
	vsctl --timeout=20 add-br br0 -- set Bridge br0 datapath_type=netdev fail-mode=standalone
	if [ -n "$ifname" ]; then
		connecting_port a
		vsctl --timeout=20 add-port br0 "$ifname"
		wait_for "port_up $ifname" 10 || fail "no port $ifname"
	else
		listening_port a
		listening_port b
	fi
}

case $cmd in
start* | limit | again)
	ovs=$("$(dirname "$0")/fetch-ovs.sh")
	vswitchd=$ovs/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk
	schema=$ovs/usr/share/openvswitch/vswitch.ovsschema
	PATH=$ovs/usr/bin:$ovs/usr/sbin:$PATH
	;;
esac
case $cmd in
start) [ -z "$ifname" ] || usage; start ;;
start-jumbo) [ -z "$ifname" ] || usage; mtu=9000; start ;;
start-veth) [ -n "$ifname" ] || usage; start ;;
again)
	dir=$(realpath "$dir")
	export OVS_RUNDIR=$dir OVS_DBDIR=$dir OVS_LOGDIR=$dir OVS_SYSCONFDIR=$dir
	vswitchd=${ifname:-$vswitchd}
	run_vswitchd
	;;
limit) vsctl --timeout=20 set Interface a ingress_policing_rate="$ifname" ingress_policing_burst=$((ifname / 100)) ;;
stop) stop ;;
*) usage ;;
esac
