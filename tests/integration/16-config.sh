#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The configuration as a file: save, diff, apply; history, rollback, confirm.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/keep.sh"

files()
{
	local site=$WORK/site.json

	keep
	check "config: attach" nfvctl attach kvm f1 queues 2
	check "config: save" nfvctl save "$site"
	nfvctl attach kvm tmp temporary yes >/dev/null
	check "config: what is temporary makes no difference" grep -q "no difference" <(nfvctl diff "$site")
	nfvctl save "$site" >/dev/null
	check "config: and is not saved" [ "$(jq -r '[.ports[].name] | join(" ")' "$site")" = "c1 f1" ]
	nfvctl detach tmp >/dev/null
	check "config: no difference to what was saved" grep -q "no difference" <(nfvctl diff "$site")
	nfvctl attach kvm f2 >/dev/null
	nfvctl detach f1 >/dev/null
	nfvctl attach kvm f1 queues 4 >/dev/null
	nfvctl link-local drop >/dev/null
	check "config: diff says what would go, change, be set" [ "$(nfvctl -j diff "$site" | jq -r '[.steps[] | .op + .name] | join(" ")')" = "-f2 ~f1 ~link_local" ]
	check "config: a dry run changes nothing" sh -c "'$NFVCTL' apply '$site' dry-run >/dev/null && '$NFVCTL' show f2"
	check "config: apply" nfvctl apply "$site"
	check "config: it is as it was" [ "$(names):$(setting f1 queues)" = "c1 f1:2" ]
	jq '.ports += [{type: "kvm", name: "f3"}, {type: "veth", name: "f4", dev: "nosuch0"}] | .ports |= map(select(.name != "f1"))' "$site" >"$WORK/bad.json"
	check_fails "config: what cannot be applied whole is refused" nfvctl apply "$WORK/bad.json"
	check "config: with what has to be mended" grep -q "nosuch0" <(nfvctl apply "$WORK/bad.json" 2>&1)
	check "config: and is undone" [ "$(names):$(setting f1 queues)" = "c1 f1:2" ]
	for text in '' '{' '[]' '{"version": 2, "ports": []}' '{"version": 1, "ports": [{"name": "x"}]}' \
		'{"version": 1, "ports": [{"name": "x", "type": "kvm"}, {"name": "x", "type": "kvm"}]}'; do
		echo "$text" >"$WORK/bad.json"
		check_fails "config: refused: $text" nfvctl apply "$WORK/bad.json"
	done
	check "config: nothing of it was done" has c1 f1
	killed
	keep
	check "config: what was applied is kept" has c1 f1
	history
	nfvctl detach f1 >/dev/null
	stop_nfvd
	start_nfvd
	check "config: without --keep there is a configuration to save, too" sh -c "'$NFVCTL' attach kvm g1 && '$NFVCTL' save '$site' && grep -q g1 '$site'"
	stop_nfvd
}

generation() { nfvctl -j history | jq '.history[0].generation'; }

# An apply is one generation, however many steps it has; what changes nothing that stays is none.
one_change()
{
	local was

	nfvctl save "$WORK/was.json" >/dev/null
	was=$(generation)
	jq '.ports += [{type: "kvm", name: "o1"}, {type: "kvm", name: "o2", zone: "red"}] | (.ports[] | select(.name == "c1")).macs = 77' \
		"$WORK/was.json" >"$WORK/more.json"
	check "one change: apply" nfvctl apply "$WORK/more.json"
	check "one change: is one generation" [ "$(generation)" = $((was + 1)) ]
	check "one change: rollback" nfvctl rollback
	check "one change: undoes all of it" grep -q "no difference" <(nfvctl diff "$WORK/was.json")
	jq '(.ports[] | select(.name == "c1")).vlan = "20"' "$WORK/was.json" >"$WORK/more.json"
	nfvctl apply "$WORK/more.json" >/dev/null
	nfvctl rollback >/dev/null
	check "one change: a policy, too" grep -q "no difference" <(nfvctl diff "$WORK/was.json")
	was=$(generation)
	nfvctl attach kvm t1 temporary yes >/dev/null
	nfvctl detach t1 >/dev/null
	nfvctl link-local "$(nfvctl -j link-local | jq -r .link_local)" >/dev/null
	check "one change: temporary ports and what changes nothing are none" [ "$(generation)" = "$was" ]
	# The shortcut is on unless a port says otherwise.
	nfvctl shortcut off c1 >/dev/null
	nfvctl shortcut on c1 >/dev/null
	check "one change: off and on again is no difference" grep -q "no difference" <(nfvctl diff "$WORK/was.json")
}

