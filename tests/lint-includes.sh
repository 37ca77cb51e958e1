#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Who may use whom, one line per breach; silent when the rules hold.
#
#	include/uapi uses <linux/types.h> and <linux/ioctl.h> only
#	include/nfv uses include/uapi and the system; __KERNEL__ is asked in one file
#	kmod, dataplane and ctl never see each other's headers
#	kmod/netfront, a guest's driver, knows nothing of nfv.ko
#	ctl links neither DPDK nor the module
#	in dataplane: the switch knows port.h, never a port type; ports and the
#	switch never call control; only kmod.c opens /dev/nfv, only shortcut*.c
#	uses libbpf, only vring_*.c reads guest memory
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

# All files matching the globs, but those named after `--`.
except()
{
	local file skip names=" ${2} "

	for file in $1; do
		skip=${file##*/}
		[[ $names == *" $skip "* ]] || echo "$file"
	done
}

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

# A quoted header is one's own.
for plane in kmod dataplane ctl; do
	forbid "$inc\"(\.\.|/)" "a header outside of $plane/" $plane/**/*.[ch]
done
forbid "$inc\"nfvk\.h\"" "a guest's driver uses what is nfv.ko's" kmod/netfront/*.[ch]
forbid "$inc<(rte_|linux/nfv\.h|bpf/)" "nfvctl uses DPDK, the module or libbpf" ctl/**/*.[ch]
forbid "$inc\"(vring|gmem|vhost|port_|netlink|shortcut|rpc|control)" "the switch knows more than port.h" \
	dataplane/{switch,fdb,move,policy,offload,ledger}.[ch]
forbid "$inc\"rpc_" "a port or the switch calls the control server" \
	dataplane/port*.[ch] dataplane/vring*.[ch] dataplane/vhost*.[ch] dataplane/{switch,fdb,worker}.[ch]
mapfile -t files < <(except "$(echo dataplane/*.[ch])" "kmod.c")
forbid '"/dev/nfv"' "only kmod.c opens /dev/nfv" "${files[@]}"
mapfile -t files < <(except "$(echo dataplane/*.[ch])" "shortcut.c shortcut_tc.c")
forbid "$inc(<bpf/|\"[^\"]*\.skel\.h)" "only shortcut*.c uses libbpf" "${files[@]}"
mapfile -t files < <(except "$(echo dataplane/*.[ch])" "$(cd dataplane && echo vring_*.[ch] gmem.c gmem.h)")
forbid '\b(gread|gwrite)[a-z0-9_]*\(' "only vring_*.c reads and writes guest memory" "${files[@]}"

exit $breaches
