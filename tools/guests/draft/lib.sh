# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Functions for the technologies of `nfvctl bench draft`. Each technology is a script with two verbs:
#
#	TECHNOLOGY image [PATH]	build it, or take the foreign one at PATH; say what it is, in lines
#		kind kvm|container|xen	emulated yes|no		memory MIB	iperf 3|2|0
#		limit SECONDS to boot in	file BYTES SHA256 PATH	(each one that is loaded)
#	TECHNOLOGY command DIR ADDRESS/LENGTH MAC MIB nfvd|bridge TARGET [PATH]
#		the command that runs it in the foreground, one argument a line, and
#		ends it on SIGTERM; its console is standard output. DIR is its own.
#		A Xen guest has its name, is destroyed by that, and the command ends then.
#	TECHNOLOGY send ...	the same for a guest whose iperf 2 sends to HOST (its
#		server cannot send), for SECONDS; both come after PATH
#		TARGET is a vhost-user socket (nfvd), a tap device (bridge), a
#		container's network namespace, or of a Xen guest the bridge.
#
# An error is one line on standard error.

set -eu -o pipefail

GUESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() { echo "$*" >&2; exit 1; }

# describe_file FILE - for a folder: all files in it; its hash is that of their names and hashes.
describe_file()
{
	local bytes hash

	if [ -d "$1" ]; then
		bytes=$(find "$1" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }')
		hash=$(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
	else
		bytes=$(stat -L -c %s "$1")
		hash=$(sha256sum <"$1")
	fi
	echo "file $bytes ${hash%% *} $1"
}

# kind_of FILE - print the kind of a foreign image by its first bytes: kernel, qcow2 or raw
kind_of()
{
	local magic

	[ -f "$1" ] || die "$1 is no file"
	magic=$(head -c 4 "$1" | od -An -tx1 | tr -d ' \n')
	case $magic in
	7f454c46) echo kernel; return ;;
	514649fb) echo qcow2; return ;;
	esac
	if [ "$(od -An -tx1 -j 514 -N 4 "$1" | tr -d ' \n')" = 48647253 ]; then
		echo kernel
	elif [ "$(od -An -tx1 -j 510 -N 2 "$1" | tr -d ' \n')" = 55aa ]; then
		echo raw
	else
		die "$1 is neither a kernel nor a disk"
	fi
}

# address A.B.C.D/N - print words for a foreign kernel's command line: the unikernel's form, and Linux's
address() { echo "nfv.ip=$1 ip=${1%/*}:::255.255.255.0::eth0:none"; }

# describe_kvm MIB IPERF LIMIT FILE... - the limit applies with KVM, not to emulation.
describe_kvm()
{
	local memory=$1 iperf=$2 limit=$3 file

	command -v qemu-system-x86_64 >/dev/null || die "no qemu-system-x86_64; tools/setup.sh draft installs it"
	shift 3
	printf 'kind kvm\nmemory %s\niperf %s\n' "$memory" "$iperf"
	case $("$GUESTS/guest" accel) in
	kvm) printf 'emulated no\nlimit %s\n' "$limit" ;;
	*) printf 'emulated yes\nlimit %s\n' $((limit * 5)) ;;
	esac
	for file; do
		describe_file "$file"
	done
}

# qemu_command MACHINE MAC MIB nfvd|bridge TARGET [ARGUMENT]... - MACHINE is one of QEMU's, q35 or microvm.
qemu_command()
{
	local machine=$1 mac=$2 memory=$3 way=$4 target=$5 accel=(-accel kvm -smp 1) device=virtio-net-pci romfile=,romfile=
	local vhost=

	shift 5
	if [ "$("$GUESTS/guest" accel)" = tcg ]; then
		# QEMU 7.2 omits memory barriers for a machine that can only have one processor: kicks get lost.
		accel=(-accel "tcg,thread=multi" -smp 1,maxcpus=2)
		# And it crashes when a vhost-user device uses MSI-X.
		[ "$way" != nfvd ] || romfile+=,vectors=0
	fi
	case $machine in
	microvm*) device=virtio-net-device romfile= ;;
	esac
	printf '%s\n' qemu-system-x86_64 -M "$machine" "${accel[@]}" -cpu max -m "$memory" \
		-nodefaults -no-user-config -display none -no-reboot -serial stdio
	if [ "$way" = nfvd ]; then
		printf '%s\n' -object "memory-backend-memfd,id=mem,size=${memory}M,share=on" -machine memory-backend=mem \
			-chardev "socket,id=net,path=$target,reconnect=1" -netdev vhost-user,id=net,chardev=net
	else
		[ ! -w /dev/vhost-net ] || vhost=,vhost=on
		printf '%s\n' -netdev "tap,id=net,ifname=$target,script=no,downscript=no$vhost"
	fi
	printf '%s\n' -device "$device,netdev=net,mac=$mac$romfile" "$@"
}

xen_is_emulated() { grep -q 'QEMU TCG' /proc/cpuinfo; }

# describe_xen MIB IPERF LIMIT FILE... - the limit applies to real hardware, not to emulation.
describe_xen()
{
	local memory=$1 iperf=$2 limit=$3 file

	command -v xl >/dev/null || die "no xl; apt-get install xen-utils-4.17"
	for file in vif-nfv vif-bridge; do
		[ -x "/etc/xen/scripts/$file" ] || die "no /etc/xen/scripts/$file; make install, and xen-utils-common, have them"
	done
	shift 3
	printf 'kind xen\nmemory %s\niperf %s\n' "$memory" "$iperf"
	if xen_is_emulated; then
		printf 'emulated yes\nlimit %s\n' $((limit * 10))
	else
		printf 'emulated no\nlimit %s\n' "$limit"
	fi
	for file; do
		describe_file "$file"
	done
}

# xen_config DIR MAC MIB nfvd|bridge TARGET KERNEL ARGUMENTS [LINE]... - write the PV guest's configuration to
# DIR/xen.cfg. Without a script, xl uses its own, vif-bridge. The output of `xl create -Fcq` is then the guest's
# console, and it runs as long as the guest.
xen_config()
{
	local vif="mac=$2,script=vif-nfv" tsc=()

	[ "$4" = nfvd ] || vif="mac=$2,bridge=$5"
	# If the TSC is not marked as invariant, Xen emulates it: each read is a trap.
	! xen_is_emulated || tsc=("tsc_mode = 'native'")
	printf '%s\n' "name = '${1##*/}'" "type = 'pv'" "memory = $3" "kernel = '$6'" "extra = '$7'" "vif = ['$vif']" \
		"on_poweroff = 'destroy'" "on_reboot = 'destroy'" "on_crash = 'destroy'" "${tsc[@]}" "${@:8}" >"$1/xen.cfg"
}
