#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The reference: domUs on xen-netback and a bridge. A failure here is not a fault of this
# project.
. "$(dirname "$0")/../lib.sh"
xen_start "$@"

modprobe xen-netback
ip link add br0 type bridge
ip link set br0 up
mk_container c1 10.0.0.3/24
ip link set veth-c1 master br0

export DOMU_VCPUS=2
check "vm1 starts" domu_start vm1 10.0.0.1/24 "mac=$MAC1,bridge=br0,script=vif-test" || finish
check "vm2 starts" domu_start vm2 10.0.0.2/24 "mac=$MAC2,bridge=br0,script=vif-test" || finish
check "xen-netback serves them" wait_for '[ "$(driver_of vm1) $(driver_of vm2)" = "vif vif" ]' 10
check_fails "a command's status comes back" domu_exec vm1 'exit 3'
traffic netback
check "vm1 is taken from xen-netback and given back" rebind vm1 vif
# Frames sent in the first moments after that are lost, often all three.
check "vm1 reaches vm2 again" wait_for "pings vm1 10.0.0.2" 60
check "vm1's vif is unplugged" domu_unplug vm1
check "vm2's vif, too" domu_unplug vm2
check "they have but the grants of any guest" granted all 4
check "xen-netback goes" wait_for "modprobe -r xen-netback" 10
finish
