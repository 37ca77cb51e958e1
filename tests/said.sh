# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What nfvd says of ports, pairs and counters. Sourced by lib.sh.
#
# These use only the shell: in an emulated machine each process takes 0.1 s or more, and jq 0.4 s.

# field JSON KEY: set $REPLY to the key's first value, without quotes.
field() { [[ $1 =~ \"$2\":([^,}]*) ]] && REPLY=${BASH_REMATCH[1]//\"/} || REPLY=; }
# member PORT KEY: print a value of the port's `show`.
member() { field "$("$NFVCTL" -j show "$1")" "$2" && echo "$REPLY"; }
state_is() { field "$("$NFVCTL" -j show "$1")" state && [ "$REPLY" = "$2" ]; }
# entry JSON START: set $REPLY to the rest of the object after START.
entry()
{
	REPLY=${1#*"$2"}
	[ "$REPLY" != "$1" ] && REPLY=${REPLY%%[\{\}]*} || REPLY=
}
# pair SRC DST KEY: print a counter of the ledger; 0 if no frame went from SRC to DST.
pair()
{
	entry "$("$NFVCTL" -j ledger)" "\"src\":\"$1\",\"dst\":\"$2\""
	field "$REPLY" "$3"
	echo "${REPLY:-0}"
}
# copies_of SRC DST: print the copies per frame since the last call with these two.
declare -A SEEN=()
copies_of()
{
	local key=$1-$2 both frames copies

	entry "$("$NFVCTL" -j ledger)" "\"src\":\"$1\",\"dst\":\"$2\""
	both=$REPLY
	field "$both" frames && frames=${REPLY:-0}
	field "$both" copies && copies=${REPLY:-0}
	set -- $((frames - ${SEEN[$key.f]:-0})) $((copies - ${SEEN[$key.c]:-0}))
	SEEN[$key.f]=$frames SEEN[$key.c]=$copies
	[ "$1" -gt 0 ] && set -- $((($2 * 100 + $1 / 2) / $1)) && printf '%d.%02d\n' $(($1 / 100)) $(($1 % 100))
}
stat_of() { entry "$("$NFVCTL" -j stats)" "\"name\":\"$1\"" && field "$REPLY" "$2" && echo "$REPLY"; }
# dropped PORT REASON: print the counter. Print nothing, and fail, if there is no such port or reason.
dropped()
{
	local port reason n _

	while read -r port reason n _; do
		[ "$port $reason" != "$1 $2" ] || { echo "$n"; return; }
	done <<<"$("$NFVCTL" drops "$1" all)"
	echo "no counter '$2' of port '$1'" >&2
	return 1
}

# conserved: frames in = delivered + dropped, at every port and in total, at this instant. Right after traffic has ended,
# wait for it, because frames may still be in flight.
conserved()
{
	local stats

	stats=$("$NFVCTL" -j stats)
	[[ $stats == *'"in_flight":0'* && ! $stats =~ \"in_flight\":-?[1-9] ]] || { echo "$stats"; return 1; }
}
