# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# For scripts about the port that has an address: three containers that send and receive single frames.

FRAME=$BUILD/tests/integration/frame
ALL=ff:ff:ff:ff:ff:ff
LISTENERS=()

# send NAME DST SRC SIZE [COUNT]
send() { in_ns "$1" "$FRAME" send eth0 "$2" "$3" 0 "$4" "${5:-1}"; }
# listen NAME: write the frames that it receives from now on to $WORK/heard-NAME.
listen()
{
	rm -f "$WORK/heard-$1"
	ip netns exec "$1" "$FRAME" recv eth0 1000000 60000 >"$WORK/heard-$1" &
	LISTENERS+=($!)
	wait_for "grep -q ready $WORK/heard-$1" 5
}
listen_end() { kill "${LISTENERS[@]}"; wait "${LISTENERS[@]}"; LISTENERS=(); } 2>/dev/null
# heard NAME SIZE: print how many frames of that size it received.
heard() { grep -c "^0 $2 [0-9]* ok$" "$WORK/heard-$1"; }
hears() { wait_for "[ \"\$(heard $1 $2)\" -ge $3 ]" 5; }
owner_is() { nfvctl -j fdb | jq -e --arg mac "$1" --arg port "$2" 'any(.entries[]; .mac == $mac and .vlan == 0 and .port == $port)'; }
contested() { nfvctl -j fdb | jq -e --arg mac "$1" 'any(.entries[]; .mac == $mac and .contested)'; }

# join_nfvd NAME - attach a container; another such function connects it by other means.
join_nfvd() { nfvctl attach veth "$1" dev "veth-$1" >/dev/null && wait_for "state_is $1 up" 5; }

make_containers()
{
	local i

	for i in 1 2 3; do
		mk_container c$i 10.0.0.$i/24
		in_ns c$i sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
		"$1" c$i || return 1
	done
}

remove_containers()
{
	local i

	for i in 1 2 3; do
		nfvctl detach c$i >/dev/null 2>&1
		ip netns del c$i
		wait_for "! ip link show veth-c$i" 5
	done
}

cat_in() { ip netns exec "$1" cat /sys/class/net/eth0/address; }
