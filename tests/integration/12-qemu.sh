#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 300
# alone
#
# QEMU guests, under KVM or emulated: both ends of the connection lost and
# found again, several queues, guests that negotiate less, memory that is not
# shared, memory in huge pages.

. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bench/hugepages.sh"
huge_guard
ns_enter "$@"

PLAIN="guest_csum guest_tso4 guest_tso6 guest_ecn guest_ufo"

# without PROPERTY...: options for a guest whose device lacks these.
without()
{
	local p

	EXTRA=()
	for p; do
		EXTRA+=(--extra -global --extra "virtio-net-pci.$p=off")
	done
}

boot_id() { guest_exec "$1" 'cat /proc/sys/kernel/random/boot_id'; }
ping_from() { guest_exec "$1" "ping -c 3 $2"; }
# Repeat until it succeeds: the connection must recover by itself.
reaches() { wait_for "guest_exec $1 'ping -c 1 -W 2 $2'" 20; }
copied_once() { [ "$(pair "$1" "$2" frames)" -gt 100 ] && [ "$(pair "$1" "$2" copies)" = "$(pair "$1" "$2" frames)" ]; }
doctor_says() { nfvctl doctor | grep "$1"; }
no_offloads() { [ "$(member "$1" accepts)" = '[]' ]; }
running_queues() { nfvctl -j show "$1" | jq -e --argjson n "$2" '[.. | objects | select(.state == "running")] | length == $n'; }
# snmp GUEST PROTOCOL: the protocol's InCsumErrors there.
bad_checksums()
{
	guest_exec "$1" 'cat /proc/net/snmp' | awk -v p="$2:" '
		$1 == p && !n { for (i = 2; i <= NF; i++) if ($i == "InCsumErrors") n = i; next }
		$1 == p { print $n }'
}

# container_iperf ADDRESS [OPTION]...: send from c1 to a guest's server, which must receive something.
container_iperf()
{
	local limit=$((SECONDS + 30)) output

	until output=$(timeout 40 ip netns exec c1 iperf3 -f m -c "$@" 2>&1); do
		grep -q 'busy\|refused' <<<"$output" && [ $SECONDS -lt $limit ] || { echo "$output"; return 1; }
		sleep 0.1
	done
	echo "$output"
	awk '$NF == "receiver" { for (i = 2; i <= NF; i++) if ($i == "Mbits/sec" && $(i - 1) > 0) n++ } END { exit !n }' <<<"$output"
}

pair_of_guests()
{
	check "qemu: a guest, nfvd listens" guest_start qemu vm1 10.0.0.1/24
	nfvctl attach kvm vm2 mode client >/dev/null
	check "qemu: a guest that listens itself" guest_start qemu vm2 10.0.0.2/24 --mode client
	check "qemu: ping" ping_from vm1 10.0.0.2
	check "qemu: TCP" iperf vm1 10.0.0.2 -t 1
	check "qemu: TCP the other way" iperf vm1 10.0.0.2 -t 1 -R
	check "qemu: one copy per frame" copied_once vm1 vm2
	check "qemu: one copy per frame, the other way" copied_once vm2 vm1
	check "qemu: frames in = delivered + dropped" wait_for conserved 10
}

restarted()
{
	local before1 before2

	before1=$(boot_id vm1) before2=$(boot_id vm2)
	stop_nfvd || fail "restart: nfvd ends" "status $?"
	check "restart: the guest's own socket is left alone" [ -S $STATE/vm2.sock ]
	check_fails "restart: without nfvd there is no network" guest_exec vm1 'ping -c 1 -W 1 10.0.0.2'
	start_nfvd
	check "restart: attached again" nfvctl attach kvm vm1
	check "restart: attached again, as client" nfvctl attach kvm vm2 mode client
	check "restart: the guests' network is back" reaches vm1 10.0.0.2
	check "restart: TCP" iperf vm1 10.0.0.2 -t 1
	check "restart: neither guest has booted" [ "$(boot_id vm1) $(boot_id vm2)" = "$before1 $before2" ]
	check "restart: nothing of it was malformed" [ -z "$(grep -E 'refused|fenced' "$NFVD_LOG")" ]
	guest_kill vm2
	check "qemu: killed, the port waits" wait_for "state_is vm2 waiting" 1
	nfvctl detach vm2 >/dev/null
}

both_up() { guest_exec vm3 "ethtool -l eth0 | grep Combined | tail -n 1 | grep -w 2"; }
both_send() { guest_exec vm3 "ethtool -S eth0 | awk '/tx_queue_[01]_packets/ && \$2 > 0 { n++ } END { exit n != 2 }'"; }

