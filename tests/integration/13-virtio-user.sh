#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# DPDK's virtio-user, a guest's driver without a guest: small frames as fast as
# possible, and a sender that is killed at full rate.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

command -v dpdk-testpmd >/dev/null || { skip "virtio-user" "dpdk-testpmd"; exit 0; }

MAC0=02:00:00:00:00:10 MAC1=02:00:00:00:00:11

# testpmd_start OPTION...: options are for both devices. In each direction 256 frames circulate: nfvd passes them to the
# other port, testpmd sends them back.
testpmd_start()
{
	local options=queue_size=1024${1:+,$1}

	dpdk-testpmd --no-huge --no-shconf --no-pci --no-telemetry --single-file-segments -m 256 -l 0,1 \
		--vdev "net_virtio_user0,path=$STATE/p0.sock,mac=$MAC0,$options" \
		--vdev "net_virtio_user1,path=$STATE/p1.sock,mac=$MAC1,$options" -- \
		--forward-mode=mac --eth-peer=0,$MAC1 --eth-peer=1,$MAC0 --tx-first --burst=256 --nb-cores=1 \
		--total-num-mbufs=16384 --stats-period=1000 </dev/null >>"$WORK/testpmd.log" 2>&1 &
	TESTPMD_PID=$!
	wait_for "state_is p0 up && state_is p1 up || ! kill -0 $TESTPMD_PID" 60 && kill -0 $TESTPMD_PID
}

# Wait until that many more frames have passed in each direction.
flowing()
{
	local to from

	to=$(pair p0 p1 frames) from=$(pair p1 p0 frames)
	wait_for "[ \$(pair p0 p1 frames) -gt $((to + 100000)) ] && [ \$(pair p1 p0 frames) -gt $((from + 100000)) ]" 20
}

killed()
{
	local start

	{ kill -KILL "$TESTPMD_PID"; wait "$TESTPMD_PID"; } 2>/dev/null
	start=$(now_ms)
	wait_for "state_is p0 waiting && state_is p1 waiting" 10
	start=$(($(now_ms) - start))
	echo "$start ms"
	[ $start -lt 5000 ]
}

conservation()
{
	local first i

	first=$(pair p0 p1 frames)
	for ((i = 0; i < 20; i++)); do
		conserved || return 1
	done
	wait_for "[ \$(pair p0 p1 frames) -gt $first ]" 5 || echo "$first frames, and no more"
	[ "$(pair p0 p1 frames)" -gt "$first" ]
}

copied_once()
{
	[ "$(pair "$1" "$2" copies)" = "$(pair "$1" "$2" frames)" ] &&
		[ "$(pair "$1" "$2" copied_bytes)" = "$(pair "$1" "$2" bytes)" ]
}

split_rings() { [ $(($(member "$1" features) >> 34 & 1)) = 0 ]; }

# cycle N [OPTION]
cycle()
{
	check "cycle $1: testpmd starts${2:+, $2}" testpmd_start "${2:-}" || return
	check "cycle $1: frames pass both ways" flowing
	check "cycle $1: both are learnt" [ "$(nfvctl -j fdb | jq -c '[.entries[].port] | sort')" = '["p0","p1"]' ]
	check "cycle $1: conserved at 20 instants" conservation
	check "cycle $1: packed rings are not negotiated" split_rings p0
	check "cycle $1: a ring of 1024" [ "$(member p0 size)" = 1024 ]
	check "cycle $1: killed at full rate, both ports wait within 5 s" killed
	check "cycle $1: what they taught is forgotten" wait_for "nfvctl -j fdb | jq -e '.entries == []'" 5
	check "cycle $1: and nothing is in flight" wait_for conserved 10
}

start_nfvd
nfvctl attach kvm p0 >/dev/null && nfvctl attach kvm p1 >/dev/null
cycle 1
cycle 2 packed_vq=1
cycle 3 mrg_rxbuf=0
cycle 4 in_order=0
check "virtio-user: one copy per frame" copied_once p0 p1
check "virtio-user: one copy per frame, the other way" copied_once p1 p0
check "virtio-user: each end was seen" wait_for '[ "$(dropped p0 vu_disconnect):$(dropped p1 vu_disconnect)" = 4:4 ]' 5
check_fails "virtio-user: nothing of it was malformed" grep -E 'refused|fenced' "$NFVD_LOG"
finish
