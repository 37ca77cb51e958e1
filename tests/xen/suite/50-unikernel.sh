#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The unikernel of tools/guests as a PV guest in 8 MB: on nfv.ko, with persistent grants; on xen-netback;
# moved from one to the other; rebooted, destroyed under traffic. In the end no grant is in use. Also a
# unikernel in QEMU on the same host.
# kernel: 6.12
. "$(dirname "$0")/../lib.sh"
xen_start "$@"
domu_none

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
CLOSED=9	# a port where nobody listens

# uni_start NAME A.B.C.D/N VIF-OPTIONS [WORD]... - start it, do not wait.
uni_start()
{
	local name=$1 ip=$2 vif=$3

	shift 3
	cat >"$WORK/$name.cfg" <<-EOT
		name = "$name"
		type = "pv"
		memory = 8
		kernel = "$NFV_UNIKERNEL"
		extra = "nfv.ip=$ip $*"
		vif = [ '$vif' ]
		on_crash = "destroy"
		on_reboot = "restart"
		on_poweroff = "destroy"
	EOT
	rm -f "$(console_of "$name")"
	xl create -q "$WORK/$name.cfg"
}

# says NAME WORDS [TIMES]: wait until its console has the words so many times
says() { wait_for "[ \$(grep -c -- '$2' $(console_of "$1")) -ge ${3:-1} ]" 30; }
started() { uni_start "$@" && says "$1" nfv-guest-ready; }
reaches() { wait_for "in_ns c1 ping -c 1 -W 2 $1" 20; }
ping_all() { in_ns c1 ping -q "$@" | tee "$WORK/ping" && grep -q ' 0% packet loss' "$WORK/ping"; }
refused() { in_ns c1 timeout 20 bash -c "exec 3<>/dev/tcp/$1/$CLOSED" 2>&1 | grep -q refused; }
# tcp_to_it TIMES: send 2 s of TCP to u1's server, which must report it for the TIMES-th time
tcp_to_it() { in_ns c1 timeout 30 iperf -f m -c 10.0.0.2 -t 2 && says u1 'iperf server: [1-9]' "$1"; }

answers()
{
	check "$1: 1000 pings at once" ping_all -f -c 1000 10.0.0.2
	check "$1: pings of 64 KB, in fragments" ping_all -c 3 -i 0.2 -W 5 -s 65000 10.0.0.2
	check "$1: a closed port refuses" refused 10.0.0.2
	check "$1: TCP to it" tcp_to_it "$2"
}

# sends WHAT VIF-OPTIONS - another unikernel sends to the container
sends()
{
	check "$1: another starts" started u2 10.0.0.3/24 "$2" nfv.iperf=10.0.0.1 nfv.time=2
	check "$1: TCP from it" says u2 'iperf client: [1-9]'
	grep -h iperf "$(console_of u1)" "$(console_of u2)" | sed 's/^/  /'
}

# Persistent grants are in use all the time, others only for a moment.
few_grants() { [ "$(grants_left "$(domid u1)")" -lt 100 ]; }
named() { wait_for '[ "$(member u1 grants_mapped)" -ge 512 ]' 10; }
grant_calls() { echo "$(member u1 grant_ops) $(member u1 grant_maps)"; }

# --- on xen-netback ------------------------------------------------------------------------

modprobe -q xen-netback
check "nfv.ko comes" load || finish
ip link add br0 type bridge
ip link set br0 up
mk_container c1 10.0.0.1/24
ip link set veth-c1 master br0
in_ns c1 iperf -s >"$WORK/iperf.log" 2>&1 &
NETBACK="bridge=br0,script=vif-test"
check "netback: starts in 8 MB" started u1 10.0.0.2/24 "mac=$MAC1,$NETBACK" || finish
answers netback 1
sends netback "mac=$MAC2,$NETBACK"
check "netback: plain grants" few_grants
check "netback: one is told to go" xl shutdown -w u2

