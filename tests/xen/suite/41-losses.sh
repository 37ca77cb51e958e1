#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Xen guest loses frames, and `nfvctl drops` says why and how many: see tests/losses.sh. The guest is evilfront; what it
# sends is good except for what a case is about.
# kernel: 6.12
. "$(dirname "$0")/../lib.sh"
xen_start "$@"
. "$TOP/tests/losses.sh"
. "$TOP/tests/policy/lib.sh"

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
DO=/sys/module/evilfront/parameters/do
EVIL=00:16:3e:66:66:66

# evil CASE... - run them in vm1, each with a new connection
evil() { domu_exec vm1 "for c in $*; do echo \$c >$DO || exit; done" $((20 + 10 * $#)); }
# send N - from c1 to vm1
send() { in_ns c1 "$FRAME" send eth0 $EVIL $A 0 60 "$1"; }
# receives CASE N - c1 sends after the case, and nfvd has delivered
receives()
{
	local was

	was=$(pair c1 vm1 frames)
	evil "$1" && wait_for "state_is vm1 up" && send "$2" && wait_for "[ \$(pair c1 vm1 frames) = $((was + $2)) ]"
}
# The frames wait until the guest connects anew.
reconnects() { receives rx-none 7 && evil rx-good; }

modprobe -q xen-netback
# Long enough for what waits to be lost by other reasons.
check "nfv.ko comes" load held_ms=10000 || finish
start_nfvd --workers 1
silent c1
ip -n c1 link set eth0 address $A
nfvctl attach veth c1 dev veth-c1 mode module >/dev/null
check "vm1 gets evilfront" domu_plug vm1 "" --front evilfront "mac=$MAC1,script=vif-nfv" || finish
check "vm1 is up" wait_for "evil tx-good && state_is vm1 up" 15
check "nothing is lost" wait_for whole_truth

loses "Xen, bad grants of what it sends" vm1 gnt_error 5/5 - evil tx-never tx-beyond tx-revoked tx-foreign tx-never-header
loses "Xen, frames that are none" vm1 bad_frame 3/3 - evil tx-empty tx-runt tx-sum-smaller
loses "Xen, slots that make no frame" vm1 xen_bad_slot 1/1 - evil tx-offset
loses "Xen, bad grants of its buffers" vm1 rx_gnt_error 4/4 - receives rx-never 4
loses "Xen, its connection ends while frames wait" vm1 rx_expired 7/7 - reconnects

# The module's table has the pair. While nfvd is stopped the guest's connection ends, and the module refuses more frames.
shortcut() { n=$((n + 1)); send 1; [ "$(pair c1 vm1 shortcut_frames)" -gt 0 ]; }
refused() { evil ring-never; send 5; }
learnt() { nfvctl -j fdb | jq -e --arg mac $EVIL 'any(.entries[]; .mac == $mac and .port == "vm1")'; }
check "vm1 has taught its address" wait_for "evil tx-good && learnt" 15
n=0
check "the module forwards from c1 to vm1" wait_for shortcut 15
was=$(pair c1 vm1 dropped)
LOST["vm1 rx_expired"]=$((LOST["vm1 rx_expired"] + n))
loses "Xen, refused by the module's table" vm1 dst_down 5/5 - stopped refused
check "the ledger has those" [ "$(pair c1 vm1 dropped)" = $((was + 5)) ]

domu_kill vm1
check "nfvd ends" stop_nfvd
check "the module can go" unload
finish
