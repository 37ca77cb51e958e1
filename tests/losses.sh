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
	fi
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
