# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts inside dom0 (../machine/machine --xen): tests/lib.sh and functions for domUs.
#
#	. "$(dirname "$0")/../lib.sh"
#	xen_start "$@"
#	ip link add br0 type bridge && ip link set br0 up
#	check "vm1 starts" domu_start vm1 10.0.0.1/24 mac=00:16:3e:00:00:11,bridge=br0,script=vif-test
#	check "it says something" domu_exec vm1 'cat /proc/version'
#	finish
#
# A script runs in its own mount and process namespaces, with Xen's tools, and in dom0's network
# namespace, where vifs are. At its end its processes, bridges, veths and the domUs with a vif are
# removed; if it failed, all domUs. The others stay, so that a later script's domu_plug needs no boot.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

read -r DOMU_KERNEL DOMU_INITRD <<<"$NFV_DOMU"
DOMU_MEM=${DOMU_MEM:-160}
DOMU_VCPUS=${DOMU_VCPUS:-1}
NAP=0.2			# longer than usual, because all domains share one CPU
XEN_BIN=$NFV_XEN/usr/lib/xen-4.17/bin
export PATH=$XEN_BIN:$NFV_XEN/usr/bin:$PATH
export LD_LIBRARY_PATH=$NFV_XEN/usr/lib/x86_64-linux-gnu

# xen_start "$@" - start the toolstack unless it runs; then run the script again in namespaces.
xen_start()
{
	if ! ns_inside "$@"; then
		toolstack || { fail "Xen's tools start" "$(cat /run/xen.log)"; exit 1; }
		exec unshare --mount --pid --fork --kill-child --mount-proc bash "$0" "$@" "$(ns_word)"
	fi
	mount -t xenfs xenfs /proc/xen
	rm -rf "$WORK" "$STATE"
	mkdir -p "$WORK" /run/netns
	mount -t tmpfs tmpfs /run/netns
	local name
	for name in $(domu_names); do
		domu_found "$name" || xl destroy "$name"
	done
	# shellcheck disable=SC2034 # of tests/lib.sh
	MARK=$(now_ms)
	trap xen_end EXIT
	trap 'exit 130' INT TERM
}

toolstack()
{
	# Clients of xenstored wait for ever if it does not run.
	[ ! -e /run/xen/ready ] || return 0
	mkdir -p /run/xen /run/xenstored /run/lock /var/lib/xen /var/lib/xenstored /var/log/xen/console /etc/xen/scripts
	# The tools expect their own files here.
	mkdir -p /usr/lib/xen-4.17
	[ -e /usr/lib/xen-4.17/bin ] || ln -s "$NFV_XEN/usr/lib/xen-4.17/bin" /usr/lib/xen-4.17/
	cp "$NFV_XEN"/etc/xen/scripts/* "$TOP/tests/xen/vif-test" /etc/xen/scripts/
	touch /etc/xen/xl.conf
	{
		modprobe -qa xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc bridge veth
		mountpoint -q /proc/xen || mount -t xenfs xenfs /proc/xen
		xenstored --pid-file /run/xenstored.pid &&
			wait_for "[ -S /run/xenstored/socket ]" 20 && xen-init-dom0 &&
			xenconsoled --log=guest --log-dir=/var/log/xen/console --pid-file=/run/xenconsoled.pid &&
			touch /run/xen/ready
	} >/run/xen.log 2>&1 </dev/null
}

xen_end()
{
	local status=$? name

	cp /var/log/xen/console/guest-*.log "$WORK"/ 2>/dev/null
	cp /var/log/xen/xl-*.log "$WORK"/ 2>/dev/null
	# A process may hold grants, and a domU exists until they are released.
	[ -z "$NFVD_PID" ] || stop_nfvd
	[ $status = 0 ] && [ $FAILED = 0 ] || domu_none
	for name in $(domu_names); do
		! vifs_of "$(xl domid "$name")" || xl destroy "$name"
	done >/dev/null 2>&1
	for name in $(ip -o link show type bridge | awk -F '[ :@]+' '{ print $2 }') \
		$(ip -o link show type veth | awk -F '[ :@]+' '{ print $2 }'); do
		ip link del "$name"
	done 2>/dev/null
	(exit $status)
	on_exit
}

. "$TOP/tests/xen/domu.sh"
. "$TOP/tests/xen/traffic.sh"