history()
{
	local before

	before=$(nfvctl -j history | jq '.history[0].generation')
	nfvctl attach kvm h1 >/dev/null
	nfvctl detach f1 >/dev/null
	check "history: says what changed" [ "$(nfvctl -j history | jq -r '.history[0].changes + " " + .history[1].changes')" = "-f1 +h1" ]
	check "history: ten at most" [ "$(nfvctl -j history | jq '.history | length')" -le 10 ]
	check "rollback: the last change" nfvctl rollback
	check "rollback: is undone" has c1 f1 h1
	check "rollback: to a generation" nfvctl rollback "$before"
	check "rollback: it is as it was then" has c1 f1
	check_fails "rollback: there is no such generation" nfvctl rollback 4000000000
	check "rollback: says where to look" grep -q "nfvctl history" <(nfvctl rollback 4000000000 2>&1)
	for text in 0 -1 1x 99999999999; do
		check_fails "rollback: refused: $text" nfvctl rollback "$text"
	done

	one_change
	nfvctl save "$WORK/now.json" >/dev/null
	jq '.ports += [{type: "kvm", name: "h2"}] | .ports |= map(select(.name != "f1"))' "$WORK/now.json" >"$WORK/next.json"
	check "confirm: yes" nfvctl apply "$WORK/next.json" confirm 20 <<<yes
	check "confirm: it stays" has c1 h2
	check_fails "confirm: no" nfvctl apply "$WORK/now.json" confirm 20 <<<no
	check "confirm: it is undone" has c1 h2
	check_fails "confirm: nothing" nfvctl apply "$WORK/now.json" confirm 1 < <(sleep 20)
	check "confirm: it is undone after a second" has c1 h2
	check_fails "confirm: no, at once" timeout 10 "$NFVCTL" apply "$WORK/now.json" confirm 60 < <(echo no && sleep 20)
	check_fails "confirm: half a line" nfvctl apply "$WORK/now.json" confirm 1 < <(printf ye && sleep 20)
	check "confirm: it is undone after a second, too" has c1 h2
	"$NFVCTL" apply "$WORK/now.json" confirm 60 < <(exec sleep 20) >/dev/null 2>&1 &
	check "confirm: it is applied until then" wait_for 'has c1 f1' 10
	kill -HUP $!
	wait $!
	check "confirm: the terminal goes away" [ $? = 1 ]
	check "confirm: it is undone at once" has c1 h2
	check_fails "confirm: seconds are needed" nfvctl apply "$WORK/now.json" confirm
	nfvctl apply "$WORK/now.json" >/dev/null
}

# What was kept stays so while its device is away, whatever is undone meanwhile.
device() { ip link add veth-w type veth peer name w0 && ip link set w0 up; }
is() { [ "$(setting "$1" state)" = "$2" ]; }

