#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Unmodified guests on nfvd: attached when they start and while they run, taken over and given back,
# saved, rebooted; nfvd killed; the module unloaded. In the end no grant is in use.
. "$(dirname "$0")/../lib.sh"
xen_start "$@"

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
is_xen() { [ "$(member "$1" type)" = xen ]; }
gone() { wait_for "! nfvctl show $1" 10; }

once() { local c; c=$(copies_of "$1" "$2"); echo "$c copies per frame"; [ "$c" = 1.00 ]; }

# --- plugged in ----------------------------------------------------------------------

export DOMU_VCPUS=2
modprobe -q xen-netback
check "nfv.ko comes" load || finish
start_nfvd
mk_container c1 10.0.0.9/24
nfvctl attach veth c1 dev veth-c1 >/dev/null
in_ns c1 iperf3 -s -D >/dev/null
check "vm1 gets a vif with script=vif-nfv" domu_plug vm1 10.0.0.1/24 "mac=$MAC1,script=vif-nfv"
check "vm2, too" domu_plug vm2 10.0.0.2/24 "mac=$MAC2,script=vif-nfv"
check "they are ports" is_xen vm1
check "up" wait_for "state_is vm1 up && state_is vm2 up" 10
check "its driver is ours" wait_for '[ "$(driver_of vm1)" = nfv-vif ]' 10
check "show knows the guest's name" [ "$(member vm2 domain)" = vm2 ]
nfvctl show vm1
check "ping from guest to guest" domu_exec vm1 'ping -c 3 -i 0.2 10.0.0.2'
check "ping from guest to container" domu_exec vm1 'ping -c 3 -i 0.2 10.0.0.9'
check "ping from container to guest" in_ns c1 ping -q -c 3 -i 0.2 10.0.0.2

# --- what frames cost ------------------------------------------------------------------

for pair in vm1:vm2 vm2:vm1 vm1:c1 c1:vm1; do copies_of "${pair%:*}" "${pair#*:}" >/dev/null; done
check "TCP from guest to guest" domu_exec vm1 'iperf3 -c 10.0.0.2 -t 2 | tail -n 4'
check "guest to guest: one copy" once vm1 vm2
check "and back" once vm2 vm1
check "TCP, the other way" domu_exec vm1 'iperf3 -c 10.0.0.2 -t 2 -R | tail -n 4'
check "TCP from guest to container" domu_exec vm1 'iperf3 -c 10.0.0.9 -t 2 | tail -n 4'
check "guest to container: one copy" once vm1 c1
check "guest to guest: intact" intact vm1 10.0.0.1 vm2
check "guest to container: intact" intact vm1 10.0.0.1 c1
check "container to guest: intact" intact c1 10.0.0.9 vm2
# Segments of the container, merged by GRO: more pieces than an skb holds, so they are a list of skbs.
in_pieces() { in_ns c1 ethtool -K eth0 tso "$1" gso "$1" && ethtool -K veth-c1 gro "$2"; }
check "container to guest, put together here: intact" eval 'in_pieces off on && intact c1 10.0.0.9 vm2'
check "and as they were, again" in_pieces on off
check "container to guest: one copy" once c1 vm1
check "TCP from container to guest" domu_exec vm1 'iperf3 -c 10.0.0.9 -t 2 -R | tail -n 4'

# --- what they may do --------------------------------------------------------------------

# The module's table has these pairs: after the change none of their frames may use it.
may() { nfvctl set "$1" "${@:2}" >/dev/null; }
apart() { ! domu_exec vm1 "ping -c 2 -i 0.2 -W 1 10.0.0.${1:-2}"; }
why_not() { nfvctl drops "$1" | grep -q " $2 "; }
check "zones: apart" eval 'may vm2 zone blue && apart && pings vm1 10.0.0.9'
check "zones: together" eval 'may vm1 zone blue && pings vm1 10.0.0.2'
check "zones: and not with the container" apart 9
check "VLANs: apart" eval 'may vm1 vlan 10 && may vm2 vlan 20 && apart'
check "VLANs: together" eval 'may vm2 vlan 10 && pings vm1 10.0.0.2'
check "isolated: apart" eval 'may vm1 isolated on && may vm2 isolated on && apart && why_not vm2 isolated'
check "isolated: the other is not" eval 'may vm2 isolated off && pings vm1 10.0.0.2'
check "address: its own" eval 'may vm1 address $MAC1 10.0.0.1 && pings vm1 10.0.0.2'
check "address: another IP" eval 'may vm1 address $MAC1 10.0.0.77 && apart && why_not vm1 spoofed_ip'
check "address: another MAC" eval 'may vm1 address 02:00:00:00:00:77 && apart && why_not vm1 spoofed_mac'
check "quarantine: apart" eval 'may vm1 address any && nfvctl quarantine vm2 && apart && why_not vm2 quarantined'
check "release: together" eval 'nfvctl release vm2 && pings vm1 10.0.0.2'
check "limits: what is too fast is counted" eval \
	'may vm1 from 1Mbit && domu_exec vm1 "iperf3 -u -b 20M -c 10.0.0.2 -t 1" >/dev/null; why_not vm1 limit_from'
