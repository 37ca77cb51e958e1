#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Mirrors: which copies a probe gets, of guests, and of containers whose frames would use the shortcut. No address is
# learnt from copies, a probe that does not read costs others no frame, and mirrors are kept, saved and applied.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

FRAME=$BUILD/tests/integration/frame
A=02:00:00:00:00:0a B=02:00:00:00:00:0b
TEACH=ff:ff:ff:ff:ff:ff

# [ALSO=M] probed N LEN COMMAND... - by the command the probe gets exactly N test frames of LEN bytes, and M others
probed()
{
	local want=$1 len=$2 got

	shift 2
	rm -f "$WORK/probed"
	in_ns p "$FRAME" recv eth0 $((want + ${ALSO:-0} + 1)) 3000 >"$WORK/probed" &
	wait_for "grep -q ready $WORK/probed" || return
	"$@" || return
	# The last frame is from the probe's own segment.
	in_ns q "$FRAME" send eth0 $TEACH 02:00:00:00:00:99 0 77 1
	wait $!
	cat "$WORK/probed"
	got=$(grep -c " $len [0-9] ok$" "$WORK/probed")
	[ "$got" = "$want" ]
}
send() { in_ns "$1" "$FRAME" send eth0 "$2" "$3" 0 60 "${4:-1}"; }
shortcut_of() { nfvctl -j ledger a b | jq '[.pairs[] | select(.src == "a").shortcut_frames] | add // 0'; }
at() { nfvctl -j fdb | jq -r --arg mac "$1" '[.entries[] | select(.mac == $mac).port] | join(",")'; }
mirror_lost() { dropped p mirror; }

mkdir -p $WORK/kept
start_nfvd --config-dir $WORK/kept
for name in a b p q; do
	mk_container $name 10.9.0.1/24
	in_ns $name sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	in_ns $name ip addr flush dev eth0
	nfvctl attach veth $name dev veth-$name >/dev/null
done
ip -n a link set eth0 address $A
ip -n b link set eth0 address $B
for name in p q; do nfvctl set $name zone probes >/dev/null; done
for name in a b p q; do wait_for "state_is $name up"; done
send a $TEACH $A
send b $TEACH $B
wait_for "[ \"\$(at $A),\$(at $B)\" = a,b ]"

# ---- words ----
check_fails "to itself" nfvctl mirror add m1 from a,p to p
check_fails "a port that there is not" nfvctl mirror add m1 from a,x to p
check_fails "nowhere" nfvctl mirror add m1 from a both
check_fails "another direction" nfvctl mirror add m1 from a sideways to p
check_fails "of nobody" nfvctl mirror add m1 from , to p
check_fails "10 bytes" nfvctl mirror add m1 from a to p snap 10
check_fails "what is not there is not removed" nfvctl mirror remove m1
check "no mirror: the probe gets nothing" probed 0 60 send a $B $A 5
check "both ways" nfvctl mirror add m1 from a both to p
check_fails "that name is taken" nfvctl mirror add m1 from b to p
check "it is shown" eval "nfvctl mirror show | grep -q 'm1 *a *both *p'"
check "the probe gets what a sends, though its zone is another" probed 5 60 send a $B $A 5
check "and what a is sent" probed 5 60 send b $A $B 5
check "what both ends see, once" eval "nfvctl mirror remove m1 && nfvctl mirror add m1 from a,b both to p && probed 5 60 send a $B $A 5"
check "broadcast, too" probed 5 60 send a $TEACH $A 5
check "nothing is learnt of copies" [ "$(at $A)" = a ]
no_shortcut()
{
	local before

	before=$(shortcut_of)
	send a $B $A 5
	nap 0.3
	probed 5 60 send a $B $A 5 && [ "$(shortcut_of)" = "$before" ]
}
check "no frame takes the shortcut past it" no_shortcut
check "only what is sent" eval "nfvctl mirror remove m1 && nfvctl mirror add m1 from a sent to p && probed 5 60 send a $B $A 5 && probed 0 60 send b $A $B 5"
check "only what is received" eval "nfvctl mirror remove m1 && nfvctl mirror add m1 from a received to p && probed 0 60 send a $B $A 5 && probed 5 60 send b $A $B 5"
check "no more than the first bytes" eval \
	"nfvctl mirror remove m1 && nfvctl mirror add m1 from a to p snap 100 && probed 5 100 in_ns a $FRAME send eth0 $B $A 0 1000 5"
