# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Huge pages for a peer, and none for longer than it runs. FILE says how many there were before, and how many we have
# asked for: who is killed is followed by somebody who has it.
HUGEPAGES=/proc/sys/vm/nr_hugepages

# huge_take FILE PAGES - of 2 MiB. The kernel may not have found all.
huge_take()
{
	local before

	before=$(cat $HUGEPAGES)
	echo "$before $2" >"$1"
	echo $((before + $2)) >$HUGEPAGES
}

# huge_give_back FILE - what is more than before; no more than we have asked for.
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
