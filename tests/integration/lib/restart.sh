# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# For scripts in which nfvd, under fdkeep, ends and another one continues.

CONF=$WORK/conf
FDKEEP=$BUILD/dataplane/fdkeep
KEEPER=

# keeper [COMMAND]... - nfvd, under fdkeep, which needs more descriptors than this soft limit
keeper()
{
	(ulimit -Sn 40 && exec "$FDKEEP" "${@:-$NFVD}" --state-dir $STATE --config-dir "$CONF") >>$NFVD_LOG 2>&1 &
	KEEPER=$!
	assert 'wait_for "nfvctl show" 30'
}
nfvd_pid() { pgrep -P "$KEEPER"; }
state_of() { nfvctl -j show "$1" | jq -r '.ports[0].state'; }
# again OLD-PID GENERATOR: wait until a new nfvd responds and has its guests, or the generator has ended.
again()
{
	wait_for "! kill -0 $2 2>/dev/null ||
		{ [ \"\$(nfvd_pid)\" != $1 ] && [ \"\$(state_of a)\" = up ] && [ \"\$(state_of b)\" = up ]; }" 20
}
# Print QEMU's sockets.
qemu_sockets() { find "/proc/${GUEST_PID[$1]}/fd" -lname 'socket:*' -printf '%l\n' | sort; }
# Count the stored descriptors, except the packet socket that is made in advance and not bound yet.
kept()
{
	find "/proc/$KEEPER/fd" -mindepth 1 -printf '%l\n' |
		grep -cvxFf <(awk '$4 == "0000" && $5 == 0 { print "socket:[" $9 "]" }' /proc/net/packet; echo none)
}
links_kept() { find "/proc/$KEEPER/fd" -lname 'anon_inode:bpf_link' | wc -l; }
events() { nfvctl events; }

# spoilt SPOIL WORDS - a program in place of fdkeep hands out damaged descriptors (SPOIL); nfvd must report it.
spoilt()
{
	check "spoilt: $1" python3 "$TOP/tests/integration/spoilt_store.py" "$1" "$2" "$WORK/spoilt" "$NFVD" "$NFVCTL"
}
