#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# share: 6.1
#
# Guests with nfv-netfront.ko: on xen-netback and a bridge; on nfv.ko, with persistent grants; taken over
# from one to the other; with an untrusted backend, and with lent pages. The module is reloaded, a guest
# saved, a vif detached, guests destroyed under traffic.
. "$(dirname "$0")/../lib.sh"
xen_start "$@"

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/

stat_of() { domu_exec "$1" "ethtool -S eth0" | awk -v name="$2" '$1 ~ name { printf "%s%s", sep, $2; sep = " " }'; }
both_send() { stat_of vm1 _tx_packets | awk '{ exit !(NF == 2 && $1 > 0 && $2 > 0) }'; }
persistent() { [ "$(stat_of "$1" _persistent)" = "$2" ]; }
staged() { [ "$(stat_of "$1" _staged)" = "$2" ]; }
# quiet NAME - the module has logged nothing, because nothing went wrong.
quiet() { domu_exec "$1" "! dmesg | grep -i 'nfv.netfront.*:\|warning\|bug:\|g\.e\.' | grep -v 'module\|taint'"; }

# lent: print how many frames vm2 has received in lent pages. few_lent: hardly any of 3 MB.
lent() { stat_of vm2 _rx_lent | awk '{ print $1 + $2 }'; }
few_lent()
{
	local was

	was=$(lent) && domu_exec vm2 'wget -q -O - http://10.0.0.1:7000/sent >/dev/null' && [ "$(lent)" -lt $((was + 20)) ]
}

# asked: print vm2's grant copies and maps so far. (vm1 has slots from before its pages were named.)
asked() { echo "$(($(member vm2 grant_ops) + $(member vm2 grant_maps)))"; }

# The module cannot be unloaded while a device is bound.
reload()
{
	domu_exec "$1" "echo vif-0 >/sys/bus/xen/drivers/nfv-netfront/unbind && rmmod nfv_netfront &&
		! [ -e /sys/class/net/eth0 ] && insmod /modules/nfv-netfront.ko ${3:-} &&
		ip addr add $2 dev eth0 && ip link set eth0 up || exit 1
		for i in \$(seq 200); do grep -q 1 /sys/class/net/eth0/carrier && exit; usleep 50000; done; exit 1"
}

modprobe -q xen-netback
echo 2 >/sys/module/xen_netback/parameters/max_queues
check "nfv.ko comes" load xen_queues=2 || finish
ip link add br0 type bridge
ip link set br0 up
mk_container c1 10.0.0.3/24
ip link set veth-c1 master br0
in_ns c1 iperf3 -s -D >/dev/null

# --- on xen-netback --------------------------------------------------------------------

export DOMU_VCPUS=2
check "vm1 starts with nfv-netfront, on xen-netback" domu_plug vm1 10.0.0.1/24 --front nfv-netfront "mac=$MAC1,bridge=br0,script=vif-test" || finish
check "netback: ping, in fragments" pings vm1 10.0.0.3 "-s 20000"
check "netback: TCP, eight streams" domu_exec vm1 "iperf3 -c 10.0.0.3 -t 2 -P 8 >/dev/null"
rate "netback: TCP out" vm1 10.0.0.3
rate "netback: TCP in" vm1 10.0.0.3 -R
check "netback: both queues send" wait_for both_send 10
check "netback: plain grants" wait_for 'persistent vm1 "0 0"' 10
check "netback: of frames themselves" staged vm1 "0 0"
# A sender that waits for its socket's memory is woken when frames have been sent.
check "netback: UDP, as fast as it goes" domu_exec vm1 "iperf3 -u -b 0 -c 10.0.0.3 -t 2 >/dev/null" 30
check "netback: down and up" domu_exec vm1 'ip link set eth0 down && ip link set eth0 up && ping -c 3 -W 10 10.0.0.3'
check "netback: the module goes and comes" reload vm1 10.0.0.1/24
check "netback: ping after that" pings vm1 10.0.0.3

# --- that is not trusted ---------------------------------------------------------------------

# distrusted WHAT - large and small frames are in separate pages
distrusted()
{
	check "$1: nothing but pages of its own is granted" staged vm1 "1 1"
	check "$1: ping, in fragments" pings vm1 10.0.0.3 "-s 20000"
	check "$1: both ways, eight streams" domu_exec vm1 "iperf3 -c 10.0.0.3 -t 1 -P 8 && iperf3 -R -c 10.0.0.3 -t 1 -P 8"
	check "$1: intact, sent" intact vm1 10.0.0.1 c1
	check "$1: intact, received" intact c1 10.0.0.3 vm1
	check "$1: UDP, as fast as it goes" domu_exec vm1 "iperf3 -u -b 0 -c 10.0.0.3 -t 1 >/dev/null" 30
	check "$1: down and up" domu_exec vm1 'ip link set eth0 down && ip link set eth0 up && ping -c 3 -W 10 10.0.0.3'
}
check "the module comes with trusted=0" reload vm1 10.0.0.1/24 "trusted=0 lend=1"
distrusted "trusted=0"
check "vm1 gets a vif that is not trusted" domu_plug vm1 10.0.0.1/24 --front nfv-netfront,lend=1 "mac=$MAC1,bridge=br0,script=vif-test,untrusted"
check "xenstore says so" [ "$(xenstore-read "/local/domain/$(domid vm1)/device/vif/0/trusted")" = 0 ]
distrusted "untrusted"
check "vm1 gets one that is" domu_plug vm1 10.0.0.1/24 --front nfv-netfront "mac=$MAC1,bridge=br0,script=vif-test"
check "frames themselves are granted again" staged vm1 "0 0"