queues()
{
	nfvctl attach kvm vm3 queues 2 >/dev/null
	check "queues: a guest with 2 pairs" guest_start qemu vm3 10.0.0.3/24 --queues 2
	check "queues: it has brought up both" wait_for both_up 10
	check "queues: all 4 rings run" wait_for "running_queues vm3 4" 5
	check "queues: TCP, 4 connections" container_iperf 10.0.0.3 -t 2 -P 4
	check "queues: TCP the other way" container_iperf 10.0.0.3 -t 2 -P 4 -R
	# The guest's scheduler chooses which of the two queues a connection uses.
	check "queues: both send" wait_for "both_send || { container_iperf 10.0.0.3 -t 1 -P 4 -R; false; }" 60
	check "queues: one is given up" guest_exec vm3 'ethtool -L eth0 combined 1'
	check "queues: and it works with the other" container_iperf 10.0.0.3 -t 1
	check "queues: both again" guest_exec vm3 'ethtool -L eth0 combined 2'
	check "queues: TCP again" container_iperf 10.0.0.3 -t 1 -P 4
	check "queues: frames in = delivered + dropped" wait_for conserved 10
	guest_kill vm3
}

# nfvd must complete checksums and segment frames that the sender left unfinished.
without_offloads()
{
	local name=$1

	check "$name: TCP from a container" container_iperf 10.0.0.4 -t 1
	check "$name: and to it" container_iperf 10.0.0.4 -t 1 -R
	check "$name: TCP from another guest" iperf vm1 10.0.0.4 -t 1
	check "$name: and to it" iperf vm1 10.0.0.4 -t 1 -R
	check "$name: UDP" container_iperf 10.0.0.4 -t 1 -u -b 10M -l 1200
	check "$name: a datagram in fragments" in_ns c1 ping -q -c 2 -i 0.2 -W 3 -s 8000 10.0.0.4
	check "$name: no bad checksum" [ "$(bad_checksums vm4 Tcp):$(bad_checksums vm4 Udp)" = 0:0 ]
	check "$name: frames in = delivered + dropped" wait_for conserved 10
}

guests_that_negotiate_less()
{
	without $PLAIN
	check "no offloads: guest" guest_start qemu vm4 10.0.0.4/24 "${EXTRA[@]}"
	check "no offloads: nfvd knows" wait_for "no_offloads vm4" 5
	without_offloads "no offloads"
	check "no offloads: each frame fits the MTU" [ "$(pair c1 vm4 bytes)" -le $((1514 * $(pair c1 vm4 frames))) ]
	guest_kill vm4

	without mrg_rxbuf
	check "no mrg_rxbuf: guest" guest_start qemu vm4 10.0.0.4/24 "${EXTRA[@]}"
	check "no mrg_rxbuf: indeed" [ $(($(member vm4 features) >> 15 & 1)) = 0 ]
	without_offloads "no mrg_rxbuf"
	guest_kill vm4

	without $PLAIN mrg_rxbuf event_idx indirect_desc
	check "nothing: guest" guest_start qemu vm4 10.0.0.4/24 "${EXTRA[@]}"
	check "nothing: nfvd knows" wait_for "no_offloads vm4" 5
	without_offloads "nothing"
	guest_kill vm4
}

not_shared()
{
	check "not shared: guest" guest_start qemu vm5 10.0.0.5/24 --no-share
	check "not shared: an event says so" wait_for "nfvctl events | grep vm5 | grep -qi shared" 10
	check "not shared: doctor, too" wait_for "doctor_says 'vm5.*share=on'" 5
	check "not shared: counted" wait_for '[ "$(dropped vm5 mem_unshared)" = 1 ]' 5
	check "not shared: the others go on" in_ns c1 ping -q -c 3 -i 0.2 -W 2 10.0.0.1
	guest_kill vm5
}

in_huge_pages()
{
	local free=/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages

	huge_take "$NFV_HUGEPAGES" 64
	if [ "$(cat $free)" -lt 64 ]; then
		skip "huge pages" "128 MiB of huge pages"
		return
	fi
	check "huge pages: guest" guest_start qemu vm6 10.0.0.6/24 --mem 128 --huge
	check "huge pages: its memory is in them" [ "$(cat $free)" -lt 60 ]
	check "huge pages: TCP from a container" container_iperf 10.0.0.6 -t 1
	check "huge pages: and to it" container_iperf 10.0.0.6 -t 1 -R
	check "huge pages: TCP from another guest" iperf vm1 10.0.0.6 -t 1
	check "huge pages: one copy per frame" copied_once vm1 vm6
	guest_kill vm6
	check "huge pages: nfvd keeps none" wait_for "[ \$(cat $free) -ge 64 ]" 10
	huge_give_back "$NFV_HUGEPAGES"
}

start_nfvd
pair_of_guests
restarted
mk_container c1 10.0.0.11/24
check "qemu: a container" nfvctl attach veth c1 dev veth-c1
queues
guests_that_negotiate_less
not_shared
in_huge_pages
finish
