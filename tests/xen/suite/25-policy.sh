#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kernel: 6.12
# boot
# Policies of Xen guests' ports: the same table of cases as for other carriers, between guests, with and without the
# module's forwarding; policies that change under traffic; 'macs N drop'; mirrors.
. "$(dirname "$0")/../lib.sh"
xen_start "$@"
. "$TOP/tests/policy/lib.sh"

guests_far
table "Xen" dev:a dev:b dev:c twice
check "the module itself carried frames of these" [ "$(pair a b shortcut_frames)" -gt 5 ]
# The other tables take minutes here: in a run of all tests, only some rows of each.
SHARE=${NFV_SHARE:-1}
changes "Xen" dev:a dev:b dev:c
nfvctl shortcut off >/dev/null
table "Xen, no shortcut" dev:a dev:b dev:c
nfvctl shortcut on >/dev/null

silent p
check "a probe" again veth p dev veth-p mode module zone probes
mirrors "Xen"
nfvctl detach p >/dev/null

check "a may teach one address" again xen a domid "$(domid a)" macs 1 drop
CASES=$TOP/tests/policy/macs.cases SHARE=1
table "Xen, macs 1 drop" dev:a dev:b dev:c twice
finish