# The driver ends, and leaves the state Closed; then a new one starts.
reconnects()
{
	local id path

	id=$(domid u1)
	path=/local/domain/0/backend/vif/$id/0
	echo "vif-$id-0" >/sys/bus/xen-backend/drivers/vif/unbind
	xenstore-write "$path/state" 6
	wait_for "[ \"\$(xenstore-read /local/domain/$id/device/vif/0/state)\" = 1 ]" 10 || return
	rebind u1 vif && reaches 10.0.0.2
}
check "netback: it comes again after Closed" reconnects

# --- taken over by nfv.ko --------------------------------------------------------------------

start_nfvd
ip link set veth-c1 nomaster
nfvctl attach veth c1 dev veth-c1 >/dev/null
check "taken over" nfvctl attach xen u1 domid "$(domid u1)"
check "nfv: ping" reaches 10.0.0.2
check "nfv: its pages stay granted" named
was=$(grant_calls)
answers nfv 2
check "nfv: all without grant operations" [ "$(grant_calls)" = "$was" ]
sends nfv "mac=$MAC2,script=vif-nfv"
check "nfv: frames in = delivered + dropped" wait_for conserved 10

# --- a KVM guest on the same host --------------------------------------------------------------

nfvctl attach kvm k1 >/dev/null
"$GUEST" run unikernel k1 --socket "$STATE/k1.sock" --ip 10.0.0.4/24 --log "$WORK/k1.log" >"$WORK/k1.qemu.log" 2>&1 &
qemu=$!
check "kvm: a unikernel in QEMU starts, in dom0" wait_for "grep -q nfv-guest-ready $WORK/k1.log" 60
check "kvm: from Xen's guest to QEMU's" started u3 10.0.0.5/24 "mac=00:16:3e:00:00:13,script=vif-nfv" nfv.iperf=10.0.0.4 nfv.time=2
check "kvm: TCP" wait_for "grep -q 'iperf server: [1-9]' $WORK/k1.log" 30
check "kvm: and it says so" says u3 'iperf client: [1-9]'
grep -h iperf "$(console_of u3)" "$WORK/k1.log" | sed 's/^/  /'
nfvctl ledger | grep 'FROM\|k1'
check "kvm: frames in = delivered + dropped" wait_for conserved 10
kill $qemu
check "kvm: Xen's guest goes" gone u3

# --- nfvd killed --------------------------------------------------------------------------------

kill -KILL "$NFVD_PID"
wait "$NFVD_PID" 2>/dev/null
start_nfvd
nfvctl attach veth c1 dev veth-c1 >/dev/null
check "nfvd killed: attached anew" nfvctl attach xen u1 domid "$(domid u1)"
check "nfvd killed: ping" reaches 10.0.0.2
check "nfvd killed: its pages stay granted" named

# --- the end -----------------------------------------------------------------------------------

id=$(domid u2)
nfvctl attach xen u2 domid "$id" >/dev/null
in_ns c1 iperf -c 10.0.0.3 -t 60 >/dev/null 2>&1 &
check "nfvd killed: TCP to the other" wait_for '[ "$(pair c1 u2 frames)" -gt 100 ]' 20
check "reboots under traffic" xl reboot u2
check "is there again" says u2 nfv-guest-ready 2
check "nothing of the one before is granted" granted "$id" 0
check "ping after that" reaches 10.0.0.3
id=$(domid u2)
in_ns c1 ping -q -f -s 1400 10.0.0.3 >/dev/null 2>&1 &
check "destroyed under traffic" domu_kill u2
kill $!
check "nothing of it is granted" granted "$id" 0
# The new nfvd does not know which bridge it was in.
check "given back to xen-netback" nfvctl detach u1
nfvctl detach c1 >/dev/null
ip link set veth-c1 master br0
ip link set "vif$(domid u1).0" up master br0
check "netback: ping after that" reaches 10.0.0.2
check "it has not complained" bash -c "! grep stopped $(console_of u1)"
id=$(domid u1)
check "destroyed" domu_kill u1
check "nobody has their grants" granted all 0
check "nfvd ends" stop_nfvd
check "nfv.ko goes" unload
finish
