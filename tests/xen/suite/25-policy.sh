#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kernel: 6.1
# boot
# What ports of Xen's guests may do: the same table of cases as everywhere, from guest to guest, with the module's own
# forwarding and without; policies that change under traffic; 'macs N drop'; mirrors.
. "$(dirname "$0")/../lib.sh"
xen_start "$@"
. "$TOP/tests/policy/lib.sh"

guests_far
table "Xen" dev:a dev:b dev:c twice
check "the module itself carried frames of these" [ "$(pair a b shortcut_frames)" -gt 5 ]
# The others take minutes here: in a run of all tests, some rows of each.
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
