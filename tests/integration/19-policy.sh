#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 900
# alone
#
# Policies: each row of tests/policy/cases between guests (vufront), containers, and both, with and without the
# shortcut. Then: a policy holds from the response on, is kept, and is refused if it is not valid.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

. "$TOP/tests/policy/lib.sh"

# spoofed PORT - how many frames were dropped for that
spoofed() { nfvctl -j drops "$1" all | jq '[.drops[] | select(.reason == "spoofed_mac").count] | add // 0'; }

# refused WORDS - `set` refuses them
refused() { check_fails "refused: $*" nfvctl set a "$@"; }

start_nfvd
containers
table "container - container, shortcut" dev:a dev:b dev:c twice
check "the shortcut carried frames of these" eval "nfvctl -j ledger | jq -e '[.pairs[].shortcut_frames] | add > 20'"
changes "container - container, shortcut" dev:a dev:b dev:c
nfvctl shortcut off >/dev/null
table "container - container, no shortcut" dev:a dev:b dev:c
nfvctl shortcut on >/dev/null
for name in a b c; do nfvctl detach $name >/dev/null; done

for name in a b c; do nfvctl attach kvm $name >/dev/null; done
table "guest - guest" kvm:$STATE/a.sock kvm:$STATE/b.sock kvm:$STATE/c.sock

# rate WORDS SIZE UNIT WANT - guests send as much as they can in both directions: the sum (UNIT: gbps or mpps) must not
# exceed twice WANT. On a busy machine it may be less.
rate()
{
	local got

	nfvctl set a $1 >/dev/null && nfvctl set b $1 >/dev/null || return
	got=$("$BUILD/tests/bench/vugen" --a $STATE/a.sock --b $STATE/b.sock --size "$2" --seconds 1 | jq ".$3")
	nfvctl set a from none to none >/dev/null; nfvctl set b from none to none >/dev/null
	echo "$got $3"
	awk -v got="$got" -v want="$4" 'BEGIN { exit !(got <= 2.06 * want && got >= want) }'
}
check "100 Mbit/s from each" rate "from 100Mbit" 1500 gbps 0.1
check "1 Gbit/s to each" rate "to 1Gbit" 1500 gbps 1
check "100000 frames/s from each" rate "from 100kpps" 64 mpps 0.1
check "100000 frames/s to each" rate "to 100kpps" 64 mpps 0.1
check "what was too fast towards a guest is counted" eval "nfvctl drops b | grep -q limit_to"
check "what a guest sends too fast waits: it is not lost" eval "! nfvctl drops all | grep -q 'limit_from *[1-9]'"
SHARE=${NFV_SHARE:-1} changes "guest - guest" kvm:$STATE/a.sock kvm:$STATE/b.sock kvm:$STATE/c.sock
nfvctl detach b >/dev/null
nfvctl attach veth b dev veth-b >/dev/null
wait_for "state_is b up"
table "guest - container" kvm:$STATE/a.sock dev:b kvm:$STATE/c.sock
SHARE=${NFV_SHARE:-1} changes "guest - container" kvm:$STATE/a.sock dev:b kvm:$STATE/c.sock
nfvctl detach a >/dev/null; nfvctl detach b >/dev/null
nfvctl attach veth a dev veth-a >/dev/null
nfvctl attach kvm b >/dev/null
wait_for "state_is a up"
table "container - guest" dev:a kvm:$STATE/b.sock kvm:$STATE/c.sock
SHARE=${NFV_SHARE:-1} changes "container - guest" dev:a kvm:$STATE/b.sock kvm:$STATE/c.sock

