#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The part of xen.sh that runs in dom0. In each round guests vm1 and vm2 and container c1 are on nfvd,
# then on xen-netback and a bridge. Guests vm3 and vm4 have nfv-netfront, and stay on nfvd. A short
# warm-up round comes first, because QEMU must translate code that runs for the first time.
DOMU_MEM=$NFV_GUEST_MIB
. "$(dirname "$0")/../xen/lib.sh"
xen_start "$@"
SMOKE=$NFV_SMOKE
. "$TOP/tests/bench/lib.sh"

PATH=$(dirname "$NFVCTL"):$PATH
cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
raw=$BUILD/$RESULTS/raw-xen.jsonl
netfront=${NFV_KO%/*}/nfv-netfront.ko
say() { printf '[%4d s] %s\n' $SECONDS "$*"; }
die() { say "failed: $*"; tail -n 30 "$WORK"/*.log; exit 1; }
# ledger CASE FROM - record nfvd's ledger, and the grant counts of the sender's kind: vm1 and vm2, or vm3 and vm4
ledger()
{
	local pair='"vm1","vm2"'

	[ "$2" = vm1 ] || pair='"vm3","vm4"'
	jq -cen --arg case "$1" --argjson of "[$pair]" --argjson ledger "$(nfvctl -j ledger)" --argjson ports "$(nfvctl -j show)" \
		'{$case, $of, $ledger, $ports}' >>"$raw"
}

# --- one measurement: prints a number, or says on stderr why there is none ----------------

# tcp FROM ADDRESS [OPTION]... - Gb/s, without the seconds in which TCP starts
tcp()
{
	local mbps

	mbps=$(iperf "$1" "$2" -O $OMIT -t "$NFV_SECONDS" "${@:3}") && awk -v m="$mbps" 'BEGIN { print m / 1000 }'
}

# both FROM ADDRESS - the average of both directions
both()
{
	local out in

	out=$(tcp "$@") && in=$(tcp "$@" -R) && awk -v a="$out" -v b="$in" 'BEGIN { print (a + b) / 2 }'
}

# rtt FROM ADDRESS - us, the median
rtt()
{
	local output

	output=$(domu_exec "$1" "nfvctl -j probe rtt $2 time $NFV_SECONDS" 20) || { echo "$output" >&2; return 1; }
	rtt_p50 <<<"$output"
}

# pps FROM TO ADDRESS - thousands of received 60-byte frames per second, by the receiver's count and clock
pps()
{
	local mac pg=/proc/net/pktgen status=0

	mac=$(domu_exec "$2" 'cat /sys/class/net/eth0/address' 20) || return
	domu_exec "$1" "[ -e $pg ] || insmod /modules/pktgen.ko
		echo rem_device_all >$pg/kpktgend_0; echo add_device eth0 >$pg/kpktgend_0
		for set in 'count 0' 'pkt_size 60' 'delay 0' 'dst_mac $mac' 'dst $3' 'clone_skb 0'; do
			echo \"\$set\" >$pg/eth0; done
		timeout $((NFV_SECONDS + 45)) sh -c 'echo \$\$ >/tmp/pktgen; echo start >$pg/pgctrl' >/dev/null 2>&1 &" 20 >&2 || return
	domu_exec "$2" "look() { read -r up rest </proc/uptime; read -r n </sys/class/net/eth0/statistics/rx_packets; echo \$up \$n; }
		sleep 1; look; sleep $NFV_SECONDS; look" 40 >"$WORK/seen" || status=$?
	domu_exec "$1" "kill \$(cat /tmp/pktgen); until grep -q 'Stopped:.*eth0' $pg/kpktgend_0; do usleep 50000; done" 30 >&2 || return
	[ $status = 0 ] && awk 'NF == 2 { t = $1 - t; n = $2 - n } END { if (n <= 0) exit 1; print n / t / 1000 }' "$WORK/seen"
}

# --- samples ------------------------------------------------------------------------------

# take CASE WHO UNIT COMMAND FROM... - record the sample that the command prints; if it prints none, continue.
# Skip cases without $NFV_CASES in their names.
take()
{
	local name=$1 who=$2 unit=$3

	shift 3
	[[ $name = *"$NFV_CASES"* ]] || return 0
	if sample "$raw" "$name" "$who" "$unit" "$@" 2>"$WORK/output"; then
		[ "$who" != nfvd ] || ledger "$name" "$2"
	else
		fail "$name, $who" "$(cat "$WORK/output")"
	fi
}

# measure WHO KIND FROM TO ADDRESS - measure all cases; KIND is -persistent, or nothing. A first second, which
# does not count, maps idle grants again.
measure()
{
	iperf "$3" "$5" -t 1 >/dev/null
	[ "$1" != nfvd ] || ledger start "$3"
	take "tcp-xen-xen$2" "$1" Gb/s tcp "$3" "$5"
	take "tcp-xen-xen-1M$2" "$1" Gb/s tcp "$3" "$5" -l 1M
	take "rtt-xen-xen$2" "$1" us rtt "$3" "$5"
	take "pps-xen-xen$2" "$1" kpps pps "$3" "$4" "$5"
	take "tcp-xen-container$2" "$1" Gb/s both "$3" 10.0.0.9
}

# beside - use this round's samples of the stock guests on xen-netback also for the -persistent cases
beside()
{
	tail -n "+$1" "$raw" | jq -c 'select(.who == "xen-netback" and (.case | endswith("-persistent") | not)) | .case += "-persistent"' >"$WORK/beside"
	cat "$WORK/beside" >>"$raw"
}

# --- who connects them ------------------------------------------------------------------------

reached() { wait_for "domu_exec vm1 'ping -c 1 -W 2 10.0.0.2 && ping -c 1 -W 2 10.0.0.9' 20" 60; }

use_nfvd()
{
	ip link set veth-c1 nomaster
	nfvctl attach veth c1 dev veth-c1 >/dev/null && nfvctl attach xen vm1 domid "$(domid vm1)" >/dev/null &&
		nfvctl attach xen vm2 domid "$(domid vm2)" >/dev/null && reached
}

use_netback()
{
	nfvctl detach vm1 >/dev/null && nfvctl detach vm2 >/dev/null && nfvctl detach c1 >/dev/null &&
		ip link set veth-c1 master br0 && reached
}

# Add a second archive to the guest's initramfs.
with_nfvctl()
{
	local root=$WORK/guest file

	mkdir -p "$root/bin"
	cp "$NFVCTL" "$root/bin/"
	for file in $(ldd "$NFVCTL" | grep -o '/[^ :]*lib[^ :]*'); do
		mkdir -p "$root${file%/*}"
		cp -L "$file" "$root$file"
	done
	cat "$DOMU_INITRD" && (cd "$root" && find . | cpio --create --format=newc --quiet)
}

start_persistent()
{
	local n

	for n in 3 4; do
		domu_start vm$n 10.0.0.$n/24 --front "nfv-netfront${NFV_LEND:+,lend=$NFV_LEND}" mac=00:16:3e:00:00:1$n,script=vif-nfv || return
	done
}

with_nfvctl >"$WORK/initrd" || die "the guests' initramfs"
DOMU_INITRD=$WORK/initrd
modprobe xen-netback || die "xen-netback"
load || die "nfv.ko"
start_nfvd
ip link add br0 type bridge
ip link set br0 up
mk_container c1 10.0.0.9/24
ip link set veth-c1 master br0
in_ns c1 iperf3 -s -D >/dev/null
domu_start vm1 10.0.0.1/24 "mac=$MAC1,bridge=br0,script=vif-test" || die "vm1"
domu_start vm2 10.0.0.2/24 "mac=$MAC2,bridge=br0,script=vif-test" || die "vm2"
if [ ! -e "$netfront" ]; then
	say "no nfv-netfront.ko: the -persistent cases are left out"
	netfront=
elif ! start_persistent; then
	fail "guests with nfv-netfront start: the -persistent cases are left out" "$(tail -n 20 "$(console_of vm3)")"
	netfront=
fi

# Clear TCP's metrics of addresses (such as losses), which were measured with another backend.
forget=/proc/sys/net/ipv4/tcp_no_metrics_save
in_ns c1 sh -c "echo 1 >$forget"
for name in vm1 vm2 ${netfront:+vm3 vm4}; do
	domu_exec $name "echo 1 >$forget" || die "$name does not forget"
done
seconds=$NFV_SECONDS NFV_SECONDS=1
for ((round = 0; round <= NFV_ROUNDS; round++)); do
	first=$(($(wc -l <"$raw") + 1))
	say "round $round of $NFV_ROUNDS"
	use_nfvd || die "handing over to nfvd"
	measure nfvd "" vm1 vm2 10.0.0.2
	[ -z "$netfront" ] || measure nfvd -persistent vm3 vm4 10.0.0.4
	use_netback || die "giving back to xen-netback"
	measure xen-netback "" vm1 vm2 10.0.0.2
	[ -z "$netfront" ] || beside "$first"
	[ $round != 0 ] || : >"$raw"
	NFV_SECONDS=$seconds
done
nfvctl drops
finish
