#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kernel: 6.1
# boot
#
# xl and its scripts around a port: a guest that is not for nfvd, a rate limit, a name that no port can have,
# the emulated device of an HVM guest, more queues than nfv.ko offers.
. "$(dirname "$0")/../lib.sh"
xen_start "$@"

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
export DOMU_VCPUS=2
mk_container c1 10.0.0.9/24
in_ns c1 iperf3 -s -D >/dev/null
ip link add br0 type bridge
ip link set br0 up
ip link set veth-c1 master br0

# --- nfv.ko is there first --------------------------------------------------------------------

check "nfv.ko comes" load xen_queues=1 || finish
modprobe xen-netback
echo 2 >/sys/module/xen_netback/parameters/max_queues
check "nfv.ko first: a guest without our script starts" domu_start vm1 10.0.0.1/24 "mac=$MAC1,bridge=br0,script=vif-test" || finish
check "nfv.ko first: xen-netback serves it" [ "$(driver_of vm1)" = vif ]
check "nfv.ko first: it reaches the bridge" wait_for "pings vm1 10.0.0.9" 60

# --- it has two queues, nfv.ko offers one -------------------------------------------------------

start_nfvd
words() { local output; output=$(nfvctl attach xen vm1 domid "$(domid vm1)" 2>&1) && return 1; grep -q "uses 2 queues.*offers 1" <<<"$output" && grep -q xen_queues=2 <<<"$output"; }
check "more queues than offered: refused, and why" words
check "more queues than offered: its vif was not touched" pings vm1 10.0.0.9
stop_nfvd
unload
check "nfv.ko comes" load xen_queues=2 || finish
mkdir -m 700 "$WORK/kept"
start_nfvd --keep --config-dir "$WORK/kept"	# as the unit does
ip link set veth-c1 nomaster
nfvctl attach veth c1 dev veth-c1 >/dev/null

# --- a limit ------------------------------------------------------------------------------------

# limited NAME - its configuration limits it to 1 MB/s
limited()
{
	local mbps

	mbps=$(iperf vm1 10.0.0.9 -t 4 -O 1) || return
	echo "$mbps Mb/s"
	awk -v m="$mbps" 'BEGIN { exit !(m > 5 && m < 9) }'
}
check "rate: a guest of xen-netback has one" domu_plug vm1 10.0.0.1/24 "mac=$MAC1,bridge=br0,script=vif-test,rate=1MB/s"
check "rate: taken over" nfvctl attach xen vm1 domid "$(domid vm1)"
check "rate: show says so" [ "$(member vm1 rate)" = 1000000 ]
check "rate: taken over, it is kept" wait_for limited 60
check "rate: given back" nfvctl detach vm1
check "rate: with our script" domu_plug vm1 10.0.0.1/24 "mac=$MAC1,script=vif-nfv,rate=1MB/s"
check "rate: with our script, it is kept" wait_for limited 60
check "rate: what it receives is not limited" domu_exec vm1 "iperf3 -R -c 10.0.0.9 -t 1 -f m >/tmp/got && awk '\$NF == \"receiver\" { exit !(\$7 > 20) }' /tmp/got"
cat "$WORK/output"

# --- the device that an HVM guest has beside its vif ----------------------------------------------

# kept FILTER - how many such ports the newest generation has
kept() { find "$WORK/kept" -name 'config-*' | sort | tail -n 1 | xargs jq "[.ports[] | select($1)] | length"; }
id=$(domid vm1) back=/local/domain/0/backend/vif/$(domid vm1)/0
again() { XENBUS_PATH=$back vif=$1 INTERFACE=$1 /etc/xen/scripts/vif-nfv add type_if=tap; }
status_is() { [ "$(xenstore-read "$back/hotplug-status")" = "$1" ]; }
check "emulated: no device, no error" again "vif$id.0-emu"
modprobe tun
ip tuntap add "vif$id.0-emu" mode tap
check "emulated: its device is a port" again "vif$id.0-emu"
check "emulated: beside the guest's" [ "$(member vm1-emu type):$(member vm1 type)" = netdev:xen ]
check "emulated: the vif's status is its own" status_is connected
ip link del "vif$id.0-emu"
check "emulated: the port goes with the device" wait_for "! nfvctl -j show vm1-emu | jq -e '.ports[0].state != \"gone\"'" 10
check "emulated: removed" eval "XENBUS_PATH=$back vif=vif$id.0-emu /etc/xen/scripts/vif-nfv remove type_if=tap"
check "emulated: it is not kept" [ "$(kept '.name == "vm1-emu"')" = 0 ]
check "emulated: the vif goes on" pings vm1 10.0.0.9

# --- a name -----------------------------------------------------------------------------------------

uuid=0f8fad5b-d9cb-469f-a165-70867728950e
xl destroy vm1
check "a name of 36 characters: it starts" domu_start $uuid 10.0.0.1/24 "mac=$MAC1,script=vif-nfv" || finish
check "a name of 36 characters: a port with its beginning" eval "nfvctl show | grep -q '^${uuid:0:22}-'"
check "a name of 36 characters: it reaches others" wait_for "pings $uuid 10.0.0.9" 60
was=$(nfvctl -j show | jq '.ports | length')
xl destroy $uuid
check "a guest that has gone is not kept" wait_for "[ \$(nfvctl -j show | jq '.ports | length') = $((was - 1)) ] && [ \$(kept .domid) = 0 ]" 10

# --- a guest in quarantine restarts: xl makes a new one of the same name ------------------------------

check "quarantine: a guest starts" domu_start vm2 10.0.0.1/24 "mac=$MAC1,script=vif-nfv" || finish
check "quarantine: it reaches others" wait_for "pings vm2 10.0.0.9" 60
check "quarantine: apart" eval 'nfvctl quarantine vm2 && ! pings vm2 10.0.0.9'
xl destroy vm2
check "quarantine: kept without its guest" wait_for '[ "$(member vm2 state)" = gone ]' 10
check "quarantine: it starts again" domu_start vm2 10.0.0.1/24 "mac=$MAC1,script=vif-nfv" || finish
check "quarantine: it is a port" wait_for '[ "$(member vm2 state)" = up ]' 60
check "quarantine: it is apart still" eval '[ "$(nfvctl -j show vm2 | jq -r ".ports[0].policy.quarantine")" = on ] && ! pings vm2 10.0.0.9'
check "quarantine: until it is released" eval 'nfvctl release vm2 && wait_for "pings vm2 10.0.0.9" 20'
xl destroy vm2
stop_nfvd
finish
