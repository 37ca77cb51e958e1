#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Check which folder may include which; print one line per violation.
#
#	include/uapi uses <linux/types.h> and <linux/ioctl.h> only
#	include/nfv uses include/uapi and the system; __KERNEL__ is asked in one file
#	kmod, dataplane and ctl never see each other's headers
#	kmod/netfront, a guest's driver, knows nothing of nfv.ko
#	ctl links neither DPDK nor the module
#	in dataplane each room is a floor: see below
set -eu
cd "$(dirname "$0")/.."

breaches=0

# forbid PATTERN MESSAGE FILE... - no line of the files may match.
forbid()
{
	local pattern=$1 message=$2 file found files=()

	shift 2
	for file; do
		[ ! -f "$file" ] || files+=("$file")
	done
	[ ${#files[@]} -gt 0 ] || return 0
	if found=$(grep -nHE "$pattern" "${files[@]}"); then
		while IFS= read -r file; do
			echo "$message: $file"
		done <<<"$found"
		breaches=1
	fi
}

shopt -s nullglob globstar
inc='^[[:space:]]*#[[:space:]]*include[[:space:]]*'

uapi=(include/uapi/**/*.h)
for file in "${uapi[@]}"; do
	if found=$(grep -nHE "$inc" "$file" | grep -vE "${inc#^}<linux/(types|ioctl)\.h>"); then
		echo "an ABI header uses more than <linux/types.h> and <linux/ioctl.h>: $found"
		breaches=1
	fi
done

forbid "$inc\"(\.\.|.*(kmod|dataplane|ctl)/)" "include/nfv uses a plane's header" include/nfv/*.h
mapfile -t kernel_aware < <(grep -lE '__KERNEL__' include/nfv/*.h dataplane/**/*.[ch] ctl/**/*.[ch] 2>/dev/null)
if [ ${#kernel_aware[@]} -gt 1 ]; then
	echo "__KERNEL__ is asked in more than one file: ${kernel_aware[*]}"
	breaches=1
fi

# A header in quotes belongs to the same plane.
for plane in kmod dataplane ctl; do
	forbid "$inc\"(\.\.|/)" "a header outside of $plane/" $plane/**/*.[ch]
done
forbid "$inc\"nfvk\.h\"" "a guest's driver uses what is nfv.ko's" kmod/netfront/*.[ch]
forbid "$inc<(rte_|linux/nfv\.h|bpf/)" "nfvctl uses DPDK, the module or libbpf" ctl/**/*.[ch]
# The floor rule: a room of dataplane includes itself, rooms to its left, and what lies in dataplane/ itself.
floors=("frame" "policy" "port" "switch" "worker" "module" "shortcut" "vhost netdev" "xen" "control" "rpc")
below=
for floor in "${floors[@]}"; do
	for room in $floor; do
		for other in dataplane/*/; do
			other=$(basename "$other")
			case " $below $room " in *" $other "*) continue ;; esac
			forbid "$inc\"$other/" "$room lies below $other" dataplane/"$room"/**/*.[ch]
		done
	done
	below="$below $floor"
done
for other in dataplane/*/; do
	forbid "$inc\"$(basename "$other")/" "what all rooms use knows none" dataplane/{err,log,clock,nfvd,netlink}.[ch]
done

only() # only PATTERN MESSAGE FILE... - of dataplane, no other file has the pattern
{
	local pattern=$1 message=$2 file others=()

	shift 2
	for file in dataplane/**/*.[ch]; do
		[[ " $* " == *" $file "* ]] || others+=("$file")
	done
	forbid "$pattern" "$message" "${others[@]}"
}
only '"/dev/nfv"' "only module/ opens /dev/nfv" dataplane/module/*.[ch]
only "$inc(<bpf/|\"[^\"]*\.skel\.h)" "only shortcut/ uses libbpf" dataplane/shortcut/**/*.[ch]
only '\b(gread|gwrite)[a-z0-9_]*\(' "only vring_setup, vring_split with chain.h, and gmem read and write guest memory" dataplane/vhost/{vring_setup,vring_split,chain,gmem}.[ch]

# libc clears such an array for each thread, and each kvm port has a thread.
forbid '__thread .*\[' "a thread-local array: let it be on the stack" dataplane/**/*.[ch]

exit $breaches
