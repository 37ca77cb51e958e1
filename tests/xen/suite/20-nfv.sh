#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Unmodified guests on nfvd: attached when they start, taken over while they run and given
# back, destroyed; nfvd killed; the module unloaded. No grant stays in use.
. "$(dirname "$0")/../lib.sh"
xen_start "$@"

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
is_xen() { [ "$(member "$1" type)" = xen ]; }
gone() { wait_for "! nfvctl show $1" 10; }

once() { local c; c=$(copies_of "$1" "$2"); echo "$c copies per frame"; [ "$c" = 1.00 ]; }

# --- attached when they start --------------------------------------------------------

modprobe -q xen-netback
insmod "$NFV_KO"
start_nfvd
mk_container c1 10.0.0.9/24
nfvctl attach veth c1 dev veth-c1 >/dev/null
in_ns c1 iperf3 -s -D >/dev/null
check "vm1 starts with script=vif-nfv" domu_start vm1 10.0.0.1/24 mac=00:16:3e:00:00:11,script=vif-nfv
check "vm2 starts" domu_start vm2 10.0.0.2/24 mac=00:16:3e:00:00:12,script=vif-nfv
check "they are ports" is_xen vm1
check "up" wait_for "state_is vm1 up && state_is vm2 up" 10
check "its driver is ours" [ "$(driver_of vm1)" = nfv-vif ]
check "show knows the guest's name" [ "$(member vm2 domain)" = vm2 ]
nfvctl show vm1
check "ping from guest to guest" domu_exec vm1 'ping -c 3 -i 0.2 10.0.0.2'
check "ping from guest to container" domu_exec vm1 'ping -c 3 -i 0.2 10.0.0.9'
check "ping from container to guest" in_ns c1 ping -q -c 3 -i 0.2 10.0.0.2

# --- what frames cost ------------------------------------------------------------------

for pair in vm1:vm2 vm2:vm1 vm1:c1 c1:vm1; do copies_of "${pair%:*}" "${pair#*:}" >/dev/null; done
check "TCP from guest to guest" domu_exec vm1 'iperf3 -c 10.0.0.2 -t 4 | tail -n 4'
check "guest to guest: one copy" once vm1 vm2
check "and back" once vm2 vm1
check "TCP, the other way" domu_exec vm1 'iperf3 -c 10.0.0.2 -t 4 -R | tail -n 4'
check "TCP from guest to container" domu_exec vm1 'iperf3 -c 10.0.0.9 -t 4 | tail -n 4'
check "guest to container: one copy" once vm1 c1
check "container to guest: one copy" once c1 vm1
check "TCP from container to guest" domu_exec vm1 'iperf3 -c 10.0.0.9 -t 4 -R | tail -n 4'

# --- without the daemon ------------------------------------------------------------------

# Super-frames, and of the emulated ones few come in a second.
shortcut_takes() { [ "$(pair "$1" "$2" shortcut_frames)" -gt $((${3:-0} + 100)) ]; }
for pair in vm1:vm2 vm2:vm1 vm1:c1 c1:vm1; do
	check "the module forwards ${pair%:*} to ${pair#*:} itself" shortcut_takes "${pair%:*}" "${pair#*:}"
done
nfvctl shortcut off vm1
sleep 0.5
was=$(pair vm1 vm2 shortcut_frames):$(pair vm2 vm1 shortcut_frames):$(pair vm1 c1 shortcut_frames)
for pair in vm1:vm2 vm1:c1; do copies_of "${pair%:*}" "${pair#*:}" >/dev/null; done
check "shortcut off: TCP from guest to guest" domu_exec vm1 'iperf3 -c 10.0.0.2 -t 2 | tail -n 4'
check "shortcut off: TCP from guest to container" domu_exec vm1 'iperf3 -c 10.0.0.9 -t 2 | tail -n 4'
check "shortcut off: guest to guest: one copy" once vm1 vm2
check "shortcut off: guest to container: one copy" once vm1 c1
check "shortcut off: all by the daemon" [ "$(pair vm1 vm2 shortcut_frames):$(pair vm2 vm1 shortcut_frames):$(pair vm1 c1 shortcut_frames)" = "$was" ]
nfvctl shortcut on vm1
check "large ping" domu_exec vm1 'ping -c 3 -i 0.2 -s 20000 10.0.0.2'
check "frames in = delivered + dropped" conserved
nfvctl ledger
nfvctl -j show vm1

# --- saved and restored under traffic --------------------------------------------------------