# ---- words ----
refused zone 'a/b'
refused vlan 0
refused vlan 4095
refused vlan trunk
refused vlan trunk 10,10
refused vlan trunk 10-20,15
refused vlan trunk 20-10
refused vlan trunk 10 native
refused vlan trunk 10 native 5 untagged
refused vlan trunk 10 10
refused vlan trunk ,
refused isolated maybe
refused address 01:00:5e:00:00:01
refused address 10.0.0.1/33
refused address 10.0.0.256
refused address any 10.0.0.1
refused address VRRP
refused address ,
refused address 10.0.0.5/24
refused address 10.0.0.0/8 10.0.0.5
refused address 10.0.0.5 10.0.0.0/8
refused address fd00::5 fd00::/64
refused address 02:00:00:00:00:0a 02:00:00:00:00:0A
refused address 0.0.0.0
refused address ::
refused address 224.0.0.1
refused address ff02::1
refused address 255.255.255.255
refused address 00:00:00:00:00:00
refused address "$(for ((i = 0; i < 100; i++)); do printf '10.0.0.%d ' $i; done)"
refused guard dns
refused guard ,
refused from ,
refused from 0x10Mbit
refused from 1Gbps
refused from 0pps
refused from 1000
refused from 1Gbyte
refused from 0Mbit
refused from -1Mbit
refused from nanMbit
refused from 1Mbit 2Mbit
refused from 2000000Gbit
refused broadcast 1Mbit
refused weight 0
refused weight 65
refused colour blue
check "a bare number: both readings" eval "nfvctl set a from 1000 2>&1 | tr -s '[:space:]' ' ' | grep -q '1000Mbit, or from 1000pps'"
check "10.0.0.5/24: host or network?" eval "nfvctl set a address 10.0.0.5/24 2>&1 | tr -s '[:space:]' ' ' | grep -q 'address 10.0.0.5, or address 10.0.0.0/24'"
check "a storm's bare number: one reading" eval "nfvctl set a broadcast 10 2>&1 | grep -q 'broadcast 10pps$'"
check "no mirror to a port that there is not" eval "nfvctl quarantine a mirror none 2>&1 | grep -q \"no port 'none'\""
# many_addresses N WHY - apply a file with a policy of N addresses
many_addresses()
{
	{
		printf '{"version": 1, "ports": [{"type": "kvm", "name": "b", "address": "'
		seq 0 $(($1 - 1)) | awk '{ printf "10.%d.%d.%d ", $1 / 65536, $1 / 256 % 256, $1 % 256 }'
		printf '"}]}'
	} >$WORK/many.json
	nfvctl apply $WORK/many.json 2>&1 | grep -q "$2" && ! nfvctl set b | grep -q address
}
check "100 addresses are refused" many_addresses 100 'at most 32 addresses of one kind'
check "3000, too" many_addresses 3000 'at most 1999 are'
check "10^6, too" many_addresses 1000000 'at most 65536'
check "none of it has changed anything" eval "[ \"\$(nfvctl set a)\" = 'a: no policy' ]"
check "several words at once" nfvctl set a zone blue vlan trunk 10,20 native 10 address 02:00:00:00:00:0a 10.0.0.5 fd00::5 VRRP guard dhcp,ra
check "they are shown" eval "nfvctl show a | grep -q 'policy.vlan *trunk 10,20 native 10$'"
check "one is changed, the others stay" eval "nfvctl set a guard none && nfvctl set a | grep -q 'zone blue, vlan trunk 10,20 native 10, address 02:00:00:00:00:0a 10.0.0.5 fd00::5 VRRP$'"
check "attach takes them, too" eval "nfvctl detach b && nfvctl attach kvm b vlan 10 from 1Gbit 200kpps && nfvctl set b | grep -q 'b: vlan 10, from 1Gbit 200kpps'"
check "weight" eval "nfvctl set b weight 3 && nfvctl set b | grep -q 'weight 3' && nfvctl set b weight 1 && ! nfvctl set b | grep -q weight"
check "limit" eval "nfvctl limit b from none to 2Gbit && nfvctl set b | grep -q 'b: vlan 10, to 2Gbit'"
check "storm" eval "nfvctl storm b broadcast 1kpps unknown none && nfvctl set b | grep -q 'broadcast 1kpps, unknown none'"
check "quarantine and release" eval "nfvctl quarantine b && nfvctl set b | grep -q 'quarantine on' && nfvctl release b && ! nfvctl set b | grep -q quarantine"
check "a file says it" eval "nfvctl save $WORK/site.json && nfvctl set b vlan 20 && nfvctl diff $WORK/site.json | grep -q '~.*b'"
serial=$(nfvctl -j show b | jq .ports[0].serial)
check "and applies it, without attaching anew" eval \
	"nfvctl apply $WORK/site.json && nfvctl set b | grep -q 'vlan 10' && [ $serial = \$(nfvctl -j show b | jq .ports[0].serial) ]"
check "a foreign address is an event that says what to do" eval \
	"nfvctl set a address 02:00:00:00:00:99 vlan 10 && in_ns a $BUILD/tests/integration/frame send eth0 ff:ff:ff:ff:ff:ff 02:00:00:00:00:0a 0 60 1; \
	 wait_for \"nfvctl events | grep -q 'nfvctl set a address'\""
pinned()
{
	local before

	nfvctl set a address pin zone default vlan trunk all
	before=$(spoofed a)
	in_ns a "$BUILD/tests/integration/frame" send eth0 ff:ff:ff:ff:ff:ff 02:00:00:00:00:0a 0 60 1
	in_ns a "$BUILD/tests/integration/frame" send eth0 ff:ff:ff:ff:ff:ff 02:00:00:00:00:66 0 60 3
	wait_for "[ \$(spoofed a) = $((before + 3)) ]"
}
check "what was pinned is the only one" pinned
many_zones()
{
	local i

	for ((i = 0; i < 300; i++)); do
		nfvctl set b zone z$i || return
	done
	nfvctl set b | grep -q 'zone z299'
}
check "zones come and go" many_zones
stop_nfvd
mkdir -p $WORK/kept
start_nfvd --config-dir $WORK/kept
nfvctl attach veth a dev veth-a zone blue vlan 10 >/dev/null
nfvctl set a guard ra >/dev/null
nfvctl quarantine a >/dev/null
kill -KILL $NFVD_PID; wait $NFVD_PID 2>/dev/null
start_nfvd --config-dir $WORK/kept
check "all of it is there after a crash" eval "nfvctl set a | grep -q 'a: zone blue, vlan 10, guard ra, quarantine on'"
finish