# --- taken over, on nfv.ko, and given back ------------------------------------------------

start_nfvd
check "vm2 gets it, on nfv.ko" domu_plug vm2 10.0.0.2/24 --front nfv-netfront "mac=$MAC2,script=vif-nfv"
check "vm1 is taken over" nfvctl attach xen vm1 domid "$(domid vm1)"
check "nfv: ping, in fragments" pings vm1 10.0.0.2 "-s 20000"
check "nfv: vm2's grants stay" wait_for 'persistent vm2 "1 1"' 10
check "nfv: vm1's, too, from now on" wait_for 'persistent vm1 "1 1"' 10
rate "nfv: TCP, vm1 to vm2" vm1 10.0.0.2
asked=$(asked) frames=$(pair vm2 vm1 frames)
rate "nfv: TCP, vm2 to vm1" vm1 10.0.0.2 -R
asked=$(($(asked) - asked)) frames=$(($(pair vm2 vm1 frames) - frames))
echo "  $asked grant operations for $frames frames"
check "nfv: frames move without grant operations" [ $((asked * 100)) -le $frames ]
check "nfv: intact" intact vm1 10.0.0.1 vm2
check "nfv: no page is lent unless that was asked for" [ "$(lent)" = 0 ]
check "vm2's module goes and comes, to lend" reload vm2 10.0.0.2/24 lend=1
check "nfv: intact, lent" intact vm1 10.0.0.1 vm2
check "nfv: a large frame's pages are lent" wait_for '[ "$(lent)" -gt 0 ]' 10
# A program that does not read keeps the lent pages until none is left, or one small frame's; its socket has memory
# enough for that.
domu_exec vm2 'echo 4096 300000 2000000 >/proc/sys/net/ipv4/tcp_rmem; echo 20000 20000 20000 >/proc/sys/net/ipv4/tcp_mem
	for i in $(seq 16); do
		wget -q -O - http://10.0.0.1:7000/sent | { until [ -e /tmp/go ]; do usleep 100000; done; sha256sum >/tmp/got$i; } &
	done >/dev/null 2>&1'
check "sixteen programs do not read: hardly a page is left to lend" wait_for few_lent 30
check "frames come as before" pings vm1 10.0.0.2 "-s 20000"
check "the sixteen read: intact" domu_exec vm2 'touch /tmp/go; for i in $(seq 16); do until [ -s /tmp/got$i ]; do usleep 100000; done; done
	sort /tmp/got* | uniq -c | grep "^ *16 '"$(domu_exec vm1 'sha256sum </tmp/sent')"'"'
lent=$(lent)
rate "TCP once more" vm1 10.0.0.2
check "pages are lent again" [ "$(lent)" -gt "$lent" ]
check "vm2's module goes and comes, with plain grants" reload vm2 10.0.0.2/24 persistent=0
check "nfv: ping, with plain grants at one end" pings vm1 10.0.0.2 "-s 20000"
check "plain they are" wait_for 'persistent vm2 "0 0"' 10
check "it lends nothing to a backend that is not trusted" reload vm2 10.0.0.2/24 "lend=1 trusted=0"
check "its grants stay all the same" wait_for 'persistent vm2 "1 1"' 10
check "intact" intact vm1 10.0.0.1 vm2
check "no page is lent" [ "$(lent)" = 0 ]
check "and with ones that stay" reload vm2 10.0.0.2/24
check "vm2 is saved" xl save vm2 "$WORK/vm2.save"
check "restored" domu_restore vm2 "$WORK/vm2.save"
rm "$WORK/vm2.save"
check "nfv: ping, restored" pings vm1 10.0.0.2 "-s 20000"
check "nfv: its grants stay again" wait_for 'persistent vm2 "1 1"' 10
check "vm1 is given back" nfvctl detach vm1
check "netback: ping again" pings vm1 10.0.0.3
check "no complaint in vm1" quiet vm1
check "nor in vm2" quiet vm2

# --- the end -------------------------------------------------------------------------------

check "vm1's vif is detached" domu_unplug vm1
check "it has but the grants of any guest" granted "$(domid vm1)" 2
check "its module goes, and an unmodified guest is plugged in" domu_plug vm1 10.0.0.1/24 "mac=$MAC1,script=vif-nfv"
ip link set veth-c1 nomaster
nfvctl attach veth c1 dev veth-c1 >/dev/null
busy vm2 10.0.0.1
check "vm1 is destroyed under traffic" gone vm1
check "its port is gone" wait_for "! nfvctl show vm1" 10
idle vm2
check "the other one goes on" pings vm2 10.0.0.3
busy vm2 10.0.0.3
check "vm2 is destroyed under traffic" gone vm2
check "nobody has their grants" granted all 0
check "the container goes on" wait_for "state_is c1 up" 10
check "nfvd ends" stop_nfvd
check "nfv.ko goes" unload
finish
