#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# share: 6.12
# nfvctl module upgrade: replace nfv.ko under attached ports; by a file that cannot be loaded; by another version.
. "$(dirname "$0")/lib.sh"

cp "$NFV_KO" "$WORK/newer.ko"
policy_of() { "$NFVCTL" -j show "$1" | jq -c '.ports[].policy'; }
parameter() { cat "/sys/module/nfv/parameters/$1"; }
# upgrade [FILE] - its output goes to $WORK/says, too
upgrade()
{
	local status=0

	"$NFVCTL" -j module upgrade "$@" >"$WORK/says" 2>&1 || status=$?
	cat "$WORK/says"
	return $status
}
ping_all() { in_ns c1 ping -q -c 2 -W 5 10.0.0.2 && in_ns c1 ping -q -c 2 -W 5 10.0.0.3; }

start_nfvd
check_fails "not loaded: nothing to replace" upgrade
check "not loaded: says what helps" grep -q 'insmod kmod/nfv.ko' "$WORK/says"
load held_ms=300 ring_entries=128
for i in 1 2 3; do mk_container c$i 10.0.0.$i/24; done
attach c1 >/dev/null
attach c2 macs 7 >/dev/null
attach c3 mode packet >/dev/null
nfvctl attach kvm vm1 >/dev/null
nfvctl limit c2 to 1Gbit >/dev/null
policy=$(policy_of c2)
others="$(member vm1 serial) $(member c3 serial)"
nfvctl shortcut off c2 >/dev/null
check "before: the module carries two" eval 'port_via c1 module && port_via c2 module && port_via c3 packet'
check "before: they reach each other" ping_all

start "$WORK/pings" c1 ping -q -i 0.05 -c 200 -W 5 10.0.0.2
pings=$STARTED
check "upgrade under traffic" upgrade "$WORK/newer.ko"
cat "$WORK/says"
check "upgrade: says of how many ports, and for how long" jq -e '.ports == 2 and (.outage_ms | type == "number")' "$WORK/says"
check "upgrade: the module carries them again" eval 'port_via c1 module && port_via c2 module && port_via c3 packet'
check "upgrade: with its parameters" [ "$(parameter held_ms) $(parameter ring_entries)" = "300 128" ]
check "upgrade: with their policy" [ "$(policy_of c2)" = "$policy" ]
check "upgrade: with their limit of addresses, and no shortcut" [ "$(member c2 macs_max) $(member c2 shortcut)" = "7 false" ]
check "upgrade: other ports are not touched" [ "$(member vm1 serial) $(member c3 serial)" = "$others" ]
wait $pings
grep transmitted "$WORK/pings"
check "upgrade: the traffic goes on" grep -Eq ' (1[0-9][0-9]|200) received' "$WORK/pings"
check "upgrade: conserved" wait_for conserved 10

echo "this is no module" >"$WORK/no.ko"
check_fails "a file that is none" upgrade "$WORK/no.ko"
check "a file that is none: its ports go on without a module" eval 'port_via c1 packet && port_via c2 packet'
check "a file that is none: and reach each other" wait_for ping_all 10
load
check "loaded again by hand: its ports are given to it" upgrade "$WORK/newer.ko"
check "loaded again by hand: it carries them" eval 'port_via c1 module && port_via c2 module'

check_fails "a file that is not there" upgrade "$WORK/none.ko"
check "a file that is not there: that is said" grep -q 'No such file' "$WORK/says"
check "a file that is not there: nothing is done" eval 'port_via c1 module && port_via c2 module'
exec 9<>/dev/nfv
check_fails "another program uses the module" upgrade "$WORK/newer.ko"
check "another program: that is said" grep -q 'in use' "$WORK/says"
check "another program: its ports are carried as before" eval 'port_via c1 module && port_via c2 module && ping_all'
exec 9>&-

if [ -n "${NFV_KO_OTHER:-}" ]; then
	check_fails "one of another version" upgrade "$NFV_KO_OTHER"
	check "another version: that is said" grep -q 'carries only 0 of 2 port' "$WORK/says"
	check "another version: its ports go on without it" eval 'port_via c1 packet && port_via c2 packet && ping_all'
	check "another version: and back" upgrade "$WORK/newer.ko"
	check "another version: and back: the module carries them" eval 'port_via c1 module && port_via c2 module && ping_all'
fi
stop_nfvd
check "the module can go" unload
finish
