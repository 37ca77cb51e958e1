#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Each carrier that needs no module loses frames, and `nfvctl drops` says which carrier, why and how many. What policies
# drop is tests/policy/cases, what hostile guests lose tests/hostile.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/losses.sh"
. "$TOP/tests/policy/lib.sh"
. "$TOP/tests/integration/lib/driven.sh"

declare -A MAC=([c1]=02:00:00:00:00:01 [c2]=02:00:00:00:00:02 [g]=02:00:00:00:00:03 [h]=02:00:00:00:00:04)
ALL=ff:ff:ff:ff:ff:ff

arrived()
{
	case $1 in
	g) driven got && echo "${REPLY#got }" ;;
	*) in_ns "$1" cat /sys/class/net/eth0/statistics/rx_packets ;;
	esac
}
# send FROM TO BYTES N
send() { in_ns "$1" "$FRAME" send eth0 "${MAC[$2]:-$2}" "${MAC[$1]}" 0 "$3" "$4"; }
# known NAME... - nfvd has learnt their addresses
known()
{
	local one

	for one; do
		nfvctl -j fdb | jq -e --arg mac "${MAC[$one]}" 'any(.entries[]; .mac == $mac)' || return
	done
}

start_nfvd --workers 1
for name in c1 c2; do
	silent $name
	ip -n $name link set eth0 address ${MAC[$name]}
	nfvctl attach veth $name dev veth-$name >/dev/null
done
nfvctl shortcut off >/dev/null
driven_start g
wait_for "state_is c1 up && state_is c2 up && state_is g up"
driven send 1 60 $ALL "${MAC[g]}"
send c1 $ALL 60 1
send c2 $ALL 60 1
check "all are known" wait_for "known c1 c2 g"
LOST["g dst_full"]=2		# the broadcasts: it has posted no buffer yet
check "and what was lost by that" wait_for whole_truth

# --- a guest's rings ---------------------------------------------------------------------

posted() { driven post "$1"; "${@:2}"; }
loses "guest, a frame that is none" g runt 5/5 c2 driven send 5 10 "${MAC[c2]}" "${MAC[g]}"
loses "guest, more descriptors than nfvd moves" g too_many_segs 4/4 c2 driven chain 4 993 "${MAC[c2]}" "${MAC[g]}"
loses "guest, few buffers" g dst_queue 12/20 g posted 8 send c1 g 60 20
loses "guest, many buffers" g dst_full 20/120 g posted 108 send c1 g 60 120
loses "guest, its memory is gone" g mem_fault 3/3 c2 driven gone 3 1000 "${MAC[c2]}" "${MAC[g]}"
check "the ledger has those from c1" [ "$(pair c1 g dropped)" = $((LOST["g dst_queue"] + LOST["g dst_full"] - 1)) ]
check "and those to c2" [ "$(pair g c2 dropped)" = "${LOST["g mem_fault"]}" ]
driven_end

# The port is detached within the half second for which frames wait for buffers. On a busy machine it may be too late:
# then they are losses of a port that has gone.
waiting()
{
	for _ in {1..9}; do
		[ "$(dropped c1 dst_down)" = 0 ] || return
		driven_start h
		wait_for "state_is h up"
		driven send 1 60 $ALL "${MAC[h]}"
		driven post 8
		wait_for "known h"
		send c1 h 60 20
		nfvctl detach h
		driven_end
	done
}
loses "guest, detached while frames wait" c1 dst_down 12/12 - waiting

# --- a container's packet socket ------------------------------------------------------------

# mtu NAME END MTU - of a container's device (eth0) or the host's end
mtu() { if [ "$2" = eth0 ]; then ip -n "$1" link set eth0 mtu "$3"; else ip link set "veth-$1" mtu "$3"; fi; }

loses "container, a full ring" c1 missed '?/20000' c2 stopped send c1 c2 60 20000
loses "container, a full socket" c1 rx_full '?/340' c2 stopped super_frames c1 340 "${MAC[c1]}" "${MAC[c2]}"
mtu c2 eth0 1000
loses "container, its end's MTU" c2 dst_full 5/5 c2 send c1 c2 1400 5
mtu c2 eth0 1500
mtu c1 eth0 4000
mtu c1 veth 4000
wait_for '[ "$(member c1 mtu)" = 4000 ]'
loses "container, its device's MTU" c2 mtu 5/5 c2 send c1 c2 3000 5
check "the ledger has those from c1" [ "$(pair c1 c2 dropped)" = $((LOST["c2 dst_full"] + LOST["c2 mtu"])) ]

# --- the shortcut -----------------------------------------------------------------------------

nfvctl shortcut on >/dev/null
loses "shortcut, the device's MTU" c2 mtu 5/5 c2 send c1 c2 3000 5
mtu c1 eth0 1500
mtu c1 veth 1500
# shortcuts FROM TO - frames take it
shortcuts() { local was; was=$(pair "$1" "$2" shortcut_frames); send "$1" "$2" 60 1; [ "$(pair "$1" "$2" shortcut_frames)" -gt "$was" ]; }
check "frames take the shortcut" wait_for "send c2 c1 60 1; shortcuts c1 c2"
# Another program takes a frame that was left to the shortcut. All further ones go through nfvd, on this CPU.
taken()
{
	"$BUILD/tests/integration/hook" veth-c1 tcx 2 >"$WORK/hook" &
	HOOK=$!
	wait_for "grep -q ready $WORK/hook"
	in_ns c1 taskset -c 0 "$FRAME" send eth0 "${MAC[c2]}" "${MAC[c1]}" 0 60 5
}
loses "shortcut, another program takes frames" c1 other_program 1/5 c2 stopped taken
kill $HOOK
wait $HOOK 2>/dev/null

# --- the control socket -----------------------------------------------------------------------

nonsense() { for _ in 1 2 3; do echo nonsense | socat -t 5 - "UNIX:$STATE/ctl.sock"; done; }
loses "control socket, no request" control ctl_bad_request 3/3 - nonsense

check "nothing else was lost" whole_truth
finish
