#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A hostile frontend (vm1, evilfront) beside an honest guest (vm2) and a container (c1). These two
# lose nothing meanwhile, and each fault has a counter or a state.
# boot
# kernel: 6.12
. "$(dirname "$0")/../lib.sh"
xen_start "$@"

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
DO=/sys/module/evilfront/parameters/do

# hear - set $HEARD to the last echo of vm2 that c1 has received (c1 sends ten requests a second, all the
# time), and $LOST to the missing ones. It uses only the shell, as in tests/lib.sh.
HEARD=0 LOST= part=
hear()
{
	local line n

	while IFS= read -r line <&"$witness_fd"; do
		line=$part$line part=
		[[ $line =~ bytes\ from.*icmp_seq=([0-9]+) ]] || continue
		n=${BASH_REMATCH[1]}
		while [ $((++HEARD)) -lt "$n" ]; do
			LOST+=" $HEARD"
		done
		HEARD=$n
	done
	part+=$line
}
heard() { hear; [ $HEARD -ge "$1" ]; }

# still_ms - the longest time since the last call for which dom0 did not run; see below
still_ms()
{
	sort -n "$WORK/clock" | tail -n 1
	echo 0 >"$WORK/clock"
}
clock()
{
	local was=$(now_ms) now

	while nap 0.1; do
		now=$(now_ms)
		echo $((now - was)) >>"$WORK/clock"
		was=$now
	done
}

# Nobody has that address, so frames to it are flooded, also to vm1.
NOBODY=10.0.0.77
call() { ! in_ns c1 ping -c 3 -i 0.1 -W 0.2 $NOBODY >/dev/null; }
# reasons REASON: set $REPLY to vm1's counts of it, by the module and by nfvd.
reasons()
{
	REPLY=$(dropped vm1 "$1")
}
many() { reasons "$1" && [ "$REPLY" -ge "$2" ]; }

# evil CASE... - run them in vm1; print a line for each: CASE STATUS RESPONSES
evil()
{
	domu_exec vm1 "bad=0; for c in $*; do
		echo \$c 2>/dev/null >$DO; s=\$?; [ \$s = 0 ] || bad=1; read -r a <$DO; echo \$c \$s, \$a; done; exit \$bad" $((20 + 10 * $#))
}

# beside COMMAND... - c1 and vm2 lose nothing while the command runs, nor after it
beside()
{
	local status=0

	hear
	LOST=
	"$@" || status=$?
	hear
	wait_for "heard $((HEARD + 3))" 20 || LOST+=" those after $HEARD"
	[ -n "$LOST" ] || return $status
	echo "no echo$LOST"
	nfvctl drops
	nfvctl -j show
	return 1
}

# counted REASON N CASE... - the cases raise vm1's count by N; all cases could be run
counted()
{
	local after reason=$1

	reasons "$reason"
	after=$((REPLY + $2))
	shift 2
	beside evil "$@" && wait_for "many $reason $after" 10 && [ "$REPLY" = $after ] && return
	nfvctl -j show vm1
	return 1
}