away()
{
	local before=$WORK/before.json

	keep
	check_fails "away: a device that is not there" nfvctl attach veth w1 dev veth-w
	check "away: may be waited for" grep -q "as soon as it can be" <(nfvctl attach veth w1 dev veth-w wait yes 2>&1)
	check_fails "away: what can never be is refused" nfvctl attach veth w2 dev veth-w wait yes zone 'a b'
	check_fails "away: a name, too" nfvctl attach veth ../w2 dev veth-w wait yes
	device
	check "away: it comes" wait_for 'is w1 up' 10
	check_fails "away: there is one of this name" nfvctl attach veth w1 dev veth-w wait yes
	nfvctl shortcut off w1 >/dev/null
	nfvctl attach kvm probe >/dev/null
	nfvctl mirror add tap from w1 to probe >/dev/null
	nfvctl set w1 zone red >/dev/null
	nfvctl save "$before" >/dev/null
	jq '.ports |= map(if .name == "w1" then .wait = "yes" else . end)' "$before" >"$WORK/waits.json"
	check "away: to be waited for is no difference" grep -q "no difference" <(nfvctl diff "$WORK/waits.json")
	ip link del veth-w
	check "away: it goes" wait_for '! is w1 up' 10
	jq 'del(.mirrors) | .ports |= map(select(.name != "w1")) + [{type: "veth", name: "bad", dev: "nosuch0"}]' "$before" >"$WORK/bad.json"
	check_fails "away: an apply fails" nfvctl apply "$WORK/bad.json"
	check "away: all is as before it" grep -q "no difference" <(nfvctl diff "$before")
	jq '(.ports[] | select(.name == "w1")).macs = 77 | .ports += [{type: "veth", name: "bad", dev: "nosuch0"}]' "$before" >"$WORK/bad.json"
	check_fails "away: an apply that changes it fails" nfvctl apply "$WORK/bad.json"
	check "away: it is as before that" grep -q "no difference" <(nfvctl diff "$before")
	nfvctl detach w1 >/dev/null
	check "away: rollback" nfvctl rollback
	check "away: it is kept again" grep -q "no difference" <(nfvctl diff "$before")
	killed
	keep
	check "away: over a kill, too" grep -q "no difference" <(nfvctl diff "$before")
	device
	check "away: it is back" wait_for 'is w1 up' 10
	check "away: with what was set" [ "$(setting w1 shortcut):$(setting w1 policy.zone)" = "false:red" ]
	ip link del veth-w
	check "away: it goes again" wait_for '! is w1 up' 10
	check "away: its policy is shown" [ "$(setting w1 policy.zone)" = red ]
	quarantine
	stop_nfvd
	start_nfvd
	check_fails "away: nfvd without --keep does not wait" nfvctl attach veth w1 dev veth-w wait yes
	stop_nfvd
}

# A quarantine is the name's: neither a new endpoint nor a wrong file ends it.
quarantine()
{
	nfvctl quarantine w1 >/dev/null
	check_fails "quarantine: a port of another type does not take its place" nfvctl attach kvm w1
	device
	check "quarantine: its device comes back" wait_for 'is w1 up' 10
	ip link del veth-w
	wait_for '! is w1 up' 10
	ip link add veth-v type veth peer name v0
	check "quarantine: attached anew, by another device" nfvctl attach veth w1 dev veth-v
	check "quarantine: it is there" [ "$(setting w1 policy.quarantine)" = on ]
	nfvctl set w1 isolated on vlan 20 >/dev/null
	nfvctl save "$WORK/site.json" >/dev/null
	for wrong in '.vlan = 10' '.isolated = true' '.quarantine = true' '.quarantine = 1' '.shortcut = "off"'; do
		jq "(.ports[] | select(.name == \"w1\"))$wrong" "$WORK/site.json" >"$WORK/bad.json"
		check_fails "quarantine: refused: $wrong" nfvctl apply "$WORK/bad.json"
	done
	for wrong in '.shortcut = "on"' '.link_local = "forward"'; do
		jq "$wrong" "$WORK/site.json" >"$WORK/bad.json"
		check_fails "quarantine: refused: $wrong" nfvctl apply "$WORK/bad.json"
	done
	check "quarantine: nothing has changed" grep -q "no difference" <(nfvctl diff "$WORK/site.json")
	nfvctl detach w1 >/dev/null
	nfvctl attach veth w1 dev veth-v >/dev/null
	check "quarantine: who detaches it ends it" [ "$(setting w1 policy.quarantine)" = null ]
	ip link del veth-v
}

mk_container c1 10.0.0.1/24
keep
nfvctl attach veth c1 dev veth-c1 >/dev/null && nfvctl link-local forward >/dev/null
stop_nfvd
files
away
finish
