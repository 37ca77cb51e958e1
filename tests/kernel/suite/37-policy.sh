#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kernel: 6.12
# limit: 600
# Policies of ports whose frames the module carries: the same table of cases as for other carriers.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/policy/lib.sh"

load
start_nfvd
containers mode module
silent p
table "module" dev:a dev:b dev:c twice
SHARE=${NFV_SHARE:-1} changes "module" dev:a dev:b dev:c
# In a run of all tests, each row is in one of these four tables.
SHARE=${NFV_SHARE:-1}
nfvctl shortcut off >/dev/null
table "module, no shortcut" dev:a dev:b dev:c
nfvctl shortcut on >/dev/null
nfvctl detach b >/dev/null
nfvctl attach kvm b >/dev/null
table "module to a guest" dev:a kvm:$STATE/b.sock dev:c
changes "module to a guest" dev:a kvm:$STATE/b.sock dev:c
nfvctl detach a >/dev/null
nfvctl detach b >/dev/null
nfvctl attach veth b dev veth-b mode module >/dev/null
nfvctl attach kvm a >/dev/null
wait_for "state_is b up"
table "guest to the module" kvm:$STATE/a.sock dev:b dev:c
nfvctl detach a >/dev/null
nfvctl attach veth a dev veth-a mode packet >/dev/null
wait_for "state_is a up"
table "packet socket to the module" dev:a dev:b dev:c
nfvctl detach a >/dev/null

# ---- with 'macs 1 drop' ----
attach a mode module macs 1 drop >/dev/null
wait_for "state_is a up"
CASES=$TOP/tests/policy/macs.cases SHARE=1
table "module, macs 1 drop" dev:a dev:b dev:c twice
nfvctl detach a >/dev/null

# ---- mirrors ----
attach a mode module >/dev/null
attach p mode module zone probes >/dev/null
for name in a p; do wait_for "state_is $name up"; done
check "the probe is the module's, too" port_via p module
mirrors module
stop_nfvd
check "nfv.ko goes" wait_for unload 20
finish
