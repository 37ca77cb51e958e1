#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# alone
#
# make bench, killed while Open vSwitch has huge pages: they are given back, and nothing of it runs on.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

HUGEPAGES=/proc/sys/vm/nr_hugepages
before=$(cat $HUGEPAGES)
# In a session of its own, as it is for who kills it.
ROUNDS=1 SECONDS_PER_SAMPLE=1 SIZES=1500 setsid bash "$TOP/tests/bench/run" vm-vm >"$WORK/bench.log" 2>&1 &
bench=$!
check "bench: Open vSwitch has huge pages" wait_for '[ "$(cat $HUGEPAGES)" -gt $before ]' 120
check "bench: killed" kill -KILL $bench
wait $bench 2>/dev/null
check "bench: the huge pages are given back" wait_for '[ "$(cat $HUGEPAGES)" -le $before ]' 30
check "bench: nothing of it runs on" wait_for '! pgrep -f "ovs-vswitchd|tests/bench" >/dev/null' 30
finish
