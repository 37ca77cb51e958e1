# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts that make carriers lose frames: `nfvctl drops` is the whole truth. Sourced after lib.sh. They define
# arrived NAME, which prints how many frames that endpoint has received.

declare -A LOST=()		# by "PORT REASON": all that has been lost so far

# told - what nfvd says of lost frames, and of refused clients (port: control)
told()
{
	nfvctl -j drops | jq -r '.drops[] | select(.frames or (has("port") | not)) | "\(.port // "control") \(.reason) \(.count)"' | sort
}

# whole_truth - nfvd says all that has been lost, and nothing else; and frames in = delivered + dropped
whole_truth()
{
	diff <(for key in "${!LOST[@]}"; do echo "$key ${LOST[$key]}"; done | sort) <(told) && conserved
}

# loses NAME PORT REASON LOST/SENT TO COMMAND... - the command sends SENT frames to endpoint TO (-: to none), and of these
# its carrier loses LOST (?: as many as do not arrive). nfvd counts them at this port, for this reason.
loses()
{
	local name=$1 key="$2 $3" n=${4%/*} sent=${4#*/} to=$5 was=${LOST["$2 $3"]:-0} had got

	had=$(received "$to")
	shift 5
	"$@" >"$WORK/loses" 2>&1
	if wait_for as_lost; then
		pass "$name: $key $((LOST[$key] - was)) of $sent"
	else
		fail "$name: $key $n of $sent, and $got arrived" "$(cat "$WORK/loses")" "$(whole_truth)" "$(nfvctl drops)"
		believe
	fi
}

# believe - take what nfvd says as lost, so that later checks do not fail for an earlier one
believe()
{
	local port reason n

	LOST=()
	while read -r port reason n; do LOST["$port $reason"]=$n; done < <(told)
}

received() { [ "$1" = - ] || arrived "$1"; }

# as_lost - for loses(), of whose variables it uses some
as_lost()
{
	local lost=$n

	got=$(($(received "$to") - had))
	[ "$to" != - ] || got=$((sent - n))
	[ "$lost" != '?' ] || lost=$((sent - got))
	LOST[$key]=$((was + lost))
	[ $lost -gt 0 ] && [ $((got + lost)) = "$sent" ] && whole_truth
}

# --- ways to lose frames -----------------------------------------------------------------

# While nfvd is stopped, the kernel carries on alone.
stopped()
{
	kill -STOP "$NFVD_PID"
	"$@"
	kill -CONT "$NFVD_PID"
}

# super_frames NAME N SRC DST - container NAME sends N of 50000 bytes
super_frames()
{
	in_ns "$1" python3 - "${@:2}" <<-'P'
	import socket, struct, sys
	n, mac = 50000, [bytes.fromhex(a.replace(":", "")) for a in sys.argv[2:4]]
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
	s.setsockopt(263, 15, 1)      # PACKET_VNET_HDR
	s.bind(("eth0", 0))
	vnet = struct.pack("<BBHHHH", 1, 1, 54, 1400, 34, 16)
	ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + n, 1, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
	tcp = struct.pack(">HHIIBBHHH", 7, 7, 1, 1, 0x50, 0x10, 9000, 0, 0)
	for i in range(int(sys.argv[1])):
	    s.send(vnet + mac[1] + mac[0] + b"\x08\0" + ip + tcp + bytes(n))
	P
}