check "two mirrors of one port" eval "nfvctl mirror add m2 from b received to p && ALSO=5 probed 5 100 in_ns a $FRAME send eth0 $B $A 0 1000 5 && [ 5 = \$(grep -c ' 1000 ' $WORK/probed) ]"
nfvctl mirror remove m2 >/dev/null
check "what is mirrored from the probe makes no loop" eval "nfvctl mirror add m3 from p to q && probed 5 100 in_ns a $FRAME send eth0 $B $A 0 1000 5 && nfvctl mirror remove m3"

# ---- kept ----
check "save" nfvctl save $WORK/site.json
check "apply takes it away, and brings it back" eval "jq 'del(.mirrors)' $WORK/site.json >$WORK/none.json && nfvctl apply $WORK/none.json &&
	nfvctl mirror show | grep -q 'no mirrors' && nfvctl apply $WORK/site.json && nfvctl mirror show | grep -q m1"
check "a port that comes back has its mirror" eval "nfvctl detach a && nfvctl attach veth a dev veth-a && wait_for 'state_is a up' && probed 5 100 in_ns a $FRAME send eth0 $B $A 0 1000 5"
kill -KILL $NFVD_PID; wait $NFVD_PID 2>/dev/null
start_nfvd --config-dir $WORK/kept
for name in a b p q; do wait_for "state_is $name up"; done
check "after a crash, too" probed 5 100 in_ns a "$FRAME" send eth0 $B $A 0 1000 5
nfvctl mirror remove m1 >/dev/null

# ---- quarantine ----
check "quarantine, mirrored" nfvctl quarantine a mirror p
check "what it would have sent goes to the probe" probed 5 60 send a $B $A 5
send b $TEACH $B
check "and what it would have been sent" probed 5 60 send b $TEACH $B 5
check "it is shown" eval "nfvctl set a | grep -q 'quarantine mirror p'"
check "released" eval "nfvctl release a && probed 0 60 send a $B $A 5"
check_fails "by itself" nfvctl quarantine a mirror a
check_fails "by nobody" nfvctl quarantine a mirror nobody

# ---- a probe that is not there ----
check "doctor says whose copies go nowhere" eval "nfvctl mirror add m5 from b to q && nfvctl quarantine b mirror q && nfvctl detach q &&
	nfvctl doctor | grep -q \"mirror 'm5' copies nothing: 'q' is not attached\" && nfvctl doctor | grep -q \"in quarantine: 'q' is not attached\""
check "until it is there again" eval "nfvctl attach veth q dev veth-q zone probes && ! nfvctl doctor | grep -q \"'q' is not attached\" &&
	nfvctl mirror remove m5 && nfvctl release b && wait_for 'state_is q up'"

# ---- a probe that takes nothing ----
for name in x y z; do nfvctl attach kvm $name >/dev/null; done
nfvctl mirror add m4 from x,y to z >/dev/null
stuck()
{
	local sent before after

	"$BUILD/tests/bench/vugen" --a $STATE/x.sock --b $STATE/y.sock --size 64 --seconds 1 >"$WORK/vugen" || return
	cat "$WORK/vugen"
	jq -e '.received > 100000 and .bad == 0' "$WORK/vugen"
	nfvctl drops z
	[ "$(dropped z mirror)" -ge "$(jq .received "$WORK/vugen")" ]
}
check "a probe without a guest costs nobody a frame, and is counted" stuck
check "in equation with all else" eval "nfvctl -j stats | jq -e '[.ports[] | .rx_frames + .replicated == .delivered + .dropped + .in_flight] | all'"
finish