check "without a policy: all again" eval 'for port in vm1 vm2; do
	may $port zone default vlan trunk all isolated off address any from none; done; pings vm1 10.0.0.2 && pings vm1 10.0.0.9'

# --- without the daemon ------------------------------------------------------------------

# Super-frames; in the emulated machine few of them pass a second.
shortcut_takes() { [ "$(pair "$1" "$2" shortcut_frames)" -gt $((${3:-0} + 100)) ]; }
for pair in vm1:vm2 vm2:vm1 vm1:c1 c1:vm1; do
	check "the module forwards ${pair%:*} to ${pair#*:} itself" shortcut_takes "${pair%:*}" "${pair#*:}"
done
nfvctl shortcut off vm1
settled() { local was; was=$(pair "$1" "$2" shortcut_frames); nap 0.3; [ "$(pair "$1" "$2" shortcut_frames)" = "$was" ]; }
check "shortcut off: it takes nothing more" wait_for "settled vm1 vm2 && settled vm2 vm1 && settled vm1 c1" 10
was=$(pair vm1 vm2 shortcut_frames):$(pair vm2 vm1 shortcut_frames):$(pair vm1 c1 shortcut_frames)
for pair in vm1:vm2 vm1:c1; do copies_of "${pair%:*}" "${pair#*:}" >/dev/null; done
check "shortcut off: TCP from guest to guest" domu_exec vm1 'iperf3 -c 10.0.0.2 -t 2 | tail -n 4'
check "shortcut off: TCP from guest to container" domu_exec vm1 'iperf3 -c 10.0.0.9 -t 2 | tail -n 4'
check "shortcut off: guest to guest: one copy" once vm1 vm2
check "shortcut off: guest to container: one copy" once vm1 c1
check "shortcut off: all by the daemon" [ "$(pair vm1 vm2 shortcut_frames):$(pair vm2 vm1 shortcut_frames):$(pair vm1 c1 shortcut_frames)" = "$was" ]
nfvctl shortcut on vm1

# A frontend does not find an open checksum behind a tag.
modprobe 8021q
ip -n c1 link add link eth0 name eth0.100 type vlan id 100
ip -n c1 addr add 10.1.0.9/24 dev eth0.100
ip -n c1 link set eth0.100 up
check "a VLAN in vm1" domu_vlan vm1 10.1.0.1/24
check "a VLAN in vm2" domu_vlan vm2 10.1.0.2/24
for on in on off; do
	nfvctl shortcut $on >/dev/null
	rate "VLAN, shortcut $on: TCP from guest to container" vm1 10.1.0.9
	rate "VLAN, shortcut $on: TCP from container to guest" vm1 10.1.0.9 -R
	rate "VLAN, shortcut $on: TCP from guest to guest" vm1 10.1.0.2
done
nfvctl shortcut on >/dev/null
check "large ping" domu_exec vm1 'ping -c 3 -i 0.2 -s 20000 10.0.0.2'
check "frames in = delivered + dropped" wait_for conserved 10
nfvctl ledger
nfvctl -j show vm1

# --- saved and restored under traffic --------------------------------------------------------

was=$(pair vm1 c1 shortcut_frames)
domu_exec vm1 '{ iperf3 -c 10.0.0.9 -t 10 >/tmp/long 2>&1; echo $? >/tmp/long.status; } &' >/dev/null
check "TCP goes on" wait_for "shortcut_takes vm1 c1 $was" 10
id=$(domid vm1)
check "vm1 is saved" xl save vm1 "$WORK/vm1.save"
check "no grant of it is in use, when it is saved" granted "$id" 0
check "restored" domu_restore vm1 "$WORK/vm1.save"
rm "$WORK/vm1.save"
check "a port again" wait_for "state_is vm1 up" 20
check "no connection was lost by that" domu_exec vm1 'until [ -e /tmp/long.status ]; do usleep 100000; done
	cat /tmp/long; [ "$(cat /tmp/long.status)" = 0 ]'

