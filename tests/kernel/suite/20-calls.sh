#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 600
# The interface, call by call, and random calls. Groups E and F of the hostile cases.
. "$(dirname "$0")/lib.sh"

# program COMMAND... - run a cmocka program, and print its results in this script's form
program()
{
	local name=$1 line status=0

	shift
	CMOCKA_MESSAGE_OUTPUT=TAP "$@" >"$WORK/output" 2>&1 || status=$?
	while read -r line; do
		case $line in
		*"# SKIP "*) [ "$NFV_KERNEL" != debug ] || fail "$name: ${line##*# SKIP }" "skipped" ;;
		"ok "[0-9]*) pass "$name: ${line#ok [0-9]* - }" ;;
		"not ok "[0-9]*) fail "$name: ${line#not ok [0-9]* - }" "$(grep -B 6 -A 3 -F -- "$line" "$WORK/output")" ;;
		esac
	done < <(awk '/^(not )?ok [0-9]/ && !seen[$0]++' "$WORK/output")
	[ $status = 0 ] || grep -q '^not ok' "$WORK/output" || fail "$name: status $status" "$(tail -n 20 "$WORK/output")"
}

load held_ms=300
for event in rx tx drop; do echo 1 >/sys/kernel/tracing/events/nfv/$event/enable; done
[ -z "$SLOW" ] || export NFV_KERNEL_SLOW=1
for name in ring forward call map; do
	program $name "$BUILD/tests/kernel/ktest_$name"
done
calls=20000
[ -z "$SLOW" ] || calls=5000
for seed in 1 2 3; do
	check "random calls, seed $seed" "$BUILD/tests/kernel/kfuzz-ioctl" $seed $calls
done
for event in rx tx drop; do echo 0 >/sys/kernel/tracing/events/nfv/$event/enable; done
check "tracepoints were seen, at least the last ones" grep -q ': \(rx\|tx\|drop\): port=' /sys/kernel/tracing/trace
check "nothing of all that is left" unload
load held_mib=16 held_ms=10000
program hold "$BUILD/tests/kernel/ktest_hold"
check "nothing of that, either" unload
finish
