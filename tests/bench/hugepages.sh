# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Reserve huge pages for a peer, and release them when it ends. FILE has the number before, and the number that was
# requested, so that another process can release them if this one is killed.
HUGEPAGES=/proc/sys/vm/nr_hugepages

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
