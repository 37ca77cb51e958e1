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
#	a room has at most 20 files
#	a function is declared in the header of the file that defines it, or in one without a .c file, such as nfvk.h
set -eu
cd "$(dirname "$0")/.."
. tests/lint-lib.sh

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
floors=("frame" "policy" "port" "switch" "worker" "module" "shortcut" "vring" "vhost netdev" "xen" "control" "rpc")
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
only '\b(gread|gwrite)[a-z0-9_]*\(' "only vring/ reads and writes guest memory" dataplane/vring/*.[ch]

# misplaced FILE... - print each function that NAME.h declares, whose .c file is not NAME.c although there is one.
misplaced()
{
	without_comments "$@" | awk '
		$1 == "@" { file = $2; header = sub(/\.h$/, "", $2); sub(/\.c$/, "", $2); base = $2; if (!header) has_c[base] = 1; next }
		/^[a-z]/ && !/^(static|typedef)/ && match($0, /[a-zA-Z_0-9]+\(/) && substr($0, 1, RSTART - 1) ~ /[a-z]/ {
			name = substr($0, RSTART, RLENGTH - 1)
			if (header)
				declared[name, base] = file
			else if ($0 !~ /;[ \t]*$/)
				definer[name] = base
		}
		END {
			for (pair in declared) {
				split(pair, at, SUBSEP)
				if (at[1] in definer && definer[at[1]] != at[2] && at[2] in has_c)
					print "declared in " declared[pair] ", defined in " definer[at[1]] ".c: " at[1] "()"
			}
		}'
}
for plane in kmod dataplane ctl; do
	found=$(misplaced $plane/**/*.[ch])
	[ -z "$found" ] || { echo "$found"; breaches=1; }
done

# A room with more files is a hall: nobody finds anything in it.
for room in kmod/**/ dataplane/**/ ctl/**/; do
	files=("$room"*.[ch])
	[ ${#files[@]} -le 20 ] || { echo "${#files[@]} files in $room, more than 20"; breaches=1; }
done

# libc clears such an array for each thread, and each kvm port has a thread.
forbid '__thread .*\[' "a thread-local array: let it be on the stack" dataplane/**/*.[ch]

exit $breaches