# --- rebooted under traffic, attached when it starts -----------------------------------------

busy vm2 10.0.0.1
id=$(domid vm1)
check "vm1 reboots under it" domu_reboot vm1
check "no grant of the one before is in use" granted "$id" 0
idle vm2
check "a port again, by script=vif-nfv" wait_for "state_is vm1 up" 10
check "ping" domu_exec vm2 'ping -c 3 -i 0.2 10.0.0.1'
check "conserved after all" wait_for conserved 10

# --- nfvd killed -----------------------------------------------------------------------------

kill -KILL "$NFVD_PID"
wait "$NFVD_PID" 2>/dev/null
start_nfvd
nfvctl attach veth c1 dev veth-c1 >/dev/null
check "nfvd killed: attached anew" nfvctl attach xen vm2 domid "$(domid vm2)"
check "nfvd killed: ping" domu_exec vm2 'ping -c 3 -i 0.2 10.0.0.9'
check "attached twice: refused" bash -c "! '$NFVCTL' attach xen again domid $(domid vm2)"
check "no such guest: refused" bash -c "! '$NFVCTL' attach xen none domid 999"
check "vm2's vif is unplugged" domu_unplug vm2
check "it has but the grants of any guest" granted "$(domid vm2)" 2

# --- taken over while they run, and given back -----------------------------------------------

ip link add br0 type bridge
ip link set br0 up
check "vm1 gets one of xen-netback" domu_plug vm1 10.0.0.1/24 "mac=$MAC1,bridge=br0,script=vif-test"
check "vm2, too" domu_plug vm2 10.0.0.2/24 "mac=$MAC2,bridge=br0,script=vif-test"
check "their driver is xen-netback" wait_for '[ "$(driver_of vm1)" = vif ]' 10
check "ping over the bridge" domu_exec vm1 'ping -c 3 -i 0.2 10.0.0.2'
domu_exec vm1 'iperf3 --forceflush -c 10.0.0.2 -t 600 >/tmp/long 2>&1 & echo $! >/tmp/long.pid' >/dev/null
check "there is traffic over the bridge" domu_exec vm1 'until [ "$(grep -c "[KM]bits/sec" /tmp/long)" -ge 2 ]; do usleep 100000; done'
check "vm1 taken over under traffic" nfvctl attach xen vm1 domid "$(domid vm1)"
check "vm2, too" nfvctl attach xen vm2 domid "$(domid vm2)"
check "the backend says Connected" wait_for "[ \$(xenstore-read /local/domain/0/backend/vif/$(domid vm1)/0/state) = 4 ]" 5
# TCP doubles its wait with each retry.
moved() { wait_for "[ \$(pair vm1 vm2 bytes) -gt 1000000 ]" 30; }
check "the traffic is here now" moved
check "vm1 given back under traffic" nfvctl detach vm1
check "vm2, too" nfvctl detach vm2
check "their driver is xen-netback again" wait_for '[ "$(driver_of vm1):$(driver_of vm2)" = vif:vif ]' 10
# A second with transferred bytes begins after that; the client ends only when it is told to.
check "no connection was lost" domu_exec vm1 'seen=$(wc -l </tmp/long)
	until tail -n +$((seen + 2)) /tmp/long | grep -v " 0.00 Bytes" | grep -q sec; do usleep 200000; done
	kill $(cat /tmp/long.pid); until grep "interrupt - the client has terminated" /tmp/long; do usleep 100000; done'
check "ping over the bridge again" domu_exec vm1 'ping -c 3 -i 0.2 10.0.0.2'

check "both taken over again" eval 'nfvctl attach xen vm1 domid "$(domid vm1)" && nfvctl attach xen vm2 domid "$(domid vm2)"'
check "ping, too" domu_exec vm2 'ping -c 3 -i 0.2 10.0.0.1'
check "conserved, too" wait_for conserved 10
check "the module is replaced under them" nfvctl module upgrade "$NFV_KO"
check "they are its ports again" eval 'is_xen vm1 && is_xen vm2 && [ "$(driver_of vm1)" = nfv-vif ]'
check "ping, with another module" domu_exec vm2 'until ping -c 1 -W 1 10.0.0.1; do :; done; ping -c 3 -i 0.2 10.0.0.1'
check "conserved, with another module" wait_for conserved 10

# --- the end -----------------------------------------------------------------------------------

check "unplugged" domu_unplug vm1
check "vm2, too" domu_unplug vm2
check "they have but the grants of any guest" granted all 4
check "nfvd ends" stop_nfvd
check "the module can go" unload
finish