was=$(pair vm1 c1 shortcut_frames)
domu_exec vm1 '{ iperf3 -c 10.0.0.9 -t 10 >/tmp/long 2>&1; echo $? >/tmp/long.status; } &' >/dev/null
check "TCP goes on" wait_for "shortcut_takes vm1 c1 $was" 10
id=$(domid vm1)
check "vm1 is saved" xl save vm1 "$WORK/vm1.save"
check "no grant of it is in use, when it is saved" [ "$(grants_left "$id")" = 0 ]
check "restored" domu_restore vm1 "$WORK/vm1.save"
rm "$WORK/vm1.save"
check "a port again" wait_for "state_is vm1 up" 20
check "no connection was lost by that" domu_exec vm1 'until [ -e /tmp/long.status ]; do usleep 100000; done
	cat /tmp/long; [ "$(cat /tmp/long.status)" = 0 ]'

# --- destroyed under traffic ---------------------------------------------------------------

domu_exec vm2 'ping -s 1400 10.0.0.1 >/dev/null & iperf3 -c 10.0.0.1 -t 60 >/dev/null 2>&1 &' >/dev/null
sleep 1
id=$(domid vm1)
check "destroyed under traffic" domu_kill vm1
check "its port is gone" gone vm1
check "no grant of it is in use" [ "$(grants_left "$id")" = 0 ]
check "the other one goes on" domu_exec vm2 'ping -c 3 -i 0.2 10.0.0.9'
check "conserved after all" conserved

# --- nfvd killed -----------------------------------------------------------------------------

kill -KILL "$NFVD_PID"
wait "$NFVD_PID" 2>/dev/null
start_nfvd
nfvctl attach veth c1 dev veth-c1 >/dev/null
check "nfvd killed: attached anew" nfvctl attach xen vm2 domid "$(domid vm2)"
check "nfvd killed: ping" domu_exec vm2 'ping -c 3 -i 0.2 10.0.0.9'
check "attached twice: refused" bash -c "! '$NFVCTL' attach xen again domid $(domid vm2)"
check "no such guest: refused" bash -c "! '$NFVCTL' attach xen none domid 999"
id=$(domid vm2)
check "vm2 destroyed" domu_kill vm2
check "no grant of it is in use, too" [ "$(grants_left "$id")" = 0 ]

# --- taken over while they run, and given back -----------------------------------------------

ip link add br0 type bridge
ip link set br0 up
check "vm3 starts on xen-netback" domu_start vm3 10.0.0.3/24 mac=00:16:3e:00:00:13,bridge=br0,script=vif-test
check "vm4, too" domu_start vm4 10.0.0.4/24 mac=00:16:3e:00:00:14,bridge=br0,script=vif-test
check "their driver is xen-netback" [ "$(driver_of vm3)" = vif ]
check "ping over the bridge" domu_exec vm3 'ping -c 3 -i 0.2 10.0.0.4'
domu_exec vm3 'iperf3 --forceflush -c 10.0.0.4 -t 600 >/tmp/long 2>&1 & echo $! >/tmp/long.pid' >/dev/null
nap 3
check "vm3 taken over under traffic" nfvctl attach xen vm3 domid "$(domid vm3)"
check "vm4, too" nfvctl attach xen vm4 domid "$(domid vm4)"
check "the backend says Connected" wait_for "[ \$(xenstore-read /local/domain/0/backend/vif/$(domid vm3)/0/state) = 4 ]" 5
# TCP waits twice as long each time that it tries again.
moved() { wait_for "[ \$(pair vm3 vm4 bytes) -gt 1000000 ]" 30; }
check "the traffic is here now" moved
check "vm3 given back under traffic" nfvctl detach vm3
check "vm4, too" nfvctl detach vm4
check "their driver is xen-netback again" [ "$(driver_of vm3):$(driver_of vm4)" = vif:vif ]
# There is a second in which bytes move that begins after that; it ends because it is told to, not before.
check "no connection was lost" domu_exec vm3 'seen=$(wc -l </tmp/long)
	until tail -n +$((seen + 2)) /tmp/long | grep -v " 0.00 Bytes" | grep -q sec; do usleep 200000; done
	kill $(cat /tmp/long.pid); usleep 500000; cat /tmp/long; grep -q "interrupt - the client has terminated" /tmp/long'
check "ping over the bridge again" domu_exec vm3 'ping -c 3 -i 0.2 10.0.0.4'

# --- the end -----------------------------------------------------------------------------------

id3=$(domid vm3) id4=$(domid vm4)
domu_kill vm3
domu_kill vm4
check "no grants are left" [ "$(grants_left "$id3"):$(grants_left "$id4")" = 0:0 ]
check "nfvd ends" stop_nfvd
check "the module can go" rmmod nfv
finish
