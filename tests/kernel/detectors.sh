#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# detectors.sh - in a machine with the debug kernel, after all tests: check that lockdep was active until now, and that
# kmemleak finds no leak of nfv.ko. (Findings of the other detectors are on the console, and end `machine` with 125.)
status=0
result() { if "${@:2}"; then echo "ok - $1"; else echo "not ok - $1"; status=1; fi; }

built_with() { zgrep -qx "CONFIG_$1=y" /proc/config.gz; }
kasan() { built_with KASAN && built_with KASAN_VMALLOC; }
# lockdep stops after its first finding, or when its tables are full.
lockdep() { grep -q '^ *debug_locks: *1$' /proc/lockdep_stats; }
hung_tasks() { [ "$(cat /proc/sys/kernel/hung_task_timeout_secs)" -gt 0 ]; }
soft_lockups() { [ "$(cat /proc/sys/kernel/soft_watchdog)" = 1 ] && [ "$(cat /proc/sys/kernel/watchdog_thresh)" -gt 0 ]; }

kmemleak()
{
	local file=/sys/kernel/debug/kmemleak

	# kmemleak ignores young objects, and needs two scans. It cannot scan after it has disabled itself.
	echo scan >$file && sleep 6 && echo scan >$file || return
	! grep -q 'nfv' $file || { cat $file; return 1; }
}

result "KASAN has been there" kasan
result "lockdep has been on to the end" lockdep
result "so have hung tasks' and soft lockups' detectors" eval "hung_tasks && soft_lockups"
result "kmemleak finds nothing of the module" kmemleak
exit $status
