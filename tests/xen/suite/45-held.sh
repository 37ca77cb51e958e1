#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# share: 6.12
#
# Nothing waits for held frames. Guests end in every way, vifs are unbound, nfvd is killed, at the same time
# and in random order, while frames are held. Each ends in time, and xenwatch, which handles all changes of
# guests, is never blocked.
# boot
. "$(dirname "$0")/../lib.sh"
xen_start "$@"

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
DO=/sys/module/evilfront/parameters/do
DRIVER=/sys/bus/xen-backend/drivers/nfv-vif
TIMES=${NFV_HELD_TIMES:-200}		# 1000 take twenty minutes
# ms. Generous: one emulated CPU runs two guests, nfvd and the test's programs. A real hang lasts for ever.
SLOWEST=$((30000 * ${NFV_PATIENCE:-1}))
# ms by which xenwatch may be slower than when idle: 0.4 s have been seen on loaded CPUs.
XENWATCH_SLOWER=$((3000 * ${NFV_PATIENCE:-1}))

coproc PROBE { exec "$TOP/tests/xen/xenwatch-probe"; }
# xenwatch_ms - set $kept to the longest time since the last call for which a watch waited; `never` if it hangs
xenwatch_ms()
{
	echo >&"${PROBE[1]}"
	read -r -t 60 kept <&"${PROBE[0]}" || kept=never
}

# xenwatch_free - the last xenwatch_ms was short enough.
xenwatch_free() { [ "$kept" != never ] && [ "$kept" -lt $((quiet + XENWATCH_SLOWER)) ]; }

# ports - attach missing ports.
ports()
{
	nfvctl show c1 || nfvctl attach veth c1 dev veth-c1
	nfvctl show vm1 || nfvctl attach xen vm1 domid "$(domid vm1)"
	nfvctl show vm2 || nfvctl attach xen vm2 domid "$(domid vm2)"
} >/dev/null 2>&1

# nfvd drops link-local multicast; such frames stay held until the next ones arrive.
hold_frames()
{
	domu_exec vm2 'arp -s 10.0.0.77 01:80:c2:00:00:0e
		while :; do ping -s 600 -i 0.05 10.0.0.77; usleep 100000; done >/dev/null 2>&1 & echo $! >/tmp/hold'
}

unbound()
{
	local id vif start

	id=$(domid vm2) vif=vif-$id-0
	start=$(now_ms)
	timeout $((SLOWEST / 1000)) bash -c "echo $vif >$DRIVER/unbind" || return 1
	start=$(($(now_ms) - start))
	[ $start -le $slowest_unbind ] || slowest_unbind=$start
	echo "$vif" >$DRIVER/bind
	xenstore-write "/local/domain/0/backend/vif/$id/0/hotplug-status" connected
	# Retry: the previous port may still exist, and nfvd may not run for a moment.
	wait_for "nfvctl attach xen vm2 domid $id" 2 || true
}

killed()
{
	local start

	start=$(now_ms)
	kill -KILL "$NFVD_PID"
	wait "$NFVD_PID" 2>/dev/null
	start=$(($(now_ms) - start))
	[ $start -le $slowest_kill ] || slowest_kill=$start
	start_nfvd
	ports
}

# evil CASE - run it; print its status and its last measurement
evil() { domu_exec vm1 "echo $1 2>/dev/null >$DO; s=\$?; read -r a <$DO; echo \$s \$a" 200; }

