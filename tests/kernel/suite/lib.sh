# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the scripts in this folder, which run inside a machine (../machine): tests/lib.sh
# and functions for the module. NFV_KO is nfv.ko, NFV_KERNEL 6.1, 6.12 or debug.
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"
ns_enter "$@"

SLOW=
[ "$NFV_KERNEL" != debug ] || SLOW=1 NFV_PATIENCE=8
modprobe -qa veth sch_ingress cls_bpf bridge macvlan || true

# Let failures apply to all kinds of allocations, including those that may wait and small ones.
if [ -d /sys/kernel/debug/failslab ]; then
	echo N >/sys/kernel/debug/failslab/ignore-gfp-wait
	echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
fi

# faults PERCENT - from now on so many allocations fail that have a module in their call chain. Others do not fail,
# so the machine keeps running. Return an error if the kernel does not support this.
faults()
{
	local what end

	[ -w /sys/kernel/debug/failslab/require-start ] || return
	# Modules have addresses above the kernel's; this kernel has no other modules than the test's.
	end=$(awk '$3 == "_end" { print $1 }' /proc/kallsyms)
	for what in failslab fail_page_alloc; do
		(
			cd /sys/kernel/debug/$what && echo 0 >probability && echo N >task-filter && echo -1 >times &&
				echo 0 >verbose && echo 32 >stacktrace-depth &&
				echo "0x$end" >require-start && echo 0xffffffffff000000 >require-end && echo "$1" >probability
		) || return
	done
}

# nested_kvm - prepare for a guest in the machine. In QEMU 7.2 emulated virtualization fails with a second CPU: the
# guest hangs or crashes, and the kernel's page tables may be damaged.
nested_kvm()
{
	echo 0 >/sys/devices/system/cpu/cpu1/online
	modprobe -qa kvm_amd kvm_intel
	export NFV_ACCEL=kvm
	[ -w /dev/kvm ]
}

port_via() { [ "$(member "$1" via)" = "$2" ]; }
refcount() { cat /sys/module/nfv/refcnt; }

# attach NAME [OPTION]... - attach the veth of container NAME
attach() { local name=$1; shift; nfvctl attach veth "$name" dev "veth-$name" "$@"; }

# free_again DEVICE - the device can be a bridge port again, so nothing else takes its frames.
free_again() { ip link set "$1" master br-probe && ip link set "$1" nomaster; }

# iperf_pair FROM ADDRESS SECONDS - send TCP from one container to another's server
iperf_pair() { in_ns "$1" timeout $(($3 + 30)) iperf3 -c "$2" -t "$3" --connect-timeout 10000; }
serve() { in_ns "$1" iperf3 -s -D >/dev/null; wait_for "ss -Hltn -N $1 | grep -q :5201" 20; }

# start LOG NS COMMAND... - run it in the background; its pid is in $STARTED. (After `in_ns &` it would be a shell's.)
start()
{
	local log=$1

	shift
	ip netns exec "$@" >"$log" 2>&1 &
	STARTED=$!
}
# stop PID
stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; true; }
