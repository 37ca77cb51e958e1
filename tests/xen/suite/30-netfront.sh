#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Guests with nfv-netfront.ko: on xen-netback and a bridge, on nfv.ko, taken over from one to
# the other; the module gone and back, a guest rebooted, a vif detached, a guest destroyed.
. "$(dirname "$0")/../lib.sh"
xen_start "$@"

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
FRONT=${NFV_KO%/*}/nfv-netfront.ko

is_ours() { domu_exec "$1" 'ethtool -i eth0' | grep -q '^driver: nfv_netfront'; }
all_queues() { domu_exec "$1" 'ethtool -S eth0' | awk '/_tx_packets:/ && $2 > 0 { n++ } END { exit n != '"$2"' }'; }
# No line of the kernel's but ours, and none of ours that complains.
quiet() { ! domu_exec "$1" 'dmesg' | grep -i 'warn\|bug:\|still in use\|nfv.netfront.*\(backend\|error\)\|cut here'; }

reload()
{
	domu_exec "$1" "rmmod nfv_netfront && ! [ -e /sys/class/net/eth0 ] && insmod /modules/nfv-netfront.ko &&
		ip addr add $2 dev eth0 && ip link set eth0 up &&
		for i in \$(seq 100); do grep -q 1 /sys/class/net/eth0/carrier && exit; usleep 100000; done; exit 1"
}


modprobe -q xen-netback
insmod "$NFV_KO"
ip link add br0 type bridge
ip link set br0 up
mk_container c1 10.0.0.3/24
ip link set veth-c1 master br0
in_ns c1 iperf3 -s -D >/dev/null

# --- on xen-netback --------------------------------------------------------------------

DOMU_VCPUS=2
check "vm1 starts on xen-netback" domu_start vm1 10.0.0.1/24 --module "$FRONT" "mac=$MAC1,bridge=br0,script=vif-test" || {
	domu_exec vm1 'dmesg | tail -n 30; cat /sys/class/net/eth0/carrier'; finish; }
check "its driver is ours" is_ours vm1
check "netback: ping" pings vm1 10.0.0.3
check "netback: ping, in fragments" pings vm1 10.0.0.3 "-s 20000"
check "netback: ping from outside" in_ns c1 ping -c 3 -W 10 10.0.0.1
rate "netback: TCP out" vm1 10.0.0.3 -P 4
rate "netback: TCP in" vm1 10.0.0.3 -R
check "netback: both queues sent" all_queues vm1 2
check "netback: down and up" domu_exec vm1 'ip link set eth0 down && ip link set eth0 up && ping -c 3 -W 10 10.0.0.3'
check "netback: the module goes and comes" reload vm1 10.0.0.1/24
check "netback: ping after that" pings vm1 10.0.0.3
check "netback: rings and channels only in use" [ "$(grants_left "$(domid vm1)")" -lt 20 ]

# --- taken over and given back, with a connection ------------------------------------------

start_nfvd
ip link set veth-c1 nomaster
nfvctl attach veth c1 dev veth-c1 >/dev/null
check "vm1 is taken over" nfvctl attach xen vm1 domid "$(domid vm1)"
check "taken over: ping" pings vm1 10.0.0.3
rate "taken over: TCP out" vm1 10.0.0.3
check "vm1 is given back" nfvctl detach vm1
check "netback: is its driver again" [ "$(driver_of vm1)" = vif ]
nfvctl detach c1 >/dev/null
ip link set veth-c1 master br0
check "given back: ping" pings vm1 10.0.0.3
check "no complaint in vm1" quiet vm1
check "vm1's vif is detached" xl network-detach vm1 0
check "its eth0 goes" wait_for "domu_exec vm1 '! [ -e /sys/class/net/eth0 ]'" 10
check "vm1 has but the grants of any guest" [ "$(grants_left "$(domid vm1)")" = 2 ]
check "the module can go" domu_exec vm1 'rmmod nfv_netfront'
check "vm1 ends" gone vm1

# --- on nfv.ko -------------------------------------------------------------------------

ip link set veth-c1 nomaster
nfvctl attach veth c1 dev veth-c1 >/dev/null
check "vm1 starts on nfv.ko" domu_start vm1 10.0.0.1/24 --module "$FRONT" "mac=$MAC1,script=vif-nfv"
DOMU_VCPUS=1
check "vm2 starts, with the kernel's xen-netfront" domu_start vm2 10.0.0.2/24 "mac=$MAC2,script=vif-nfv"
check "ours is vm1's" is_ours vm1
traffic nfv
check "large ping" pings vm1 10.0.0.2 "-s 20000"
check "vm1's module goes and comes" reload vm1 10.0.0.1/24
check "ping after that" pings vm2 10.0.0.1
check "vm1 reboots" domu_reboot vm1
check "ping after that, too" pings vm1 10.0.0.2
check "no complaint in vm1, rebooted" quiet vm1
check "frames in = delivered + dropped" conserved
domu_exec vm1 'iperf3 -c 10.0.0.2 -t 60 >/dev/null 2>&1 &' >/dev/null
sleep 1
check "vm1 is destroyed under traffic" gone vm1
check "vm2, too" gone vm2
check "nobody has their grants" [ "$(grants_left all)" = 0 ]
check "nfvd ends" stop_nfvd
check "nfv.ko goes" rmmod nfv
finish
