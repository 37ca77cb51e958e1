#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kernel: 6.1
# boot
# Policies between Xen guests' ports and others: the same table of cases as for other carriers. In a run of all tests,
# each row is run in one of the four tables.
. "$(dirname "$0")/../lib.sh"
xen_start "$@"
. "$TOP/tests/policy/lib.sh"

SHARE=${NFV_SHARE:-1}
guests_far
again kvm a
table "a guest to Xen" kvm:$STATE/a.sock dev:b dev:c
silent other
again veth a dev veth-other mode module
table "the module to Xen" dev:other dev:b dev:c twice
again xen a domid "$(domid a)"
again veth b dev veth-other mode module
table "Xen to the module" dev:a dev:other dev:c twice
again kvm b
table "Xen to a guest" dev:a kvm:$STATE/b.sock dev:c
finish