# Map and release as many grants as possible, repeatedly; $answers is how long a close took.
flaps()
{
	answers=$(evil ctrl-close-full) && [[ $answers = "0 "* ]] || { echo "vm1: $answers"; return 1; }
	answers=${answers% ms} answers=${answers##* }
}

unbinds=0 kills=0 closes=0 slowest_unbind=0 slowest_kill=0 slowest_close=0
storm()
{
	local guest status answers

	while [ $((closes + unbinds + kills)) -lt "$TIMES" ]; do
		evil close-held >"$WORK/closed" &
		guest=$!
		while kill -0 $guest 2>/dev/null; do
			nap $((RANDOM % 3)).$((RANDOM % 10))
			if [ $((RANDOM % 4)) = 0 ]; then
				killed && kills=$((kills + 1))
			else
				unbound || return 1
				unbinds=$((unbinds + 1))
			fi
		done
		wait $guest
		read -r status answers <"$WORK/closed" || { echo "vm1 does not answer"; return 1; }
		[ "$status" = 0 ] || { echo "vm1: $status $answers"; return 1; }
		closes=$((closes + 25))
		answers=${answers% ms} answers=${answers##* }
		[ "$answers" -le $slowest_close ] || slowest_close=$answers
	done
}

# Without xen-netback no other driver takes an unbound vif.
rmmod xen-netback 2>/dev/null
check "nfv.ko comes" load || finish
start_nfvd
mk_container c1 10.0.0.9/24
nfvctl attach veth c1 dev veth-c1 >/dev/null
check "vm1 gets evilfront" domu_plug vm1 "" --front evilfront "mac=$MAC1,script=vif-nfv" || finish
check "vm2 starts" domu_plug vm2 10.0.0.2/24 "mac=$MAC2,script=vif-nfv" || finish
check "its frames are held" hold_frames
nap 1
xenwatch_ms
nap 10
xenwatch_ms
check "xenwatch answers: $kept ms at most when all is quiet" [ "$kept" != never ] || finish
quiet=$kept
check "a guest that flaps with 1024 grants mapped" flaps
xenwatch_ms
check "a close took $answers ms at most" [ "$answers" -lt $SLOWEST ]
check "xenwatch kept nobody for more than $kept ms, $quiet when all is quiet" xenwatch_free
check "frames held while guests close, vifs are unbound, nfvd is killed: $TIMES times" storm
echo "  $closes closed, $slowest_close ms at most; $unbinds unbound, $slowest_unbind ms; $kills killed, $slowest_kill ms (emulated)"
xenwatch_ms
check "xenwatch kept nobody: $kept ms at most, $quiet when all is quiet" xenwatch_free
for what in close unbind kill; do
	slowest=slowest_$what
	check "no $what took longer than $SLOWEST ms" [ "${!slowest}" -lt $SLOWEST ]
done
check "nothing waits in the kernel" wait_for '! nsenter -t 1 -p -m ps -eo stat,comm | grep "^D.*\(xenwatch\|nfvd\|bash\)"' 10
check "vm2 reaches the container" wait_for "ports && in_ns c1 ping -q -c 1 -W 1 10.0.0.2" 30
domu_exec vm2 'kill $(cat /tmp/hold)'

# A daemon that mistreats held frames: the guest still closes in time.
with_bad_daemon()
{
	"$BUILD/tests/kernel/kbad-daemon" "$(domid vm1)" "$1" >"$WORK/daemon" 2>&1 &
	bad=$!
	answers=$(evil close-held)
	grep -q ready "$WORK/daemon" && [[ $answers = "0 "* ]] || { echo "vm1: $answers"; cat "$WORK/daemon"; return 1; }
	answers=${answers% ms} answers=${answers##* }
	kill -KILL $bad
	wait $bad 2>/dev/null
	[ "$answers" -lt $SLOWEST ] || { echo "$answers ms"; return 1; }
}
stop_nfvd
for what in idle self fault copy flood; do
	xenwatch_ms
	check "a bad daemon, $what: the guest closes" with_bad_daemon $what
	xenwatch_ms
	check "a bad daemon, $what: $answers ms at most, and xenwatch $kept ms" xenwatch_free
done
start_nfvd
id=$(domid vm1)
check "vm1 goes" domu_kill vm1
check "no grant of it is in use" granted "$id" 0
check "a third guest's interface can be plugged in" domu_plug vm2 10.0.0.2/24 "mac=$MAC2,script=vif-nfv"
domu_kill vm2
check "nfvd ends" stop_nfvd
check "the module can go" unload
kill "$PROBE_PID"
finish