# fenced REASON CASE... - each case counts once, and the port is shown as fenced
fenced() { counted "$1" $(($# - 1)) "${@:2}" && wait_for "state_is vm1 fenced" 10; }

# received REASON CASE - vm1's count rises when others send to it
received()
{
	local more

	reasons "$1"
	more=$((REPLY + 1))
	evil "$2" && beside call && wait_for "many $1 $more" 10 && return
	nfvctl -j show vm1
	return 1
}

# harmless "CASE..." [RESPONSES] - unusual but valid cases: nothing is counted
harmless()
{
	# shellcheck disable=SC2086 # some cases
	beside evil $1 >"$WORK/answers" && grep "${2:-tx}" "$WORK/answers" && ! state_is vm1 fenced && return
	cat "$WORK/answers"
	return 1
}

# taken CASE - the posted buffers are used.
taken() { evil "$1" && wait_for "call && domu_exec vm1 'cat $DO' | grep 'rx [1-9][0-9]* answers, [1-9]'" 10; }

# refused CASE... - the backend changes to Closing, with a reason
refused() { beside evil "$@" && xenstore-read "/local/domain/0/error/backend/vif/$(domid vm1)/0/error"; }

# alive - a new connection of the hostile guest works.
alive() { [[ $(evil tx-good) = *"tx 1 answers, 1 okay"* ]]; }

modprobe -q xen-netback
check "nfv.ko comes" load || finish
start_nfvd
mk_container c1 10.0.0.9/24
in_ns c1 ip neigh add $NOBODY lladdr 02:00:00:00:00:77 dev eth0 nud permanent
nfvctl attach veth c1 dev veth-c1 >/dev/null
check "vm1 gets evilfront" domu_plug vm1 "" --front evilfront "mac=$MAC1,script=vif-nfv" || finish
check "vm2 starts" domu_plug vm2 10.0.0.2/24 "mac=$MAC2,script=vif-nfv" || finish
: >"$WORK/witness"
exec {witness_fd}<"$WORK/witness"
ip netns exec c1 ping -i 0.1 10.0.0.2 >"$WORK/witness" 2>&1 &
witness=$!
echo 0 >"$WORK/clock"
clock &
clock=$!
check "c1 and vm2 reach each other" wait_for "heard 1" 20 || finish
# Retry: its first connection may not be complete yet.
check "a good frame is answered" wait_for alive 15

# --- what it sends ---------------------------------------------------------------------

check "tx: empty slots" harmless tx-empty-slots "tx 7 answers, 7 okay"
check "tx: 18 slots" harmless tx-slots-18 "tx 18 answers, 18 okay"
check "tx: the backend's index overwritten" harmless tx-rsp-prod "tx 16 answers, 16 okay"
# It did not ask for multicast control.
check "tx: 10000 multicast requests" harmless tx-mcast-10000 "tx 20000 answers, 0 okay"
check "tx: bad grants" counted gnt_error 5 tx-never tx-beyond tx-revoked tx-foreign tx-never-header
check "tx: one bad grant among many" harmless tx-burst-one-never "tx 196 answers, 195 okay"
check "tx: a grant revoked in flight" harmless tx-pulled "tx-pulled 0"
check "tx: a bad grant behind the header" harmless tx-never-second "tx 2 answers"
check "tx: frames that are none" counted bad_frame 5 tx-empty tx-runt tx-sum-smaller tx-slots-19 tx-slots-20
check "tx: offloads that make no sense" counted bad_frame 4 tx-gso-size-1 tx-gso-no-csum tx-csum-nowhere tx-gso-v6-of-v4
check "tx: slots that make no frame" fenced xen_bad_slot tx-offset tx-offset-max tx-offset-second tx-sum-larger \
	tx-more-none tx-slots-21 tx-slots-endless
check "tx: bad extra information" fenced xen_bad_extra tx-extra-0 tx-extra-77 tx-extra-none tx-extra-more-none \
	tx-extra-endless tx-gso-size-0 tx-gso-type-77
check "tx: producer indices" fenced xen_bad_prod tx-prod-far tx-prod-back
# nfv.ko must not loop over such indices; that would take a minute, and beside() would miss echoes. On a loaded host the
# machine itself may stand still. Held frames are freed every half second, so several tries may be necessary.
while_held() { wait_for "fenced xen_bad_prod $1" 60; }
for case in tx-prod-back-held tx-prod-far-held; do
	check "tx: producer indices, $case" while_held $case
	check "tx: dom0 has not stood still" [ "$(still_ms)" -lt $((10000 * ${NFV_PATIENCE:-1})) ]
done
check "a fenced one may connect again" wait_for alive 15

# --- what it receives, and events ----------------------------------------------------------

check "rx: good grants" taken rx-good
check "rx: a page for all slots" taken rx-duplicates
for case in rx-never rx-beyond rx-revoked rx-readonly rx-foreign; do
	check "rx: bad grants, $case" received rx_gnt_error $case
done
check "rx: a producer index far ahead" received xen_bad_prod rx-prod-far
check "rx: one that goes back" received xen_bad_prod rx-prod-back
check "rx: one that goes to and fro" beside evil rx-prod-flicker
check "rx: no buffers" received rx_expired rx-none
check "a stalled one may connect again" wait_for alive 15
check "events without work" harmless event-storm
check "events with a little" harmless event-storm-rx

# --- what it asks for over the control ring -----------------------------------------------

unmapped() { wait_for '[ "$(member vm1 grants_mapped)" = 0 ]' 10; }

check "ctrl: requests that are none" harmless "ctrl-type-0 ctrl-type-hash ctrl-type-77 ctrl-type-max ctrl-queue-1 ctrl-queue-max"
check "ctrl: lists that are none" harmless "ctrl-list-empty ctrl-list-513 ctrl-list-endless ctrl-list-never
	ctrl-list-beyond ctrl-list-revoked ctrl-list-foreign ctrl-list-readonly"
check "ctrl: grants that cannot be mapped" harmless "ctrl-add-never ctrl-add-beyond ctrl-add-revoked ctrl-add-foreign
	ctrl-add-readonly ctrl-add-twice ctrl-del-unknown"
check "ctrl: nothing is left mapped" unmapped
check "ctrl: unmapped in traffic" harmless ctrl-del-in-traffic
check "ctrl: closed with grants mapped" harmless ctrl-close-mapped
check "ctrl: 2000 requests" harmless ctrl-storm
check "ctrl: nothing is left mapped, again" unmapped
check "ctrl: producer indices out of range" counted xen_bad_prod 2 ctrl-prod-far ctrl-prod-back
check "ctrl: rings that are none" harmless "ctrl-ring-never ctrl-ring-data ctrl-event-never" 0,
check "one without it may connect" wait_for alive 15

# --- what it writes to the xenstore ----------------------------------------------------------

check "xenstore: rings that are none" refused ring-never ring-rx-never ring-beyond ring-text ring-missing ring-same ring-prod
check "xenstore: event channels that are none" refused event-never event-beyond event-missing
check "xenstore: queues that are none" refused queues-0 queues-1000 queues-beyond queues-no-dirs \
	queues-twins queues-second-never queues-second-missing
check "xenstore: no number is one queue" harmless queues-text 0,
check "xenstore: no rx-copy" refused no-rx-copy
check "a refused one may connect again" wait_for alive 15
for case in close-under-traffic closed-at-once state-storm key-storm; do
	check "xenstore: $case" beside evil $case
	check "it may connect again" wait_for alive 10
done

# --- the end ---------------------------------------------------------------------------------

check "frames in = delivered + dropped" wait_for conserved 10
nfvctl -j show vm1
id=$(domid vm1)
evil event-storm-rx >/dev/null 2>&1 &
sleep 2
check "destroyed in a storm of events" domu_kill vm1
check "no grant of it is in use" granted "$id" 0
check "the others go on" beside true
kill $witness $clock
domu_kill vm2
check "nfvd ends" stop_nfvd
check "the module can go" unload
finish
