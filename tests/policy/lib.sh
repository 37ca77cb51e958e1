# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts that run the table of cases, after tests/lib.sh.

CASES=$TOP/tests/policy/cases

# containers [OPTION OF ATTACH]... - a, b and c, attached: with the addresses that the cases give them, and otherwise silent
containers()
{
	local name

	for name in a b c; do
		mk_container $name 10.9.0.1/24
		in_ns $name sysctl -qw net.ipv6.conf.all.disable_ipv6=1
		in_ns $name ip addr flush dev eth0
		ip -n $name link set eth0 address 02:00:00:00:00:0$name
		nfvctl attach veth $name dev veth-$name "$@" >/dev/null
		wait_for "state_is $name up"
	done
}

# table LABEL ENDPOINT ENDPOINT ENDPOINT [twice] - all rows: one result, and each row that fails
table()
{
	local label=$1 rows want

	shift
	want=$(grep -c '^[^#].*|' "$CASES")
	"$BUILD/tests/policy/policy" $STATE/ctl.sock "$CASES" "$@" >"$WORK/rows" 2>&1
	rows=$(grep -c '^ok' "$WORK/rows")
	check "$label: $want rows" eval "[ $rows = $want ] && ! grep -v '^ok' $WORK/rows || { grep -v '^ok' $WORK/rows; false; }"
}

# changes LABEL ENDPOINT ENDPOINT ENDPOINT
changes() { check "$1: 1000 changes under traffic, none late" "$BUILD/tests/policy/policy_changes" $STATE/ctl.sock 1000 "${@:2}"; }
