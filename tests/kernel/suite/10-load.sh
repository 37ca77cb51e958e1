#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Loading and unloading. Group R of the hostile cases.
. "$(dirname "$0")/lib.sh"

# bad PARAMETER VALUE RANGE
bad()
{
	dmesg -C
	! insmod "$NFV_KO" "$1=$2" 2>/dev/null && dmesg | grep -q "nfv: parameter $1 must be .* from $3"
}
for value in 0 63 100 -1 8192 4294967296 abc ''; do
	check "parameters: ring_entries=$value" bad ring_entries "$value" "64 to 4096"
done
for value in 0 255 1048577 -1 99999999999999999999; do
	check "parameters: held_kib=$value" bad held_kib "$value" "256 to 1048576"
done
for value in 0 15 1048577 -1; do
	check "parameters: held_mib=$value" bad held_mib "$value" "16 to 1048576"
done
for value in 0 9 10001 -5 1e3; do
	check "parameters: held_ms=$value" bad held_ms "$value" "10 to 10000"
done
check "parameters: the smallest" load ring_entries=64 held_kib=256 held_ms=10
check "parameters: they can be read" [ "$(cat /sys/module/nfv/parameters/{ring_entries,held_kib,held_ms} | tr '\n' ' ')" = "64 256 10 " ]
check "device node: root's alone" [ "$(stat -c %a:%u /dev/nfv)" = 600:0 ]
for event in rx tx drop; do
	check "tracepoint nfv:$event" [ -d /sys/kernel/tracing/events/nfv/$event ]
done
unload

# Other traffic continues meanwhile.
mk_container a 10.0.1.1/24
mk_container b 10.0.1.2/24
ip link add br0 type bridge
ip link set veth-a master br0
ip link set veth-b master br0
ip link set br0 up
serve b
start "$WORK/client.log" a iperf3 -c 10.0.1.2 -t 300
client=$STARTED
# same_error WORDS - each line that insmod has printed contains the words
same_error() { ! grep -v "$1" "$WORK/insmod"; }
load_and_unload()
{
	local i

	for ((i = 0; i < times; i++)); do
		load && loaded && unload || return 1
	done
}
times=100
[ -z "$SLOW${NFV_SHARE:-}" ] || times=30
check "loaded and unloaded $times times with traffic around" load_and_unload
check "the traffic has noticed nothing" kill -0 $client
stop $client

load
exec 9<>/dev/nfv
check "in use while a session is open" [ "$(refcount)" = 1 ]
check_fails "rmmod with a session open is refused" unload
exec 9>&-
check "rmmod after the last is closed" unload

if faults 3; then
	# A single try may succeed or fail by chance, so try forty times.
	times=40 refused=0
	for ((i = 0; i < times; i++)); do
		if ! load 2>>"$WORK/insmod"; then refused=$((refused + 1)); elif ! unload; then break; fi
	done
	faults 0
	check "loaded while its allocations fail, $times times" [ $i = $times ]
	check "some were refused ($refused), some were not" eval "[ $refused -gt 0 ] && [ $refused -lt $times ]"
	check "for want of memory" same_error "Cannot allocate memory"
	check "loaded, as nothing fails any more" load
	unload
else
	[ "$NFV_KERNEL" != debug ] || skip "loaded while its allocations fail" "failslab"
fi
finish
