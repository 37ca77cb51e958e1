# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Reserve huge pages for a peer, and release them when it ends. FILE has the number before, and the number that was
# requested, so that another process can release them if this one is killed.
HUGEPAGES=/proc/sys/vm/nr_hugepages
HUGE_SELF=$(realpath "${BASH_SOURCE[0]}")

# huge_guard - export NFV_HUGEPAGES, a FILE. What is reserved by it is released when this process and all that it starts have
# ended, even by force: they hold a pipe. Call it outside of the PID namespace in which they run, because all processes
# of that end with it; and in each program that may be killed alone, which uses the FILE of the process above.
huge_guard()
{
	local dir=

	if [ -z "${NFV_HUGEPAGES:-}" ]; then
		dir=$(mktemp -d)
		export NFV_HUGEPAGES=$dir/hugepages
	fi
	# shellcheck disable=SC2034 # nobody writes to it
	exec {huge_held}> >(trap '' INT TERM HUP; exec setsid bash -c '. "$0"; cat >/dev/null; huge_give_back "$1"; [ -z "$2" ] || rm -rf "$2"' \
		"$HUGE_SELF" "$NFV_HUGEPAGES" "$dir" >/dev/null 2>&1)
}

# huge_take FILE PAGES - reserve pages of 2 MiB. The kernel may find fewer.
huge_take()
{
	local before

	before=$(cat $HUGEPAGES)
	echo "$before $2" >"$1"
	echo $((before + $2)) >$HUGEPAGES
}

# huge_give_back FILE - release the pages beyond the number before, at most as many as were requested.
huge_give_back()
{
	local now before asked

	[ -s "$1" ] || return 0
	read -r before asked <"$1"
	now=$(cat $HUGEPAGES)
	[ $((now - before)) -le "$asked" ] || before=$((now - asked))
	[ "$now" -le "$before" ] || echo "$before" >$HUGEPAGES
	rm -f "$1"
}
